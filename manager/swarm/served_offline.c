/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A worker's copies on disk, of what services with --offline grant: units get it before the managers can be reached. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/file.h"
#include "keys/offline.h"
#include "swarm/served_private.h"

#define CONTACT_SIZE 8
#define PAUSE_MS 1000 /* between two writes */

/* What is to be written, or was read: its own copies, for another thread. */
struct offline {
    struct swarm *swarm;
    Peer__Manifest *manifest;
    int64_t contact; /* on the real-time clock */
    struct served_cache cache;
};

static void offline_free(struct offline *o)
{
    manifest_free(o->manifest);
    served_cache_done(&o->cache);
    free(o);
}
DEFINE_CLEANUP(struct offline *, offline_free)

/* ---- writing */

static int add_copy(struct offline *o, const struct served_cache *from, const Peer__ServedGrant *g)
{
    _cleanup_(secret_done) struct secret copy = SECRET_NULL;
    const struct secret *data = served_cache_get(from, g->kind, g->object_id, g->revision);
    int r = data ? secret_copy(data->data, data->size, &copy) : -ENOENT;

    return r < 0 ? r : served_cache_put(&o->cache, g->kind, g->object_id, g->revision, &copy);
}

/* The services with --offline, as far as all of their data has come. */
static int collect(struct offline *o, const struct served *v, Peer__ServedService **services, size_t *ret_n)
{
    for (size_t i = 0; i < v->manifest->n_services; i++) {
        Peer__ServedService *service = v->manifest->services[i];
        int r = 0;

        for (size_t k = 0; service->offline && k < service->n_grants && r == 0; k++)
            r = add_copy(o, &v->cache, service->grants[k]);
        if (r < 0 && r != -ENOENT)
            return r;
        if (r == 0 && service->offline)
            services[(*ret_n)++] = service;
    }
    return 0;
}

static int offline_new(struct swarm *s, struct offline **ret)
{
    const struct served *v = s->served;
    _cleanup_(offline_freep) struct offline *o = calloc(1, sizeof(*o));
    _cleanup_free_ Peer__ServedService **services = calloc(v->manifest->n_services + 1, sizeof(Peer__ServedService *));
    Peer__Manifest part = PEER__MANIFEST__INIT;
    int r;

    if (!o || !services)
        return -ENOMEM;
    o->swarm = s;
    o->contact = swarm_now() - (served_clock() - v->contact);
    part.digest = v->manifest->digest;
    part.services = services;
    r = collect(o, v, services, &part.n_services);
    if (r == 0 && !(o->manifest = manifest_copy(&part)))
        r = -ENOMEM;
    if (r == 0)
        *ret = TAKE_PTR(o);
    return r;
}

/* The first record: when the managers were heard, then the manifest. */
static int first_record(const struct offline *o, struct secret *ret)
{
    int r = secret_new(CONTACT_SIZE + peer__manifest__get_packed_size(o->manifest), ret);

    if (r < 0)
        return r;
    for (int i = 0; i < CONTACT_SIZE; i++)
        ret->data[i] = (unsigned char) ((uint64_t) o->contact >> (8 * i));
    (void) peer__manifest__pack(o->manifest, ret->data + CONTACT_SIZE);
    return 0;
}

static int write_file(struct swarm *s, const struct offline *o, struct error *e)
{
    _cleanup_free_ const struct secret **records = calloc(o->cache.n + 1, sizeof(struct secret *));
    _cleanup_(secret_done) struct secret first = SECRET_NULL;
    _cleanup_free_ void *sealed = NULL;
    size_t size;
    int r = records ? first_record(o, &first) : -ENOMEM;

    if (r < 0)
        return error_set(e, r, "out of memory");
    records[0] = &first;
    for (size_t i = 0; i < o->cache.n; i++)
        records[i + 1] = &o->cache.copies[i].data;
    r = offline_seal(&s->kek, records, o->cache.n + 1, &sealed, &size);
    return r < 0 ? error_set(e, r, "the offline copies cannot be sealed: %s", strerror(-r)) : file_write(s->files.offline, sealed, size, 0600, e);
}

/* Lifecycle thread. A node that has become a manager, or has left, keeps nothing. */
static int run(void *data)
{
    struct offline *o = data;
    struct swarm *s = o->swarm;
    struct error e = { "" };
    int r;

    if (!s->bundle || s->file.role != PB__ROLE__WORKER)
        return 0;
    r = o->manifest->n_services == 0 ? file_erase(s->files.offline, &e) : write_file(s, o, &e);
    if (r < 0)
        swarm_event(s, SWARM_EVENT_TROUBLE, NULL, -1, 0, e.text);
    return r;
}

static void on_done(void *data, int result)
{
    struct offline *o = data;
    struct served *v = o->swarm->served;

    v->offline_busy = false;
    if (result < 0)
        v->offline_changed = true;
    offline_free(o);
}

/* How long what is on disk may be older than what is known, in seconds; 0: for ever, nothing there ends by itself. */
static uint64_t shelf_life(const Peer__Manifest *m)
{
    uint64_t least = 0;

    for (size_t i = 0; i < m->n_services; i++)
        if (m->services[i]->offline && m->services[i]->max_age > 0 && (least == 0 || m->services[i]->max_age < least))
            least = m->services[i]->max_age;
    return least == 0 ? 0 : least / 4 + 1;
}

void served_offline_turn(struct swarm *s)
{
    struct served *v = s->served;
    struct offline *o;
    uint64_t life;

    if (v->source != SERVED_MANAGERS || v->offline_busy || s->closing || uv_now(s->config.loop) < v->offline_next)
        return;
    life = shelf_life(v->manifest);
    if (!v->offline_changed && (life == 0 || v->contact - v->offline_contact < (int64_t) life * 1000000))
        return;
    v->offline_next = uv_now(s->config.loop) + PAUSE_MS;
    if (offline_new(s, &o) < 0)
        return;
    v->offline_contact = v->contact;
    v->offline_changed = false;
    v->offline_busy = o->manifest->n_services > 0 || access(s->files.offline, F_OK) == 0;
    if (v->offline_busy && lifecycle_submit(s->lifecycle, run, on_done, o) < 0) {
        v->offline_busy = false;
        v->offline_changed = true;
    }
    if (!v->offline_busy)
        offline_free(o);
}

/* ---- reading, at the start */

/* The grant whose data comes next: each revision is there once, in the order in which the manifest names them first. */
static const Peer__ServedGrant *next_grant(const struct offline *o)
{
    for (size_t i = 0; i < o->manifest->n_services; i++)
        for (size_t k = 0; k < o->manifest->services[i]->n_grants; k++) {
            const Peer__ServedGrant *g = o->manifest->services[i]->grants[k];

            if (!served_cache_get(&o->cache, g->kind, g->object_id, g->revision))
                return g;
        }
    return NULL;
}

static int take_first(struct offline *o, const struct secret *record)
{
    uint64_t contact = 0;

    if (record->size < CONTACT_SIZE)
        return -EBADMSG;
    for (int i = 0; i < CONTACT_SIZE; i++)
        contact |= (uint64_t) record->data[i] << (8 * i);
    o->contact = (int64_t) contact;
    o->manifest = peer__manifest__unpack(NULL, record->size - CONTACT_SIZE, record->data + CONTACT_SIZE);
    return o->manifest && manifest_is_valid(o->manifest) ? 0 : -EBADMSG;
}

static int take_record(void *data, size_t i, struct secret *record)
{
    struct offline *o = data;
    const Peer__ServedGrant *g = i == 0 ? NULL : next_grant(o);

    if (i == 0)
        return take_first(o, record);
    return g ? served_cache_put(&o->cache, g->kind, g->object_id, g->revision, record) : -EBADMSG;
}

static int read_file(const char *path, void **ret, size_t *ret_size)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    _cleanup_free_ unsigned char *bytes = NULL;
    struct stat st;
    size_t size = 0;
    ssize_t n;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_size > (off_t) OFFLINE_MAX)
        return -EMSGSIZE;
    bytes = malloc((size_t) st.st_size + 1);
    if (!bytes)
        return -ENOMEM;
    while (size < (size_t) st.st_size && (n = read(fd, bytes + size, (size_t) st.st_size - size)) > 0)
        size += (size_t) n;
    *ret = TAKE_PTR(bytes);
    *ret_size = size;
    return 0;
}

/* Unless the managers were quicker. */
static void adopt(void *data, struct completion *c)
{
    struct offline *o = data;
    struct swarm *s = o->swarm;
    struct served *v = s->served;

    if (v->source == SERVED_NOTHING) {
        served_cache_done(&v->cache);
        v->cache = o->cache;
        o->cache = (struct served_cache) { NULL, 0, 0 };
        served_take_manifest(s, TAKE_PTR(o->manifest), SERVED_DISK);
        v->contact = o->contact;
        v->loaded = served_clock();
        served_tell(s);
    }
    completion_done(c, 0);
}

void served_offline_load(struct swarm *s)
{
    _cleanup_(offline_freep) struct offline *o = calloc(1, sizeof(*o));
    _cleanup_free_ void *bytes = NULL;
    struct error text;
    size_t size = 0;
    int r = o ? read_file(s->files.offline, &bytes, &size) : -ENOMEM;

    if (r == -ENOENT)
        return;
    if (r == 0) {
        o->swarm = s;
        r = offline_open(&s->kek, bytes, size, take_record, o);
    }
    if (r == 0 && next_grant(o))
        r = -EBADMSG;
    if (r == 0)
        r = lifecycle_on_loop(s->lifecycle, adopt, o);
    if (r < 0) {
        (void) error_set(&text, r, "%s cannot be used (%s): it is written anew as soon as a manager is reached", s->files.offline, strerror(-r));
        swarm_event(s, SWARM_EVENT_TROUBLE, NULL, -1, 0, text.text);
    }
}
