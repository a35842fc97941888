/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Several members: election, proposals, a leader that goes, a member that catches up by log and by snapshot, entries that nobody else has. */
#include <errno.h>

#include "../test.h"
#include "cluster.h"
#include "raft/folder.h"

static void on_result(void *data, int result)
{
    *(int *) data = result;
}

static void test_proposals(size_t n)
{
    struct cluster c;
    size_t leader, other;
    const char *address;

    cluster_init(&c, n, 0, 0);
    cluster_form(&c);
    leader = cluster_leader(&c);
    CHECK(leader == 0);
    cluster_add_many(&c, leader, 1, 500, 64);
    cluster_settle(&c);
    for (size_t i = 0; i < n; i++) {
        CHECK(toy_is(&c.nodes[i].toy, 1, 500));
        CHECK(replica_n_members(c.nodes[i].replica) == n);
        CHECK(replica_leader(c.nodes[i].replica, &address) == 1 && strcmp(address, c.nodes[0].address) == 0);
    }
    CHECK(cluster_add(&c, 1, 7, 8) == -ENOTCONN && cluster_barrier(&c, 1) == -ENOTCONN);

    cluster_kill(&c, leader);
    other = cluster_leader(&c);
    CHECK(other != leader && c.nodes[other].changes > 0);
    cluster_add_many(&c, other, 501, 100, 64);
    CHECK_OK(cluster_open(&c, leader));
    cluster_settle(&c);
    CHECK(toy_is(&c.nodes[leader].toy, 1, 600));
    cluster_done(&c);
}

static bool all_have(const struct cluster *c, size_t n)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->nodes[i].toy.n < n)
            return false;
    return true;
}

/* Nobody waits for a heartbeat, also after a pause. Else each of the four entries would take half of one until it is sent, and another one until
 * all know that it is committed. */
static void test_told(void)
{
    const unsigned heartbeat_ms = 500;
    struct cluster c;
    uint64_t spent = 0;

    cluster_init(&c, 3, 0, 10 * heartbeat_ms);
    cluster_form(&c);
    for (unsigned i = 1; i <= 4; i++) {
        uint64_t begin;

        cluster_run(&c, 5 * heartbeat_ms / 2);
        begin = uv_hrtime();
        CHECK_OK(cluster_add(&c, 0, i, 64));
        CLUSTER_WAIT(&c, all_have(&c, i));
        spent += uv_hrtime() - begin;
    }
    CHECK(spent < heartbeat_ms * UINT64_C(1000000));
    cluster_done(&c);
}

/* What is on each disk is under the node's own keys, and what another one sends is stored under them too. */
static void check_keys(const struct cluster *c)
{
    char command[700];

    for (size_t i = 0; i < c->n; i++) {
        CHECK_OK(folder_only_key(c->nodes[i].folder, 1));
        (void) snprintf(command, sizeof(command), "! grep -rq %s %s", TOY_MARKER, c->nodes[i].base);
        CHECK(system(command) == 0);
    }
}

static void test_catch_up(unsigned threshold)
{
    struct cluster c;
    int waited = 1;

    cluster_init(&c, 3, threshold, ELECTION_MS);
    cluster_form(&c);
    CHECK(cluster_leader(&c) == 0);
    cluster_add_many(&c, 0, 1, 50, 64);
    cluster_close(&c, 2);
    cluster_add_many(&c, 0, 51, 300, 64);
    CHECK_OK(cluster_open(&c, 2));
    CHECK(!replica_is_leader(c.nodes[2].replica));
    CHECK_OK(replica_wait_applied(c.nodes[2].replica, replica_applied(c.nodes[0].replica), on_result, &waited));
    CLUSTER_WAIT(&c, waited != 1);
    CHECK(waited == 0 && toy_is(&c.nodes[2].toy, 1, 350));
    cluster_settle(&c);
    cluster_kill(&c, 2); /* just after, with an installed snapshot */
    CHECK_OK(cluster_open(&c, 2));
    cluster_settle(&c);
    cluster_kill(&c, 0);
    cluster_kill(&c, 1);
    CHECK_OK(cluster_open(&c, 1));
    cluster_add_many(&c, cluster_leader(&c), 351, 100, 64);
    CHECK_OK(cluster_open(&c, 0));
    cluster_settle(&c);
    check_keys(&c);
    cluster_done(&c);
}

/* A leader that is alone goes on storing for a while; the others do not have that, and so it must not stay. */
static void test_deposed(unsigned threshold, bool killed)
{
    int results[20];
    uint64_t command;
    struct cluster c;
    size_t other;

    cluster_init(&c, 3, threshold, ELECTION_MS);
    cluster_form(&c);
    cluster_add_many(&c, 0, 1, 40, 64);
    cluster_settle(&c);
    cluster_isolate(&c, 0, true);
    for (unsigned i = 0; i < 20; i++) {
        results[i] = 1;
        command = 1000 + i;
        CHECK_OK(replica_propose(c.nodes[0].replica, &command, 8, on_result, &results[i]));
    }
    CLUSTER_WAIT(&c, results[19] != 1);
    for (unsigned i = 0; i < 20; i++)
        CHECK(results[i] == -ECANCELED);
    CHECK(!replica_is_leader(c.nodes[0].replica));
    other = cluster_leader(&c);
    CHECK(other != 0);
    cluster_add_many(&c, other, 41, threshold ? 200 : 5, 64);
    if (killed) {
        cluster_kill(&c, 0);
        cluster_isolate(&c, 0, false);
        CHECK_OK(cluster_open(&c, 0));
    } else
        cluster_isolate(&c, 0, false);
    cluster_settle(&c);
    CHECK(toy_is(&c.nodes[0].toy, 1, threshold ? 240 : 45));
    cluster_kill(&c, 0);
    CHECK_OK(cluster_open(&c, 0));
    cluster_settle(&c);
    cluster_done(&c);
}

/* Connections that are there but do not carry anything, one way and both ways. */
static void test_mute(void)
{
    struct cluster c;
    size_t other;

    cluster_init(&c, 3, 0, ELECTION_MS);
    cluster_form(&c);
    for (size_t i = 1; i < 3; i++)
        cluster_mute(&c, 0, i, true);
    CLUSTER_WAIT(&c, !replica_is_leader(c.nodes[0].replica));
    other = cluster_leader(&c);
    cluster_add_many(&c, other, 1, 50, 64);
    cluster_heal(&c);
    cluster_settle(&c);
    c.delay_ms = 20;
    cluster_add_many(&c, cluster_leader(&c), 51, 50, 64);
    cluster_settle(&c);
    cluster_done(&c);
}

static void test_large(void)
{
    struct cluster c;

    cluster_init(&c, 3, 0, 5000);
    for (size_t i = 0; i < 3; i++)
        c.nodes[i].config.segment_size = 0;
    cluster_form(&c);
    cluster_add_many(&c, 0, 1, 64, REPLICA_COMMAND_MAX);
    cluster_close(&c, 1);
    cluster_add_many(&c, 0, 65, 8, REPLICA_COMMAND_MAX);
    CHECK_OK(cluster_open(&c, 1));
    cluster_settle(&c);
    CHECK(toy_is(&c.nodes[1].toy, 1, 72));
    cluster_done(&c);
}

/* The answers that come when everything ends, and a dial that outlives its replica. */
static void test_ends(void)
{
    int waited = 1, barrier = 1;
    struct cluster c;

    cluster_init(&c, 3, 0, ELECTION_MS);
    cluster_form(&c);
    CHECK_OK(replica_wait_applied(c.nodes[1].replica, 1000000, on_result, &waited));
    cluster_isolate(&c, 0, true);
    CHECK_OK(replica_barrier(c.nodes[0].replica, on_result, &barrier));
    CLUSTER_WAIT(&c, barrier != 1);
    CHECK(barrier == -ECANCELED);
    cluster_close(&c, 1);
    CHECK(waited == -ECANCELED);
    for (unsigned i = 0; i < 30; i++) {
        CHECK_OK(cluster_open(&c, 1));
        cluster_run(&c, (unsigned) rand() % 10);
        cluster_close(&c, 1);
    }
    CHECK(replica_accept(c.nodes[0].replica, 1, "self", 99) == -EINVAL && replica_accept(c.nodes[0].replica, 0, "a", 99) == -EINVAL);
    cluster_done(&c);
}

/* A member whose machine fails stops, at any place, and comes back; the others go on. */
static void test_faults(void)
{
    struct cluster c;
    uint64_t next = 1;

    cluster_init(&c, 3, 16, ELECTION_MS);
    cluster_form(&c);
    for (unsigned k = 1; k < 12; k++) {
        size_t leader = cluster_leader(&c), victim = k % 4 == 0 ? leader : (leader + 1 + k % 2) % 3;

        c.nodes[victim].toy.applies = k;
        for (unsigned i = 0; i < 20; i++)
            if (cluster_add(&c, cluster_leader(&c), next, 64) == 7)
                next++;
        CLUSTER_WAIT(&c, replica_failure(c.nodes[victim].replica));
        CHECK(strstr(replica_failure(c.nodes[victim].replica), "out of memory"));
        CHECK(replica_leader(c.nodes[victim].replica, NULL) == 0 && replica_accept(c.nodes[victim].replica, 2, "a", 99) == -ENOTCONN);
        cluster_close(&c, victim);
        c.nodes[victim].toy.applies = 0;
        if (k % 2) { /* what it has missed comes as a snapshot, and that fails too */
            cluster_add_many(&c, cluster_leader(&c), 1000 * k, 60, 64);
            c.nodes[victim].toy.restores = 1;
        }
        if (cluster_open(&c, victim) < 0 || k % 2) {
            CLUSTER_WAIT(&c, !c.nodes[victim].replica || replica_failure(c.nodes[victim].replica));
            cluster_close(&c, victim);
            c.nodes[victim].toy.restores = 0;
            CHECK_OK(cluster_open(&c, victim));
        }
        cluster_settle(&c);
    }
    cluster_done(&c);
}

static void on_rewritten(void *data, int result)
{
    *(int *) data = result;
}

/* On a follower the entries that it takes come from the leader. */
static void test_rewrite(size_t node)
{
    struct cluster c;
    int result = 1;

    cluster_init(&c, 3, 0, ELECTION_MS);
    cluster_form(&c);
    cluster_add_many(&c, 0, 1, 200, 64);
    cluster_settle(&c);
    toy_keys(c.nodes[node].keyring, c.nodes[node].salt, 1, 2, 2);
    CHECK_OK(replica_rewrite(c.nodes[node].replica, on_rewritten, &result));
    while (result == 1) {
        CHECK_OK(cluster_barrier(&c, 0));
        cluster_run(&c, 50);
    }
    CHECK(result == 0 && folder_only_key(c.nodes[node].folder, 2) == 0);
    toy_keys(c.nodes[node].keyring, c.nodes[node].salt, 2, 2, 2);
    cluster_kill(&c, node);
    CHECK_OK(cluster_open(&c, node));
    cluster_settle(&c);
    CHECK(toy_is(&c.nodes[node].toy, 1, 200));
    cluster_done(&c);
}

int main(void)
{
    test_proposals(3);
    test_proposals(5);
    test_told();
    test_catch_up(0);
    test_catch_up(64);
    test_catch_up(16);
    test_deposed(0, false);
    test_deposed(0, true);
    test_deposed(16, false);
    test_deposed(16, true);
    test_mute();
    test_large();
    test_ends();
    test_faults();
    test_rewrite(0);
    test_rewrite(2);
    return 0;
}
