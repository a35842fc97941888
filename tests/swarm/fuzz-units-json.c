/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What swarm-units may answer: every reader gets the same bytes, and what comes out can be written to the journal. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "basic/utf8.h"
#include "swarm/units_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *text)
{
    if (!utf8_is_valid(text) || strchr(text, '\n') || strchr(text, '\x1b'))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    __attribute__((cleanup(secret_done))) struct secret body = SECRET_NULL;
    char done[ERROR_TEXT_MAX], failed[ERROR_TEXT_MAX];
    unsigned n;

    if (secret_init() < 0 || secret_copy(data, size, &body) < 0)
        abort();
    if (units_json_drop_ins_reply(&body, done, failed) == 0) {
        check(done);
        check(failed);
    }
    if (units_json_update_reply(&body, &n, failed) == 0)
        check(failed);
    (void) units_json_is_active(&body, "web@1.service");
    return 0;
}
