/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Time-outs, on a clock that runs FASTER times as fast. */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../test.h"
#include "net/frame.h"
#include "world.h"

#define FASTER 5
#define LATE 25 /* of those seconds a busy machine may add */
#define LOCAL "127.0.0.1:0"

int __real_uv_timer_start(uv_timer_t *timer, uv_timer_cb cb, uint64_t timeout, uint64_t repeat);
uint64_t __real_uv_now(const uv_loop_t *l);
int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb cb, uint64_t timeout, uint64_t repeat);
uint64_t __wrap_uv_now(const uv_loop_t *l);

int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb cb, uint64_t timeout, uint64_t repeat)
{
    return __real_uv_timer_start(timer, cb, (timeout + FASTER - 1) / FASTER, (repeat + FASTER - 1) / FASTER);
}

uint64_t __wrap_uv_now(const uv_loop_t *l)
{
    return __real_uv_now(l) * FASTER;
}

static uv_loop_t loop;
static struct swarm_ca ours;
static struct identity *manager, *worker;
static struct server server;

static const char *at(void)
{
    return listener_address(server.listener);
}

/* Seconds on the fast clock since. */
static double since(uint64_t start)
{
    return (double) (uv_hrtime() - start) * FASTER / 1e9;
}

/* Somebody connects and says nothing, or begins to. */
static void test_handshake(void)
{
    uint64_t start = uv_hrtime();
    int silent = connect_plain(at()), begins = connect_plain(at());
    char c;

    CHECK(send(begins, "\x16\x03\x01", 3, 0) == 3);
    turn_until_count(&loop, &server.n_refused, 2);
    CHECK(since(start) >= STREAM_SETUP_SECONDS - 0.5 && since(start) < STREAM_SETUP_SECONDS + LATE);
    CHECK(strstr(server.why, "no TLS handshake within 10 seconds"));
    turn_for(&loop, 10);
    CHECK(recv(silent, &c, 1, MSG_DONTWAIT) == 0);
    (void) close(silent);
    (void) close(begins);
}

/* The kernel drops who comes to a full queue. */
static void test_connect(void)
{
    struct sockaddr_in own = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), first;
    uint64_t start = uv_hrtime();
    struct client c, silent;
    char address[64];

    CHECK(fd >= 0 && bind(fd, (struct sockaddr *) &own, sizeof(own)) == 0 && listen(fd, 1) == 0);
    CHECK(getsockname(fd, (struct sockaddr *) &own, &(socklen_t) { sizeof(own) }) == 0);
    (void) snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(own.sin_port));
    client_connect(&silent, &loop, worker, address, "echo/1", NULL); /* connected, never answered */
    turn_for(&loop, 10);
    first = connect_plain(address);
    client_connect(&c, &loop, worker, address, "echo/1", NULL);
    turn_until(&loop, &silent.closed);
    turn_until(&loop, &c.closed);
    CHECK(silent.result == -EHOSTUNREACH && strstr(silent.why, "no TLS handshake within 10 seconds"));
    CHECK(c.result == -EHOSTUNREACH && strstr(c.why, "no answer within 10 seconds"));
    CHECK(since(start) >= STREAM_SETUP_SECONDS - 0.5 && since(start) < STREAM_SETUP_SECONDS + LATE);
    (void) close(first);
    (void) close(fd);
}

static void ask_much(struct client *c)
{
    unsigned char request[FRAME_HEAD + 3];

    client_connect(c, &loop, worker, at(), "call/1", NULL);
    turn_until(&loop, &c->ready);
    memcpy(request + FRAME_HEAD, "big", 3);
    for (uint64_t id = 1; id <= 40; id++) {
        frame_head(request, FRAME_REQUEST, id, 3);
        CHECK_OK(stream_write(c->stream, request, sizeof(request)));
    }
}

static void call(struct rpc_client *c)
{
    struct outcome o = { 0 };

    CHECK_OK(rpc_call(c, "x", 1, 60000, on_outcome, &o));
    turn_until(&loop, &o.done);
    CHECK_OK(o.result);
}

/* One who does not read its answers is closed; nobody else notices. */
static void test_stall(void)
{
    unsigned closed = server.n_rpc_closed, offences = server.n_offences, calls = 0;
    struct rpc_client *other;
    struct client c;
    uint64_t start;

    CHECK_OK(rpc_client_new(&loop, manager, "call/1", at(), NULL, &other));
    call(other);
    ask_much(&c);
    start = uv_hrtime();
    stream_pause(c.stream);
    while (server.n_rpc_closed == closed) {
        call(other);
        turn_for(&loop, 20);
        calls++;
        CHECK(since(start) < STREAM_STALL_SECONDS + LATE);
    }
    CHECK(since(start) >= STREAM_STALL_SECONDS - 1 && calls > 10 && server.n_offences == offences + 1);
    stream_resume(c.stream);
    turn_until(&loop, &c.closed);
    CHECK(c.result == -ECONNRESET);
    rpc_client_close(other);
    turn_until_count(&loop, &server.n_rpc_closed, closed + 2);
}

/* One who reads slowly is not. */
static void test_slow_reader(void)
{
    unsigned closed = server.n_rpc_closed;
    uint64_t start = uv_hrtime();
    struct client c;

    ask_much(&c);
    stream_pause(c.stream);
    while (since(start) < STREAM_STALL_SECONDS * 1.5) {
        turn_for(&loop, 1000);
        stream_resume(c.stream);
        for (size_t before = c.total; c.total < before + 400000;)
            (void) uv_run(&loop, UV_RUN_ONCE);
        stream_pause(c.stream);
    }
    stream_resume(c.stream);
    while (c.total < 40 * (size_t) (FRAME_HEAD + RPC_PAYLOAD_MAX)) {
        (void) uv_run(&loop, UV_RUN_ONCE);
        CHECK(!c.closed);
    }
    CHECK(server.n_rpc_closed == closed);
    client_done(&c, &loop);
}

static void test_anonymous(void)
{
    struct identity *pinned = pinned_new(&ours);
    unsigned closed = server.n_closed;
    uint64_t start = uv_hrtime();
    struct client c, node;

    client_connect(&node, &loop, worker, at(), "open/1", NULL);
    client_connect(&c, &loop, pinned, at(), "open/1", NULL);
    turn_until(&loop, &c.closed);
    CHECK(c.ready && c.result == -ECONNRESET);
    CHECK(since(start) >= LISTENER_ANONYMOUS_SECONDS - 1 && since(start) < LISTENER_ANONYMOUS_SECONDS + LATE);
    turn_until_count(&loop, &server.n_closed, closed + 1);
    CHECK(!node.closed);
    client_done(&node, &loop);
    (void) identity_unref(pinned);
}

/* A peer that does not take its leave. */
static void test_linger(void)
{
    uint64_t start;
    struct client c;

    ask_much(&c);
    stream_pause(c.stream);
    turn_for(&loop, 100);
    start = uv_hrtime();
    listener_close(server.listener, NULL, NULL); /* not the calls' streams */
    turn_for(&loop, 50);
    CHECK(!c.closed && server.n_rpc_closed < 100);
    stream_close(c.stream); /* what is left of the answers is not waited for */
    turn_until(&loop, &c.closed);
    CHECK(c.result == 0 && since(start) < STREAM_LINGER_SECONDS + LATE);
}

int main(void)
{
    CHECK_OK(secret_init());
    (void) signal(SIGPIPE, SIG_IGN);
    CHECK_OK(uv_loop_init(&loop));
    swarm_ca_new(&ours);
    manager = node_new(&ours, CA_ROLE_MANAGER, 0, NULL);
    worker = node_new(&ours, CA_ROLE_WORKER, 0, NULL);
    server_start(&server, &loop, manager, LOCAL);
    test_handshake();
    test_connect();
    test_stall();
    test_slow_reader();
    test_anonymous();
    test_linger();
    (void) identity_unref(manager);
    (void) identity_unref(worker);
    swarm_ca_done(&ours);
    loop_done(&loop);
    return 0;
}
