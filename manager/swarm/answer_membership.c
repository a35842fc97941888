/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who comes into the swarm, goes, and gets a certificate. */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "pki/ca.h"
#include "pki/id.h"
#include "store/command.h"
#include "store/erasing_allocator.h"
#include "swarm/answer.h"
#include "swarm/trust.h"

/* A node that is being put into the store, then told what it is. */
struct admission {
    struct swarm *swarm;
    struct peer_answer *answer;
    char id[STORE_ID_LEN + 1];
    char *certificate;
};

static void admission_free(struct admission *a)
{
    free(a->certificate);
    free(a);
}
DEFINE_CLEANUP(struct admission *, admission_free)

static const char *role_name(Pb__Role role)
{
    return role == PB__ROLE__MANAGER ? CA_ROLE_MANAGER : CA_ROLE_WORKER;
}

static void tell_membership(const struct admission *a, const Pb__Node *node)
{
    const struct swarm *s = a->swarm;
    const Pb__Cluster *cluster = store_cluster(s->store);
    _cleanup_free_ char *chain = trust_chain(cluster, a->certificate), *roots = trust_roots(cluster);
    char *managers[PEER_MANAGERS_MAX];
    Peer__Membership m = PEER__MEMBERSHIP__INIT;
    Peer__Reply reply = PEER__REPLY__INIT;

    if (!chain || !roots) {
        peer_answer_error(a->answer, -ENOMEM, "out of memory");
        return;
    }
    m.node_id = node->meta->id;
    m.swarm_id = cluster->meta->id;
    m.role = (uint32_t) node->role;
    m.raft_id = node->raft_id;
    m.chain = (ProtobufCBinaryData) { strlen(chain), (uint8_t *) chain };
    m.roots = (ProtobufCBinaryData) { strlen(roots), (uint8_t *) roots };
    m.address = node->address;
    m.n_managers = answer_managers(s, managers);
    m.managers = managers;
    reply.what_case = PEER__REPLY__WHAT_MEMBERSHIP;
    reply.membership = &m;
    peer_answer_send(a->answer, &reply);
}

static void tell(void *data, int result)
{
    _cleanup_(admission_freep) struct admission *a = data;
    const Pb__Node *node = result < 0 ? NULL : store_node(a->swarm->store, a->id);

    if (node)
        tell_membership(a, node);
    else
        answer_failure(a->answer, result < 0 ? result : -ENOENT);
}

/* Who is no manager any more closes its replica when it hears of it: not before the log's group does without. */
static void on_admitted(void *data, int result)
{
    struct admission *a = data;
    struct swarm *s = a->swarm;
    const Pb__Node *node = result < 0 ? NULL : store_node(s->store, a->id);

    if (!node || node->role == PB__ROLE__MANAGER || node->raft_id == 0 || node->raft_id == s->node.raft_id) {
        tell(a, result);
        return;
    }
    result = replica_remove(s->replica, node->raft_id, tell, a);
    if (result < 0)
        tell(a, result == -ENOTCONN ? -EAGAIN : result);
}

/* Puts node with the certificate into the store; takes a. */
static void admit(struct admission *a, Pb__Node *node)
{
    Pb__PutNode put = PB__PUT_NODE__INIT;
    Pb__Command command = PB__COMMAND__INIT;
    void *encoded = NULL;
    size_t size = 0;
    int r;

    node->certificate = (ProtobufCBinaryData) { strlen(a->certificate), (uint8_t *) a->certificate };
    node->meta->updated = swarm_now();
    put.node = node;
    command.what_case = PB__COMMAND__WHAT_PUT_NODE;
    command.put_node = &put;
    r = command_encode(&command, &encoded, &size);
    if (r == 0)
        r = replica_propose(a->swarm->replica, encoded, size, on_admitted, a);
    erasing_free(encoded);
    if (r != 0) {
        answer_failure(a->answer, r == -ENOTCONN ? -EAGAIN : r);
        admission_free(a);
    }
}

static struct admission *admission_new(struct swarm *s, const char *id, struct peer_answer *answer)
{
    struct admission *a = calloc(1, sizeof(*a));

    if (!a) {
        peer_answer_error(answer, -ENOMEM, "out of memory");
        return NULL;
    }
    a->swarm = s;
    a->answer = answer;
    (void) strcpy(a->id, id);
    return a;
}

static int issue(struct admission *a, const ProtobufCBinaryData *request, Pb__Role role, struct error *e)
{
    const Pb__Cluster *cluster = store_cluster(a->swarm->store);
    _cleanup_(secret_done) struct secret ca_key = SECRET_NULL;
    _cleanup_free_ char *ca = trust_ca(cluster);
    int r = ca ? secret_copy(cluster->ca_key.data, cluster->ca_key.len, &ca_key) : -ENOMEM;

    return r < 0 ? r : ca_issue_request(&ca_key, ca, request->data, request->len, a->id, role_name(role), cluster->meta->id,
                                        swarm_now() / 1000000, &a->certificate, e);
}

static bool secret_is(const ProtobufCBinaryData *half, const ProtobufCBinaryData *given)
{
    return half->len == given->len && sodium_memcmp(half->data, given->data, half->len) == 0;
}

/* The role that the token stands for. */
static int check_token(const Pb__Cluster *cluster, const ProtobufCBinaryData *given, Pb__Role *ret)
{
    bool worker = secret_is(&cluster->worker_secret, given), manager = secret_is(&cluster->manager_secret, given);

    if (!worker && !manager)
        return -EPERM;
    *ret = manager ? PB__ROLE__MANAGER : PB__ROLE__WORKER;
    return 0;
}

/* ":port" is on the host that the request came from. */
static int complete_address(const char *given, const struct net_peer *peer, char ret[static STORE_ADDRESS_MAX + 1])
{
    const char *end = strrchr(peer->address, ':');
    int n;

    if (given[0] != ':')
        n = snprintf(ret, STORE_ADDRESS_MAX + 1, "%s", given);
    else if (end)
        n = snprintf(ret, STORE_ADDRESS_MAX + 1, "%.*s%s", (int) (end - peer->address), peer->address, given);
    else
        return -EINVAL;
    return n > STORE_ADDRESS_MAX ? -EMSGSIZE : 0;
}

static uint64_t new_raft_id(const struct swarm *s)
{
    uint64_t id;

    do {
        randombytes_buf(&id, sizeof(id));
        id &= INT64_MAX;
    } while (id == 0 || network_node_of(s, id));
    return id;
}

static const Pb__Node *manager_at(const struct swarm *s, const char *address)
{
    for (size_t i = 0; i < store_n_nodes(s->store); i++) {
        const Pb__Node *node = store_node_at(s->store, i);

        if (node->role == PB__ROLE__MANAGER && strcmp(node->address, address) == 0)
            return node;
    }
    return NULL;
}

void answer_join(struct swarm *s, const struct net_peer *peer, const Peer__Join *join, struct peer_answer *answer)
{
    Pb__Meta meta = PB__META__INIT;
    Pb__Node node = PB__NODE__INIT;
    char id[STORE_ID_LEN + 1], address[STORE_ADDRESS_MAX + 1];
    struct error e = { "" };
    struct admission *a;
    int r;

    if (check_token(store_cluster(s->store), &join->secret, &node.role) < 0) {
        refusal(s, peer->address, "it has no valid join token");
        peer_answer_error(answer, -EPERM, "A valid join token is necessary to join this cluster");
        return;
    }
    r = complete_address(join->address, peer, address);
    if (r == 0 && node.role == PB__ROLE__MANAGER && manager_at(s, address))
        r = error_set(&e, -EADDRINUSE, "another manager has the address %s: give another --advertise-addr, or remove that node first", address);
    if (r < 0) {
        peer_answer_error(answer, r, e.text[0] ? e.text : "the address is not valid");
        return;
    }
    id_new(id);
    a = admission_new(s, id, answer);
    if (!a)
        return;
    r = issue(a, &join->certificate_request, node.role, &e);
    if (r < 0) {
        peer_answer_error(answer, r, e.text);
        admission_free(a);
        return;
    }
    meta.id = id;
    meta.created = swarm_now();
    node.meta = &meta;
    node.hostname = join->hostname;
    node.address = address;
    node.raft_id = new_raft_id(s);
    admit(a, &node);
}

/* The pointers stay the store's; what is changed in the copy is put back by whole fields. */
static Pb__Node shallow_copy(const Pb__Node *node, Pb__Meta *meta)
{
    Pb__Node copy = *node;

    *meta = *node->meta;
    copy.meta = meta;
    return copy;
}

void answer_renew(struct swarm *s, const struct net_peer *peer, const Peer__Renew *renew, struct peer_answer *answer)
{
    const Pb__Node *old = store_node(s->store, peer->node_id);
    struct error e = { "" };
    struct admission *a;
    Pb__Meta meta;
    Pb__Node node;
    int r;

    if (!old) {
        peer_answer_error(answer, -ENOENT, "this node is not known");
        return;
    }
    a = admission_new(s, peer->node_id, answer);
    if (!a)
        return;
    r = issue(a, &renew->certificate_request, old->role, &e);
    if (r < 0) {
        peer_answer_error(answer, r, e.text);
        admission_free(a);
        return;
    }
    node = shallow_copy(old, &meta);
    if (node.role == PB__ROLE__MANAGER && node.raft_id == 0)
        node.raft_id = new_raft_id(s);
    admit(a, &node);
}

void answer_leave(struct swarm *s, const struct net_peer *peer, struct peer_answer *answer)
{
    const Pb__Node *old = store_node(s->store, peer->node_id);
    struct admission *a;
    Pb__Meta meta;
    Pb__Node node;

    a = old ? admission_new(s, peer->node_id, answer) : NULL;
    if (!old)
        peer_answer_error(answer, -ENOENT, "this node is not known");
    if (!a)
        return;
    node = shallow_copy(old, &meta);
    node.role = PB__ROLE__WORKER;
    node.state = PB__NODE_STATE__DOWN;
    node.state_since = swarm_now();
    a->certificate = strndup((const char *) old->certificate.data, old->certificate.len);
    seen_forget(s, peer->node_id);
    if (a->certificate) {
        admit(a, &node);
        return;
    }
    peer_answer_error(answer, -ENOMEM, "out of memory");
    admission_free(a);
}

static void on_added(void *data, int result)
{
    peer_answer_error(data, result < 0 ? result : 0, result < 0 ? strerror(-result) : "");
}

/* Its log begins to flow; its role was given when it joined or was promoted. */
void answer_add_member(struct swarm *s, const struct net_peer *peer, const Peer__AddMember *add, struct peer_answer *answer)
{
    const Pb__Node *node = store_node(s->store, peer->node_id);
    int r;

    if (!node || node->role != PB__ROLE__MANAGER || node->raft_id != add->raft_id || strcmp(node->address, add->address) != 0) {
        peer_answer_error(answer, -EPERM, "this node is not to be a manager");
        return;
    }
    r = replica_add(s->replica, node->raft_id, node->address, on_added, answer);
    if (r < 0)
        peer_answer_error(answer, r == -ENOTCONN ? -EAGAIN : r, strerror(-r));
}
