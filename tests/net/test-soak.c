/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything at once and in no order, always the same: callers, streams, a server that comes and goes. Each call and each stream ends exactly
 * once, and nothing is left. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "../test.h"
#include "basic/cleanup.h"
#include "world.h"

#define CALLERS 6
#define STREAMS 6
#define STEPS 6000

static uv_loop_t loop;
static struct swarm_ca ours;
static struct identity *manager, *worker, *expired, *pinned;
static struct server server;
static bool serving;
static char address[80];

static struct rpc_client *callers[CALLERS];
static struct client streams[STREAMS];
static bool in_use[STREAMS];
static unsigned n_calls, n_results, n_good;

static uint64_t state = 0x9e3779b97f4a7c15;

static unsigned number(unsigned below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned) ((state >> 32) % below);
}

static void make_call(unsigned which);

static void on_result(void *data, int result, const void *reply, size_t size)
{
    unsigned which = (unsigned) (uintptr_t) data;

    (void) reply;
    n_results++;
    n_good += result == 0;
    CHECK(result == 0 || size == 0);
    CHECK(result == 0 || result == -ETIMEDOUT || result == -EHOSTUNREACH || result == -ECONNRESET || result == -EKEYREJECTED ||
          result == -ECANCELED);
    if (result == -ECANCELED || number(4) > 0)
        return;
    if (number(3) > 0) {
        make_call(which);
    } else if (callers[which]) {
        struct rpc_client *c = callers[which];

        callers[which] = NULL;
        rpc_client_close(c);
    }
}

static void make_call(unsigned which)
{
    static const char *const texts[] = { "hello", "later", "close", "big", "answer+close", "too big", "hello" };
    static const unsigned char large[300000];
    unsigned kind = number(16);
    const void *payload = kind < ELEMENTSOF(texts) ? texts[kind] : (const char *) large;
    size_t size = kind < ELEMENTSOF(texts) ? strlen(texts[kind]) : number(sizeof(large));
    int r;

    if (!callers[which])
        CHECK_OK(rpc_client_new(&loop, number(8) ? worker : expired, "call/1", address, NULL, &callers[which]));
    r = rpc_call(callers[which], payload, size, 1 + number(300), on_result, (void *) (uintptr_t) which);
    CHECK(r == 0 || r == -EAGAIN);
    n_calls += r == 0;
}

static void step_stream(unsigned which)
{
    static const unsigned char bytes[200000];
    struct client *c = &streams[which];

    if (in_use[which] && c->closed)
        in_use[which] = false;
    if (!in_use[which]) {
        client_connect(c, &loop, number(2) ? worker : pinned, address, number(3) ? "open/1" : "echo/1", NULL);
        in_use[which] = true;
        return;
    }
    switch (number(6)) {
    case 0:
        stream_pause(c->stream);
        break;
    case 1:
        stream_resume(c->stream);
        break;
    case 2:
        stream_close(c->stream);
        break;
    default:
        (void) stream_write(c->stream, bytes, number(sizeof(bytes)));
    }
}

static void step_server(void)
{
    if (!serving) {
        (void) server_answer(&server); /* what connections of the former one have asked since */
        server_start(&server, &loop, manager, address);
        serving = true;
    } else if (number(4) == 0) {
        server_stop(&server);
        serving = false;
    } else
        (void) server_answer(&server);
}

static bool is_over(void)
{
    if (n_results < n_calls)
        return false;
    for (unsigned i = 0; i < STREAMS; i++)
        if (in_use[i] && !streams[i].closed)
            return false;
    return true;
}

static void end(void)
{
    for (unsigned i = 0; i < CALLERS; i++) {
        struct rpc_client *c = callers[i];

        callers[i] = NULL;
        rpc_client_close(c);
    }
    for (unsigned i = 0; i < STREAMS; i++)
        if (in_use[i] && !streams[i].closed)
            stream_close(streams[i].stream);
    for (unsigned i = 0; i < 300 && !is_over(); i++)
        turn_for(&loop, 10);
    CHECK(is_over());
    (void) server_answer(&server);
    if (serving)
        server_stop(&server);
}

int main(void)
{
    CHECK_OK(secret_init());
    (void) signal(SIGPIPE, SIG_IGN);
    CHECK_OK(uv_loop_init(&loop));
    swarm_ca_new(&ours);
    manager = node_new(&ours, CA_ROLE_MANAGER, 0, NULL);
    worker = node_new(&ours, CA_ROLE_WORKER, 0, NULL);
    expired = node_new(&ours, CA_ROLE_WORKER, -100 * DAY, NULL);
    pinned = pinned_new(&ours);
    server_start(&server, &loop, manager, "127.0.0.1:0");
    serving = true;
    (void) strcpy(address, listener_address(server.listener));
    for (unsigned i = 0; i < STEPS; i++) {
        unsigned what = number(40);

        if (what < 20)
            make_call(number(CALLERS));
        else if (what < 39)
            step_stream(number(STREAMS));
        else
            step_server();
        for (unsigned turns = number(4); turns > 0; turns--)
            (void) uv_run(&loop, UV_RUN_NOWAIT);
    }
    end();
    (void) printf("%u calls, %u answered\n", n_calls, n_good);
    CHECK(n_calls > STEPS / 4 && n_good > n_calls / 20);
    (void) identity_unref(manager);
    (void) identity_unref(worker);
    (void) identity_unref(expired);
    (void) identity_unref(pinned);
    swarm_ca_done(&ours);
    loop_done(&loop);
    return 0;
}
