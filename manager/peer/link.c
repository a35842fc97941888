/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer/link.h"

#include <endian.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer/table.h"

#define MAGIC "SWRM"
#define VERSION 1
#define READ_SIZE (64U * 1024)
#define WAITING_MAX (256U * 1024) /* bytes in either direction, above which reading from the other end stops */
#define PREAMBLE_MS 10000

/* "SWRM", version, 0, 2 bytes length of the address (big-endian), 8 bytes raft id (big-endian); then the address. */
struct link {
    struct link_list *list;
    struct link *next, **link;
    struct stream *stream;
    struct net_peer peer;
    uv_pipe_t pipe;
    uv_timer_t timer; /* for the preamble */
    bool has_pipe, pipe_paused, stream_paused, connects, done;
    unsigned open_handles;
    size_t unwritten; /* towards the replica */
    unsigned char preamble[LINK_PREAMBLE_SIZE + LINK_ADDRESS_MAX + 1];
    size_t preamble_size; /* of the own one; or how much of the other's has come */
    unsigned char buffer[READ_SIZE];
    link_cb connected;
    link_accepted_cb accepted;
    void *data;
};

struct pipe_write {
    uv_write_t write;
    struct link *link;
    size_t size;
    unsigned char bytes[];
};

static void link_free(struct link *l)
{
    if (l->open_handles > 0 || l->stream)
        return;
    sodium_memzero(l->buffer, sizeof(l->buffer));
    free(l);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct link *l = handle->data;

    l->open_handles--;
    link_free(l);
}

/* Idempotent. What was promised a callback has had it. */
static void link_end(struct link *l)
{
    struct stream *stream = l->stream;

    if (l->done)
        return;
    l->done = true;
    *l->link = l->next;
    if (l->next)
        l->next->link = l->link;
    uv_close((uv_handle_t *) &l->timer, on_handle_closed);
    if (l->has_pipe)
        uv_close((uv_handle_t *) &l->pipe, on_handle_closed);
    if (stream)
        stream_close(stream); /* on_closed follows */
}

static void fail(struct link *l, int result)
{
    link_cb cb = l->connected;

    l->connected = NULL;
    if (cb)
        cb(l->data, result, &l->peer);
    link_end(l);
}

static void on_closed(void *data, int result, const char *why _unused_)
{
    struct link *l = data;

    l->stream = NULL;
    if (l->done)
        link_free(l);
    else
        fail(l, result < 0 ? result : -ECONNRESET);
}

static void on_alloc(uv_handle_t *handle, size_t suggested _unused_, uv_buf_t *buf)
{
    struct link *l = handle->data;

    *buf = uv_buf_init((char *) l->buffer, sizeof(l->buffer));
}

static void on_pipe_read(uv_stream_t *pipe, ssize_t n, const uv_buf_t *buf)
{
    struct link *l = pipe->data;

    if (n < 0 || (n > 0 && stream_write(l->stream, buf->base, (size_t) n) < 0)) {
        link_end(l);
        return;
    }
    if (!l->pipe_paused && stream_pending(l->stream) > WAITING_MAX) {
        l->pipe_paused = true;
        (void) uv_read_stop(pipe);
    }
}

static void on_drained(void *data)
{
    struct link *l = data;

    if (!l->pipe_paused || l->done)
        return;
    l->pipe_paused = false;
    (void) uv_read_start((uv_stream_t *) &l->pipe, on_alloc, on_pipe_read);
}

static void on_pipe_written(uv_write_t *write, int status)
{
    struct pipe_write *w = write->data;
    struct link *l = w->link;

    l->unwritten -= w->size;
    sodium_memzero(w->bytes, w->size);
    free(w);
    if (l->done)
        return;
    if (status < 0)
        link_end(l);
    else if (l->stream_paused && l->unwritten <= WAITING_MAX) {
        l->stream_paused = false;
        stream_resume(l->stream);
    }
}

static void to_replica(struct link *l, const void *bytes, size_t size)
{
    struct pipe_write *w = malloc(sizeof(*w) + size);
    uv_buf_t buf;

    if (!w) {
        link_end(l);
        return;
    }
    w->write.data = w;
    w->link = l;
    w->size = size;
    memcpy(w->bytes, bytes, size);
    buf = uv_buf_init((char *) w->bytes, (unsigned) size);
    if (uv_write(&w->write, (uv_stream_t *) &l->pipe, &buf, 1, on_pipe_written) < 0) {
        sodium_memzero(w->bytes, size);
        free(w);
        link_end(l);
        return;
    }
    l->unwritten += size;
    if (!l->stream_paused && l->unwritten > WAITING_MAX) {
        l->stream_paused = true;
        stream_pause(l->stream);
    }
}

/* The replica's end, or a negative errno. */
static int open_pipe(struct link *l)
{
    int fds[2], r;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
        return -errno;
    r = uv_pipe_init(l->timer.loop, &l->pipe, 0);
    if (r == 0) {
        l->pipe.data = l;
        l->has_pipe = true;
        l->open_handles++;
        r = uv_pipe_open(&l->pipe, fds[0]);
    }
    if (r < 0)
        (void) close(fds[0]);
    else
        r = uv_read_start((uv_stream_t *) &l->pipe, on_alloc, on_pipe_read);
    if (r < 0) {
        (void) close(fds[1]);
        return r;
    }
    return fds[1];
}

static void on_ready(void *data, const struct net_peer *peer, const char *protocol _unused_)
{
    struct link *l = data;
    link_cb cb = l->connected;
    int fd;

    l->peer = *peer;
    fd = strcmp(peer->role, "swarm-manager") == 0 ? stream_write(l->stream, l->preamble, l->preamble_size) : -EKEYREJECTED;
    if (fd == 0)
        fd = open_pipe(l);
    if (fd < 0) {
        fail(l, fd);
        return;
    }
    (void) uv_timer_stop(&l->timer);
    l->connected = NULL;
    cb(l->data, fd, peer);
}

static size_t preamble_length(const struct link *l)
{
    uint16_t length;

    memcpy(&length, l->preamble + 6, sizeof(length));
    return LINK_PREAMBLE_SIZE + be16toh(length);
}

static void introduce(struct link *l)
{
    link_accepted_cb cb = l->accepted;
    uint64_t id;
    int fd;

    memcpy(&id, l->preamble + 8, sizeof(id));
    l->preamble[l->preamble_size] = '\0';
    fd = open_pipe(l);
    if (fd < 0) {
        link_end(l);
        return;
    }
    (void) uv_timer_stop(&l->timer);
    l->accepted = NULL;
    cb(l->data, fd, &l->peer, be64toh(id), (const char *) l->preamble + LINK_PREAMBLE_SIZE);
}

/* Takes what belongs to the preamble; the rest is the replica's. */
static size_t take_preamble(struct link *l, const void *bytes, size_t size)
{
    size_t want = l->preamble_size < LINK_PREAMBLE_SIZE ? LINK_PREAMBLE_SIZE : preamble_length(l);
    size_t n = want - l->preamble_size < size ? want - l->preamble_size : size;

    memcpy(l->preamble + l->preamble_size, bytes, n);
    l->preamble_size += n;
    if (l->preamble_size == LINK_PREAMBLE_SIZE && want == LINK_PREAMBLE_SIZE &&
        (memcmp(l->preamble, MAGIC, 4) != 0 || l->preamble[4] != VERSION || l->preamble[5] != 0 ||
         preamble_length(l) == LINK_PREAMBLE_SIZE || preamble_length(l) > LINK_PREAMBLE_SIZE + LINK_ADDRESS_MAX))
        link_end(l);
    else if (want > LINK_PREAMBLE_SIZE && l->preamble_size == want)
        introduce(l);
    return n;
}

static void on_received(void *data, const void *bytes, size_t size)
{
    struct link *l = data;
    const unsigned char *p = bytes;

    while (size > 0 && !l->done && l->accepted) {
        size_t n = take_preamble(l, p, size);

        p += n;
        size -= n;
    }
    if (size > 0 && !l->done)
        to_replica(l, p, size);
}

static void on_time(uv_timer_t *timer)
{
    fail(timer->data, -ETIMEDOUT);
}

static struct link *link_new(struct link_list *list, uv_loop_t *loop, void *data)
{
    struct link *l = calloc(1, sizeof(*l));

    if (!l)
        return NULL;
    l->data = data;
    l->list = list;
    l->next = list->first;
    l->link = &list->first;
    if (list->first)
        list->first->link = &l->next;
    list->first = l;
    (void) uv_timer_init(loop, &l->timer);
    l->timer.data = l;
    l->open_handles = 1;
    (void) uv_timer_start(&l->timer, on_time, PREAMBLE_MS, 0);
    return l;
}

int link_connect(struct link_list *list, uv_loop_t *loop, struct identity *identity, const char *address, const char *node_id,
                 uint64_t own_raft_id, const char *own_address, link_cb cb, void *data)
{
    const uint64_t id = htobe64(own_raft_id);
    const uint16_t length = htobe16((uint16_t) strlen(own_address));
    struct stream_events events;
    struct link *l;
    int r;

    if (strlen(own_address) > LINK_ADDRESS_MAX)
        return -EINVAL;
    l = link_new(list, loop, data);
    if (!l)
        return -ENOMEM;
    l->connects = true;
    memcpy(l->preamble, MAGIC, 4);
    l->preamble[4] = VERSION;
    memcpy(l->preamble + 6, &length, sizeof(length));
    memcpy(l->preamble + 8, &id, sizeof(id));
    memcpy(l->preamble + LINK_PREAMBLE_SIZE, own_address, strlen(own_address));
    l->preamble_size = LINK_PREAMBLE_SIZE + strlen(own_address);
    events = (struct stream_events) { .data = l, .ready = on_ready, .received = on_received, .drained = on_drained, .closed = on_closed };
    r = stream_connect(loop, identity, address, PEER_PROTOCOL_RAFT, node_id, &events, &l->stream);
    if (r < 0) {
        link_end(l);
        return r;
    }
    l->connected = cb;
    return 0;
}

int link_accept(struct link_list *list, uv_loop_t *loop, struct stream *stream, link_accepted_cb cb, void *data)
{
    struct link *l = link_new(list, loop, data);
    const struct stream_events events = { .data = l, .received = on_received, .drained = on_drained, .closed = on_closed };

    if (!l) {
        stream_close(stream);
        return -ENOMEM;
    }
    l->stream = stream;
    l->peer = *stream_peer(stream);
    l->accepted = cb;
    stream_set_events(stream, &events);
    return 0;
}

void link_list_review(struct link_list *list, bool (*keep)(void *data, const struct net_peer *peer), void *data)
{
    struct link *next;

    for (struct link *l = list->first; l; l = next) {
        next = l->next;
        if (!keep || ((l->connected == NULL) && !keep(data, &l->peer)))
            fail(l, -ECANCELED);
    }
}
