/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "swarm/served.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "basic/file.h"
#include "swarm/served_private.h"
#include "swarm/units.h"

int64_t served_clock(void)
{
    struct timespec now;

    (void) clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int served_open(struct swarm *s)
{
    struct served *v = calloc(1, sizeof(*v));

    if (!v)
        return -ENOMEM;
    if (s->config.runtime && path_join(v->uses_file, s->config.runtime, "uses") < 0)
        v->uses_file[0] = '\0';
    s->served = v;
    served_use_load(s);
    return 0;
}

void served_free(struct served *v)
{
    if (!v)
        return;
    manifest_free(v->manifest);
    served_cache_done(&v->cache);
    free(v->uses);
    free(v->results);
    free(v);
}

const Peer__Manifest *served_manifest(const struct swarm *s)
{
    return s->served->manifest;
}

const Peer__Manifest *served_whole_manifest(const struct swarm *s)
{
    return s->served->source == SERVED_DISK ? NULL : s->served->manifest;
}

void served_tell(struct swarm *s)
{
    s->served->tell = false;
    units_follow(s);
    if (s->config.on_served)
        s->config.on_served(s->config.data);
}

void served_take_manifest(struct swarm *s, Peer__Manifest *m, enum served_source source)
{
    struct served *v = s->served;

    manifest_free(v->manifest);
    v->manifest = m;
    v->source = source;
    v->tell = true;
    served_cache_keep(&v->cache, source == SERVED_STORE ? NULL : m);
}

static bool has_store(const struct swarm *s)
{
    return s->state == SWARM_ACTIVE && s->store && store_cluster(s->store);
}

/* A manager that was a worker goes over to its store here. */
static int refresh(struct swarm *s)
{
    struct served *v = s->served;
    Peer__Manifest *m;
    int r;

    if (!has_store(s) || (v->source == SERVED_STORE && !v->stale))
        return 0;
    r = manifest_make(s->store, s->node.node_id, &m);
    if (r < 0)
        return r;
    v->stale = false;
    if (v->source == SERVED_STORE && manifest_is(v->manifest, &m->digest))
        manifest_free(m);
    else
        served_take_manifest(s, m, SERVED_STORE);
    return 0;
}

static void changed(struct swarm *s)
{
    (void) refresh(s);
    if (s->served->tell)
        served_tell(s);
}

void served_store_changed(struct swarm *s, unsigned flags)
{
    if (!(flags & (STORE_CHANGED_SERVICES | STORE_CHANGED_OBJECTS | STORE_CHANGED_NODES)))
        return;
    s->served->stale = true;
    changed(s);
}

void served_turn(struct swarm *s)
{
    changed(s);
    if (s->node.role == PB__ROLE__WORKER) {
        served_watch_turn(s);
        served_fetch_turn(s);
        served_offline_turn(s);
    }
    served_use_turn(s);
}

void served_forget(struct swarm *s)
{
    struct served *v = s->served;

    manifest_free(TAKE_PTR(v->manifest));
    served_cache_done(&v->cache);
    v->source = SERVED_NOTHING;
    v->stale = v->watching = v->no_room = v->cut_off = false;
    v->watch_number++;
    v->leader[0] = '\0';
    v->contact = 0;
    served_tell(s);
}

void served_left(struct swarm *s)
{
    served_use_forget(s);
}

/* 0: what is known is the manifest. */
static int check_known(struct swarm *s, struct error *e)
{
    switch (s->state) {
    case SWARM_INACTIVE:
        return error_set(e, -ESRCH, "this node is in no swarm: \"swarmctl join\" or \"swarmctl init\"");
    case SWARM_ERROR:
        return error_set(e, -EBADMSG, "the manager has to be mended first: %s", s->why.text);
    default:
        if (refresh(s) < 0)
            return error_set(e, -ENOMEM, "out of memory");
        return s->served->manifest ? 0 : -EAGAIN;
    }
}

bool swarm_serves(struct swarm *s)
{
    return check_known(s, NULL) != -EAGAIN;
}

/* A service has the unit, but does not grant it that. */
static const char *service_without(const Peer__Manifest *m, const char *unit)
{
    for (size_t i = 0; i < m->n_services; i++)
        if (service_unit_matches(m->services[i]->unit, unit))
            return m->services[i]->name;
    return NULL;
}

static int missing(const struct swarm *s, const char *unit, const char *id, struct error *e)
{
    const char *service = service_without(s->served->manifest, unit);

    if (service)
        return error_set(e, -EACCES, "service %s has the unit %s on this node, but does not grant it %s: \"swarmctl service update %s --secret-add %s\" does",
                         service, unit, id, service, id);
    return error_set(e, -EACCES, "no service grants it to %s on this node (%s): \"swarmctl service create NAME --unit %s --secret %s\" does; if there is such "
                                 "a service already, look at its constraints (\"swarmctl service inspect NAME\")", unit, s->hostname, unit, id);
}

/* A worker's services may have a time after which what it holds is too old. */
static bool is_too_old(const struct swarm *s, const Peer__ServedService *service)
{
    const struct served *v = s->served;
    int64_t now = v->source == SERVED_DISK ? swarm_now() : served_clock();

    return v->source != SERVED_STORE && service->max_age > 0 && (now - v->contact) / 1000000 >= (int64_t) service->max_age;
}

static int from_store(const struct swarm *s, const Peer__ServedGrant *grant, const void **ret, size_t *ret_size, uint64_t *ret_revision)
{
    const Pb__Object *object = store_object(s->store, grant->kind, grant->object_id);
    const ProtobufCBinaryData *data = object ? store_object_data(object, grant->revision) : NULL;

    if (!data)
        return -ENOENT;
    *ret = data->data;
    *ret_size = data->len;
    *ret_revision = grant->revision;
    return 0;
}

/* A unit that is restarted for the newest data gets no other. */
static int from_cache(const struct swarm *s, const Peer__ServedService *service, const Peer__ServedGrant *grant, const void **ret, size_t *ret_size,
                      uint64_t *ret_revision)
{
    const struct secret *data = served_cache_find(&s->served->cache, grant->kind, grant->object_id, grant->revision, ret_revision);

    if (!data || (service->rollout != 0 && *ret_revision != grant->revision))
        return s->served->no_room ? -ENOSPC : -EAGAIN;
    *ret = data->data;
    *ret_size = data->size;
    return 0;
}

int swarm_credential(struct swarm *s, const char *unit, const char *id, const void **ret, size_t *ret_size, struct error *e)
{
    const Peer__ServedService *service;
    const Peer__ServedGrant *grant;
    struct served *v = s->served;
    uint64_t revision;
    int r = check_known(s, e);

    if (r < 0)
        return r;
    grant = manifest_find(v->manifest, unit, id, &service);
    if (!grant && v->source == SERVED_DISK) /* the managers may say otherwise */
        return -EAGAIN;
    if (!grant)
        return missing(s, unit, id, e);
    if (is_too_old(s, service))
        return error_set(e, -ETIME, "no manager was reached for longer than service %s lets this worker go on by itself (--max-age %llu): see \"swarmctl info\"",
                         service->name, (unsigned long long) service->max_age);
    r = v->source == SERVED_STORE ? from_store(s, grant, ret, ret_size, &revision) : from_cache(s, service, grant, ret, ret_size, &revision);
    if (r == -EAGAIN)
        return r;
    if (r == -ENOSPC)
        return error_set(e, r, "what this node's units may load is more than the %u MiB that a worker holds: grant less, by constraints",
                         SERVED_CACHE_MAX >> 20);
    if (r < 0)
        return error_set(e, r, "the data of %s is not there any more", grant->object_name);
    served_use_note(s, unit, service, grant, revision);
    return 0;
}
