/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../test.h"
#include "pki/certificate.h"
#include "pki/pkey.h"

#define PATIENCE_MS 20000

void swarm_ca_new(struct swarm_ca *c)
{
    struct error e;

    *c = (struct swarm_ca) { 0 };
    id_new(c->id);
    CHECK_OK(ca_create(c->id, time(NULL) - 200 * DAY, &c->key, &c->pem, &e));
}

void swarm_ca_done(struct swarm_ca *c)
{
    secret_done(&c->key);
    free(c->pem);
}

void swarm_ca_digest(const struct swarm_ca *c, unsigned char ret[static 32])
{
    _cleanup_(X509_freep) X509 *root = NULL;

    CHECK_OK(certificate_from_pem(c->pem, &root));
    CHECK_OK(ca_digest_of(root, ret));
}

static struct identity *make(const struct swarm_ca *c, const struct secret *key, const char *certificate)
{
    _cleanup_free_ char *chain = NULL;
    struct identity *i;
    struct error e;
    int r;

    CHECK(asprintf(&chain, "%s%s", certificate, c->pem) > 0);
    r = identity_new(key, chain, c->pem, &i, &e);
    if (r < 0)
        (void) fprintf(stderr, "%s\n", e.text);
    CHECK_OK(r);
    return i;
}

struct identity *node_new(const struct swarm_ca *c, const char *role, int64_t from_now, char *ret_id)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    _cleanup_free_ char *certificate = NULL;
    char id[ID_LEN + 1];
    struct error e;

    id_new(id);
    if (ret_id)
        (void) strcpy(ret_id, id);
    CHECK_OK(ca_node_key(&key));
    CHECK_OK(ca_issue(&c->key, c->pem, &key, id, role, c->id, time(NULL) + from_now, &certificate, &e));
    return make(c, &key, certificate);
}

struct identity *node_of_other_swarm(const struct swarm_ca *c, const char *swarm_id)
{
    static const struct {
        int nid;
        const char *value;
    } extensions[] = {
        { NID_basic_constraints, "critical,CA:FALSE" },      { NID_key_usage, "critical,digitalSignature" },
        { NID_ext_key_usage, "serverAuth,clientAuth" },      { NID_subject_key_identifier, "hash" },
        { NID_authority_key_identifier, "keyid:always" },
    };
    _cleanup_(secret_done) struct secret der = SECRET_NULL;
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *ca_key = NULL, *key = NULL;
    _cleanup_(X509_freep) X509 *ca = NULL, *own = NULL;
    _cleanup_free_ char *certificate = NULL;
    char id[ID_LEN + 1];

    id_new(id);
    CHECK_OK(ca_node_key(&der));
    CHECK_OK(pkey_from_der(&der, &key));
    CHECK_OK(pkey_from_der(&c->key, &ca_key));
    CHECK_OK(certificate_from_pem(c->pem, &ca));
    CHECK_OK(certificate_new(key, time(NULL), 90, &own));
    CHECK_OK(certificate_set_subject(own, swarm_id, CA_ROLE_MANAGER, id));
    for (size_t i = 0; i < ELEMENTSOF(extensions); i++)
        CHECK_OK(certificate_add_extension(own, ca, extensions[i].nid, extensions[i].value));
    CHECK(X509_set_issuer_name(own, X509_get_subject_name(ca)) == 1 && X509_sign(own, ca_key, EVP_sha256()) > 0);
    CHECK_OK(certificate_to_pem(own, &certificate));
    return make(c, &der, certificate);
}

struct identity *pinned_new(const struct swarm_ca *c)
{
    unsigned char digest[32];
    struct identity *i;

    swarm_ca_digest(c, digest);
    CHECK_OK(identity_new_pinned(digest, &i, NULL));
    return i;
}

/* ---- the server ---- */

struct echo {
    struct server *server;
    struct stream *stream;
};

static void on_echo(void *data, const void *bytes, size_t size)
{
    struct echo *e = data;

    if (stream_write(e->stream, bytes, size) == -EAGAIN)
        (void) stream_unread(e->stream, bytes, size);
}

static void on_echo_drained(void *data)
{
    stream_resume(((struct echo *) data)->stream);
}

static void on_echo_closed(void *data, _unused_ int result, _unused_ const char *why)
{
    struct echo *e = data;

    e->server->n_closed++;
    free(e);
}

static void on_echo_accepted(void *data, struct stream *stream, const struct net_peer *peer)
{
    struct echo *e = malloc(sizeof(*e));
    const struct stream_events events = { .data = e, .received = on_echo, .drained = on_echo_drained, .closed = on_echo_closed };

    CHECK(e && stream_peer(stream) == peer);
    *e = (struct echo) { data, stream };
    e->server->last = stream;
    e->server->n_accepted++;
    e->server->peer = *peer;
    stream_set_events(stream, &events);
}

struct callee {
    struct server *server;
    struct rpc_server *rpc;
};

static void on_request(void *data, const struct net_peer *peer, const void *payload, size_t size, struct rpc_reply *reply)
{
    struct callee *c = data;
    struct server *s = c->server;

    CHECK(peer == rpc_server_peer(c->rpc));
    s->n_requests++;
    if (size >= 5 && memcmp(payload, "later", 5) == 0) {
        CHECK(s->n_later < ELEMENTSOF(s->later));
        s->later[s->n_later++] = reply;
    } else if (size == 3 && memcmp(payload, "big", 3) == 0) {
        void *big = calloc(1, RPC_PAYLOAD_MAX);

        CHECK(big);
        (void) rpc_reply_send(reply, big, RPC_PAYLOAD_MAX);
        free(big);
    } else if (size == 7 && memcmp(payload, "too big", 7) == 0)
        CHECK(rpc_reply_send(reply, payload, RPC_PAYLOAD_MAX + 1) == -EMSGSIZE);
    else if (size == 5 && memcmp(payload, "close", 5) == 0) {
        rpc_server_close(c->rpc);
        CHECK(rpc_reply_send(reply, "", 0) == -ENOTCONN);
    } else if (size == 12 && memcmp(payload, "answer+close", 12) == 0) {
        CHECK_OK(rpc_reply_send(reply, "last words", 10));
        rpc_server_close(c->rpc);
    } else
        (void) rpc_reply_send(reply, payload, size);
}

static void on_rpc_closed(void *data, struct rpc_server *rpc, const char *offence)
{
    struct callee *c = data;

    CHECK(c->rpc == rpc);
    c->server->n_rpc_closed++;
    c->server->n_offences += offence != NULL;
    free(c);
}

static void on_call_accepted(void *data, struct stream *stream, const struct net_peer *peer)
{
    struct callee *c = malloc(sizeof(*c));
    const struct rpc_server_events events = { .data = c, .request = on_request, .closed = on_rpc_closed };

    CHECK(c);
    c->server = data;
    c->server->n_accepted++;
    c->server->peer = *peer;
    CHECK_OK(rpc_serve(stream, &events, &c->rpc));
    CHECK(rpc_server_peer(c->rpc) == peer);
}

static bool on_allows(void *data, _unused_ const struct net_peer *peer, _unused_ const char *protocol)
{
    return !((struct server *) data)->forbids;
}

static void on_refused(void *data, const char *address, const char *why)
{
    struct server *s = data;

    s->n_refused++;
    (void) snprintf(s->why, sizeof(s->why), "%s", why);
    (void) snprintf(s->refused_address, sizeof(s->refused_address), "%s", address);
}

void server_start_limited(struct server *s, uv_loop_t *loop, struct identity *i, const char *address, unsigned handshakes_per_second)
{
    static const struct listener_protocol protocols[] = {
        { "open/1", false, on_echo_accepted },
        { "echo/1", true, on_echo_accepted },
        { "call/1", true, on_call_accepted },
        { "ask/1", false, on_call_accepted },
    };
    struct listener_config config = {
        .loop = loop,
        .address = address,
        .identity = i,
        .protocols = protocols,
        .n_protocols = ELEMENTSOF(protocols),
        .handshakes_per_second = handshakes_per_second,
        .allows = on_allows,
        .refused = on_refused,
        .data = s,
    };
    struct error e = { "" };
    int r;

    *s = (struct server) { .loop = loop };
    r = listener_new(&config, &s->listener, &e);
    if (r < 0)
        (void) fprintf(stderr, "%s\n", e.text);
    CHECK_OK(r);
}

void server_start(struct server *s, uv_loop_t *loop, struct identity *i, const char *address)
{
    server_start_limited(s, loop, i, address, 0);
}

static void on_server_closed(void *data)
{
    ((struct server *) data)->closed = true;
}

void server_stop(struct server *s)
{
    listener_close(s->listener, on_server_closed, s);
    turn_until(s->loop, &s->closed);
    s->listener = NULL;
}

unsigned server_answer(struct server *s)
{
    unsigned gone = 0;

    while (s->n_later > 0)
        gone += rpc_reply_send(s->later[--s->n_later], "at last", 7) == -ENOTCONN;
    return gone;
}

/* ---- the client ---- */

uint64_t sum(uint64_t check, const void *bytes, size_t size)
{
    const unsigned char *p = bytes;

    for (size_t i = 0; i < size; i++)
        check = check * 1099511628211U + p[i] + 1;
    return check;
}

static void on_ready(void *data, const struct net_peer *peer, const char *protocol)
{
    struct client *c = data;

    CHECK(!c->ready && !c->closed);
    c->ready = true;
    c->peer = *peer;
    (void) snprintf(c->protocol, sizeof(c->protocol), "%s", protocol);
}

static void on_received(void *data, const void *bytes, size_t size)
{
    struct client *c = data;
    size_t room = sizeof(c->bytes) - c->n, n = size < room ? size : room;

    CHECK(c->ready && !c->closed && size > 0 && size <= STREAM_RECEIVED_MAX);
    memcpy(c->bytes + c->n, bytes, n);
    c->n += n;
    c->total += size;
    c->check = sum(c->check, bytes, size);
}

static void on_drained(void *data)
{
    ((struct client *) data)->drained++;
}

static void on_closed(void *data, int result, const char *why)
{
    struct client *c = data;

    CHECK(!c->closed);
    c->closed = true;
    c->result = result;
    c->stream = NULL;
    (void) snprintf(c->why, sizeof(c->why), "%s", why);
}

const struct stream_events client_events = { .ready = on_ready, .received = on_received, .drained = on_drained, .closed = on_closed };

void client_connect(struct client *c, uv_loop_t *loop, struct identity *i, const char *address, const char *protocol, const char *node_id)
{
    struct stream_events events = client_events;

    *c = (struct client) { 0 };
    events.data = c;
    CHECK_OK(stream_connect(loop, i, address, protocol, node_id, &events, &c->stream));
    CHECK(!c->ready && !c->closed && !stream_peer(c->stream));
}

void client_done(struct client *c, uv_loop_t *loop)
{
    if (c->stream)
        stream_close(c->stream);
    turn_until(loop, &c->closed);
}

int client_try(uv_loop_t *loop, struct identity *i, const char *address, const char *protocol, const char *node_id, struct client *ret)
{
    client_connect(ret, loop, i, address, protocol, node_id);
    for (bool written = false; !ret->closed && ret->n < 5;) {
        (void) uv_run(loop, UV_RUN_ONCE);
        if (ret->ready && !ret->closed && !written) {
            CHECK_OK(stream_write(ret->stream, "hello", 5));
            written = true;
        }
    }
    if (!ret->closed) {
        CHECK(ret->n == 5 && memcmp(ret->bytes, "hello", 5) == 0);
        client_done(ret, loop);
        CHECK(ret->result == 0 && ret->why[0] == '\0');
        return 0;
    }
    CHECK(ret->result < 0 && strncmp(ret->why, address, strlen(address)) == 0);
    return ret->result;
}

void on_outcome(void *data, int result, const void *reply, size_t size)
{
    struct outcome *o = data;

    CHECK(!o->done);
    o->done = true;
    o->result = result;
    o->size = size;
    if (size > 0)
        memcpy(o->first, reply, size < sizeof(o->first) ? size : sizeof(o->first));
    o->check = sum(0, reply, size);
}

/* ---- the loop ---- */

static void on_tick(_unused_ uv_timer_t *timer)
{
}

/* Without looking at its clock, which a test may have changed. */
static int64_t now_ms(void)
{
    struct timespec t;

    (void) clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct ticker {
    uv_timer_t timer;
    bool closed;
};

static void on_ticker_closed(uv_handle_t *handle)
{
    ((struct ticker *) handle->data)->closed = true;
}

static void ticker_start(struct ticker *t, uv_loop_t *loop)
{
    *t = (struct ticker) { 0 };
    CHECK_OK(uv_timer_init(loop, &t->timer));
    t->timer.data = t;
    CHECK_OK(uv_timer_start(&t->timer, on_tick, 5, 5));
}

static void ticker_stop(struct ticker *t)
{
    uv_close((uv_handle_t *) &t->timer, on_ticker_closed);
    while (!t->closed)
        (void) uv_run(t->timer.loop, UV_RUN_NOWAIT);
}

void turn_until(uv_loop_t *loop, const bool *flag)
{
    int64_t end = now_ms() + PATIENCE_MS;
    struct ticker t;

    ticker_start(&t, loop);
    while (!*flag && now_ms() < end)
        (void) uv_run(loop, UV_RUN_ONCE);
    CHECK(*flag);
    ticker_stop(&t);
}

void turn_until_count(uv_loop_t *loop, const unsigned *value, unsigned least)
{
    int64_t end = now_ms() + PATIENCE_MS;
    struct ticker t;

    ticker_start(&t, loop);
    while (*value < least && now_ms() < end)
        (void) uv_run(loop, UV_RUN_ONCE);
    CHECK(*value >= least);
    ticker_stop(&t);
}

void turn_for(uv_loop_t *loop, unsigned ms)
{
    int64_t end = now_ms() + ms;
    struct ticker t;

    ticker_start(&t, loop);
    while (now_ms() < end)
        (void) uv_run(loop, UV_RUN_ONCE);
    ticker_stop(&t);
}

void loop_done(uv_loop_t *loop)
{
    CHECK(uv_run(loop, UV_RUN_DEFAULT) == 0);
    CHECK_OK(uv_loop_close(loop));
}

int connect_plain(const char *address)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0 && strncmp(address, "127.0.0.1:", 10) == 0);
    a.sin_port = htons((uint16_t) atoi(address + 10));
    CHECK(connect(fd, (struct sockaddr *) &a, sizeof(a)) == 0);
    return fd;
}
