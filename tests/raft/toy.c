/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "toy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../test.h"
#include "basic/cleanup.h"

static int toy_apply(void *data, const void *command, size_t size)
{
    struct toy *t = data;

    CHECK(size >= 8 && size % 8 == 0);
    if (t->applies > 0 && --t->applies == 0)
        return -ENOMEM;
    if (t->n == t->room) {
        t->room = t->room ? 2 * t->room : 64;
        t->numbers = realloc(t->numbers, t->room * sizeof(uint64_t));
        CHECK(t->numbers);
    }
    memcpy(&t->numbers[t->n], command, 8);
    return t->numbers[t->n++] == UINT64_MAX ? -ESTALE : 7;
}

static int toy_snapshot(void *data, void **ret, size_t *ret_size)
{
    struct toy *t = data;

    *ret_size = t->n * 8 + 24;
    *ret = malloc(*ret_size);
    CHECK(*ret);
    memset(*ret, 0, 24);
    memcpy(*ret, TOY_MARKER, sizeof(TOY_MARKER));
    if (t->n > 0)
        memcpy((char *) *ret + 24, t->numbers, t->n * 8);
    return 0;
}

static int toy_restore(void *data, const void *snapshot, size_t size)
{
    struct toy *t = data;

    if (t->restores > 0 && --t->restores == 0)
        return -ENOMEM;
    if (size < 24 || memcmp(snapshot, TOY_MARKER, sizeof(TOY_MARKER)) != 0)
        return -EBADMSG;
    free(t->numbers);
    t->n = t->room = (size - 24) / 8;
    t->numbers = malloc(size);
    CHECK(t->numbers);
    memcpy(t->numbers, (const char *) snapshot + 24, size - 24);
    return 0;
}

bool toy_is(const struct toy *t, uint64_t first, size_t n)
{
    if (t->n != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (t->numbers[i] != first + i)
            return false;
    return true;
}

struct replica_machine toy_machine(struct toy *t)
{
    return (struct replica_machine) { t, toy_apply, toy_snapshot, toy_restore };
}

void toy_done(struct toy *t)
{
    free(t->numbers);
    t->numbers = NULL;
    t->n = t->room = 0;
}

void toy_keys(struct keyring *k, unsigned char salt, uint32_t first, uint32_t last, uint32_t active)
{
    unsigned char keys[KEYRING_MAX][KEYRING_KEY_SIZE];
    uint32_t ids[KEYRING_MAX];
    unsigned n = 0;

    for (uint32_t id = first; id <= last; id++, n++) {
        ids[n] = id;
        memset(keys[n], (int) (id * 37 + salt), KEYRING_KEY_SIZE);
    }
    CHECK_OK(keyring_set(k, ids, keys, n, active));
}

void world_keys(struct world *w, uint32_t first, uint32_t last, uint32_t active)
{
    toy_keys(w->keyring, 0, first, last, active);
}

void world_again(struct world *w, const char *base)
{
    *w = (struct world) { 0 };
    CHECK(uv_loop_init(&w->loop) == 0);
    (void) snprintf(w->base, sizeof(w->base), "%s", base);
    (void) snprintf(w->folder, sizeof(w->folder), "%s/raft", w->base);
    (void) snprintf(w->highwater, sizeof(w->highwater), "%s/highwater", w->base);
    w->keyring = keyring_new();
    CHECK(w->keyring);
    world_keys(w, 1, 1, 1);
    w->config = (struct replica_config) {
        .loop = &w->loop,
        .folder = w->folder,
        .highwater = w->highwater,
        .id = 1,
        .address = "127.0.0.1:4242",
        .keyring = w->keyring,
        .machine = toy_machine(&w->toy),
    };
}

void world_init(struct world *w)
{
    const char *tmp = getenv("TMPDIR");
    char base[200];

    (void) snprintf(base, sizeof(base), "%s/test-raft-XXXXXX", tmp ? tmp : "/var/tmp");
    CHECK(mkdtemp(base));
    world_again(w, base);
    if (replica_bootstrap(&w->config, &w->error) < 0) {
        (void) fprintf(stderr, "%s\n", w->error.text);
        exit(1);
    }
}

static void on_change(void *data)
{
    struct world *w = data;

    w->changes++;
}

int world_open(struct world *w)
{
    int r;

    toy_done(&w->toy);
    w->error.text[0] = 0;
    r = replica_open(&w->config, on_change, w, &w->replica, &w->error);
    if (r < 0) {
        w->replica = NULL;
        (void) uv_run(&w->loop, UV_RUN_DEFAULT);
    }
    return r;
}

void world_close(struct world *w)
{
    if (w->replica)
        replica_close(TAKE_PTR(w->replica), NULL, NULL);
    (void) uv_run(&w->loop, UV_RUN_DEFAULT);
}

void world_done(struct world *w, bool remove)
{
    world_close(w);
    CHECK(uv_loop_close(&w->loop) == 0);
    keyring_free(w->keyring);
    toy_done(&w->toy);
    if (remove)
        remove_folder(w->base);
}

static void on_result(void *data, int result)
{
    int *where = data;

    *where = result;
}

static int wait_for(struct world *w, int *result)
{
    while (*result == INT32_MIN)
        (void) uv_run(&w->loop, UV_RUN_ONCE);
    return *result;
}

size_t toy_command(unsigned char *command, uint64_t number, size_t size)
{
    memset(command, 0, size);
    memcpy(command, &number, 8);
    if (size >= 8 + sizeof(TOY_MARKER))
        memcpy(command + 8, TOY_MARKER, sizeof(TOY_MARKER));
    return size;
}

int world_add(struct world *w, uint64_t number, size_t size)
{
    _cleanup_free_ unsigned char *command = malloc(size);
    int result = INT32_MIN, r;

    CHECK(command);
    (void) toy_command(command, number, size);
    r = replica_propose(w->replica, command, size, on_result, &result);
    return r < 0 ? r : wait_for(w, &result);
}

struct many {
    struct world *w;
    uint64_t next;
    unsigned left, flying;
    size_t size;
    unsigned char *command;
};

static void many_start(struct many *m);

static void on_many(void *data, int result)
{
    struct many *m = data;

    CHECK_OK(result);
    m->flying--;
    many_start(m);
}

static void many_start(struct many *m)
{
    if (m->left == 0)
        return;
    m->left--;
    m->flying++;
    (void) toy_command(m->command, m->next++, m->size);
    CHECK_OK(replica_propose(m->w->replica, m->command, m->size, on_many, m));
}

void world_add_many(struct world *w, uint64_t first, unsigned n, unsigned in_flight, size_t size)
{
    _cleanup_free_ unsigned char *command = malloc(size);
    struct many m = { w, first, n, 0, size, command };

    CHECK(command);
    for (unsigned i = 0; i < in_flight; i++)
        many_start(&m);
    while (m.flying > 0)
        (void) uv_run(&w->loop, UV_RUN_ONCE);
}

int world_barrier(struct world *w)
{
    int result = INT32_MIN, r = replica_barrier(w->replica, on_result, &result);

    return r < 0 ? r : wait_for(w, &result);
}

int world_rewrite(struct world *w)
{
    int result = INT32_MIN, r = replica_rewrite(w->replica, on_result, &result);

    return r < 0 ? r : wait_for(w, &result);
}

static void copy_file(const char *from, const char *to)
{
    char buffer[65536];
    int in = open(from, O_RDONLY | O_CLOEXEC), out;
    ssize_t n;

    if (in < 0 && errno == ENOENT)
        return;
    out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(in >= 0 && out >= 0);
    while ((n = read(in, buffer, sizeof(buffer))) > 0)
        CHECK(write(out, buffer, (size_t) n) == n);
    CHECK(n == 0);
    (void) close(in);
    (void) close(out);
}

static void each_file(const char *path, const char *to, void (*file)(const char *from, const char *to))
{
    DIR *d = opendir(path);
    struct dirent *entry;

    while (d && (entry = readdir(d))) {
        char a[1024], b[1024];

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        (void) snprintf(a, sizeof(a), "%s/%s", path, entry->d_name);
        (void) snprintf(b, sizeof(b), "%s/%s", to ? to : "", entry->d_name);
        if (entry->d_type == DT_DIR) {
            if (to)
                copy_folder(a, b);
            else
                remove_folder(a);
        } else
            file(a, b);
    }
    if (d)
        (void) closedir(d);
}

static void remove_file(const char *path, _unused_ const char *to)
{
    (void) unlink(path);
}

void copy_folder(const char *from, const char *to)
{
    CHECK(mkdir(to, 0700) == 0 || errno == EEXIST);
    each_file(from, to, copy_file);
}

static bool same_names(const char *a, const char *b)
{
    DIR *d = opendir(a);
    struct dirent *entry;
    bool same = true;

    while (d && (entry = readdir(d))) {
        char path[1024];

        (void) snprintf(path, sizeof(path), "%s/%s", b, entry->d_name);
        same &= access(path, F_OK) == 0;
    }
    if (d)
        (void) closedir(d);
    return same;
}

void copy_running(const char *from, const char *to)
{
    char a[1024], b[1024];

    (void) snprintf(a, sizeof(a), "%s/raft", from);
    (void) snprintf(b, sizeof(b), "%s/raft", to);
    do {
        remove_folder(to);
        copy_folder(from, to);
    } while (!same_names(a, b) || !same_names(b, a));
}

void remove_folder(const char *path)
{
    each_file(path, NULL, remove_file);
    (void) rmdir(path);
}
