/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "../test.h"
#include "fixture.h"

#define KEY "0123456789abcdef0123456789abcdef"
#define OTHER_KEY "fedcba9876543210fedcba9876543210"

static char id_a[STORE_ID_LEN + 1], id_b[STORE_ID_LEN + 1], id_c[STORE_ID_LEN + 1];

static void test_empty(void)
{
    _cleanup_(store_freep) struct store *s = store_new(), *t = store_new();
    _cleanup_(image_done) struct image image = fixture_image(s);
    const Pb__Object *found = NULL;

    CHECK(!store_cluster(s) && store_n_nodes(s) == 0 && !store_node(s, id_a) && !store_node_at(s, 0));
    CHECK(store_n_objects(s, PB__KIND__SECRET) == 0 && !store_object_at(s, PB__KIND__CONFIG, 0));
    CHECK(store_find_object(s, PB__KIND__SECRET, "x", &found) == -ENOENT);
    CHECK(store_find_object(s, PB__KIND__SECRET, "", &found) == -ENOENT && !found);
    CHECK(store_find_object(s, (Pb__Kind) 7, "x", &found) == -ENOENT && store_n_objects(s, (Pb__Kind) -1) == 0);
    CHECK_OK(store_restore(t, image.data, image.size));
    CHECK(fixture_is(t, &image));
}

static void test_cluster(void)
{
    _cleanup_(store_freep) struct store *s = store_new();
    const Pb__Cluster *cluster;

    CHECK(fixture_put_cluster(s, id_a, 5, "", false) == -ENOENT);
    CHECK_OK(fixture_put_cluster(s, id_a, 0, "", false));
    cluster = store_cluster(s);
    CHECK(cluster && cluster->meta->version == 1 && !cluster->autolock && cluster->unlock_key.len == 0);
    CHECK(fixture_put_cluster(s, id_a, 0, KEY, true) == -EEXIST);
    CHECK(fixture_put_cluster(s, id_a, 2, KEY, true) == -ESTALE);
    CHECK(fixture_put_cluster(s, id_b, 1, KEY, true) == -EINVAL);
    CHECK(store_cluster(s) == cluster);

    CHECK_OK(fixture_put_cluster(s, id_a, 1, KEY, true));
    cluster = store_cluster(s);
    CHECK(cluster->meta->version == 2 && cluster->autolock);
    CHECK(cluster->unlock_key.len == 32 && memcmp(cluster->unlock_key.data, KEY, 32) == 0);
    /* the time of creation stays, that of the update comes with the command */
    CHECK(cluster->meta->created == 1700000000000000 && cluster->meta->updated == 1700000000000001);
    CHECK(fixture_put_cluster(s, id_a, 1, OTHER_KEY, true) == -ESTALE);
}

static int put_varied_cluster(struct store *s, void (*vary)(Pb__Cluster *c))
{
    Pb__Cluster *cluster = fixture_cluster(id_a, 0, KEY, true);
    Pb__Command command;
    int r;

    vary(cluster);
    command = fixture_put_cluster_command(cluster);
    r = fixture_apply(s, &command);
    fixture_reset();
    return r;
}

static uint8_t filler[STORE_CONFIG_MAX + 1];

static void short_worker_secret(Pb__Cluster *c) { c->worker_secret.len = 15; }
static void no_manager_secret(Pb__Cluster *c) { c->manager_secret.len = 0; }
static void short_key(Pb__Cluster *c) { c->unlock_key.len = 31; }
static void short_next_key(Pb__Cluster *c) { c->next_unlock_key = (ProtobufCBinaryData) { 1, filler }; }
static void short_retiring_key(Pb__Cluster *c) { c->retiring_unlock_key = (ProtobufCBinaryData) { 31, filler }; }
static void retiring_before_time(Pb__Cluster *c) { c->retiring_until = -1; }
static void no_meta(Pb__Cluster *c) { c->meta = NULL; }
static void bad_id(Pb__Cluster *c) { c->meta->id = "0123456789abcdefghijklmnO"; }
static void short_id(Pb__Cluster *c) { c->meta->id = "0123456789abcdefghijklmn"; }
static void long_id(Pb__Cluster *c) { c->meta->id = "0123456789abcdefghijklmnop"; }
static void before_time(Pb__Cluster *c) { c->meta->created = -1; }
static void big_ca_key(Pb__Cluster *c) { c->ca_key = (ProtobufCBinaryData) { STORE_KEY_MAX + 1, filler }; }
static void big_ca(Pb__Cluster *c) { c->ca_certificate = (ProtobufCBinaryData) { STORE_CERTIFICATE_MAX + 1, filler }; }
static void big_old_ca_key(Pb__Cluster *c) { c->old_ca_key = (ProtobufCBinaryData) { STORE_KEY_MAX + 1, filler }; }
static void big_old_ca(Pb__Cluster *c) { c->old_ca_certificate = (ProtobufCBinaryData) { STORE_CERTIFICATE_MAX + 1, filler }; }
static void big_cross(Pb__Cluster *c) { c->cross_certificate = (ProtobufCBinaryData) { STORE_CERTIFICATE_MAX + 1, filler }; }
static void edge_ca(Pb__Cluster *c)
{
    c->ca_key = c->old_ca_key = (ProtobufCBinaryData) { STORE_KEY_MAX, filler };
    c->ca_certificate = c->old_ca_certificate = c->cross_certificate = (ProtobufCBinaryData) { STORE_CERTIFICATE_MAX, filler };
    c->retiring_unlock_key = (ProtobufCBinaryData) { STORE_UNLOCK_KEY_SIZE, filler };
    c->retiring_generation = UINT32_MAX;
    c->retiring_until = INT64_MAX;
}

static void test_cluster_rules(void)
{
    static void (*const invalid[])(Pb__Cluster *) = {
        short_worker_secret, no_manager_secret, short_key, short_next_key, short_retiring_key, retiring_before_time, no_meta, bad_id,
        short_id, long_id, before_time,
    };
    static void (*const big[])(Pb__Cluster *) = { big_ca_key, big_ca, big_old_ca_key, big_old_ca, big_cross };
    _cleanup_(store_freep) struct store *s = store_new();
    Pb__Command nothing;

    for (size_t i = 0; i < ELEMENTSOF(invalid); i++)
        CHECK(put_varied_cluster(s, invalid[i]) == -EINVAL);
    for (size_t i = 0; i < ELEMENTSOF(big); i++)
        CHECK(put_varied_cluster(s, big[i]) == -EMSGSIZE);
    nothing = fixture_put_cluster_command(NULL);
    CHECK(fixture_apply(s, &nothing) == -EINVAL);
    CHECK(!store_cluster(s));
    CHECK_OK(put_varied_cluster(s, edge_ca));
    CHECK(store_cluster(s)->retiring_until == INT64_MAX && store_cluster(s)->cross_certificate.len == STORE_CERTIFICATE_MAX);
}

static void test_nodes(void)
{
    _cleanup_(store_freep) struct store *s = store_new();

    CHECK(fixture_put_node(s, id_b, 3, "m2") == -ENOENT);
    CHECK_OK(fixture_put_node(s, id_b, 0, "m2"));
    CHECK_OK(fixture_put_node(s, id_a, 0, "m1"));
    CHECK(fixture_put_node(s, id_a, 0, "again") == -EEXIST);
    CHECK(store_n_nodes(s) == 2 && store_node_at(s, 0) == store_node(s, id_a) && store_node_at(s, 1) == store_node(s, id_b));
    CHECK(store_node(s, id_a)->meta->version == 2);
    CHECK(fixture_put_node(s, id_a, 1, "m1b") == -ESTALE);
    CHECK_OK(fixture_put_node(s, id_a, 2, "m1b"));
    CHECK(store_node(s, id_a)->meta->version == 3 && strcmp(store_node(s, id_a)->hostname, "m1b") == 0);
    CHECK(store_node(s, id_a)->meta->created == 1700000000000000);
    CHECK(store_node(s, id_b)->meta->version == 1);

    CHECK(fixture_remove_node(s, id_c, 0, 0) == -ENOENT && fixture_remove_node(s, "short", 0, 0) == -EINVAL);
    CHECK_OK(fixture_remove_node(s, id_a, 0, 0));
    CHECK(fixture_remove_node(s, id_a, 0, 0) == -ENOENT && !store_node(s, id_a) && store_n_nodes(s) == 1);
    /* a node that was removed is not made anew by one who did not know */
    CHECK(fixture_put_node(s, id_a, 3, "m1c") == -ENOENT);
    CHECK_OK(fixture_put_node(s, id_a, 0, "m1d"));
    CHECK(store_node(s, id_a)->meta->version == 5); /* the removal counts too */
}

static int put_varied_node(struct store *s, void (*vary)(Pb__Node *n))
{
    Pb__Node *node = fixture_node(id_a, 0, "m1");
    Pb__Command command;
    int r;

    vary(node);
    command = fixture_put_node_command(node);
    r = fixture_apply(s, &command);
    fixture_reset();
    return r;
}

static char long_text[STORE_LABEL_MAX + 2];
static Pb__Label labels[STORE_LABELS_MAX + 1], *label_pointers[STORE_LABELS_MAX + 1];
static char label_keys[STORE_LABELS_MAX + 1][8];

static void fill_labels(void)
{
    for (size_t i = 0; i < ELEMENTSOF(labels); i++) {
        labels[i] = (Pb__Label) PB__LABEL__INIT;
        (void) snprintf(label_keys[i], sizeof(label_keys[i]), "key%zu", i);
        labels[i].key = label_keys[i];
        labels[i].value = "v";
        label_pointers[i] = &labels[i];
    }
}

static void role_unknown(Pb__Node *n) { n->role = (Pb__Role) 2; }
static void role_negative(Pb__Node *n) { n->role = (Pb__Role) -1; }
static void manager_without_raft_id(Pb__Node *n) { n->role = PB__ROLE__MANAGER; }
static void state_unknown(Pb__Node *n) { n->state = (Pb__NodeState) 3; }
static void state_negative(Pb__Node *n) { n->state = (Pb__NodeState) -1; }
static void state_before_time(Pb__Node *n) { n->state_since = -1; }
static void availability_unknown(Pb__Node *n) { n->availability = (Pb__Availability) 3; }
static void hostname_escape(Pb__Node *n) { n->hostname = "m1\x1b[2J"; }
static void hostname_no_utf8(Pb__Node *n) { n->hostname = "m\xff"; }
static void address_newline(Pb__Node *n) { n->address = "m1:2377\n"; }
static void label_empty_key(Pb__Node *n) { n->labels[0]->key = ""; }
static void label_surrogate(Pb__Node *n) { n->labels[0]->value = "\xed\xa0\x80"; }
static void label_overlong(Pb__Node *n) { n->labels[0]->key = "\xc0\xaf"; }
static void label_too_high(Pb__Node *n) { n->labels[0]->key = "\xf4\x90\x80\x80"; }
static void label_cut(Pb__Node *n) { n->labels[0]->key = "a\xe2\x82"; }
static void label_overlong_3(Pb__Node *n) { n->labels[0]->key = "\xe0\x80\xaf"; }
static void label_overlong_4(Pb__Node *n) { n->labels[0]->key = "\xf0\x80\x80\xaf"; }
static void label_twice(Pb__Node *n)
{
    n->labels = label_pointers;
    n->n_labels = 2;
    labels[1].key = labels[0].key;
}
static void labels_too_many(Pb__Node *n)
{
    n->labels = label_pointers;
    n->n_labels = STORE_LABELS_MAX + 1;
}
static void label_too_long(Pb__Node *n) { n->labels[0]->value = long_text; }
static void hostname_too_long(Pb__Node *n) { n->hostname = long_text; }
static void address_too_long(Pb__Node *n) { n->address = long_text; }
static void certificate_too_long(Pb__Node *n) { n->certificate = (ProtobufCBinaryData) { STORE_CERTIFICATE_MAX + 1, filler }; }
static void unknown_too_long(Pb__Node *n)
{
    static ProtobufCMessageUnknownField field;

    field = (ProtobufCMessageUnknownField) { 1000, PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, 3 + 300000, filler };
    filler[0] = 0xe0; /* 300000 as a varint */
    filler[1] = 0xa7;
    filler[2] = 0x12;
    n->base.unknown_fields = &field;
    n->base.n_unknown_fields = 1;
}
static void edge_labels(Pb__Node *n)
{
    n->labels = label_pointers;
    n->n_labels = STORE_LABELS_MAX;
    labels[3].value = long_text + 1;
    labels[4].key = "\xf4\x8f\xbf\xbf\xe2\x82\xac\xc3\xa9z";
    labels[5].value = "";
}

static void test_node_rules(void)
{
    static void (*const invalid[])(Pb__Node *) = {
        role_unknown, role_negative, manager_without_raft_id, state_unknown, state_negative, state_before_time, availability_unknown,
        hostname_escape, hostname_no_utf8, address_newline, label_empty_key, label_surrogate, label_overlong, label_overlong_3,
        label_overlong_4, label_too_high, label_cut, label_twice,
    };
    static void (*const big[])(Pb__Node *) = {
        labels_too_many, label_too_long, hostname_too_long, address_too_long, certificate_too_long, unknown_too_long,
    };
    _cleanup_(store_freep) struct store *s = store_new();

    memset(long_text, 'x', sizeof(long_text) - 1);
    for (size_t i = 0; i < ELEMENTSOF(invalid); i++) {
        fill_labels();
        CHECK(put_varied_node(s, invalid[i]) == -EINVAL);
    }
    for (size_t i = 0; i < ELEMENTSOF(big); i++) {
        fill_labels();
        CHECK(put_varied_node(s, big[i]) == -EMSGSIZE);
    }
    CHECK(store_n_nodes(s) == 0);
    fill_labels();
    CHECK_OK(put_varied_node(s, edge_labels));
    CHECK(store_node(s, id_a)->n_labels == STORE_LABELS_MAX);
}

static void test_objects(void)
{
    _cleanup_(store_freep) struct store *s = store_new();
    const Pb__Object *found;

    CHECK_OK(fixture_create(s, PB__KIND__SECRET, id_b, "zebra", "data", 4));
    CHECK_OK(fixture_create(s, PB__KIND__SECRET, id_a, "yak", "", 0));
    CHECK(fixture_create(s, PB__KIND__SECRET, id_c, "yak", "x", 1) == -EEXIST);
    CHECK(fixture_create(s, PB__KIND__SECRET, id_a, "gnu", "x", 1) == -EEXIST);
    /* the kinds know nothing of each other */
    CHECK_OK(fixture_create(s, PB__KIND__CONFIG, id_a, "yak", "config", 6));
    CHECK(fixture_create(s, (Pb__Kind) 2, id_c, "gnu", "x", 1) == -EINVAL);
    CHECK(fixture_create(s, (Pb__Kind) -1, id_c, "gnu", "x", 1) == -EINVAL);
    CHECK(fixture_create_object(s, PB__KIND__SECRET, NULL) == -EINVAL);

    CHECK(store_n_objects(s, PB__KIND__SECRET) == 2 && store_n_objects(s, PB__KIND__CONFIG) == 1);
    CHECK(strcmp(store_object_at(s, PB__KIND__SECRET, 0)->name, "yak") == 0);
    CHECK(strcmp(store_object_at(s, PB__KIND__SECRET, 1)->name, "zebra") == 0);
    CHECK(!store_object_at(s, PB__KIND__SECRET, 2));
    CHECK_OK(store_find_object(s, PB__KIND__CONFIG, "yak", &found));
    CHECK(found->data.len == 6 && memcmp(found->data.data, "config", 6) == 0 && found->meta->version == 3);

    CHECK(fixture_remove(s, PB__KIND__SECRET, "zebra") == -EINVAL); /* by id only */
    CHECK(fixture_remove(s, (Pb__Kind) 9, id_b) == -EINVAL);
    CHECK(fixture_remove(s, PB__KIND__CONFIG, id_b) == -ENOENT);
    CHECK_OK(fixture_remove(s, PB__KIND__SECRET, id_b));
    CHECK(fixture_remove(s, PB__KIND__SECRET, id_b) == -ENOENT);
    CHECK(store_find_object(s, PB__KIND__SECRET, "zebra", &found) == -ENOENT);
    CHECK_OK(fixture_create(s, PB__KIND__SECRET, id_b, "zebra", "new", 3));
}

static void test_find(void)
{
    const char *one = "abcde00000000000000000000", *two = "abcdf00000000000000000000", *three = "b000000000000000000000000";
    _cleanup_(store_freep) struct store *s = store_new();
    const Pb__Object *found = NULL;

    CHECK_OK(fixture_create(s, PB__KIND__SECRET, one, "first", "1", 1));
    CHECK_OK(fixture_create(s, PB__KIND__SECRET, two, "b", "2", 1));
    CHECK_OK(fixture_create(s, PB__KIND__SECRET, three, "abcd", "3", 1));
    CHECK(store_find_object(s, PB__KIND__SECRET, "abc", &found) == -ENOTUNIQ && !found);
    CHECK(store_find_object(s, PB__KIND__SECRET, "c", &found) == -ENOENT && !found);
    CHECK(store_find_object(s, PB__KIND__SECRET, "abcde000000000000000000000", &found) == -ENOENT && !found);
    CHECK_OK(store_find_object(s, PB__KIND__SECRET, "abcde", &found));
    CHECK(strcmp(found->meta->id, one) == 0);
    /* a name comes before an id's beginning, an id before a name */
    CHECK_OK(store_find_object(s, PB__KIND__SECRET, "b", &found));
    CHECK(strcmp(found->meta->id, two) == 0);
    CHECK_OK(store_find_object(s, PB__KIND__SECRET, "abcd", &found));
    CHECK(strcmp(found->meta->id, three) == 0);
    CHECK_OK(fixture_create(s, PB__KIND__SECRET, id_a, one, "4", 1));
    CHECK_OK(store_find_object(s, PB__KIND__SECRET, one, &found));
    CHECK(strcmp(found->name, "first") == 0);
    CHECK_OK(store_find_object(s, PB__KIND__SECRET, "b0", &found));
    CHECK(strcmp(found->meta->id, three) == 0);
}

static void test_names(void)
{
    static const char *const good[] = { "a", "Z", "0", "a-b_c.d", "0123456789012345678901234567890123456789012345678901234567890123" };
    static const char *const bad[] = {
        "", "-a", "a-", ".a", "a.", "_", "a b", "a/b", "a\n", "\xc3\xa4", "a\xc3\xa4z", "a:b",
        "01234567890123456789012345678901234567890123456789012345678901234",
    };
    _cleanup_(store_freep) struct store *s = store_new();

    CHECK(!store_name_is_valid(NULL));
    for (size_t i = 0; i < ELEMENTSOF(good); i++) {
        CHECK(store_name_is_valid(good[i]));
        CHECK_OK(fixture_create(s, PB__KIND__CONFIG, fixture_id('c', (unsigned) i, id_c), good[i], "x", 1));
    }
    for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
        CHECK(!store_name_is_valid(bad[i]));
        CHECK(fixture_create(s, PB__KIND__CONFIG, id_b, bad[i], "x", 1) == -EINVAL);
    }
}

static void test_data_limits(void)
{
    _cleanup_(store_freep) struct store *s = store_new(), *t = store_new();
    _cleanup_(image_done) struct image image = {};
    const Pb__Object *found;

    CHECK(fixture_create(s, PB__KIND__SECRET, id_a, "s", filler, STORE_SECRET_MAX + 1) == -EMSGSIZE);
    CHECK(fixture_create(s, PB__KIND__CONFIG, id_a, "c", filler, STORE_CONFIG_MAX + 1) == -EMSGSIZE);
    CHECK(STORE_SECRET_MAX == 512000 && STORE_CONFIG_MAX == 1024000);
    CHECK_OK(fixture_create(s, PB__KIND__SECRET, id_a, "s", filler, STORE_SECRET_MAX));
    CHECK_OK(fixture_create(s, PB__KIND__CONFIG, id_a, "c", filler, STORE_CONFIG_MAX));
    image = fixture_image(s);
    CHECK_OK(store_restore(t, image.data, image.size));
    CHECK(fixture_is(t, &image));
    CHECK_OK(store_find_object(t, PB__KIND__CONFIG, "c", &found));
    CHECK(found->data.len == STORE_CONFIG_MAX && memcmp(found->data.data, filler, STORE_CONFIG_MAX) == 0);
}

static void test_full(void)
{
    _cleanup_(store_freep) struct store *s = store_new(), *t = store_new();
    _cleanup_(image_done) struct image image = {};
    char name[16];
    unsigned n = 0;
    int r;

    do {
        (void) snprintf(name, sizeof(name), "c%u", n);
        r = fixture_create(s, PB__KIND__CONFIG, fixture_id('f', n, id_c), name, filler, STORE_CONFIG_MAX);
        n += r == 0;
    } while (r == 0);
    CHECK(r == -EDQUOT && n == STORE_SIZE_MAX / (STORE_CONFIG_MAX + 100));
    CHECK(store_n_objects(s, PB__KIND__CONFIG) == n);
    /* the count survives a restore, what is removed counts no longer, small things and changes of nodes still go */
    CHECK_OK(fixture_put_node(s, id_a, 0, "m1"));
    CHECK_OK(fixture_create(s, PB__KIND__SECRET, id_a, "small", "x", 1));
    image = fixture_image(s);
    CHECK_OK(store_restore(t, image.data, image.size));
    CHECK(fixture_create(t, PB__KIND__CONFIG, id_c, name, filler, STORE_CONFIG_MAX) == -EDQUOT);
    CHECK_OK(fixture_remove(t, PB__KIND__CONFIG, fixture_id('f', 3, id_b)));
    CHECK_OK(fixture_create(t, PB__KIND__CONFIG, id_c, name, filler, STORE_CONFIG_MAX));
}

static void test_many(void)
{
    _cleanup_(store_freep) struct store *s = store_new(), *t = store_new();
    _cleanup_(image_done) struct image image = {};
    char name[16];
    const Pb__Object *found;

    for (unsigned i = 0; i < 10000; i++) {
        unsigned n = i * 7919 % 10000; /* in no order */

        (void) snprintf(name, sizeof(name), "secret-%u", n);
        CHECK_OK(fixture_create(s, PB__KIND__SECRET, fixture_id('m', n, id_c), name, filler, 192));
    }
    for (unsigned i = 1; i < 10000; i++)
        CHECK(strcmp(store_object_at(s, PB__KIND__SECRET, i - 1)->name, store_object_at(s, PB__KIND__SECRET, i)->name) < 0);
    for (unsigned i = 0; i < 10000; i++) {
        (void) snprintf(name, sizeof(name), "secret-%u", i);
        CHECK_OK(store_find_object(s, PB__KIND__SECRET, name, &found));
        CHECK(strcmp(found->meta->id, fixture_id('m', i, id_c)) == 0);
    }
    image = fixture_image(s);
    CHECK_OK(store_restore(t, image.data, image.size));
    CHECK(fixture_is(t, &image));
    for (unsigned i = 0; i < 10000; i++)
        CHECK_OK(fixture_remove(t, PB__KIND__SECRET, fixture_id('m', i, id_c)));
    CHECK(store_n_objects(t, PB__KIND__SECRET) == 0);
}

static void test_node_count(void)
{
    _cleanup_(store_freep) struct store *s = store_new();

    for (unsigned i = 0; i < STORE_NODES_MAX; i++)
        CHECK_OK(fixture_put_node(s, fixture_id('n', i, id_c), 0, "m"));
    CHECK(fixture_put_node(s, fixture_id('n', STORE_NODES_MAX, id_c), 0, "m") == -EDQUOT);
    CHECK_OK(fixture_put_node(s, fixture_id('n', 0, id_c), 1, "m0"));
    CHECK(store_n_nodes(s) == STORE_NODES_MAX);
}

int main(void)
{
    (void) fixture_id('a', 1, id_a);
    (void) fixture_id('b', 2, id_b);
    (void) fixture_id('c', 3, id_c);
    test_empty();
    test_cluster();
    test_cluster_rules();
    test_nodes();
    test_node_rules();
    test_objects();
    test_find();
    test_names();
    test_data_limits();
    test_full();
    test_many();
    test_node_count();
    return 0;
}
