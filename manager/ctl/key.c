/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/key.h"

#include <errno.h>

#include "basic/memfd.h"
#include "ctl/escape.h"
#include "ctl/output.h"

#define KEY_MAX 256

int key_read(sd_bus_message *m, struct secret *ret)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    int fd, r = sd_bus_message_read_basic(m, SD_BUS_TYPE_UNIX_FD, &fd); /* the message's */

    if (r >= 0)
        r = memfd_read(fd, KEY_MAX, &key);
    if (r < 0)
        return r;
    if (key.size == 0 || !escape_is_clean((char *) key.data, key.size, ESCAPE_TEXT))
        return -EBADMSG;
    *ret = secret_take(&key);
    return 0;
}

json_t *key_to_json(const struct secret *key)
{
    return json_stringn((char *) key->data, key->size);
}

void key_print_unlock(const void *key, size_t n)
{
    output_print("To unlock a swarm manager after it restarts, run the `swarmctl unlock`\n"
                 "command and provide the following key:\n\n    ");
    output_bytes(key, n);
    output_print("\n\nPlease remember to store this key in a password manager, since without it you\n"
                 "will not be able to restart the manager.\n");
}
