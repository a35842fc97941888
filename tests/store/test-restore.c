/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Snapshots whose parts are all valid and do not fit each other, or are not what commands could have made. */
#include <errno.h>
#include <string.h>

#include "../test.h"
#include "fixture.h"
#include "store/frame.h"

static char id_a[STORE_ID_LEN + 1], id_b[STORE_ID_LEN + 1], id_c[STORE_ID_LEN + 1];

/* A node, a secret with former revisions 2 and 4 of 5, a service with a rollout that holds 4, and what the node uses. */
struct parts {
    Pb__Node *node, *nodes[1];
    Pb__Object *secret, *secrets[1];
    Pb__Revision revisions[STORE_FORMER_MAX + 1], *former[STORE_FORMER_MAX + 1];
    Pb__Service *service, *other, *services[2];
    Pb__Rollout rollout;
    Pb__RolloutNode reached[2], *reached_pointers[2];
    Pb__Held held[2], *held_pointers[2];
    Pb__Usage usage, *usages[2];
    Pb__UnitUse use, *uses[1];
    Pb__Snapshot snapshot;
};

static void make_secret(struct parts *p)
{
    p->secret = p->secrets[0] = fixture_object(id_a, "secret", "new", 3);
    p->secret->meta->version = 7;
    p->secret->revision = 5;
    p->secret->revised = 9;
    for (unsigned i = 0; i < ELEMENTSOF(p->former); i++) {
        p->former[i] = &p->revisions[i];
        pb__revision__init(p->former[i]);
        p->former[i]->number = 2 * i + 2;
        p->former[i]->data = (ProtobufCBinaryData) { 3, (uint8_t *) "old" };
    }
    p->secret->former = p->former;
    p->secret->n_former = 2;
}

static void make_rollout(struct parts *p)
{
    pb__rollout__init(&p->rollout);
    p->rollout.number = 7;
    p->rollout.since = 9;
    for (unsigned i = 0; i < 2; i++) {
        p->reached_pointers[i] = &p->reached[i];
        pb__rollout_node__init(&p->reached[i]);
        p->held_pointers[i] = &p->held[i];
        pb__held__init(&p->held[i]);
        p->held[i].object_id = id_a;
        p->held[i].revision = 4;
    }
    p->reached[0].id = id_a;
    p->reached[1].id = id_b;
    p->rollout.nodes = p->reached_pointers;
    p->rollout.n_nodes = 2;
    p->rollout.held = p->held_pointers;
    p->rollout.n_held = 1;
}

static void make_parts(struct parts *p)
{
    p->node = p->nodes[0] = fixture_node(id_a, 1, "w1");
    make_secret(p);
    make_rollout(p);
    p->service = p->services[0] = fixture_service(id_a, 6, "web", "web.service");
    fixture_grant(p->service, PB__KIND__SECRET, id_a, "x");
    p->service->rollout = &p->rollout;
    p->other = p->services[1] = fixture_service(id_b, 7, "db", "db.service");
    pb__unit_use__init(&p->use);
    p->use.unit = "web.service";
    p->use.credential = "x";
    p->use.service_id = p->use.object_id = id_a;
    p->use.revision = 2;
    pb__usage__init(&p->usage);
    p->uses[0] = &p->use;
    p->usage.node_id = id_a;
    p->usage.uses = p->uses;
    p->usage.n_uses = 1;
    p->usages[0] = p->usages[1] = &p->usage;
    pb__snapshot__init(&p->snapshot);
    p->snapshot.version = 7;
    p->snapshot.nodes = p->nodes;
    p->snapshot.secrets = p->secrets;
    p->snapshot.n_nodes = p->snapshot.n_secrets = p->snapshot.n_usages = 1;
    p->snapshot.services = p->services;
    p->snapshot.n_services = 2;
    p->snapshot.usages = p->usages;
}

static int restore(void (*vary)(struct parts *p))
{
    _cleanup_(store_freep) struct store *s = store_new(), *t = store_new();
    static struct parts parts;
    void *data;
    size_t size;
    int r;

    make_parts(&parts);
    vary(&parts);
    CHECK_OK(frame_encode("sws", &parts.snapshot.base, FRAME_MAX, &data, &size));
    fixture_reset();
    r = store_restore(s, data, size);
    free(data);
    if (r == 0) {
        _cleanup_(image_done) struct image image = fixture_image(s);

        CHECK_OK(store_restore(t, image.data, image.size));
        CHECK(fixture_is(t, &image));
    } else
        CHECK(store_n_nodes(s) == 0 && store_n_services(s) == 0 && store_n_objects(s, PB__KIND__SECRET) == 0);
    return r;
}

static void as_it_is(struct parts *p) { (void) p; }
static void other_order(struct parts *p)
{
    p->services[0] = p->other;
    p->services[1] = p->service;
}
static void stopped(struct parts *p) { p->rollout.state = PB__ROLLOUT_STATE__STOPPED; }
static void done_holds_nothing(struct parts *p)
{
    p->rollout.state = PB__ROLLOUT_STATE__DONE;
    p->rollout.n_held = 0;
}
static void none_and_done(struct parts *p)
{
    done_holds_nothing(p);
    p->service->on_update = PB__ON_UPDATE__NONE;
}
static void many_former(struct parts *p)
{
    p->secret->n_former = STORE_FORMER_MAX;
    p->secret->revision = 2 * STORE_FORMER_MAX + 1;
}
static void use_of_what_is_gone(struct parts *p)
{
    p->use.object_id = p->use.service_id = id_c;
    p->use.revision = 99;
}
static void nothing_reached(struct parts *p) { p->rollout.n_nodes = 0; }

static void former_too_many(struct parts *p)
{
    p->secret->n_former = STORE_FORMER_MAX + 1;
    p->secret->revision = 99;
}
static void former_order(struct parts *p) { p->former[0]->number = 4; p->former[1]->number = 2; }
static void former_twice(struct parts *p) { p->former[0]->number = 4; }
static void former_is_new(struct parts *p) { p->secret->revision = 4; }
static void former_without_update(struct parts *p) { p->secret->revision = 0; }
static void revised_without_update(struct parts *p) { p->secret->revision = p->secret->n_former = 0; p->rollout.n_held = 0; }
static void former_before_time(struct parts *p) { p->former[0]->created = -1; }
static void revised_before_time(struct parts *p) { p->secret->revised = -1; }
static void former_too_large(struct parts *p)
{
    static uint8_t data[STORE_SECRET_MAX + 1];

    p->former[0]->data = (ProtobufCBinaryData) { sizeof(data), data };
}

static void grants_nothing_there(struct parts *p) { p->service->grants[0]->object_id = id_b; p->rollout.n_held = 0; }
static void grants_other_kind(struct parts *p) { p->service->grants[0]->kind = PB__KIND__CONFIG; p->rollout.n_held = 0; }
static void service_rule(struct parts *p) { p->service->parallelism = 0; }
static void service_name_twice(struct parts *p) { p->other->name = "web"; }
static void service_id_twice(struct parts *p) { p->other->meta->id = id_a; }
static void service_too_new(struct parts *p) { p->service->meta->version = 8; }
static void service_version_0(struct parts *p) { p->service->meta->version = 0; }

static void number_0(struct parts *p) { p->rollout.number = 0; }
static void number_too_new(struct parts *p) { p->rollout.number = 8; }
static void since_before_time(struct parts *p) { p->rollout.since = -1; }
static void state_unknown(struct parts *p) { p->rollout.state = (Pb__RolloutState) 3; }
static void done_holds(struct parts *p) { p->rollout.state = PB__ROLLOUT_STATE__DONE; }
static void none_runs(struct parts *p) { p->service->on_update = PB__ON_UPDATE__NONE; p->rollout.n_held = 0; }
static void nodes_order(struct parts *p) { p->reached[0].id = id_c; }
static void node_twice(struct parts *p) { p->reached[0].id = id_b; }
static void node_state(struct parts *p) { p->reached[0].state = (Pb__RolloutNodeState) 9; }
static void node_id(struct parts *p) { p->reached[0].id = "a"; }
static void held_twice(struct parts *p) { p->rollout.n_held = 2; }
static void held_not_granted(struct parts *p) { p->service->n_grants = 0; }
static void held_not_there(struct parts *p) { p->held[0].revision = 3; }
static void held_is_new(struct parts *p) { p->held[0].revision = 5; }
static void held_kind(struct parts *p) { p->held[0].kind = (Pb__Kind) 2; }
static void held_other_kind(struct parts *p) { p->held[0].kind = PB__KIND__CONFIG; }
static void held_id(struct parts *p) { p->held[0].object_id = ""; }

static void usage_empty(struct parts *p) { p->usage.n_uses = 0; }
static void usage_without_node(struct parts *p) { p->usage.node_id = id_b; }
static void usage_twice(struct parts *p) { p->snapshot.n_usages = 2; }
static void usage_rule(struct parts *p) { p->use.unit = "*.service"; }

static ProtobufCMessageUnknownField unknown = { 1000, PROTOBUF_C_WIRE_TYPE_VARINT, 1, (uint8_t *) "\1" };

static void add_unknown(ProtobufCMessage *message)
{
    message->unknown_fields = &unknown;
    message->n_unknown_fields = 1;
}

static void rollout_unknown(struct parts *p) { add_unknown(&p->rollout.base); }
static void held_unknown(struct parts *p) { add_unknown(&p->held[0].base); }
static void node_unknown(struct parts *p) { add_unknown(&p->reached[0].base); }
static void grant_unknown(struct parts *p) { add_unknown(&p->service->grants[0]->base); }
static void others_unknown(struct parts *p)
{
    add_unknown(&p->service->base);
    add_unknown(&p->usage.base);
    add_unknown(&p->use.base);
    add_unknown(&p->former[0]->base);
}

static void test_parts(void)
{
    static void (*const good[])(struct parts *) = {
        as_it_is, other_order, stopped, done_holds_nothing, none_and_done, many_former, use_of_what_is_gone, nothing_reached, others_unknown,
    };
    static void (*const bad[])(struct parts *) = {
        former_too_many, former_order, former_twice, former_is_new, former_without_update, revised_without_update, former_before_time,
        revised_before_time, former_too_large, grants_nothing_there, grants_other_kind, service_rule, service_name_twice, service_id_twice,
        service_too_new, service_version_0, number_0, number_too_new, since_before_time, state_unknown, done_holds, none_runs, nodes_order,
        node_twice, node_state, node_id, held_twice, held_not_granted, held_not_there, held_is_new, held_kind, held_other_kind, held_id,
        usage_empty, usage_without_node, usage_twice, usage_rule, rollout_unknown, held_unknown, node_unknown, grant_unknown,
    };

    for (size_t i = 0; i < ELEMENTSOF(good); i++)
        CHECK_OK(restore(good[i]));
    for (size_t i = 0; i < ELEMENTSOF(bad); i++)
        if (restore(bad[i]) != -EBADMSG) {
            (void) fprintf(stderr, "number %zu of what is bad was taken\n", i);
            exit(1);
        }
}

static void test_many_services(void)
{
    static Pb__Service services[STORE_SERVICES_MAX + 1], *pointers[STORE_SERVICES_MAX + 1];
    static Pb__Meta metas[STORE_SERVICES_MAX + 1];
    static char ids[STORE_SERVICES_MAX + 1][STORE_ID_LEN + 1];
    _cleanup_(store_freep) struct store *s = store_new();
    Pb__Snapshot snapshot = PB__SNAPSHOT__INIT;
    void *data;
    size_t size;

    for (unsigned i = 0; i <= STORE_SERVICES_MAX; i++) {
        pb__meta__init(&metas[i]);
        metas[i].id = (char *) fixture_id('s', i, ids[i]);
        metas[i].version = 1;
        pb__service__init(&services[i]);
        services[i].meta = &metas[i];
        services[i].name = ids[i];
        services[i].unit = "web.service";
        services[i].parallelism = 1;
        pointers[i] = &services[i];
    }
    snapshot.version = 1;
    snapshot.services = pointers;
    for (unsigned over = 0; over < 2; over++) {
        snapshot.n_services = STORE_SERVICES_MAX + over;
        CHECK_OK(frame_encode("sws", &snapshot.base, FRAME_MAX, &data, &size));
        CHECK(store_restore(s, data, size) == (over ? -EBADMSG : 0));
        free(data);
    }
    CHECK(store_n_services(s) == STORE_SERVICES_MAX);
}

int main(void)
{
    (void) fixture_id('a', 1, id_a);
    (void) fixture_id('b', 2, id_b);
    (void) fixture_id('c', 3, id_c);
    test_parts();
    test_many_services();
    return 0;
}
