/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything at once: members are killed, closed, cut off, muted, delayed, removed, added anew and given other keys while proposals go on.
 * In the end nothing that was acknowledged is missing, and all states are equal. test-chaos [SEED [ROUNDS [THRESHOLD]]] */
#include <errno.h>

#include "../test.h"
#include "basic/cleanup.h"
#include "cluster.h"

#define ROUNDS 60
#define NODES 5
#define NUMBERS_MAX 4000000
#define FLIGHT 12

struct chaos {
    struct cluster c;
    unsigned flying;
    uint64_t next, next_id;
    uint64_t acknowledged;
    unsigned kills, closes, changes, transfers, rewrites, leaders;
    uint32_t first_key[NODES], last_key[NODES];
    bool rewriting[NODES], changing;
    size_t last_leader;
    bool stopping;
};

static unsigned char acknowledged[NUMBERS_MAX];

struct proposal {
    struct chaos *chaos;
    uint64_t number;
};

static unsigned number(unsigned below)
{
    return (unsigned) rand() % below;
}

static void on_proposed(void *data, int result)
{
    struct proposal *p = data;

    CHECK(result == 7 || result == -ECANCELED || result == -ENOSPC || result == -ENOTCONN);
    if (result == 7) {
        acknowledged[p->number] = 1;
        p->chaos->acknowledged++;
    }
    p->chaos->flying--;
    free(p);
}

/* At whoever says that it leads, be it right or not. */
static void propose(struct chaos *x)
{
    static unsigned char command[4096];

    for (size_t i = 0; i < NODES && !x->stopping; i++) {
        struct replica *r = x->c.nodes[i].replica;

        if (r && replica_is_leader(r) && i != x->last_leader) {
            x->last_leader = i;
            x->leaders++;
        }
        while (r && replica_is_leader(r) && x->flying < FLIGHT && x->next < NUMBERS_MAX) {
            struct proposal *p = malloc(sizeof(*p));

            CHECK(p);
            *p = (struct proposal) { x, x->next++ };
            if (replica_propose(r, command, toy_command(command, p->number, 8 + 8 * number(number(10) ? 16 : 500)), on_proposed, p) < 0) {
                free(p);
                break;
            }
            x->flying++;
        }
    }
}

static void check_failures(const struct chaos *x)
{
    for (size_t i = 0; i < NODES; i++)
        if (x->c.nodes[i].replica && replica_failure(x->c.nodes[i].replica)) {
            cluster_print(&x->c);
            exit(1);
        }
}

static void run(struct chaos *x, unsigned ms)
{
    uint64_t end = uv_hrtime() + ms * 1000000ULL;

    while (uv_hrtime() < end) {
        propose(x);
        cluster_turn(&x->c);
        check_failures(x);
    }
}

struct answer {
    struct chaos *chaos;
    size_t node;
};

static void on_rewritten(void *data, int result)
{
    struct answer *a = data;

    CHECK(result == 0 || result == -ECANCELED || result == -ETIMEDOUT || result == -EIO);
    a->chaos->rewriting[a->node] = false;
    a->chaos->rewrites += result == 0;
    if (result == 0)
        a->chaos->first_key[a->node] = a->chaos->last_key[a->node];
    free(a);
}

/* Another key, and if there are too many, only the last is kept after a rewrite. */
static void rotate(struct chaos *x, size_t i)
{
    struct node *node = &x->c.nodes[i];
    struct answer *a;

    if (!node->replica || x->rewriting[i] || x->last_key[i] - x->first_key[i] + 2 > KEYRING_MAX)
        return;
    x->last_key[i]++;
    toy_keys(node->keyring, node->salt, x->first_key[i], x->last_key[i], x->last_key[i]);
    a = malloc(sizeof(*a));
    CHECK(a);
    *a = (struct answer) { x, i };
    if (replica_rewrite(node->replica, on_rewritten, a) == 0)
        x->rewriting[i] = true;
    else
        free(a);
}

static void on_changed(void *data, int result)
{
    struct chaos *x = data;

    CHECK(result == 0 || result == -EAGAIN || result == -ENOTCONN || result == -ECANCELED || result == -ETIMEDOUT || result == -ENOSPC);
    x->changing = false;
    x->changes += result == 0;
}

static void start_change(struct chaos *x, int r)
{
    CHECK(r == 0 || r == -EAGAIN || r == -ENOTCONN || r == -ENOSPC || r == -EINVAL);
    x->changing = r == 0;
}

static bool find_member(struct replica *r, uint64_t id, bool *ret_votes)
{
    uint64_t other;

    for (size_t m = 0; m < replica_n_members(r); m++) {
        replica_member_at(r, m, &other, NULL, ret_votes);
        if (other == id)
            return true;
    }
    return false;
}

static unsigned count_up(const struct chaos *x)
{
    unsigned n = 0;

    for (size_t i = 0; i < NODES; i++)
        n += x->c.nodes[i].replica != NULL;
    return n;
}

/* Whoever is no voter is added; otherwise one is removed, wiped, and comes back as another. */
static void change(struct chaos *x, size_t leader)
{
    struct replica *r = x->c.nodes[leader].replica;
    size_t i = number(NODES);
    bool votes;

    if (x->changing || i == leader)
        return;
    if (!find_member(r, x->c.nodes[i].id, &votes) || !votes)
        start_change(x, replica_add(r, x->c.nodes[i].id, x->c.nodes[i].address, on_changed, x));
    else if (replica_n_members(r) == NODES)
        start_change(x, replica_remove(r, x->c.nodes[i].id, on_changed, x));
}

/* A node that a leader has removed: its place is taken by another. Only when all agree that it is none. */
static void replace_removed(struct chaos *x)
{
    for (size_t i = 0; i < NODES; i++) {
        unsigned knowing = 0;

        for (size_t j = 0; j < NODES; j++)
            knowing += j != i && x->c.nodes[j].replica && replica_n_members(x->c.nodes[j].replica) > 0 &&
                       !find_member(x->c.nodes[j].replica, x->c.nodes[i].id, NULL);
        if (knowing < NODES - 1 || x->changing)
            continue;
        if (x->c.nodes[i].id > NODES && replica_n_members(x->c.nodes[i].replica ? x->c.nodes[i].replica : x->c.nodes[(i + 1) % NODES].replica) == 0)
            continue;
        cluster_close(&x->c, i);
        cluster_wipe(&x->c, i, x->next_id++);
        CHECK_OK(cluster_open(&x->c, i));
    }
}

static void on_transferred(void *data, int result)
{
    struct chaos *x = data;

    x->transfers += result == 0;
}

/* One that says that it leads, or NODES. */
static size_t any_leader(const struct chaos *x)
{
    size_t i = 0;

    while (i < NODES && !(x->c.nodes[i].replica && replica_is_leader(x->c.nodes[i].replica)))
        i++;
    return i;
}

static void disturb(struct chaos *x)
{
    size_t i = number(NODES), j = number(NODES), leader = any_leader(x);
    struct node *node = &x->c.nodes[i];

    switch (number(12)) {
    case 0:
    case 1:
    case 2:
        if (node->replica) {
            cluster_kill(&x->c, i);
            x->kills++;
        }
        break;
    case 3:
        if (node->replica)
            x->closes++;
        cluster_close(&x->c, i);
        break;
    case 4:
        cluster_isolate(&x->c, i, true);
        break;
    case 5:
        if (i != j)
            cluster_cut(&x->c, i, j, true);
        break;
    case 6:
        if (i != j)
            cluster_mute(&x->c, i, j, true);
        break;
    case 7:
        x->c.delay_ms = number(3) ? 0 : number(30);
        break;
    case 8:
        if (leader < NODES)
            (void) replica_transfer(x->c.nodes[leader].replica, 0, on_transferred, x);
        break;
    case 9:
        rotate(x, i);
        break;
    default:
        if (leader < NODES)
            change(x, leader);
    }
}

static void repair(struct chaos *x)
{
    if (number(3) == 0)
        cluster_heal(&x->c);
    for (size_t i = 0; i < NODES; i++)
        if (!x->c.nodes[i].replica && (number(2) || count_up(x) < 3))
            CHECK_OK(cluster_open(&x->c, i));
}

static void check_all(const struct chaos *x)
{
    _cleanup_free_ unsigned char *seen = calloc(NUMBERS_MAX, 1);
    uint64_t missing = 0;

    CHECK(seen);
    for (size_t i = 0; i < NODES; i++) {
        const struct toy *t = &x->c.nodes[i].toy;

        if (!x->c.nodes[i].replica)
            continue;
        memset(seen, 0, NUMBERS_MAX);
        for (size_t k = 0; k < t->n; k++) {
            CHECK(t->numbers[k] < NUMBERS_MAX && !seen[t->numbers[k]]);
            seen[t->numbers[k]] = 1;
        }
        for (uint64_t k = 0; k < x->next; k++)
            missing += acknowledged[k] && !seen[k];
    }
    if (missing > 0)
        (void) fprintf(stderr, "%llu acknowledged entries are missing\n", (unsigned long long) missing);
    CHECK(missing == 0);
}

static void finish(struct chaos *x)
{
    x->stopping = true;
    cluster_heal(&x->c);
    for (size_t i = 0; i < NODES; i++)
        if (!x->c.nodes[i].replica)
            CHECK_OK(cluster_open(&x->c, i));
    CLUSTER_WAIT(&x->c, !x->changing);
    for (size_t i = 0; i < NODES; i++) { /* those that are none any more have nothing to say */
        size_t leader = cluster_leader(&x->c);

        if (!find_member(x->c.nodes[leader].replica, x->c.nodes[i].id, NULL))
            cluster_close(&x->c, i);
    }
    for (size_t i = 0; i < NODES; i++) {
        int r = -1;
        bool votes;

        while (x->c.nodes[i].replica && r < 0) { /* spares get nothing otherwise */
            size_t leader = cluster_leader(&x->c);

            r = cluster_join(&x->c, leader, i);
            CHECK(find_member(x->c.nodes[leader].replica, x->c.nodes[i].id, &votes));
            cluster_turn(&x->c);
        }
    }
    cluster_settle(&x->c);
    check_all(x);
    CLUSTER_WAIT(&x->c, x->flying == 0);
}

static void chaos(unsigned seed, unsigned rounds, unsigned threshold)
{
    static struct chaos x;

    srand(seed);
    memset(acknowledged, 0, sizeof(acknowledged));
    x = (struct chaos) { .next = 1, .next_id = NODES + 1 };
    cluster_init(&x.c, NODES, threshold, 200);
    for (size_t i = 0; i < NODES; i++) {
        x.first_key[i] = x.last_key[i] = 1;
        x.c.nodes[i].config.segment_size = 256UL * 1024;
    }
    cluster_form(&x.c);
    for (unsigned i = 0; i < rounds; i++) {
        for (unsigned n = 1 + number(3); n > 0; n--)
            disturb(&x);
        run(&x, 20 + number(150));
        repair(&x);
        run(&x, number(3) ? number(100) : 300 + number(500));
        replace_removed(&x);
    }
    finish(&x);
    (void) printf("seed %u, threshold %u: %llu of %llu acknowledged, %u kills, %u closes, %u changes of leaders, %u of members, %u transfers, %u rewrites, "
                  "%u notices, %llu MiB sent\n", seed, threshold, (unsigned long long) x.acknowledged, (unsigned long long) x.next, x.kills,
                  x.closes, x.leaders, x.changes, x.transfers, x.rewrites,
                  x.c.nodes[0].notices + x.c.nodes[1].notices + x.c.nodes[2].notices + x.c.nodes[3].notices + x.c.nodes[4].notices,
                  (unsigned long long) x.c.bytes >> 20);
    (void) fflush(stdout);
    cluster_done(&x.c);
}

int main(int argc, char *argv[])
{
    static const unsigned thresholds[] = { 16, 64, 300, 1000 };
    unsigned seed = argc > 1 ? (unsigned) strtoul(argv[1], NULL, 10) : 1;
    unsigned rounds = argc > 2 ? (unsigned) strtoul(argv[2], NULL, 10) : ROUNDS;

    if (argc > 3)
        chaos(seed, rounds, (unsigned) strtoul(argv[3], NULL, 10));
    for (unsigned i = 0; argc <= 3 && i < ELEMENTSOF(thresholds); i++)
        chaos(seed + i, rounds / ELEMENTSOF(thresholds), thresholds[i]);
    return 0;
}
