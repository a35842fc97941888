/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "managers.h"

static struct node *const m1 = &nodes[0], *const m2 = &nodes[1], *const m3 = &nodes[2];
static struct secret key = SECRET_NULL, old = SECRET_NULL;

static void all_active(void)
{
    WAIT(node_state(m1) == SWARM_ACTIVE && node_state(m2) == SWARM_ACTIVE && node_state(m3) == SWARM_ACTIVE);
}

static bool generations_are(uint32_t generation)
{
    for (int i = 0; i < 3; i++) {
        const Pb__Node *n = node_seen_by(m1, &nodes[i]);

        if (!n || n->key_generation != generation)
            return false;
    }
    return true;
}

/* Autolock is on; each takes each command. */
static void test_join(void)
{
    for (int i = 0; i < 3; i++)
        node_start(&nodes[i]);
    CHECK_OK(node_init(m1, true, &key));
    CHECK_OK(node_create(m1, "a"));
    CHECK_OK(node_join(m2, m1, PB__ROLE__MANAGER));
    CHECK(node_state(m2) == SWARM_ACTIVE && node_has(m2, "a") && node_file_exists(m2, "keyslots.luks"));
    CHECK_OK(node_join(m3, m2, PB__ROLE__MANAGER)); /* redirected to the leader */
    CHECK(node_state(m3) == SWARM_ACTIVE && node_has(m3, "a"));
    CHECK_OK(node_create(m3, "b"));
    CHECK(node_has(m3, "b") && node_is_current(m2) && node_has(m2, "b"));
    WAIT(generations_are(1));
}

/* The leader goes; the others go on; it comes back locked, with its key. */
static void test_restart(void)
{
    CHECK(swarm_is_leader(m1->swarm));
    node_stop(m1);
    CHECK_OK(node_create(m2, "c"));
    node_start(m1);
    CHECK(node_state(m1) == SWARM_LOCKED);
    CHECK_OK(node_unlock(m1, &key));
    all_active();
    CHECK(node_has(m1, "c"));
}

static unsigned n_keyslots(struct node *n)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = swarm_request_new(SWARM_LIST_KEYSLOTS);

    CHECK_OK(node_complete(n, r));
    return r->ret_n_keyslots;
}

/* Until every manager has the new key the old one stays for those that were away. */
static void test_rotate(void)
{
    node_stop(m3);
    CHECK_OK(secret_copy(key.data, key.size, &old));
    CHECK_OK(node_rotate(m2, &key));
    WAIT(node_seen_by(m1, m1)->key_generation == 2 && node_seen_by(m1, m2)->key_generation == 2);
    CHECK(store_cluster(swarm_store(m1->swarm))->retiring_generation == 1);
    node_start(m3);
    CHECK(node_unlock(m3, &key) < 0);
    CHECK_OK(node_unlock(m3, &old));
    all_active();
    WAIT(generations_are(2) && store_cluster(swarm_store(m1->swarm))->retiring_generation == 0);
    while (n_keyslots(m3) > 1)
        ;
    node_stop(m3);
    node_start(m3);
    CHECK(node_unlock(m3, &old) < 0);
    CHECK_OK(node_unlock(m3, &key));
    all_active();
}

static bool is_role(const struct node *n, Pb__Role role)
{
    const Pb__Node *node = node_seen_by(m1, n);

    return node && node->role == role;
}

/* A worker has no lock and no store; promoted it has both, demoted it loses both. */
static void test_roles(void)
{
    struct node *const m4 = &nodes[3];
    struct error e;

    node_start(m4);
    CHECK_OK(node_join(m4, m2, PB__ROLE__WORKER));
    CHECK(node_state(m4) == SWARM_ACTIVE && !swarm_is_manager(m4->swarm) && swarm_check_active(m4->swarm, &e) == -ESRCH);
    WAIT(node_seen_by(m1, m4) && node_seen_by(m1, m4)->state == PB__NODE_STATE__READY);
    node_stop(m4);
    node_start(m4);
    WAIT(node_state(m4) == SWARM_ACTIVE);

    CHECK_OK(node_set_role(m3, m4, PB__ROLE__MANAGER));
    WAIT(swarm_is_manager(m4->swarm) && node_state(m4) == SWARM_ACTIVE && node_has(m4, "a"));
    CHECK(node_file_exists(m4, "keyslots.luks"));
    WAIT(node_seen_by(m1, m4) && node_seen_by(m1, m4)->key_generation == 2);
    node_stop(m4);
    node_start(m4);
    CHECK(node_state(m4) == SWARM_LOCKED);
    CHECK_OK(node_unlock(m4, &key));
    WAIT(node_state(m4) == SWARM_ACTIVE);

    /* Demoted and promoted while it is away: its log is another member's when it comes back, and it begins with a new one. */
    node_stop(m4);
    CHECK_OK(node_set_role(m1, m4, PB__ROLE__WORKER));
    CHECK_OK(node_set_role(m2, m4, PB__ROLE__MANAGER));
    CHECK_OK(node_create(m1, "meanwhile"));
    node_start(m4);
    CHECK_OK(node_unlock(m4, &key));
    WAIT(m4->events[SWARM_EVENT_PROMOTED] == 1 && node_state(m4) == SWARM_ACTIVE && node_has(m4, "meanwhile"));
    WAIT(node_seen_by(m1, m4) && node_seen_by(m1, m4)->key_generation == 2);
    CHECK_OK(node_create(m4, "again"));

    CHECK_OK(node_set_role(m4, m4, PB__ROLE__WORKER));
    WAIT(!swarm_is_manager(m4->swarm) && node_state(m4) == SWARM_ACTIVE);
    CHECK(!node_file_exists(m4, "keyslots.luks") && !node_file_exists(m4, "raft") && is_role(m4, PB__ROLE__WORKER));
    node_stop(m4);
    node_start(m4);
    WAIT(node_state(m4) == SWARM_ACTIVE);

    CHECK(node_remove(m1, m4, false) == -EBUSY); /* it is not down */
    CHECK_OK(node_remove(m1, m4, true));
    WAIT(node_state(m4) == SWARM_INACTIVE);
    CHECK(!node_file_exists(m4, "creds/keys") && !node_file_exists(m4, "node.json") && m4->events[SWARM_EVENT_REMOVED] == 1);
    node_stop(m4);
}

/* Two of three are away: nothing blocks, nothing changes; then all is well again. */
static void test_quorum(void)
{
    node_stop(m2);
    node_stop(m3);
    CHECK(node_create(m1, "d") < 0);
    CHECK(!node_is_current(m1));
    node_stop(m1);
    node_start(m1);
    CHECK_OK(node_unlock(m1, &key));
    CHECK(node_state(m1) == SWARM_PENDING && swarm_why(m1->swarm)[0] != '\0');
    node_start(m2);
    CHECK_OK(node_unlock(m2, &key));
    node_start(m3);
    CHECK_OK(node_unlock(m3, &key));
    all_active();
    CHECK(node_create(m3, "e") == 0);
}

static bool rekeyed_is(uint32_t count)
{
    for (int i = 0; i < 3; i++) {
        const Pb__Node *n = node_seen_by(m1, &nodes[i]);

        if (!n || n->rekeyed != count)
            return false;
    }
    return true;
}

static unsigned troubles(void)
{
    return m1->events[SWARM_EVENT_DAMAGED] + m2->events[SWARM_EVENT_DAMAGED] + m3->events[SWARM_EVENT_DAMAGED] +
           m1->events[SWARM_EVENT_REMOVED] + m2->events[SWARM_EVENT_REMOVED] + m3->events[SWARM_EVENT_REMOVED];
}

/* One is away; it opens with the old key, then makes new keys, too. Their connections have new certificates, and the former ones are refused. */
static void test_rekey(void)
{
    _cleanup_free_ char *before = NULL;
    struct node *const m4 = &nodes[3];

    node_stop(m3);
    CHECK_OK(secret_copy(key.data, key.size, &old));
    before = strndup((const char *) node_seen_by(m1, m2)->certificate.data, node_seen_by(m1, m2)->certificate.len);
    CHECK_OK(node_rekey(m2, &key));
    WAIT(node_seen_by(m1, m1)->rekeyed == 1 && node_seen_by(m1, m2)->rekeyed == 1);
    CHECK(store_cluster(swarm_store(m1->swarm))->retiring_generation == 0);
    CHECK(before && strncmp(before, (const char *) node_seen_by(m1, m2)->certificate.data, node_seen_by(m1, m2)->certificate.len) != 0);
    CHECK_OK(node_create(m1, "h"));
    CHECK_OK(node_create(m2, "i"));
    WAIT(node_has(m1, "i") && node_has(m2, "h"));

    node_start(m3);
    CHECK(node_unlock(m3, &key) < 0);
    CHECK_OK(node_unlock(m3, &old));
    all_active();
    WAIT(rekeyed_is(1) && m3->events[SWARM_EVENT_REKEYED] == 1);
    for (int i = 0; i < 3; i++) {
        node_stop(&nodes[i]);
        node_start(&nodes[i]);
        CHECK(node_unlock(&nodes[i], &old) < 0);
        CHECK_OK(node_unlock(&nodes[i], &key));
        WAIT(node_state(&nodes[i]) == SWARM_ACTIVE);
    }
    all_active();

    CHECK_OK(node_rekey(m1, NULL));
    WAIT(rekeyed_is(2));
    CHECK_OK(node_create(m3, "j"));
    WAIT(node_has(m1, "j") && node_has(m2, "j"));

    /* who comes now has new keys as it is */
    node_start(m4);
    CHECK_OK(node_join(m4, m2, PB__ROLE__MANAGER));
    WAIT(node_seen_by(m1, m4) && node_seen_by(m1, m4)->rekeyed == 2);
    CHECK(m4->events[SWARM_EVENT_REKEYED] == 0);
    CHECK_OK(node_set_role(m1, m4, PB__ROLE__WORKER));
    WAIT(!swarm_is_manager(m4->swarm) && node_state(m4) == SWARM_ACTIVE);
    CHECK(node_seen_by(m1, m4)->rekeyed == 0);
    CHECK_OK(node_set_role(m1, m4, PB__ROLE__MANAGER));
    WAIT(swarm_is_manager(m4->swarm) && node_state(m4) == SWARM_ACTIVE && node_seen_by(m1, m4)->rekeyed == 2);
    CHECK_OK(node_set_role(m1, m4, PB__ROLE__WORKER));
    WAIT(!swarm_is_manager(m4->swarm) && node_state(m4) == SWARM_ACTIVE);
    CHECK_OK(node_remove(m1, m4, true));
    WAIT(node_state(m4) == SWARM_INACTIVE);
    node_stop(m4);
    CHECK(troubles() == 0);
}

static void test_autolock(void)
{
    node_stop(m2);
    CHECK_OK(node_simple(m1, SWARM_DISABLE_AUTOLOCK));
    WAIT(!node_file_exists(m3, "keyslots.luks"));
    node_start(m2);
    CHECK(node_state(m2) == SWARM_LOCKED);
    CHECK_OK(node_unlock(m2, &key));
    WAIT(!node_file_exists(m2, "keyslots.luks"));
    node_stop(m2);
    node_start(m2);
    all_active();
}

static void test_leave(void)
{
    CHECK_OK(node_leave(m3));
    CHECK(node_state(m3) == SWARM_INACTIVE);
    CHECK_OK(node_create(m2, "f"));
    CHECK_OK(node_leave(m1));
    WAIT(swarm_is_leader(m2->swarm));
    CHECK_OK(node_create(m2, "g"));
    CHECK(node_has(m2, "a") && node_has(m2, "f"));
}

int main(void)
{
    managers_begin();
    test_join();
    test_restart();
    test_rotate();
    test_roles();
    test_quorum();
    test_rekey();
    test_autolock();
    test_leave();
    secret_done(&key);
    secret_done(&old);
    managers_end();
    return 0;
}
