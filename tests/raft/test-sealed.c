/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The encrypting raft_io without raft: what only a member of several does to its log. */
#include <errno.h>
#include <fcntl.h>

#include "../test.h"
#include "raft/folder.h"
#include "raft/sealed_private.h"
#include "raft/transport_links.h"
#include "toy.h"

struct log {
    struct world w;
    struct highwater *highwater;
    struct transport_links links;
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

/* What raft was given. */
static struct raft_message received[16];
static unsigned n_received;

static void on_taken(_unused_ void *data, uint32_t key_id, int status)
{
    CHECK(key_id == 1 && status == 0);
}

static void on_tick(_unused_ struct raft_io *io)
{
}

static void on_recv(_unused_ struct raft_io *io, struct raft_message *message)
{
    received[n_received++] = *message;
    if (message->type == RAFT_APPEND_ENTRIES && message->append_entries.n_entries > 0) {
        raft_free(message->append_entries.entries[0].batch);
        raft_free(message->append_entries.entries);
    } else if (message->type == RAFT_INSTALL_SNAPSHOT) {
        raft_configuration_close(&message->install_snapshot.conf);
        raft_free(message->install_snapshot.data.base);
    }
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
    transport_links_init(&l->links, &l->w.loop, &(struct replica_links) { 0 });
    config = (struct sealed_io_config) {
        &l->w.loop, l->w.folder, l->highwater, l->w.keyring, &l->links.transport, 65536, state.snapshot_index, state.snapshot_term,
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

static struct raft raft;

/* As raft has them when it has started and committed nothing. */
static void as_member(struct log *l, unsigned short state, raft_term term)
{
    raft = (struct raft) { .state = state, .current_term = term };
    l->io->data = &raft;
    n_received = 0;
}

static void deliver_snapshot(struct log *l, raft_term term, raft_index index)
{
    char address[] = "b";
    struct raft_message m = { .type = RAFT_INSTALL_SNAPSHOT, .server_id = 2, .server_address = address };

    m.install_snapshot.term = term;
    m.install_snapshot.last_index = index;
    m.install_snapshot.data = (struct raft_buffer) { raft_malloc(16), 16 };
    sealed_on_recv(&l->sealed->inner, &m);
    address[0] = 'x';
}

struct own_put {
    struct log *l;
    struct raft_io_snapshot_put req;
    struct raft_snapshot *snapshot;
    unsigned again, done;
};

/* The end of one may be the begin of the next, as in libraft. */
static void on_own_put(struct raft_io_snapshot_put *req, int status)
{
    struct own_put *p = req->data;

    CHECK(status == 0 || p->l->sealed->closing);
    p->done++;
    CHECK(n_received == 0);
    if (p->again == 0)
        return;
    p->again--;
    p->snapshot->index++;
    CHECK(p->l->io->snapshot_put(p->l->io, 64, &p->req, p->snapshot, on_own_put) == 0);
}

static void test_guard(struct log *l)
{
    struct raft_buffer state = { "the whole state", 16 };
    struct raft_snapshot snapshot = { .index = 101, .term = 5, .configuration_index = 1, .bufs = &state, .n_bufs = 1 };
    struct own_put own = { .l = l, .snapshot = &snapshot, .again = 2 };
    struct raft_io_snapshot_put put = { .data = l }, refused;

    raft_configuration_init(&snapshot.configuration);
    CHECK(raft_configuration_add(&snapshot.configuration, 1, "a", RAFT_VOTER) == 0);
    log_open(l);
    as_member(l, RAFT_FOLLOWER, 5);
    own.req.data = &own;
    CHECK(l->io->snapshot_put(l->io, 64, &own.req, &snapshot, on_own_put) == 0);
    deliver_snapshot(l, 5, 200);
    deliver_snapshot(l, 5, 300);
    deliver_snapshot(l, 5, 250);
    deliver_snapshot(l, 4, 900);
    while (n_received < 1)
        (void) uv_run(&l->w.loop, UV_RUN_ONCE);
    CHECK(own.done == 3 && n_received == 1 && received[0].install_snapshot.last_index == 300);

    l->put = 0;
    snapshot.index = 300;
    CHECK(l->io->snapshot_put(l->io, 0, &put, &snapshot, on_put) == 0); /* it is installed */
    CHECK(l->io->snapshot_put(l->io, 64, &refused, &snapshot, on_put) == RAFT_BUSY);
    deliver_snapshot(l, 5, 400);
    CHECK(n_received == 1);
    while (n_received < 2)
        (void) uv_run(&l->w.loop, UV_RUN_ONCE);
    CHECK(l->put == 1 && received[1].install_snapshot.last_index == 400);

    snapshot.index = 301;
    own.again = own.done = n_received = 0;
    CHECK(l->io->snapshot_put(l->io, 64, &own.req, &snapshot, on_own_put) == 0);
    deliver_snapshot(l, 5, 500); /* never delivered, but freed */
    log_close(l);
    raft_configuration_close(&snapshot.configuration);
}

/* types: one character for each entry, c a command, m a membership. */
static void deliver_entries(struct log *l, raft_term term, raft_index previous, raft_term previous_term, raft_index commit, const char *types)
{
    struct raft_message m = { .type = RAFT_APPEND_ENTRIES, .server_id = 2, .server_address = "b" };
    struct raft_append_entries *a = &m.append_entries;
    struct raft_configuration c;
    struct raft_buffer membership;
    char *at;

    raft_configuration_init(&c);
    CHECK(raft_configuration_add(&c, 1, "a", RAFT_VOTER) == 0);
    CHECK(raft_configuration_encode(&c, &membership) == 0);
    raft_configuration_close(&c);
    *a = (struct raft_append_entries) { 0, term, previous, previous_term, commit, NULL, (unsigned) strlen(types) };
    if (a->n_entries > 0) {
        a->entries = raft_malloc(a->n_entries * sizeof(a->entries[0]));
        at = raft_malloc(a->n_entries * membership.len);
        for (unsigned i = 0; i < a->n_entries; i++) {
            a->entries[i] = (struct raft_entry) { .term = term, .type = types[i] == 'm' ? RAFT_CHANGE : RAFT_COMMAND,
                                                  .buf = { at, membership.len }, .batch = i == 0 ? at : a->entries[0].batch };
            memcpy(at, membership.base, membership.len);
            if (types[i] == 'x') { /* no membership */
                a->entries[i].type = RAFT_CHANGE;
                memset(at + 1, 255, 8);
            }
            at += membership.len;
        }
    }
    raft_free(membership.base);
    sealed_on_recv(&l->sealed->inner, &m);
}

static void test_messages(struct log *l)
{
    const struct raft_append_entries *a = &received[0].append_entries;

    log_open(l);
    as_member(l, RAFT_FOLLOWER, 5);
    deliver_entries(l, 5, 10, 4, 12, "cmccmmc");
    CHECK(n_received == 4);
    for (unsigned i = 0; i < 4; i++) {
        static const struct { raft_index previous; raft_term term; unsigned n; } want[] = { { 10, 4, 1 }, { 11, 5, 3 }, { 14, 5, 1 }, { 15, 5, 2 } };
        const struct raft_append_entries *part = &received[i].append_entries;

        CHECK(part->prev_log_index == want[i].previous && part->prev_log_term == want[i].term && part->n_entries == want[i].n);
        CHECK(part->leader_commit == 12 && part->term == 5);
    }
    n_received = 0;
    deliver_entries(l, 5, 10, 4, 12, "mcc");
    CHECK(n_received == 1 && a->n_entries == 3);
    n_received = 0;
    deliver_entries(l, 5, 10, 4, 12, "cxc");
    CHECK(n_received == 0);

    raft.commit_index = 100; /* what is committed stays so */
    deliver_entries(l, 5, 10, 4, 500, "ccc");
    CHECK(n_received == 1 && a->leader_commit == 100);
    n_received = 0;
    deliver_entries(l, 5, 98, 4, 500, "ccc");
    CHECK(n_received == 1 && a->leader_commit == 500);

    as_member(l, RAFT_LEADER, 5); /* two leaders */
    deliver_entries(l, 5, 10, 4, 12, "cc");
    deliver_snapshot(l, 5, 100);
    CHECK(n_received == 0);
    deliver_entries(l, 6, 10, 4, 12, "cc");
    deliver_snapshot(l, 6, 100);
    CHECK(n_received == 2);

    as_member(l, RAFT_FOLLOWER, 5);
    raft.commit_index = 100;
    raft.trail.snapshot.index = 50;
    raft.trail.snapshot.term = 3;
    deliver_entries(l, 5, 50, 3, 100, "");
    CHECK(n_received == 1 && !l->failure[0]);
    deliver_entries(l, 4, 50, 2, 100, "");
    CHECK(n_received == 2 && !l->failure[0]); /* libraft refuses it */
    deliver_entries(l, 5, 49, 2, 100, "c");
    CHECK(n_received == 2 && strstr(l->failure, "not the same log"));
    deliver_entries(l, 5, 200, 5, 100, "c");
    CHECK(n_received == 2);
    l->failure[0] = 0;
    log_close(l);
}

int main(void)
{
    static struct log l;

    world_init(&l.w);
    test_truncate(&l);
    test_old_metadata(&l);
    test_install(&l);
    test_guard(&l);
    test_messages(&l);
    world_done(&l.w, true);
    return 0;
}
