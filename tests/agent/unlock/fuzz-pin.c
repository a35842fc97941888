/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "unlock/binding.h"
#include "unlock/operations.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libjose 14 loses a copy of the public header with each encryption (zip_in_protected_header() in its lib/misc.c). */
const char *__asan_default_options(void);
const char *__lsan_default_suppressions(void);

const char *__asan_default_options(void)
{
    return "fast_unwind_on_malloc=0";
}

const char *__lsan_default_suppressions(void)
{
    return "leak:jose_jwe_enc_cek";
}

/* Whatever is taken as a pin gives a JWE that is taken, too. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char plaintext[] = "\0plain";
    struct secret body, reply;
    struct binding *b;

    if (secret_init() < 0 || secret_new(size + sizeof(plaintext), &body) < 0)
        abort();
    if (size > 0)
        memcpy(body.data, data, size);
    memcpy(body.data + size, plaintext, sizeof(plaintext));
    if (operation_run(UNLOCK_ENCRYPT, &body, -1, &reply, NULL) == 0) {
        if (binding_parse(reply.data, reply.size, &b, NULL) < 0)
            abort();
        binding_free(b);
        secret_done(&reply);
    }
    secret_done(&body);
    return 0;
}
