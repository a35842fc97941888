/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "token/enroll_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What comes out can stand in an argument of a program. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct enroll_request r;

    if (enroll_request_parse(data, size, &r, NULL) < 0)
        return 0;
    if (!r.has_pcrs && r.pcrs[0])
        abort();
    if (r.pcrs[strspn(r.pcrs, "abcdefghijklmnopqrstuvwxyzABCDEF0123456789-+,:=")] || !pcrs_are_valid(r.pcrs))
        abort();
    return 0;
}
