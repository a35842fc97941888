/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "docker/helpers.h"

#include <errno.h>
#include <limits.h>

#include "basic/file.h"
#include "exchange/exchange.h"

static int exchange(void *data, const char *helper, char operation, const void *body, size_t size, unsigned timeout_ms, struct secret *ret_body,
                    struct error *e)
{
    char path[PATH_MAX];
    int r = path_join(path, data, helper);

    if (r == 0)
        r = exchange_call(path, operation, body, size, (int) timeout_ms, ret_body, e);
    if (r == -ENOENT || r == -ECONNREFUSED)
        return -EHOSTUNREACH;
    return r == -EOPNOTSUPP ? -ENOSYS : r;
}

struct method_helpers helpers_in(const char *folder)
{
    return (struct method_helpers) { exchange, (void *) folder };
}
