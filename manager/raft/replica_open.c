/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From what is on disk to a member of the raft. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "raft/advice.h"
#include "raft/ballast.h"
#include "raft/folder.h"
#include "raft/replica_private.h"

#define ELECTION_MS 1000
#define CATCH_UP_ROUNDS 10
#define CATCH_UP_ROUND_MS 60000 /* a snapshot may have to get through */
#define INSTALL_SNAPSHOT_MS 60000

static int config_copy(struct replica *r, const struct replica_config *config)
{
    r->config = *config;
    r->folder = strdup(config->folder);
    if (!r->folder)
        return -ENOMEM;
    r->config.folder = r->folder;
    r->config.highwater = r->config.address = NULL;
    if (r->config.segment_size == 0)
        r->config.segment_size = SEGMENT_SIZE;
    if (r->config.snapshot_threshold == 0)
        r->config.snapshot_threshold = SNAPSHOT_THRESHOLD;
    if (r->config.election_ms == 0)
        r->config.election_ms = ELECTION_MS;
    transport_links_init(&r->links, config->loop, &config->links);
    r->links.wants = replica_wants_link;
    r->links.data = r;
    replica_machine_init(r);
    requests_init(r);
    return 0;
}

/* Everything up to here leaves the disk as it is. */
static int check(struct replica *r, const struct replica_config *config, struct folder_state *ret, struct error *e)
{
    int result = highwater_open(config->highwater, &r->highwater, e);

    return result < 0 ? result : folder_check(r->folder, config->keyring, highwater_get(r->highwater), ret, e);
}

static int mend(struct replica *r, const struct folder_state *state, struct error *e)
{
    int result = folder_mend(r->folder, state, e);

    if (result == 0 && state->n_stumbles > 0)
        (void) error_set(&r->notice, 0, "%s was mended after a crash, nothing that was acknowledged is lost: %s %s (%zu file%s in all)",
                         r->folder, state->stumbles[0].keep > 0 ? "cut the torn end of" : "set aside", state->stumbles[0].name,
                         state->n_stumbles, state->n_stumbles == 1 ? "" : "s");
    return result;
}

static void on_loaded(void *data, bool is_snapshot, const void *bytes, size_t size)
{
    const struct replica_machine *ahead = ((struct replica *) data)->config.ahead;

    (void) (is_snapshot ? ahead->restore : ahead->apply)(ahead->data, bytes, size);
}

static int prepare_io(struct replica *r, const struct folder_state *state, struct error *e)
{
    const struct sealed_io_config config = {
        .loop = r->config.loop,
        .folder = r->folder,
        .highwater = r->highwater,
        .keyring = r->config.keyring,
        .transport = &r->links.transport,
        .segment_size = r->config.segment_size,
        .snapshot_index = state->snapshot_index,
        .snapshot_term = state->snapshot_term,
        .data = r,
        .loaded = r->config.ahead ? on_loaded : NULL,
        .turned = replica_turned,
        .checked = replica_checked,
        .failed = replica_io_failed,
        .snapshot_taken = replica_snapshot_taken,
    };

    return sealed_io_new(&config, &r->io, e);
}

static int prepare_raft(struct replica *r, const char *address, struct error *e)
{
    int rv;

    r->raft.data = r;
    rv = raft_init(&r->raft, sealed_io_get(r->io), &r->fsm, r->config.id, address);
    if (rv != 0)
        return error_set(e, sealed_errno(rv), "cannot use %s (%s)%s", r->folder, raft_errmsg(&r->raft),
                         sealed_errno(rv) == -EBADMSG ? ": " RESTORE_OR_LEAVE : "");
    r->raft.tracer = NULL; /* it formats texts for nobody */
    raft_set_election_timeout(&r->raft, r->config.election_ms);
    raft_set_heartbeat_timeout(&r->raft, r->config.election_ms / 10);
    raft_set_pre_vote(&r->raft, true);
    raft_set_max_catch_up_rounds(&r->raft, CATCH_UP_ROUNDS);
    raft_set_max_catch_up_round_duration(&r->raft, CATCH_UP_ROUND_MS);
    raft_set_install_snapshot_timeout(&r->raft, INSTALL_SNAPSHOT_MS);
    replica_limit_capacity(r);
    replica_set_snapshots(r, r->config.snapshot_threshold);
    (void) uv_timer_init(r->config.loop, &r->wake);
    r->wake.data = r;
    return 0;
}

static int start(struct replica *r, struct error *e)
{
    int rv, result;

    r->starting = true;
    rv = raft_start(&r->raft);
    r->starting = false;
    if (rv == 0 && !r->failed)
        return 0;
    result = sealed_io_load_error(r->io, e);
    if (result == 0 && r->machine_error < 0)
        result = error_set(e, r->machine_error, "%s: %s%s", r->folder, r->failure.text,
                           r->machine_error == -EBADMSG ? "; " RESTORE_OR_LEAVE : "");
    if (result == 0)
        result = error_set(e, rv ? sealed_errno(rv) : -EIO, "cannot start from %s: %s", r->folder,
                           r->failed ? r->failure.text : raft_errmsg(&r->raft));
    return result;
}

static int open_checked(struct replica *r, const char *address, const struct folder_state *state, struct error *e)
{
    int result = mend(r, state, e);

    if (result == 0)
        result = prepare_io(r, state, e);
    if (result == 0) {
        ballast_release(r->folder);
        result = prepare_raft(r, address, e);
        if (result < 0)
            (void) ballast_keep(r->folder);
    }
    if (result < 0) {
        replica_free(r);
        return result;
    }
    result = start(r, e);
    r->config.ahead = NULL;
    if (result < 0) {
        replica_abandon(r);
        return result;
    }
    r->ballast = ballast_keep(r->folder) == 0;
    r->led = replica_is_leader(r);
    r->known_leader = replica_leader(r, NULL);
    return 0;
}

int replica_open(const struct replica_config *config, void (*on_change)(void *data), void *data, struct replica **ret, struct error *e)
{
    struct replica *r = calloc(1, sizeof(*r));
    struct folder_state state = { 0 };
    int result;

    if (!r)
        return error_set(e, -ENOMEM, "out of memory");
    r->on_change = on_change;
    r->data = data;
    result = config_copy(r, config);
    result = result < 0 ? error_set(e, result, "out of memory") : check(r, config, &state, e);
    if (result < 0) {
        replica_free(r);
        return result;
    }
    result = open_checked(r, config->address, &state, e);
    folder_state_done(&state);
    if (result == 0)
        *ret = r;
    return result;
}
