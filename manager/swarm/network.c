/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* This node's place on the network: who it is, its open port, its links to other managers' replicas. Loop's thread, but for the steps. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "pki/ca.h"
#include "pki/certificate.h"
#include "swarm/answer.h"
#include "swarm/served.h"
#include "swarm/tls_file.h"
#include "swarm/trust.h"
#include "swarm/watchers.h"

#define REFUSALS_PER_MINUTE 20

static void on_dialed(void *data, int fd, const struct net_peer *peer _unused_)
{
    replica_dial_done(data, fd);
}

/* A dial must not end from within. */
struct failed_dial {
    uv_timer_t timer;
    struct replica_dial *dial;
    int result;
};

static void on_failed_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_failed(uv_timer_t *timer)
{
    struct failed_dial *f = timer->data;

    replica_dial_done(f->dial, f->result);
    uv_close((uv_handle_t *) timer, on_failed_closed);
}

static void fail_later(struct swarm *s, struct replica_dial *d, int result)
{
    struct failed_dial *f = calloc(1, sizeof(*f));

    if (!f)
        abort(); /* raft would wait for ever */
    *f = (struct failed_dial) { .dial = d, .result = result };
    (void) uv_timer_init(s->config.loop, &f->timer);
    f->timer.data = f;
    (void) uv_timer_start(&f->timer, on_failed, 0, 0);
}

static void dial(void *data, uint64_t id, const char *address, struct replica_dial *d)
{
    struct swarm *s = data;
    const Pb__Node *node = network_node_of(s, id);
    int r = -ENOTCONN;

    if (s->identity)
        r = link_connect(&s->links, s->config.loop, s->identity, address, node ? node->meta->id : NULL, s->node.raft_id, s->node.advertise,
                         on_dialed, d);
    if (r < 0)
        fail_later(s, d, r);
}

struct replica_links network_links(struct swarm *s)
{
    return (struct replica_links) { s, dial };
}

const Pb__Node *network_node_of(const struct swarm *s, uint64_t raft_id)
{
    for (size_t i = 0; s->store && i < store_n_nodes(s->store); i++)
        if (store_node_at(s->store, i)->raft_id == raft_id)
            return store_node_at(s->store, i);
    return NULL;
}

/* Of two managers one has to agree to its own removal from the log's group. */
static bool is_in_group(const struct swarm *s, uint64_t raft_id)
{
    for (size_t i = 0; s->replica && i < replica_n_members(s->replica); i++) {
        uint64_t id;

        replica_member_at(s->replica, i, &id, NULL, NULL);
        if (id == raft_id)
            return true;
    }
    return false;
}

/* A manager that lags may not know a node yet whose certificate is good; the leader always does. */
static enum peer_standing standing(void *data, const struct net_peer *peer, bool *ret_removed)
{
    struct swarm *s = data;
    bool is_manager = strcmp(peer->role, CA_ROLE_MANAGER) == 0;
    const Pb__Node *node = s->store ? store_node(s->store, peer->node_id) : NULL;

    /* of a node that has a newer certificate the former one is nobody's: who shows it is not to hear that the node was removed */
    *ret_removed = s->store && store_is_removed(s->store, peer->node_id);
    if (*ret_removed || (s->store && store_is_revoked(s->store, peer->digest)) || (!node && swarm_is_leader(s)))
        return PEER_STRANGER;
    if (!is_manager)
        return PEER_MEMBER;
    if (!node || node->role == PB__ROLE__MANAGER)
        return PEER_MANAGER;
    return is_in_group(s, node->raft_id) ? PEER_LEAVING : PEER_MEMBER;
}

static void linked(void *data, const struct net_peer *peer, uint64_t raft_id, const char *address, int fd)
{
    struct swarm *s = data;
    const Pb__Node *node = s->store ? store_node(s->store, peer->node_id) : NULL;

    if (!s->replica || (node && node->raft_id != raft_id) || replica_accept(s->replica, raft_id, address, fd) < 0)
        (void) close(fd);
}

void refusal(struct swarm *s, const char *address, const char *why)
{
    uint64_t minute = uv_now(s->config.loop) / 60000;
    struct error text;

    if (s->refusals_minute != minute) {
        s->refusals_minute = minute;
        s->refusals = 0;
    }
    if (s->refusals++ >= REFUSALS_PER_MINUTE)
        return;
    (void) error_set(&text, 0, "%s: %s", address, why);
    swarm_event(s, SWARM_EVENT_REFUSED, NULL, -1, 0, text.text);
}

static void refused(void *data, const char *address, const char *why)
{
    refusal(data, address, why);
}

bool swarm_node_is_certified(const struct swarm *s, const Pb__Node *node)
{
    return trust_is_current(store_cluster(s->store), &node->certificate);
}

/* Half of its time is over, or the CA that issued it is on its way out. */
bool network_wants_renewal(const struct swarm *s, const Pb__Node *node)
{
    _cleanup_free_ char *pem = strndup((const char *) node->certificate.data, node->certificate.len);
    _cleanup_(X509_freep) X509 *certificate = NULL;
    struct certificate_info info;

    if (!pem || certificate_from_pem(pem, &certificate) < 0 || certificate_info(certificate, &info) < 0)
        return true;
    return swarm_now() / 1000000 > info.not_before + (info.not_after - info.not_before) / 2 || !swarm_node_is_certified(s, node);
}

static void know_roots(struct swarm *s)
{
    _cleanup_free_ char *roots = NULL;

    if (tls_file_read_roots(s->files.tls, &roots, NULL) == 0)
        trust_digest(roots, s->roots_digest);
}

struct open_step {
    struct swarm *swarm;
    struct identity *identity;
    struct error *error;
};

static int listen_for(struct swarm *s, struct identity *identity, struct error *e)
{
    const struct peer_server_config config = {
        .loop = s->config.loop,
        .address = s->file.listen,
        .identity = identity,
        .data = s,
        .standing = standing,
        .request = answer_request,
        .linked = linked,
        .refused = refused,
    };

    if (s->server) {
        peer_server_set_identity(s->server, identity);
        return 0;
    }
    return peer_server_new(&config, &s->server, e);
}

static void set_managers(struct swarm *s)
{
    const char *addresses[NODE_FILE_MANAGERS_MAX];

    for (unsigned i = 0; i < s->node.n_managers; i++)
        addresses[i] = s->node.managers[i];
    peer_caller_set_managers(s->caller, addresses, s->node.n_managers);
}

static void open_network(void *data, struct completion *c)
{
    struct open_step *step = data;
    struct swarm *s = step->swarm;
    int r = 0;

    if (s->file.role == PB__ROLE__MANAGER)
        r = listen_for(s, step->identity, step->error);
    if (r == 0 && !s->caller)
        r = peer_caller_new(s->config.loop, PEER_PROTOCOL_CALL, &s->caller);
    if (r == 0) {
        s->node = s->file;
        peer_caller_set_identity(s->caller, step->identity);
        set_managers(s);
        if (s->identity)
            (void) identity_unref(s->identity);
        s->identity = identity_ref(step->identity);
        know_roots(s);
        turn_start(s);
    }
    completion_done(c, r);
}

int step_network_open(struct swarm *s, struct identity *identity, struct error *e)
{
    struct open_step step = { s, identity, e };

    return lifecycle_on_loop(s->lifecycle, open_network, &step);
}

void network_review(struct swarm *s)
{
    if (s->server)
        peer_server_review(s->server);
    network_know_managers(s);
}

/* The managers that the store names, for calls when the leader is not known. */
void network_know_managers(struct swarm *s)
{
    const char *addresses[PEER_MANAGERS_MAX];
    size_t n = 0;

    for (size_t i = 0; s->store && s->caller && i < store_n_nodes(s->store) && n < PEER_MANAGERS_MAX; i++) {
        const Pb__Node *node = store_node_at(s->store, i);

        if (node->role == PB__ROLE__MANAGER && strcmp(node->meta->id, s->node.node_id) != 0)
            addresses[n++] = node->address;
    }
    if (n > 0)
        peer_caller_set_managers(s->caller, addresses, n);
}

/* Everything but the server, which takes a while. */
static void shut(struct swarm *s)
{
    turn_stop(s);
    watchers_release(s->watchers);
    served_forget(s);
    if (s->caller)
        peer_caller_close(TAKE_PTR(s->caller));
    link_list_review(&s->links, NULL, NULL);
    if (s->identity)
        (void) identity_unref(TAKE_PTR(s->identity));
}

void network_close(struct swarm *s, void (*cb)(void *data), void *data)
{
    struct peer_server *server = TAKE_PTR(s->server);

    shut(s);
    if (server)
        peer_server_close(server, cb, data);
    else
        cb(data);
}

static void on_closed(void *data)
{
    completion_done(data, 0);
}

static void close_network(void *data, struct completion *c)
{
    network_close(data, on_closed, c);
}

void step_network_close(struct swarm *s)
{
    (void) lifecycle_on_loop(s->lifecycle, close_network, s);
}
