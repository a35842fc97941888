/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Framing and encoding of commands and snapshots: what is damaged, newer or not canonical is refused, and changes nothing. */
#include <errno.h>
#include <string.h>

#include "../test.h"
#include "fixture.h"
#include "store/frame.h"

static char id_a[STORE_ID_LEN + 1], id_b[STORE_ID_LEN + 1];

struct bytes {
    size_t size;
    uint8_t data[4096];
};

static void append(struct bytes *b, const void *data, size_t size)
{
    CHECK(b->size + size <= sizeof(b->data));
    memcpy(b->data + b->size, data, size);
    b->size += size;
}

/* A length-delimited field. */
static void append_field(struct bytes *b, unsigned number, const void *data, size_t size)
{
    CHECK(number < 16 && size < 16384);
    append(b, &(uint8_t) { (uint8_t) (number << 3 | 2) }, 1);
    if (size >= 128)
        append(b, &(uint8_t) { (uint8_t) (size | 0x80) }, 1);
    append(b, &(uint8_t) { (uint8_t) (size < 128 ? size : size >> 7) }, 1);
    append(b, data, size);
}

static struct bytes frame(const char *magic, const struct bytes *body)
{
    struct bytes f = {};

    append(&f, magic, 3);
    append(&f, &(uint8_t) { FRAME_VERSION }, 1);
    append(&f, &(uint8_t[4]) { (uint8_t) body->size, (uint8_t) (body->size >> 8) }, 4);
    append(&f, body->data, body->size);
    while (f.size % 8 != 0)
        append(&f, "", 1);
    return f;
}

static int apply_body(struct store *s, const struct bytes *body)
{
    struct bytes f = frame("swc", body);

    return store_apply(s, f.data, f.size, NULL);
}

/* Meta { id = id_a } and whatever follows it. */
static struct bytes meta(const char *more, size_t more_size)
{
    struct bytes b = {};

    append_field(&b, 1, id_a, STORE_ID_LEN);
    append(&b, more, more_size);
    return b;
}

/* Object { meta, name } and whatever follows. */
static struct bytes object(const struct bytes *m, const char *name, size_t name_size, const char *more, size_t more_size)
{
    struct bytes b = {};

    append_field(&b, 1, m->data, m->size);
    append_field(&b, 2, name, name_size);
    append(&b, more, more_size);
    return b;
}

/* Command { CreateObject { object, of kind SECRET } } and whatever follows in each. */
static struct bytes create(const struct bytes *o, const char *in_create, size_t in_create_size, const char *more, size_t more_size)
{
    struct bytes c = {}, b = {};

    append_field(&c, 2, o->data, o->size);
    append(&c, in_create, in_create_size);
    append_field(&b, 4, c.data, c.size);
    append(&b, more, more_size);
    return b;
}

static int apply_object(const struct bytes *o)
{
    _cleanup_(store_freep) struct store *s = store_new();
    struct bytes body = create(o, "", 0, "", 0);

    return apply_body(s, &body);
}

static void test_canonical(void)
{
    _cleanup_(store_freep) struct store *s = store_new();
    struct bytes m = meta("", 0), o = object(&m, "name", 4, "", 0), body, twice = {};

    /* the hand-made encoding is that of the library */
    CHECK_OK(apply_object(&o));
    /* bytes behind a NUL */
    o = object(&m, "name\0hidden", 11, "", 0);
    CHECK(apply_object(&o) == -EBADMSG);
    /* a default value that is written out, an overlong number, a field twice, fields in another order */
    m = meta("\x10\x00", 2);
    o = object(&m, "name", 4, "", 0);
    CHECK(apply_object(&o) == -EBADMSG);
    m = meta("\x18\x85\x00", 3);
    o = object(&m, "name", 4, "", 0);
    CHECK(apply_object(&o) == -EBADMSG);
    m = meta("\x18\x05\x18\x05", 4);
    o = object(&m, "name", 4, "", 0);
    CHECK(apply_object(&o) == -EBADMSG);
    m = meta("\x20\x05\x18\x05", 4);
    o = object(&m, "name", 4, "", 0);
    CHECK(apply_object(&o) == -EBADMSG);
    m = meta("\x18\x05\x20\x05", 4);
    o = object(&m, "name", 4, "", 0);
    CHECK_OK(apply_object(&o));
    /* a message twice, which protobuf merges */
    append_field(&twice, 1, m.data, m.size);
    append(&twice, o.data, o.size);
    CHECK(apply_object(&twice) == -EBADMSG);
    /* two commands in one, of the same kind and of different kinds */
    body = create(&o, "", 0, "", 0);
    twice = body;
    append(&twice, body.data, body.size);
    CHECK(apply_body(s, &twice) == -EBADMSG);
    body = create(&o, "", 0, "\x2a\x00", 2);
    CHECK(apply_body(s, &body) == -EBADMSG);
    CHECK(store_n_objects(s, PB__KIND__SECRET) == 0);
}

static void test_unknown_fields(void)
{
    _cleanup_(store_freep) struct store *s = store_new(), *t = store_new();
    _cleanup_(image_done) struct image image = {};
    struct bytes m = meta("\x78\x07", 2), o = object(&m, "name", 4, "\x7a\x05later", 7), body;

    /* what a command does must be known … */
    body = create(&o, "\x78\x01", 2, "", 0);
    CHECK(apply_body(s, &body) == -EBADMSG);
    body = create(&o, "", 0, "\x78\x01", 2);
    CHECK(apply_body(s, &body) == -EBADMSG);
    body = (struct bytes) {};
    CHECK(apply_body(s, &body) == -EBADMSG);
    append_field(&body, 15, "x", 1);
    CHECK(apply_body(s, &body) == -EBADMSG);
    for (unsigned number = 1; number <= 13; number++) {
        body = (struct bytes) {};
        append_field(&body, number, "\x78\x01", 2);
        CHECK(apply_body(s, &body) == -EBADMSG);
    }
    /* … what an object holds is kept */
    body = create(&o, "", 0, "", 0);
    CHECK_OK(apply_body(s, &body));
    image = fixture_image(s);
    CHECK(memmem(image.data, image.size, "\x78\x07", 2) && memmem(image.data, image.size, "later", 5));
    CHECK_OK(store_restore(t, image.data, image.size));
    CHECK(fixture_is(t, &image));
}

static int refuse(struct store *s, const uint8_t *frame, size_t size, bool snapshot)
{
    _cleanup_(image_done) struct image before = fixture_image(s);
    int r = snapshot ? store_restore(s, frame, size) : store_apply(s, frame, size, NULL);

    CHECK(r < 0 && fixture_is(s, &before));
    return r;
}

/* Frames of either kind: every change of the header, every truncation, every flipped bit of the padding. */
static void test_header(struct store *s, const uint8_t *good, size_t size, bool snapshot)
{
    uint8_t frame[4096];
    uint32_t length;

    CHECK(size + 8 <= sizeof(frame));
    memcpy(&length, good + 4, sizeof(length)); /* tests run on little-endian machines */
    for (size_t i = 0; i < 8; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            memcpy(frame, good, size);
            frame[i] ^= (uint8_t) (1U << bit);
            if (i == 3 && frame[3] >= 1 && frame[3] < FRAME_VERSION)
                continue; /* an older version: below */
            int r = refuse(s, frame, size, snapshot);
            CHECK(r == (i == 3 && frame[3] > FRAME_VERSION ? -EPROTONOSUPPORT : -EBADMSG));
        }
    for (size_t n = 0; n < size; n++)
        CHECK(refuse(s, good, n, snapshot) == -EBADMSG);
    CHECK(length + 8 < size); /* chosen so that there is padding */
    for (size_t i = 8 + length; i < size; i++) {
        memcpy(frame, good, size);
        frame[i] = 1;
        CHECK(refuse(s, frame, size, snapshot) == -EBADMSG);
    }
    memcpy(frame, good, size);
    memset(frame + size, 0, 8);
    CHECK(refuse(s, frame, size + 8, snapshot) == -EBADMSG);
    /* newer, whatever else it looks like */
    memcpy(frame, good, 3);
    frame[3] = FRAME_VERSION + 1;
    CHECK(refuse(s, frame, 8, snapshot) == -EPROTONOSUPPORT);
}

static void test_headers(void)
{
    _cleanup_(store_freep) struct store *s = store_new();
    _cleanup_(image_done) struct image image = {};
    struct bytes m = meta("", 0), o = object(&m, "name", 4, "", 0), body = create(&o, "", 0, "", 0), f = frame("swc", &body);

    CHECK_OK(fixture_put_node(s, id_b, 0, "m1"));
    test_header(s, f.data, f.size, false);
    image = fixture_image(s);
    test_header(s, image.data, image.size, true);
    CHECK(store_restore(s, f.data, f.size) == -EBADMSG);
    CHECK(store_apply(s, image.data, image.size, NULL) == -EBADMSG);
}

/* Any flipped bit in a snapshot's body is refused or gives another valid state that round-trips; never anything between. */
static void test_snapshot_bits(void)
{
    _cleanup_(store_freep) struct store *s = store_new(), *t = store_new();
    _cleanup_(image_done) struct image image = {};
    Pb__Service *service;
    Pb__Command command;
    unsigned refused = 0;

    CHECK_OK(fixture_put_cluster(s, id_a, 0, "0123456789abcdef0123456789abcdef", true));
    CHECK_OK(fixture_put_node(s, id_b, 0, "m1"));
    CHECK_OK(fixture_create(s, PB__KIND__SECRET, id_a, "secret", "data", 4));
    CHECK_OK(fixture_put_node(s, id_a, 0, "w"));
    CHECK_OK(fixture_remove_node(s, id_a, 9, 1));
    CHECK_OK(fixture_revoke(s, id_a, fixture_digest(1), 9, 1));
    CHECK_OK(fixture_create(s, PB__KIND__CONFIG, id_b, "config", "data", 4));
    service = fixture_service(id_a, 0, "web", "web@*.service");
    fixture_constrain(service, "node.role", true, "manager");
    fixture_grant(service, PB__KIND__SECRET, id_a, "x");
    CHECK_OK(fixture_propose(s, fixture_put_service_command(service)));
    CHECK_OK(fixture_propose(s, fixture_update_command(PB__KIND__SECRET, id_a, 3, "new", 3, 1)));
    command = fixture_set_rollout_command(id_a, 9, PB__ROLLOUT_STATE__STOPPED, 2);
    fixture_reach(&command, id_a, PB__ROLLOUT_NODE_STATE__SUCCEEDED, "");
    fixture_reach(&command, id_b, PB__ROLLOUT_NODE_STATE__FAILED, "why");
    CHECK_OK(fixture_propose(s, command));
    command = fixture_put_usage_command(id_b);
    fixture_use(&command, "web@1.service", "x", PB__KIND__SECRET, id_a, 0);
    CHECK_OK(fixture_propose(s, command));
    image = fixture_image(s);
    for (size_t i = 8; i < image.size; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            uint8_t *byte = (uint8_t *) image.data + i;

            *byte ^= (uint8_t) (1U << bit);
            int r = store_restore(t, image.data, image.size);
            CHECK(r == 0 || r == -EBADMSG);
            CHECK(r < 0 || fixture_is(t, &image));
            refused += r < 0;
            *byte ^= (uint8_t) (1U << bit);
        }
    CHECK(refused > 2000);
}

/* Frames of older versions are read, but not with what came later. */
static struct bytes as_version(unsigned version, const void *frame, size_t size)
{
    struct bytes old = {};

    append(&old, frame, size);
    CHECK(old.data[3] == FRAME_VERSION);
    old.data[3] = (uint8_t) version;
    return old;
}

static int apply_as_version(unsigned version, struct store *s, Pb__Command command)
{
    struct bytes old;
    void *data;
    size_t size;

    CHECK_OK(command_encode(&command, &data, &size));
    fixture_reset();
    old = as_version(version, data, size);
    free(data);
    return store_apply(s, old.data, old.size, NULL);
}

static void test_version_1(void)
{
    _cleanup_(store_freep) struct store *s = store_new(), *t = store_new();
    _cleanup_(image_done) struct image image = {};
    struct bytes old;

    CHECK_OK(apply_as_version(1, s, fixture_put_node_command(fixture_node(id_a, 0, "w"))));
    CHECK_OK(apply_as_version(1, s, fixture_put_node_command(fixture_node(id_b, 0, "w"))));
    CHECK(apply_as_version(1, s, fixture_set_node_state_command(id_a, PB__NODE_STATE__READY, 1)) == -EBADMSG);
    CHECK(apply_as_version(1, s, fixture_revoke_command(id_a, fixture_digest(1), 2, 1)) == -EBADMSG);
    CHECK(apply_as_version(1, s, fixture_remove_node_command(id_a, 2, 0)) == -EBADMSG);
    CHECK(apply_as_version(1, s, fixture_remove_node_command(id_a, 0, 2)) == -EBADMSG);
    image = fixture_image(s);
    old = as_version(1, image.data, image.size);
    CHECK_OK(store_restore(t, old.data, old.size));
    CHECK(fixture_is(t, &image));
    CHECK_OK(apply_as_version(1, s, fixture_remove_node_command(id_a, 0, 0)));
    CHECK(!store_is_removed(s, id_a) && !store_node(s, id_a));

    CHECK_OK(fixture_revoke(t, id_a, fixture_digest(1), 2, 1));
    image_done(&image);
    image = fixture_image(t);
    old = as_version(1, image.data, image.size);
    CHECK(store_restore(s, old.data, old.size) == -EBADMSG);
}

static int restore_as_version(unsigned version, struct store *s, const struct store *from)
{
    _cleanup_(image_done) struct image image = fixture_image(from);
    struct bytes old = as_version(version, image.data, image.size);

    return store_restore(s, old.data, old.size);
}

static void test_version_2(void)
{
    _cleanup_(store_freep) struct store *s = store_new(), *t = store_new();
    Pb__Service *service;
    Pb__Object *object;
    Pb__Command command;

    CHECK_OK(apply_as_version(2, s, fixture_put_node_command(fixture_node(id_a, 0, "w"))));
    CHECK_OK(apply_as_version(2, s, fixture_set_node_state_command(id_a, PB__NODE_STATE__READY, 1)));
    CHECK_OK(apply_as_version(2, s, fixture_revoke_command(id_a, fixture_digest(1), 2, 1)));
    CHECK_OK(apply_as_version(2, s, fixture_create_command(PB__KIND__SECRET, fixture_object(id_a, "secret", "data", 4))));
    CHECK_OK(restore_as_version(2, t, s));
    CHECK(store_n_objects(t, PB__KIND__SECRET) == 1 && store_is_revoked(t, fixture_digest(1)));
    CHECK(restore_as_version(1, t, s) == -EBADMSG);

    object = fixture_object(id_b, "other", "data", 4);
    object->revised = 1;
    CHECK(apply_as_version(2, s, fixture_create_command(PB__KIND__SECRET, object)) == -EBADMSG);
    object = fixture_object(id_b, "other", "data", 4);
    object->revision = 1;
    CHECK(apply_as_version(1, s, fixture_create_command(PB__KIND__SECRET, object)) == -EBADMSG);
    for (unsigned version = 1; version <= 2; version++) {
        CHECK(apply_as_version(version, s, fixture_update_command(PB__KIND__SECRET, id_a, 4, "new", 3, 1)) == -EBADMSG);
        CHECK(apply_as_version(version, s, fixture_prune_command(PB__KIND__SECRET, id_a)) == -EBADMSG);
        CHECK(apply_as_version(version, s, fixture_put_service_command(fixture_service(id_a, 0, "web", "web.service"))) == -EBADMSG);
        CHECK(apply_as_version(version, s, fixture_remove_service_command(id_a)) == -EBADMSG);
        CHECK(apply_as_version(version, s, fixture_set_rollout_command(id_a, 1, PB__ROLLOUT_STATE__DONE, 1)) == -EBADMSG);
        CHECK(apply_as_version(version, s, fixture_put_usage_command(id_a)) == -EBADMSG);
    }

    /* each of the parts that snapshots have since */
    service = fixture_service(id_a, 0, "web", "web.service");
    CHECK_OK(fixture_propose(t, fixture_put_service_command(service)));
    CHECK(restore_as_version(2, s, t) == -EBADMSG);
    CHECK_OK(restore_as_version(3, s, t));
    CHECK_OK(fixture_propose(t, fixture_remove_service_command(id_a)));
    CHECK_OK(restore_as_version(2, s, t));
    command = fixture_put_usage_command(id_a);
    fixture_use(&command, "web.service", "x", PB__KIND__SECRET, id_a, 0);
    CHECK_OK(fixture_propose(t, command));
    CHECK(restore_as_version(2, s, t) == -EBADMSG);
    CHECK_OK(fixture_propose(t, fixture_put_usage_command(id_a)));
    CHECK_OK(restore_as_version(2, s, t));
    CHECK_OK(fixture_propose(t, fixture_update_command(PB__KIND__SECRET, id_a, 4, "new", 3, 0)));
    CHECK(restore_as_version(2, s, t) == -EBADMSG);
    CHECK_OK(restore_as_version(3, s, t));
}

/* Revocation { id, digest of `fill`s, until } and whatever follows. */
static struct bytes revocation(const char *id, char fill, size_t digest_size, uint8_t until, const char *more, size_t more_size)
{
    char digest[64];
    struct bytes b = {};

    memset(digest, fill, sizeof(digest));
    if (*id)
        append_field(&b, 1, id, strlen(id));
    if (digest_size > 0)
        append_field(&b, 2, digest, digest_size);
    if (until > 0)
        append(&b, &(uint8_t[2]) { 0x18, until }, 2);
    append(&b, more, more_size);
    return b;
}

/* A node with id_b, and these. */
static int restore_revocations(const struct bytes *first, const struct bytes *second)
{
    _cleanup_(store_freep) struct store *s = store_new();
    struct bytes body = {}, m = {}, n = {}, f;

    append(&body, "\x08\x02", 2);
    append_field(&m, 1, id_b, STORE_ID_LEN);
    append(&m, "\x10\x01", 2);
    append_field(&n, 1, m.data, m.size);
    append_field(&body, 3, n.data, n.size);
    append_field(&body, 6, first->data, first->size);
    if (second)
        append_field(&body, 6, second->data, second->size);
    f = frame("sws", &body);
    int r = store_restore(s, f.data, f.size);
    CHECK(r == 0 || store_n_nodes(s) == 0);
    return r;
}

static void test_snapshot_revocations(void)
{
    struct bytes tombstone = revocation(id_a, 0, 0, 5, "", 0), low = revocation(id_b, 'd', 32, 5, "", 0);
    struct bytes high = revocation(id_a, 'e', 32, 0, "", 0), other = revocation(id_a, 'd', 32, 5, "", 0), bad;

    CHECK_OK(restore_revocations(&tombstone, NULL));
    CHECK_OK(restore_revocations(&tombstone, &low));
    CHECK_OK(restore_revocations(&low, &high));
    CHECK_OK(restore_revocations(&other, &low));
    /* in another order, or twice */
    CHECK(restore_revocations(&low, &tombstone) == -EBADMSG);
    CHECK(restore_revocations(&high, &low) == -EBADMSG);
    CHECK(restore_revocations(&low, &other) == -EBADMSG);
    CHECK(restore_revocations(&tombstone, &tombstone) == -EBADMSG);
    CHECK(restore_revocations(&low, &low) == -EBADMSG);
    /* of a node that is there */
    bad = revocation(id_b, 0, 0, 5, "", 0);
    CHECK(restore_revocations(&bad, NULL) == -EBADMSG);
    CHECK(restore_revocations(&tombstone, &bad) == -EBADMSG);
    bad = revocation(id_a, 'd', 31, 5, "", 0);
    CHECK(restore_revocations(&bad, NULL) == -EBADMSG);
    bad = revocation(id_a, 'd', 33, 5, "", 0);
    CHECK(restore_revocations(&bad, NULL) == -EBADMSG);
    bad = revocation("", 'd', 32, 5, "", 0);
    CHECK(restore_revocations(&bad, NULL) == -EBADMSG);
    bad = revocation("short", 0, 0, 5, "", 0);
    CHECK(restore_revocations(&bad, NULL) == -EBADMSG);
    /* before 1970, and a field that this version does not know */
    bad = revocation(id_a, 0, 0, 0, "\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11);
    CHECK(restore_revocations(&bad, NULL) == -EBADMSG);
    bad = revocation(id_a, 0, 0, 5, "\x78\x01", 2);
    CHECK(restore_revocations(&bad, NULL) == -EBADMSG);
}

static void test_snapshot_many_revocations(void)
{
    _cleanup_(store_freep) struct store *s = store_new();
    Pb__Revocation items[STORE_REVOCATIONS_MAX + 1], *pointers[STORE_REVOCATIONS_MAX + 1];
    static char ids[STORE_REVOCATIONS_MAX + 1][STORE_ID_LEN + 1];
    Pb__Snapshot snapshot = PB__SNAPSHOT__INIT;
    void *data;
    size_t size;

    for (unsigned i = 0; i <= STORE_REVOCATIONS_MAX; i++) {
        pb__revocation__init(&items[i]);
        items[i].id = (char *) fixture_id('t', i, ids[i]);
        pointers[i] = &items[i];
    }
    snapshot.revocations = pointers;
    for (unsigned over = 0; over < 2; over++) {
        snapshot.n_revocations = STORE_REVOCATIONS_MAX + over;
        CHECK_OK(frame_encode("sws", &snapshot.base, FRAME_MAX, &data, &size));
        CHECK(store_restore(s, data, size) == (over ? -EBADMSG : 0));
        free(data);
    }
    CHECK(store_is_removed(s, ids[0]) && store_is_removed(s, ids[STORE_REVOCATIONS_MAX - 1]));
}

static int restore_raft_ids(uint8_t first, uint8_t second)
{
    _cleanup_(store_freep) struct store *s = store_new();
    const char *ids[] = { id_a, id_b };
    uint8_t raft_ids[] = { first, second };
    struct bytes body = {}, m, n;

    append(&body, "\x08\x02", 2);
    for (unsigned i = 0; i < 2; i++) {
        m = n = (struct bytes) {};
        append_field(&m, 1, ids[i], STORE_ID_LEN);
        append(&m, "\x10\x01", 2);
        append_field(&n, 1, m.data, m.size);
        append(&n, "\x20\x01", 2); /* a manager */
        if (raft_ids[i] > 0)
            append(&n, &(uint8_t[2]) { 0x50, raft_ids[i] }, 2);
        append_field(&body, 3, n.data, n.size);
    }
    struct bytes f = frame("sws", &body);
    return store_restore(s, f.data, f.size);
}

static void test_snapshot_raft_ids(void)
{
    CHECK_OK(restore_raft_ids(1, 2));
    CHECK_OK(restore_raft_ids(2, 1));
    CHECK(restore_raft_ids(1, 1) == -EBADMSG);
    CHECK(restore_raft_ids(1, 0) == -EBADMSG);
}

static int restore_nodes(const char *first, const char *second, uint64_t first_version, uint64_t second_version)
{
    _cleanup_(store_freep) struct store *s = store_new();
    struct bytes body = {}, m, n;
    const char *ids[] = { first, second };
    uint64_t versions[] = { first_version, second_version };

    append(&body, "\x08\x02", 2); /* version 2 */
    for (unsigned i = 0; i < 2; i++) {
        m = n = (struct bytes) {};
        append_field(&m, 1, ids[i], STORE_ID_LEN);
        if (versions[i] > 0)
            append(&m, &(uint8_t[2]) { 0x10, (uint8_t) versions[i] }, 2);
        append_field(&n, 1, m.data, m.size);
        append_field(&body, 3, n.data, n.size);
    }
    struct bytes f = frame("sws", &body);
    return store_restore(s, f.data, f.size);
}

static void test_snapshot_rules(void)
{
    _cleanup_(store_freep) struct store *s = store_new();
    struct bytes body = {};

    CHECK_OK(restore_nodes(id_a, id_b, 1, 2));
    CHECK(restore_nodes(id_a, id_a, 1, 2) == -EBADMSG);
    CHECK(restore_nodes(id_a, id_b, 1, 3) == -EBADMSG); /* later than the store itself */
    CHECK(restore_nodes(id_a, id_b, 0, 2) == -EBADMSG);
    CHECK(restore_nodes(id_a, "0123456789abcdefghijklmnO", 1, 2) == -EBADMSG);
    append(&body, "\x08\x02\x7a\x01x", 5); /* a field that this version does not know */
    struct bytes f = frame("sws", &body);
    CHECK(store_restore(s, f.data, f.size) == -EBADMSG);
    body = (struct bytes) {};
    append(&body, "\x1a\x00", 2); /* a node without anything */
    f = frame("sws", &body);
    CHECK(store_restore(s, f.data, f.size) == -EBADMSG);
}

static void test_command_limit(void)
{
    static uint8_t data[COMMAND_MAX + 8];
    _cleanup_(store_freep) struct store *s = store_new();
    Pb__Command command = fixture_create_command(PB__KIND__CONFIG, fixture_object(id_a, "x", data, COMMAND_MAX - 100));
    uint8_t *frame;
    void *encoded = NULL;
    size_t size, edge;

    /* the largest that is encoded is decoded, and refused for what it is */
    CHECK_OK(command_encode(&command, &encoded, &size));
    edge = COMMAND_MAX - 100 + (COMMAND_MAX - size);
    free(encoded);
    encoded = NULL;
    command = fixture_create_command(PB__KIND__CONFIG, fixture_object(id_a, "x", data, edge));
    CHECK_OK(command_encode(&command, &encoded, &size));
    CHECK(size == COMMAND_MAX);
    CHECK(store_apply(s, encoded, size, NULL) == -EMSGSIZE);
    frame = encoded;
    CHECK(frame[0] == 's' && frame[3] == FRAME_VERSION);
    free(encoded);
    encoded = NULL;
    command = fixture_create_command(PB__KIND__CONFIG, fixture_object(id_a, "x", data, edge + 8));
    CHECK(command_encode(&command, &encoded, &size) == -EMSGSIZE && !encoded);
    memcpy(data, "swc\3\0\xc0\x10", 7); /* as long as a command cannot be */
    CHECK(store_apply(s, data, sizeof(data), NULL) == -EBADMSG);
    fixture_reset();
}

int main(void)
{
    (void) fixture_id('a', 1, id_a);
    (void) fixture_id('b', 2, id_b);
    test_canonical();
    test_unknown_fields();
    test_headers();
    test_snapshot_bits();
    test_snapshot_rules();
    test_version_1();
    test_version_2();
    test_snapshot_revocations();
    test_snapshot_many_revocations();
    test_snapshot_raft_ids();
    test_command_limit();
    return 0;
}
