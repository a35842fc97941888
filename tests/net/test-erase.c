/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nothing that is freed holds a private key or what was sent. */
#include <errno.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "../test.h"
#include "basic/cleanup.h"
#include "net/frame.h"
#include "world.h"

#define LOCAL "127.0.0.1:0"
#define MARKER "a payload's marker"
#define LARGE 60000

void __real_free(void *p);
void __wrap_free(void *p);

static bool watching;
static unsigned n_blocks, n_markers, n_keys;
static unsigned char scalar[32], reversed[32];

/* What is found is counted, so that a finding can be expected too. */
static void look(const void *p, size_t size)
{
    if (!watching || !p)
        return;
    n_blocks++;
    n_markers += memmem(p, size, MARKER, strlen(MARKER)) != NULL;
    n_keys += memmem(p, size, scalar, sizeof(scalar)) || memmem(p, size, reversed, sizeof(reversed));
}

void __wrap_free(void *p)
{
    look(p, p ? malloc_usable_size(p) : 0);
    __real_free(p);
}

static void *hook_malloc(size_t size, const char *file, int line)
{
    (void) file;
    (void) line;
    return size ? malloc(size) : NULL;
}

static void hook_free(void *p, const char *file, int line)
{
    (void) file;
    (void) line;
    free(p);
}

static void *hook_realloc(void *p, size_t size, const char *file, int line)
{
    void *q = hook_malloc(size, file, line);

    if (p && q)
        memcpy(q, p, malloc_usable_size(p) < size ? malloc_usable_size(p) : size);
    if (q || size == 0)
        free(p);
    return q;
}

/* The private number in the PKCS#8 form of pki/pkey.h. */
static void remember(const struct secret *der)
{
    memcpy(scalar, der->data + 36, sizeof(scalar));
    for (size_t i = 0; i < sizeof(scalar); i++)
        reversed[i] = scalar[sizeof(scalar) - 1 - i];
}

static struct swarm_ca ours;

static struct identity *known_node(const char *role)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    _cleanup_free_ char *certificate = NULL, *chain = NULL;
    struct identity *i;
    char id[ID_LEN + 1];

    id_new(id);
    CHECK_OK(ca_node_key(&key));
    remember(&key);
    watching = true;
    CHECK_OK(ca_issue(&ours.key, ours.pem, &key, id, role, ours.id, time(NULL), &certificate, NULL));
    CHECK(asprintf(&chain, "%s%s", certificate, ours.pem) > 0);
    CHECK_OK(identity_new(&key, chain, ours.pem, &i, NULL));
    return i;
}

static void fill(unsigned char *p, size_t size)
{
    memset(p, 'x', size);
    for (size_t at = 0; at + strlen(MARKER) <= size; at += 500)
        memcpy(p + at, MARKER, strlen(MARKER));
}

static unsigned n_done;

static void on_done(void *data, int result, const void *reply, size_t size)
{
    (void) data;
    (void) result;
    (void) reply;
    (void) size;
    n_done++;
}

/* Until the server gives back what it cannot write, and nothing moves; then it goes on, or ends. */
static void overfill(uv_loop_t *loop, struct identity *i, struct server *server, struct client *c, bool resume)
{
    static unsigned char payload[LARGE];

    fill(payload, sizeof(payload));
    client_connect(c, loop, i, listener_address(server->listener), "echo/1", NULL);
    turn_until(loop, &c->ready);
    stream_pause(c->stream);
    for (unsigned full = 0; full < 10;)
        if (stream_write(c->stream, payload, sizeof(payload)) == -EAGAIN) {
            turn_for(loop, 5);
            full++;
        }
    if (resume)
        stream_resume(c->stream);
    else
        stream_close(server->last);
    turn_for(loop, 20);
    client_done(c, loop);
    turn_until_count(loop, &server->n_closed, server->n_accepted - server->n_rpc_closed);
}

/* Every way that a payload goes: there and back, in one piece and in many, unsent, unanswered, half received, given back. */
static void exchange(uv_loop_t *loop, struct identity *server_identity, struct identity *client_identity)
{
    static unsigned char payload[LARGE], head[FRAME_HEAD];
    static struct server server;
    static struct client c;
    struct rpc_client *client, *nowhere;

    fill(payload, sizeof(payload));
    server_start(&server, loop, server_identity, LOCAL);
    CHECK_OK(rpc_client_new(loop, client_identity, "call/1", listener_address(server.listener), NULL, &client));
    CHECK_OK(rpc_client_new(loop, client_identity, "call/1", "127.0.0.1:1", NULL, &nowhere));
    n_done = 0;
    CHECK_OK(rpc_call(client, MARKER, strlen(MARKER), 0, on_done, NULL));
    CHECK_OK(rpc_call(client, payload, sizeof(payload), 0, on_done, NULL));
    CHECK_OK(rpc_call(nowhere, payload, sizeof(payload), 0, on_done, NULL));
    turn_until_count(loop, &n_done, 3);
    CHECK_OK(rpc_call(client, "later " MARKER, 6 + strlen(MARKER), 50, on_done, NULL));
    turn_until_count(loop, &n_done, 4);
    (void) server_answer(&server);
    CHECK_OK(rpc_call(client, payload, sizeof(payload), 0, on_done, NULL)); /* on its way when the client goes */
    (void) uv_run(loop, UV_RUN_NOWAIT);
    rpc_client_close(client);
    rpc_client_close(nowhere);

    client_connect(&c, loop, client_identity, listener_address(server.listener), "call/1", NULL);
    turn_until(loop, &c.ready);
    frame_head(head, FRAME_REQUEST, 1, RPC_PAYLOAD_MAX);
    CHECK_OK(stream_write(c.stream, head, sizeof(head)));
    CHECK_OK(stream_write(c.stream, payload, sizeof(payload))); /* half a frame */
    turn_for(loop, 20);
    client_done(&c, loop);
    for (unsigned i = 0; i < 2; i++)
        overfill(loop, client_identity, &server, &c, i == 0);
    memset(&c, 0, sizeof(c));
    turn_for(loop, 50);
    server_stop(&server);
}

/* And the search does find. */
static void test_search(struct secret *key)
{
    unsigned char *copy = malloc(100), *text = malloc(100);

    CHECK(copy && text);
    memset(copy, 0, 100);
    memset(text, 0, 100);
    memcpy(copy + 50, key->data + 36, 32);
    memcpy(text + 7, MARKER, strlen(MARKER));
    __asm__ volatile("" : : "r"(copy), "r"(text) : "memory"); /* else nobody would miss what is written just before */
    free(copy);
    free(text);
    CHECK(n_keys == 1 && n_markers == 1);
}

int main(void)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    struct identity *manager, *worker;
    uv_loop_t loop;

    CHECK(CRYPTO_set_mem_functions(hook_malloc, hook_realloc, hook_free) == 1);
    CHECK_OK(secret_init());
    (void) signal(SIGPIPE, SIG_IGN);
    CHECK_OK(uv_loop_init(&loop));
    swarm_ca_new(&ours);
    manager = node_new(&ours, CA_ROLE_MANAGER, 0, NULL);
    worker = known_node(CA_ROLE_WORKER);
    exchange(&loop, manager, worker); /* the key that is known is the client's, then the server's */
    exchange(&loop, worker, manager);
    (void) identity_unref(manager);
    (void) identity_unref(worker);
    loop_done(&loop);
    CHECK(n_blocks > 5000);
    (void) printf("%u blocks freed: %u with a payload, %u with the key\n", n_blocks, n_markers, n_keys);
    CHECK(n_markers == 0 && n_keys == 0);
    CHECK_OK(ca_node_key(&key));
    remember(&key);
    test_search(&key);
    watching = false;
    swarm_ca_done(&ours);
    return 0;
}
