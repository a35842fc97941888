/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a worker hears what its units may load: one request is always pending at the leader, which answers it when there is something new. */
#include <errno.h>
#include <string.h>

#include "swarm/served_private.h"

#define WATCH_MS 25000 /* the leader answers after 20 s at the latest */
#define FETCH_MS 15000
#define AGAIN_MS 500

struct watch {
    struct swarm *swarm;
    uint64_t number;
};

void served_contact(struct swarm *s)
{
    struct served *v = s->served;

    if (v->source == SERVED_DISK)
        return; /* until the managers have said what is new the copies are as old as they are */
    v->contact = served_clock();
    if (!v->cut_off)
        return;
    v->cut_off = false;
    if (s->state == SWARM_ACTIVE)
        s->why.text[0] = '\0';
    swarm_event(s, SWARM_EVENT_CONTACT, NULL, -1, 0, NULL);
}

static void look_for_contact(struct swarm *s)
{
    struct served *v = s->served;

    if (v->cut_off || s->state != SWARM_ACTIVE || (v->source != SERVED_MANAGERS && v->source != SERVED_DISK))
        return;
    if (served_clock() - (v->source == SERVED_DISK ? v->loaded : v->contact) < SERVED_CUT_OFF_MS * INT64_C(1000))
        return;
    v->cut_off = true;
    (void) error_set(&s->why, 0, "no manager was reached for %d s: units get the secrets and configs that were known then", SERVED_CUT_OFF_MS / 1000);
    swarm_event(s, SWARM_EVENT_CUT_OFF, NULL, -1, 0, NULL);
}

static void take_news(struct swarm *s, const Peer__Manifest *news)
{
    struct served *v = s->served;
    Peer__Manifest *m;

    if (v->source == SERVED_MANAGERS && manifest_is(v->manifest, &news->digest)) {
        served_contact(s);
        return;
    }
    m = manifest_is_valid(news) ? manifest_copy(news) : NULL;
    if (!m) {
        v->next_watch = uv_now(s->config.loop) + AGAIN_MS;
        return;
    }
    served_take_manifest(s, m, SERVED_MANAGERS);
    served_contact(s);
    v->no_room = false;
    v->failed_fetches = 0;
    v->next_fetch = 0;
    v->offline_changed = true;
    served_fetch_turn(s);
    served_tell(s);
}

static void on_watched(void *data, int result, const Peer__Reply *reply, const char *why _unused_)
{
    _cleanup_free_ struct watch *w = data;
    struct swarm *s = w->swarm;
    struct served *v = s->served;

    if (result == -ESHUTDOWN || w->number != v->watch_number)
        return;
    v->watching = false;
    if (reply && reply->removed)
        turn_be(s, FATE_REMOVED);
    else if (s->node.role != PB__ROLE__WORKER)
        return;
    else if (result == 0 && reply && reply->what_case == PEER__REPLY__WHAT_MANIFEST)
        take_news(s, reply->manifest);
    else
        v->next_watch = uv_now(s->config.loop) + AGAIN_MS;
    if (s->caller && v->next_watch <= uv_now(s->config.loop))
        served_watch_turn(s);
}

static void watch(struct swarm *s)
{
    struct served *v = s->served;
    struct watch *w = malloc(sizeof(*w));
    Peer__Request request = PEER__REQUEST__INIT;
    Peer__Watch ask = PEER__WATCH__INIT;

    if (!w)
        return;
    *w = (struct watch) { s, ++v->watch_number };
    if (v->source == SERVED_MANAGERS)
        ask.known_digest = v->manifest->digest;
    request.what_case = PEER__REQUEST__WHAT_WATCH;
    request.watch = &ask;
    v->watching = peer_call(s->caller, &request, WATCH_MS, false, on_watched, w) == 0;
    if (!v->watching)
        free(w);
}

/* A leader that is cut off, or is none any more, may keep a request for as long as it wants. Who leads tells whether the heartbeat was answered by
 * another one since. */
static bool leader_changed(struct swarm *s)
{
    const char *leader = peer_caller_leader(s->caller);

    if (leader[0] == '\0' || strcmp(leader, s->served->leader) == 0)
        return false;
    (void) snprintf(s->served->leader, sizeof(s->served->leader), "%s", leader);
    return true;
}

void served_watch_turn(struct swarm *s)
{
    struct served *v = s->served;

    look_for_contact(s);
    if (leader_changed(s) || (!v->watching && uv_now(s->config.loop) >= v->next_watch))
        watch(s);
}

/* ---- data */

struct fetch {
    struct swarm *swarm;
    uint32_t kind;
    char object_id[STORE_ID_LEN + 1];
    uint64_t revision;
};

static void take_data(struct fetch *f, const ProtobufCBinaryData *bytes)
{
    _cleanup_(secret_done) struct secret data = SECRET_NULL;
    struct swarm *s = f->swarm;
    struct served *v = s->served;
    int r;

    if (v->source == SERVED_STORE || !manifest_grants(v->manifest, f->kind, f->object_id, f->revision))
        return; /* not any more */
    r = secret_copy(bytes->data, bytes->len, &data);
    if (r == 0)
        r = served_cache_put(&v->cache, f->kind, f->object_id, f->revision, &data);
    if (r == -ENOSPC && !v->no_room) {
        v->no_room = true;
        swarm_event(s, SWARM_EVENT_TROUBLE, NULL, -1, 0, "what this node's units may load is more than a worker holds: grant less, by constraints");
    }
    served_cache_keep(&v->cache, v->manifest);
    v->offline_changed = true;
    served_tell(s);
}

static void on_fetched(void *data, int result, const Peer__Reply *reply, const char *why _unused_)
{
    _cleanup_free_ struct fetch *f = data;
    struct swarm *s = f->swarm;
    struct served *v = s->served;

    v->fetches--;
    if (result == -ESHUTDOWN)
        return;
    if (result == 0 && reply->what_case == PEER__REPLY__WHAT_OBJECT_DATA)
        take_data(f, &reply->object_data->data);
    else
        v->next_fetch = uv_now(s->config.loop) + AGAIN_MS;
    if (s->caller && s->node.role == PB__ROLE__WORKER)
        served_fetch_turn(s);
}

static bool fetch(struct swarm *s, const Peer__ServedGrant *grant)
{
    struct fetch *f = malloc(sizeof(*f));
    Peer__Request request = PEER__REQUEST__INIT;
    Peer__FetchObject ask = PEER__FETCH_OBJECT__INIT;

    if (!f)
        return false;
    *f = (struct fetch) { .swarm = s, .kind = grant->kind, .revision = grant->revision };
    (void) snprintf(f->object_id, sizeof(f->object_id), "%s", grant->object_id);
    ask.kind = grant->kind;
    ask.object_id = grant->object_id;
    ask.revision = grant->revision;
    request.what_case = PEER__REQUEST__WHAT_FETCH_OBJECT;
    request.fetch_object = &ask;
    if (peer_call(s->caller, &request, FETCH_MS, true, on_fetched, f) == 0) {
        s->served->fetches++;
        return true;
    }
    free(f);
    return false;
}

static const Peer__ServedGrant *first_missing(const struct served *v, size_t *service, size_t *at)
{
    const Peer__Manifest *m = v->manifest;

    for (; *service < m->n_services; (*service)++, *at = 0)
        while (*at < m->services[*service]->n_grants) {
            const Peer__ServedGrant *g = m->services[*service]->grants[(*at)++];

            if (!served_cache_get(&v->cache, g->kind, g->object_id, g->revision))
                return g;
        }
    return NULL;
}

bool served_is_complete(const struct swarm *s)
{
    size_t service = 0, at = 0;

    return s->served->source == SERVED_STORE || (s->served->manifest && !first_missing(s->served, &service, &at));
}

/* A few at a time, and again from the manifest when those have come. */
void served_fetch_turn(struct swarm *s)
{
    struct served *v = s->served;
    const Peer__ServedGrant *grant;
    size_t service = 0, at = 0;

    if (v->source != SERVED_MANAGERS || v->fetches > 0 || v->no_room || uv_now(s->config.loop) < v->next_fetch)
        return;
    while (v->fetches < SERVED_FETCHES_MAX && (grant = first_missing(v, &service, &at)))
        if (!fetch(s, grant))
            return;
}
