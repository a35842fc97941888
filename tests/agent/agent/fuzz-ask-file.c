/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ask_file.h"

#define FOLDER "/run/systemd/ask-password"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ask_file f = { .not_after = 1234 };
    const char *name = f.socket + strlen(FOLDER "/");
    int r = ask_file_parse((const char *) data, size, FOLDER, &f);

    if (r < 0) {
        if (f.socket[0] || f.not_after != 1234 || (r != -EINVAL && r != -ENOENT && r != -EMSGSIZE))
            abort();
        return 0;
    }
    if (size > ASK_FILE_MAX || strnlen(f.socket, sizeof(f.socket)) == sizeof(f.socket) ||
        strncmp(f.socket, FOLDER "/", strlen(FOLDER "/")) != 0 || !name[0] || strchr(name, '/') || strcmp(name, ".") == 0 ||
        strcmp(name, "..") == 0)
        abort();
    return 0;
}
