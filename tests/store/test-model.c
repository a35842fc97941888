/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A random sequence of commands against a model as plain as can be: the same outcomes, the same contents, and the same bytes in a store
 * that has gone through snapshots as in one that has not. */
#include <errno.h>
#include <string.h>

#include "../test.h"
#include "fixture.h"

#define IDS 12
#define NAMES 9
#define ROUNDS 20000

struct model_object {
    bool exists;
    unsigned name;
    uint64_t version;
    char data[8];
};

struct model_node {
    bool exists;
    uint64_t version;
    char hostname[16];
};

static struct {
    uint64_t version, cluster_version;
    bool autolock;
    struct model_object objects[2][IDS];
    struct model_node nodes[IDS];
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

static int model_put_node(unsigned id, uint64_t version, const char *hostname)
{
    struct model_node *n = &model.nodes[id];

    if (!n->exists && version != 0)
        return -ENOENT;
    if (n->exists && version == 0)
        return -EEXIST;
    if (n->exists && version != n->version)
        return -ESTALE;
    n->exists = true;
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

/* One command, to the model and to both stores. */
static int step(struct store *a, struct store *b)
{
    unsigned kind = number(2), id = number(IDS), name = number(NAMES), what = number(16);
    char id_text[STORE_ID_LEN + 1], text[16], data[8];
    uint64_t version;
    int expected, r;

    (void) fixture_id(kind ? 'q' : 'd', id * 5 % IDS, id_text);
    (void) snprintf(data, sizeof(data), "%u", number(100000));
    if (what < 2) {
        version = number(4) == 0 ? number(50) : model.cluster_version;
        expected = model_put_cluster(version, kind == 1);
        (void) fixture_id('s', 1, id_text);
        r = fixture_put_cluster(a, id_text, version, "0123456789abcdef0123456789abcdef", kind == 1);
        CHECK(r == fixture_put_cluster(b, id_text, version, "0123456789abcdef0123456789abcdef", kind == 1));
    } else if (what < 5) {
        version = number(4) == 0 ? number(50) : model.nodes[id].exists ? model.nodes[id].version : 0;
        (void) fixture_id('n', id, id_text);
        expected = model_put_node(id, version, data);
        r = fixture_put_node(a, id_text, version, data);
        CHECK(r == fixture_put_node(b, id_text, version, data));
    } else if (what < 6) {
        (void) fixture_id('n', id, id_text);
        expected = model_remove(&model.nodes[id].exists);
        r = fixture_remove_node(a, id_text);
        CHECK(r == fixture_remove_node(b, id_text));
    } else if (what < 12) {
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

static void compare(const struct store *s)
{
    size_t n = 0;

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
        CHECK(store_node_at(s, n) == node);
        n++;
    }
    CHECK(store_n_nodes(s) == n);
    compare_objects(s, 0);
    compare_objects(s, 1);
}

int main(void)
{
    _cleanup_(store_freep) struct store *a = store_new(), *b = store_new();
    unsigned done = 0, refused = 0;

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
