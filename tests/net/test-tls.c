/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Both ends of a connection in memory: what they agree on, and what becomes of damaged bytes. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "../test.h"
#include "basic/cleanup.h"
#include "net/tls_private.h"
#include "world.h"

static struct swarm_ca ours;
static struct identity *manager, *worker;

static bool choose(void *data, const char *protocol, size_t size, bool *ret_needs_certificate)
{
    (void) data;
    *ret_needs_certificate = true;
    return size == 6 && memcmp(protocol, "echo/1", 6) == 0;
}

struct pair {
    struct tls *client, *server;
    int client_result, server_result;
    size_t moved, flip; /* the byte to be damaged, from 1; 0: none */
};

static void pair_new(struct pair *p)
{
    const struct tls_config client = { .protocol = "echo/1" }, server = { .choose = choose };

    *p = (struct pair) { 0 };
    CHECK_OK(tls_new(worker, &client, "client", &p->client));
    CHECK_OK(tls_new(manager, &server, "server", &p->server));
}

static void pair_done(struct pair *p)
{
    p->client = tls_free(p->client);
    p->server = tls_free(p->server);
}

/* At most that many bytes from one to the other. */
static bool move(struct pair *p, struct tls *from, struct tls *to, size_t most)
{
    unsigned char bytes[65536];
    size_t n = tls_take(from, bytes, most < sizeof(bytes) ? most : sizeof(bytes));

    if (p->flip > p->moved && p->flip <= p->moved + n)
        bytes[p->flip - p->moved - 1] ^= 0x41;
    p->moved += n;
    return n > 0 && tls_feed(to, bytes, n) == 0;
}

static void handshake(struct pair *p, size_t piece)
{
    bool any = true;

    while (any) {
        if (p->client_result == 0)
            p->client_result = tls_handshake(p->client);
        if (p->server_result == 0)
            p->server_result = tls_handshake(p->server);
        any = move(p, p->client, p->server, piece);
        any |= move(p, p->server, p->client, piece);
    }
    CHECK(p->client_result < 0 || tls_pending(p->client) == 0);
}

static void test_agreed(void)
{
    for (size_t piece = 1; piece < 100000; piece *= 50) {
        struct pair p;
        char text[16];

        pair_new(&p);
        handshake(&p, piece);
        CHECK(p.client_result == 1 && p.server_result == 1);
        CHECK(SSL_version(p.client->ssl) == TLS1_3_VERSION && strcmp(SSL_get0_group_name(p.client->ssl), "X25519MLKEM768") == 0);
        CHECK(strcmp(tls_protocol(p.server), "echo/1") == 0 && tls_peer(p.server)->has_certificate && tls_peer(p.client)->has_certificate);
        /* no ticket came, and nothing of this can be taken up again */
        CHECK(tls_read(p.client, text, sizeof(text)) == 0 && !SSL_SESSION_is_resumable(SSL_get0_session(p.client->ssl)));
        CHECK(SSL_get_early_data_status(p.server->ssl) != SSL_EARLY_DATA_ACCEPTED);
        CHECK_OK(tls_write(p.client, "hello", 5));
        while (move(&p, p.client, p.server, piece))
            ;
        CHECK(tls_read(p.server, text, sizeof(text)) == 5 && memcmp(text, "hello", 5) == 0 && tls_read(p.server, text, sizeof(text)) == 0);
        tls_close(p.server);
        while (move(&p, p.server, p.client, piece))
            ;
        CHECK(tls_read(p.client, text, sizeof(text)) == -ECONNRESET && strstr(tls_why(p.client), "closed"));
        pair_done(&p);
    }
}

/* Post-quantum first, but not only; and nothing weaker. */
static void test_groups(void)
{
    static const struct {
        const char *offered, *agreed;
    } cases[] = { { "X25519", "x25519" }, { "P-256", "secp256r1" }, { "P-384:X448", NULL } };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        struct pair p;

        pair_new(&p);
        CHECK(SSL_set1_groups_list(p.client->ssl, cases[i].offered) == 1);
        handshake(&p, SIZE_MAX);
        CHECK((p.client_result == 1) == (cases[i].agreed != NULL));
        CHECK(!cases[i].agreed || strcasecmp(SSL_get0_group_name(p.client->ssl), cases[i].agreed) == 0);
        CHECK(cases[i].agreed || (p.server_result == -EPROTO && strstr(tls_why(p.server), "key exchange")));
        pair_done(&p);
    }
}

/* One byte of the handshake changed: both see the same, or one refuses; never somebody else. */
static void test_damaged(void)
{
    unsigned refused = 0;
    size_t total;
    struct pair p;

    pair_new(&p);
    handshake(&p, SIZE_MAX);
    total = p.moved;
    pair_done(&p);
    for (size_t at = 1; at <= total; at += 3) {
        pair_new(&p);
        p.flip = at;
        handshake(&p, SIZE_MAX);
        if (p.server_result == 1)
            CHECK(tls_peer(p.server)->has_certificate && p.client_result == 1);
        else
            refused++;
        CHECK(p.server_result >= 0 || tls_why(p.server)[0]);
        CHECK(p.client_result >= 0 || tls_why(p.client)[0]);
        pair_done(&p);
    }
    CHECK(refused > total / 3 * 9 / 10);
}

/* Messages with a byte changed are noticed; none is handed out. */
static void test_damaged_message(void)
{
    for (size_t at = 1; at <= 27; at++) {
        struct pair p;
        char text[16];
        int r;

        pair_new(&p);
        handshake(&p, SIZE_MAX);
        p.moved = 0;
        p.flip = at;
        CHECK_OK(tls_write(p.client, "hello", 5));
        CHECK(tls_pending(p.client) == 27); /* 5 head, 5, 1 kind, 16 tag */
        CHECK(move(&p, p.client, p.server, SIZE_MAX));
        r = tls_read(p.server, text, sizeof(text));
        CHECK(r == -EPROTO || r == 0);
        CHECK(r == 0 || tls_pending(p.server) > 0); /* an alert */
        pair_done(&p);
    }
}

static void measure(void)
{
    uint64_t start = uv_hrtime();
    unsigned n = 300;

    for (unsigned i = 0; i < n; i++) {
        struct pair p;

        pair_new(&p);
        handshake(&p, SIZE_MAX);
        pair_done(&p);
    }
    (void) printf("%.2f ms for a handshake, both ends\n", (double) (uv_hrtime() - start) / 1e6 / n);
}

int main(void)
{
    CHECK_OK(secret_init());
    swarm_ca_new(&ours);
    manager = node_new(&ours, CA_ROLE_MANAGER, 0, NULL);
    worker = node_new(&ours, CA_ROLE_WORKER, 0, NULL);
    test_agreed();
    test_groups();
    test_damaged();
    test_damaged_message();
    measure();
    (void) identity_unref(manager);
    (void) identity_unref(worker);
    swarm_ca_done(&ours);
    return 0;
}
