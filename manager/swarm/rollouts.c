/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The leader's part of rollouts: nodes are told to begin, a few at a time, and their results taken. What has to last is in the store, so that
 * the next leader goes on; what is here is at most said again. Loop's thread. */
#include <errno.h>
#include <string.h>

#include "store/command.h"
#include "store/erasing_allocator.h"
#include "swarm/rollouts_next.h"
#include "basic/text.h"
#include "swarm/units.h"

#define WATCHES_MAX STORE_NODES_MAX

struct rollouts {
    struct rollout_watch *watches;
    size_t n;
};

/* What to say when the store has taken it. */
struct step {
    struct swarm *swarm;
    enum swarm_event event;
    bool tell;
    char text[ERROR_TEXT_MAX];
};

void rollouts_free(struct rollouts *r)
{
    if (r)
        free(r->watches);
    free(r);
}

static const Pb__Rollout *running(const Pb__Service *service)
{
    return service->rollout && service->rollout->state == PB__ROLLOUT_STATE__RUNNING ? service->rollout : NULL;
}

static bool is_working(const Pb__Rollout *rollout, const char *node_id)
{
    for (size_t i = 0; rollout && i < rollout->n_nodes; i++)
        if (strcmp(rollout->nodes[i]->id, node_id) == 0)
            return rollout->nodes[i]->state == PB__ROLLOUT_NODE_STATE__WORKING;
    return false;
}

/* The node's watch, made if need be; NULL: no room. */
static struct rollout_watch *watch(struct swarm *s, const char *service_id, uint64_t number, const char *node_id)
{
    struct rollouts *r = s->rollouts;
    struct rollout_watch *more;

    for (size_t i = 0; r && i < r->n; i++)
        if (r->watches[i].number == number && strcmp(r->watches[i].service_id, service_id) == 0 && strcmp(r->watches[i].node_id, node_id) == 0)
            return &r->watches[i];
    if (!r && !(r = s->rollouts = calloc(1, sizeof(*r))))
        return NULL;
    if (r->n >= WATCHES_MAX || !(more = reallocarray(r->watches, r->n + 1, sizeof(*more))))
        return NULL;
    r->watches = more;
    more[r->n] = (struct rollout_watch) { .number = number, .since = uv_now(s->config.loop) };
    (void) snprintf(more[r->n].service_id, sizeof(more->service_id), "%s", service_id);
    (void) snprintf(more[r->n].node_id, sizeof(more->node_id), "%s", node_id);
    return &more[r->n++];
}

/* Watches are those of nodes that work, and no others. */
static void follow(struct swarm *s)
{
    struct rollouts *r;
    size_t kept = 0;

    for (size_t i = 0; i < store_n_services(s->store); i++) {
        const Pb__Service *service = store_service_at(s->store, i);
        const Pb__Rollout *rollout = running(service);

        for (size_t k = 0; rollout && k < rollout->n_nodes; k++) {
            struct rollout_watch *w = rollout->nodes[k]->state != PB__ROLLOUT_NODE_STATE__WORKING
                                          ? NULL
                                          : watch(s, service->meta->id, rollout->number, rollout->nodes[k]->id);

            if (!w)
                continue;
            w->kept = true;
            if (w->since < s->led_since) /* another one has led meanwhile */
                w->since = s->led_since;
        }
    }
    r = s->rollouts;
    for (size_t i = 0; r && i < r->n; i++)
        if (r->watches[i].kept) {
            r->watches[kept] = r->watches[i];
            r->watches[kept++].kept = false;
        }
    if (r)
        r->n = kept;
}

void rollouts_take_result(struct swarm *s, const char *node_id, const Peer__RolloutResult *result)
{
    const Pb__Service *service;
    struct rollout_watch *w;

    if (!s->store || store_find_service(s->store, result->service_id, &service) < 0 || strcmp(service->meta->id, result->service_id) != 0 ||
        !running(service) || service->rollout->number != result->number || !is_working(service->rollout, node_id))
        return;
    w = watch(s, result->service_id, result->number, node_id);
    if (!w)
        return; /* it says it again */
    w->heard = true;
    w->failed = result->failed;
    text_copy(w->text, sizeof(w->text), result->text);
}

static void on_set(void *data, int result)
{
    struct step *step = data;
    struct swarm *s = step->swarm;

    s->duty_busy = false;
    if (result == 0 && step->tell)
        swarm_event(s, step->event, NULL, -1, 0, step->text);
    free(step);
}

static const char *name_of(const struct swarm *s, const char *node_id)
{
    const Pb__Node *node = store_node(s->store, node_id);

    return node && node->hostname[0] ? node->hostname : node_id;
}

static void describe(const struct swarm *s, const Pb__Service *service, const struct rollout_next *next, struct step *step)
{
    size_t n = 0;

    step->tell = true;
    if (next->state == PB__ROLLOUT_STATE__STOPPED) {
        step->event = SWARM_EVENT_ROLLOUT_STOPPED;
        while (n < next->n && next->nodes[n].state != PB__ROLLOUT_NODE_STATE__FAILED)
            n++;
        (void) snprintf(step->text, sizeof(step->text), "Service %s, node %.64s: %.300s", service->name, name_of(s, next->nodes[n].id),
                        next->nodes[n].text);
    } else if (next->state == PB__ROLLOUT_STATE__DONE) {
        step->event = SWARM_EVENT_ROLLOUT_DONE;
        (void) snprintf(step->text, sizeof(step->text), "Service %s: %zu nodes.", service->name, next->n);
    } else if (service->rollout->n_nodes == 0) {
        step->event = SWARM_EVENT_ROLLOUT_STARTED;
        (void) snprintf(step->text, sizeof(step->text), "Service %s.", service->name);
    } else
        step->tell = false;
}

static void propose(struct swarm *s, const Pb__Service *service, const struct rollout_next *next)
{
    Pb__SetRollout set = PB__SET_ROLLOUT__INIT;
    Pb__Command command = PB__COMMAND__INIT;
    struct step *step = calloc(1, sizeof(*step));
    void *encoded = NULL;
    size_t size = 0;
    int r = step ? 0 : -ENOMEM;

    set.service_id = service->meta->id;
    set.number = service->rollout->number;
    set.state = next->state;
    set.nodes = next->pointers;
    set.n_nodes = next->n;
    set.now = swarm_now();
    command.what_case = PB__COMMAND__WHAT_SET_ROLLOUT;
    command.set_rollout = &set;
    if (r == 0) {
        step->swarm = s;
        describe(s, service, next, step);
        r = command_encode(&command, &encoded, &size);
    }
    if (r == 0)
        r = replica_propose(s->replica, encoded, size, on_set, step);
    erasing_free(encoded);
    s->duty_busy = r == 0;
    if (r != 0)
        free(step);
}

static bool advance(struct swarm *s, const Pb__Service *service, const struct rollout_view *view)
{
    _cleanup_(rollout_next_done) struct rollout_next next = ROLLOUT_NEXT_NULL;

    if (rollout_next(service, view, &next) <= 0)
        return false;
    propose(s, service, &next);
    return true;
}

static bool any_runs(const struct swarm *s)
{
    for (size_t i = 0; i < store_n_services(s->store); i++)
        if (running(store_service_at(s->store, i)))
            return true;
    return false;
}

bool rollouts_turn(struct swarm *s)
{
    _cleanup_free_ const Pb__Node **nodes = NULL;
    struct rollout_view view = { .now_ms = uv_now(s->config.loop), .now_usec = swarm_now() };

    if (!any_runs(s)) {
        rollouts_free(TAKE_PTR(s->rollouts));
        return false;
    }
    follow(s);
    view.n_nodes = store_n_nodes(s->store);
    view.nodes = nodes = calloc(view.n_nodes + 1, sizeof(*nodes));
    if (!nodes)
        return false;
    for (size_t i = 0; i < view.n_nodes; i++)
        nodes[i] = store_node_at(s->store, i);
    if (s->rollouts) {
        view.watches = s->rollouts->watches;
        view.n_watches = s->rollouts->n;
    }
    for (size_t i = 0; i < store_n_services(s->store); i++)
        if (running(store_service_at(s->store, i)) && advance(s, store_service_at(s->store, i), &view))
            return true;
    return false;
}
