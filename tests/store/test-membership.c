/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Managers and workers, nodes' states, tombstones and revoked certificates. */
#include <errno.h>
#include <string.h>

#include "../test.h"
#include "fixture.h"

#define KEY "0123456789abcdef0123456789abcdef"

static char id_a[STORE_ID_LEN + 1], id_b[STORE_ID_LEN + 1], id_c[STORE_ID_LEN + 1];

static int put(struct store *s, Pb__Node *node)
{
    Pb__Command command = fixture_put_node_command(node);
    int r = fixture_apply(s, &command);

    fixture_reset();
    return r;
}

static int put_manager(struct store *s, const char *id, uint64_t version, uint64_t raft_id)
{
    return put(s, fixture_manager(id, version, "m", raft_id));
}

static uint64_t version_of(const struct store *s, const char *id)
{
    return store_node(s, id)->meta->version;
}

static void test_last_manager(void)
{
    _cleanup_(store_freep) struct store *s = store_new();
    _cleanup_(image_done) struct image before = {};

    CHECK(store_n_managers(s) == 0);
    CHECK_OK(put_manager(s, id_a, 0, 1));
    CHECK_OK(fixture_put_node(s, id_b, 0, "w"));
    CHECK(store_n_managers(s) == 1 && store_n_nodes(s) == 2);
    before = fixture_image(s);
    CHECK(fixture_put_node(s, id_a, 1, "w") == -EBUSY);
    CHECK(fixture_put_node(s, id_a, 9, "w") == -ESTALE); /* who acts on what is old hears that first */
    CHECK(fixture_remove_node(s, id_a, 9, 1) == -EBUSY);
    CHECK(fixture_is(s, &before) && !store_is_removed(s, id_a));
    /* what else there is about it may change */
    CHECK_OK(put_manager(s, id_a, 1, 1));
    /* with another one it goes, but no manager is removed before it was demoted */
    CHECK_OK(put_manager(s, id_b, 2, 2));
    CHECK(store_n_managers(s) == 2);
    CHECK(fixture_remove_node(s, id_a, 9, 1) == -EBUSY);
    CHECK_OK(fixture_put_node(s, id_a, 3, "w"));
    CHECK(store_n_managers(s) == 1);
    CHECK(fixture_put_node(s, id_b, 4, "w") == -EBUSY);
    CHECK_OK(fixture_remove_node(s, id_a, 9, 1));
    CHECK(store_n_managers(s) == 1 && store_n_nodes(s) == 1);
}

static void test_raft_ids(void)
{
    _cleanup_(store_freep) struct store *s = store_new();
    Pb__Node *node;

    CHECK(put_manager(s, id_a, 0, 0) == -EINVAL);
    CHECK_OK(put_manager(s, id_a, 0, 7));
    CHECK(put_manager(s, id_b, 0, 7) == -EEXIST);
    CHECK_OK(put_manager(s, id_b, 0, 8));
    CHECK(put_manager(s, id_b, 2, 7) == -EEXIST);
    CHECK(store_node_of_raft_id(s, 7) == store_node(s, id_a) && store_node_of_raft_id(s, 8) == store_node(s, id_b));
    CHECK(!store_node_of_raft_id(s, 9) && !store_node_of_raft_id(s, 0));
    CHECK_OK(put_manager(s, id_b, 2, 9));
    CHECK_OK(put_manager(s, id_a, 1, 8)); /* free again */
    /* workers may have none, as many as there are, and one that was demoted keeps its own to itself */
    CHECK_OK(fixture_put_node(s, id_c, 0, "w"));
    CHECK_OK(fixture_put_node(s, "w000000000000000000000000", 0, "w"));
    node = fixture_manager(id_b, 3, "w", 9);
    node->role = PB__ROLE__WORKER;
    CHECK_OK(put(s, node));
    CHECK(put_manager(s, id_c, 5, 9) == -EEXIST);
    CHECK_OK(fixture_remove_node(s, id_b, 0, 0));
    CHECK_OK(put_manager(s, id_c, 5, 9));
}

static void test_state(void)
{
    _cleanup_(store_freep) struct store *s = store_new(), *t = store_new();
    _cleanup_(image_done) struct image image = {};
    const Pb__Node *node;
    Pb__Node *changed;

    CHECK(fixture_set_node_state(s, id_a, PB__NODE_STATE__READY, 5) == -ENOENT);
    CHECK_OK(put_manager(s, id_a, 0, 1));
    node = store_node(s, id_a);
    CHECK(node->state == PB__NODE_STATE__UNKNOWN && node->state_since == 0);
    CHECK(fixture_set_node_state(s, id_a, (Pb__NodeState) 3, 5) == -EINVAL);
    CHECK(fixture_set_node_state(s, id_a, PB__NODE_STATE__READY, -1) == -EINVAL);
    CHECK(fixture_set_node_state(s, "short", PB__NODE_STATE__READY, 5) == -EINVAL);
    CHECK_OK(fixture_set_node_state(s, id_a, PB__NODE_STATE__DOWN, 5));
    node = store_node(s, id_a);
    CHECK(node->state == PB__NODE_STATE__DOWN && node->state_since == 5 && node->meta->version == 1);
    CHECK(node->meta->updated == 1700000000000000);
    /* an update made from before still goes, and leaves the state as it is */
    changed = fixture_manager(id_a, 1, "renamed", 1);
    changed->state = PB__NODE_STATE__READY;
    changed->state_since = 4;
    CHECK_OK(put(s, changed));
    node = store_node(s, id_a);
    CHECK(node->state == PB__NODE_STATE__DOWN && node->state_since == 5 && strcmp(node->hostname, "renamed") == 0);
    CHECK(node->meta->version == 3); /* the state's change was one of the store too */
    image = fixture_image(s);
    CHECK_OK(store_restore(t, image.data, image.size));
    CHECK(store_node(t, id_a)->state == PB__NODE_STATE__DOWN && fixture_is(t, &image));
    CHECK_OK(fixture_set_node_state(s, id_a, PB__NODE_STATE__UNKNOWN, 0));
    CHECK_OK(put_manager(s, id_a, 3, 1));
}

static void test_tombstones(void)
{
    _cleanup_(store_freep) struct store *s = store_new(), *t = store_new();
    _cleanup_(image_done) struct image image = {};

    CHECK_OK(fixture_put_node(s, id_a, 0, "w"));
    CHECK_OK(fixture_put_node(s, id_b, 0, "w"));
    CHECK_OK(fixture_put_node(s, id_c, 0, "w"));
    CHECK(fixture_remove_node(s, id_a, -1, 1) == -EINVAL && fixture_remove_node(s, id_a, 1, -1) == -EINVAL);
    CHECK(!store_is_removed(s, id_a));
    CHECK_OK(fixture_remove_node(s, id_a, 100, 50));
    CHECK(store_is_removed(s, id_a) && !store_is_removed(s, id_b) && !store_is_removed(s, ""));
    CHECK(fixture_put_node(s, id_a, 0, "w") == -EEXIST);
    CHECK(fixture_put_node(s, id_a, 1, "w") == -ENOENT);
    CHECK(fixture_remove_node(s, id_a, 100, 50) == -ENOENT);
    image = fixture_image(s);
    CHECK_OK(store_restore(t, image.data, image.size));
    CHECK(fixture_is(t, &image) && store_is_removed(t, id_a));
    CHECK(fixture_put_node(t, id_a, 0, "w") == -EEXIST);
    /* it is there until its time is over and a command says so */
    CHECK_OK(fixture_remove_node(t, id_b, 200, 100));
    CHECK(store_is_removed(t, id_a) && store_is_removed(t, id_b));
    CHECK_OK(fixture_revoke(t, id_c, fixture_digest(1), 300, 101));
    CHECK(!store_is_removed(t, id_a) && store_is_removed(t, id_b));
    CHECK_OK(fixture_put_node(t, id_a, 0, "again"));
    /* one that would go at once, and none at all */
    CHECK_OK(fixture_remove_node(t, id_a, 149, 150));
    CHECK(!store_is_removed(t, id_a) && store_is_removed(t, id_b));
    CHECK_OK(fixture_remove_node(t, id_c, 0, 0));
    CHECK(!store_is_removed(t, id_c) && store_is_removed(t, id_b));
}

/* What a rekey could not carry over is one line, and not a long one. */
static void test_rekey_lost(void)
{
    _cleanup_(store_freep) struct store *s = store_new();
    char text[STORE_REKEY_LOST_MAX + 2];
    Pb__Node *node;

    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    for (unsigned over = 0; over < 2; over++) {
        node = fixture_manager(id_a, 0, "m", 1);
        node->rekeyed = UINT32_MAX;
        node->rekey_lost = text + 1 - over;
        CHECK(put(s, node) == (over ? -EMSGSIZE : 0));
        CHECK(over || (store_node(s, id_a)->rekeyed == UINT32_MAX && strcmp(store_node(s, id_a)->rekey_lost, text + 1) == 0));
    }
    static char *const wrong[] = { "two\nlines", "\x1b[31m", "\xff" };
    for (unsigned i = 0; i < ELEMENTSOF(wrong); i++) {
        node = fixture_manager(id_a, 1, "m", 1);
        node->rekey_lost = wrong[i];
        CHECK(put(s, node) == -EINVAL);
    }
}

static void test_revoked(void)
{
    _cleanup_(store_freep) struct store *s = store_new(), *t = store_new();
    _cleanup_(image_done) struct image image = {};
    Pb__Command command;

    CHECK(!store_is_revoked(s, fixture_digest(1)));
    CHECK(fixture_revoke(s, "short", fixture_digest(1), 10, 1) == -EINVAL);
    CHECK(fixture_revoke(s, id_a, fixture_digest(1), -1, 1) == -EINVAL);
    CHECK(fixture_revoke(s, id_a, fixture_digest(1), 10, -1) == -EINVAL);
    command = fixture_revoke_command(id_a, fixture_digest(1), 10, 1);
    for (size_t size = 0; size < STORE_DIGEST_SIZE; size++) {
        command.revoke->certificate_digest.len = size;
        CHECK(fixture_apply(s, &command) == -EINVAL);
    }
    fixture_reset();

    /* a certificate is not its node, which may be gone or never have been */
    CHECK_OK(fixture_put_node(s, id_a, 0, "w"));
    CHECK_OK(fixture_revoke(s, id_a, fixture_digest(1), 10, 1));
    CHECK_OK(fixture_revoke(s, id_b, fixture_digest(2), 20, 1));
    CHECK_OK(fixture_revoke(s, id_a, fixture_digest(0), 30, 1));
    CHECK(store_is_revoked(s, fixture_digest(0)) && store_is_revoked(s, fixture_digest(1)) && store_is_revoked(s, fixture_digest(2)));
    CHECK(!store_is_revoked(s, fixture_digest(3)) && !store_is_removed(s, id_a) && !store_is_removed(s, id_b));
    image = fixture_image(s);
    CHECK_OK(store_restore(t, image.data, image.size));
    CHECK(fixture_is(t, &image) && store_is_revoked(t, fixture_digest(2)));
    /* again: the later end counts */
    CHECK_OK(fixture_revoke(s, id_a, fixture_digest(1), 25, 5));
    CHECK_OK(fixture_revoke(s, id_b, fixture_digest(2), 12, 11));
    CHECK(store_is_revoked(s, fixture_digest(1)) && store_is_revoked(s, fixture_digest(2)));
    CHECK_OK(fixture_revoke(s, id_c, fixture_digest(3), 20, 21)); /* ended before it came */
    CHECK(store_is_revoked(s, fixture_digest(1)) && !store_is_revoked(s, fixture_digest(2)) && !store_is_revoked(s, fixture_digest(3)));
    CHECK_OK(fixture_remove_node(s, id_a, 40, 26));
    CHECK(!store_is_revoked(s, fixture_digest(1)) && store_is_revoked(s, fixture_digest(0)) && store_is_removed(s, id_a));
    /* the same certificate of two nodes is nonsense, but harmless */
    CHECK_OK(fixture_revoke(s, id_c, fixture_digest(0), 28, 26));
    CHECK_OK(fixture_revoke(s, id_b, fixture_digest(9), 50, 29));
    CHECK(store_is_revoked(s, fixture_digest(0)));
    CHECK_OK(fixture_revoke(s, id_b, fixture_digest(9), 50, 31));
    CHECK(!store_is_revoked(s, fixture_digest(0)) && store_is_revoked(s, fixture_digest(9)));
}

static void test_count(void)
{
    _cleanup_(store_freep) struct store *s = store_new(), *t = store_new();
    _cleanup_(image_done) struct image image = {};

    CHECK_OK(fixture_put_node(s, id_a, 0, "w"));
    CHECK_OK(fixture_remove_node(s, id_a, 3000, 1));
    for (unsigned i = 1; i < STORE_REVOCATIONS_MAX; i++) /* in no order */
        CHECK_OK(fixture_revoke(s, id_b, fixture_digest(i), 10000 + i * 2503 % STORE_REVOCATIONS_MAX, 1));
    image = fixture_image(s);
    CHECK_OK(store_restore(t, image.data, image.size));
    CHECK(fixture_is(t, &image));
    /* what is there already needs no room, nor does a removal without a tombstone */
    CHECK_OK(fixture_revoke(t, id_b, fixture_digest(1), 20000, 1));
    CHECK_OK(fixture_put_node(t, id_c, 0, "w"));
    CHECK_OK(fixture_remove_node(t, id_c, 0, 0));
    CHECK(store_is_removed(t, id_a));
    /* the one that ends first goes, even for one that would end earlier */
    CHECK_OK(fixture_revoke(t, id_b, fixture_digest(5000), 2, 1));
    CHECK(!store_is_removed(t, id_a) && store_is_revoked(t, fixture_digest(5000)));
    CHECK_OK(fixture_put_node(t, id_a, 0, "w"));
    CHECK_OK(fixture_remove_node(t, id_a, 20000, 1));
    CHECK(store_is_removed(t, id_a) && !store_is_revoked(t, fixture_digest(5000)));
    for (unsigned i = 1; i < STORE_REVOCATIONS_MAX; i++)
        CHECK(store_is_revoked(t, fixture_digest(i)));
    image_done(&image);
    image = fixture_image(t);
    CHECK_OK(store_restore(s, image.data, image.size));
    CHECK(fixture_is(s, &image));
    /* all that have ended go at once */
    CHECK_OK(fixture_revoke(t, id_b, fixture_digest(6000), 40000, 20001));
    for (unsigned i = 1; i < STORE_REVOCATIONS_MAX; i++)
        CHECK(!store_is_revoked(t, fixture_digest(i)));
    CHECK(!store_is_removed(t, id_a) && store_is_revoked(t, fixture_digest(6000)));
}

static void test_changed(void)
{
    _cleanup_(store_freep) struct store *s = store_new();
    Pb__Command command = fixture_create_command(PB__KIND__SECRET, fixture_object(id_a, "x", "data", 4));
    unsigned changed = 77;
    void *data;
    size_t size;

    CHECK_OK(command_encode(&command, &data, &size));
    fixture_reset();
    CHECK_OK(store_apply(s, data, size, NULL));
    CHECK(store_apply(s, data, size, &changed) == -EEXIST && store_apply(s, data, size - 8, &changed) == -EBADMSG && changed == 77);
    CHECK_OK(fixture_remove(s, PB__KIND__SECRET, id_a));
    CHECK_OK(store_apply(s, data, size, &changed));
    CHECK(changed == STORE_CHANGED_OBJECTS && fixture_changed == STORE_CHANGED_OBJECTS);
    free(data);
    CHECK_OK(fixture_put_cluster(s, id_a, 0, KEY, true));
    CHECK(fixture_changed == STORE_CHANGED_CLUSTER);
    CHECK_OK(fixture_put_node(s, id_a, 0, "w"));
    CHECK(fixture_changed == STORE_CHANGED_NODES);
    CHECK_OK(fixture_set_node_state(s, id_a, PB__NODE_STATE__DOWN, 1));
    CHECK(fixture_changed == STORE_CHANGED_NODES);
    CHECK_OK(fixture_put_node(s, id_a, version_of(s, id_a), "w1"));
    CHECK(fixture_changed == STORE_CHANGED_NODES);
    CHECK_OK(fixture_remove_node(s, id_a, 9, 1));
    CHECK(fixture_changed == (STORE_CHANGED_NODES | STORE_CHANGED_REMOVED));
    CHECK_OK(fixture_revoke(s, id_a, fixture_digest(1), 9, 1));
    CHECK(fixture_changed == STORE_CHANGED_REMOVED);
}

/* A record of the largest size is still one after all that the store itself writes into it. */
static void test_largest_record(void)
{
    static uint8_t filler[STORE_RECORD_MAX];
    static ProtobufCMessageUnknownField field;
    _cleanup_(store_freep) struct store *s = store_new(), *t = store_new();
    _cleanup_(image_done) struct image image = {};
    size_t bare, size;
    Pb__Node *node = fixture_node(id_a, 0, "w");

    node->meta->created = 0;
    bare = protobuf_c_message_get_packed_size(&node->base);
    size = STORE_RECORD_MAX - bare - 2 - 3; /* without the field's tag and length */
    memcpy(filler, (uint8_t[]) { (uint8_t) (size | 0x80), (uint8_t) (size >> 7 | 0x80), (uint8_t) (size >> 14) }, 3);
    for (unsigned over = 2; over-- > 0;) {
        node = fixture_node(id_a, 0, "w");
        filler[0] = (uint8_t) ((size + over) | 0x80);
        field = (ProtobufCMessageUnknownField) { 1000, PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, 3 + size + over, filler };
        node->base.unknown_fields = &field;
        node->base.n_unknown_fields = 1;
        CHECK(put(s, node) == (over > 0 ? -EMSGSIZE : 0));
    }
    CHECK_OK(fixture_set_node_state(s, id_a, PB__NODE_STATE__DOWN, INT64_MAX));
    CHECK(protobuf_c_message_get_packed_size(&store_node(s, id_a)->base) > STORE_RECORD_MAX);
    image = fixture_image(s);
    CHECK_OK(store_restore(t, image.data, image.size));
    CHECK(fixture_is(t, &image));
}

int main(void)
{
    (void) fixture_id('a', 1, id_a);
    (void) fixture_id('b', 2, id_b);
    (void) fixture_id('c', 3, id_c);
    test_last_manager();
    test_raft_ids();
    test_state();
    test_tombstones();
    test_rekey_lost();
    test_revoked();
    test_count();
    test_changed();
    test_largest_record();
    return 0;
}
