/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs a fuzz target as a plain test: the seed files named in argv, then inputs mutated from them, always the same ones. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "basic/cleanup.h"

#define INPUT_MAX 16384
#define SEEDS_MAX 64
#define ROUNDS 20000
#define SECONDS 2 /* of processor time: slow targets run fewer rounds */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    size_t size;
    uint8_t data[INPUT_MAX];
};

static uint64_t state = 0x9e3779b97f4a7c15;

static uint32_t number(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t) ((state >> 32) % below);
}

static void mutate(struct input *in)
{
    for (uint32_t n = 1 + number(6); n > 0; n--)
        switch (number(5)) {
        case 0:
            if (in->size > 0)
                in->data[number((uint32_t) in->size)] ^= (uint8_t) (1U << number(8));
            break;
        case 1:
            if (in->size > 0)
                in->data[number((uint32_t) in->size)] = (uint8_t) number(256);
            break;
        case 2:
            in->size = number((uint32_t) in->size + 1);
            break;
        case 3:
            for (uint32_t more = 1 + number(32); more > 0 && in->size < INPUT_MAX; more--)
                in->data[in->size++] = (uint8_t) number(256);
            break;
        default:
            if (in->size > 1) {
                size_t at = number((uint32_t) in->size - 1);
                memmove(in->data + at, in->data + at + 1, in->size - at - 1);
                in->size--;
            }
        }
}

static void run(const struct input *in)
{
    /* an allocation of the exact size, so that a sanitizer sees a read past the end */
    uint8_t *copy = malloc(in->size ? in->size : 1);

    if (!copy)
        abort();
    memcpy(copy, in->data, in->size);
    (void) LLVMFuzzerTestOneInput(copy, in->size);
    free(copy);
}

int main(int argc, char *argv[])
{
    static struct input seeds[SEEDS_MAX], in;
    unsigned n_seeds = 1; /* the empty one */

    for (int i = 1; i < argc && n_seeds < SEEDS_MAX; i++) {
        _cleanup_fclose_ FILE *f = fopen(argv[i], "re");

        if (!f) {
            perror(argv[i]);
            return 1;
        }
        seeds[n_seeds].size = fread(seeds[n_seeds].data, 1, INPUT_MAX, f);
        n_seeds++;
    }
    for (unsigned i = 0; i < n_seeds; i++)
        run(&seeds[i]);
    for (unsigned i = 0; i < ROUNDS && clock() < SECONDS * CLOCKS_PER_SEC; i++) {
        in = seeds[number(n_seeds)];
        mutate(&in);
        run(&in);
    }
    return 0;
}
