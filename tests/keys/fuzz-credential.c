/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "basic/cleanup.h"
#include "keys/credential.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input as a sealed credential, and as a name: one that is taken leads nowhere but into the folder. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(secret_done) struct secret s = SECRET_NULL;
    _cleanup_free_ char *name = malloc(size + 1);
    int r;

    if (secret_init() < 0 || !name)
        abort();
    r = credential_check_sealed(data, size);
    if (r < 0 && r != -EBADMSG)
        abort();
    memcpy(name, data, size);
    name[size] = 0;
    if (setenv("CREDENTIALS_DIRECTORY", "/nonexistent", 1) < 0)
        abort();
    r = credential_load(name, &s, NULL);
    if (r != -EINVAL && (r != -ENOENT || strchr(name, '/') || strcmp(name, "..") == 0 || strlen(name) > 80))
        abort();
    return 0;
}
