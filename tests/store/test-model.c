/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A random sequence of commands against a model as plain as can be: the same outcomes, the same contents, and the same bytes in a store
 * that has gone through snapshots as in one that has not. */
#include <errno.h>
#include <string.h>

#include "../test.h"
#include "fixture.h"
#include "store/service.h"

#define IDS 12
#define NAMES 9
#define DIGESTS 8
#define SERVICES 6
#define USES 8
#define ROUNDS 40000

struct model_former {
    uint64_t number;
    char data[8];
};

struct model_object {
    bool exists;
    unsigned name, n_former;
    uint64_t version, revision;
    char data[8];
    struct model_former former[STORE_FORMER_MAX];
};

struct model_use {
    unsigned kind, object;
    uint64_t revision;
};

/* Its constraint, if any, is a role. */
struct model_service {
    bool exists, constrained, managers, any_rollout;
    unsigned name;
    Pb__OnUpdate on_update;
    uint64_t version, number, held[2][IDS]; /* revision + 1; 0: not held */
    bool grants[2][IDS], reached[IDS];
    Pb__RolloutState state;
    int64_t since;
};

struct model_node {
    bool exists;
    uint64_t version, raft_id;
    bool manages;
    Pb__NodeState state;
    int64_t state_since;
    char hostname[16];
};

static struct {
    uint64_t version, cluster_version;
    bool autolock;
    struct model_object objects[2][IDS];
    struct model_node nodes[IDS];
    struct model_service services[SERVICES];
    struct model_use uses[IDS][USES];
    unsigned n_uses[IDS];
    int64_t now, removed_until[IDS], revoked_until[DIGESTS]; /* 0: not */
} model;

static unsigned busy; /* updates for which all former revisions were in use */
static uint64_t random_state = 88172645463325252;

static unsigned number(unsigned below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned) ((random_state >> 32) % below);
}

static const char *name_of(unsigned n, char ret[static 16])
{
    (void) snprintf(ret, 16, "n%u", n * 37 % 100);
    return ret;
}

static int model_put_cluster(uint64_t version, bool autolock)
{
    if (model.cluster_version == 0 && version != 0)
        return -ENOENT;
    if (model.cluster_version != 0 && version == 0)
        return -EEXIST;
    if (version != model.cluster_version)
        return -ESTALE;
    model.cluster_version = ++model.version;
    model.autolock = autolock;
    return 0;
}

static int model_put_node(unsigned id, uint64_t version, const char *hostname, bool manages, uint64_t raft_id)
{
    struct model_node *n = &model.nodes[id];
    unsigned managers = 0;

    if (manages && raft_id == 0)
        return -EINVAL;

    if (!n->exists && version != 0)
        return -ENOENT;
    if (n->exists && version == 0)
        return -EEXIST;
    if (n->exists && version != n->version)
        return -ESTALE;
    if (!n->exists && model.removed_until[id] > 0)
        return -EEXIST;
    for (unsigned i = 0; i < IDS; i++) {
        if (i != id && model.nodes[i].exists && raft_id != 0 && model.nodes[i].raft_id == raft_id)
            return -EEXIST;
        managers += model.nodes[i].exists && model.nodes[i].manages;
    }
    if (n->exists && n->manages && !manages && managers == 1)
        return -EBUSY;
    if (!n->exists)
        *n = (struct model_node) { .exists = true };
    n->manages = manages;
    n->raft_id = raft_id;
    n->version = ++model.version;
    (void) snprintf(n->hostname, sizeof(n->hostname), "%s", hostname);
    return 0;
}

static int model_create(unsigned kind, unsigned id, unsigned name, const char *data)
{
    struct model_object *o = &model.objects[kind][id];

    if (o->exists)
        return -EEXIST;
    for (unsigned i = 0; i < IDS; i++)
        if (model.objects[kind][i].exists && model.objects[kind][i].name == name)
            return -EEXIST;
    *o = (struct model_object) { .exists = true, .name = name, .version = ++model.version };
    (void) snprintf(o->data, sizeof(o->data), "%s", data);
    return 0;
}

static int model_remove_object(unsigned kind, unsigned id)
{
    if (!model.objects[kind][id].exists)
        return -ENOENT;
    for (unsigned i = 0; i < SERVICES; i++)
        if (model.services[i].exists && model.services[i].grants[kind][id])
            return -EBUSY;
    model.objects[kind][id].exists = false;
    model.version++;
    return 0;
}

static bool model_is_used(unsigned kind, unsigned id, uint64_t revision)
{
    for (unsigned i = 0; i < IDS; i++)
        for (unsigned k = 0; k < model.n_uses[i]; k++)
            if (model.uses[i][k].kind == kind && model.uses[i][k].object == id && model.uses[i][k].revision == revision)
                return true;
    for (unsigned i = 0; i < SERVICES; i++)
        if (model.services[i].exists && model.services[i].held[kind][id] == revision + 1)
            return true;
    return false;
}

static unsigned model_drop_unused(unsigned kind, unsigned id, bool really)
{
    struct model_object *o = &model.objects[kind][id];
    unsigned kept = 0;

    for (unsigned i = 0; i < o->n_former; i++)
        if (model_is_used(kind, id, o->former[i].number)) {
            if (really)
                o->former[kept] = o->former[i];
            kept++;
        }
    if (really)
        o->n_former = kept;
    return kept;
}

static int model_prune(unsigned kind, unsigned id)
{
    if (!model.objects[kind][id].exists)
        return -ENOENT;
    (void) model_drop_unused(kind, id, true);
    model.version++;
    return 0;
}

static bool model_is_on(const struct model_service *v, unsigned node)
{
    return model.nodes[node].exists && (!v->constrained || model.nodes[node].manages == v->managers);
}

static void model_begin_rollout(struct model_service *v, unsigned kind, unsigned id, uint64_t revision)
{
    bool wanted = false;

    for (unsigned i = 0; i < IDS; i++)
        wanted = wanted || model_is_on(v, i);
    if (!wanted || v->on_update == PB__ON_UPDATE__NONE || !v->grants[kind][id])
        return;
    v->any_rollout = true;
    v->number = model.version;
    v->state = PB__ROLLOUT_STATE__RUNNING;
    v->since = model.now;
    memset(v->reached, 0, sizeof(v->reached));
    if (v->held[kind][id] == 0)
        v->held[kind][id] = revision + 1;
}

static int model_update(unsigned kind, unsigned id, uint64_t version, const char *data)
{
    struct model_object *o = &model.objects[kind][id];
    struct model_former *f;

    if (!o->exists)
        return -ENOENT;
    if (version != o->version)
        return -ESTALE;
    if (o->n_former == STORE_FORMER_MAX) {
        if (model_drop_unused(kind, id, false) == STORE_FORMER_MAX)
            return -EBUSY;
        (void) model_drop_unused(kind, id, true);
    }
    f = &o->former[o->n_former++];
    f->number = o->revision;
    memcpy(f->data, o->data, sizeof(f->data));
    (void) snprintf(o->data, sizeof(o->data), "%s", data);
    o->version = ++model.version;
    for (unsigned i = 0; i < SERVICES; i++)
        if (model.services[i].exists)
            model_begin_rollout(&model.services[i], kind, id, o->revision);
    o->revision++;
    return 0;
}

static int model_put_service(unsigned id, uint64_t version, const struct model_service *new)
{
    struct model_service *v = &model.services[id];

    if (!v->exists && version != 0)
        return -ENOENT;
    if (v->exists && version == 0)
        return -EEXIST;
    if (v->exists && version != v->version)
        return -ESTALE;
    for (unsigned i = 0; i < SERVICES; i++)
        if (i != id && model.services[i].exists && model.services[i].name == new->name)
            return -EEXIST;
    for (unsigned i = 0; i < 2 * IDS; i++)
        if (new->grants[i % 2][i / 2] && !model.objects[i % 2][i / 2].exists)
            return -ENOENT;
    if (!v->exists)
        *v = (struct model_service) { .exists = true };
    v->name = new->name;
    v->constrained = new->constrained;
    v->managers = new->managers;
    v->on_update = new->on_update;
    v->version = ++model.version;
    memcpy(v->grants, new->grants, sizeof(v->grants));
    if (v->on_update == PB__ON_UPDATE__NONE && v->any_rollout && v->state != PB__ROLLOUT_STATE__DONE) {
        v->state = PB__ROLLOUT_STATE__DONE;
        v->since = 1700000000000000 + (int64_t) version; /* the fixture's meta.updated */
        memset(v->held, 0, sizeof(v->held));
    }
    for (unsigned i = 0; i < 2 * IDS; i++)
        if (!v->grants[i % 2][i / 2])
            v->held[i % 2][i / 2] = 0;
    return 0;
}

static int model_set_rollout(unsigned id, uint64_t number, Pb__RolloutState state, const bool reached[static IDS])
{
    struct model_service *v = &model.services[id];

    if (!v->exists)
        return -ENOENT;
    if (!v->any_rollout || v->number != number || (v->state == PB__ROLLOUT_STATE__DONE && state != PB__ROLLOUT_STATE__DONE))
        return -ESTALE;
    if (v->state != state)
        v->since = model.now;
    v->state = state;
    memcpy(v->reached, reached, sizeof(v->reached));
    if (state == PB__ROLLOUT_STATE__DONE)
        memset(v->held, 0, sizeof(v->held));
    model.version++;
    return 0;
}

static int model_put_usage(unsigned node, const struct model_use *uses, unsigned n)
{
    if (!model.nodes[node].exists)
        return -ENOENT;
    memcpy(model.uses[node], uses, n * sizeof(*uses));
    model.n_uses[node] = n;
    model.version++;
    return 0;
}

static int model_remove(bool *exists)
{
    if (!*exists)
        return -ENOENT;
    *exists = false;
    model.version++;
    return 0;
}

static void model_forget(void)
{
    for (unsigned i = 0; i < IDS; i++)
        if (model.removed_until[i] < model.now)
            model.removed_until[i] = 0;
    for (unsigned i = 0; i < DIGESTS; i++)
        if (model.revoked_until[i] < model.now)
            model.revoked_until[i] = 0;
}

static int model_remove_node(unsigned id, int64_t until)
{
    if (model.nodes[id].exists && model.nodes[id].manages)
        return -EBUSY;
    int r = model_remove(&model.nodes[id].exists);
    if (r < 0)
        return r;
    model.n_uses[id] = 0;
    model.removed_until[id] = until;
    model_forget();
    return 0;
}

static int model_set_node_state(unsigned id, Pb__NodeState state)
{
    if (!model.nodes[id].exists)
        return -ENOENT;
    model.nodes[id].state = state;
    model.nodes[id].state_since = model.now;
    model.version++;
    return 0;
}

static int model_revoke(unsigned digest, int64_t until)
{
    if (model.revoked_until[digest] < until)
        model.revoked_until[digest] = until;
    model_forget();
    model.version++;
    return 0;
}

static int put_node(struct store *s, const char *id, uint64_t version, const char *hostname, bool manages, uint64_t raft_id)
{
    Pb__Node *node = fixture_manager(id, version, hostname, raft_id);
    Pb__Command command = fixture_put_node_command(node);
    int r;

    node->role = manages ? PB__ROLE__MANAGER : PB__ROLE__WORKER;
    node->state = PB__NODE_STATE__UNKNOWN;
    r = fixture_apply(s, &command);
    fixture_reset();
    return r;
}

/* One command about members, to the model and to both stores. */
static int member_step(struct store *a, struct store *b)
{
    unsigned id = number(IDS), what = number(16), raft_id = number(3) == 0 ? 0 : number(IDS), digest = number(DIGESTS);
    const struct model_node *n = &model.nodes[id];
    int64_t until = model.now + (int64_t) number(40) - 4;
    char id_text[STORE_ID_LEN + 1], hostname[16];
    bool manages = number(2) == 0;
    uint64_t version;
    int expected, r;

    model.now++;
    (void) fixture_id('n', id, id_text);
    (void) snprintf(hostname, sizeof(hostname), "%u", number(100000));
    if (what < 8) {
        version = number(4) == 0 ? number(50) : n->exists ? n->version : 0;
        expected = model_put_node(id, version, hostname, manages, raft_id);
        r = put_node(a, id_text, version, hostname, manages, raft_id);
        CHECK(r == put_node(b, id_text, version, hostname, manages, raft_id));
    } else if (what < 11) {
        expected = model_remove_node(id, until);
        r = fixture_remove_node(a, id_text, until, model.now);
        CHECK(r == fixture_remove_node(b, id_text, until, model.now));
    } else if (what < 14) {
        expected = model_set_node_state(id, (Pb__NodeState) (what - 11));
        r = fixture_set_node_state(a, id_text, (Pb__NodeState) (what - 11), model.now);
        CHECK(r == fixture_set_node_state(b, id_text, (Pb__NodeState) (what - 11), model.now));
    } else {
        (void) fixture_id('n', digest, id_text);
        expected = model_revoke(digest, until);
        r = fixture_revoke(a, id_text, fixture_digest(digest), until, model.now);
        CHECK(r == fixture_revoke(b, id_text, fixture_digest(digest), until, model.now));
    }
    CHECK(r == expected);
    return r;
}

static const char *object_id(unsigned kind, unsigned id, char ret[static STORE_ID_LEN + 1])
{
    return fixture_id(kind ? 'q' : 'd', id * 5 % IDS, ret);
}

/* The same command, made anew, to both. */
static int to_both(struct store *a, struct store *b, Pb__Command command)
{
    int r = fixture_apply(a, &command);

    CHECK(r == fixture_apply(b, &command));
    fixture_reset();
    return r;
}

/* Mostly the same object, so that it comes to have many revisions in use. */
static unsigned pick_object(unsigned *kind)
{
    bool any = number(4) == 0;

    *kind = any ? number(2) : 0;
    return any ? number(IDS) : 0;
}

static int put_service_step(struct store *a, struct store *b, unsigned id)
{
    static char ids[2][IDS][STORE_ID_LEN + 1], credentials[2][IDS][16];
    struct model_service new = { .name = number(SERVICES + 2), .on_update = (Pb__OnUpdate) number(3) };
    const struct model_service *v = &model.services[id];
    uint64_t version = number(4) == 0 ? number(50) : v->exists ? v->version : 0;
    char id_text[STORE_ID_LEN + 1], name[16];
    Pb__Service *service = fixture_service(fixture_id('v', id * 5 % SERVICES, id_text), version, name_of(new.name, name), "web@*.service");
    int r;

    new.constrained = number(2) == 0;
    new.managers = number(2) == 0;
    service->on_update = new.on_update;
    if (new.constrained)
        fixture_constrain(service, "node.role", number(2) == 0, "manager");
    if (new.constrained)
        new.managers = !service->constraints[0]->differs;
    for (unsigned i = number(4); i > 0; i--) {
        unsigned kind = number(2), object = number(IDS);

        if (new.grants[kind][object] || (!model.objects[kind][object].exists && number(8) > 0))
            continue;
        new.grants[kind][object] = true;
        (void) snprintf(credentials[kind][object], sizeof(credentials[kind][object]), "c%u-%u", kind, object);
        fixture_grant(service, (Pb__Kind) kind, object_id(kind, object, ids[kind][object]), credentials[kind][object]);
    }
    r = model_put_service(id, version, &new);
    CHECK(to_both(a, b, fixture_put_service_command(service)) == r);
    return r;
}

static int set_rollout_step(struct store *a, struct store *b, unsigned id)
{
    static char ids[IDS][STORE_ID_LEN + 1];
    const struct model_service *v = &model.services[id];
    uint64_t number_of = number(6) == 0 ? number(50) : v->number;
    Pb__RolloutState state = (Pb__RolloutState) number(3);
    bool reached[IDS] = {};
    char id_text[STORE_ID_LEN + 1];
    Pb__Command command = fixture_set_rollout_command(fixture_id('v', id * 5 % SERVICES, id_text), number_of, state, model.now);
    int r;

    for (unsigned i = IDS; i-- > 0;) { /* not in their order */
        reached[i] = number(3) == 0;
        if (reached[i])
            fixture_reach(&command, fixture_id('n', i, ids[i]), (Pb__RolloutNodeState) number(3), "text");
    }
    r = model_set_rollout(id, number_of, state, reached);
    CHECK(to_both(a, b, command) == r);
    return r;
}

static int put_usage_step(struct store *a, struct store *b, unsigned node)
{
    static char ids[USES][STORE_ID_LEN + 1], units[USES][32];
    struct model_use uses[USES];
    unsigned n = number(USES + 1);
    char id_text[STORE_ID_LEN + 1];
    Pb__Command command = fixture_put_usage_command(fixture_id('n', node, id_text));
    int r;

    for (unsigned i = 0; i < n; i++) {
        unsigned kind, object = pick_object(&kind), back = number(10);
        uint64_t newest = model.objects[kind][object].revision;

        uses[i] = (struct model_use) { kind, object, newest < back ? newest : newest - back };
        (void) snprintf(units[i], sizeof(units[i]), "web@%u.service", i);
        fixture_use(&command, units[i], "x", (Pb__Kind) kind, object_id(kind, object, ids[i]), uses[i].revision);
    }
    r = model_put_usage(node, uses, n);
    CHECK(to_both(a, b, command) == r);
    return r;
}

/* One command about services and new data, to the model and to both stores. */
static int service_step(struct store *a, struct store *b)
{
    unsigned what = number(16), kind, id = pick_object(&kind), node = number(IDS), service = number(SERVICES);
    char id_text[STORE_ID_LEN + 1], data[8];
    const struct model_object *o = &model.objects[kind][id];
    uint64_t version = number(8) == 0 ? number(50) : o->version;
    int r;

    model.now++;
    (void) object_id(kind, id, id_text);
    if (what < 7) {
        (void) snprintf(data, sizeof(data), "%u", number(100000));
        r = model_update(kind, id, version, data);
        CHECK(to_both(a, b, fixture_update_command((Pb__Kind) kind, id_text, version, data, strlen(data), model.now)) == r);
        busy += r == -EBUSY;
    } else if (what < 8) {
        r = model_prune(kind, id);
        CHECK(to_both(a, b, fixture_prune_command((Pb__Kind) kind, id_text)) == r);
    } else if (what < 11)
        r = put_service_step(a, b, service);
    else if (what < 12) {
        r = model_remove(&model.services[service].exists);
        CHECK(to_both(a, b, fixture_remove_service_command(fixture_id('v', service * 5 % SERVICES, id_text))) == r);
    } else if (what < 14)
        r = set_rollout_step(a, b, service);
    else
        r = put_usage_step(a, b, node);
    return r;
}

/* One command, to the model and to both stores. */
static int step(struct store *a, struct store *b)
{
    unsigned kind = number(2), id = number(IDS), name = number(NAMES), what = number(16);
    char id_text[STORE_ID_LEN + 1], text[16], data[8];
    uint64_t version;
    int expected, r;

    if (number(2) == 0)
        return number(3) == 0 ? member_step(a, b) : service_step(a, b);
    (void) fixture_id(kind ? 'q' : 'd', id * 5 % IDS, id_text);
    (void) snprintf(data, sizeof(data), "%u", number(100000));
    if (what < 2) {
        version = number(4) == 0 ? number(50) : model.cluster_version;
        expected = model_put_cluster(version, kind == 1);
        (void) fixture_id('s', 1, id_text);
        r = fixture_put_cluster(a, id_text, version, "0123456789abcdef0123456789abcdef", kind == 1);
        CHECK(r == fixture_put_cluster(b, id_text, version, "0123456789abcdef0123456789abcdef", kind == 1));
    } else if (what < 12) {
        expected = model_create(kind, id, name, data);
        r = fixture_create(a, (Pb__Kind) kind, id_text, name_of(name, text), data, strlen(data));
        CHECK(r == fixture_create(b, (Pb__Kind) kind, id_text, name_of(name, text), data, strlen(data)));
    } else {
        expected = model_remove_object(kind, id);
        r = fixture_remove(a, (Pb__Kind) kind, id_text);
        CHECK(r == fixture_remove(b, (Pb__Kind) kind, id_text));
    }
    CHECK(r == expected);
    return r;
}

static bool data_is(const ProtobufCBinaryData *data, const char *text)
{
    return data && data->len == strlen(text) && memcmp(data->data, text, data->len) == 0;
}

static uint64_t model_revision(const struct model_service *v, unsigned kind, unsigned id, unsigned node)
{
    bool held = v->any_rollout && v->state != PB__ROLLOUT_STATE__DONE && v->held[kind][id] > 0 && !v->reached[node];

    return held ? v->held[kind][id] - 1 : model.objects[kind][id].revision;
}

static void compare_service(const struct store *s, const struct model_service *v, const Pb__Service *found)
{
    char id_text[STORE_ID_LEN + 1], node_text[STORE_ID_LEN + 1];
    const Pb__Node *node;
    size_t n_held = 0;

    CHECK(found->meta->version == v->version && found->on_update == v->on_update && !found->rollout == !v->any_rollout);
    for (unsigned kind = 0; kind < 2; kind++)
        for (unsigned id = 0; id < IDS; id++) {
            (void) object_id(kind, id, id_text);
            CHECK(service_grants(found, (Pb__Kind) kind, id_text) == v->grants[kind][id]);
            n_held += v->held[kind][id] > 0;
            for (unsigned i = 0; v->grants[kind][id] && i < IDS; i++)
                CHECK(service_revision(found, store_object(s, (Pb__Kind) kind, id_text), fixture_id('n', i, node_text)) ==
                      model_revision(v, kind, id, i));
        }
    for (unsigned i = 0; i < IDS; i++) {
        node = store_node(s, fixture_id('n', i, node_text));
        CHECK(!node || service_is_on(found, node) == model_is_on(v, i));
    }
    if (found->rollout)
        CHECK(found->rollout->number == v->number && found->rollout->state == v->state && found->rollout->since == v->since &&
              found->rollout->n_held == n_held);
}

static void compare_services(const struct store *s)
{
    char id_text[STORE_ID_LEN + 1], name[16];
    const Pb__Service *found, *by_name;
    size_t n = 0;

    for (unsigned id = 0; id < SERVICES; id++) {
        const struct model_service *v = &model.services[id];

        CHECK(store_find_service(s, fixture_id('v', id * 5 % SERVICES, id_text), &found) == (v->exists ? 0 : -ENOENT));
        if (!v->exists)
            continue;
        n++;
        CHECK_OK(store_find_service(s, name_of(v->name, name), &by_name));
        CHECK(found == by_name);
        compare_service(s, v, found);
    }
    CHECK(store_n_services(s) == n);
    for (size_t i = 1; i < n; i++)
        CHECK(strcmp(store_service_at(s, i - 1)->meta->id, store_service_at(s, i)->meta->id) < 0);
}

static void compare_usages(const struct store *s)
{
    char id_text[STORE_ID_LEN + 1];

    for (unsigned node = 0; node < IDS; node++) {
        const Pb__Usage *usage = store_usage(s, fixture_id('n', node, id_text));

        CHECK((usage ? usage->n_uses : 0) == model.n_uses[node]);
        for (unsigned i = 0; i < model.n_uses[node]; i++)
            CHECK(usage->uses[i]->revision == model.uses[node][i].revision && (unsigned) usage->uses[i]->kind == model.uses[node][i].kind);
    }
}

static void compare_objects(const struct store *s, unsigned kind)
{
    size_t n = 0;

    for (unsigned id = 0; id < IDS; id++) {
        const struct model_object *o = &model.objects[kind][id];
        char id_text[STORE_ID_LEN + 1], text[16];
        const Pb__Object *found, *by_name;

        (void) fixture_id(kind ? 'q' : 'd', id * 5 % IDS, id_text);
        CHECK(store_find_object(s, (Pb__Kind) kind, id_text, &found) == (o->exists ? 0 : -ENOENT));
        if (!o->exists)
            continue;
        n++;
        CHECK_OK(store_find_object(s, (Pb__Kind) kind, name_of(o->name, text), &by_name));
        CHECK(found == by_name && strcmp(found->meta->id, id_text) == 0 && strcmp(found->name, text) == 0);
        CHECK(found->meta->version == o->version);
        CHECK(store_object(s, (Pb__Kind) kind, id_text) == found && found->revision == o->revision && found->n_former == o->n_former);
        CHECK(data_is(store_object_data(found, o->revision), o->data));
        for (unsigned i = 0; i < o->n_former; i++)
            CHECK(found->former[i]->number == o->former[i].number && data_is(store_object_data(found, o->former[i].number), o->former[i].data));
    }
    CHECK(store_n_objects(s, (Pb__Kind) kind) == n);
    for (size_t i = 1; i < n; i++)
        CHECK(strcmp(store_object_at(s, (Pb__Kind) kind, i - 1)->name, store_object_at(s, (Pb__Kind) kind, i)->name) < 0);
}

static void compare_revocations(const struct store *s)
{
    char id_text[STORE_ID_LEN + 1];

    for (unsigned id = 0; id < IDS; id++)
        CHECK(store_is_removed(s, fixture_id('n', id, id_text)) == (model.removed_until[id] > 0));
    for (unsigned digest = 0; digest < DIGESTS; digest++)
        CHECK(store_is_revoked(s, fixture_digest(digest)) == (model.revoked_until[digest] > 0));
}

static void compare(const struct store *s)
{
    size_t n = 0, managers = 0;

    CHECK(!store_cluster(s) == (model.cluster_version == 0));
    if (store_cluster(s))
        CHECK(store_cluster(s)->meta->version == model.cluster_version && store_cluster(s)->autolock == model.autolock);
    for (unsigned id = 0; id < IDS; id++) {
        char id_text[STORE_ID_LEN + 1];
        const Pb__Node *node = store_node(s, fixture_id('n', id, id_text));

        CHECK(!node == !model.nodes[id].exists);
        if (!node)
            continue;
        CHECK(node->meta->version == model.nodes[id].version && strcmp(node->hostname, model.nodes[id].hostname) == 0);
        CHECK((node->role == PB__ROLE__MANAGER) == model.nodes[id].manages && node->raft_id == model.nodes[id].raft_id);
        CHECK(node->state == model.nodes[id].state && node->state_since == model.nodes[id].state_since);
        CHECK(node->raft_id == 0 || store_node_of_raft_id(s, node->raft_id) == node);
        CHECK(store_node_at(s, n) == node);
        managers += model.nodes[id].manages;
        n++;
    }
    CHECK(store_n_nodes(s) == n && store_n_managers(s) == managers);
    compare_revocations(s);
    compare_objects(s, 0);
    compare_objects(s, 1);
    compare_services(s);
    compare_usages(s);
}

int main(void)
{
    _cleanup_(store_freep) struct store *a = store_new(), *b = store_new();
    unsigned done = 0, refused = 0;

    model.now = 10;
    for (unsigned i = 0; i < ROUNDS; i++) {
        int r = step(a, b);

        done += r == 0;
        refused += r < 0;
        if (number(100) == 0) {
            _cleanup_(image_done) struct image image = fixture_image(b);

            CHECK_OK(store_restore(b, image.data, image.size));
            CHECK(fixture_is(a, &image) && fixture_is(b, &image));
        }
        if (number(20) == 0) {
            compare(a);
            compare(b);
        }
    }
    CHECK(done > ROUNDS / 4 && refused > ROUNDS / 10 && busy > 0);
    return 0;
}
