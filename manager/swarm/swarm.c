/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "basic/file.h"
#include "swarm/served.h"
#include "swarm/units.h"
#include "swarm/watchers.h"

static const char *const state_names[] = {
    [SWARM_INACTIVE] = "inactive", [SWARM_PENDING] = "pending", [SWARM_ACTIVE] = "active",
    [SWARM_LOCKED] = "locked",     [SWARM_ERROR] = "error",
};

const char *swarm_state_to_string(enum swarm_state state)
{
    return state_names[state];
}

enum swarm_state swarm_state(const struct swarm *s)
{
    return s->state;
}

uint32_t swarm_locked_generation(const struct swarm *s)
{
    return s->locked_generation;
}

const char *swarm_why(const struct swarm *s)
{
    return s->why.text;
}

int64_t swarm_now(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int swarm_error_not_manager(struct error *e)
{
    return error_set(e, -ESRCH, "This node is not a swarm manager. Use \"swarmctl init\" or \"swarmctl join\" to connect this node to swarm "
                                "and try again.");
}

static int swarm_error_worker(struct error *e)
{
    return error_set(e, -ESRCH, "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this "
                                "command on a manager node or promote the current node to a manager.");
}

int swarm_error_locked(struct error *e)
{
    return error_set(e, -ENOKEY, "Swarm is encrypted and needs to be unlocked before it can be used. Please use \"swarmctl unlock\" to "
                                 "unlock it.");
}

int swarm_check_active(const struct swarm *s, struct error *e)
{
    switch (s->state) {
    case SWARM_ACTIVE:
        return s->store ? 0 : swarm_error_worker(e);
    case SWARM_LOCKED:
        return swarm_error_locked(e);
    case SWARM_PENDING:
        return error_set(e, -EAGAIN, "the manager is still opening its store: %s", s->why.text[0] ? s->why.text : "try again in a moment");
    case SWARM_ERROR:
        return error_set(e, -EBADMSG, "%s", s->why.text);
    default:
        return swarm_error_not_manager(e);
    }
}

void swarm_event(struct swarm *s, enum swarm_event event, const struct swarm_request *r, int keyslot, uint32_t generation, const char *text)
{
    struct swarm_event_info info = { .event = event, .keyslot = keyslot, .generation = generation, .text = text };

    if (r)
        info.caller = r->caller;
    else
        (void) strcpy(info.caller.how, "startup");
    s->config.on_event(s->config.data, &info);
}

static int set_paths(struct swarm *s)
{
    struct swarm_files *f = &s->files;
    int r = path_join(f->node, s->folder, "node.json");

    if (r == 0)
        r = path_join(f->sweep, s->folder, "node.json.sweep");
    if (r == 0)
        r = path_join(f->keyslots, s->folder, "keyslots.luks");
    if (r == 0)
        r = path_join(f->credential_folder, s->folder, "creds");
    if (r == 0)
        r = path_join(f->credential, s->folder, "creds/keys");
    if (r == 0)
        r = path_join(f->erasing, s->folder, ".keys.erasing");
    if (r == 0)
        r = path_join(f->raft, s->folder, "raft");
    if (r == 0)
        r = path_join(f->highwater, s->folder, "highwater");
    if (r == 0)
        r = path_join(f->records, s->folder, "keyslots.json");
    if (r == 0)
        r = path_join(f->tls, s->folder, "tls");
    if (r == 0)
        r = path_join(f->offline, s->folder, "offline");
    return r;
}

static int startup(void *data)
{
    return open_startup(data);
}

static void startup_done(void *data _unused_, int result _unused_)
{
}

static int check_lock(void *data)
{
    struct swarm *s = data;
    struct error e = { "" };
    int r = open_check_lock(s, &e);

    if (r < 0)
        swarm_event(s, SWARM_EVENT_TROUBLE, NULL, -1, 0, e.text[0] ? e.text : strerror(-r));
    return r;
}

static void check_lock_done(void *data, int result)
{
    struct swarm *s = data;

    s->checking = false;
    if (result == -ESTALE && !s->closing)
        lock_watch_touch(s->watch);
}

static void on_lock_changed(void *data)
{
    struct swarm *s = data;

    if (s->closing)
        return;
    if (s->checking || lifecycle_submit(s->lifecycle, check_lock, check_lock_done, s) < 0)
        lock_watch_touch(s->watch);
    else
        s->checking = true;
}

static void swarm_free(struct swarm *s)
{
    seen_forget_all(s);
    served_free(s->served);
    rollouts_free(s->rollouts);
    keyring_free(s->keyring);
    store_free(s->store);
    secret_done(&s->kek);
    secret_done(&s->blob);
    bundle_free(s->bundle);
    free(s);
}

int swarm_new(const struct swarm_config *config, struct swarm **ret)
{
    struct swarm *s = calloc(1, sizeof(*s));
    int r = -ENAMETOOLONG;

    if (!s)
        return -ENOMEM;
    s->state = SWARM_PENDING;
    s->config = *config;
    if ((size_t) snprintf(s->folder, sizeof(s->folder), "%s", config->folder) < sizeof(s->folder) &&
        (size_t) snprintf(s->seal_socket, sizeof(s->seal_socket), "%s", config->seal_socket) < sizeof(s->seal_socket) &&
        (size_t) snprintf(s->helpers, sizeof(s->helpers), "%s", config->helpers) < sizeof(s->helpers) &&
        (size_t) snprintf(s->hostname, sizeof(s->hostname), "%s", config->hostname) < sizeof(s->hostname))
        r = set_paths(s);
    if (r == 0 && mkdir(s->files.credential_folder, 0700) < 0 && errno != EEXIST)
        r = -errno;
    if (r == 0 && !(s->keyring = keyring_new()))
        r = -ENOMEM;
    if (r == 0)
        r = lifecycle_new(config->loop, &s->lifecycle);
    if (r == 0)
        r = lifecycle_new(config->loop, &s->errands);
    if (r == 0)
        r = units_new(s, &s->units);
    if (r == 0)
        r = lock_watch_new(config->loop, s->files.keyslots, on_lock_changed, s, &s->watch);
    if (r == 0)
        r = served_open(s);
    if (r == 0)
        r = watchers_new(s, &s->watchers);
    if (r == 0)
        turn_init(s);
    if (r == 0)
        r = lifecycle_submit(s->lifecycle, startup, startup_done, s);
    if (r < 0) {
        swarm_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

static void on_all_closed(void *data)
{
    struct swarm *s = data;
    void (*cb)(void *) = s->closed;
    void *cb_data = s->closed_data;

    swarm_free(s);
    cb(cb_data);
}

static void on_watchers_closed(void *data)
{
    turn_close(data, on_all_closed, data);
}

static void on_replica_closed(void *data)
{
    struct swarm *s = data;

    watchers_close(TAKE_PTR(s->watchers), on_watchers_closed, s);
}

static void on_network_closed(void *data)
{
    struct swarm *s = data;
    struct replica *r = TAKE_PTR(s->replica);

    if (r)
        replica_close(r, on_replica_closed, s);
    else
        on_replica_closed(s);
}

static void on_errands_stopped(void *data)
{
    network_close(data, on_network_closed, data);
}

static void on_units_closed(void *data)
{
    struct swarm *s = data;

    lifecycle_stop(s->errands, on_errands_stopped, s);
}

static void on_lifecycle_stopped(void *data)
{
    struct swarm *s = data;

    lock_watch_close(s->watch); /* not before: that thread starts it anew when it has changed the lock */
    units_close(TAKE_PTR(s->units), on_units_closed, s);
}

static void on_handed_over(void *data, int result _unused_)
{
    struct swarm *s = data;

    /* whoever waits for the swarm is let go */
    if (s->replica)
        replica_rewrite_cancel(s->replica);
    if (s->caller)
        peer_caller_close(TAKE_PTR(s->caller));
    lifecycle_stop(s->lifecycle, on_lifecycle_stopped, s);
}

/* An errand that waits for the lifecycle thread is let go when that stops, and gets nothing more from it. */
void swarm_close(struct swarm *s, void (*cb)(void *data), void *data)
{
    s->closed = cb;
    s->closed_data = data;
    s->closing = true;
    /* the others need not miss the leader first */
    if (!swarm_is_leader(s) || swarm_is_alone(s) || replica_transfer(s->replica, 0, on_handed_over, s) < 0)
        on_handed_over(s, 0);
}

const struct store *swarm_store(const struct swarm *s)
{
    return s->store;
}

const char *swarm_node_id(const struct swarm *s)
{
    return s->node.node_id;
}

const char *swarm_id(const struct swarm *s)
{
    return s->node.swarm_id;
}

bool swarm_is_leader(const struct swarm *s)
{
    return s->replica && replica_is_leader(s->replica);
}

bool swarm_is_manager(const struct swarm *s)
{
    return s->state == SWARM_LOCKED || (s->state != SWARM_INACTIVE && s->node.role == PB__ROLE__MANAGER);
}

const char *swarm_manager_status(const struct swarm *s, const Pb__Node *node)
{
    const char *address;

    if (node->role != PB__ROLE__MANAGER)
        return "";
    if (s->replica && node->raft_id == replica_leader(s->replica, &address))
        return "leader";
    return node->state == PB__NODE_STATE__READY ? "reachable" : "unreachable";
}
