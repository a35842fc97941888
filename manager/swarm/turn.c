/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a member of a swarm does by the clock: it says that it is there, hears what it is to be, and if it leads, looks after the others.
 * Loop's thread. */
#include <errno.h>
#include <string.h>

#include "pki/certificate.h"
#include "swarm/served.h"
#include "swarm/watchers.h"

#define TURN_MS 250
#define HEARTBEAT_MS 2000
#define HEARTBEAT_ANSWER_MS 4000
#define REWRITE_ENTRIES 2
#define REWRITE_TURNS_ALONE_MAX 12

static int run_role(void *data)
{
    struct swarm *s = data;
    struct error e = { "" };
    int r = role_follow(s, &e);

    if (r < 0 && r != -ESHUTDOWN)
        swarm_event(s, SWARM_EVENT_TROUBLE, NULL, -1, 0, e.text[0] ? e.text : strerror(-r));
    return r;
}

static void role_done(void *data, int result _unused_)
{
    struct swarm *s = data;

    s->role_busy = false;
}

/* Off the loop: the node becomes what it is to be. */
static void follow_role(struct swarm *s)
{
    if (!s->role_busy)
        s->role_busy = lifecycle_submit(s->lifecycle, run_role, role_done, s) == 0;
}

void turn_be(struct swarm *s, enum node_fate fate)
{
    s->fate = fate;
    if (fate != FATE_STAY)
        follow_role(s);
}

static void keep_managers(struct swarm *s, const Peer__Standing *standing)
{
    struct node_file *node = &s->node;
    const char *addresses[NODE_FILE_MANAGERS_MAX];
    unsigned n = 0;

    for (size_t i = 0; i < standing->n_managers && n < NODE_FILE_MANAGERS_MAX; i++)
        if (standing->managers[i][0] != '\0' && strlen(standing->managers[i]) < NODE_FILE_ADDRESS_MAX)
            addresses[n++] = standing->managers[i];
    if (n == 0)
        return;
    s->managers_changed = n != node->n_managers;
    for (unsigned i = 0; i < n; i++) {
        s->managers_changed |= strcmp(node->managers[i], addresses[i]) != 0;
        (void) strcpy(node->managers[i], addresses[i]);
    }
    node->n_managers = n;
    peer_caller_set_managers(s->caller, addresses, n);
}

/* Demoted, and promoted again, before it heard of it: the group knows it by another id, and it would never hear of anything. */
static bool is_another_member(const struct swarm *s, const Peer__Standing *standing)
{
    return s->node.role == PB__ROLE__MANAGER && standing->raft_id != 0 && standing->raft_id != s->node.raft_id;
}

static void on_standing(void *data, int result, const Peer__Reply *reply, const char *why _unused_)
{
    struct swarm *s = data;

    s->beating = false;
    if (reply && reply->removed) {
        turn_be(s, FATE_REMOVED);
        return;
    }
    if (result < 0 || !reply || reply->what_case != PEER__REPLY__WHAT_STANDING)
        return;
    served_contact(s);
    if (s->node.role == PB__ROLE__WORKER)
        keep_managers(s, reply->standing);
    if (reply->standing->role != (uint32_t) s->node.role)
        turn_be(s, reply->standing->role == PB__ROLE__MANAGER ? FATE_MANAGER : FATE_WORKER);
    else if (is_another_member(s, reply->standing))
        turn_be(s, FATE_WORKER); /* first */
    else if (reply->standing->renew)
        turn_be(s, FATE_RENEW);
    else if (s->managers_changed)
        turn_be(s, FATE_STAY_AND_SAVE);
}

static void beat(struct swarm *s)
{
    Peer__Request request = PEER__REQUEST__INIT;
    Peer__Heartbeat heartbeat = PEER__HEARTBEAT__INIT;

    if (swarm_is_leader(s)) {
        const Pb__Node *self = store_node(s->store, s->node.node_id);

        seen_now(s, s->node.node_id);
        if (s->state == SWARM_ACTIVE && self && network_wants_renewal(s, self))
            turn_be(s, FATE_RENEW);
        return;
    }
    heartbeat.hostname = s->hostname;
    heartbeat.role = (uint32_t) s->node.role;
    heartbeat.roots_digest = (ProtobufCBinaryData) { sizeof(s->roots_digest), s->roots_digest };
    request.what_case = PEER__REQUEST__WHAT_HEARTBEAT;
    request.heartbeat = &heartbeat;
    s->beating = peer_call(s->caller, &request, HEARTBEAT_ANSWER_MS, true, on_standing, s) == 0;
}

static void on_member_added(void *data, int result _unused_, const Peer__Reply *reply _unused_, const char *why _unused_)
{
    struct swarm *s = data;

    s->joining = false;
}

static bool is_voter(const struct swarm *s)
{
    for (size_t i = 0; i < replica_n_members(s->replica); i++) {
        const char *address;
        uint64_t id;
        bool votes;

        replica_member_at(s->replica, i, &id, &address, &votes);
        if (id == s->node.raft_id && votes)
            return true;
    }
    return false;
}

/* A new manager has an empty log until the leader makes it a member. */
static void ask_in(struct swarm *s)
{
    Peer__Request request = PEER__REQUEST__INIT;
    Peer__AddMember add = PEER__ADD_MEMBER__INIT;

    if (s->joining || is_voter(s))
        return;
    add.raft_id = s->node.raft_id;
    add.address = s->node.advertise;
    request.what_case = PEER__REQUEST__WHAT_ADD_MEMBER;
    request.add_member = &add;
    s->joining = peer_call(s->caller, &request, 30000, true, on_member_added, s) == 0;
}

static void on_nudged(void *data _unused_, int result _unused_)
{
}

/* The log is rewritten as it grows: each barrier is an entry of the leader's. Without a leader this ends, and is begun again later. */
static void help_rewrite(struct swarm *s)
{
    if (!s->rewriting || replica_is_leader(s->replica))
        return;
    if (replica_leader(s->replica, NULL) != 0) {
        s->turns_alone = 0;
        for (unsigned i = 0; i < REWRITE_ENTRIES; i++)
            (void) swarm_barrier(s, on_nudged, s);
    } else if (++s->turns_alone > REWRITE_TURNS_ALONE_MAX)
        replica_rewrite_cancel(s->replica);
}

static void on_turn(uv_timer_t *timer)
{
    struct swarm *s = timer->data;
    uint64_t now = uv_now(s->config.loop);

    if (!s->caller)
        return;
    if (!s->beating && now >= s->next_beat) {
        s->next_beat = now + HEARTBEAT_MS;
        network_review(s);
        beat(s);
    }
    served_turn(s);
    if (!s->replica)
        return;
    watchers_turn(s->watchers);
    propose_turn(s);
    help_rewrite(s);
    activate_turn(s);
    rekey_turn(s);
    if (!replica_is_leader(s->replica))
        ask_in(s);
    else if (s->state == SWARM_ACTIVE)
        duties_turn(s);
}

/* Not from within raft, which calls here. */
static void on_news(uv_timer_t *timer)
{
    struct swarm *s = timer->data;
    unsigned changed = s->changed;
    const Pb__Node *self = s->store ? store_node(s->store, s->node.node_id) : NULL;

    s->changed = 0;
    if (s->state != SWARM_ACTIVE || !s->store)
        return;
    if (changed & (STORE_CHANGED_NODES | STORE_CHANGED_REMOVED))
        network_review(s);
    if (self && self->role != s->node.role)
        turn_be(s, FATE_WORKER);
    served_store_changed(s, changed);
    watchers_changed(s->watchers, changed);
    if ((changed & STORE_CHANGED_CLUSTER) && !swarm_is_alone(s))
        activate_reconcile(s);
    if ((changed & (STORE_CHANGED_CLUSTER | STORE_CHANGED_NODES)) && s->replica && replica_is_leader(s->replica))
        duties_turn(s);
}

void turn_store_changed(struct swarm *s, unsigned changed)
{
    s->changed |= changed;
    (void) uv_timer_start(&s->news, on_news, 0, 0);
}

void turn_init(struct swarm *s)
{
    (void) uv_timer_init(s->config.loop, &s->turn);
    (void) uv_timer_init(s->config.loop, &s->news);
    s->turn.data = s->news.data = s;
}

void turn_start(struct swarm *s)
{
    s->next_beat = 0;
    (void) uv_timer_start(&s->turn, on_turn, 0, TURN_MS);
}

void turn_stop(struct swarm *s)
{
    (void) uv_timer_stop(&s->turn);
    (void) uv_timer_stop(&s->news);
}

static void on_news_closed(uv_handle_t *handle)
{
    struct swarm *s = handle->data;

    s->turn_closed(s->turn_closed_data);
}

static void on_turn_closed(uv_handle_t *handle)
{
    struct swarm *s = handle->data;

    uv_close((uv_handle_t *) &s->news, on_news_closed);
}

void turn_close(struct swarm *s, void (*cb)(void *data), void *data)
{
    s->turn_closed = cb;
    s->turn_closed_data = data;
    uv_close((uv_handle_t *) &s->turn, on_turn_closed);
}
