/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* New data for secrets and configs, and how long the former stays. */
#include <errno.h>
#include <string.h>

#include "../test.h"
#include "fixture.h"

#define CREATED 1700000000000000

static char id_a[STORE_ID_LEN + 1], id_b[STORE_ID_LEN + 1], id_s[STORE_ID_LEN + 1];
static uint8_t filler[STORE_CONFIG_MAX + 1];

static const Pb__Object *secret(const struct store *s)
{
    return store_object(s, PB__KIND__SECRET, id_a);
}

static int update_from(struct store *s, uint64_t version, const void *data, size_t size, int64_t now)
{
    return fixture_propose(s, fixture_update_command(PB__KIND__SECRET, id_a, version, data, size, now));
}

static int update(struct store *s, const char *data, int64_t now)
{
    return update_from(s, secret(s)->meta->version, data, strlen(data), now);
}

static int prune(struct store *s)
{
    return fixture_propose(s, fixture_prune_command(PB__KIND__SECRET, id_a));
}

static bool data_is(const Pb__Object *object, uint64_t revision, const char *data)
{
    const ProtobufCBinaryData *found = store_object_data(object, revision);

    return found && found->len == strlen(data) && (found->len == 0 || memcmp(found->data, data, found->len) == 0);
}

static struct store *furnished(void)
{
    struct store *s = store_new();

    CHECK(s);
    CHECK_OK(fixture_create(s, PB__KIND__SECRET, id_a, "secret", "first", 5));
    CHECK_OK(fixture_put_node(s, id_a, 0, "w1"));
    CHECK_OK(fixture_put_node(s, id_b, 0, "w2"));
    return s;
}

static void check_restores(const struct store *s)
{
    _cleanup_(store_freep) struct store *t = store_new();
    _cleanup_(image_done) struct image image = fixture_image(s);

    CHECK_OK(store_restore(t, image.data, image.size));
    CHECK(fixture_is(t, &image));
}

static int use(struct store *s, const char *node_id, uint64_t first, uint64_t second)
{
    Pb__Command command = fixture_put_usage_command(node_id);

    fixture_use(&command, "a.service", "x", PB__KIND__SECRET, id_a, first);
    fixture_use(&command, "b.service", "x", PB__KIND__SECRET, id_a, second);
    fixture_use(&command, "c.service", "x", PB__KIND__CONFIG, id_a, 0); /* of another kind */
    return fixture_propose(s, command);
}

static void test_update(void)
{
    _cleanup_(store_freep) struct store *s = furnished();
    _cleanup_(image_done) struct image before = {};

    CHECK(!store_object(s, PB__KIND__CONFIG, id_a) && !store_object(s, PB__KIND__SECRET, id_b) && !store_object(s, (Pb__Kind) 2, id_a));
    CHECK(secret(s)->revision == 0 && secret(s)->revised == 0 && data_is(secret(s), 0, "first") && !store_object_data(secret(s), 1));
    before = fixture_image(s);
    CHECK(update_from(s, 0, "x", 1, 5) == -ESTALE && update_from(s, 2, "x", 1, 5) == -ESTALE);
    CHECK(update_from(s, 1, "x", 1, -1) == -EINVAL && update_from(s, 1, filler, STORE_SECRET_MAX + 1, 5) == -EMSGSIZE);
    CHECK(fixture_propose(s, fixture_update_command((Pb__Kind) 2, id_a, 1, "x", 1, 5)) == -EINVAL);
    CHECK(fixture_propose(s, fixture_update_command(PB__KIND__SECRET, "secret", 1, "x", 1, 5)) == -EINVAL);
    CHECK(fixture_propose(s, fixture_update_command(PB__KIND__CONFIG, id_a, 1, "x", 1, 5)) == -ENOENT);
    CHECK(fixture_is(s, &before));

    CHECK_OK(update_from(s, 1, "second", 6, 50));
    CHECK(fixture_changed == STORE_CHANGED_OBJECTS);
    CHECK(secret(s)->revision == 1 && secret(s)->revised == 50 && secret(s)->meta->version == 4 && secret(s)->meta->updated == 50);
    CHECK(secret(s)->meta->created == CREATED && secret(s)->n_former == 1);
    CHECK(secret(s)->former[0]->number == 0 && secret(s)->former[0]->created == CREATED);
    CHECK(data_is(secret(s), 0, "first") && data_is(secret(s), 1, "second") && !store_object_data(secret(s), 2));
    CHECK(update_from(s, 1, "x", 1, 5) == -ESTALE);
    CHECK_OK(update(s, "", 60)); /* nothing is something too */
    CHECK(secret(s)->former[1]->number == 1 && secret(s)->former[1]->created == 50 && data_is(secret(s), 2, "") && data_is(secret(s), 1, "second"));
    check_restores(s);
    CHECK_OK(fixture_remove(s, PB__KIND__SECRET, id_a));
    CHECK(!secret(s));
}

static void test_prune(void)
{
    _cleanup_(store_freep) struct store *s = furnished();
    uint64_t version;

    CHECK(fixture_propose(s, fixture_prune_command(PB__KIND__CONFIG, id_a)) == -ENOENT);
    CHECK(fixture_propose(s, fixture_prune_command((Pb__Kind) -1, id_a)) == -EINVAL);
    CHECK(fixture_propose(s, fixture_prune_command(PB__KIND__SECRET, "short")) == -EINVAL);
    CHECK_OK(prune(s)); /* nothing to do */
    CHECK(fixture_changed == STORE_CHANGED_OBJECTS && data_is(secret(s), 0, "first"));
    for (unsigned i = 1; i <= 4; i++)
        CHECK_OK(update(s, "more", i));
    CHECK_OK(use(s, id_a, 1, 4));
    CHECK_OK(use(s, id_b, 3, 9));
    version = secret(s)->meta->version;
    CHECK_OK(prune(s));
    CHECK(secret(s)->n_former == 2 && secret(s)->former[0]->number == 1 && secret(s)->former[1]->number == 3);
    CHECK(secret(s)->meta->version == version && secret(s)->revision == 4 && !store_object_data(secret(s), 0) && data_is(secret(s), 4, "more"));
    check_restores(s);
    CHECK_OK(fixture_remove_node(s, id_b, 9, 1)); /* with the node its use ends */
    CHECK_OK(prune(s));
    CHECK(secret(s)->n_former == 1 && secret(s)->former[0]->number == 1);
    CHECK_OK(fixture_propose(s, fixture_put_usage_command(id_a)));
    CHECK(secret(s)->n_former == 1);
    CHECK_OK(prune(s));
    CHECK(secret(s)->n_former == 0);
    check_restores(s);
}

static void test_many(void)
{
    _cleanup_(store_freep) struct store *s = furnished();
    char id[STORE_ID_LEN + 1], data[8];

    for (unsigned i = 1; i <= STORE_FORMER_MAX; i++) {
        (void) snprintf(data, sizeof(data), "%u", i);
        CHECK_OK(update(s, data, i));
    }
    CHECK(secret(s)->n_former == STORE_FORMER_MAX && secret(s)->former[0]->number == 0);
    CHECK_OK(use(s, id_a, 2, 5));
    /* what nobody uses makes room, but only when there is none */
    CHECK_OK(update(s, "9", 9));
    CHECK(secret(s)->n_former == 3 && secret(s)->former[0]->number == 2 && secret(s)->former[1]->number == 5 &&
          secret(s)->former[2]->number == STORE_FORMER_MAX);
    CHECK(data_is(secret(s), 2, "2") && data_is(secret(s), 8, "8") && data_is(secret(s), 9, "9"));
    check_restores(s);
    /* eight that are all in use */
    for (unsigned i = 10; secret(s)->n_former < STORE_FORMER_MAX; i++) {
        (void) snprintf(data, sizeof(data), "%u", i);
        CHECK_OK(update(s, data, i));
    }
    for (unsigned i = 0; i < STORE_FORMER_MAX; i += 2) {
        (void) fixture_id('u', i, id);
        CHECK_OK(fixture_put_node(s, id, 0, "w"));
        CHECK_OK(use(s, id, secret(s)->former[i]->number, secret(s)->former[i + 1]->number));
    }
    CHECK(update(s, "x", 99) == -EBUSY);
    CHECK(update_from(s, 1, "x", 1, 99) == -ESTALE);
    CHECK_OK(prune(s));
    CHECK(secret(s)->n_former == STORE_FORMER_MAX && secret(s)->revision == 14);
    check_restores(s);
    CHECK_OK(use(s, id, 14, 14));
    CHECK_OK(use(s, id_a, 14, 14));
    CHECK_OK(update(s, "x", 99));
    CHECK(secret(s)->n_former == STORE_FORMER_MAX - 2 + 1 && data_is(secret(s), 15, "x"));
    check_restores(s);
}

/* A rollout's revision does not make room. */
static void test_held(void)
{
    _cleanup_(store_freep) struct store *s = furnished();
    Pb__Service *service = fixture_service(id_s, 0, "web", "web.service");
    const Pb__Service *found;

    fixture_grant(service, PB__KIND__SECRET, id_a, "x");
    CHECK_OK(fixture_propose(s, fixture_put_service_command(service)));
    for (unsigned i = 1; i <= 3 * STORE_FORMER_MAX; i++)
        CHECK_OK(update(s, "more", i));
    CHECK_OK(store_find_service(s, "web", &found));
    CHECK(found->rollout->n_held == 1 && found->rollout->held[0]->revision == 0 && data_is(secret(s), 0, "first"));
    CHECK_OK(prune(s));
    CHECK(secret(s)->n_former == 1 && data_is(secret(s), 0, "first"));
    check_restores(s);
    CHECK_OK(fixture_propose(s, fixture_remove_service_command(id_s)));
    CHECK_OK(prune(s));
    CHECK(secret(s)->n_former == 0);
}

/* The largest of everything is one object still, for a command and for a snapshot; former data counts for the store's size. */
static void test_sizes(void)
{
    _cleanup_(store_freep) struct store *s = furnished();
    unsigned n = 0;
    uint64_t version;
    char id[STORE_ID_LEN + 1], name[16];
    int r = 0;

    CHECK_OK(fixture_create(s, PB__KIND__CONFIG, id_a, "config", "", 0));
    for (unsigned i = 0; i <= STORE_FORMER_MAX; i++) {
        CHECK_OK(update_from(s, secret(s)->meta->version, filler, STORE_SECRET_MAX, INT64_MAX));
        version = store_object(s, PB__KIND__CONFIG, id_a)->meta->version;
        CHECK(fixture_propose(s, fixture_update_command(PB__KIND__CONFIG, id_a, version, filler, STORE_CONFIG_MAX + 1, 1)) == -EMSGSIZE);
        CHECK_OK(fixture_propose(s, fixture_update_command(PB__KIND__CONFIG, id_a, version, filler, STORE_CONFIG_MAX, INT64_MAX)));
        if (i + 1 < STORE_FORMER_MAX)
            check_restores(s);
    }
    check_restores(s);
    CHECK_OK(prune(s));
    for (; n < 1000 && r == 0; n++) {
        (void) snprintf(name, sizeof(name), "c%u", n);
        r = fixture_create(s, PB__KIND__CONFIG, fixture_id('f', n, id), name, filler, STORE_CONFIG_MAX);
        if (r == 0)
            r = fixture_propose(s, fixture_update_command(PB__KIND__CONFIG, id, store_object(s, PB__KIND__CONFIG, id)->meta->version, filler,
                                                          STORE_CONFIG_MAX, 1));
    }
    CHECK(r == -EDQUOT && n > 20 && n < 40);
    /* what is dropped makes room */
    version = store_object(s, PB__KIND__CONFIG, id_a)->meta->version;
    CHECK(store_object(s, PB__KIND__CONFIG, id_a)->n_former == 1);
    CHECK_OK(fixture_propose(s, fixture_prune_command(PB__KIND__CONFIG, fixture_id('f', 0, id))));
    CHECK_OK(fixture_propose(s, fixture_update_command(PB__KIND__CONFIG, id_a, version, filler, STORE_CONFIG_MAX, 1)));
    check_restores(s);
}

/* A secret is not made with a past. */
static void test_create(void)
{
    _cleanup_(store_freep) struct store *s = store_new();
    Pb__Revision revision = PB__REVISION__INIT, *former[] = { &revision };
    Pb__Object *object = fixture_object(id_a, "secret", "x", 1);

    object->revision = 1;
    CHECK(fixture_create_object(s, PB__KIND__SECRET, object) == -EINVAL);
    object = fixture_object(id_a, "secret", "x", 1);
    object->revised = 1;
    CHECK(fixture_create_object(s, PB__KIND__SECRET, object) == -EINVAL);
    object = fixture_object(id_a, "secret", "x", 1);
    object->revision = 1;
    object->former = former;
    object->n_former = 1;
    CHECK(fixture_create_object(s, PB__KIND__SECRET, object) == -EINVAL);
    CHECK_OK(fixture_create(s, PB__KIND__SECRET, id_a, "secret", "x", 1));
}

/* The record of the largest size that can be made is still one after updates. */
static void test_largest_record(void)
{
    static ProtobufCMessageUnknownField field;
    static uint8_t bytes[STORE_RECORD_MAX];
    _cleanup_(store_freep) struct store *s = store_new();
    size_t bare, size;
    Pb__Object *object = fixture_object(id_a, "secret", "", 0);

    object->meta->created = object->meta->updated = 0;
    bare = protobuf_c_message_get_packed_size(&object->base);
    fixture_reset();
    size = STORE_RECORD_MAX - bare - 2 - 3; /* without the field's tag and length */
    memcpy(bytes, (uint8_t[]) { 0, (uint8_t) (size >> 7 | 0x80), (uint8_t) (size >> 14) }, 3);
    for (unsigned over = 2; over-- > 0;) {
        object = fixture_object(id_a, "secret", "", 0);
        object->meta->updated = 0;
        bytes[0] = (uint8_t) ((size + over) | 0x80);
        field = (ProtobufCMessageUnknownField) { 1000, PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, 3 + size + over, bytes };
        object->base.unknown_fields = &field;
        object->base.n_unknown_fields = 1;
        CHECK(fixture_create_object(s, PB__KIND__SECRET, object) == (over > 0 ? -EMSGSIZE : 0));
    }
    for (unsigned i = 0; i < 3; i++) {
        CHECK_OK(update_from(s, secret(s)->meta->version, filler, STORE_SECRET_MAX, INT64_MAX));
        check_restores(s);
    }
}

int main(void)
{
    (void) fixture_id('a', 1, id_a);
    (void) fixture_id('b', 2, id_b);
    (void) fixture_id('s', 3, id_s);
    test_update();
    test_prune();
    test_many();
    test_held();
    test_sizes();
    test_create();
    test_largest_record();
    return 0;
}
