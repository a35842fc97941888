/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../test.h"
#include "basic/cleanup.h"
#include "raft/wire_check.h"

#define CHUNK 65536
#define WAITING 1000000

struct chunk {
    struct chunk *next;
    uint64_t due;
    size_t size;
    unsigned char data[];
};

/* From the one that dialled to the one that accepted: in is our end of the former's socket, out of the latter's. */
struct link {
    struct cluster *cluster;
    struct link *next;
    size_t from, to;
    uv_pipe_t in, out;
    uv_timer_t timer;
    struct chunk *first, **last;
    struct wire_check check;
    unsigned open; /* handles that are not closed yet */
    bool dead;
};

struct dial {
    struct cluster *cluster;
    struct replica_dial *dial;
    size_t from;
    uint64_t to;
    uv_timer_t timer;
};

struct write {
    uv_write_t req;
    struct chunk *chunk;
};

static void link_free(struct link *l)
{
    struct link **at = &l->cluster->links;

    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    while (l->first) {
        struct chunk *chunk = l->first;

        l->first = chunk->next;
        free(chunk);
    }
    free(l);
}

static void on_link_closed(uv_handle_t *handle)
{
    struct link *l = handle->data;

    if (--l->open == 0)
        link_free(l);
}

static void link_close(struct link *l)
{
    if (l->dead)
        return;
    l->dead = true;
    uv_close((uv_handle_t *) &l->in, on_link_closed);
    uv_close((uv_handle_t *) &l->out, on_link_closed);
    uv_close((uv_handle_t *) &l->timer, on_link_closed);
}

static void on_alloc(uv_handle_t *handle, _unused_ size_t size, uv_buf_t *buf)
{
    static char shared[CHUNK];
    struct link *l = handle->data;

    *buf = uv_buf_init(l->dead ? NULL : shared, l->dead ? 0 : CHUNK);
}

static void on_written(uv_write_t *req, int status)
{
    struct write *w = (struct write *) req;
    struct link *l = req->handle->data;

    if (status < 0)
        link_close(l);
    free(w->chunk);
    free(w);
}

static void link_pump(struct link *l);

static void on_due(uv_timer_t *timer)
{
    link_pump(timer->data);
}

static void link_pump(struct link *l)
{
    struct cluster *c = l->cluster;

    while (!l->dead && l->first && l->first->due <= uv_now(&c->loop)) {
        struct chunk *chunk = l->first;
        struct write *w = malloc(sizeof(*w));
        uv_buf_t buf = uv_buf_init((char *) chunk->data, (unsigned) chunk->size);

        CHECK(w);
        w->chunk = chunk;
        l->first = chunk->next;
        if (!l->first)
            l->last = &l->first;
        CHECK(uv_write(&w->req, (uv_stream_t *) &l->out, &buf, 1, on_written) == 0);
    }
    if (!l->dead && l->first)
        CHECK(uv_timer_start(&l->timer, on_due, l->first->due - uv_now(&c->loop), 0) == 0);
}

static void on_in(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct link *l = stream->data;
    struct cluster *c = l->cluster;
    struct chunk *chunk;

    if (n < 0)
        link_close(l);
    if (n <= 0 || c->mute[l->from][l->to])
        return;
    if (wire_check_feed(&l->check, buf->base, (size_t) n) < 0) {
        (void) fprintf(stderr, "wire_check refuses what raft_uv sends: %d\n", l->check.result);
        for (size_t i = 0; i < 128; i++)
            (void) fprintf(stderr, "%02x%s", l->check.head[i], i % 8 == 7 ? "\n" : " ");
        abort();
    }
    c->bytes += (uint64_t) n;
    chunk = malloc(sizeof(*chunk) + (size_t) n);
    CHECK(chunk);
    chunk->next = NULL;
    chunk->due = uv_now(&c->loop) + (c->delay_ms > 0 ? (unsigned) rand() % (2 * c->delay_ms) : 0);
    chunk->size = (size_t) n;
    memcpy(chunk->data, buf->base, (size_t) n);
    *l->last = chunk;
    l->last = &chunk->next;
    link_pump(l);
}

static void on_out(uv_stream_t *stream, ssize_t n, _unused_ const uv_buf_t *buf)
{
    CHECK(n <= 0); /* nothing flows this way */
    if (n < 0)
        link_close(stream->data);
}

static void link_open_end(struct link *l, uv_pipe_t *pipe, int fd, uv_read_cb cb)
{
    CHECK(uv_pipe_init(&l->cluster->loop, pipe, 0) == 0);
    CHECK(uv_pipe_open(pipe, fd) == 0);
    pipe->data = l;
    l->open++;
    CHECK(uv_read_start((uv_stream_t *) pipe, on_alloc, cb) == 0);
}

static void link_new(struct cluster *c, size_t from, size_t to, int in, int out)
{
    struct link *l = calloc(1, sizeof(*l));

    CHECK(l);
    l->cluster = c;
    l->from = from;
    l->to = to;
    l->last = &l->first;
    l->next = c->links;
    c->links = l;
    link_open_end(l, &l->in, in, on_in);
    link_open_end(l, &l->out, out, on_out);
    CHECK(uv_timer_init(&c->loop, &l->timer) == 0);
    l->timer.data = l;
    l->open++;
}

static size_t find(const struct cluster *c, uint64_t id)
{
    size_t i = 0;

    while (i < c->n && c->nodes[i].id != id)
        i++;
    return i;
}

static int connect_nodes(struct cluster *c, size_t from, size_t to)
{
    int a[2], b[2], r;

    if (to == c->n || !c->nodes[to].replica || !c->nodes[from].replica || c->cut[from][to])
        return -EHOSTUNREACH;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, a) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, b) == 0);
    r = replica_accept(c->nodes[to].replica, c->nodes[from].id, c->nodes[from].address, b[0]);
    if (r < 0) {
        (void) close(a[0]);
        (void) close(a[1]);
        (void) close(b[0]);
        (void) close(b[1]);
        return r;
    }
    link_new(c, from, to, a[1], b[1]);
    return a[0];
}

static void on_dial_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_dial(uv_timer_t *timer)
{
    struct dial *d = timer->data;

    replica_dial_done(d->dial, connect_nodes(d->cluster, d->from, find(d->cluster, d->to)));
    uv_close((uv_handle_t *) timer, on_dial_closed);
}

static void start_dial(void *data, uint64_t id, _unused_ const char *address, struct replica_dial *dial)
{
    struct node *node = data;
    struct cluster *c = node->cluster;
    struct dial *d = malloc(sizeof(*d));

    CHECK(d);
    *d = (struct dial) { .cluster = c, .dial = dial, .from = (size_t) (node - c->nodes), .to = id };
    CHECK(uv_timer_init(&c->loop, &d->timer) == 0);
    d->timer.data = d;
    CHECK(uv_timer_start(&d->timer, on_dial, (unsigned) rand() % (2 * c->delay_ms + 3), 0) == 0);
}

static void close_links(struct cluster *c, size_t i, size_t j)
{
    for (struct link *l = c->links; l; l = l->next)
        if ((l->from == i && (j == c->n || l->to == j)) || (l->to == i && (j == c->n || l->from == j)))
            link_close(l);
}

static void on_pace(_unused_ uv_timer_t *timer)
{
}

static void node_init(struct cluster *c, size_t i, unsigned threshold, unsigned election_ms)
{
    struct node *node = &c->nodes[i];
    char base[sizeof(node->base)];

    node->cluster = c;
    node->id = i + 1;
    node->salt = (unsigned char) (i + 1);
    (void) snprintf(node->address, sizeof(node->address), "10.0.0.%zu:2377", i + 1);
    (void) snprintf(base, sizeof(base), "%s/%zu", c->base, i);
    memcpy(node->base, base, sizeof(base));
    (void) snprintf(node->folder, sizeof(node->folder), "%s/raft", base);
    (void) snprintf(node->highwater, sizeof(node->highwater), "%s/highwater", base);
    CHECK(mkdir(node->base, 0700) == 0);
    node->keyring = keyring_new();
    CHECK(node->keyring);
    toy_keys(node->keyring, node->salt, 1, 1, 1);
    node->config = (struct replica_config) {
        .loop = &c->loop,
        .folder = node->folder,
        .highwater = node->highwater,
        .id = node->id,
        .address = node->address,
        .keyring = node->keyring,
        .machine = toy_machine(&node->toy),
        .snapshot_threshold = threshold,
        .segment_size = 1024UL * 1024,
        .links = { node, start_dial },
        .election_ms = election_ms,
    };
    CHECK_OK(i == 0 ? replica_bootstrap(&node->config, &node->error) : replica_create(&node->config, &node->error));
}

void cluster_init(struct cluster *c, size_t n, unsigned threshold, unsigned election_ms)
{
    const char *tmp = getenv("TMPDIR");

    (void) signal(SIGPIPE, SIG_IGN);
    *c = (struct cluster) { .n = n };
    CHECK(n <= NODES_MAX && uv_loop_init(&c->loop) == 0);
    CHECK(uv_timer_init(&c->loop, &c->pace) == 0 && uv_timer_start(&c->pace, on_pace, 1, 1) == 0);
    (void) snprintf(c->base, sizeof(c->base), "%s/test-raft-XXXXXX", tmp ? tmp : "/var/tmp");
    CHECK(mkdtemp(c->base));
    for (size_t i = 0; i < n; i++)
        node_init(c, i, threshold, election_ms);
}

void cluster_done(struct cluster *c)
{
    for (size_t i = 0; i < c->n; i++) {
        cluster_close(c, i);
        keyring_free(c->nodes[i].keyring);
        toy_done(&c->nodes[i].toy);
    }
    uv_close((uv_handle_t *) &c->pace, NULL);
    (void) uv_run(&c->loop, UV_RUN_DEFAULT);
    CHECK(!c->links && uv_loop_close(&c->loop) == 0);
    remove_folder(c->base);
}

void cluster_form(struct cluster *c)
{
    for (size_t i = 0; i < c->n; i++)
        CHECK_OK(cluster_open(c, i));
    CHECK(replica_is_leader(c->nodes[0].replica));
    for (size_t i = 1; i < c->n; i++)
        CHECK_OK(cluster_join(c, 0, i));
}

static void on_change(void *data)
{
    struct node *node = data;

    node->changes++;
}

int cluster_open(struct cluster *c, size_t i)
{
    struct node *node = &c->nodes[i];
    int r;

    toy_done(&node->toy);
    node->error.text[0] = 0;
    r = replica_open(&node->config, on_change, node, &node->replica, &node->error);
    if (r < 0) {
        node->replica = NULL;
        (void) fprintf(stderr, "node %zu does not open: %s\n", i, node->error.text);
        cluster_run(c, 50);
        return r;
    }
    node->notices += replica_notice(node->replica) != NULL;
    return r;
}

static void on_closed(void *data)
{
    *(bool *) data = true;
}

void cluster_close(struct cluster *c, size_t i)
{
    struct replica *r = TAKE_PTR(c->nodes[i].replica);
    bool closed = false;

    if (!r)
        return;
    close_links(c, i, c->n);
    replica_close(r, on_closed, &closed);
    CLUSTER_WAIT(c, closed);
}

void cluster_kill(struct cluster *c, size_t i)
{
    struct node *node = &c->nodes[i];
    char image[300];

    if (!node->replica)
        return;
    close_links(c, i, c->n);
    (void) snprintf(image, sizeof(image), "%s-image", node->base);
    copy_running(node->base, image);
    cluster_close(c, i);
    remove_folder(node->base);
    CHECK(rename(image, node->base) == 0);
}

void cluster_wipe(struct cluster *c, size_t i, uint64_t id)
{
    struct node *node = &c->nodes[i];

    CHECK(!node->replica);
    remove_folder(node->base);
    CHECK(mkdir(node->base, 0700) == 0);
    node->id = node->config.id = id;
    CHECK_OK(replica_create(&node->config, &node->error));
}

void cluster_cut(struct cluster *c, size_t i, size_t j, bool cut)
{
    c->cut[i][j] = c->cut[j][i] = cut;
    if (cut)
        close_links(c, i, j);
}

void cluster_mute(struct cluster *c, size_t i, size_t j, bool mute)
{
    c->mute[i][j] = mute;
    if (!mute)
        close_links(c, i, j); /* its streams have lost bytes */
}

void cluster_isolate(struct cluster *c, size_t i, bool cut)
{
    for (size_t j = 0; j < c->n; j++)
        if (j != i)
            cluster_cut(c, i, j, cut);
}

void cluster_heal(struct cluster *c)
{
    for (size_t i = 0; i < c->n; i++)
        for (size_t j = 0; j < c->n; j++) {
            c->cut[i][j] = false;
            if (c->mute[i][j])
                cluster_mute(c, i, j, false);
        }
    c->delay_ms = 0;
}

void cluster_turn(struct cluster *c)
{
    (void) uv_run(&c->loop, UV_RUN_ONCE);
}

void cluster_run(struct cluster *c, unsigned ms)
{
    uint64_t end = uv_hrtime() + ms * 1000000ULL;

    while (uv_hrtime() < end)
        cluster_turn(c);
}

static bool leads(const struct cluster *c, size_t i)
{
    size_t followers = 0, voters = 0, n;
    bool votes;
    uint64_t id;

    if (!c->nodes[i].replica || !replica_is_leader(c->nodes[i].replica))
        return false;
    n = replica_n_members(c->nodes[i].replica);
    for (size_t m = 0; m < n; m++) {
        size_t j;

        replica_member_at(c->nodes[i].replica, m, &id, NULL, &votes);
        j = find(c, id);
        voters += votes;
        followers += votes && j < c->n && c->nodes[j].replica && replica_leader(c->nodes[j].replica, NULL) == c->nodes[i].id;
    }
    return followers > voters / 2;
}

static bool find_leader(const struct cluster *c, size_t *ret)
{
    for (size_t i = 0; i < c->n; i++)
        if (leads(c, i)) {
            *ret = i;
            return true;
        }
    return false;
}

size_t cluster_leader(struct cluster *c)
{
    size_t i = 0;

    CLUSTER_WAIT(c, find_leader(c, &i));
    return i;
}

void cluster_print(const struct cluster *c)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct node *node = &c->nodes[i];

        (void) fprintf(stderr, "node %zu (id %llu): ", i, (unsigned long long) node->id);
        if (!node->replica) {
            (void) fprintf(stderr, "down\n");
            continue;
        }
        (void) fprintf(stderr, "%s, leader %llu, applied %llu, %zu numbers, members", replica_is_leader(node->replica) ? "leads" : "follows",
                       (unsigned long long) replica_leader(node->replica, NULL), (unsigned long long) replica_applied(node->replica),
                       node->toy.n);
        for (size_t m = 0; m < replica_n_members(node->replica); m++) {
            uint64_t id;
            bool votes;

            replica_member_at(node->replica, m, &id, NULL, &votes);
            (void) fprintf(stderr, " %llu%s", (unsigned long long) id, votes ? "" : "-");
        }
        (void) fprintf(stderr, "%s%s\n", replica_failure(node->replica) ? " FAILED: " : "",
                       replica_failure(node->replica) ? replica_failure(node->replica) : "");
    }
}

bool cluster_has(const struct cluster *c, size_t i, uint64_t first, size_t n)
{
    const struct toy *t = &c->nodes[i].toy;

    if (toy_is(t, first, n))
        return true;
    cluster_print(c);
    for (size_t k = 0; k < t->n; k++)
        (void) fprintf(stderr, "%llu ", (unsigned long long) t->numbers[k]);
    return false;
}

static void on_result(void *data, int result)
{
    *(int *) data = result;
}

static int await(struct cluster *c, int r, const int *result)
{
    if (r < 0)
        return r;
    CLUSTER_WAIT(c, *result != WAITING);
    return *result;
}

int cluster_add(struct cluster *c, size_t i, uint64_t number, size_t size)
{
    _cleanup_free_ unsigned char *command = malloc(size);
    int result = WAITING;

    CHECK(command);
    (void) toy_command(command, number, size);
    return await(c, replica_propose(c->nodes[i].replica, command, size, on_result, &result), &result);
}

void cluster_add_many(struct cluster *c, size_t i, uint64_t first, unsigned n, size_t size)
{
    _cleanup_free_ unsigned char *command = malloc(size);
    _cleanup_free_ int *results = malloc(n * sizeof(int));
    unsigned done = 0;

    CHECK(command && results);
    for (unsigned k = 0; k < n; k++) {
        int r;

        results[k] = WAITING;
        (void) toy_command(command, first + k, size);
        while ((r = replica_propose(c->nodes[i].replica, command, size, on_result, &results[k])) == -EAGAIN)
            cluster_turn(c);
        CHECK_OK(r);
    }
    for (; done < n; done++) {
        CLUSTER_WAIT(c, results[done] != WAITING);
        CHECK_OK(results[done]);
    }
}

int cluster_join(struct cluster *c, size_t leader, size_t i)
{
    int result = WAITING;

    return await(c, replica_add(c->nodes[leader].replica, c->nodes[i].id, c->nodes[i].address, on_result, &result), &result);
}

int cluster_remove(struct cluster *c, size_t leader, uint64_t id)
{
    int result = WAITING;

    return await(c, replica_remove(c->nodes[leader].replica, id, on_result, &result), &result);
}

int cluster_transfer(struct cluster *c, size_t leader, uint64_t id)
{
    int result = WAITING;

    return await(c, replica_transfer(c->nodes[leader].replica, id, on_result, &result), &result);
}

int cluster_barrier(struct cluster *c, size_t i)
{
    int result = WAITING;

    return await(c, replica_barrier(c->nodes[i].replica, on_result, &result), &result);
}

static bool settled(const struct cluster *c, uint64_t index)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->nodes[i].replica && replica_applied(c->nodes[i].replica) < index)
            return false;
    return true;
}

void cluster_settle(struct cluster *c)
{
    const struct node *first = NULL;
    size_t leader;
    int r;

    do {
        leader = cluster_leader(c);
        r = cluster_barrier(c, leader);
        cluster_turn(c);
    } while (r < 0);
    CLUSTER_WAIT(c, settled(c, replica_applied(c->nodes[leader].replica)));
    for (size_t i = 0; i < c->n; i++) {
        const struct node *node = &c->nodes[i];

        if (!node->replica)
            continue;
        if (!first)
            first = node;
        if (node->toy.n != first->toy.n || (node->toy.n > 0 && memcmp(node->toy.numbers, first->toy.numbers, node->toy.n * 8) != 0)) {
            cluster_print(c);
            CHECK(!"all states are equal");
        }
    }
}
