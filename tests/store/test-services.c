/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Services, their rollouts, and what nodes say that their units use. */
#include <errno.h>
#include <string.h>

#include "../test.h"
#include "fixture.h"
#include "store/service.h"

static char id_a[STORE_ID_LEN + 1], id_b[STORE_ID_LEN + 1], id_c[STORE_ID_LEN + 1], id_s[STORE_ID_LEN + 1], id_d[STORE_ID_LEN + 1];
static uint8_t filler[STORE_CONFIG_MAX];

static int put(struct store *s, Pb__Service *service)
{
    return fixture_propose(s, fixture_put_service_command(service));
}

static const Pb__Service *find(const struct store *s, const char *id_or_name)
{
    const Pb__Service *service = NULL;

    CHECK_OK(store_find_service(s, id_or_name, &service));
    return service;
}

static uint64_t version_of(const struct store *s, const char *id)
{
    return find(s, id)->meta->version;
}

static Pb__Service *granting(const char *id, uint64_t version, const char *name)
{
    Pb__Service *service = fixture_service(id, version, name, "web.service");

    fixture_grant(service, PB__KIND__SECRET, id_a, "password");
    return service;
}

/* A secret and a config of id_a, and a worker. */
static struct store *furnished(void)
{
    struct store *s = store_new();

    CHECK(s);
    CHECK_OK(fixture_create(s, PB__KIND__SECRET, id_a, "secret", "old", 3));
    CHECK_OK(fixture_create(s, PB__KIND__CONFIG, id_a, "config", "old", 3));
    CHECK_OK(fixture_put_node(s, id_a, 0, "w1"));
    return s;
}

static int update(struct store *s, Pb__Kind kind, const char *data, int64_t now)
{
    return fixture_propose(s, fixture_update_command(kind, id_a, store_object(s, kind, id_a)->meta->version, data, strlen(data), now));
}

static void check_restores(const struct store *s)
{
    _cleanup_(store_freep) struct store *t = store_new();
    _cleanup_(image_done) struct image image = fixture_image(s);

    CHECK_OK(store_restore(t, image.data, image.size));
    CHECK(fixture_is(t, &image));
    CHECK(store_n_services(t) == store_n_services(s));
}

static void test_put(void)
{
    _cleanup_(store_freep) struct store *s = furnished();
    const Pb__Service *found = NULL;

    CHECK(store_n_services(s) == 0 && !store_service_at(s, 0) && store_find_service(s, "web", &found) == -ENOENT && !found);
    CHECK(put(s, granting(id_s, 1, "web")) == -ENOENT); /* nothing to update */
    CHECK_OK(put(s, granting(id_s, 0, "web")));
    CHECK(fixture_changed == STORE_CHANGED_SERVICES);
    CHECK(put(s, granting(id_s, 0, "other")) == -EEXIST && put(s, granting(id_d, 0, "web")) == -EEXIST);
    CHECK_OK(put(s, granting(id_d, 0, "db")));
    CHECK(store_n_services(s) == 2 && store_service_at(s, 0) == find(s, "web") && store_service_at(s, 1) == find(s, id_d));
    CHECK(find(s, "web")->meta->version == 4 && strcmp(find(s, "db")->unit, "web.service") == 0);
    CHECK(!store_service_at(s, 2));
    CHECK(put(s, granting(id_s, 3, "web")) == -ESTALE);
    /* a new name, which leaves the old one to others */
    CHECK(put(s, granting(id_s, 4, "db")) == -EEXIST);
    CHECK_OK(put(s, granting(id_s, 4, "front")));
    CHECK(store_find_service(s, "web", &found) == -ENOENT && strcmp(find(s, "front")->meta->id, id_s) == 0);
    CHECK(find(s, id_s)->meta->created == 1700000000000000 && find(s, id_s)->meta->updated == 1700000000000004);
    CHECK_OK(put(s, granting(id_d, 5, "web")));
    check_restores(s);

    CHECK(fixture_propose(s, fixture_remove_service_command("web")) == -EINVAL);
    CHECK(fixture_propose(s, fixture_remove_service_command(id_c)) == -ENOENT);
    CHECK_OK(fixture_propose(s, fixture_remove_service_command(id_s)));
    CHECK(fixture_changed == STORE_CHANGED_SERVICES);
    CHECK(store_n_services(s) == 1 && store_find_service(s, "front", &found) == -ENOENT && find(s, "web"));
    CHECK(fixture_propose(s, fixture_remove_service_command(id_s)) == -ENOENT);
    CHECK_OK(put(s, granting(id_s, 0, "front")));
}

static void test_find(void)
{
    _cleanup_(store_freep) struct store *s = furnished();
    const Pb__Service *found = NULL;

    CHECK_OK(put(s, granting("abcde00000000000000000000", 0, "first")));
    CHECK_OK(put(s, granting("abcdf00000000000000000000", 0, "abc")));
    CHECK(store_find_service(s, "abcd", &found) == -ENOTUNIQ && store_find_service(s, "", &found) == -ENOENT && !found);
    CHECK(find(s, "abcde") == find(s, "first") && find(s, "abc") == find(s, "abcdf00000000000000000000"));
}

static void test_grants(void)
{
    _cleanup_(store_freep) struct store *s = furnished();
    Pb__Service *service = fixture_service(id_s, 0, "web", "web.service");

    fixture_grant(service, PB__KIND__SECRET, id_b, "b");
    CHECK(put(s, service) == -ENOENT && store_n_services(s) == 0);
    service = fixture_service(id_s, 0, "web", "web.service");
    fixture_grant(service, PB__KIND__CONFIG, id_a, "a");
    fixture_grant(service, PB__KIND__CONFIG, id_a, "again");
    CHECK_OK(put(s, service));
    CHECK_OK(put(s, granting(id_d, 0, "db")));
    CHECK(store_service_granting(s, PB__KIND__CONFIG, id_a) == find(s, id_s));
    CHECK(store_service_granting(s, PB__KIND__SECRET, id_a) == find(s, id_d) && !store_service_granting(s, PB__KIND__SECRET, id_b));
    /* what is granted stays */
    CHECK(fixture_remove(s, PB__KIND__CONFIG, id_a) == -EBUSY && fixture_remove(s, PB__KIND__SECRET, id_a) == -EBUSY);
    CHECK_OK(put(s, fixture_service(id_s, version_of(s, id_s), "web", "web.service"))); /* a service without grants */
    CHECK_OK(fixture_remove(s, PB__KIND__CONFIG, id_a));
    CHECK_OK(fixture_propose(s, fixture_remove_service_command(id_d)));
    CHECK_OK(fixture_remove(s, PB__KIND__SECRET, id_a));
    check_restores(s);
}

static char long_text[SERVICE_UNIT_AND_CREDENTIAL_MAX + 1];

static void no_meta(Pb__Service *v) { v->meta = NULL; }
static void no_name(Pb__Service *v) { v->name = ""; }
static void name_slash(Pb__Service *v) { v->name = "a/b"; }
static void no_unit(Pb__Service *v) { v->unit = ""; }
static void unit_timer(Pb__Service *v) { v->unit = "web.timer"; }
static void unit_star(Pb__Service *v) { v->unit = "*"; }
static void unit_template(Pb__Service *v) { v->unit = "web@.service"; }
static void on_update_unknown(Pb__Service *v) { v->on_update = (Pb__OnUpdate) 3; }
static void on_update_negative(Pb__Service *v) { v->on_update = (Pb__OnUpdate) -1; }
static void parallelism_none(Pb__Service *v) { v->parallelism = 0; }
static void parallelism_high(Pb__Service *v) { v->parallelism = STORE_PARALLELISM_MAX + 1; }
static void age_high(Pb__Service *v) { v->max_age = STORE_AGE_MAX + 1; }
static void label_twice(Pb__Service *v)
{
    Pb__Label *labels[] = { v->labels[0], v->labels[0] };
    static Pb__Label *kept[2];

    memcpy(kept, labels, sizeof(kept));
    v->labels = kept;
    v->n_labels = 2;
}
static void constraint_key(Pb__Service *v) { fixture_constrain(v, "node.ip", false, "x"); }
static void constraint_role(Pb__Service *v) { fixture_constrain(v, "node.role", false, "boss"); }
static void grant_kind(Pb__Service *v) { fixture_grant(v, (Pb__Kind) 2, id_a, "x"); }
static void grant_id(Pb__Service *v) { fixture_grant(v, PB__KIND__SECRET, "secret", "x"); }
static void grant_name(Pb__Service *v) { fixture_grant(v, PB__KIND__SECRET, id_a, "../x"); }
static void grant_no_name(Pb__Service *v) { fixture_grant(v, PB__KIND__SECRET, id_a, ""); }
static void grant_twice(Pb__Service *v)
{
    fixture_grant(v, PB__KIND__SECRET, id_a, "x");
    fixture_grant(v, PB__KIND__CONFIG, id_a, "x");
}
static void with_rollout(Pb__Service *v)
{
    static Pb__Rollout rollout;

    pb__rollout__init(&rollout);
    v->rollout = &rollout;
}

static ProtobufCMessageUnknownField unknown = { 1000, PROTOBUF_C_WIRE_TYPE_VARINT, 1, (uint8_t *) "\1" };

static void constraint_unknown(Pb__Service *v)
{
    fixture_constrain(v, "node.role", false, "worker");
    v->constraints[0]->base.unknown_fields = &unknown;
    v->constraints[0]->base.n_unknown_fields = 1;
}
static void grant_unknown(Pb__Service *v)
{
    fixture_grant(v, PB__KIND__SECRET, id_a, "x");
    v->grants[0]->base.unknown_fields = &unknown;
    v->grants[0]->base.n_unknown_fields = 1;
}
static void service_unknown(Pb__Service *v)
{
    v->base.unknown_fields = &unknown;
    v->base.n_unknown_fields = 1;
}
static void constraints_too_many(Pb__Service *v)
{
    for (unsigned i = 0; i <= STORE_CONSTRAINTS_MAX; i++)
        fixture_constrain(v, "node.role", false, "worker");
}
static void grants_too_many(Pb__Service *v)
{
    static char names[STORE_GRANTS_MAX + 1][8];

    for (unsigned i = 0; i <= STORE_GRANTS_MAX; i++) {
        (void) snprintf(names[i], sizeof(names[i]), "c%u", i);
        fixture_grant(v, PB__KIND__SECRET, id_a, names[i]);
    }
}
static void grant_does_not_fit(Pb__Service *v)
{
    memset(long_text, 'c', sizeof(long_text));
    long_text[SERVICE_UNIT_AND_CREDENTIAL_MAX - strlen(v->unit) + 1] = '\0';
    fixture_grant(v, PB__KIND__SECRET, id_a, long_text);
}
static void grant_just_fits(Pb__Service *v)
{
    grant_does_not_fit(v);
    long_text[SERVICE_UNIT_AND_CREDENTIAL_MAX - strlen(v->unit)] = '\0';
}
static void edges(Pb__Service *v)
{
    grants_too_many(v);
    v->n_grants--;
    constraints_too_many(v);
    v->n_constraints--;
    v->parallelism = STORE_PARALLELISM_MAX;
    v->max_age = STORE_AGE_MAX;
}

static int put_varied(struct store *s, void (*vary)(Pb__Service *v))
{
    Pb__Service *service = fixture_service(id_s, 0, "web", "web.service");

    vary(service);
    return put(s, service);
}

static void test_rules(void)
{
    static void (*const invalid[])(Pb__Service *) = {
        no_meta, no_name, name_slash, no_unit, unit_timer, unit_star, unit_template, on_update_unknown, on_update_negative, parallelism_none,
        parallelism_high, age_high, label_twice, constraint_key, constraint_role, constraint_unknown, grant_kind, grant_id, grant_name,
        grant_no_name, grant_twice, grant_unknown, with_rollout,
    };
    static void (*const big[])(Pb__Service *) = { constraints_too_many, grants_too_many, grant_does_not_fit };
    static void (*const good[])(Pb__Service *) = { grant_just_fits, edges, service_unknown };
    _cleanup_(store_freep) struct store *s = furnished();

    CHECK(put(s, NULL) == -EINVAL);
    for (size_t i = 0; i < ELEMENTSOF(invalid); i++)
        CHECK(put_varied(s, invalid[i]) == -EINVAL);
    for (size_t i = 0; i < ELEMENTSOF(big); i++)
        CHECK(put_varied(s, big[i]) == -EMSGSIZE);
    CHECK(store_n_services(s) == 0);
    for (size_t i = 0; i < ELEMENTSOF(good); i++) {
        CHECK_OK(put_varied(s, good[i]));
        check_restores(s);
        CHECK_OK(fixture_propose(s, fixture_remove_service_command(id_s)));
    }
}

static void test_count(void)
{
    _cleanup_(store_freep) struct store *s = store_new();
    char id[STORE_ID_LEN + 1], name[16];

    for (unsigned i = 0; i < STORE_SERVICES_MAX; i++) {
        (void) snprintf(name, sizeof(name), "s%u", i * 7919 % STORE_SERVICES_MAX);
        CHECK_OK(put(s, fixture_service(fixture_id('x', i, id), 0, name, "web.service")));
    }
    CHECK(put(s, fixture_service(fixture_id('x', STORE_SERVICES_MAX, id), 0, "more", "web.service")) == -EDQUOT);
    CHECK_OK(put(s, fixture_service(fixture_id('x', 0, id), 1, "more", "web.service")));
    CHECK(store_n_services(s) == STORE_SERVICES_MAX);
    check_restores(s);
}

/* Of the service id_s. */
static const Pb__Rollout *rollout(const struct store *s)
{
    return find(s, id_s)->rollout;
}

static int set(struct store *s, uint64_t number, Pb__RolloutState state, int64_t now, const char *reached)
{
    Pb__Command command = fixture_set_rollout_command(id_s, number, state, now);

    if (reached)
        fixture_reach(&command, reached, PB__ROLLOUT_NODE_STATE__WORKING, "");
    return fixture_propose(s, command);
}

static uint64_t revision(const struct store *s, Pb__Kind kind, const char *node_id)
{
    return service_revision(find(s, id_s), store_object(s, kind, id_a), node_id);
}

static void test_rollout(void)
{
    _cleanup_(store_freep) struct store *s = furnished();
    uint64_t number;

    CHECK_OK(put(s, granting(id_s, 0, "web")));
    CHECK(!rollout(s) && revision(s, PB__KIND__SECRET, id_a) == 0);
    CHECK(set(s, 0, PB__ROLLOUT_STATE__DONE, 1, NULL) == -ESTALE && set(s, 4, PB__ROLLOUT_STATE__DONE, 1, NULL) == -ESTALE);
    /* one that is not granted moves nothing */
    CHECK_OK(update(s, PB__KIND__CONFIG, "new", 50));
    CHECK(fixture_changed == STORE_CHANGED_OBJECTS && !rollout(s));
    CHECK_OK(update(s, PB__KIND__SECRET, "new", 60));
    CHECK(fixture_changed == (STORE_CHANGED_OBJECTS | STORE_CHANGED_SERVICES));
    number = rollout(s)->number;
    CHECK(number == 6 && rollout(s)->state == PB__ROLLOUT_STATE__RUNNING && rollout(s)->since == 60 && rollout(s)->n_nodes == 0);
    CHECK(rollout(s)->n_held == 1 && rollout(s)->held[0]->revision == 0 && strcmp(rollout(s)->held[0]->object_id, id_a) == 0);
    CHECK(version_of(s, id_s) == 4); /* nobody's update of the service is out of date */
    CHECK(revision(s, PB__KIND__SECRET, id_a) == 0 && revision(s, PB__KIND__SECRET, id_b) == 0);
    check_restores(s);

    CHECK(set(s, number - 1, PB__ROLLOUT_STATE__RUNNING, 70, id_b) == -ESTALE && set(s, number + 1, PB__ROLLOUT_STATE__DONE, 70, NULL) == -ESTALE);
    CHECK_OK(set(s, number, PB__ROLLOUT_STATE__RUNNING, 70, id_b));
    CHECK(fixture_changed == STORE_CHANGED_SERVICES && rollout(s)->since == 60);
    CHECK(revision(s, PB__KIND__SECRET, id_a) == 0 && revision(s, PB__KIND__SECRET, id_b) == 1 && revision(s, PB__KIND__SECRET, id_c) == 0);
    CHECK_OK(set(s, number, PB__ROLLOUT_STATE__STOPPED, 80, id_b));
    CHECK(rollout(s)->since == 80 && revision(s, PB__KIND__SECRET, id_a) == 0 && revision(s, PB__KIND__SECRET, id_b) == 1);
    check_restores(s);
    CHECK_OK(set(s, number, PB__ROLLOUT_STATE__RUNNING, 90, id_a)); /* again: what is said replaces what was */
    CHECK(revision(s, PB__KIND__SECRET, id_a) == 1 && revision(s, PB__KIND__SECRET, id_b) == 0);
    CHECK_OK(set(s, number, PB__ROLLOUT_STATE__DONE, 100, NULL));
    CHECK(rollout(s)->n_held == 0 && rollout(s)->since == 100 && revision(s, PB__KIND__SECRET, id_c) == 1);
    CHECK(set(s, number, PB__ROLLOUT_STATE__RUNNING, 110, NULL) == -ESTALE && set(s, number, PB__ROLLOUT_STATE__STOPPED, 110, NULL) == -ESTALE);
    CHECK_OK(set(s, number, PB__ROLLOUT_STATE__DONE, 120, id_b));
    CHECK(rollout(s)->since == 100 && rollout(s)->n_nodes == 1);
    check_restores(s);
}

static void test_rollout_nodes(void)
{
    _cleanup_(store_freep) struct store *s = furnished();
    char long_line[STORE_ROLLOUT_TEXT_MAX + 2], ids[STORE_NODES_MAX + 1][STORE_ID_LEN + 1];
    static Pb__RolloutNode nodes[STORE_NODES_MAX + 1], *pointers[STORE_NODES_MAX + 1];
    Pb__Command command;
    uint64_t number;

    CHECK_OK(put(s, granting(id_s, 0, "web")));
    CHECK_OK(update(s, PB__KIND__SECRET, "new", 60));
    number = rollout(s)->number;
    memset(long_line, 'x', sizeof(long_line));
    long_line[STORE_ROLLOUT_TEXT_MAX + 1] = '\0';
    static const struct {
        const char *id, *text;
        int state, error;
    } bad[] = {
        { "short", "", 0, -EINVAL },
        { "a000000000000000000000001", "two\nlines", 2, -EINVAL },
        { "a000000000000000000000001", "\x1b[2J", 2, -EINVAL },
        { "a000000000000000000000001", "\xff", 2, -EINVAL },
        { "a000000000000000000000001", "", 3, -EINVAL },
        { "a000000000000000000000001", "", -1, -EINVAL },
        { "a000000000000000000000001", NULL, 2, -EMSGSIZE },
    };
    for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
        command = fixture_set_rollout_command(id_s, number, PB__ROLLOUT_STATE__RUNNING, 1);
        fixture_reach(&command, bad[i].id, (Pb__RolloutNodeState) bad[i].state, bad[i].text ? bad[i].text : long_line);
        CHECK(fixture_propose(s, command) == bad[i].error);
    }
    CHECK(set(s, number, (Pb__RolloutState) 3, 1, NULL) == -EINVAL && set(s, number, PB__ROLLOUT_STATE__RUNNING, -1, NULL) == -EINVAL);
    command = fixture_set_rollout_command("short", number, PB__ROLLOUT_STATE__RUNNING, 1);
    CHECK(fixture_propose(s, command) == -EINVAL);
    command = fixture_set_rollout_command(id_d, number, PB__ROLLOUT_STATE__RUNNING, 1);
    CHECK(fixture_propose(s, command) == -ENOENT);
    /* a node twice, not side by side */
    command = fixture_set_rollout_command(id_s, number, PB__ROLLOUT_STATE__RUNNING, 1);
    fixture_reach(&command, id_b, PB__ROLLOUT_NODE_STATE__WORKING, "");
    fixture_reach(&command, id_a, PB__ROLLOUT_NODE_STATE__SUCCEEDED, "");
    fixture_reach(&command, id_b, PB__ROLLOUT_NODE_STATE__FAILED, "");
    CHECK(fixture_propose(s, command) == -EINVAL && rollout(s)->n_nodes == 0);
    /* they are put in order */
    long_line[STORE_ROLLOUT_TEXT_MAX] = '\0';
    command = fixture_set_rollout_command(id_s, number, PB__ROLLOUT_STATE__STOPPED, 1);
    fixture_reach(&command, id_c, PB__ROLLOUT_NODE_STATE__FAILED, long_line);
    fixture_reach(&command, id_a, PB__ROLLOUT_NODE_STATE__SUCCEEDED, "");
    fixture_reach(&command, id_b, PB__ROLLOUT_NODE_STATE__WORKING, "");
    CHECK_OK(fixture_propose(s, command));
    CHECK(rollout(s)->n_nodes == 3 && strcmp(rollout(s)->nodes[0]->id, id_a) == 0 && strcmp(rollout(s)->nodes[2]->text, long_line) == 0);
    check_restores(s);
    /* as many as there can be */
    for (unsigned i = 0; i <= STORE_NODES_MAX; i++) {
        pb__rollout_node__init(&nodes[i]);
        nodes[i].id = (char *) fixture_id('n', i, ids[i]);
        pointers[STORE_NODES_MAX - i] = &nodes[i];
    }
    for (unsigned over = 2; over-- > 0;) {
        command = fixture_set_rollout_command(id_s, number, PB__ROLLOUT_STATE__RUNNING, 1);
        command.set_rollout->nodes = pointers;
        command.set_rollout->n_nodes = STORE_NODES_MAX + over;
        CHECK(fixture_propose(s, command) == (over ? -EMSGSIZE : 0));
    }
    for (unsigned i = 1; i <= STORE_NODES_MAX; i++)
        CHECK(revision(s, PB__KIND__SECRET, ids[i]) == 1);
    CHECK(revision(s, PB__KIND__SECRET, ids[0]) == 0);
    check_restores(s);
}

/* An update that mends a failed one: those not reached go on with what they had before both. */
static void test_mending(void)
{
    _cleanup_(store_freep) struct store *s = furnished();
    Pb__Service *both = granting(id_s, 0, "web");
    uint64_t number;

    fixture_grant(both, PB__KIND__CONFIG, id_a, "config");
    CHECK_OK(put(s, both));
    CHECK_OK(update(s, PB__KIND__SECRET, "good", 10));
    CHECK_OK(set(s, rollout(s)->number, PB__ROLLOUT_STATE__DONE, 11, NULL));
    CHECK_OK(update(s, PB__KIND__SECRET, "bad", 20));
    number = rollout(s)->number;
    CHECK_OK(set(s, number, PB__ROLLOUT_STATE__STOPPED, 21, id_b));
    CHECK_OK(update(s, PB__KIND__SECRET, "mended", 30));
    CHECK(rollout(s)->number == number + 2 && rollout(s)->state == PB__ROLLOUT_STATE__RUNNING && rollout(s)->n_nodes == 0);
    CHECK(rollout(s)->n_held == 1 && rollout(s)->held[0]->revision == 1);
    CHECK(revision(s, PB__KIND__SECRET, id_b) == 1 && revision(s, PB__KIND__SECRET, id_c) == 1);
    CHECK(memcmp(store_object_data(store_object(s, PB__KIND__SECRET, id_a), 1)->data, "good", 4) == 0);
    /* of what a running one holds nothing is let go by another object's */
    CHECK_OK(fixture_propose(s, fixture_prune_command(PB__KIND__SECRET, id_a)));
    CHECK_OK(update(s, PB__KIND__CONFIG, "new", 40));
    CHECK(rollout(s)->n_held == 2 && rollout(s)->held[0]->kind == PB__KIND__SECRET && rollout(s)->held[1]->kind == PB__KIND__CONFIG);
    CHECK(store_object(s, PB__KIND__SECRET, id_a)->n_former == 1 && rollout(s)->held[0]->revision == 1);
    check_restores(s);
    CHECK_OK(set(s, rollout(s)->number, PB__ROLLOUT_STATE__DONE, 41, NULL));
    CHECK_OK(fixture_propose(s, fixture_prune_command(PB__KIND__SECRET, id_a)));
    CHECK(store_object(s, PB__KIND__SECRET, id_a)->n_former == 0 && !store_object_data(store_object(s, PB__KIND__SECRET, id_a), 1));
}

static void test_wanted(void)
{
    _cleanup_(store_freep) struct store *s = furnished();
    Pb__Service *service = granting(id_s, 0, "web"), *none = granting(id_d, 0, "none");

    none->on_update = PB__ON_UPDATE__NONE;
    CHECK_OK(put(s, none));
    service = granting(id_s, 0, "web");
    fixture_constrain(service, "node.hostname", false, "w9");
    CHECK_OK(put(s, service));
    CHECK_OK(update(s, PB__KIND__SECRET, "new", 10)); /* nobody to reach, nobody who wants it */
    CHECK(fixture_changed == STORE_CHANGED_OBJECTS && !rollout(s) && !find(s, id_d)->rollout);
    CHECK_OK(fixture_put_node(s, id_b, 0, "w9"));
    CHECK_OK(update(s, PB__KIND__SECRET, "newer", 20));
    CHECK(rollout(s) && !find(s, id_d)->rollout);
}

/* What an update of the service leaves of its rollout. */
static void test_followed(void)
{
    _cleanup_(store_freep) struct store *s = furnished();
    Pb__Service *service = granting(id_s, 0, "web");
    uint64_t number;

    fixture_grant(service, PB__KIND__CONFIG, id_a, "config");
    CHECK_OK(put(s, service));
    CHECK_OK(update(s, PB__KIND__CONFIG, "new", 10));
    CHECK_OK(update(s, PB__KIND__SECRET, "new", 10));
    number = rollout(s)->number;
    CHECK_OK(set(s, number, PB__ROLLOUT_STATE__RUNNING, 20, id_b));
    /* the config is granted no longer, so it may go */
    CHECK_OK(put(s, granting(id_s, version_of(s, id_s), "web")));
    CHECK(rollout(s)->number == number && rollout(s)->n_held == 1 && rollout(s)->held[0]->kind == PB__KIND__SECRET);
    CHECK(rollout(s)->n_nodes == 1 && rollout(s)->state == PB__ROLLOUT_STATE__RUNNING);
    CHECK_OK(fixture_remove(s, PB__KIND__CONFIG, id_a));
    check_restores(s);
    /* nobody waits for a rollout any more: the rest is loaded when a unit starts */
    service = granting(id_s, version_of(s, id_s), "web");
    service->on_update = PB__ON_UPDATE__NONE;
    CHECK_OK(put(s, service));
    CHECK(rollout(s)->number == number && rollout(s)->state == PB__ROLLOUT_STATE__DONE && rollout(s)->n_held == 0);
    CHECK(rollout(s)->since == find(s, id_s)->meta->updated && rollout(s)->n_nodes == 1);
    CHECK(revision(s, PB__KIND__SECRET, id_a) == 1);
    CHECK(set(s, number, PB__ROLLOUT_STATE__RUNNING, 30, NULL) == -ESTALE);
    check_restores(s);
    CHECK_OK(fixture_propose(s, fixture_remove_service_command(id_s)));
    CHECK_OK(fixture_remove(s, PB__KIND__SECRET, id_a));
}

static void test_usage(void)
{
    _cleanup_(store_freep) struct store *s = furnished();
    Pb__Command command = fixture_put_usage_command(id_a);

    CHECK(!store_usage(s, id_a));
    fixture_use(&command, "a.service", "one", PB__KIND__SECRET, id_a, 0);
    fixture_use(&command, "a.service", "two", PB__KIND__SECRET, id_c, 7); /* of one that is gone */
    fixture_use(&command, "b.service", "one", PB__KIND__CONFIG, id_a, 0);
    CHECK_OK(fixture_propose(s, command));
    CHECK(fixture_changed == STORE_CHANGED_USAGE);
    CHECK(store_usage(s, id_a)->n_uses == 3 && strcmp(store_usage(s, id_a)->uses[1]->credential, "two") == 0 && !store_usage(s, id_b));
    check_restores(s);
    command = fixture_put_usage_command(id_b);
    fixture_use(&command, "a.service", "one", PB__KIND__SECRET, id_a, 0);
    CHECK(fixture_propose(s, command) == -ENOENT && fixture_propose(s, fixture_put_usage_command(id_b)) == -ENOENT);
    command = fixture_put_usage_command(id_a);
    fixture_use(&command, "c.service", "one", PB__KIND__SECRET, id_a, 0);
    CHECK_OK(fixture_propose(s, command));
    CHECK(store_usage(s, id_a)->n_uses == 1 && strcmp(store_usage(s, id_a)->uses[0]->unit, "c.service") == 0);
    /* it goes with an empty one, and with the node */
    CHECK_OK(fixture_propose(s, fixture_put_usage_command(id_a)));
    CHECK(fixture_changed == STORE_CHANGED_USAGE && !store_usage(s, id_a));
    CHECK_OK(fixture_propose(s, fixture_put_usage_command(id_a)));
    CHECK_OK(fixture_put_node(s, id_b, 0, "w2"));
    command = fixture_put_usage_command(id_b);
    fixture_use(&command, "a.service", "one", PB__KIND__SECRET, id_a, 0);
    CHECK_OK(fixture_propose(s, command));
    CHECK_OK(fixture_remove_node(s, id_b, 9, 1));
    CHECK(fixture_changed == (STORE_CHANGED_NODES | STORE_CHANGED_REMOVED | STORE_CHANGED_USAGE) && !store_usage(s, id_b));
    CHECK_OK(fixture_remove_node(s, id_a, 9, 1));
    CHECK(fixture_changed == (STORE_CHANGED_NODES | STORE_CHANGED_REMOVED));
    check_restores(s);
}

static int put_uses(struct store *s, const char *unit, const char *credential, const char *unit_2, const char *credential_2)
{
    Pb__Command command = fixture_put_usage_command(id_a);

    fixture_use(&command, unit, credential, PB__KIND__SECRET, id_a, 0);
    fixture_use(&command, unit_2, credential_2, PB__KIND__SECRET, id_a, 0);
    return fixture_propose(s, command);
}

static void test_usage_rules(void)
{
    static Pb__UnitUse uses[STORE_USES_MAX + 1], *pointers[STORE_USES_MAX + 1];
    static char names[STORE_USES_MAX + 1][16];
    _cleanup_(store_freep) struct store *s = furnished();
    Pb__Command command;

    CHECK(fixture_propose(s, fixture_put_usage_command("short")) == -EINVAL);
    CHECK_OK(put_uses(s, "a.service", "a", "a.service", "b"));
    CHECK_OK(put_uses(s, "a.service", "b", "b.service", "a"));
    CHECK(put_uses(s, "a.service", "b", "a.service", "a") == -EINVAL && put_uses(s, "b.service", "a", "a.service", "a") == -EINVAL);
    CHECK(put_uses(s, "a.service", "a", "a.service", "a") == -EINVAL);
    CHECK(put_uses(s, "*.service", "a", "a.service", "a") == -EINVAL && put_uses(s, "a", "a", "a.service", "a") == -EINVAL);
    CHECK(put_uses(s, "a.service", "", "a.service", "a") == -EINVAL && put_uses(s, "a.service", "/", "a.service", "a") == -EINVAL);
    for (unsigned what = 0; what < 4; what++) {
        command = fixture_put_usage_command(id_a);
        fixture_use(&command, "a.service", "a", PB__KIND__SECRET, id_a, 0);
        Pb__UnitUse *use = command.put_usage->usage->uses[0];
        switch (what) {
        case 0: use->kind = (Pb__Kind) 2; break;
        case 1: use->object_id = "short"; break;
        case 2: use->service_id = ""; break;
        default: use->loaded = -1;
        }
        CHECK(fixture_propose(s, command) == -EINVAL);
    }
    for (unsigned i = 0; i <= STORE_USES_MAX; i++) {
        pb__unit_use__init(&uses[i]);
        (void) snprintf(names[i], sizeof(names[i]), "%04u.service", i);
        uses[i].unit = names[i];
        uses[i].credential = "x";
        uses[i].service_id = uses[i].object_id = id_a;
        pointers[i] = &uses[i];
    }
    for (unsigned over = 2; over-- > 0;) {
        command = fixture_put_usage_command(id_a);
        command.put_usage->usage->uses = pointers;
        command.put_usage->usage->n_uses = STORE_USES_MAX + over;
        CHECK(fixture_propose(s, command) == (over ? -EMSGSIZE : 0));
    }
    check_restores(s);
}

/* A full store lets nothing in that makes it larger, but progress and what makes it smaller. */
static void test_full(void)
{
    _cleanup_(store_freep) struct store *s = furnished();
    Pb__Command command;
    char name[16], id[STORE_ID_LEN + 1];
    unsigned n = 0;
    size_t size = sizeof(filler);

    CHECK_OK(put(s, granting(id_s, 0, "web")));
    CHECK_OK(update(s, PB__KIND__SECRET, "new", 10));
    command = fixture_put_usage_command(id_a);
    fixture_use(&command, "a.service", "a", PB__KIND__SECRET, id_a, 0);
    CHECK_OK(fixture_propose(s, command));
    for (; size > 0; n++) {
        (void) snprintf(name, sizeof(name), "c%u", n);
        int r = fixture_create(s, PB__KIND__CONFIG, fixture_id('f', n, id), name, filler, size);
        CHECK(r == 0 || r == -EDQUOT);
        if (r < 0)
            size /= 2;
    }
    CHECK(put(s, granting(id_d, 0, "db")) == -EDQUOT);
    Pb__Service *service = granting(id_s, version_of(s, id_s), "web");
    fixture_grant(service, PB__KIND__SECRET, id_a, "a-long-name-for-a-credential-long-enough");
    fixture_grant(service, PB__KIND__CONFIG, id_a, "another-name-for-a-credential-long-enough");
    CHECK(put(s, service) == -EDQUOT);
    CHECK(fixture_propose(s, fixture_update_command(PB__KIND__SECRET, id_a, store_object(s, PB__KIND__SECRET, id_a)->meta->version, filler,
                                                    STORE_SECRET_MAX, 20)) == -EDQUOT);
    command = fixture_put_usage_command(id_a);
    fixture_use(&command, "a.service", "a", PB__KIND__SECRET, id_a, 0);
    fixture_use(&command, "b.service", "a", PB__KIND__SECRET, id_a, 0);
    fixture_use(&command, "c.service", "a", PB__KIND__SECRET, id_a, 0);
    CHECK(fixture_propose(s, command) == -EDQUOT && store_usage(s, id_a)->n_uses == 1);
    check_restores(s);
    command = fixture_set_rollout_command(id_s, rollout(s)->number, PB__ROLLOUT_STATE__STOPPED, 30);
    fixture_reach(&command, id_a, PB__ROLLOUT_NODE_STATE__FAILED, "a text of what went wrong, and there is room for it in any case and whatever happens");
    CHECK_OK(fixture_propose(s, command));
    CHECK_OK(put(s, granting(id_s, version_of(s, id_s), "web")));
    CHECK_OK(fixture_propose(s, fixture_put_usage_command(id_a)));
    CHECK_OK(fixture_remove(s, PB__KIND__CONFIG, fixture_id('f', 0, id)));
    CHECK_OK(put(s, granting(id_d, 0, "db")));
}

int main(void)
{
    (void) fixture_id('a', 1, id_a);
    (void) fixture_id('b', 2, id_b);
    (void) fixture_id('c', 3, id_c);
    (void) fixture_id('s', 4, id_s);
    (void) fixture_id('t', 5, id_d);
    test_put();
    test_find();
    test_grants();
    test_rules();
    test_count();
    test_rollout();
    test_rollout_nodes();
    test_mending();
    test_wanted();
    test_followed();
    test_usage();
    test_usage_rules();
    test_full();
    return 0;
}
