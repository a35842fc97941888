/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Services and new data, proposed on either of two managers; a stopped worker's uses are put into the store. */
#include <errno.h>

#include "managers.h"
#include "pki/id.h"
#include "store/command.h"
#include "store/erasing_allocator.h"
#include "swarm/swarm_private.h"

static struct node *const m1 = &nodes[0], *const m2 = &nodes[1], *const worker = &nodes[2];
static char worker_id[STORE_ID_LEN + 1];

static struct outcome {
    int result; /* 1: not yet */
    char id[STORE_ID_LEN + 1];
    struct error e;
} outcome;

static void on_done(void *data _unused_, int result, const char *id, const struct error *e)
{
    outcome.result = result;
    outcome.e = *e;
    (void) snprintf(outcome.id, sizeof(outcome.id), "%s", id);
}

/* What became of a call that returned r. */
static int wait_for(int r)
{
    if (r < 0)
        return r;
    WAIT(outcome.result <= 0);
    if (outcome.result < 0)
        (void) fprintf(stderr, "%s: %s\n", strerror(-outcome.result), outcome.e.text);
    return outcome.result;
}

#define BEGIN() (outcome = (struct outcome) { .result = 1 })

static int put(struct node *n, Pb__Service *service)
{
    BEGIN();
    return wait_for(swarm_put_service(n->swarm, service, on_done, NULL, &outcome.e));
}

static int update(struct node *n, const char *name)
{
    BEGIN();
    return wait_for(swarm_update_object(n->swarm, PB__KIND__SECRET, name, "new", 3, on_done, NULL, &outcome.e));
}

static int remove_object(struct node *n, const char *name)
{
    BEGIN();
    return wait_for(swarm_remove_object(n->swarm, PB__KIND__SECRET, name, on_done, NULL, &outcome.e));
}

static int remove_service(struct node *n, const char *name)
{
    BEGIN();
    return wait_for(swarm_remove_service(n->swarm, name, on_done, NULL, &outcome.e));
}

static int retry(struct node *n, const char *name)
{
    BEGIN();
    return wait_for(swarm_retry_rollout(n->swarm, name, on_done, NULL, &outcome.e));
}

static bool tells(const char *text)
{
    if (strstr(outcome.e.text, text))
        return true;
    (void) fprintf(stderr, "not \"%s\": %s\n", text, outcome.e.text);
    return false;
}

static const Pb__Object *object(const char *name)
{
    const Pb__Object *o;

    CHECK_OK(store_find_object(swarm_store(m1->swarm), PB__KIND__SECRET, name, &o));
    return o;
}

static void on_proposed(void *data, int result)
{
    *(int *) data = result;
}

/* The worker's units have loaded the n revisions from first on. */
static void put_uses(const char *name, uint64_t first, unsigned n)
{
    Pb__UnitUse uses[STORE_FORMER_MAX], *pointers[STORE_FORMER_MAX];
    Pb__Usage usage = PB__USAGE__INIT;
    Pb__PutUsage put_usage = PB__PUT_USAGE__INIT;
    Pb__Command command = PB__COMMAND__INIT;
    char units[STORE_FORMER_MAX][32], service[STORE_ID_LEN + 1];
    void *encoded = NULL;
    int result = 1;
    size_t size;

    id_new(service);
    for (unsigned i = 0; i < n; i++) {
        pb__unit_use__init(&uses[i]);
        (void) snprintf(units[i], sizeof(units[i]), "web@%u.service", i);
        uses[i].unit = units[i];
        uses[i].service_id = service;
        uses[i].credential = (char *) "key";
        uses[i].object_id = object(name)->meta->id;
        uses[i].revision = first + i;
        pointers[i] = &uses[i];
    }
    usage.node_id = worker_id;
    usage.uses = pointers;
    usage.n_uses = n;
    put_usage.usage = &usage;
    command.what_case = PB__COMMAND__WHAT_PUT_USAGE;
    command.put_usage = &put_usage;
    CHECK_OK(command_encode(&command, &encoded, &size));
    CHECK_OK(swarm_propose(m1->swarm, encoded, size, on_proposed, &result));
    erasing_free(encoded);
    WAIT(result <= 0);
    CHECK_OK(result);
}

static void begin(void)
{
    Pb__Service service = PB__SERVICE__INIT;

    node_start(m1);
    node_start(m2);
    node_start(worker);
    service.name = (char *) "web";
    service.unit = (char *) "web.service";
    service.parallelism = 1;
    CHECK(put(m1, &service) == -ESRCH && update(m1, "a") == -ESRCH && remove_service(m1, "web") == -ESRCH && retry(m1, "web") == -ESRCH);
    CHECK_OK(node_init(m1, false, NULL));
    CHECK_OK(node_join(m2, m1, PB__ROLE__MANAGER));
    CHECK_OK(node_join(worker, m1, PB__ROLE__WORKER));
    (void) strcpy(worker_id, swarm_node_id(worker->swarm));
    node_stop(worker);
    CHECK_OK(node_create(m1, "a"));
}

static void test_put(void)
{
    Pb__Grant grant = PB__GRANT__INIT, second = PB__GRANT__INIT, *grants[] = { &grant, &second };
    Pb__Service service = PB__SERVICE__INIT;
    Pb__Meta meta = PB__META__INIT;
    const Pb__Service *stored;
    char nobody[STORE_ID_LEN + 1];

    CHECK(node_is_current(m2));
    service.name = (char *) "web";
    service.unit = (char *) "web@*.service";
    service.parallelism = 1;
    service.grants = grants;
    service.n_grants = 2;
    grant.kind = second.kind = PB__KIND__SECRET;
    grant.object_id = second.object_id = object("a")->meta->id;
    grant.credential = second.credential = (char *) "key";
    CHECK(put(m2, &service) == -EINVAL && tells("two of the secrets and configs have the credential ID key"));
    id_new(nobody);
    second.object_id = nobody;
    CHECK(put(m2, &service) == -ENOENT && tells(nobody));
    service.n_grants = 1;
    CHECK_OK(put(m2, &service));
    CHECK_OK(store_find_service(swarm_store(m2->swarm), "web", &stored));
    CHECK(strcmp(stored->meta->id, outcome.id) == 0 && stored->meta->created > 0 && stored->meta->created == stored->meta->updated);
    CHECK(put(m1, &service) == -EEXIST && tells("service web already exists"));

    /* only what was made from the newest */
    meta = *stored->meta;
    meta.id = strdup(meta.id);
    service.meta = &meta;
    service.offline = true;
    CHECK_OK(put(m2, &service));
    CHECK(put(m2, &service) == -ESTALE && tells("was changed by somebody else meanwhile"));
    CHECK(put(m1, &service) == -ESTALE);
    CHECK_OK(store_find_service(swarm_store(m2->swarm), "web", &stored));
    CHECK(stored->offline && stored->meta->version > meta.version && stored->meta->created == meta.created);
    free(meta.id);
    service.meta = NULL;
    service.name = (char *) "-web";
    CHECK(put(m2, &service) == -EINVAL && tells("invalid name"));
}

static void test_in_use(void)
{
    CHECK(remove_object(m1, "a") == -EBUSY && tells("secret a is in use by service web: remove it there first"));
    CHECK(remove_object(m2, "a") == -EBUSY && tells("by service web"));
    CHECK(retry(m2, "web") == -EINVAL && tells("no rollout that was stopped"));
}

/* As many former revisions as the store keeps are used: no more until one is not. */
static void test_revisions(void)
{
    for (unsigned i = 0; i < STORE_FORMER_MAX; i++) {
        struct node *n = i % 2 == 0 ? m1 : m2;

        put_uses("a", 0, i + 1);
        CHECK(node_is_current(n));
        CHECK_OK(update(n, "a"));
        CHECK(node_is_current(m1));
    }
    CHECK(object("a")->revision == STORE_FORMER_MAX && object("a")->n_former == STORE_FORMER_MAX);
    CHECK(node_is_current(m2) && update(m2, "a") == -EBUSY);
    CHECK(tells("8 former revisions of secret a are still in use") && tells("swarmctl service ps"));
    CHECK(node_is_current(m1) && update(m1, "a") == -EBUSY);
    put_uses("a", 1, STORE_FORMER_MAX - 1);
    CHECK_OK(update(m1, "a"));
    CHECK(object("a")->revision == STORE_FORMER_MAX + 1);
    CHECK(update(m1, "nothing") == -ENOENT && tells("secret nothing not found"));
}

static void test_remove(void)
{
    CHECK(node_is_current(m2) && remove_service(m2, "nothing") == -ENOENT && tells("service nothing not found"));
    CHECK_OK(remove_service(m2, "web"));
    CHECK(node_is_current(m1) && remove_service(m1, "web") == -ENOENT);
    CHECK_OK(remove_object(m1, "a"));
    node_stop(m1);
    CHECK(update(m2, "a") < 0);
}

int main(void)
{
    managers_begin();
    begin();
    test_put();
    test_in_use();
    test_revisions();
    test_remove();
    managers_end();
    return 0;
}
