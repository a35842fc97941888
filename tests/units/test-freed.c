/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fails when freed memory keeps its bytes: to be run with the GLIBC_TUNABLES of the units, and without them to see that it can fail. */
#include <stdint.h>
#include <unistd.h>

#include "test.h"

#define MARK_SIZE 16
#define MAX 100000

static volatile char mark[MARK_SIZE];

static void fill(char *p, size_t size)
{
    for (size_t i = 0; i < size; i++)
        p[i] = mark[i % MARK_SIZE];
}

static size_t count(const char *from, const char *to)
{
    size_t n = 0;

    for (const char *p = from; p + MARK_SIZE <= to; p++)
        n += memcmp(p, (const char *) mark, MARK_SIZE) == 0;
    return n;
}

int main(void)
{
    static const size_t sizes[] = { 24, 40, 64, 100, 128, 256, 500, 1000, 1032, 2000, 4000, 20000, MAX };
    char *start = sbrk(0);
    size_t left;

    for (int i = 0; i < MARK_SIZE; i++)
        mark[i] = (char) ('A' + i * 7 % 26);
    for (int how = 0; how < 30; how++)
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            char *p = malloc(sizes[i]), *between = malloc(16);

            CHECK(p && between); /* the second is kept, so that chunks do not merge back into one */
            fill(p, sizes[i]);
            if (how % 3 > 0) {
                p = realloc(p, how % 3 == 1 ? sizes[i] * 2 : sizes[i] / 2);
                CHECK(p);
            }
            free(p);
        }
    left = count(start, sbrk(0));
    printf("%zu copies left in freed memory\n", left);
    return left > 0;
}
