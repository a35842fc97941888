/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a worker's units may load, as it hears it from its manager over real TLS: pushed, kept, dropped, and what of it goes back. */
#include <errno.h>

#include "services.h"
#include "swarm/served_private.h"
#include "swarm/swarm_private.h"

static struct node *const m1 = &nodes[0], *const m2 = &nodes[1], *const w = &nodes[2];
static unsigned served;
static char why[ERROR_TEXT_MAX];

static void on_served(void *data)
{
    served += data == w;
}

/* The size of what the unit gets, or why not. */
static int ask(struct node *n, const char *unit, const char *id, const char *expected)
{
    struct error e = { "" };
    const void *data = NULL;
    size_t size = 0;
    int r = swarm_credential(n->swarm, unit, id, &data, &size, &e);

    (void) snprintf(why, sizeof(why), "%s", e.text);
    if (r < 0)
        return r;
    return size == strlen(expected) && memcmp(data, expected, size) == 0;
}

static void turn_for(unsigned milliseconds)
{
    uint64_t until = uv_hrtime() + milliseconds * UINT64_C(1000000);

    WAIT(uv_hrtime() > until);
}

static void test_granted(void)
{
    CHECK(ask(w, "web.service", "pw", "one") == -ESRCH);
    CHECK_OK(node_init(m1, false, NULL));
    CHECK_OK(put_secret(m1, "pw", "one", 3));
    CHECK_OK(put_service(m1, "web", &(struct grant_spec) { .unit = "web@*.service", .secret = "pw" }));
    CHECK_OK(node_join(w, m1, PB__ROLE__WORKER));
    WAIT(ask(w, "web@1.service", "pw", "one") == 1);
    CHECK(ask(m1, "web@1.service", "pw", "one") == 1);
    CHECK(ask(w, "web.service", "pw", "one") == -EACCES && strstr(why, "--unit web.service --secret pw"));
    CHECK(ask(w, "web@1.service", "other", "one") == -EACCES && strstr(why, "service web"));
    /* a push, not the next heartbeat */
    CHECK_OK(put_secret(m1, "late", "two", 3));
    CHECK_OK(put_service(m1, "late", &(struct grant_spec) { .unit = "late.service", .secret = "late", .constraint = "node.role", .value = "worker" }));
    WAIT(ask(w, "late.service", "late", "two") == 1);
    CHECK(ask(m1, "late.service", "late", "two") == -EACCES);
    CHECK(served_is_complete(w->swarm) && w->swarm->served->cache.n == 2);
}

/* The unit's own service before one that it only falls under. */
static void test_overlap(void)
{
    CHECK_OK(put_service(m1, "own", &(struct grant_spec) { .unit = "web@7.service", .secret = "late" }));
    CHECK_OK(put_service(m1, "all", &(struct grant_spec) { .unit = "*.service", .secret = "late", .max_age = 1 }));
    WAIT(ask(w, "any.service", "late", "two") == 1);
    CHECK(ask(w, "web@7.service", "late", "two") == 1 && ask(w, "web@7.service", "pw", "one") == 1);
    CHECK_OK(remove_service(m1, "all"));
    CHECK_OK(remove_service(m1, "own"));
    WAIT(ask(w, "any.service", "late", "two") == -EACCES && ask(w, "web@7.service", "late", "two") == -EACCES);
}

static const Pb__UnitUse *use_of(const char *unit)
{
    const Pb__Usage *usage = store_usage(swarm_store(m1->swarm), swarm_node_id(w->swarm));

    for (size_t i = 0; usage && i < usage->n_uses; i++)
        if (strcmp(usage->uses[i]->unit, unit) == 0)
            return usage->uses[i];
    return NULL;
}

static const Pb__Object *object(const char *name)
{
    const Pb__Object *o;

    CHECK_OK(store_find_object(swarm_store(m1->swarm), PB__KIND__SECRET, name, &o));
    return o;
}

/* What a unit has stays as long as it has it. */
static void test_update(void)
{
    WAIT(use_of("web@1.service") && use_of("late.service"));
    CHECK_OK(update_secret(m1, "pw", "three", 5));
    WAIT(ask(w, "web@2.service", "pw", "three") == 1);
    WAIT(use_of("web@2.service"));
    CHECK(use_of("web@1.service")->revision == 0 && use_of("web@2.service")->revision == 1);
    CHECK(object("pw")->n_former == 1);
    CHECK(w->swarm->served->cache.n == 2); /* the older one went when the newer had come */
    served_unit_stopped(w->swarm, "web@1.service");
    served_unit_stopped(w->swarm, "web@7.service");
    WAIT(!use_of("web@1.service"));
    CHECK(object("pw")->n_former == 1); /* the manager's own unit has it, too */
    served_unit_stopped(m1->swarm, "web@1.service");
    WAIT(!use_of("web@1.service") && object("pw")->n_former == 0);
    CHECK(use_of("web@2.service"));
}

/* A manager's own units are known to the swarm, too. */
static void test_own_use(void)
{
    const Pb__Usage *usage;

    CHECK(ask(m1, "web@9.service", "pw", "three") == 1);
    WAIT((usage = store_usage(swarm_store(m1->swarm), swarm_node_id(m1->swarm))) != NULL);
    WAIT((usage = store_usage(swarm_store(m1->swarm), swarm_node_id(m1->swarm))) && strcmp(usage->uses[usage->n_uses - 1]->unit, "web@9.service") == 0);
}

/* Nobody fetches what is not granted to it, nor for another. */
static void on_reply(void *data, int result, const Peer__Reply *reply _unused_, const char *text _unused_)
{
    *(int *) data = result;
}

static int fetch(struct node *n, const char *name, uint64_t revision)
{
    Peer__Request request = PEER__REQUEST__INIT;
    Peer__FetchObject ask_for = PEER__FETCH_OBJECT__INIT;
    int result = 1;

    ask_for.object_id = object(name)->meta->id;
    ask_for.revision = revision;
    request.what_case = PEER__REQUEST__WHAT_FETCH_OBJECT;
    request.fetch_object = &ask_for;
    CHECK_OK(peer_call(n->swarm->caller, &request, 3000, true, on_reply, &result));
    WAIT(result <= 0);
    return result;
}

static void test_default_deny(void)
{
    CHECK_OK(put_secret(m1, "hidden", "four", 4));
    CHECK(fetch(w, "hidden", 0) == -EACCES);
    CHECK_OK(put_service(m1, "hidden", &(struct grant_spec) { .unit = "x.service", .secret = "hidden", .constraint = "node.hostname", .value = "m1" }));
    CHECK(fetch(w, "hidden", 0) == -EACCES);
    CHECK(fetch(w, "pw", 0) == -EACCES && fetch(w, "pw", 1) == 0 && fetch(w, "pw", 2) == -EACCES);
}

/* The manager goes: the worker serves what it has, and says so; but not longer than a service wants. */
static void test_cut_off(void)
{
    CHECK_OK(put_service(m1, "short", &(struct grant_spec) { .unit = "short.service", .secret = "pw", .max_age = 3 }));
    WAIT(ask(w, "short.service", "pw", "three") == 1);
    node_stop(m1);
    CHECK(ask(w, "web@3.service", "pw", "three") == 1 && ask(w, "short.service", "pw", "three") == 1);
    turn_for(5500); /* a heartbeat may have been answered when it stopped */
    CHECK(ask(w, "web@3.service", "pw", "three") == 1);
    CHECK(ask(w, "short.service", "pw", "three") == -ETIME && strstr(why, "--max-age 3"));
    WAIT(w->events[SWARM_EVENT_CUT_OFF] == 1);
    CHECK(strstr(swarm_why(w->swarm), "no manager was reached"));
    CHECK(ask(w, "web@3.service", "pw", "three") == 1);
    node_start(m1);
    WAIT(w->events[SWARM_EVENT_CONTACT] == 1);
    CHECK(ask(w, "short.service", "pw", "three") == 1 && swarm_why(w->swarm)[0] == '\0');
}

static void test_restart(void)
{
    const Pb__UnitUse *use;

    node_stop(w);
    node_start(w);
    WAIT(ask(w, "web@2.service", "pw", "three") == 1);
    WAIT((use = use_of("web@2.service")) && use->loaded > 0);
    WAIT(use_of("late.service")); /* loaded before the restart, and known from the file */
}

/* It goes over to its store, and back to hearing. Nobody is refused meanwhile. */
static void test_promoted(void)
{
    CHECK_OK(node_join(m2, m1, PB__ROLE__MANAGER));
    CHECK_OK(node_set_role(m1, w, PB__ROLE__MANAGER));
    while (w->swarm->served->source != SERVED_STORE) {
        int r = ask(w, "web@3.service", "pw", "three");

        CHECK(r == 1);
        (void) uv_run(&loop, UV_RUN_ONCE);
    }
    CHECK(w->swarm->served->cache.n == 0 && swarm_store(w->swarm));
    CHECK(ask(w, "web@3.service", "pw", "three") == 1 && ask(w, "late.service", "late", "two") == -EACCES);
    CHECK_OK(node_set_role(m1, w, PB__ROLE__WORKER));
    WAIT(w->swarm->served->source == SERVED_MANAGERS);
    for (int r = 0; r != 1; (void) uv_run(&loop, UV_RUN_ONCE)) {
        r = ask(w, "late.service", "late", "two");
        CHECK(r == 1 || r == -EAGAIN || r == -EACCES);
    }
}

static void on_transferred(void *data _unused_, int result _unused_)
{
}

/* Another one leads: it is asked. */
static void test_leader_changes(void)
{
    struct node *leader = swarm_is_leader(m1->swarm) ? m1 : m2, *other = leader == m1 ? m2 : m1;

    WAIT(node_is_current(other));
    CHECK_OK(replica_transfer(leader->swarm->replica, 0, on_transferred, NULL));
    WAIT(swarm_is_leader(other->swarm));
    CHECK_OK(put_secret(other, "after", "five", 4));
    CHECK_OK(put_service(other, "after", &(struct grant_spec) { .unit = "after.service", .secret = "after" }));
    WAIT(ask(w, "after.service", "after", "five") == 1);
}

static void test_removed(void)
{
    struct node *leader = swarm_is_leader(m1->swarm) ? m1 : m2;
    unsigned before = served;

    CHECK_OK(node_remove(leader, w, true));
    WAIT(node_state(w) == SWARM_INACTIVE);
    CHECK(served > before && w->swarm->served->cache.n == 0 && w->swarm->served->cache.bytes == 0 && !served_manifest(w->swarm));
    CHECK(ask(w, "after.service", "after", "five") == -ESRCH);
}

int main(void)
{
    managers_on_served = on_served;
    managers_begin();
    for (int i = 0; i < 3; i++)
        node_start(&nodes[i]);
    test_granted();
    test_overlap();
    test_update();
    test_own_use();
    test_default_deny();
    test_cut_off();
    test_restart();
    test_promoted();
    test_leader_changes();
    test_removed();
    managers_end();
    return 0;
}
