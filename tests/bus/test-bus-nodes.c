/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The methods that change members as a client sees them, and that none tells of an older swarm: two managers, each with its client. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/socket.h>

#include "../swarm/managers.h"
#include "basic/cleanup.h"
#include "basic/memfd.h"
#include "bus/bus_fresh.h"
#include "bus/bus_object.h"

static struct node *const m1 = &nodes[0], *const m2 = &nodes[1];

static struct face {
    struct node *node;
    struct bus_object object;
    sd_bus *client, *server;
    sd_bus_message *reply; /* the last one */
} faces[2];

static struct face *const f1 = &faces[0], *const f2 = &faces[1];

static int admit(void *data, sd_bus_message *message, const struct bus_rule *rule)
{
    struct face *f = data;
    struct swarm_caller caller = { .uid = 0, .how = "test" };

    return bus_rule_call(rule, f->node->swarm, message, &caller);
}

static sd_bus *connection(struct face *f, int fd, bool is_server)
{
    sd_bus *bus;
    sd_id128_t id;

    CHECK_OK(sd_bus_new(&bus));
    CHECK_OK(sd_bus_set_fd(bus, fd, fd));
    CHECK_OK(sd_id128_randomize(&id));
    if (is_server)
        CHECK_OK(sd_bus_set_server(bus, 1, id));
    CHECK_OK(sd_bus_negotiate_fds(bus, 1));
    if (is_server)
        CHECK_OK(bus_object_add(bus, &f->object));
    CHECK_OK(sd_bus_start(bus));
    return bus;
}

static void face_open(struct face *f, struct node *node)
{
    int fds[2];

    f->node = node;
    f->object = (struct bus_object) { admit, f };
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    f->server = connection(f, fds[0], true);
    f->client = connection(f, fds[1], false);
    while (sd_bus_is_ready(f->client) == 0) /* to send descriptors it would wait for that by itself */
        CHECK(sd_bus_process(f->server, NULL) >= 0 && sd_bus_process(f->client, NULL) >= 0);
}

static void face_close(struct face *f)
{
    f->reply = sd_bus_message_unref(f->reply);
    f->client = sd_bus_close_unref(f->client);
    f->server = sd_bus_close_unref(f->server);
}

static int on_reply(sd_bus_message *reply, void *data, sd_bus_error *error _unused_)
{
    *(sd_bus_message **) data = sd_bus_message_ref(reply);
    return 1;
}

static void send_call(struct face *f, const char *method, const char *types, va_list ap)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;

    CHECK_OK(sd_bus_message_new_method_call(f->client, &message, BUS_NAME, BUS_PATH, BUS_NAME, method));
    CHECK_OK(sd_bus_message_appendv(message, types, ap));
    f->reply = sd_bus_message_unref(f->reply);
    CHECK_OK(sd_bus_call_async(f->client, NULL, message, on_reply, &f->reply, 0));
}

static void turn(struct face *f)
{
    int r = sd_bus_process(f->server, NULL);

    if (sd_bus_process(f->client, NULL) <= 0 && r <= 0)
        (void) usleep(1000);
    (void) uv_run(&loop, UV_RUN_NOWAIT);
}

/* The error's name without its prefix, "" for none. */
static const char *call(struct face *f, const char *method, const char *types, ...)
{
    static char name[64];
    const char *dot;
    va_list ap;

    va_start(ap, types);
    send_call(f, method, types, ap);
    va_end(ap);
    while (!f->reply)
        turn(f);
    if (!sd_bus_message_is_method_error(f->reply, NULL))
        return "";
    dot = strrchr(sd_bus_message_get_error(f->reply)->name, '.');
    (void) snprintf(name, sizeof(name), "%s", dot ? dot + 1 : "");
    return name;
}

static bool is(const struct face *f, const char *got, const char *wanted)
{
    if (strcmp(got, wanted) == 0)
        return true;
    (void) fprintf(stderr, "%s instead of %s: %s\n", got, wanted, *got ? sd_bus_message_get_error(f->reply)->message : "");
    return false;
}

#define ANSWERS(f, wanted, ...) CHECK(is(f, call(f, __VA_ARGS__), wanted))

/* From the a{sv} that reply is. */
static const char *text_value(struct face *f, const char *key)
{
    const char *name, *text;

    CHECK_OK(sd_bus_message_rewind(f->reply, 1));
    CHECK(sd_bus_message_enter_container(f->reply, 'a', "{sv}") > 0);
    while (sd_bus_message_enter_container(f->reply, 'e', "sv") > 0) {
        CHECK_OK(sd_bus_message_read(f->reply, "s", &name));
        if (strcmp(name, key) == 0) {
            CHECK_OK(sd_bus_message_read(f->reply, "v", "s", &text));
            return text;
        }
        CHECK_OK(sd_bus_message_skip(f->reply, "v"));
        CHECK_OK(sd_bus_message_exit_container(f->reply));
    }
    (void) fprintf(stderr, "no %s\n", key);
    CHECK(false);
    return NULL;
}

static const char *availability_at(struct face *f, const char *node)
{
    ANSWERS(f, "", "InspectNode", "s", node);
    return text_value(f, "Availability");
}

static void test_bad_requests(void)
{
    static const char long_text[400] = { [0 ... 398] = 'x' };
    int token = memfd_new("SWMTKN-1-x", 10), empty = memfd_new("", 0), plain = open("/dev/null", O_RDONLY | O_CLOEXEC);

    CHECK(token >= 0 && empty >= 0 && plain >= 0);
    ANSWERS(f2, "Invalid", "Join", "hsa{sv}", plain, "h", 0);
    ANSWERS(f2, "Invalid", "Join", "hsa{sv}", empty, "h", 0);
    ANSWERS(f2, "Invalid", "Join", "hsa{sv}", token, "", 0);
    ANSWERS(f2, "Invalid", "Join", "hsa{sv}", token, long_text, 0);
    ANSWERS(f2, "Invalid", "Join", "hsa{sv}", token, "127.0.0.1:1", 0);
    ANSWERS(f2, "Invalid", "Join", "hsa{sv}", token, "h", 1, "Else", "s", "x");
    ANSWERS(f2, "Invalid", "Join", "hsa{sv}", token, "h", 1, "ListenAddr", "b", 1);
    ANSWERS(f2, "Invalid", "Join", "hsa{sv}", token, "h", 1, "AdvertiseAddr", "s", long_text);
    ANSWERS(f2, "Invalid", "Restore", "hha{sv}", plain, plain, 0);
    ANSWERS(f2, "Invalid", "Restore", "hha{sv}", plain, token, 0);
    ANSWERS(f2, "NotManager", "ListNodes", "");
    ANSWERS(f2, "NotManager", "GetCA", "");
    ANSWERS(f2, "NotManager", "Backup", "h", plain);
    ANSWERS(f2, "Invalid", "Init", "a{sv}", 1, "ForceNewCluster", "s", "yes");
    ANSWERS(f1, "AlreadyMember", "Join", "hsa{sv}", token, "127.0.0.1:1", 0);
    ANSWERS(f1, "AutolockOff", "Backup", "h", plain);
    (void) close(token);
    (void) close(empty);
    (void) close(plain);
}

static void test_bad_updates(void)
{
    static const char long_text[400] = { [0 ... 398] = 'x' };

    ANSWERS(f1, "Invalid", "UpdateNode", "sa{sv}", "", 1, "Role", "s", "worker");
    ANSWERS(f1, "Invalid", "UpdateNode", "sa{sv}", long_text, 1, "Role", "s", "worker");
    ANSWERS(f1, "NotFound", "UpdateNode", "sa{sv}", "nobody", 1, "Role", "s", "worker");
    ANSWERS(f1, "Invalid", "UpdateNode", "sa{sv}", "self", 1, "Role", "s", "admiral");
    ANSWERS(f1, "Invalid", "UpdateNode", "sa{sv}", "self", 1, "Role", "s", "");
    ANSWERS(f1, "Invalid", "UpdateNode", "sa{sv}", "self", 1, "Role", "b", 1);
    ANSWERS(f1, "Invalid", "UpdateNode", "sa{sv}", "self", 1, "Availability", "s", "Active");
    ANSWERS(f1, "Invalid", "UpdateNode", "sa{sv}", "self", 1, "AddLabels", "s", "a=1");
    ANSWERS(f1, "Invalid", "UpdateNode", "sa{sv}", "self", 1, "AddLabels", "as", 1, "=1");
    ANSWERS(f1, "Invalid", "UpdateNode", "sa{sv}", "self", 2, "RemoveLabels", "as", 1, "a", "RemoveLabels", "as", 1, "b");
    ANSWERS(f1, "Invalid", "UpdateNode", "sa{sv}", "self", 1, "Else", "b", 1);
    ANSWERS(f1, "InUse", "UpdateNode", "sa{sv}", "self", 1, "Role", "s", "worker");
    ANSWERS(f1, "InUse", "RemoveNode", "sb", "self", 1);
    ANSWERS(f1, "NotFound", "RemoveNode", "sb", "nobody", 1);
    ANSWERS(f1, "Invalid", "RemoveNode", "sb", "", 0);
}

static size_t n_labels(void)
{
    return node_seen_by(m1, m1)->n_labels;
}

static void test_updates(void)
{
    const char *text;

    ANSWERS(f1, "", "UpdateNode", "sa{sv}", "self", 2, "Availability", "s", "drain", "AddLabels", "as", 3, "a=1", "b", "a=2");
    CHECK(n_labels() == 2 && strcmp(availability_at(f1, "self"), "drain") == 0);
    ANSWERS(f1, "", "UpdateNode", "sa{sv}", "self", 2, "RemoveLabels", "as", 2, "a", "none", "AddLabels", "as", 0);
    CHECK(n_labels() == 1);
    ANSWERS(f1, "", "UpdateNode", "sa{sv}", "self", 2, "RemoveLabels", "as", 1, "b", "Availability", "s", "active");
    CHECK(n_labels() == 0 && strcmp(availability_at(f1, "self"), "active") == 0);
    ANSWERS(f1, "", "UpdateNode", "sa{sv}", "self", 0);
    ANSWERS(f1, "", "GetCA", "");
    CHECK_OK(sd_bus_message_read(f1->reply, "s", &text));
    CHECK(strncmp(text, "-----BEGIN CERTIFICATE-----\n", 28) == 0);
}

static void test_join(void)
{
    _cleanup_(secret_done) struct secret token = SECRET_NULL;
    char address[SWARM_ADDRESS_MAX];
    struct error e;
    int fd;

    CHECK_OK(swarm_join_token(m1->swarm, PB__ROLE__MANAGER, &token, address, &e));
    fd = memfd_new(token.data, token.size);
    CHECK_OK(fd);
    ANSWERS(f2, "", "Join", "hsa{sv}", fd, m1->address, 1, "ListenAddr", "s", m2->address);
    CHECK(strcmp(text_value(f2, "Role"), "manager") == 0);
    (void) close(fd);
    WAIT(node_state(m2) == SWARM_ACTIVE);
    ANSWERS(f2, "", "InspectNode", "s", m1->hostname);
    CHECK(strcmp(text_value(f2, "ManagerStatus"), "leader") == 0 && strcmp(text_value(f2, "TLSStatus"), "ready") == 0);
}

/* What the leader has acknowledged, the other knows from then on. */
static void test_fresh(void)
{
    for (int i = 0; i < 20; i++) {
        const char *word = i % 2 == 0 ? "pause" : "active";

        ANSWERS(f1, "", "UpdateNode", "sa{sv}", m2->hostname, 1, "Availability", "s", word);
        CHECK(strcmp(availability_at(f2, "self"), word) == 0);
    }
}

/* Nobody can say what is current; what needs no answer of others has it. */
static void test_no_leader(void)
{
    node_stop(m1);
    ANSWERS(f2, "Busy", "ListNodes", "");
    CHECK(strstr(sd_bus_message_get_error(f2->reply)->message, "does not have a leader"));
    ANSWERS(f2, "Busy", "GetJoinToken", "s", "worker");
    ANSWERS(f2, "", "Info", "");
    CHECK(strcmp(text_value(f2, "Role"), "manager") == 0);
}

static void test_force_new_cluster(void)
{
    ANSWERS(f2, "", "Init", "a{sv}", 1, "ForceNewCluster", "b", 1);
    CHECK(*text_value(f2, "NodeID"));
    ANSWERS(f2, "", "InspectNode", "s", "self");
    CHECK(strcmp(text_value(f2, "ManagerStatus"), "leader") == 0);
    ANSWERS(f2, "", "InspectNode", "s", m1->hostname);
    CHECK(strcmp(text_value(f2, "Role"), "worker") == 0 && *text_value(f2, "ManagerStatus") == '\0');
    ANSWERS(f2, "", "RemoveNode", "sb", m1->hostname, 1);
    ANSWERS(f2, "NotFound", "InspectNode", "s", m1->hostname);
}

int main(void)
{
    managers_begin();
    node_start(m1);
    node_start(m2);
    face_open(f1, m1);
    face_open(f2, m2);
    CHECK_OK(node_init(m1, false, NULL));
    test_bad_requests();
    test_bad_updates();
    test_updates();
    test_join();
    test_fresh();
    test_no_leader();
    test_force_new_cluster();
    face_close(f1);
    face_close(f2);
    node_stop(m2);
    managers_end();
    return 0;
}
