/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "basic/cleanup.h"
#include "raft/ballast.h"
#include "raft/erasing_heap.h"
#include "raft/folder.h"
#include "raft/highwater.h"
#include "raft/membership.h"
#include "raft/replica_private.h"
#include "raft/sealed_private.h"

#define TERMS_SKIPPED 1000 /* more than elections there will have been */
#define TERMS_RANDOM (1U << 20)

/* What raft_recover does, but with the membership encrypted, and so that it may be killed: raft_uv loads the log, which turns open segments
 * into closed ones as every start does; then one more closed segment is put behind them. */
struct recovery {
    const struct replica_config *config;
    struct highwater *highwater;
    uv_loop_t loop;
    struct transport_links links;
    struct sealed_io *sealed;
    struct raft_io *io;

    uint64_t last_index, term;
    bool has_membership, is_done;
};

static void on_nothing(_unused_ void *data)
{
}

static void on_failed(_unused_ void *data, _unused_ const char *why)
{
}

static void on_taken(_unused_ void *data, _unused_ uint32_t key_id, _unused_ int status)
{
}

static void look_at_membership(struct recovery *v, const struct raft_configuration *c)
{
    const struct replica_config *config = v->config;

    v->has_membership = c->n > 0;
    v->is_done = c->n == 1 && c->servers[0].id == config->id && c->servers[0].role == RAFT_VOTER &&
                 strcmp(c->servers[0].address, config->address) == 0;
}

static int look_at_entry(struct recovery *v, const struct raft_entry *entry)
{
    struct raft_configuration c;
    int rv;

    if (entry->type != RAFT_CHANGE)
        return 0;
    rv = raft_configuration_decode(&entry->buf, &c);
    if (rv != 0)
        return rv;
    look_at_membership(v, &c);
    raft_configuration_close(&c);
    return 0;
}

static int load(struct recovery *v, struct error *e)
{
    struct raft_snapshot *snapshot;
    struct raft_entry *entries;
    raft_index start;
    raft_term term;
    raft_id vote;
    size_t n;
    int rv, r;

    rv = v->io->load(v->io, &term, &vote, &snapshot, &start, &entries, &n);
    if (rv != 0) {
        r = sealed_io_load_error(v->sealed, e);
        return r < 0 ? r : error_set(e, sealed_errno(rv), "cannot load %s: %s", v->config->folder, v->io->errmsg);
    }
    if (snapshot)
        look_at_membership(v, &snapshot->configuration);
    for (size_t i = 0; rv == 0 && i < n; i++)
        rv = look_at_entry(v, &entries[i]);
    v->last_index = start + n - 1;
    v->term = term;
    sealed_loaded_free(snapshot, entries, n);
    return rv == 0 ? 0 : error_set(e, sealed_errno(rv), "cannot load %s: a membership cannot be read", v->config->folder);
}

static void on_closed(_unused_ struct raft_io *io)
{
}

static int load_and_close(struct recovery *v, const struct folder_state *state, struct error *e)
{
    static const struct replica_links alone;
    const struct sealed_io_config config = {
        .loop = &v->loop,
        .folder = v->config->folder,
        .highwater = v->highwater,
        .keyring = v->config->keyring,
        .transport = &v->links.transport,
        .segment_size = v->config->segment_size,
        .snapshot_index = state->snapshot_index,
        .snapshot_term = state->snapshot_term,
        .turned = on_nothing,
        .checked = on_nothing,
        .failed = on_failed,
        .snapshot_taken = on_taken,
    };
    int r, rv;

    transport_links_init(&v->links, &v->loop, &alone);
    r = sealed_io_new(&config, &v->sealed, e);
    if (r < 0)
        return r;
    v->io = sealed_io_get(v->sealed);
    rv = v->io->init(v->io, v->config->id, v->config->address);
    if (rv == 0) {
        r = load(v, e);
        v->io->close(v->io, on_closed);
        (void) uv_run(&v->loop, UV_RUN_DEFAULT);
    } else
        r = error_set(e, sealed_errno(rv), "cannot use %s: %s", v->config->folder, v->io->errmsg);
    sealed_io_free(v->sealed);
    return r;
}

static int load_on_own_loop(struct recovery *v, const struct folder_state *state, struct error *e)
{
    int r = uv_loop_init(&v->loop);

    if (r < 0)
        return error_set(e, r, "cannot make an event loop: %s", strerror(-r));
    ballast_release(v->config->folder);
    r = load_and_close(v, state, e);
    (void) uv_loop_close(&v->loop);
    return r;
}

/* Entries are known by their index and term. What is stored from here on must not be taken for what the lost members, or another one that
 * was made to go on alone, had stored or may yet store. */
static uint64_t own_term(const struct recovery *v)
{
    return v->term + TERMS_SKIPPED + randombytes_uniform(TERMS_RANDOM);
}

/* The term goes first, the mark last: a log may have less than the term and more than the mark, not the other way round. */
static int write_membership(struct recovery *v, struct error *e)
{
    struct highwater_mark mark = *highwater_get(v->highwater);
    _cleanup_close_ int dir = open(v->config->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = dir < 0 ? -errno : 0;

    mark.current_term = own_term(v);
    mark.vote = 0;
    if (r == 0)
        r = highwater_set(v->highwater, &mark);
    if (r == 0)
        r = membership_write(dir, v->config->keyring, v->last_index + 1, mark.current_term, v->config->id, v->config->address);
    if (r == 0) {
        mark.index = v->last_index + 1;
        mark.term = mark.current_term;
        r = highwater_set(v->highwater, &mark);
    }
    return r < 0 ? error_set(e, r, "cannot write a membership to %s: %s", v->config->folder, strerror(-r)) : 0;
}

static int recover(struct recovery *v, struct error *e)
{
    struct folder_state state = { 0 };
    int r;

    r = folder_check(v->config->folder, v->config->keyring, highwater_get(v->highwater), &state, e);
    if (r == 0)
        r = folder_mend(v->config->folder, &state, e);
    if (r == 0)
        r = load_on_own_loop(v, &state, e);
    folder_state_done(&state);
    if (r < 0 || v->is_done)
        return r;
    if (!v->has_membership)
        return error_set(e, -EINVAL, "%s has never been part of a swarm: there is nothing to recover from it", v->config->folder);
    return write_membership(v, e);
}

int replica_recover(const struct replica_config *config, struct error *e)
{
    struct recovery v = { .config = config };
    int r;

    erasing_heap_install();
    r = highwater_open(config->highwater, &v.highwater, e);
    if (r < 0)
        return r;
    r = recover(&v, e);
    (void) ballast_keep(config->folder);
    highwater_free(v.highwater);
    return r;
}
