/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The swarm has decided something about this node: it becomes a manager or a worker, gets a new certificate, or goes. Lifecycle thread. Each
 * is tried again at the next heartbeat when it fails. */
#include <errno.h>
#include <string.h>

#include "basic/file.h"
#include "swarm/membership.h"
#include "swarm/tls_file.h"

#define RENEW_MS 10000

struct fate_step {
    struct swarm *swarm;
    enum node_fate fate;
    struct node_file node;
};

static void take_fate(void *data, struct completion *c)
{
    struct fate_step *step = data;

    step->fate = step->swarm->fate;
    step->node = step->swarm->node;
    step->swarm->fate = FATE_STAY;
    completion_done(c, 0);
}

/* A new key and its certificate, for the role that the swarm has for this node. */
static int renew(struct swarm *s, struct membership *m, struct error *e)
{
    _cleanup_(peer_reply_freep) Peer__Reply *reply = NULL;
    _cleanup_free_ unsigned char *certificate_request = NULL;
    Peer__Request request = PEER__REQUEST__INIT;
    Peer__Renew ask = PEER__RENEW__INIT;
    const struct call call = { .request = &request, .timeout_ms = RENEW_MS, .repeatable = true };
    size_t size;
    int r = membership_request(m, &certificate_request, &size, e);

    if (r < 0)
        return r;
    ask.certificate_request = (ProtobufCBinaryData) { size, certificate_request };
    request.what_case = PEER__REQUEST__WHAT_RENEW;
    request.renew = &ask;
    r = step_call(s, &call, &reply, e);
    if (r == 0 && reply->what_case != PEER__REPLY__WHAT_MEMBERSHIP)
        r = error_set(e, -EPROTO, "the swarm's answer is not understood: is this machine's version the older one?");
    if (r < 0)
        return r;
    m->file = s->file;
    r = membership_accept(m, reply->membership, NULL, e);
    if (r == 0 && strcmp(m->file.node_id, s->file.node_id) != 0)
        r = error_set(e, -EPROTO, "the swarm's answer is for another node");
    return r;
}

static int write_file(struct swarm *s, const struct membership *m, struct error *e)
{
    int r = node_file_write(s->files.node, &m->file, e);

    if (r == 0)
        s->file = m->file;
    return r;
}

static int become_manager(struct swarm *s, struct error *e)
{
    _cleanup_(membership_done) struct membership m = MEMBERSHIP_NULL;
    int r = renew(s, &m, e);

    if (r < 0 || m.file.role != PB__ROLE__MANAGER)
        return r;
    r = membership_fetch_unlock_key(s, &m, e);
    if (r < 0)
        return r;
    r = membership_store(s, &m, e);
    if (r == 0)
        r = write_file(s, &m, e);
    if (r == 0)
        r = open_member(s, e);
    if (r < 0) {
        step_set_state(s, SWARM_ERROR, e->text);
        return r;
    }
    swarm_event(s, SWARM_EVENT_PROMOTED, NULL, -1, 0, NULL);
    return 0;
}

/* Whether it is to give up its log. One that was promoted again meanwhile gives it up, too: as another member of the log's group it begins with
 * none; it stays a worker until it hears of its role. */
static bool gives_up(const struct swarm *s, struct membership *m)
{
    bool is_same = m->file.role == PB__ROLE__MANAGER && m->file.raft_id == s->file.raft_id;

    m->file.role = PB__ROLE__WORKER;
    m->file.raft_id = 0;
    return !is_same;
}

/* node.json first: a start that finds a worker with a lock and a log finishes this. */
static int become_worker(struct swarm *s, struct error *e)
{
    _cleanup_(membership_done) struct membership m = MEMBERSHIP_NULL;
    int r;

    (void) step_hand_over(s);
    r = renew(s, &m, e);
    if (r < 0 || !gives_up(s, &m))
        return r;
    step_set_state(s, SWARM_PENDING, "becoming a worker");
    step_network_close(s);
    step_replica_close(s);
    r = write_file(s, &m, e);
    if (r == 0)
        r = membership_store(s, &m, e);
    if (r == 0)
        r = open_member(s, e);
    if (r < 0) {
        step_set_state(s, SWARM_ERROR, e->text);
        return r;
    }
    swarm_event(s, SWARM_EVENT_DEMOTED, NULL, -1, 0, NULL);
    step_set_state(s, SWARM_ACTIVE, NULL);
    return 0;
}

static int get_certificate(struct swarm *s, struct error *e)
{
    _cleanup_(membership_done) struct membership m = MEMBERSHIP_NULL;
    int r;

    if (s->file.role == PB__ROLE__MANAGER)
        return open_renew(s, e);
    r = renew(s, &m, e);
    if (r < 0 || m.file.role != s->file.role)
        return r;
    r = tls_file_write_chain(s->files.tls, m.chain, e);
    if (r == 0)
        r = tls_file_write_roots(s->files.tls, m.roots, e);
    if (r == 0)
        r = lock_replace_tls_key(s, &m.tls_key, e);
    return r < 0 ? r : step_network_open(s, m.identity, e);
}

static int go(struct swarm *s, struct error *e)
{
    step_set_state(s, SWARM_PENDING, "removed from the swarm");
    if (open_leave(s, e) < 0) {
        step_set_state(s, SWARM_ERROR, e->text);
        return -EIO;
    }
    swarm_event(s, SWARM_EVENT_REMOVED, NULL, -1, 0, NULL);
    step_set_state(s, SWARM_INACTIVE, NULL);
    return 0;
}

static int save_managers(struct swarm *s, const struct node_file *node, struct error *e)
{
    s->file.n_managers = node->n_managers;
    memcpy(s->file.managers, node->managers, sizeof(s->file.managers));
    return node_file_write(s->files.node, &s->file, e);
}

int role_follow(struct swarm *s, struct error *e)
{
    struct fate_step step = { .swarm = s };

    (void) lifecycle_on_loop(s->lifecycle, take_fate, &step);
    if (!s->bundle) /* it has left, or is locked */
        return 0;
    switch (step.fate) {
    case FATE_STAY_AND_SAVE:
        return save_managers(s, &step.node, e);
    case FATE_RENEW:
        return get_certificate(s, e);
    case FATE_MANAGER:
        return s->file.role == PB__ROLE__WORKER ? become_manager(s, e) : 0;
    case FATE_WORKER:
        return s->file.role == PB__ROLE__MANAGER ? become_worker(s, e) : 0;
    case FATE_REMOVED:
        return go(s, e);
    default:
        return 0;
    }
}
