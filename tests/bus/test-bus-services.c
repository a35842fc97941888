/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Services, and new data for what they grant, as clients of two managers see them; what units are said to use is put into the store. */
#include <errno.h>
#include <fcntl.h>

#include "basic/memfd.h"
#include "face.h"
#include "store/command.h"
#include "store/erasing_allocator.h"
#include "swarm/swarm_private.h"

static struct node *const m1 = &nodes[0], *const m2 = &nodes[1], *const worker = &nodes[2];
static struct face faces[2], *const f1 = &faces[0], *const f2 = &faces[1];
static char worker_id[STORE_ID_LEN + 1];

static void create_object(struct face *f, const char *method, const char *name, const char *data)
{
    _cleanup_close_ int fd = memfd_new(data, strlen(data));

    ANSWERS(f, "", method, "sa{ss}h", name, 0, fd);
}

static uint64_t update_object(struct face *f, const char *method, const char *name, const char *data)
{
    _cleanup_close_ int fd = memfd_new(data, strlen(data));
    uint64_t revision;

    ANSWERS(f, "", method, "sh", name, fd);
    CHECK_OK(sd_bus_message_read(f->reply, "t", &revision));
    return revision;
}

static const Pb__Service *service_of(const struct node *n, const char *name)
{
    const Pb__Service *service;

    CHECK_OK(store_find_service(swarm_store(n->swarm), name, &service));
    return service;
}

/* --- what no client can say */

static void on_proposed(void *data, int result)
{
    *(int *) data = result;
}

static void propose(const Pb__Command *command)
{
    void *encoded = NULL;
    size_t size;
    int outcome = 1;

    CHECK_OK(command_encode(command, &encoded, &size));
    CHECK_OK(swarm_propose(m1->swarm, encoded, size, on_proposed, &outcome));
    erasing_free(encoded);
    WAIT(outcome <= 0);
    CHECK_OK(outcome);
}

static void put_use(const char *object, uint64_t revision)
{
    Pb__UnitUse use = PB__UNIT_USE__INIT, *uses[] = { &use };
    Pb__Usage usage = PB__USAGE__INIT;
    Pb__PutUsage put = PB__PUT_USAGE__INIT;
    Pb__Command command = PB__COMMAND__INIT;
    const Pb__Object *o;

    CHECK_OK(store_find_object(swarm_store(m1->swarm), PB__KIND__SECRET, object, &o));
    use.unit = (char *) "web@1.service";
    use.service_id = service_of(m1, "web")->meta->id;
    use.credential = (char *) "key";
    use.object_id = o->meta->id;
    use.revision = revision;
    use.loaded = 1700000000123456;
    usage.node_id = worker_id;
    usage.uses = uses;
    usage.n_uses = 1;
    put.usage = &usage;
    command.what_case = PB__COMMAND__WHAT_PUT_USAGE;
    command.put_usage = &put;
    propose(&command);
}

static void stop_rollout(const char *service)
{
    Pb__RolloutNode failed = PB__ROLLOUT_NODE__INIT, *set_nodes[] = { &failed };
    Pb__SetRollout set = PB__SET_ROLLOUT__INIT;
    Pb__Command command = PB__COMMAND__INIT;

    failed.id = worker_id;
    failed.state = PB__ROLLOUT_NODE_STATE__FAILED;
    failed.text = (char *) "it did not start";
    set.service_id = service_of(m1, service)->meta->id;
    set.number = service_of(m1, service)->rollout->number;
    set.state = PB__ROLLOUT_STATE__STOPPED;
    set.nodes = set_nodes;
    set.n_nodes = 1;
    command.what_case = PB__COMMAND__WHAT_SET_ROLLOUT;
    command.set_rollout = &set;
    propose(&command);
}

/* --- tests */

static void begin(void)
{
    node_start(m1);
    node_start(m2);
    node_start(worker);
    face_open(f1, m1);
    face_open(f2, m2);
    ANSWERS(f1, "NotManager", "ListServices", "");
    ANSWERS(f1, "NotManager", "CreateService", "sa{sv}", "web", 1, "Unit", "s", "web.service");
    CHECK_OK(node_init(m1, false, NULL));
    CHECK_OK(node_join(m2, m1, PB__ROLE__MANAGER));
    CHECK_OK(node_join(worker, m1, PB__ROLE__WORKER));
    (void) strcpy(worker_id, swarm_node_id(worker->swarm));
    node_stop(worker); /* nothing but this test says what its units use */
    create_object(f1, "CreateSecret", "web.key", "one");
    create_object(f1, "CreateSecret", "other", "other");
    create_object(f1, "CreateConfig", "nginx.conf", "listen 80;");
}

#define CREATE(f, wanted, ...) ANSWERS(f, wanted, "CreateService", "sa{sv}", "bad", __VA_ARGS__)

static void test_bad_services(void)
{
    static const char long_unit[] = "a-unit-with-a-name-that-is-already-as-long-as-one-could-ever-want-it-to.service";

    CREATE(f1, "Invalid", 0);
    CHECK(face_says(f1, "invalid unit \"\"") && face_says(f1, "web.service"));
    CREATE(f2, "Invalid", 1, "Unit", "s", "web");
    CREATE(f1, "Invalid", 1, "Unit", "s", "web@.service");
    CREATE(f1, "Invalid", 1, "Unit", "s", "web.timer");
    CREATE(f1, "Invalid", 1, "Unit", "b", 1);
    CHECK(face_says(f1, "Unit has another type"));
    CREATE(f1, "Invalid", 2, "Unit", "s", "web.service", "Else", "s", "x");
    CHECK(face_says(f1, "unknown option Else"));
    CREATE(f1, "Invalid", 2, "Unit", "s", "web.service", "AddSecrets", "as", 1, "web.key");
    CREATE(f1, "Invalid", 2, "Unit", "s", "web.service", "Secrets", "s", "web.key");
    CREATE(f1, "NotFound", 2, "Unit", "s", "web.service", "Secrets", "as", 1, "nothing");
    CHECK(face_says(f1, "secret nothing not found"));
    CREATE(f2, "NotFound", 2, "Unit", "s", "web.service", "Configs", "as", 1, "web.key:x");
    CHECK(face_says(f2, "config web.key not found"));
    CREATE(f1, "Invalid", 2, "Unit", "s", "web.service", "Secrets", "as", 1, "web.key:a/b");
    CHECK(face_says(f1, "invalid credential ID \"a/b\""));
    CREATE(f1, "Invalid", 2, "Unit", "s", "web.service", "Secrets", "as", 1, "web.key:");
    CREATE(f1, "Exists", 2, "Unit", "s", "web.service", "Secrets", "as", 2, "web.key:x", "other:x");
    CHECK(face_says(f1, "calls secret web.key x already"));
    CREATE(f1, "Exists", 3, "Unit", "s", "web.service", "Secrets", "as", 1, "web.key:x", "Configs", "as", 1, "nginx.conf:x");
    CREATE(f1, "Invalid", 2, "Unit", "s", long_unit, "Secrets", "as", 1, "web.key");
    CHECK(face_says(f1, "too long together") && face_says(f1, "83"));
    CREATE(f1, "Invalid", 2, "Unit", "s", "web.service", "Constraints", "as", 1, "node.role=worker");
    CHECK(face_says(f1, "KEY==VALUE or KEY!=VALUE"));
    CREATE(f1, "Invalid", 2, "Unit", "s", "web.service", "Constraints", "as", 1, "node.role==boss");
    CHECK(face_says(f1, "node.labels.KEY"));
    CREATE(f1, "Invalid", 2, "Unit", "s", "web.service", "Constraints", "as", 1, "engine.labels.a==b");
    CREATE(f1, "Invalid", 2, "Unit", "s", "web.service", "OnUpdate", "s", "reboot");
    CHECK(face_says(f1, "restart, reload or none"));
    CREATE(f1, "Invalid", 2, "Unit", "s", "web.service", "Parallelism", "u", 0);
    CREATE(f1, "Invalid", 2, "Unit", "s", "web.service", "Parallelism", "u", 4097);
    CREATE(f1, "Invalid", 2, "Unit", "s", "web.service", "MaxAge", "t", UINT64_MAX);
    CREATE(f1, "Invalid", 2, "Unit", "s", "web.service", "Labels", "as", 1, "=x");
    ANSWERS(f1, "Invalid", "CreateService", "sa{sv}", "-bad", 1, "Unit", "s", "web.service");
    CHECK(store_n_services(swarm_store(m1->swarm)) == 0);
}

static void test_create(void)
{
    ANSWERS(f2, "", "CreateService", "sa{sv}", "web", 9, "Unit", "s", "web@*.service", "Secrets", "as", 2, "web.key:key", "other", "Configs", "as", 1,
            "nginx.conf", "Constraints", "as", 2, "node.labels.role == web", "node.role!=manager", "Labels", "as", 2, "a=b=c", "d", "OnUpdate", "s",
            "restart", "Parallelism", "u", 3, "MaxAge", "t", UINT64_C(90), "Offline", "b", 1);
    ANSWERS(f1, "Exists", "CreateService", "sa{sv}", "web", 1, "Unit", "s", "web.service");
    CHECK(face_says(f1, "service web already exists"));
    ANSWERS(f1, "", "InspectService", "s", "web");
    CHECK(strcmp(face_text(f1, "Unit"), "web@*.service") == 0 && strcmp(face_text(f1, "OnUpdate"), "restart") == 0);
    CHECK(face_shows(f1, "\"web.key:key\"") && face_shows(f1, "\"other:other\"") && face_shows(f1, "\"nginx.conf:nginx.conf\""));
    CHECK(face_shows(f1, "\"node.labels.role==web\"") && face_shows(f1, "\"node.role!=manager\"") && face_shows(f1, "\"b=c\""));
    CHECK(face_shows(f1, "UINT32 3") && face_shows(f1, "UINT64 90") && face_shows(f1, "\"Credential\""));
    ANSWERS(f1, "", "ListServices", "");
    CHECK(face_shows(f1, "\"web.key:key\""));
    ANSWERS(f1, "NotFound", "InspectService", "s", "nothing");
    CHECK(face_says(f1, "service nothing not found"));
    ANSWERS(f1, "", "InspectService", "s", service_of(m1, "web")->meta->id);
    ANSWERS(f1, "", "Info", "");
    CHECK(face_shows(f1, "\"Services\""));
}

static void test_in_use(void)
{
    ANSWERS(f1, "InUse", "RemoveSecret", "s", "web.key");
    CHECK(face_says(f1, "secret web.key is in use by service web: remove it there first"));
    ANSWERS(f2, "InUse", "RemoveConfig", "s", "nginx.conf");
}

static void test_update(void)
{
    ANSWERS(f1, "", "UpdateService", "sa{sv}", "web", 6, "AddSecrets", "as", 2, "other:key2", "other:other2", "RemoveSecrets", "as", 1, "other",
            "AddConstraints", "as", 1, "node.id!=x", "RemoveConstraints", "as", 2, "node.role != manager", "node.labels.role==web", "Enabled", "b", 1,
            "RemoveLabels", "as", 2, "a", "none");
    ANSWERS(f2, "", "InspectService", "s", "web");
    CHECK(face_shows(f2, "\"other:key2\"") && face_shows(f2, "\"other:other2\"") && face_shows(f2, "\"node.id!=x\""));
    CHECK(service_of(m2, "web")->n_grants == 4 && service_of(m2, "web")->n_constraints == 1 && service_of(m2, "web")->n_labels == 1);
    CHECK(service_of(m2, "web")->enabled && service_of(m2, "web")->offline && service_of(m2, "web")->parallelism == 3);
    ANSWERS(f2, "", "UpdateService", "sa{sv}", "web", 3, "RemoveSecrets", "as", 1, "other:key2", "AddSecrets", "as", 1, "web.key:key", "Offline", "b", 0);
    CHECK(service_of(m2, "web")->n_grants == 3 && !service_of(m2, "web")->offline);
    ANSWERS(f1, "NotFound", "UpdateService", "sa{sv}", "web", 1, "RemoveSecrets", "as", 1, "other:key2");
    CHECK(face_says(f1, "service web does not grant secret other as key2"));
    ANSWERS(f1, "NotFound", "UpdateService", "sa{sv}", "web", 1, "RemoveConstraints", "as", 1, "node.id==x");
    CHECK(face_says(f1, "service web has no constraint \"node.id==x\""));
    ANSWERS(f1, "Exists", "UpdateService", "sa{sv}", "web", 1, "AddConfigs", "as", 1, "nginx.conf:key");
    ANSWERS(f1, "NotFound", "UpdateService", "sa{sv}", "nothing", 0);
    ANSWERS(f1, "Invalid", "UpdateService", "sa{sv}", "web", 1, "Secrets", "as", 1, "web.key");
    ANSWERS(f1, "Invalid", "UpdateService", "sa{sv}", "web", 1, "AddLabels", "s", "a=b");
    ANSWERS(f1, "", "UpdateService", "sa{sv}", "web", 3, "RemoveSecrets", "as", 1, "other", "RemoveConfigs", "as", 1, "nginx.conf", "AddLabels", "as",
            1, "a=1");
    ANSWERS(f1, "", "RemoveSecret", "s", "other");
}

/* Changes of one service at the same moment are all made. */
static void test_at_once(void)
{
    char a[32], b[32];

    for (int i = 0; i < 10; i++) {
        (void) snprintf(a, sizeof(a), "one%d=1", i);
        (void) snprintf(b, sizeof(b), "two%d=2", i);
        face_send(f1, "UpdateService", "sa{sv}", "web", 1, "AddLabels", "as", 1, a);
        face_send(f2, "UpdateService", "sa{sv}", "web", 1, "AddLabels", "as", 1, b);
        while (!f1->reply || !f2->reply) {
            face_turn(f1);
            face_turn(f2);
        }
        CHECK(face_is(f1, face_error(f1), "") && face_is(f2, face_error(f2), ""));
    }
    CHECK(node_is_current(m1) && service_of(m1, "web")->n_labels == 2 + 20);
}

static void test_too_many(void)
{
    char text[32];

    for (int i = 0; i < STORE_GRANTS_MAX; i++) {
        (void) snprintf(text, sizeof(text), "web.key:%d", i);
        if (i < STORE_GRANTS_MAX - 1)
            ANSWERS(f1, "", "UpdateService", "sa{sv}", "web", 1, "AddSecrets", "as", 1, text);
        else
            ANSWERS(f1, "Invalid", "UpdateService", "sa{sv}", "web", 1, "AddSecrets", "as", 1, text);
    }
    CHECK(face_says(f1, "more than 64 secrets and configs"));
    ANSWERS(f1, "", "UpdateService", "sa{sv}", "web", 2, "RemoveSecrets", "as", 1, "web.key", "AddSecrets", "as", 1, "web.key:key");
    for (int i = 0; i < STORE_CONSTRAINTS_MAX; i++) {
        (void) snprintf(text, sizeof(text), "node.id!=%d", i);
        ANSWERS(f1, i < STORE_CONSTRAINTS_MAX - 1 ? "" : "Invalid", "UpdateService", "sa{sv}", "web", 1, "AddConstraints", "as", 1, text);
    }
    CHECK(face_says(f1, "more than 16 constraints"));
}

static void test_bad_data(void)
{
    static char large[STORE_SECRET_MAX + 1];
    _cleanup_close_ int plain = open("/dev/null", O_RDONLY | O_CLOEXEC), empty = memfd_new("", 0), too_large = memfd_new(large, sizeof(large)),
                        good = memfd_new("x", 1);

    ANSWERS(f1, "Invalid", "UpdateSecret", "sh", "web.key", plain);
    CHECK(face_says(f1, "sealed memfd"));
    ANSWERS(f1, "Invalid", "UpdateSecret", "sh", "web.key", empty);
    ANSWERS(f1, "TooLarge", "UpdateSecret", "sh", "web.key", too_large);
    ANSWERS(f1, "", "UpdateConfig", "sh", "nginx.conf", too_large);
    ANSWERS(f1, "NotFound", "UpdateSecret", "sh", "nginx.conf", good);
    ANSWERS(f1, "NotFound", "UpdateConfig", "sh", "web.key", good);
}

/* The revision is right whichever manager takes it. */
static void test_revisions(void)
{
    ANSWERS(f1, "", "UpdateService", "sa{sv}", "web", 1, "OnUpdate", "s", "none");
    CHECK(update_object(f1, "UpdateSecret", "web.key", "two") == 1);
    CHECK(update_object(f2, "UpdateSecret", "web.key", "three") == 2);
    ANSWERS(f2, "", "InspectSecret", "s", "web.key");
    CHECK(face_shows(f2, "\"Revision\"") && face_shows(f2, "UINT64 2") && face_shows(f2, "\"Former\""));
    put_use("web.key", 1);
    for (uint64_t i = 3; i < 20; i++)
        CHECK(update_object(f2, "UpdateSecret", "web.key", "more") == i);
    CHECK(update_object(f1, "UpdateConfig", "nginx.conf", "listen 81;") == 2);
}

static void test_uses(void)
{
    ANSWERS(f2, "", "ListServiceUses", "s", "web");
    CHECK(face_shows(f2, "\"web@1.service\"") && face_shows(f2, "UINT64 1700000000123456") && face_shows(f2, "\"web.key\""));
    CHECK(face_shows(f2, worker_id) && face_shows(f2, swarm_node_id(m1->swarm)) && face_shows(f2, "\"Newest\""));
    ANSWERS(f1, "", "UpdateService", "sa{sv}", "web", 2, "RemoveConstraints", "as", 1, "node.id!=0", "AddConstraints", "as", 1, "node.role==worker");
    ANSWERS(f1, "", "ListServiceUses", "s", "web");
    CHECK(face_shows(f1, "\"web@1.service\""));
    ANSWERS(f1, "NotFound", "ListServiceUses", "s", "nothing");
}

static bool has_failed(const Pb__Rollout *rollout, const char *node_id)
{
    for (size_t i = 0; i < rollout->n_nodes; i++)
        if (strcmp(rollout->nodes[i]->id, node_id) == 0)
            return rollout->nodes[i]->state == PB__ROLLOUT_NODE_STATE__FAILED;
    return false;
}

static void test_rollouts(void)
{
    uint64_t number;

    ANSWERS(f1, "Invalid", "RetryRollout", "s", "web");
    CHECK(face_says(f1, "service web has no rollout that was stopped"));
    ANSWERS(f1, "", "UpdateService", "sa{sv}", "web", 2, "OnUpdate", "s", "reload", "RemoveConstraints", "as", 1, "node.role==worker");
    CHECK(update_object(f1, "UpdateSecret", "web.key", "rolled out") == 20);
    number = service_of(m1, "web")->rollout->number;
    stop_rollout("web");
    ANSWERS(f2, "", "InspectService", "s", "web");
    CHECK(face_shows(f2, "\"stopped\"") && face_shows(f2, "\"it did not start\"") && face_shows(f2, "\"Held\"") && face_shows(f2, "UINT64 19"));
    ANSWERS(f2, "NotFound", "RetryRollout", "s", "nothing");
    ANSWERS(f2, "", "RetryRollout", "s", "web");
    CHECK(service_of(m2, "web")->rollout->number == number);
    CHECK(!has_failed(service_of(m2, "web")->rollout, worker_id));
}

static void test_remove(void)
{
    ANSWERS(f2, "NotFound", "RemoveService", "s", "nothing");
    ANSWERS(f2, "", "RemoveService", "s", "web");
    ANSWERS(f1, "NotFound", "InspectService", "s", "web");
    ANSWERS(f1, "", "RemoveSecret", "s", "web.key");
    ANSWERS(f1, "", "ListServices", "");
    CHECK(store_n_services(swarm_store(m1->swarm)) == 0);
}

int main(void)
{
    managers_begin();
    begin();
    test_bad_services();
    test_create();
    test_in_use();
    test_update();
    test_at_once();
    test_too_many();
    test_bad_data();
    test_revisions();
    test_uses();
    test_rollouts();
    test_remove();
    face_close(f1);
    face_close(f2);
    managers_end();
    return 0;
}
