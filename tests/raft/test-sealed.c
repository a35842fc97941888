/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The encrypting raft_io without raft: what only a member of several does to its log. */
#include <errno.h>
#include <fcntl.h>

#include "../test.h"
#include "raft/folder.h"
#include "raft/sealed_io.h"
#include "raft/transport_none.h"
#include "toy.h"

struct log {
    struct world w;
    struct highwater *highwater;
    struct raft_uv_transport transport;
    struct sealed_io *sealed;
    struct raft_io *io;
    raft_term term;
    raft_id vote;
    struct raft_snapshot *snapshot;
    raft_index start;
    struct raft_entry *entries;
    size_t n;
    unsigned appended, put;
    bool closed;
    char failure[200];
};

static void on_turned(_unused_ void *data)
{
}

static void on_failed(void *data, const char *why)
{
    struct log *l = data;

    (void) snprintf(l->failure, sizeof(l->failure), "%s", why);
}

static void on_taken(_unused_ void *data, uint32_t key_id, int status)
{
    CHECK(key_id == 1 && status == 0);
}

static void on_tick(_unused_ struct raft_io *io)
{
}

static void on_recv(_unused_ struct raft_io *io, _unused_ struct raft_message *message)
{
}

static void log_open(struct log *l)
{
    struct folder_state state;
    struct sealed_io_config config;

    if (highwater_open(l->w.highwater, &l->highwater, &l->w.error) < 0 ||
        folder_check(l->w.folder, l->w.keyring, highwater_get(l->highwater), &state, &l->w.error) < 0) {
        (void) fprintf(stderr, "%s\n", l->w.error.text);
        exit(1);
    }
    transport_none_init(&l->transport);
    config = (struct sealed_io_config) {
        &l->w.loop, l->w.folder, l->highwater, l->w.keyring, &l->transport, 65536, state.snapshot_index, state.snapshot_term,
        l, on_turned, on_turned, on_failed, on_taken,
    };
    CHECK_OK(sealed_io_new(&config, &l->sealed, &l->w.error));
    folder_state_done(&state);
    l->io = sealed_io_get(l->sealed);
    CHECK(l->io->init(l->io, 1, "a") == 0);
    CHECK(l->io->load(l->io, &l->term, &l->vote, &l->snapshot, &l->start, &l->entries, &l->n) == 0);
    CHECK(l->io->start(l->io, 100, on_tick, on_recv) == 0);
}

static void on_closed(struct raft_io *io)
{
    *(bool *) io->data = true;
}

static void log_close(struct log *l)
{
    void *batch = NULL;

    for (size_t i = 0; i < l->n; i++)
        if (l->entries[i].batch != batch)
            raft_free(batch = l->entries[i].batch);
    raft_free(l->entries);
    if (l->snapshot) {
        raft_configuration_close(&l->snapshot->configuration);
        raft_free(l->snapshot->bufs[0].base);
        raft_free(l->snapshot->bufs);
        raft_free(l->snapshot);
    }
    l->closed = false;
    l->io->close(l->io, on_closed);
    l->io->data = &l->closed;
    (void) uv_run(&l->w.loop, UV_RUN_DEFAULT);
    CHECK(l->closed);
    sealed_io_free(l->sealed);
    highwater_free(l->highwater);
}

static void on_appended(struct raft_io_append *req, int status)
{
    struct log *l = req->data;

    CHECK(status == 0);
    l->appended++;
}

static struct raft_io_append requests[8];
static struct raft_entry batch[8][20];
static uint64_t payload[8][20][2];

/* Starts an append of n entries that hold their index and their term. */
static void append(struct log *l, unsigned slot, raft_index index, unsigned n, raft_term term)
{
    for (unsigned i = 0; i < n; i++) {
        payload[slot][i][0] = index + i;
        payload[slot][i][1] = term;
        batch[slot][i] = (struct raft_entry) { .term = term, .type = RAFT_COMMAND, .buf = { payload[slot][i], 16 } };
    }
    requests[slot].data = l;
    CHECK(l->io->append(l->io, &requests[slot], batch[slot], n, on_appended) == 0);
}

static void wait_appends(struct log *l, unsigned n)
{
    while (l->appended < n)
        (void) uv_run(&l->w.loop, UV_RUN_ONCE);
    l->appended = 0;
}

static bool entry_is(const struct log *l, raft_index index, raft_term term)
{
    const struct raft_entry *e = &l->entries[index - l->start];
    const uint64_t *words = e->buf.base;

    return e->term == term && e->buf.len == 16 && words[0] == index && words[1] == term;
}

static void test_truncate(struct log *l)
{
    log_open(l);
    CHECK(l->term == 1 && l->vote == 0 && l->start == 1 && l->n == 1 && !l->snapshot);
    append(l, 0, 2, 9, 1);
    wait_appends(l, 1);
    CHECK(highwater_get(l->highwater)->index == 10 && highwater_get(l->highwater)->term == 1);
    append(l, 1, 11, 4, 1);
    append(l, 2, 15, 4, 1);
    CHECK(l->io->set_term(l->io, 3) == 0 && l->io->set_vote(l->io, 2) == 0);
    CHECK(l->io->truncate(l->io, 12) == 0); /* with both under way */
    append(l, 3, 12, 2, 3);
    wait_appends(l, 3);
    CHECK(highwater_get(l->highwater)->index == 13 && highwater_get(l->highwater)->term == 3);
    CHECK(l->io->truncate(l->io, 8) == 0);
    CHECK(highwater_get(l->highwater)->index == 7 && !highwater_is_dirty(l->highwater));
    append(l, 0, 8, 1, 3);
    wait_appends(l, 1);
    log_close(l);
    CHECK(!l->failure[0]);

    log_open(l);
    CHECK(l->term == 3 && l->vote == 2 && l->start == 1 && l->n == 8);
    for (raft_index i = 2; i <= 7; i++)
        CHECK(entry_is(l, i, 1));
    CHECK(entry_is(l, 8, 3));
    log_close(l);
}

/* raft_uv's file with term and vote has no checksum; an older one must not bring back an older term. */
static void test_old_metadata(struct log *l)
{
    const unsigned char old[32] = { 1, [8] = 99, [16] = 1, [24] = 1 };
    char path[400];
    int fd;

    (void) snprintf(path, sizeof(path), "%s/metadata1", l->w.folder);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    CHECK(fd >= 0 && pwrite(fd, old, sizeof(old), 0) == sizeof(old));
    (void) close(fd);
    log_open(l);
    CHECK(l->term == 3 && l->vote == 2);
    log_close(l);
}

static void on_put(struct raft_io_snapshot_put *req, int status)
{
    struct log *l = req->data;

    CHECK(status == 0);
    l->put++;
}

static void on_get(struct raft_io_snapshot_get *req, struct raft_snapshot *snapshot, int status)
{
    struct log *l = req->data;

    CHECK(status == 0 && snapshot->index == 100 && snapshot->n_bufs == 1);
    CHECK(snapshot->bufs[0].len == 16 && memcmp(snapshot->bufs[0].base, "the whole state", 16) == 0);
    raft_configuration_close(&snapshot->configuration);
    raft_free(snapshot->bufs[0].base);
    raft_free(snapshot->bufs);
    raft_free(snapshot);
    l->put++;
}

/* A snapshot from the leader replaces the log. */
static void test_install(struct log *l)
{
    struct raft_buffer state = { "the whole state", 16 };
    struct raft_snapshot snapshot = { .index = 100, .term = 5, .configuration_index = 1, .bufs = &state, .n_bufs = 1 };
    struct raft_io_snapshot_put put = { .data = l };
    struct raft_io_snapshot_get get = { .data = l };

    raft_configuration_init(&snapshot.configuration);
    CHECK(raft_configuration_add(&snapshot.configuration, 1, "a", RAFT_VOTER) == 0);
    CHECK(raft_configuration_add(&snapshot.configuration, 2, "b", RAFT_VOTER) == 0);
    log_open(l);
    CHECK(l->io->snapshot_put(l->io, 0, &put, &snapshot, on_put) == 0);
    while (l->put < 1)
        (void) uv_run(&l->w.loop, UV_RUN_ONCE);
    CHECK(highwater_get(l->highwater)->index == 100 && highwater_get(l->highwater)->term == 5);
    CHECK(l->io->snapshot_get(l->io, &get, on_get) == 0);
    append(l, 0, 101, 3, 5);
    wait_appends(l, 1);
    while (l->put < 2)
        (void) uv_run(&l->w.loop, UV_RUN_ONCE);
    log_close(l);
    raft_configuration_close(&snapshot.configuration);
    CHECK(folder_only_key(l->w.folder, 1) == 0);

    log_open(l);
    CHECK(l->snapshot && l->snapshot->index == 100 && l->snapshot->configuration.n == 2 && l->snapshot->bufs[0].len == 16);
    CHECK(memcmp(l->snapshot->bufs[0].base, "the whole state", 16) == 0);
    CHECK(l->start == 101 && l->n == 3 && entry_is(l, 103, 5));
    log_close(l);
}

int main(void)
{
    static struct log l;

    world_init(&l.w);
    test_truncate(&l);
    test_old_metadata(&l);
    test_install(&l);
    world_done(&l.w, true);
    return 0;
}
