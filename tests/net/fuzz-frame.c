/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "basic/cleanup.h"
#include "net/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The frames of the bytes as far as they are good, and how it ended; read in pieces of a size that the input's first byte tells. */
static int read_all(const uint8_t *data, size_t size, size_t piece, uint8_t *ret, size_t *ret_size)
{
    _cleanup_(frame_reader_done) struct frame_reader r = { 0 };

    *ret_size = 0;
    while (size > 0) {
        size_t n = size < piece ? size : piece, used;
        struct frame f;
        int result = frame_read(&r, data, n, &used, &f);

        if (result < 0)
            return result;
        if (used > n || (result == 0 && used != n) || (result == 1 && used == 0 && f.size > 0))
            abort();
        data += used;
        size -= used;
        if (result == 0)
            continue;
        frame_head(ret + *ret_size, f.kind, f.id, f.size);
        if (f.size > 0)
            memcpy(ret + *ret_size + FRAME_HEAD, f.payload, f.size);
        *ret_size += FRAME_HEAD + f.size;
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *once, *pieces;
    size_t n_once, n_pieces;

    if (size < 2)
        return 0;
    once = malloc(size);
    pieces = malloc(size);
    if (!once || !pieces)
        abort();
    /* the same in whatever pieces it comes, and writing again what was read gives the same bytes */
    if (read_all(data + 1, size - 1, SIZE_MAX, once, &n_once) != read_all(data + 1, size - 1, 1 + data[0] % 40U, pieces, &n_pieces) ||
        n_once != n_pieces || memcmp(once, pieces, n_once) != 0 || memcmp(once, data + 1, n_once) != 0)
        abort();
    free(once);
    free(pieces);
    return 0;
}
