/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "theft.h"

#include <dirent.h>
#include <limits.h>

#include "basic/file.h"
#include "machine.h"

struct bundle *steal(struct secret *ret_kek)
{
    _cleanup_(secret_done) struct secret blob = SECRET_NULL;
    struct bundle *b;
    char path[PATH_MAX];
    bool open;

    unseal();
    CHECK_OK(path_join(path, credentials, "swarm_keys"));
    CHECK_OK(file_read(path, 1 << 20, &blob, NULL));
    CHECK_OK(bundle_embedded_kek(&blob, &open, ret_kek));
    CHECK(open);
    CHECK_OK(bundle_unseal(&blob, ret_kek, &b));
    return b;
}

unsigned count_records(uint32_t dek)
{
    const unsigned char header[] = { 'S', 'W', 'R', 1, (unsigned char) dek, 0, 0, 0 };
    char folder[PATH_MAX], path[PATH_MAX];
    const struct dirent *entry;
    unsigned n = 0;
    DIR *d;

    CHECK_OK(path_join(folder, state, "raft"));
    d = opendir(folder);
    CHECK(d);
    while ((entry = readdir(d))) {
        _cleanup_free_ unsigned char *data = malloc(16U << 20);
        _cleanup_fclose_ FILE *f = NULL;
        size_t size;

        CHECK_OK(path_join(path, folder, entry->d_name));
        if (entry->d_name[0] == '.' || !(f = fopen(path, "re")))
            continue;
        size = fread(data, 1, 16U << 20, f);
        for (unsigned char *p = data; (p = memmem(p, size - (size_t) (p - data), header, sizeof(header))); p++)
            n++;
    }
    (void) closedir(d);
    return n;
}
