/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "swarm/watchers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/service.h"
#include "swarm/manifest.h"

#define WATCH_MS 20000
#define REVIEW_SHARE 10 /* a review takes at most this part of the loop's time, as long as changes keep coming */

struct watcher {
    struct watcher *next;
    struct peer_answer *answer;
    char node_id[STORE_ID_LEN + 1];
    unsigned char digest[MANIFEST_DIGEST_SIZE];
    bool knows; /* digest is that of a manifest */
    uint64_t deadline; /* on the loop's clock */
};

struct watchers {
    struct swarm *swarm;
    struct watcher *first;
    uv_timer_t review;
    uint64_t next_review; /* on the loop's clock */
    void (*closed)(void *data);
    void *closed_data;
};

static void send_manifest(struct peer_answer *answer, Peer__Manifest *m)
{
    Peer__Reply reply = PEER__REPLY__INIT;

    reply.what_case = PEER__REPLY__WHAT_MANIFEST;
    reply.manifest = m;
    peer_answer_send(answer, &reply);
}

/* Its digest alone: nothing is new. */
static void send_unchanged(struct watcher *w)
{
    Peer__Manifest m = PEER__MANIFEST__INIT;

    if (!w->knows) {
        peer_answer_error(w->answer, -ECANCELED, "the node has asked anew");
        return;
    }
    m.digest = (ProtobufCBinaryData) { sizeof(w->digest), w->digest };
    send_manifest(w->answer, &m);
}

/* Whether it was answered. */
static bool review_one(const struct swarm *s, struct watcher *w)
{
    const ProtobufCBinaryData known = { sizeof(w->digest), w->digest };
    _cleanup_(manifest_freep) Peer__Manifest *m = NULL;
    int r;

    if (store_is_removed(s->store, w->node_id)) {
        peer_answer_removed(w->answer);
        return true;
    }
    r = manifest_make(s->store, w->node_id, &m);
    if (r < 0)
        peer_answer_error(w->answer, r, r == -EMSGSIZE ? "this node has more services than one message holds: use constraints" : strerror(-r));
    else if (w->knows && manifest_is(m, &known))
        return false;
    else
        send_manifest(w->answer, m);
    return true;
}

static void drop(struct watcher **link)
{
    struct watcher *w = *link;

    *link = w->next;
    free(w);
}

static void on_review(uv_timer_t *timer)
{
    struct watchers *all = timer->data;
    const struct swarm *s = all->swarm;
    uint64_t start = uv_hrtime();

    if (!s->store || !swarm_is_leader(s))
        return;
    for (struct watcher **link = &all->first; *link;)
        if (review_one(s, *link))
            drop(link);
        else
            link = &(*link)->next;
    all->next_review = uv_now(timer->loop) + (uv_hrtime() - start) / 1000000 * REVIEW_SHARE;
}

int watchers_new(struct swarm *s, struct watchers **ret)
{
    struct watchers *w = calloc(1, sizeof(*w));

    if (!w)
        return -ENOMEM;
    w->swarm = s;
    (void) uv_timer_init(s->config.loop, &w->review);
    w->review.data = w;
    *ret = w;
    return 0;
}

void watchers_changed(struct watchers *w, unsigned changed)
{
    uint64_t now = uv_now(w->review.loop);

    if (!w->first || uv_is_active((uv_handle_t *) &w->review) ||
        !(changed & (STORE_CHANGED_SERVICES | STORE_CHANGED_OBJECTS | STORE_CHANGED_NODES | STORE_CHANGED_REMOVED)))
        return;
    (void) uv_timer_start(&w->review, on_review, w->next_review > now ? w->next_review - now : 0, 0);
}

void watchers_turn(struct watchers *w)
{
    for (struct watcher **link = &w->first; *link;)
        if (uv_now(w->review.loop) >= (*link)->deadline) {
            send_unchanged(*link);
            drop(link);
        } else
            link = &(*link)->next;
}

void watchers_release(struct watchers *w)
{
    (void) uv_timer_stop(&w->review);
    while (w->first) {
        peer_answer_error(w->first->answer, -EAGAIN, "this manager does not lead any more");
        drop(&w->first);
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct watchers *w = handle->data;
    void (*cb)(void *) = w->closed;
    void *data = w->closed_data;

    free(w);
    cb(data);
}

void watchers_close(struct watchers *w, void (*cb)(void *data), void *data)
{
    watchers_release(w);
    w->closed = cb;
    w->closed_data = data;
    uv_close((uv_handle_t *) &w->review, on_closed);
}

static void release_former(struct watchers *all, const char *node_id)
{
    for (struct watcher **link = &all->first; *link; link = &(*link)->next)
        if (strcmp((*link)->node_id, node_id) == 0) {
            send_unchanged(*link);
            drop(link);
            return;
        }
}

void answer_watch(struct swarm *s, const struct net_peer *peer, const Peer__Watch *watch, struct peer_answer *answer)
{
    struct watchers *all = s->watchers;
    struct watcher *w;

    if (!store_node(s->store, peer->node_id)) {
        peer_answer_error(answer, -ENOENT, "this node is not known");
        return;
    }
    release_former(all, peer->node_id);
    w = calloc(1, sizeof(*w));
    if (!w) {
        peer_answer_error(answer, -ENOMEM, "out of memory");
        return;
    }
    *w = (struct watcher) { .next = all->first, .answer = answer, .deadline = uv_now(all->review.loop) + WATCH_MS };
    (void) snprintf(w->node_id, sizeof(w->node_id), "%s", peer->node_id);
    w->knows = watch->known_digest.len == sizeof(w->digest);
    if (w->knows)
        memcpy(w->digest, watch->known_digest.data, sizeof(w->digest));
    all->first = w;
    if (review_one(s, w))
        drop(&all->first);
}

/* Whether a service grants the node that revision: what is not granted is not given. */
static bool may_have(const struct swarm *s, const Pb__Node *node, const Pb__Object *object, uint32_t kind, uint64_t revision)
{
    for (size_t i = 0; i < store_n_services(s->store); i++) {
        const Pb__Service *service = store_service_at(s->store, i);

        for (size_t k = 0; k < service->n_grants; k++)
            if ((uint32_t) service->grants[k]->kind == kind && strcmp(service->grants[k]->object_id, object->meta->id) == 0 &&
                service_is_on(service, node) && service_revision(service, object, node->meta->id) == revision)
                return true;
    }
    return false;
}

void answer_fetch_object(struct swarm *s, const struct net_peer *peer, const Peer__FetchObject *fetch, struct peer_answer *answer)
{
    const Pb__Node *node = store_node(s->store, peer->node_id);
    const Pb__Object *object = fetch->kind <= PB__KIND__CONFIG ? store_object(s->store, (Pb__Kind) fetch->kind, fetch->object_id) : NULL;
    const ProtobufCBinaryData *bytes = object ? store_object_data(object, fetch->revision) : NULL;
    Peer__ObjectData data = PEER__OBJECT_DATA__INIT;
    Peer__Reply reply = PEER__REPLY__INIT;

    if (!node || !bytes || !may_have(s, node, object, fetch->kind, fetch->revision)) {
        peer_answer_error(answer, -EACCES, "no service grants that to this node");
        return;
    }
    data.data = *bytes;
    reply.what_case = PEER__REPLY__WHAT_OBJECT_DATA;
    reply.object_data = &data;
    peer_answer_send(answer, &reply);
}
