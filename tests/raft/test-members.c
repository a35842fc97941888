/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is a member: creating, adding, removing, handing over, and going on alone. */
#include <errno.h>

#include "../test.h"
#include "cluster.h"

#define DURABLE_MS 1000 /* a follower may apply what two others have on disk before it has it itself */

static bool is_member(const struct cluster *c, size_t i, uint64_t id, bool *ret_votes)
{
    uint64_t other;

    for (size_t m = 0; m < replica_n_members(c->nodes[i].replica); m++) {
        replica_member_at(c->nodes[i].replica, m, &other, NULL, ret_votes);
        if (other == id)
            return true;
    }
    return false;
}

static void on_result(void *data, int result)
{
    *(int *) data = result;
}

static void test_created(void)
{
    struct cluster c;

    cluster_init(&c, 2, 0, 100);
    CHECK(replica_create(&c.nodes[1].config, &c.nodes[1].error) == -EEXIST);
    CHECK_OK(cluster_open(&c, 1));
    cluster_run(&c, 500);
    CHECK(!replica_is_leader(c.nodes[1].replica) && replica_n_members(c.nodes[1].replica) == 0 && c.nodes[1].changes == 0);
    CHECK(replica_leader(c.nodes[1].replica, NULL) == 0 && replica_applied(c.nodes[1].replica) == 0);
    CHECK(replica_add(c.nodes[1].replica, 3, "x", NULL, NULL) == -ENOTCONN);
    cluster_kill(&c, 1);
    CHECK(replica_recover(&c.nodes[1].config, &c.nodes[1].error) == -EINVAL);
    CHECK_OK(cluster_open(&c, 1));
    CHECK_OK(cluster_open(&c, 0));
    CHECK_OK(cluster_join(&c, 0, 1));
    cluster_settle(&c);
    cluster_kill(&c, 1);
    CHECK_OK(cluster_open(&c, 1));
    cluster_settle(&c);
    cluster_done(&c);
}

static void test_add(unsigned threshold)
{
    int first = 1, second = 1;
    struct cluster c;
    bool votes;

    cluster_init(&c, 5, threshold, ELECTION_MS);
    CHECK_OK(cluster_open(&c, 0));
    cluster_add_many(&c, 0, 1, 200, 64);
    CHECK(replica_add(c.nodes[0].replica, 0, "a", NULL, NULL) == -EINVAL && replica_add(c.nodes[0].replica, 2, "", NULL, NULL) == -EINVAL);
    CHECK(replica_transfer(c.nodes[0].replica, 0, NULL, NULL) == -EINVAL && replica_transfer(c.nodes[0].replica, 2, NULL, NULL) == -EINVAL);
    for (size_t i = 1; i < 4; i++) {
        CHECK_OK(cluster_open(&c, i));
        CHECK_OK(replica_add(c.nodes[0].replica, c.nodes[i].id, c.nodes[i].address, on_result, &first));
        CHECK(replica_add(c.nodes[0].replica, 9, "b", on_result, &second) == -EAGAIN);
        CHECK(replica_remove(c.nodes[0].replica, 9, on_result, &second) == -EAGAIN);
        CHECK(replica_transfer(c.nodes[0].replica, 0, on_result, &second) == (i > 1 ? -EAGAIN : -EINVAL));
        CLUSTER_WAIT(&c, first != 1);
        CHECK(first == 0 && is_member(&c, 0, c.nodes[i].id, &votes) && votes);
        first = 1;
        CHECK(cluster_join(&c, 0, i) == 0); /* again */
    }
    /* one that cannot be reached is a spare when its leader has gone, and is made a voter then */
    CHECK_OK(replica_add(c.nodes[0].replica, 5, c.nodes[4].address, on_result, &first));
    CLUSTER_WAIT(&c, is_member(&c, 0, 5, &votes));
    cluster_run(&c, 300);
    CHECK(first == 1 && !votes);
    cluster_kill(&c, 0);
    CHECK(first == -ECANCELED);
    CHECK_OK(cluster_open(&c, 4));
    CHECK_OK(cluster_join(&c, cluster_leader(&c), 4));
    CHECK(is_member(&c, cluster_leader(&c), 5, &votes) && votes);
    CHECK_OK(cluster_open(&c, 0));
    cluster_settle(&c);
    CHECK(cluster_has(&c, 4, 1, 200));
    strcpy(c.nodes[4].address, "10.9.9.9:1");
    CHECK(cluster_join(&c, cluster_leader(&c), 4) == -EEXIST);
    c.nodes[4].id = 77;
    strcpy(c.nodes[4].address, c.nodes[3].address);
    CHECK(cluster_join(&c, cluster_leader(&c), 4) == -EEXIST);
    c.nodes[4].id = 5;
    cluster_done(&c);
}

/* Members that came while there was much in the log must know the membership when they lead, and after they have lost their log to
 * snapshots. */
static void test_late_leader(unsigned threshold)
{
    struct cluster c;
    size_t leader;

    cluster_init(&c, 4, threshold, ELECTION_MS);
    CHECK_OK(cluster_open(&c, 0));
    for (size_t i = 1; i < 3; i++) {
        cluster_add_many(&c, 0, 1, 5, 64);
        CHECK_OK(cluster_open(&c, i));
        CHECK_OK(cluster_join(&c, 0, i));
    }
    cluster_settle(&c);
    CHECK_OK(cluster_transfer(&c, 0, 3));
    leader = cluster_leader(&c);
    CHECK(leader == 2);
    cluster_add_many(&c, leader, 1, 100, 64);
    CHECK_OK(cluster_open(&c, 3));
    CHECK_OK(cluster_join(&c, leader, 3));
    CHECK_OK(cluster_remove(&c, leader, 1));
    cluster_close(&c, 0);
    for (size_t i = 1; i < 4; i++) {
        cluster_kill(&c, i);
        CHECK_OK(cluster_open(&c, i));
        CHECK(replica_n_members(c.nodes[i].replica) >= 3);
    }
    cluster_settle(&c);
    for (size_t i = 1; i < 4; i++)
        CHECK(replica_n_members(c.nodes[i].replica) == 3 && !is_member(&c, i, 1, NULL));
    cluster_done(&c);
}

static void test_remove(void)
{
    struct cluster c;
    size_t leader;
    int result = 1;

    cluster_init(&c, 3, 16, ELECTION_MS);
    cluster_form(&c);
    cluster_add_many(&c, 0, 1, 50, 64);
    CHECK(replica_remove(c.nodes[0].replica, 1, NULL, NULL) == -EINVAL);
    CHECK_OK(cluster_remove(&c, 0, 99));
    cluster_isolate(&c, 2, true); /* one that is cut off */
    CHECK_OK(cluster_remove(&c, 0, 3));
    CHECK_OK(cluster_remove(&c, 0, 3));
    cluster_add_many(&c, 0, 51, 50, 64);
    cluster_run(&c, 2000);
    CHECK(replica_is_leader(c.nodes[0].replica));
    cluster_isolate(&c, 2, false); /* and comes back: it changes nothing */
    cluster_run(&c, 2000);
    CHECK(replica_is_leader(c.nodes[0].replica));
    cluster_close(&c, 2);
    cluster_wipe(&c, 2, 7);
    CHECK_OK(cluster_open(&c, 2));
    CHECK_OK(cluster_join(&c, 0, 2));
    cluster_settle(&c);
    CHECK(cluster_has(&c, 2, 1, 100));

    CHECK_OK(cluster_transfer(&c, 0, 0));
    leader = cluster_leader(&c);
    CHECK(leader != 0);
    CHECK_OK(cluster_transfer(&c, leader, 1));
    CHECK(cluster_leader(&c) == 0);
    cluster_kill(&c, 1);
    CHECK(cluster_transfer(&c, 0, 2) == -ETIMEDOUT && replica_is_leader(c.nodes[0].replica)); /* that one is down */
    CHECK_OK(cluster_add(&c, 0, 101, 64));
    CHECK_OK(cluster_remove(&c, 0, 2));
    CHECK_OK(cluster_remove(&c, 0, 7));
    cluster_close(&c, 2);
    CHECK_OK(cluster_add(&c, 0, 102, 64)); /* alone again */
    cluster_kill(&c, 0);
    CHECK_OK(cluster_open(&c, 0));
    CHECK(replica_is_leader(c.nodes[0].replica) && replica_n_members(c.nodes[0].replica) == 1);
    CHECK_OK(cluster_barrier(&c, 0));
    CHECK(cluster_has(&c, 0, 1, 102));

    CHECK_OK(replica_add(c.nodes[0].replica, 2, c.nodes[1].address, on_result, &result));
    cluster_close(&c, 0);
    CHECK(result == -ECANCELED);
    cluster_done(&c);
}

/* Two of three are lost for good. */
static void test_recover(unsigned threshold)
{
    struct cluster c;

    cluster_init(&c, 3, threshold, ELECTION_MS);
    cluster_form(&c);
    cluster_add_many(&c, 0, 1, 100, 64);
    cluster_settle(&c);
    cluster_run(&c, DURABLE_MS);
    cluster_isolate(&c, 1, true);
    cluster_kill(&c, 0);
    cluster_kill(&c, 2);
    cluster_kill(&c, 1);
    CHECK_OK(replica_recover(&c.nodes[1].config, &c.nodes[1].error));
    CHECK_OK(replica_recover(&c.nodes[1].config, &c.nodes[1].error)); /* again */
    CHECK_OK(cluster_open(&c, 1));
    CHECK(replica_is_leader(c.nodes[1].replica) && replica_n_members(c.nodes[1].replica) == 1);
    CHECK_OK(cluster_barrier(&c, 1));
    CHECK(cluster_has(&c, 1, 1, 100));
    cluster_add_many(&c, 1, 101, 50, 64);
    cluster_heal(&c);
    cluster_wipe(&c, 0, 11);
    cluster_wipe(&c, 2, 13);
    CHECK_OK(cluster_open(&c, 0));
    CHECK_OK(cluster_open(&c, 2));
    CHECK_OK(cluster_join(&c, 1, 0));
    CHECK_OK(cluster_join(&c, 1, 2));
    cluster_settle(&c);
    CHECK(cluster_has(&c, 0, 1, 150));
    cluster_kill(&c, 1);
    cluster_add_many(&c, cluster_leader(&c), 151, 50, 64);
    CHECK_OK(cluster_open(&c, 1));
    cluster_settle(&c);
    cluster_run(&c, DURABLE_MS);
    strcpy(c.nodes[1].address, "10.0.0.99:2377"); /* it has moved */
    cluster_kill(&c, 1);
    CHECK_OK(replica_recover(&c.nodes[1].config, &c.nodes[1].error));
    cluster_isolate(&c, 1, true);
    CHECK_OK(cluster_open(&c, 1));
    CHECK(replica_is_leader(c.nodes[1].replica));
    CHECK_OK(cluster_barrier(&c, 1));
    CHECK(cluster_has(&c, 1, 1, 200));
    cluster_done(&c);
}

/* A leader whose log is of another history: the member tells it, and does not go on. */
static void test_other_log(void)
{
    struct cluster c;

    cluster_init(&c, 2, 0, ELECTION_MS);
    cluster_form(&c);
    cluster_add_many(&c, 0, 1, 20, 64);
    cluster_settle(&c);
    cluster_isolate(&c, 0, true);
    for (size_t i = 0; i < 2; i++) { /* both go on alone */
        cluster_close(&c, i);
        for (unsigned times = 0; times < (i == 0 ? 1 : 16); times++) { /* in higher and higher terms */
            c.nodes[i].config.address = times % 2 ? c.nodes[i].address : "elsewhere";
            CHECK_OK(replica_recover(&c.nodes[i].config, &c.nodes[i].error));
        }
        c.nodes[i].config.address = c.nodes[i].address;
        CHECK_OK(replica_recover(&c.nodes[i].config, &c.nodes[i].error));
        CHECK_OK(cluster_open(&c, i));
        cluster_add_many(&c, i, 100 * (i + 1), 10, 64);
        CHECK_OK(cluster_barrier(&c, i));
    }
    cluster_heal(&c);
    CHECK_OK(replica_add(c.nodes[1].replica, 1, c.nodes[0].address, NULL, NULL));
    CLUSTER_WAIT(&c, replica_failure(c.nodes[0].replica));
    CHECK(strstr(replica_failure(c.nodes[0].replica), "not the same log"));
    CHECK(replica_is_leader(c.nodes[1].replica));
    cluster_done(&c);
}

int main(void)
{
    test_created();
    test_add(0);
    test_add(16);
    test_late_leader(0);
    test_late_leader(16);
    test_remove();
    test_recover(0);
    test_recover(16);
    test_other_log();
    return 0;
}
