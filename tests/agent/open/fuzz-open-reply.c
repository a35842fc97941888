/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "open/open_protocol.h"
#include "open/open_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_words(const char *words, size_t size)
{
    if (strnlen(words, size) >= size)
        abort();
    for (; *words; words++)
        if ((unsigned char) *words < ' ' || *words == 0x7f)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct secret body = { (unsigned char *) data, size };
    struct open_reply r = OPEN_REPLY_NULL;
    int result;

    if (secret_init() < 0)
        abort();
    result = open_reply_parse(&body, &r);
    if (result < 0) {
        if (result != -EPROTO || r.passphrase.data)
            abort();
        return 0;
    }
    if (r.slot < -1 || r.slot >= OPEN_SLOTS_MAX || (r.slot >= 0) != (r.passphrase.size > 0) || r.passphrase.size > OPEN_PASSPHRASE_MAX ||
        r.n_failures > OPEN_SLOTS_MAX)
        abort();
    check_words(r.kind, sizeof(r.kind));
    for (unsigned i = 0; i < r.n_failures; i++) {
        const struct open_failure *f = &r.failures[i];

        if (f->slot < 0 || f->slot >= OPEN_SLOTS_MAX || !strchr("lrui", f->class) || !f->class)
            abort();
        check_words(f->kind, sizeof(f->kind));
        check_words(f->text, sizeof(f->text));
    }
    open_reply_done(&r);
    return 0;
}
