/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "raft/envelope.h"
#include "raft/sealed_private.h"

/* A snapshot on its way to raft_uv: encrypted in the thread pool, under a copy of the key that was active when it was taken. */
struct sealed_put {
    struct raft_io_snapshot_put req, *outer;
    raft_io_snapshot_put_cb cb;
    struct sealed_io *io;
    unsigned trailing; /* 0: installed, replaces the log */
    struct raft_snapshot snapshot;
    struct raft_buffer plain, record, configuration;
    struct envelope envelope;
    struct keyring *key;
    uv_work_t work;
    int result;
};

static void put_free(struct sealed_put *p)
{
    keyring_free(p->key);
    raft_free(p->configuration.base);
    raft_free(p->record.base);
    free(p);
}

static bool is_install(const struct sealed_put *p)
{
    return p->trailing == 0;
}

static unsigned *put_counter(const struct sealed_put *p)
{
    return is_install(p) ? &p->io->installs : &p->io->puts;
}

static void install_finish(struct sealed_put *p, int status)
{
    struct sealed_io *s = p->io;

    if (status == 0 && highwater_advance(s->config.highwater, p->envelope.index, p->envelope.term) < 0)
        sealed_fail(s, "cannot write the high-water file");
    else if (status != 0 && !s->closing)
        sealed_fail(s, "cannot store a snapshot in %s: %s", s->folder, s->inner.errmsg);
}

static void put_finish(struct sealed_put *p, int status)
{
    struct sealed_io *s = p->io;
    struct raft_io_snapshot_put *outer = p->outer;
    raft_io_snapshot_put_cb cb = p->cb;
    uint32_t key_id = keyring_active(p->key);
    bool installed = is_install(p);

    if (installed) {
        install_finish(p, status);
        if (s->closing) /* else libraft would keep it, and forget it */
            status = RAFT_CANCELED;
    }
    (*put_counter(p))--;
    put_free(p);
    cb(outer, status); /* libraft may begin the next one */
    if (!installed && !s->closing)
        s->config.snapshot_taken(s->config.data, key_id, status);
    sealed_recv_resume(s);
}

static void on_put(struct raft_io_snapshot_put *req, int status)
{
    put_finish(req->data, status);
}

static void on_seal(uv_work_t *work)
{
    struct sealed_put *p = work->data;

    envelope_fill(&p->envelope, p->plain.base, p->plain.len, p->record.base);
    p->result = envelope_seal(p->key, &p->envelope, p->record.base, p->record.len);
}

static void on_sealed(uv_work_t *work, int status)
{
    struct sealed_put *p = work->data;
    struct sealed_io *s = p->io;
    int rv = s->closing || status < 0 ? RAFT_CANCELED : p->result < 0 ? RAFT_INVALID : 0;

    if (rv == 0)
        rv = sealed_result(s, s->inner.snapshot_put(&s->inner, p->trailing, &p->req, &p->snapshot, on_put));
    if (rv != 0)
        put_finish(p, rv);
    sealed_pending_done(s);
}

static int put_prepare(struct sealed_put *p, const struct raft_snapshot *snapshot)
{
    int rv = raft_configuration_encode(&snapshot->configuration, &p->configuration);

    if (rv != 0)
        return rv;
    p->envelope = (struct envelope) {
        snapshot->index, snapshot->term, snapshot->configuration_index, p->configuration.base, p->configuration.len,
    };
    p->plain = snapshot->bufs[0];
    p->record.len = envelope_record_size(&p->envelope, p->plain.len);
    p->record.base = raft_malloc(p->record.len);
    p->key = keyring_copy_active(p->io->config.keyring);
    if (!p->record.base || !p->key)
        return RAFT_NOMEM;
    p->snapshot = *snapshot;
    p->snapshot.bufs = &p->record;
    p->snapshot.n_bufs = 1;
    return 0;
}

/* An installed snapshot replaces the log: what goes beyond it will not be there any more, and what is being appended neither. */
static int lower_mark(struct sealed_io *s, const struct raft_snapshot *snapshot)
{
    struct highwater_mark mark = *highwater_get(s->config.highwater);
    int r;

    sealed_append_forget(s, 1);
    s->next = snapshot->index + 1;
    if (mark.index < snapshot->index)
        return 0;
    mark.index = snapshot->index;
    mark.term = 0;
    r = highwater_set(s->config.highwater, &mark);
    if (r < 0)
        sealed_fail(s, "cannot write the high-water file: %s", strerror(-r));
    return r < 0 ? RAFT_IOERR : 0;
}

static int put_start(struct sealed_io *s, unsigned trailing, struct raft_io_snapshot_put *req, const struct raft_snapshot *snapshot,
                     raft_io_snapshot_put_cb cb)
{
    struct sealed_put *p;
    int rv;

    if (s->failed || s->closing)
        return RAFT_CANCELED;
    if (s->installs > 0 || (s->puts > 0 && trailing == 0))
        return RAFT_BUSY;
    if (snapshot->n_bufs != 1 || snapshot->bufs[0].len % 8 != 0)
        return RAFT_INVALID;
    p = calloc(1, sizeof(*p));
    if (!p)
        return RAFT_NOMEM;
    p->io = s;
    p->outer = req;
    p->cb = req->cb = cb;
    p->trailing = trailing;
    p->req.data = p->work.data = p;
    rv = put_prepare(p, snapshot);
    if (rv == 0 && trailing == 0)
        rv = lower_mark(s, snapshot);
    if (rv == 0 && uv_queue_work(s->config.loop, &p->work, on_seal, on_sealed) < 0)
        rv = RAFT_NOMEM;
    if (rv != 0) {
        put_free(p);
        return rv;
    }
    s->pending++;
    (*put_counter(p))++;
    return 0;
}

int sealed_snapshot_put(struct raft_io *io, unsigned trailing, struct raft_io_snapshot_put *req, const struct raft_snapshot *snapshot,
                        raft_io_snapshot_put_cb cb)
{
    struct sealed_io *s = sealed_of_outer(io);
    int rv = put_start(s, trailing, req, snapshot, cb);

    if (rv == 0 || trailing > 0) /* an own snapshot will be tried again */
        return rv;
    sealed_fail(s, "cannot store a snapshot in %s: %s", s->folder, raft_strerror(rv));
    return 0; /* never answered: libraft would free the request twice */
}

int sealed_snapshot_open(const struct keyring *k, struct raft_snapshot *snapshot)
{
    struct raft_buffer configuration, *buf = &snapshot->bufs[0];
    struct envelope envelope;
    size_t size;
    void *state;
    int r;

    if (raft_configuration_encode(&snapshot->configuration, &configuration) != 0)
        return -ENOMEM;
    envelope = (struct envelope) { snapshot->index, snapshot->term, snapshot->configuration_index, configuration.base, configuration.len };
    r = envelope_open(k, &envelope, buf->base, buf->len, &state, &size);
    raft_free(configuration.base);
    if (r < 0)
        return r;
    memmove(buf->base, state, size); /* the pointer is freed by libraft */
    buf->len = size;
    return 0;
}

void sealed_snapshot_destroy(struct raft_snapshot *snapshot)
{
    raft_configuration_close(&snapshot->configuration);
    for (unsigned i = 0; i < snapshot->n_bufs; i++)
        raft_free(snapshot->bufs[i].base);
    raft_free(snapshot->bufs);
    raft_free(snapshot);
}

/* A snapshot on its way to another member: opened in the thread pool. */
struct sealed_get {
    struct raft_io_snapshot_get req, *outer;
    raft_io_snapshot_get_cb cb;
    struct sealed_io *io;
    struct raft_snapshot *snapshot;
    struct keyring *keys;
    uv_work_t work;
    int result;
};

static void get_free(struct sealed_get *g)
{
    keyring_free(g->keys);
    free(g);
}

/* libraft frees what it has not got when this fails, so it gets something empty instead, which sealed_send refuses. */
static struct raft_snapshot *empty_snapshot(void)
{
    struct raft_snapshot *snapshot = raft_calloc(1, sizeof(*snapshot));

    if (!snapshot)
        return NULL;
    snapshot->index = UINT64_MAX;
    snapshot->n_bufs = 1;
    snapshot->bufs = raft_calloc(1, sizeof(*snapshot->bufs));
    if (snapshot->bufs)
        return snapshot;
    raft_free(snapshot);
    return NULL;
}

static void get_finish(struct sealed_get *g)
{
    struct sealed_io *s = g->io;
    struct raft_io_snapshot_get *outer = g->outer;
    raft_io_snapshot_get_cb cb = g->cb;
    struct raft_snapshot *snapshot = g->snapshot;

    get_free(g);
    if (!snapshot)
        snapshot = empty_snapshot();
    if (!snapshot) {
        sealed_fail(s, "out of memory"); /* the request is never answered */
        return;
    }
    s->got_index = snapshot->index;
    s->got_term = snapshot->term;
    cb(outer, snapshot, 0);
}

static void get_discard(struct sealed_get *g)
{
    sealed_snapshot_destroy(g->snapshot);
    g->snapshot = NULL;
}

static void on_open(uv_work_t *work)
{
    struct sealed_get *g = work->data;

    g->result = sealed_snapshot_open(g->keys, g->snapshot);
}

static void on_opened(uv_work_t *work, int status)
{
    struct sealed_get *g = work->data;
    struct sealed_io *s = g->io;
    int r = status < 0 ? status : g->result;

    if (r < 0) {
        if (!s->closing)
            sealed_fail(s, "a snapshot in %s cannot be read back: %s", s->folder, strerror(-r));
        get_discard(g);
    }
    get_finish(g);
    sealed_pending_done(s);
}

static void on_get(struct raft_io_snapshot_get *req, struct raft_snapshot *snapshot, int status)
{
    struct sealed_get *g = req->data;
    struct sealed_io *s = g->io;

    if (status != 0) { /* libraft asks again after a while */
        raft_free(snapshot);
        get_finish(g);
        return;
    }
    g->snapshot = snapshot;
    g->work.data = g;
    if (!s->closing && uv_queue_work(s->config.loop, &g->work, on_open, on_opened) == 0) {
        s->pending++;
        return;
    }
    get_discard(g);
    get_finish(g);
}

int sealed_snapshot_get(struct raft_io *io, struct raft_io_snapshot_get *req, raft_io_snapshot_get_cb cb)
{
    struct sealed_io *s = sealed_of_outer(io);
    struct sealed_get *g = s->closing || s->failed ? NULL : calloc(1, sizeof(*g));
    int rv;

    if (!g)
        return RAFT_NOMEM;
    *g = (struct sealed_get) { .outer = req, .cb = cb, .io = s, .keys = keyring_copy(s->config.keyring) };
    g->req.data = g;
    req->cb = cb;
    rv = g->keys ? sealed_result(s, s->inner.snapshot_get(&s->inner, &g->req, on_get)) : RAFT_NOMEM;
    if (rv != 0)
        get_free(g);
    return rv;
}
