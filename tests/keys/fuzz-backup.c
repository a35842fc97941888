/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "basic/cleanup.h"
#include "keys/backup.h"
#include "keys/unlock_key.h"

#define HEADER 160

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct secret key;

static int file_of(const uint8_t *data, size_t size)
{
    int fd = memfd_create("backup", MFD_CLOEXEC);

    if (fd < 0 || pwrite(fd, data, size, 0) != (ssize_t) size)
        abort();
    return fd;
}

/* Reads it; whether it is a backup. A snapshot never has more bytes than its file, and a header that is refused opens nothing. */
static bool look(int fd, size_t file_size)
{
    struct backup_header first = {}, second = {};
    struct error e = {};
    void *snapshot = NULL;
    size_t size = 0;
    int r = backup_read_header(fd, &first, &e), s = backup_read(fd, &key, &second, &snapshot, &size, &e);

    if ((r < 0 && s != r) || (s == 0) != (snapshot != NULL) || size > file_size || (s < 0 && !e.text[0]))
        abort();
    if (s == 0 && (first.generation != second.generation || strcmp(first.swarm_id, second.swarm_id) != 0))
        abort();
    free(snapshot);
    return s == 0;
}

/* With a start and a checksum that fit, so that what comes behind is read. */
static void with_header(const uint8_t *data, size_t size)
{
    _cleanup_free_ uint8_t *copy = malloc(size);
    _cleanup_close_ int fd = -1;

    if (!copy)
        abort();
    memcpy(copy, data, size);
    memcpy(copy, "SWARMBK\1", 8);
    (void) crypto_generichash(copy + 128, 32, copy, 128, NULL, 0);
    fd = file_of(copy, size);
    (void) look(fd, size);
}

/* What is written is read back; with the input's first byte changing one of the file, it is not. */
static void as_snapshot(const uint8_t *data, size_t size)
{
    static const struct backup_header header = { 3, "swarm00000000000000000000" };
    _cleanup_close_ int fd = file_of(data, 0);
    size_t at = size > 1 ? (size_t) data[0] << 8 | data[1] : 0;
    uint8_t byte;

    if (backup_write(fd, &header, &key, data, size, NULL) < 0 || !look(fd, size + HEADER + 17))
        abort();
    at %= size + HEADER + 17;
    if (pread(fd, &byte, 1, (off_t) at) != 1)
        abort();
    byte ^= size > 2 && data[2] ? data[2] : 1;
    if (pwrite(fd, &byte, 1, (off_t) at) != 1 || look(fd, size + HEADER + 17))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_close_ int fd = -1;

    if (secret_init() < 0 || (!key.data && secret_new(UNLOCK_KEY_SIZE, &key) < 0))
        abort();
    fd = file_of(data, size);
    (void) look(fd, size);
    if (size >= HEADER)
        with_header(data, size);
    as_snapshot(data, size);
    return 0;
}
