/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pki/id.h"

#include <assert.h>
#include <sodium.h>
#include <stdint.h>
#include <string.h>

#include "basic/cleanup.h"
#include "pki/base36.h"

void id_new(char ret[static ID_LEN + 1])
{
    uint8_t number[16];
    _unused_ int r;

    randombytes_buf(number, sizeof(number));
    r = base36_encode(number, sizeof(number), ID_LEN, ret);
    assert(r == 0); /* 36^25 > 2^128 */
}

bool id_is_valid(const char *text)
{
    return text && strlen(text) == ID_LEN && strspn(text, "0123456789abcdefghijklmnopqrstuvwxyz") == ID_LEN;
}
