/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "swarm/answer.h"
#include "swarm/trust.h"
#include "swarm/watchers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

size_t answer_managers(const struct swarm *s, char **list)
{
    size_t n = 0;

    for (size_t i = 0; i < store_n_nodes(s->store) && n < PEER_MANAGERS_MAX; i++) {
        const Pb__Node *node = store_node_at(s->store, i);

        if (node->role == PB__ROLE__MANAGER)
            list[n++] = node->address;
    }
    return n;
}

void answer_failure(struct peer_answer *answer, int result)
{
    switch (result) {
    case -ECANCELED:
    case -ENOTCONN:
        peer_answer_error(answer, -ECANCELED, "the leader lost its place while the change was under way");
        break;
    case -EAGAIN:
        peer_answer_error(answer, -EAGAIN, "too many changes are in flight");
        break;
    default:
        peer_answer_error(answer, result, strerror(-result));
    }
}

/* The leader that asked its log for something, for somebody. */
struct asking {
    struct swarm *swarm;
    struct peer_answer *answer;
};

static void on_position(void *data, int result)
{
    _cleanup_free_ struct asking *asking = data;
    Peer__Position position = PEER__POSITION__INIT;
    Peer__Reply reply = PEER__REPLY__INIT;

    if (result < 0) {
        answer_failure(asking->answer, result);
        return;
    }
    position.index = replica_applied(asking->swarm->replica);
    reply.what_case = PEER__REPLY__WHAT_POSITION;
    reply.position = &position;
    peer_answer_send(asking->answer, &reply);
}

static void answer_log(struct swarm *s, const Peer__Propose *propose, struct peer_answer *answer)
{
    struct asking *asking = malloc(sizeof(*asking));
    int r = -ENOMEM;

    if (asking) {
        *asking = (struct asking) { s, answer };
        r = propose ? replica_propose(s->replica, propose->command.data, propose->command.len, on_position, asking)
                    : replica_barrier(s->replica, on_position, asking);
    }
    if (r == 0)
        return;
    free(asking);
    if (r == -ENOTCONN) /* nothing was done yet */
        r = -EAGAIN;
    answer_failure(answer, r);
}

static bool knows_roots(const struct swarm *s, const Peer__Heartbeat *beat)
{
    _cleanup_free_ char *roots = trust_roots(store_cluster(s->store));
    unsigned char digest[32];

    if (!roots)
        return true;
    trust_digest(roots, digest);
    return beat->roots_digest.len == sizeof(digest) && memcmp(beat->roots_digest.data, digest, sizeof(digest)) == 0;
}

static void answer_heartbeat(struct swarm *s, const struct net_peer *peer, const Peer__Heartbeat *beat, struct peer_answer *answer)
{
    const Pb__Node *node = store_node(s->store, peer->node_id);
    char *managers[PEER_MANAGERS_MAX];
    Peer__Standing standing = PEER__STANDING__INIT;
    Peer__Reply reply = PEER__REPLY__INIT;

    if (!node) {
        peer_answer_error(answer, -ENOENT, "this node is not known");
        return;
    }
    seen_now(s, peer->node_id);
    standing.role = (uint32_t) node->role;
    standing.raft_id = node->role == PB__ROLE__MANAGER ? node->raft_id : 0;
    standing.n_managers = answer_managers(s, managers);
    standing.managers = managers;
    standing.renew = network_wants_renewal(s, node) || !knows_roots(s, beat);
    reply.what_case = PEER__REPLY__WHAT_STANDING;
    reply.standing = &standing;
    peer_answer_send(answer, &reply);
}

static void answer_unlock_key(struct swarm *s, struct peer_answer *answer)
{
    const Pb__Cluster *cluster = store_cluster(s->store);
    Peer__UnlockKey key = PEER__UNLOCK_KEY__INIT;
    Peer__Reply reply = PEER__REPLY__INIT;

    key.autolock = cluster->autolock;
    key.rekey = cluster->rekey;
    if (cluster->autolock) {
        key.key = cluster->unlock_key;
        key.generation = cluster->unlock_generation;
    }
    reply.what_case = PEER__REPLY__WHAT_UNLOCK_KEY;
    reply.unlock_key = &key;
    peer_answer_send(answer, &reply);
}

static void dispatch(struct swarm *s, const struct net_peer *peer, const Peer__Request *request, struct peer_answer *answer)
{
    switch (request->what_case) {
    case PEER__REQUEST__WHAT_JOIN:
        answer_join(s, peer, request->join, answer);
        break;
    case PEER__REQUEST__WHAT_RENEW:
        answer_renew(s, peer, request->renew, answer);
        break;
    case PEER__REQUEST__WHAT_PROPOSE:
        answer_log(s, request->propose, answer);
        break;
    case PEER__REQUEST__WHAT_BARRIER:
        answer_log(s, NULL, answer);
        break;
    case PEER__REQUEST__WHAT_HEARTBEAT:
        answer_heartbeat(s, peer, request->heartbeat, answer);
        break;
    case PEER__REQUEST__WHAT_FETCH_UNLOCK_KEY:
        answer_unlock_key(s, answer);
        break;
    case PEER__REQUEST__WHAT_ADD_MEMBER:
        answer_add_member(s, peer, request->add_member, answer);
        break;
    case PEER__REQUEST__WHAT_LEAVE:
        answer_leave(s, peer, answer);
        break;
    case PEER__REQUEST__WHAT_WATCH:
        answer_watch(s, peer, request->watch, answer);
        break;
    case PEER__REQUEST__WHAT_FETCH_OBJECT:
        answer_fetch_object(s, peer, request->fetch_object, answer);
        break;
    case PEER__REQUEST__WHAT_REPORT_USE:
        answer_report_use(s, peer, request->report_use, answer);
        break;
    default:
        peer_answer_error(answer, -EOPNOTSUPP, "the request is not known here: upgrade this manager");
    }
}

void answer_request(void *data, const struct net_peer *peer, const Peer__Request *request, struct peer_answer *answer)
{
    struct swarm *s = data;
    const char *leader = "";

    if (s->replica && replica_is_leader(s->replica) && s->state == SWARM_ACTIVE && store_cluster(s->store)) {
        dispatch(s, peer, request, answer);
        return;
    }
    if (s->replica && !replica_is_leader(s->replica) && replica_leader(s->replica, &leader) != 0)
        peer_answer_redirect(answer, leader);
    else
        peer_answer_error(answer, -EAGAIN, "The swarm does not have a leader");
}
