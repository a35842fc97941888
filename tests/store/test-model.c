/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A random sequence of commands against a model as plain as can be: the same outcomes, the same contents, and the same bytes in a store
 * that has gone through snapshots as in one that has not. */
#include <errno.h>
#include <string.h>

#include "../test.h"
#include "fixture.h"

#define IDS 12
#define NAMES 9
#define DIGESTS 8
#define ROUNDS 40000

struct model_object {
    bool exists;
    unsigned name;
    uint64_t version;
    char data[8];
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
    int64_t now, removed_until[IDS], revoked_until[DIGESTS]; /* 0: not */
} model;

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

/* One command, to the model and to both stores. */
static int step(struct store *a, struct store *b)
{
    unsigned kind = number(2), id = number(IDS), name = number(NAMES), what = number(16);
    char id_text[STORE_ID_LEN + 1], text[16], data[8];
    uint64_t version;
    int expected, r;

    if (number(2) == 0)
        return member_step(a, b);
    (void) fixture_id(kind ? 'q' : 'd', id * 5 % IDS, id_text);
    (void) snprintf(data, sizeof(data), "%u", number(100000));
    if (what < 2) {
        version = number(4) == 0 ? number(50) : model.cluster_version;
        expected = model_put_cluster(version, kind == 1);
        (void) fixture_id('s', 1, id_text);
        r = fixture_put_cluster(a, id_text, version, "0123456789abcdef0123456789abcdef", kind == 1);
        CHECK(r == fixture_put_cluster(b, id_text, version, "0123456789abcdef0123456789abcdef", kind == 1));
    } else if (what < 9) {
        expected = model_create(kind, id, name, data);
        r = fixture_create(a, (Pb__Kind) kind, id_text, name_of(name, text), data, strlen(data));
        CHECK(r == fixture_create(b, (Pb__Kind) kind, id_text, name_of(name, text), data, strlen(data)));
    } else {
        expected = model_remove(&model.objects[kind][id].exists);
        r = fixture_remove(a, (Pb__Kind) kind, id_text);
        CHECK(r == fixture_remove(b, (Pb__Kind) kind, id_text));
    }
    CHECK(r == expected);
    return r;
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
        CHECK(found->data.len == strlen(o->data) && memcmp(found->data.data, o->data, found->data.len) == 0);
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
    CHECK(done > ROUNDS / 4 && refused > ROUNDS / 10);
    return 0;
}
