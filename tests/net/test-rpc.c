/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "../test.h"
#include "basic/cleanup.h"
#include "world.h"

#define LOCAL "127.0.0.1:0"
#define CALL "call/1"

static uv_loop_t loop;
static struct swarm_ca ours;
static char manager_id[ID_LEN + 1];
static struct identity *manager, *worker;
static struct server server;
static struct rpc_client *client;

static struct rpc_client *to(const char *address, struct identity *i)
{
    struct rpc_client *c;

    CHECK_OK(rpc_client_new(&loop, i, CALL, address, NULL, &c));
    CHECK(!rpc_client_peer(c) && rpc_client_why(c)[0] == '\0');
    return c;
}

static const char *at(void)
{
    return listener_address(server.listener);
}

static int call(struct rpc_client *c, const void *payload, size_t size, unsigned timeout_ms, struct outcome *o)
{
    *o = (struct outcome) { 0 };
    CHECK_OK(rpc_call(c, payload, size, timeout_ms, on_outcome, o));
    CHECK(!o->done);
    turn_until(&loop, &o->done);
    return o->result;
}

static int call_text(struct rpc_client *c, const char *text, unsigned timeout_ms)
{
    struct outcome o;

    return call(c, text, strlen(text), timeout_ms, &o);
}

static void says(const char *text)
{
    if (!strstr(rpc_client_why(client), text))
        (void) fprintf(stderr, "\"%s\" does not say \"%s\"\n", rpc_client_why(client), text);
    CHECK(strstr(rpc_client_why(client), text) && strncmp(rpc_client_why(client), "127.0.0.1:", 10) == 0);
}

static void test_sizes(void)
{
    static const size_t sizes[] = { 0, 1, 13, 16383, 16384, 16385, 100000, RPC_PAYLOAD_MAX - 1, RPC_PAYLOAD_MAX };
    _cleanup_free_ unsigned char *payload = malloc(RPC_PAYLOAD_MAX);
    struct outcome o;

    CHECK(payload);
    for (size_t i = 0; i < RPC_PAYLOAD_MAX; i++)
        payload[i] = (unsigned char) (i * 13 + (i >> 8));
    for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
        CHECK_OK(call(client, payload, sizes[i], 10000, &o));
        CHECK(o.size == sizes[i] && o.check == sum(0, payload, sizes[i]));
    }
    CHECK(rpc_call(client, payload, RPC_PAYLOAD_MAX + 1, 0, on_outcome, &o) == -EMSGSIZE);
    CHECK(rpc_client_peer(client) && strcmp(rpc_client_peer(client)->node_id, manager_id) == 0);
    CHECK(server.n_accepted == 1); /* all on one connection */
}

/* Each answer belongs to its call, whatever the order. */
static void test_parallel(void)
{
    static struct outcome o[RPC_CALLS_MAX];
    char text[32];

    for (unsigned i = 0; i < RPC_CALLS_MAX; i++) {
        o[i] = (struct outcome) { 0 };
        (void) snprintf(text, sizeof(text), "%s %u", i < 30 ? "later" : "now", i);
        CHECK_OK(rpc_call(client, text, strlen(text), 20000, on_outcome, &o[i]));
    }
    CHECK(rpc_call(client, "x", 1, 0, on_outcome, NULL) == -EAGAIN);
    for (unsigned i = 30; i < RPC_CALLS_MAX; i++) {
        turn_until(&loop, &o[i].done);
        CHECK_OK(o[i].result);
        CHECK(o[i].size == (size_t) snprintf(text, sizeof(text), "now %u", i) && memcmp(o[i].first, text, o[i].size) == 0);
    }
    CHECK(server.n_later == 30 && server_answer(&server) == 0);
    for (unsigned i = 0; i < 30; i++) {
        turn_until(&loop, &o[i].done);
        CHECK(o[i].result == 0 && memcmp(o[i].first, "at last", 7) == 0);
    }
    CHECK(server.n_accepted == 1);
}

/* With as many requests unanswered as a server takes, the others wait, and go on as answers are given. */
static void test_backpressure(void)
{
    static struct outcome o[200];

    for (unsigned i = 0; i < ELEMENTSOF(o); i++) {
        o[i] = (struct outcome) { 0 };
        CHECK_OK(rpc_call(client, "later", 5, 20000, on_outcome, &o[i]));
    }
    turn_for(&loop, 100);
    CHECK(server.n_later == RPC_IN_FLIGHT_MAX);
    for (unsigned got = 0; got < ELEMENTSOF(o);) {
        unsigned more = (unsigned) server.n_later;

        CHECK(more > 0 && more <= RPC_IN_FLIGHT_MAX);
        (void) server_answer(&server);
        got += more;
        turn_for(&loop, 20);
    }
    for (unsigned i = 0; i < ELEMENTSOF(o); i++)
        CHECK(o[i].done && o[i].result == 0);
}

/* 64 requests and answers of 2 MiB at once, more than any buffer holds. */
static void test_large_parallel(void)
{
    static struct outcome o[RPC_IN_FLIGHT_MAX];
    _cleanup_free_ unsigned char *payload = calloc(1, RPC_PAYLOAD_MAX);
    unsigned n = 0;

    CHECK(payload);
    for (unsigned i = 0; i < ELEMENTSOF(o); i++) {
        o[i] = (struct outcome) { 0 };
        CHECK_OK(rpc_call(client, "big", 3, 20000, on_outcome, &o[i]));
    }
    for (unsigned i = 0; i < ELEMENTSOF(o); i++) {
        turn_until(&loop, &o[i].done);
        CHECK(o[i].result == 0 && o[i].size == RPC_PAYLOAD_MAX);
        o[i] = (struct outcome) { 0 };
    }
    while (n < ELEMENTSOF(o) && rpc_call(client, payload, RPC_PAYLOAD_MAX, 20000, on_outcome, &o[n]) == 0)
        n++;
    CHECK(n > RPC_QUEUED_MAX / RPC_PAYLOAD_MAX - 2 && n <= RPC_QUEUED_MAX / RPC_PAYLOAD_MAX + 3); /* some are with the stream */
    for (unsigned i = 0; i < n; i++) {
        turn_until(&loop, &o[i].done);
        CHECK(o[i].result == 0 && o[i].size == RPC_PAYLOAD_MAX);
    }
}

static void test_time(void)
{
    struct outcome slow = { 0 };
    uint64_t before = uv_now(&loop);

    CHECK(call_text(client, "later", 100) == -ETIMEDOUT);
    says("no answer in time");
    CHECK(uv_now(&loop) - before >= 100 && uv_now(&loop) - before < 2000);
    /* it was alone and nothing came: the next one makes a connection of its own, and the late answer finds nobody */
    turn_until_count(&loop, &server.n_rpc_closed, 1);
    CHECK(server.n_later == 1 && server_answer(&server) == 1);
    CHECK_OK(call_text(client, "hello", 10000));
    CHECK(server.n_accepted == 2);
    /* another call still waits: the connection stays, and the late answer is dropped */
    CHECK_OK(rpc_call(client, "later", 5, 10000, on_outcome, &slow));
    CHECK(call_text(client, "later", 100) == -ETIMEDOUT);
    CHECK(server_answer(&server) == 0);
    turn_until(&loop, &slow.done);
    CHECK_OK(slow.result);
    CHECK_OK(call_text(client, "hello", 10000));
    CHECK(server.n_accepted == 2);
}

static void test_server_gone(void)
{
    struct outcome waits = { 0 };
    char address[80];

    (void) strcpy(address, at());
    CHECK_OK(rpc_call(client, "later", 5, 10000, on_outcome, &waits));
    turn_for(&loop, 20);
    CHECK(call_text(client, "close", 10000) == -ECONNRESET);
    says("has closed the connection");
    CHECK(waits.done && waits.result == -ECONNRESET);
    CHECK(server_answer(&server) == 1);
    CHECK_OK(call_text(client, "hello", 10000));
    CHECK_OK(call_text(client, "answer+close", 10000)); /* given before it closed */
    turn_for(&loop, 20);
    CHECK(call_text(client, "too big", 10000) == -ECONNRESET);
    server_stop(&server);
    CHECK(call_text(client, "hello", 10000) == -EHOSTUNREACH);
    says("connection refused");
    CHECK(call_text(client, "hello", 0) == -EHOSTUNREACH);
    server_start(&server, &loop, manager, address);
    CHECK_OK(call_text(client, "hello", 10000));
}

static void test_refused(void)
{
    _cleanup_(identity_unrefp) struct identity *expired = node_new(&ours, CA_ROLE_WORKER, -100 * DAY, NULL), *pinned = pinned_new(&ours);
    struct rpc_client *before = client;
    struct outcome o[3] = { 0 };

    client = to(at(), expired);
    for (unsigned i = 0; i < ELEMENTSOF(o); i++)
        CHECK_OK(rpc_call(client, "x", 1, 10000, on_outcome, &o[i]));
    for (unsigned i = 0; i < ELEMENTSOF(o); i++) {
        turn_until(&loop, &o[i].done);
        CHECK(o[i].result == -EKEYREJECTED);
    }
    says("it has expired");
    rpc_client_close(client);
    client = to(at(), pinned);
    CHECK(call_text(client, "x", 10000) == -EKEYREJECTED);
    says("wants a certificate");
    rpc_client_close(client);
    CHECK_OK(rpc_client_new(&loop, worker, CALL, at(), "1111111111111111111111111", &client));
    CHECK(call_text(client, "x", 10000) == -EKEYREJECTED);
    says("it is node");
    rpc_client_close(client);
    CHECK_OK(rpc_client_new(&loop, worker, "none/1", at(), NULL, &client));
    CHECK(call_text(client, "x", 10000) == -EHOSTUNREACH);
    says("does not speak this protocol");
    rpc_client_close(client);
    CHECK(rpc_client_new(&loop, worker, CALL, "nonsense", NULL, &client) == -EINVAL);
    client = before;
}

/* Who has no certificate may say less. */
static void test_anonymous(void)
{
    _cleanup_(identity_unrefp) struct identity *pinned = pinned_new(&ours);
    static unsigned char payload[RPC_ANONYMOUS_MAX + 1];
    struct rpc_client *c;
    struct outcome o;

    CHECK_OK(rpc_client_new(&loop, pinned, "ask/1", at(), NULL, &c));
    CHECK(call(c, payload, RPC_ANONYMOUS_MAX, 10000, &o) == 0 && o.size == RPC_ANONYMOUS_MAX && !server.peer.has_certificate);
    CHECK(call(c, "big", 3, 10000, &o) == 0 && o.size == RPC_PAYLOAD_MAX);
    CHECK(call(c, payload, sizeof(payload), 10000, &o) == -ECONNRESET);
    rpc_client_close(c);
    CHECK_OK(rpc_client_new(&loop, worker, "ask/1", at(), NULL, &c));
    CHECK_OK(call(c, payload, sizeof(payload), 10000, &o));
    rpc_client_close(c);
    turn_for(&loop, 20);
}

/* ---- from within callbacks ---- */

struct chain {
    struct outcome outcome;
    struct rpc_client *client;
    unsigned left;
    bool closes;
};

static void on_link(void *data, int result, const void *reply, size_t size)
{
    struct chain *c = data;

    if (c->left-- > 0) {
        CHECK_OK(result);
        CHECK_OK(rpc_call(c->client, "link", 4, 10000, on_link, c));
        return;
    }
    if (c->closes) {
        rpc_client_close(c->client);
        CHECK(rpc_call(c->client, "x", 1, 0, on_link, c) == -ECANCELED);
    }
    on_outcome(&c->outcome, result, reply, size); /* what is lent stays until this returns */
}

static void test_within(void)
{
    struct chain c = { .client = client, .left = 20 }, closer = { .client = to(at(), worker), .closes = true };
    struct outcome canceled = { 0 }, never = { 0 };
    struct rpc_client *other;

    CHECK_OK(rpc_call(client, "link", 4, 10000, on_link, &c));
    turn_until(&loop, &c.outcome.done);
    CHECK_OK(c.outcome.result);
    CHECK_OK(rpc_call(closer.client, "link", 4, 10000, on_link, &closer));
    CHECK_OK(rpc_call(closer.client, "later", 5, 10000, on_outcome, &canceled));
    turn_until(&loop, &closer.outcome.done);
    CHECK(closer.outcome.result == 0 && memcmp(closer.outcome.first, "link", 4) == 0);
    CHECK(canceled.done && canceled.result == -ECANCELED);
    turn_for(&loop, 20);
    (void) server_answer(&server);
    other = to(at(), worker);
    CHECK_OK(rpc_call(other, "x", 1, 0, on_outcome, &never)); /* not even connected */
    rpc_client_close(other);
    CHECK(never.done && never.result == -ECANCELED);
    rpc_client_close(NULL);
    /* a failure's callback that closes */
    closer = (struct chain) { .client = to("127.0.0.1:1", worker), .closes = true };
    canceled = (struct outcome) { 0 };
    CHECK_OK(rpc_call(closer.client, "x", 1, 0, on_link, &closer));
    CHECK_OK(rpc_call(closer.client, "x", 1, 0, on_outcome, &canceled));
    turn_until(&loop, &closer.outcome.done);
    CHECK(closer.outcome.result == -EHOSTUNREACH && canceled.done && canceled.result == -ECANCELED);
}

/* The client goes while its request is being worked on. */
static void test_client_gone(void)
{
    struct rpc_client *c = to(at(), worker);
    unsigned closed = server.n_rpc_closed;
    struct outcome o[10] = { 0 };
    size_t kept = server.n_later;
    unsigned offences = server.n_offences;

    for (unsigned i = 0; i < ELEMENTSOF(o); i++)
        CHECK_OK(rpc_call(c, "later", 5, 0, on_outcome, &o[i]));
    while (server.n_later < kept + ELEMENTSOF(o))
        (void) uv_run(&loop, UV_RUN_ONCE);
    rpc_client_close(c);
    for (unsigned i = 0; i < ELEMENTSOF(o); i++)
        CHECK(o[i].done && o[i].result == -ECANCELED);
    turn_until_count(&loop, &server.n_rpc_closed, closed + 1);
    CHECK(server_answer(&server) == ELEMENTSOF(o) && server.n_offences == offences);
}

/* ---- bytes that are no frames ---- */

/* Sends them to the server, which must close; nobody else is disturbed. */
static void to_server(const void *bytes, size_t size)
{
    unsigned closed = server.n_rpc_closed, offences = server.n_offences;
    struct client c;

    client_connect(&c, &loop, worker, at(), CALL, NULL);
    turn_until(&loop, &c.ready);
    CHECK_OK(stream_write(c.stream, bytes, size));
    turn_until(&loop, &c.closed);
    CHECK(c.result == -ECONNRESET && c.total == 0);
    turn_until_count(&loop, &server.n_rpc_closed, closed + 1);
    CHECK(server.n_offences == offences + 1);
    CHECK_OK(call_text(client, "hello", 10000));
}

static const struct {
    const char *bytes;
    size_t size;
} nonsense[] = {
    { "\0\x20\0\x0b\1?\0\0\0\0\0\0\0\1", 14 },   /* a byte too many */
    { "\xff\xff\xff\xff\1?\0\0\0\0\0\0\0\1", 14 },
    { "\0\0\0\x09\1?\0\0\0\0\0\0\0\1", 14 },     /* too short for its own head */
    { "\0\0\0\x0a\2?\0\0\0\0\0\0\0\1", 14 },     /* another version */
    { "\0\0\0\x0a\1x\0\0\0\0\0\0\0\1", 14 },
    { "GET / HTTP/1.0\r\n\r\n", 18 },
};

static void test_nonsense_to_server(void)
{
    for (size_t i = 0; i < ELEMENTSOF(nonsense); i++)
        to_server(nonsense[i].bytes, nonsense[i].size);
    to_server("\0\0\0\x0a\1!\0\0\0\0\0\0\0\1", 14); /* a reply */
}

/* Answers anything with bytes of the test's choice. */
struct liar {
    struct stream *stream;
    size_t which;
};

static void on_liar_received(void *data, const void *bytes, size_t size)
{
    struct liar *l = data;

    (void) bytes;
    (void) size;
    if (l->which < ELEMENTSOF(nonsense))
        CHECK_OK(stream_write(l->stream, nonsense[l->which].bytes, nonsense[l->which].size));
    else if (l->which == ELEMENTSOF(nonsense))
        CHECK_OK(stream_write(l->stream, "\0\0\0\x0a\1?\0\0\0\0\0\0\0\1", 14)); /* a request */
    else
        /* an unknown id, then the right one */
        CHECK_OK(stream_write(l->stream, "\0\0\0\x0a\1!\xff\0\0\0\0\0\0\1\0\0\0\x0b\1!\0\0\0\0\0\0\0\1y", 29));
}

static void on_liar_closed(void *data, int result, const char *why)
{
    struct liar *l = data;

    (void) result;
    (void) why;
    l->stream = NULL;
}

static void on_liar(void *data, struct stream *s, const struct net_peer *peer)
{
    struct liar *l = data;
    const struct stream_events events = { .data = l, .received = on_liar_received, .closed = on_liar_closed };

    (void) peer;
    l->stream = s;
    stream_set_events(s, &events);
}

static void test_nonsense_to_client(void)
{
    struct liar liar = { 0 };
    const struct listener_protocol protocol = { CALL, true, on_liar };
    const struct listener_config config = {
        .loop = &loop, .address = LOCAL, .identity = manager, .protocols = &protocol, .n_protocols = 1, .data = &liar,
    };
    struct listener *l;

    CHECK_OK(listener_new(&config, &l, NULL));
    for (liar.which = 0; liar.which <= ELEMENTSOF(nonsense) + 1; liar.which++) {
        struct rpc_client *c = to(listener_address(l), worker);
        struct outcome o;

        if (liar.which <= ELEMENTSOF(nonsense)) {
            CHECK(call(c, "x", 1, 10000, &o) == -ECONNRESET);
            CHECK(strstr(rpc_client_why(c), "not of the form"));
        } else
            CHECK(call(c, "x", 1, 10000, &o) == 0 && o.size == 1 && o.first[0] == 'y');
        rpc_client_close(c);
        turn_for(&loop, 10);
    }
    listener_close(l, NULL, NULL);
}

/* The bytes of a call, one in each write; and many calls in one write. */
static void test_slow_writer(void)
{
    static const char hello[] = "\0\0\0\x0f\1?\0\0\0\0\0\0\0\x07hello";
    char many[19 * 500];
    struct client c;

    client_connect(&c, &loop, worker, at(), CALL, NULL);
    turn_until(&loop, &c.ready);
    for (size_t i = 0; i < 19; i++) {
        CHECK(c.total == 0);
        CHECK_OK(stream_write(c.stream, hello + i, 1));
        turn_for(&loop, 2);
    }
    while (c.total < 19)
        (void) uv_run(&loop, UV_RUN_ONCE);
    CHECK(c.bytes[5] == '!' && memcmp(c.bytes + 6, hello + 6, 13) == 0);
    for (size_t i = 0; i < 500; i++)
        memcpy(many + i * 19, hello, 19);
    CHECK_OK(stream_write(c.stream, many, sizeof(many)));
    while (c.total < 19 * 501)
        (void) uv_run(&loop, UV_RUN_ONCE);
    client_done(&c, &loop);
}

/* The rate of small calls, one after the other and 64 at once. */
static unsigned long timed(unsigned calls, unsigned at_once)
{
    static struct outcome o[64];
    uint64_t start = uv_hrtime();

    for (unsigned i = 0; i < calls; i += at_once) {
        for (unsigned n = 0; n < at_once; n++) {
            o[n] = (struct outcome) { 0 };
            CHECK_OK(rpc_call(client, "0123456789", 10, 10000, on_outcome, &o[n]));
        }
        for (unsigned n = 0; n < at_once; n++)
            while (!o[n].done)
                (void) uv_run(&loop, UV_RUN_ONCE);
    }
    return (unsigned long) (calls * UINT64_C(1000000000) / (uv_hrtime() - start));
}

int main(void)
{
    CHECK_OK(secret_init());
    (void) signal(SIGPIPE, SIG_IGN);
    CHECK_OK(uv_loop_init(&loop));
    swarm_ca_new(&ours);
    manager = node_new(&ours, CA_ROLE_MANAGER, 0, manager_id);
    worker = node_new(&ours, CA_ROLE_WORKER, 0, NULL);
    server_start(&server, &loop, manager, LOCAL);
    client = to(at(), worker);
    test_sizes();
    test_parallel();
    test_backpressure();
    test_large_parallel();
    test_time();
    test_server_gone();
    test_refused();
    test_anonymous();
    test_within();
    test_client_gone();
    test_nonsense_to_server();
    test_nonsense_to_client();
    test_slow_writer();
    (void) printf("%lu calls/s one by one, %lu with 64 at once, both ends in one thread\n", timed(2000, 1), timed(6400, 64));
    rpc_client_close(client);
    server_stop(&server);
    (void) identity_unref(manager);
    (void) identity_unref(worker);
    swarm_ca_done(&ours);
    loop_done(&loop);
    return 0;
}
