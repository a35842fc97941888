/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "../test.h"
#include "basic/cleanup.h"
#include "pki/certificate.h"
#include "world.h"

#define LOCAL "127.0.0.1:0"

static uv_loop_t loop;
static struct swarm_ca ours, theirs;
static char manager_id[ID_LEN + 1], worker_id[ID_LEN + 1];
static struct identity *manager, *worker;
static struct server server;

static const char *at(void)
{
    return listener_address(server.listener);
}

static void says(const struct client *c, const char *text)
{
    if (!strstr(c->why, text))
        (void) fprintf(stderr, "\"%s\" does not say \"%s\"\n", c->why, text);
    CHECK(strstr(c->why, text));
}

static void server_says(const char *text)
{
    turn_until_count(&loop, &server.n_refused, 1);
    if (!strstr(server.why, text))
        (void) fprintf(stderr, "\"%s\" does not say \"%s\"\n", server.why, text);
    CHECK(strstr(server.why, text) && strncmp(server.refused_address, "127.0.0.1:", 10) == 0);
    server.n_refused = 0;
}

static void test_echo(void)
{
    _cleanup_(identity_unrefp) struct identity *pinned = pinned_new(&ours);
    struct client c;

    CHECK_OK(client_try(&loop, worker, at(), "echo/1", NULL, &c));
    CHECK(strcmp(c.peer.node_id, manager_id) == 0 && strcmp(c.peer.role, CA_ROLE_MANAGER) == 0 && strcmp(c.peer.swarm_id, ours.id) == 0);
    CHECK(c.peer.has_certificate && strcmp(c.peer.address, at()) == 0 && strcmp(c.protocol, "echo/1") == 0);
    CHECK(server.peer.has_certificate && strcmp(server.peer.node_id, worker_id) == 0 && strcmp(server.peer.role, CA_ROLE_WORKER) == 0 &&
          strcmp(server.peer.swarm_id, ours.id) == 0);
    CHECK(strncmp(server.peer.address, "127.0.0.1:", 10) == 0 && memcmp(server.peer.digest, c.peer.digest, 32) != 0);
    CHECK_OK(client_try(&loop, manager, at(), "echo/1", manager_id, &c));
    CHECK(strcmp(server.peer.role, CA_ROLE_MANAGER) == 0 && memcmp(server.peer.digest, c.peer.digest, 32) == 0);

    /* where none is needed, one is asked for all the same */
    CHECK_OK(client_try(&loop, worker, at(), "open/1", NULL, &c));
    CHECK(strcmp(server.peer.node_id, worker_id) == 0);
    CHECK_OK(client_try(&loop, pinned, at(), "open/1", NULL, &c));
    CHECK(!server.peer.has_certificate && server.peer.node_id[0] == '\0' && strcmp(c.peer.node_id, manager_id) == 0);
    turn_until_count(&loop, &server.n_closed, 4);
    CHECK(server.n_accepted == 4 && server.n_refused == 0);
}

static void test_refused_by_client(void)
{
    _cleanup_(identity_unrefp) struct identity *stranger = node_new(&theirs, CA_ROLE_MANAGER, 0, NULL), *wrong_pin = pinned_new(&theirs);
    struct client c;

    server.n_refused = 0;
    CHECK(client_try(&loop, stranger, at(), "echo/1", NULL, &c) == -EKEYREJECTED && !c.ready);
    says(&c, "not of this swarm");
    server_says("not of its swarm");
    CHECK(client_try(&loop, wrong_pin, at(), "open/1", NULL, &c) == -EKEYREJECTED && !c.ready);
    says(&c, "another CA");
    server_says("not of its swarm");
    CHECK(client_try(&loop, worker, at(), "echo/1", worker_id, &c) == -EKEYREJECTED && !c.ready);
    says(&c, manager_id);
    server_says("another node's");
    CHECK(client_try(&loop, worker, at(), "other/1", NULL, &c) == -EPROTO && !c.ready);
    says(&c, "does not speak this protocol");
    server_says("not known here");
}

/* The client trusts the server, but not the other way round. */
static void test_refused_by_server(void)
{
    _cleanup_(identity_unrefp) struct identity *expired = node_new(&ours, CA_ROLE_WORKER, -100 * DAY, NULL),
                                               *early = node_new(&ours, CA_ROLE_WORKER, DAY, NULL),
                                               *other = node_of_other_swarm(&ours, theirs.id), *pinned = pinned_new(&ours);
    struct client c;

    server.n_refused = 0;
    CHECK(client_try(&loop, expired, at(), "echo/1", NULL, &c) == -EKEYREJECTED);
    says(&c, "refuses this node's certificate: it has expired");
    server_says("its certificate has expired");
    CHECK(client_try(&loop, expired, at(), "open/1", NULL, &c) == -EKEYREJECTED);
    server.n_refused = 0;
    CHECK(client_try(&loop, early, at(), "echo/1", NULL, &c) == -EKEYREJECTED);
    server_says("not valid yet");
    CHECK(client_try(&loop, pinned, at(), "echo/1", NULL, &c) == -EKEYREJECTED);
    says(&c, "wants a certificate");
    server_says("has no certificate");
    CHECK(client_try(&loop, other, at(), "echo/1", NULL, &c) == -EKEYREJECTED);
    says(&c, "not of this swarm"); /* it sees so first */
    server.n_refused = 0;
    server.forbids = true;
    CHECK(client_try(&loop, worker, at(), "echo/1", NULL, &c) == -EKEYREJECTED && c.n == 0);
    says(&c, "may not come in");
    server_says(worker_id);
    CHECK(client_try(&loop, pinned, at(), "open/1", NULL, &c) == -ECONNRESET && c.n == 0);
    server_says("may not come in");
    server.forbids = false;
}

static void test_other_servers(void)
{
    _cleanup_(identity_unrefp) struct identity *stranger = node_new(&theirs, CA_ROLE_MANAGER, 0, NULL),
                                               *expired = node_new(&ours, CA_ROLE_MANAGER, -100 * DAY, NULL),
                                               *other = node_of_other_swarm(&ours, theirs.id), *pinned = pinned_new(&ours);
    struct server s;
    struct client c;

    server_start(&s, &loop, stranger, LOCAL);
    CHECK(client_try(&loop, worker, listener_address(s.listener), "echo/1", NULL, &c) == -EKEYREJECTED);
    says(&c, "not of this swarm");
    server_stop(&s);
    server_start(&s, &loop, expired, LOCAL);
    CHECK(client_try(&loop, worker, listener_address(s.listener), "echo/1", NULL, &c) == -EKEYREJECTED);
    says(&c, "its certificate has expired");
    CHECK(client_try(&loop, pinned, listener_address(s.listener), "open/1", NULL, &c) == -EKEYREJECTED);
    listener_set_identity(s.listener, manager); /* renewed */
    CHECK_OK(client_try(&loop, worker, listener_address(s.listener), "echo/1", NULL, &c));
    server_stop(&s);
    server_start(&s, &loop, other, LOCAL);
    CHECK(client_try(&loop, worker, listener_address(s.listener), "echo/1", NULL, &c) == -EKEYREJECTED);
    says(&c, "not of this swarm");
    says(&c, theirs.id);
    CHECK(client_try(&loop, pinned, listener_address(s.listener), "open/1", NULL, &c) == -EKEYREJECTED);
    server_stop(&s);
}

/* While the CA is being replaced: a node with the new root's certificate sends the cross certificate too. */
static void test_two_roots(void)
{
    _cleanup_(secret_done) struct secret new_key = SECRET_NULL, key = SECRET_NULL;
    _cleanup_free_ char *new_pem = NULL, *cross = NULL, *certificate = NULL, *chain = NULL, *both = NULL;
    _cleanup_(identity_unrefp) struct identity *renewed = NULL, *pinned_old = pinned_new(&ours), *pinned = NULL, *patient = NULL;
    struct swarm_ca new_ca = { .pem = NULL };
    int64_t now = time(NULL);
    char id[ID_LEN + 1];
    struct server s;
    struct client c;
    struct error e;

    id_new(id);
    CHECK_OK(ca_create(ours.id, now, &new_key, &new_pem, &e));
    CHECK_OK(ca_cross_sign(&ours.key, ours.pem, new_pem, now, &cross, &e));
    CHECK_OK(ca_node_key(&key));
    CHECK_OK(ca_issue(&new_key, new_pem, &key, id, CA_ROLE_MANAGER, ours.id, now, &certificate, &e));
    CHECK(asprintf(&chain, "%s%s%s%s", certificate, cross, new_pem, ours.pem) > 0 && asprintf(&both, "%s%s", ours.pem, new_pem) > 0);
    CHECK_OK(identity_new(&key, chain, both, &renewed, &e));
    CHECK_OK(identity_new(&key, chain, new_pem, &patient, &e)); /* knows the new one only */
    new_ca.pem = new_pem;
    pinned = pinned_new(&new_ca);

    server_start(&s, &loop, renewed, LOCAL);
    CHECK_OK(client_try(&loop, worker, listener_address(s.listener), "echo/1", id, &c)); /* trusts the old root only */
    CHECK_OK(client_try(&loop, renewed, listener_address(s.listener), "echo/1", NULL, &c));
    CHECK_OK(client_try(&loop, patient, listener_address(s.listener), "echo/1", NULL, &c));
    CHECK_OK(client_try(&loop, pinned_old, listener_address(s.listener), "open/1", NULL, &c));
    CHECK_OK(client_try(&loop, pinned, listener_address(s.listener), "open/1", NULL, &c));
    server_stop(&s);
    /* and the renewed node as a client of one that knows the old root only */
    CHECK_OK(client_try(&loop, renewed, at(), "echo/1", NULL, &c));
    CHECK(client_try(&loop, patient, at(), "echo/1", NULL, &c) == -EKEYREJECTED);
}

/* ---- peers that are something else ---- */

struct raw_peer {
    uv_thread_t thread;
    const char *address;
    const char *bytes; /* sent as they are, or: */
    int version;       /* a TLS client of this version */
    const unsigned char *protocols;
    unsigned n_protocols;
    int alert; /* that it saw */
};

static void raw_tls(struct raw_peer *p, int fd)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl;

    CHECK(context && SSL_CTX_set_min_proto_version(context, p->version) == 1 && SSL_CTX_set_max_proto_version(context, p->version) == 1);
    ssl = SSL_new(context);
    CHECK(ssl && SSL_set_fd(ssl, fd) == 1);
    if (p->protocols)
        CHECK(SSL_set_alpn_protos(ssl, p->protocols, p->n_protocols) == 0);
    (void) SSL_connect(ssl);
    p->alert = ERR_GET_REASON(ERR_peek_error()) - SSL_AD_REASON_OFFSET;
    ERR_clear_error();
    SSL_free(ssl);
    SSL_CTX_free(context);
}

static void raw_run(void *data)
{
    const struct timeval patience = { .tv_sec = 15 };
    struct raw_peer *p = data;
    int fd = connect_plain(p->address);
    char end[4096];

    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0);
    if (p->version)
        raw_tls(p, fd);
    else {
        CHECK(send(fd, p->bytes, strlen(p->bytes), MSG_NOSIGNAL) > 0);
        while (recv(fd, end, sizeof(end), 0) > 0)
            ;
    }
    (void) close(fd);
}

static int raw(struct raw_peer p, const char *why)
{
    server.n_refused = 0;
    p.address = at();
    CHECK_OK(uv_thread_create(&p.thread, raw_run, &p));
    server_says(why);
    turn_for(&loop, 20);
    CHECK_OK(uv_thread_join(&p.thread));
    return p.alert;
}

static void test_strange_clients(void)
{
    static const unsigned char two[] = "\7other/1\6open/1";
    char garbage[300] = "\x16\x03\x01\x01\x04"; /* a record with 260 bytes of a handshake */
    struct client c;

    memset(garbage + 5, 'x', sizeof(garbage) - 6);

    CHECK(raw((struct raw_peer) { .version = TLS1_2_VERSION, .protocols = two, .n_protocols = 15 }, "TLS 1.3") == SSL_AD_PROTOCOL_VERSION);
    CHECK(raw((struct raw_peer) { .version = TLS1_3_VERSION }, "no protocol") == SSL_AD_NO_APPLICATION_PROTOCOL);
    CHECK(raw((struct raw_peer) { .version = TLS1_3_VERSION, .protocols = two, .n_protocols = 8 }, "not known here") ==
          SSL_AD_NO_APPLICATION_PROTOCOL);
    (void) raw((struct raw_peer) { .bytes = "GET / HTTP/1.0\r\n\r\n" }, "HTTP");
    (void) raw((struct raw_peer) { .bytes = "SSH-2.0-OpenSSH_9.9 and more than enough of it\r\n" }, "does not speak TLS");
    (void) raw((struct raw_peer) { .bytes = garbage }, "breaks TLS' rules");
    CHECK_OK(client_try(&loop, worker, at(), "echo/1", NULL, &c));
}

/* A server that is none: what it sends is bytes, then it closes. */
struct fake {
    uv_tcp_t tcp, peer;
    char address[64];
    const char *bytes;
    size_t size;
    unsigned closed;
    char buffer[1024];
};

static void on_fake_closed(uv_handle_t *handle)
{
    ((struct fake *) handle->data)->closed++;
}

static void on_fake_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    struct fake *f = handle->data;

    (void) size;
    *buf = uv_buf_init(f->buffer, sizeof(f->buffer));
}

static void on_fake_read(uv_stream_t *peer, ssize_t n, const uv_buf_t *buf)
{
    struct fake *f = peer->data;
    uv_buf_t out = uv_buf_init((char *) f->bytes, (unsigned) f->size);

    (void) buf;
    if (n > 0 && out.len > 0)
        (void) uv_try_write(peer, &out, 1);
    if (!uv_is_closing((uv_handle_t *) peer))
        uv_close((uv_handle_t *) peer, on_fake_closed);
}

static void on_fake_connection(uv_stream_t *tcp, int status)
{
    struct fake *f = tcp->data;

    CHECK_OK(status);
    CHECK_OK(uv_tcp_init(tcp->loop, &f->peer));
    f->peer.data = f;
    CHECK_OK(uv_accept(tcp, (uv_stream_t *) &f->peer));
    CHECK_OK(uv_read_start((uv_stream_t *) &f->peer, on_fake_alloc, on_fake_read));
}

static int try_fake(const char *bytes, size_t size, struct client *c)
{
    struct fake f = { .bytes = bytes, .size = size };
    struct sockaddr_in any;
    int r;

    CHECK_OK(uv_ip4_addr("127.0.0.1", 0, &any));
    CHECK_OK(uv_tcp_init(&loop, &f.tcp));
    f.tcp.data = &f;
    CHECK_OK(uv_tcp_bind(&f.tcp, (struct sockaddr *) &any, 0));
    CHECK_OK(uv_listen((uv_stream_t *) &f.tcp, 4, on_fake_connection));
    CHECK_OK(uv_tcp_getsockname(&f.tcp, (struct sockaddr *) &any, &(int) { sizeof(any) }));
    (void) snprintf(f.address, sizeof(f.address), "127.0.0.1:%u", ntohs(any.sin_port));
    r = client_try(&loop, worker, f.address, "echo/1", NULL, c);
    uv_close((uv_handle_t *) &f.tcp, on_fake_closed);
    turn_until_count(&loop, &f.closed, 2);
    return r;
}

static void test_strange_servers(void)
{
    static const char http[] = "HTTP/1.1 400 Bad Request\r\n\r\n", alert[] = "\x15\x03\x03\0\2\2\x46"; /* protocol version */
    struct client c;

    CHECK(try_fake("", 0, &c) == -ECONNRESET);
    says(&c, "during the handshake");
    CHECK(try_fake(http, strlen(http), &c) == -EPROTO);
    says(&c, "does not speak TLS");
    CHECK(try_fake(alert, 7, &c) == -EPROTO);
    says(&c, "does not speak TLS 1.3");
}

static void test_unreachable(void)
{
    struct stream_events events = client_events;
    char address[80];
    struct stream *s;
    struct client c;
    int fd = connect_plain(at());
    struct sockaddr_in own;

    /* a port that nobody listens on */
    CHECK(getsockname(fd, (struct sockaddr *) &own, &(socklen_t) { sizeof(own) }) == 0);
    (void) snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(own.sin_port));
    CHECK(client_try(&loop, worker, address, "echo/1", NULL, &c) == -EHOSTUNREACH);
    says(&c, "connection refused");
    (void) close(fd);
    CHECK(client_try(&loop, worker, "no.such.host.invalid:2377", "echo/1", NULL, &c) == -EHOSTUNREACH);
    says(&c, "cannot be resolved");
    (void) snprintf(address, sizeof(address), "localhost:%s", strrchr(at(), ':') + 1);
    CHECK_OK(client_try(&loop, worker, address, "echo/1", NULL, &c)); /* ::1 may be tried first, in vain */
    events.data = &c;
    CHECK(stream_connect(&loop, worker, "m2", "echo/1", NULL, &events, &s) == -EINVAL);
    CHECK(stream_connect(&loop, worker, "::1:2377", "echo/1", NULL, &events, &s) == -EINVAL);
    CHECK(stream_connect(&loop, worker, "m2:65536", "echo/1", NULL, &events, &s) == -EINVAL);
    CHECK(stream_connect(&loop, worker, "m2:2377", "", NULL, &events, &s) == -EINVAL);
    CHECK(stream_connect(&loop, worker, "m2:2377", "echo/1", "short", &events, &s) == -EINVAL);
}

static void test_ip6(void)
{
    const struct sockaddr_in6 own = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has = fd >= 0 && bind(fd, (const struct sockaddr *) &own, sizeof(own)) == 0;
    char address[80];
    struct server s;
    struct client c;

    if (fd >= 0)
        (void) close(fd);
    if (!has)
        return;
    server_start(&s, &loop, manager, "[::]:0");
    CHECK(strncmp(listener_address(s.listener), "[::]:", 5) == 0);
    (void) snprintf(address, sizeof(address), "[::1]:%s", strrchr(listener_address(s.listener), ':') + 1);
    CHECK_OK(client_try(&loop, worker, address, "echo/1", NULL, &c));
    CHECK(strncmp(s.peer.address, "[::1]:", 6) == 0 && strcmp(c.peer.address, address) == 0);
    (void) snprintf(address, sizeof(address), "127.0.0.1:%s", strrchr(listener_address(s.listener), ':') + 1);
    CHECK_OK(client_try(&loop, worker, address, "echo/1", NULL, &c));
    CHECK(strncmp(s.peer.address, "127.0.0.1:", 10) == 0);
    server_stop(&s);
}

/* ---- bytes ---- */

/* Much, as fast as the stream takes it: all comes back in its order. */
static void test_much(void)
{
    unsigned char block[50000];
    uint64_t expected = 0;
    size_t sent = 0, blocks = 400, done = 0;
    struct client c;

    client_connect(&c, &loop, worker, at(), "echo/1", NULL);
    turn_until(&loop, &c.ready);
    while (c.total < blocks * sizeof(block)) {
        while (done < blocks) {
            for (size_t i = 0; i < sizeof(block); i++)
                block[i] = (unsigned char) (done * 31 + i * 7);
            if (stream_write(c.stream, block, sizeof(block)) == -EAGAIN)
                break;
            CHECK(stream_pending(c.stream) <= STREAM_PENDING_MAX + 65536);
            expected = sum(expected, block, sizeof(block));
            sent += sizeof(block);
            done++;
        }
        (void) uv_run(&loop, UV_RUN_ONCE);
        CHECK(!c.closed);
    }
    CHECK(c.total == sent && c.check == expected);
    turn_for(&loop, 20);
    CHECK(stream_pending(c.stream) == 0 && c.drained > 0);
    CHECK(stream_write(c.stream, block, STREAM_PENDING_MAX + 1) == -EMSGSIZE);
    client_done(&c, &loop);
}

/* One byte per write. */
static void test_little(void)
{
    struct client c;

    client_connect(&c, &loop, worker, at(), "echo/1", NULL);
    CHECK(stream_write(c.stream, "x", 1) == -ENOTCONN);
    turn_until(&loop, &c.ready);
    for (unsigned i = 0; i < 200; i++) {
        CHECK_OK(stream_write(c.stream, &"0123456789"[i % 10], 1));
        (void) uv_run(&loop, UV_RUN_NOWAIT);
    }
    while (c.total < 200)
        (void) uv_run(&loop, UV_RUN_ONCE);
    for (unsigned i = 0; i < 200; i++)
        CHECK(c.bytes[i] == "0123456789"[i % 10]);
    CHECK_OK(stream_write(c.stream, "", 0));
    stream_close(c.stream);
    CHECK(stream_write(c.stream, "x", 1) == -ENOTCONN);
    stream_close(c.stream);
    client_done(&c, &loop);
}

static void test_pause(void)
{
    unsigned char block[100000] = { 0 };
    struct client c;
    size_t before;

    client_connect(&c, &loop, worker, at(), "echo/1", NULL);
    stream_pause(c.stream); /* before it is ready */
    turn_until(&loop, &c.ready);
    CHECK_OK(stream_write(c.stream, block, sizeof(block)));
    turn_for(&loop, 50);
    CHECK(c.total == 0);
    stream_resume(c.stream);
    CHECK(c.total == 0); /* not from within */
    while (c.total == 0)
        (void) uv_run(&loop, UV_RUN_ONCE);
    stream_pause(c.stream);
    before = c.total;
    turn_for(&loop, 20);
    CHECK(c.total == before);
    stream_resume(c.stream);
    stream_pause(c.stream);
    turn_for(&loop, 20);
    CHECK(c.total == before);
    stream_resume(c.stream);
    while (c.total < sizeof(block))
        (void) uv_run(&loop, UV_RUN_ONCE);
    stream_pause(c.stream);
    client_done(&c, &loop); /* while paused */
    CHECK(c.result == 0);
}

/* Takes 7 bytes at a time. */
struct nibbler {
    struct client client;
    unsigned n;
};

static void on_nibble(void *data, const void *bytes, size_t size)
{
    struct nibbler *n = data;

    n->n++;
    if (size <= 7) {
        client_events.received(&n->client, bytes, size);
        return;
    }
    client_events.received(&n->client, bytes, 7);
    CHECK_OK(stream_unread(n->client.stream, (const char *) bytes + 7, size - 7));
    if (n->n % 2)
        stream_resume(n->client.stream); /* allowed at once */
}

static void test_unread(void)
{
    struct stream_events events = client_events;
    struct nibbler n = { 0 };
    char text[256];

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char) i;
    client_connect(&n.client, &loop, worker, at(), "echo/1", NULL);
    turn_until(&loop, &n.client.ready);
    events.data = &n;
    events.received = on_nibble;
    stream_set_events(n.client.stream, &events);
    CHECK_OK(stream_write(n.client.stream, text, sizeof(text)));
    while (n.client.total < sizeof(text)) {
        stream_resume(n.client.stream);
        (void) uv_run(&loop, UV_RUN_ONCE);
    }
    CHECK(memcmp(n.client.bytes, text, sizeof(text)) == 0 && n.n >= sizeof(text) / 7);
    client_done(&n.client, &loop);
}

/* What was written before stream_close arrives, and then the end, told as such. */
static struct client *closing;

static void on_last_words(void *data, struct stream *s, const struct net_peer *peer)
{
    static char block[300000];
    struct stream_events events = client_events;

    (void) peer;
    closing = data;
    events.data = closing;
    closing->ready = true;
    stream_set_events(s, &events);
    CHECK_OK(stream_write(s, block, sizeof(block)));
    stream_close(s);
}

static void test_last_words(void)
{
    struct client own = { 0 }, c;
    const struct listener_protocol protocol = { "bye/1", true, on_last_words };
    const struct listener_config config = {
        .loop = &loop, .address = LOCAL, .identity = manager, .protocols = &protocol, .n_protocols = 1, .data = &own,
    };
    struct listener *l;

    CHECK_OK(listener_new(&config, &l, NULL));
    client_connect(&c, &loop, worker, listener_address(l), "bye/1", NULL);
    turn_until(&loop, &c.closed);
    CHECK(c.ready && c.total == 300000 && c.result == -ECONNRESET);
    says(&c, "has closed the connection");
    turn_until(&loop, &own.closed);
    CHECK(own.result == 0);
    listener_close(l, NULL, NULL);
}

/* At any moment of its life. */
static void test_close_early(void)
{
    for (unsigned turns = 0; turns < 25; turns++) {
        struct client c;

        client_connect(&c, &loop, worker, turns % 2 ? "localhost:1" : at(), "echo/1", NULL);
        for (unsigned i = 0; i < turns && !c.closed; i++)
            (void) uv_run(&loop, UV_RUN_NOWAIT);
        client_done(&c, &loop);
    }
    for (unsigned turns = 0; turns < 25; turns++) { /* and the listener's */
        struct server s;
        struct client c;

        server_start(&s, &loop, manager, LOCAL);
        client_connect(&c, &loop, worker, listener_address(s.listener), "echo/1", NULL);
        for (unsigned i = 0; i < turns && !c.closed; i++)
            (void) uv_run(&loop, UV_RUN_NOWAIT);
        server_stop(&s);
        client_done(&c, &loop);
        turn_until_count(&loop, &s.n_closed, s.n_accepted);
    }
}

static void test_bad_identities(void)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL, other = SECRET_NULL, broken = SECRET_NULL;
    _cleanup_free_ char *certificate = NULL, *five = NULL;
    struct identity *i = NULL;
    struct error e = { "" };

    CHECK_OK(ca_node_key(&key));
    CHECK_OK(ca_node_key(&other));
    CHECK_OK(secret_copy(key.data, key.size, &broken));
    broken.data[40] ^= 1;
    CHECK_OK(ca_issue(&ours.key, ours.pem, &key, worker_id, CA_ROLE_WORKER, ours.id, time(NULL), &certificate, &e));
    CHECK(asprintf(&five, "%s%s%s%s%s", ours.pem, ours.pem, ours.pem, ours.pem, ours.pem) > 0);
    CHECK(identity_new(&other, certificate, ours.pem, &i, &e) == -EKEYREJECTED && strstr(e.text, "another TLS key"));
    CHECK(identity_new(&broken, certificate, ours.pem, &i, &e) == -EBADMSG && strstr(e.text, "damaged"));
    CHECK(identity_new(&key, "", ours.pem, &i, &e) == -EBADMSG);
    CHECK(identity_new(&key, certificate, "x", &i, &e) == -EBADMSG);
    CHECK(identity_new(&key, certificate, five, &i, &e) == -EBADMSG);
    CHECK(identity_new(&ours.key, ours.pem, ours.pem, &i, &e) == -EBADMSG); /* no node's certificate */
    CHECK(!i);
}

static void test_bad_listeners(void)
{
    const struct listener_protocol protocol = { "x/1", false, on_last_words }, unnamed = { "", false, on_last_words };
    _cleanup_(identity_unrefp) struct identity *pinned = pinned_new(&ours);
    struct listener_config config = { .loop = &loop, .address = at(), .identity = manager, .protocols = &protocol, .n_protocols = 1 };
    struct listener *l = NULL;
    struct error e = { "" };

    CHECK(listener_new(&config, &l, &e) == -EADDRINUSE && strstr(e.text, "cannot listen on 127.0.0.1:"));
    config.address = "192.0.2.1:0";
    CHECK(listener_new(&config, &l, &e) == -EADDRNOTAVAIL);
    config.address = "127.0.0.1";
    CHECK(listener_new(&config, &l, &e) == -EINVAL && strstr(e.text, "HOST:PORT"));
    config.address = LOCAL;
    config.identity = pinned;
    CHECK(listener_new(&config, &l, &e) == -EINVAL);
    config.identity = manager;
    config.protocols = &unnamed;
    CHECK(listener_new(&config, &l, &e) == -EINVAL);
    config.protocols = &protocol;
    config.handshakes_per_second = 1001;
    CHECK(listener_new(&config, &l, &e) == -EINVAL && strstr(e.text, "limit of handshakes") && !l);
}

int main(void)
{
    CHECK_OK(secret_init());
    (void) signal(SIGPIPE, SIG_IGN);
    CHECK_OK(uv_loop_init(&loop));
    swarm_ca_new(&ours);
    swarm_ca_new(&theirs);
    manager = node_new(&ours, CA_ROLE_MANAGER, 0, manager_id);
    worker = node_new(&ours, CA_ROLE_WORKER, 0, worker_id);
    server_start(&server, &loop, manager, LOCAL);
    test_echo();
    test_refused_by_client();
    test_refused_by_server();
    test_other_servers();
    test_two_roots();
    test_strange_clients();
    test_strange_servers();
    test_unreachable();
    test_ip6();
    test_much();
    test_little();
    test_pause();
    test_unread();
    test_last_words();
    test_close_early();
    test_bad_identities();
    test_bad_listeners();
    server_stop(&server);
    (void) identity_unref(manager);
    (void) identity_unref(worker);
    swarm_ca_done(&ours);
    swarm_ca_done(&theirs);
    loop_done(&loop);
    return 0;
}
