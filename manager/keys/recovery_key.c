/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys/recovery_key.h"

#include <errno.h>
#include <string.h>

#include "basic/cleanup.h"

#define GROUPS 8
#define GROUP_LEN 8
#define LETTERS (GROUPS * GROUP_LEN)

static const char modhex[16] = "cbdefghijklnrtuv";

/* The n-th letter's place in the text. */
static size_t place(size_t n)
{
    return n + n / GROUP_LEN;
}

static int empty_text(struct secret *ret)
{
    int r = secret_new(RECOVERY_KEY_TEXT_LEN, ret);

    if (r == 0)
        memset(ret->data, '-', ret->size);
    return r;
}

int recovery_key_generate(struct secret *ret_text)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL, text = SECRET_NULL;
    int r = secret_random(LETTERS / 2, &key);

    if (r == 0)
        r = empty_text(&text);
    if (r != 0)
        return r;
    for (size_t i = 0; i < key.size; i++) {
        text.data[place(2 * i)] = (unsigned char) modhex[key.data[i] >> 4];
        text.data[place(2 * i + 1)] = (unsigned char) modhex[key.data[i] & 15];
    }
    *ret_text = secret_take(&text);
    return 0;
}

int recovery_key_normalise(const void *text, size_t n, struct secret *ret_text)
{
    _cleanup_(secret_done) struct secret mended = SECRET_NULL;
    const unsigned char *p = text;
    size_t letters = 0;
    int r;

    if (n > 0 && p[n - 1] == '\n')
        n--;
    if (n != LETTERS && n != RECOVERY_KEY_TEXT_LEN)
        return -EINVAL;
    r = empty_text(&mended);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = p[i];

        if (n == RECOVERY_KEY_TEXT_LEN && i % (GROUP_LEN + 1) == GROUP_LEN) {
            if (c != '-')
                return -EINVAL;
            continue;
        }
        if (c >= 'A' && c <= 'Z')
            c = (unsigned char) (c - 'A' + 'a');
        if (!memchr(modhex, c, sizeof(modhex)))
            return -EINVAL;
        mended.data[place(letters++)] = c;
    }
    *ret_text = secret_take(&mended);
    return 0;
}
