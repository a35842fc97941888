/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The methods that change members as a client sees them, and that none tells of an older swarm: two managers, each with its client. */
#include <errno.h>
#include <fcntl.h>

#include "basic/memfd.h"
#include "face.h"

static struct node *const m1 = &nodes[0], *const m2 = &nodes[1];
static struct face faces[2], *const f1 = &faces[0], *const f2 = &faces[1];

static const char *availability_at(struct face *f, const char *node)
{
    ANSWERS(f, "", "InspectNode", "s", node);
    return face_text(f, "Availability");
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
    CHECK(strcmp(face_text(f2, "Role"), "manager") == 0);
    (void) close(fd);
    WAIT(node_state(m2) == SWARM_ACTIVE);
    ANSWERS(f2, "", "InspectNode", "s", m1->hostname);
    CHECK(strcmp(face_text(f2, "ManagerStatus"), "leader") == 0 && strcmp(face_text(f2, "TLSStatus"), "ready") == 0);
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
    CHECK(strcmp(face_text(f2, "Role"), "manager") == 0);
}

static void test_force_new_cluster(void)
{
    ANSWERS(f2, "", "Init", "a{sv}", 1, "ForceNewCluster", "b", 1);
    CHECK(*face_text(f2, "NodeID"));
    ANSWERS(f2, "", "InspectNode", "s", "self");
    CHECK(strcmp(face_text(f2, "ManagerStatus"), "leader") == 0);
    ANSWERS(f2, "", "InspectNode", "s", m1->hostname);
    CHECK(strcmp(face_text(f2, "Role"), "worker") == 0 && *face_text(f2, "ManagerStatus") == '\0');
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
