/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "../test.h"
#include "raft/highwater.h"

#define SLOT 4096
#define USED 80

static char path[300];

static struct highwater *open_it(void)
{
    struct highwater *h = NULL;
    struct error e;
    int r = highwater_open(path, &h, &e);

    if (r < 0)
        (void) fprintf(stderr, "%s\n", e.text);
    CHECK_OK(r);
    return h;
}

static int index_of(void)
{
    struct highwater *h = NULL;
    int r = highwater_open(path, &h, NULL);

    if (r == 0)
        r = (int) highwater_get(h)->index;
    highwater_free(h);
    return r;
}

static void change(off_t at, unsigned char mask)
{
    int fd = open(path, O_RDWR);
    unsigned char byte;

    CHECK(pread(fd, &byte, 1, at) == 1);
    byte ^= mask;
    CHECK(pwrite(fd, &byte, 1, at) == 1);
    (void) close(fd);
}

static void test_marks(void)
{
    const struct highwater_mark first = { 1, 1, 1, 0 }, lower = { 40, 0, 9, 2 };
    struct highwater *h;
    struct stat st;
    struct error e;

    CHECK(highwater_open(path, &h, &e) == -EBADMSG && strstr(e.text, "is missing"));
    CHECK_OK(highwater_create(path, &first, &e));
    CHECK(highwater_create(path, &first, &e) == -EEXIST);
    CHECK(stat(path, &st) == 0 && st.st_size == 2 * SLOT && st.st_blocks >= 16 && (st.st_mode & 0777) == 0600);
    h = open_it();
    CHECK(highwater_get(h)->index == 1 && highwater_get(h)->current_term == 1 && !highwater_is_dirty(h));
    for (unsigned i = 2; i <= 50; i++) {
        CHECK_OK(highwater_advance(h, i, 3));
        CHECK(index_of() == (int) i);
    }
    CHECK(highwater_is_dirty(h));
    CHECK_OK(highwater_advance(h, 49, 3));
    CHECK(highwater_get(h)->index == 50);
    CHECK_OK(highwater_sync(h));
    CHECK(!highwater_is_dirty(h));
    CHECK_OK(highwater_set(h, &lower));
    highwater_free(h);
    h = open_it();
    CHECK(highwater_get(h)->index == 40 && highwater_get(h)->term == 0 && highwater_get(h)->vote == 2);
    CHECK_OK(highwater_advance(h, 40, 9)); /* the same entry, now with its term */
    CHECK(highwater_get(h)->term == 9);
    highwater_free(h);
}

static void test_flush(void)
{
    struct highwater *h = open_it();

    CHECK_OK(highwater_advance(h, 60, 9));
    highwater_flush_begin(h);
    CHECK(!highwater_is_dirty(h));
    CHECK_OK(highwater_advance(h, 61, 9)); /* while the worker is at it */
    CHECK_OK(highwater_flush(h));
    highwater_flush_end(h, 0);
    CHECK(highwater_is_dirty(h));
    highwater_flush_begin(h);
    highwater_flush_end(h, -EIO);
    CHECK(highwater_is_dirty(h));
    highwater_free(h);
}

/* Any bit of one slot: the other one counts. Which one is newer is known from their contents. */
static void test_torn(void)
{
    struct highwater *h = open_it();
    int newest = 71, older = 70;

    CHECK_OK(highwater_advance(h, 70, 9));
    CHECK_OK(highwater_advance(h, 71, 9));
    highwater_free(h);
    for (off_t slot = 0; slot < 2; slot++)
        for (off_t bit = 0; bit < USED * 8; bit++) {
            int r;

            change(slot * SLOT + bit / 8, (unsigned char) (1 << bit % 8));
            r = index_of();
            CHECK(r == newest || r == older || (r == -EPROTONOSUPPORT && bit / 8 >= 4 && bit / 8 < 8));
            change(slot * SLOT + bit / 8, (unsigned char) (1 << bit % 8));
            CHECK(index_of() == newest);
        }
    change(100, 1); /* unused */
    CHECK(index_of() == newest);
    h = open_it();
    change(16, 1);
    change(SLOT + 16, 1);
    CHECK(index_of() == -EBADMSG);
    highwater_free(h);
    change(16, 1);
    CHECK(truncate(path, SLOT) == 0);
    CHECK(index_of() == -EBADMSG);
    CHECK(truncate(path, 0) == 0);
    CHECK(index_of() == -EBADMSG);
}

int main(void)
{
    char folder[] = "/var/tmp/test-highwater-XXXXXX";

    CHECK(mkdtemp(folder));
    (void) snprintf(path, sizeof(path), "%s/highwater", folder);
    test_marks();
    test_flush();
    test_torn();
    (void) unlink(path);
    (void) rmdir(folder);
    return 0;
}
