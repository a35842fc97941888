/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory runs out at each allocation of a connection's life in turn: of this layer's, then of OpenSSL's. Every call gets its result,
 * nothing leaks, and the next connection is as good as ever. */
#include <errno.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <string.h>

#include "../test.h"
#include "basic/cleanup.h"
#include "world.h"

#define LOCAL "127.0.0.1:0"

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);

static bool counting;        /* off while the test itself allocates */
static unsigned left, total; /* until one fails, 0: none does; and how many there were */
static bool of_openssl;

static bool fails(bool openssl)
{
    if (!counting || openssl != of_openssl)
        return false;
    total++;
    return left > 0 && --left == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails(false) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails(false) ? NULL : __real_calloc(n, size);
}

static void *hook_malloc(size_t size, const char *file, int line)
{
    (void) file;
    (void) line;
    return size == 0 || fails(true) ? NULL : __real_malloc(size);
}

static void *hook_realloc(void *p, size_t size, const char *file, int line)
{
    (void) file;
    (void) line;
    return size > 0 && fails(true) ? NULL : realloc(p, size);
}

static void hook_free(void *p, const char *file, int line)
{
    (void) file;
    (void) line;
    free(p);
}

static unsigned n_done;
static int worst;

static void on_done(void *data, int result, const void *reply, size_t size)
{
    (void) data;
    (void) reply;
    (void) size;
    n_done++;
    if (result < 0)
        worst = result;
}

/* The server's part, which allocates nothing by itself. */
static void on_request(void *data, const struct net_peer *peer, const void *payload, size_t size, struct rpc_reply *reply)
{
    (void) data;
    (void) peer;
    (void) rpc_reply_send(reply, payload, size);
}

static void on_accepted(void *data, struct stream *s, const struct net_peer *peer)
{
    const struct rpc_server_events events = { .request = on_request };
    struct rpc_server *server;

    (void) data;
    (void) peer;
    if (rpc_serve(s, &events, &server) < 0)
        stream_close(s);
}

static int attempt(uv_loop_t *loop, struct listener *l, struct identity *i)
{
    static const unsigned char payload[100000];
    struct rpc_client *c = NULL;
    unsigned made = 0;

    n_done = 0;
    worst = 0;
    counting = true;
    if (rpc_client_new(loop, i, "call/1", listener_address(l), NULL, &c) == 0) {
        made += rpc_call(c, "x", 1, 3000, on_done, NULL) == 0;
        made += rpc_call(c, payload, sizeof(payload), 3000, on_done, NULL) == 0;
        while (n_done < made)
            (void) uv_run(loop, UV_RUN_ONCE);
        rpc_client_close(c);
    }
    counting = false;
    turn_for(loop, 2);
    return made < 2 ? -ENOMEM : worst;
}

int main(void)
{
    const struct listener_protocol protocol = { "call/1", true, on_accepted };
    struct identity *manager, *worker;
    struct listener_config config = { .address = LOCAL, .protocols = &protocol, .n_protocols = 1 };
    struct swarm_ca ours;
    struct listener *l;
    uv_loop_t loop;

    CHECK(CRYPTO_set_mem_functions(hook_malloc, hook_realloc, hook_free) == 1);
    CHECK_OK(secret_init());
    (void) signal(SIGPIPE, SIG_IGN);
    CHECK_OK(uv_loop_init(&loop));
    swarm_ca_new(&ours);
    manager = node_new(&ours, CA_ROLE_MANAGER, 0, NULL);
    worker = node_new(&ours, CA_ROLE_WORKER, 0, NULL);
    config.loop = &loop;
    config.identity = manager;
    CHECK_OK(listener_new(&config, &l, NULL));
    for (unsigned round = 0; round < 2; round++) {
        unsigned n, all, failed = 0, step = round == 0 ? 1 : 11;

        of_openssl = round == 1;
        total = 0;
        CHECK_OK(attempt(&loop, l, worker));
        all = total;
        for (n = 1; n <= all; n += step) {
            left = n;
            failed += attempt(&loop, l, worker) < 0;
        }
        left = 0;
        CHECK(all > 10 && failed > all / step / 4);
        CHECK_OK(attempt(&loop, l, worker));
        (void) printf("%s: %u allocations, one in %u failed: %u attempts did\n", round == 0 ? "net" : "OpenSSL", all, step, failed);
    }
    listener_close(l, NULL, NULL);
    (void) identity_unref(manager);
    (void) identity_unref(worker);
    swarm_ca_done(&ours);
    loop_done(&loop);
    return 0;
}
