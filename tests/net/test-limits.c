/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../test.h"
#include "basic/cleanup.h"
#include "world.h"

#define LOCAL "127.0.0.1:0"
#define FLOOD 1000

static uv_loop_t loop;
static struct swarm_ca ours;
static struct identity *manager, *worker;
static struct server server;
static struct rpc_client *client;

/* Connects without waiting, from 127.0.0.<host>. */
static int half_open_to(const struct server *s, unsigned host)
{
    struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + host) }, to = from;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    CHECK(fd >= 0 && bind(fd, (struct sockaddr *) &from, sizeof(from)) == 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons((uint16_t) atoi(strrchr(listener_address(s->listener), ':') + 1));
    CHECK(connect(fd, (struct sockaddr *) &to, sizeof(to)) == 0 || errno == EINPROGRESS);
    return fd;
}

static int half_open(unsigned host)
{
    return half_open_to(&server, host);
}

static bool is_open(int fd)
{
    char c;

    return recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static uint64_t call_now(void)
{
    uint64_t start = uv_hrtime();
    struct outcome o = { 0 };

    CHECK_OK(rpc_call(client, "x", 1, 10000, on_outcome, &o));
    while (!o.done)
        (void) uv_run(&loop, UV_RUN_ONCE);
    CHECK_OK(o.result);
    return uv_hrtime() - start;
}

static unsigned count_open(const int fds[], size_t n)
{
    unsigned open = 0;

    for (size_t i = 0; i < n; i++)
        open += is_open(fds[i]);
    return open;
}

/* A thousand connections that say nothing: another client's calls go on, and newcomers are served. */
static void test_half_open(void)
{
    static int fds[FLOOD];
    uint64_t worst = 0;

    (void) call_now();
    for (unsigned i = 0; i < FLOOD; i++) {
        fds[i] = half_open(1);
        if (i % 4 == 0) {
            uint64_t took = call_now();

            worst = took > worst ? took : worst;
        }
        if (i % 100 == 50) {
            struct client c;

            CHECK_OK(client_try(&loop, worker, listener_address(server.listener), "echo/1", NULL, &c));
        }
    }
    turn_for(&loop, 50);
    CHECK(count_open(fds, FLOOD) <= LISTENER_PER_ADDRESS_MAX && count_open(fds + FLOOD - 32, 32) == 32);
    CHECK(server.n_refused >= FLOOD - LISTENER_PER_ADDRESS_MAX && strstr(server.why, "from its address"));
    for (unsigned i = 0; i < FLOOD; i++)
        (void) close(fds[i]);
    turn_for(&loop, 50);
    (void) printf("with %d half-open connections coming, the slowest of %d calls took %.1f ms\n", FLOOD, FLOOD / 4, (double) worst / 1e6);
    server.n_refused = 0;
}

/* From several addresses: the whole limit, and the oldest go. */
static void test_many_sources(void)
{
    int fds[4 * 50];

    for (unsigned i = 0; i < ELEMENTSOF(fds); i++) {
        fds[i] = half_open(2 + i / 50);
        turn_for(&loop, 1);
    }
    turn_for(&loop, 50);
    CHECK(count_open(fds, ELEMENTSOF(fds)) == LISTENER_HANDSHAKES_MAX);
    CHECK(count_open(fds + ELEMENTSOF(fds) - LISTENER_HANDSHAKES_MAX, LISTENER_HANDSHAKES_MAX) == LISTENER_HANDSHAKES_MAX);
    (void) call_now();
    for (unsigned i = 0; i < ELEMENTSOF(fds); i++)
        (void) close(fds[i]);
    turn_for(&loop, 50);
    server.n_refused = 0;
}

static int shake_hands(const struct server *s)
{
    struct client c;

    return client_try(&loop, worker, listener_address(s->listener), "echo/1", NULL, &c);
}

/* One source may begin so many handshakes; others are not concerned, and time gives it back. */
static void test_allowance(void)
{
    struct server limited;
    unsigned n = 0;
    uint64_t start;
    int other;

    server_start_limited(&limited, &loop, manager, LOCAL, 1);
    start = uv_hrtime();
    while (shake_hands(&limited) == 0)
        n++;
    CHECK(n >= LISTENER_BURST && n <= LISTENER_BURST + 1 + (uv_hrtime() - start) / 1000000000);
    CHECK(limited.n_refused == 1 && strcmp(limited.why, "too many new connections from its address") == 0);
    CHECK(strncmp(limited.refused_address, "127.0.0.1:", 10) == 0);
    other = half_open_to(&limited, 2);
    turn_for(&loop, 50);
    CHECK(is_open(other));
    (void) close(other);
    turn_for(&loop, 1100);
    CHECK_OK(shake_hands(&limited));
    server_stop(&limited);
}

static double cpu_seconds(void)
{
    struct rusage u;

    CHECK(getrusage(RUSAGE_SELF, &u) == 0);
    return (double) (u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double) (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* Out of descriptors: the loop does not spin, calls go on, and who waits is served later. */
static void test_no_descriptors(void)
{
    struct rlimit before, low;
    struct client c;
    double cpu;
    int fds[8], lowest;

    (void) call_now();
    for (unsigned i = 0; i < ELEMENTSOF(fds); i++)
        fds[i] = half_open(1);
    lowest = fcntl(0, F_DUPFD_CLOEXEC, 0);
    CHECK(lowest >= 0 && getrlimit(RLIMIT_NOFILE, &before) == 0);
    (void) close(lowest);
    low = before;
    low.rlim_cur = (rlim_t) lowest; /* none is free */
    CHECK(setrlimit(RLIMIT_NOFILE, &low) == 0);
    cpu = cpu_seconds();
    turn_for(&loop, 600); /* by ticks of 5 ms */
    cpu = cpu_seconds() - cpu;
    CHECK(count_open(fds, ELEMENTSOF(fds)) == ELEMENTSOF(fds));
    (void) call_now();
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    (void) printf("out of descriptors for 0.6 s: %.3f s of processor time\n", cpu);
    CHECK(cpu < 0.2);
    CHECK_OK(client_try(&loop, worker, listener_address(server.listener), "echo/1", NULL, &c));
    for (unsigned i = 0; i < ELEMENTSOF(fds); i++)
        (void) close(fds[i]);
    turn_for(&loop, 50);
}

/* n streams of one identity; how many of the first are closed again, the newest never is. */
static void crowd(struct identity *i, const char *protocol, struct client *c, size_t n, unsigned expected)
{
    unsigned closed = 0;

    for (size_t k = 0; k < n; k++) {
        client_connect(&c[k], &loop, i, listener_address(server.listener), protocol, NULL);
        turn_until(&loop, &c[k].ready);
    }
    turn_for(&loop, 50);
    for (size_t k = 0; k < n; k++) {
        closed += c[k].closed;
        CHECK(c[k].closed == (k < expected));
    }
    CHECK(closed == expected);
}

static void leave(struct client *c, size_t n)
{
    for (size_t k = 0; k < n; k++)
        if (c[k].stream)
            stream_close(c[k].stream);
    for (size_t k = 0; k < n; k++)
        turn_until(&loop, &c[k].closed);
    turn_for(&loop, 50);
}

static void test_crowds(void)
{
    _cleanup_(identity_unrefp) struct identity *pinned = pinned_new(&ours), *node = node_new(&ours, CA_ROLE_WORKER, 0, NULL);
    static struct client anonymous[LISTENER_ANONYMOUS_MAX + 5], known[LISTENER_PER_NODE_MAX + 3];

    crowd(pinned, "open/1", anonymous, ELEMENTSOF(anonymous), 5);
    crowd(node, "echo/1", known, ELEMENTSOF(known), 3);
    CHECK(anonymous[10].stream && !anonymous[10].closed);
    (void) call_now();
    leave(anonymous, ELEMENTSOF(anonymous));
    leave(known, ELEMENTSOF(known));
    server.n_refused = 0;
}

static void test_full(void)
{
    static struct client c[LISTENER_STREAMS_MAX];
    struct identity *nodes[LISTENER_STREAMS_MAX / 32];
    struct client late;
    size_t before;
    size_t n = LISTENER_STREAMS_MAX - 1; /* and our calls' */

    for (size_t i = 0; i < ELEMENTSOF(nodes); i++)
        nodes[i] = node_new(&ours, CA_ROLE_WORKER, 0, NULL);
    (void) call_now();
    before = mallinfo2().uordblks;
    for (size_t i = 0; i < n; i++) {
        client_connect(&c[i], &loop, nodes[i / 32], listener_address(server.listener), "echo/1", NULL);
        turn_until(&loop, &c[i].ready);
    }
    turn_for(&loop, 20);
    (void) printf("%zu KiB of memory for an idle connection, both ends\n", (mallinfo2().uordblks - before) / n / 1024);
    CHECK(server.n_refused == 0);
    CHECK(client_try(&loop, worker, listener_address(server.listener), "echo/1", NULL, &late) == -ECONNRESET);
    CHECK(server.n_refused == 1 && strcmp(server.why, "too many connections") == 0);
    (void) call_now();
    stream_close(c[0].stream);
    turn_until(&loop, &c[0].closed);
    turn_for(&loop, 20);
    CHECK_OK(client_try(&loop, worker, listener_address(server.listener), "echo/1", NULL, &late));
    leave(c, n);
    for (size_t i = 0; i < ELEMENTSOF(nodes); i++)
        (void) identity_unref(nodes[i]);
}

int main(void)
{
    struct rlimit files;

    CHECK(getrlimit(RLIMIT_NOFILE, &files) == 0);
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_max < 4096) {
        (void) printf("needs 4096 descriptors, has %ju\n", (uintmax_t) files.rlim_max);
        return 77;
    }
    CHECK_OK(secret_init());
    (void) signal(SIGPIPE, SIG_IGN);
    CHECK_OK(uv_loop_init(&loop));
    swarm_ca_new(&ours);
    manager = node_new(&ours, CA_ROLE_MANAGER, 0, NULL);
    worker = node_new(&ours, CA_ROLE_WORKER, 0, NULL);
    server_start(&server, &loop, manager, LOCAL);
    CHECK_OK(rpc_client_new(&loop, worker, "call/1", listener_address(server.listener), NULL, &client));
    test_half_open();
    test_many_sources();
    test_allowance();
    test_no_descriptors();
    test_crowds();
    test_full();
    rpc_client_close(client);
    server_stop(&server);
    (void) identity_unref(manager);
    (void) identity_unref(worker);
    swarm_ca_done(&ours);
    loop_done(&loop);
    return 0;
}
