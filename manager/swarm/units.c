/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the manifest means for this machine's units. One request to the helper at a time, on a thread of its own, which a unit may hold up for
 * minutes; everything else here is the loop's. What was asked and failed is asked again, by the clock. */
#include "swarm/units.h"

#include <errno.h>
#include <string.h>

#include "swarm/served_private.h"
#include "swarm/units_json.h"
#include "unit_name/unit_name.h"
#include "units/units_protocol.h"

#define TURN_MS 500
#define IDLE_MS 3000   /* with no drop-ins wanted, the first look at what is left of others can wait until the manager is up */
#define PATIENCE_MS 60000
#define STATE_MS 60000
#define REPEAT_MS 10000 /* a result that the leader seems not to have heard */
#define AGAIN_MS 2000
#define TRIES_MAX 5     /* of a rollout, when the helper is not reached */
#define CARRIED_MAX STORE_SERVICES_MAX

enum errand_kind {
    ERRAND_DROP_INS,
    ERRAND_UPDATE,
    ERRAND_STATE,
};

struct errand {
    struct units *units;
    enum errand_kind kind;
    char *body;
    struct secret reply;
    struct error error;
    /* of an update */
    char service_id[STORE_ID_LEN + 1], name[STORE_NAME_MAX + 1];
    uint64_t number;
    /* of a look at states */
    int64_t asked;
    char asked_units[UNITS_STATE_MAX][UNIT_NAME_LEN + 1];
    unsigned n_units;
};

/* A rollout that this node has carried out, while the manifest names it. */
struct carried {
    char service_id[STORE_ID_LEN + 1];
    uint64_t number;
    bool failed;
    char text[ERROR_TEXT_MAX];
};

struct units {
    struct swarm *swarm;
    struct lifecycle *thread;
    uv_timer_t timer;
    bool busy, stale;
    char *made;  /* the drop-ins that the helper has made last; NULL: not known */
    uint64_t retry_at, update_at, state_at, repeat_at;
    unsigned failures, tries;
    char told[ERROR_TEXT_MAX]; /* the trouble that the journal has already */
    size_t next_state;         /* of the units in use */
    struct carried *carried;
    size_t n_carried;
    void (*closed)(void *data);
    void *closed_data;
};

static void turn(struct units *u);

static void errand_free(struct errand *errand)
{
    secret_done(&errand->reply);
    free(errand->body);
    free(errand);
}
DEFINE_CLEANUP(struct errand *, errand_free)

static uint64_t now_ms(const struct units *u)
{
    return uv_now(u->swarm->config.loop);
}

static void trouble(struct units *u, const char *text)
{
    if (strcmp(u->told, text) == 0)
        return;
    (void) snprintf(u->told, sizeof(u->told), "%s", text);
    swarm_event(u->swarm, SWARM_EVENT_TROUBLE, NULL, -1, 0, text);
}

/* ---- the thread */

static int run(void *data)
{
    static const struct {
        char operation;
        unsigned timeout_ms;
    } kinds[] = {
        [ERRAND_DROP_INS] = { UNITS_DROP_INS, UNITS_ANSWER_MS },
        [ERRAND_UPDATE] = { UNITS_UPDATE, UNITS_UPDATE_MS + 10000 },
        [ERRAND_STATE] = { UNITS_STATE, UNITS_ANSWER_MS },
    };
    struct errand *errand = data;
    struct units *u = errand->units;

    return errand_exchange_on(u->thread, u->swarm, UNITS_SOCKET_NAME, kinds[errand->kind].operation, errand->body, strlen(errand->body),
                              kinds[errand->kind].timeout_ms, &errand->reply, &errand->error);
}

static void done(void *data, int result);

static struct errand *errand_new(struct units *u, enum errand_kind kind)
{
    struct errand *errand = calloc(1, sizeof(*errand));

    if (errand) {
        errand->units = u;
        errand->kind = kind;
    }
    return errand;
}

/* Takes the errand. */
static void start(struct units *u, struct errand *errand)
{
    u->busy = lifecycle_submit(u->thread, run, done, errand) == 0;
    if (!u->busy)
        errand_free(errand);
}

/* ---- drop-ins */

static const char NOTHING[] = "{\"services\":[]}";

static void retry_later(struct units *u)
{
    uint64_t pause = (uint64_t) AGAIN_MS << (u->failures < 5 ? u->failures : 5);

    u->failures++;
    u->retry_at = now_ms(u) + (pause < PATIENCE_MS ? pause : PATIENCE_MS);
}

static void drop_ins_done(struct units *u, struct errand *errand, int result)
{
    char text[ERROR_TEXT_MAX], failed[ERROR_TEXT_MAX];

    if (result >= 0 && units_json_drop_ins_reply(&errand->reply, text, failed) != 0)
        result = error_set(&errand->error, -EPROTO, "the reply of swarm-units has no valid form: install all of the same release");
    if (result < 0) {
        retry_later(u);
        u->stale = true;
        /* who has no drop-ins needs no helper */
        if (strcmp(errand->body, NOTHING) != 0 || (u->made && strcmp(u->made, NOTHING) != 0)) {
            (void) snprintf(text, sizeof(text), "The units' drop-ins are not as they should be: %.440s", errand->error.text);
            trouble(u, text);
        }
        return;
    }
    u->failures = 0;
    free(u->made);
    u->made = TAKE_PTR(errand->body);
    if (text[0])
        swarm_event(u->swarm, SWARM_EVENT_DROP_INS, NULL, -1, 0, text);
    if (failed[0])
        trouble(u, failed);
    else
        u->told[0] = '\0';
}

/* Whether the helper has been asked. */
static bool make_drop_ins(struct units *u, const Peer__Manifest *manifest)
{
    _cleanup_(errand_freep) struct errand *errand = NULL;
    char why[ERROR_TEXT_MAX];
    int r;

    if (!u->stale || now_ms(u) < u->retry_at || !(errand = errand_new(u, ERRAND_DROP_INS)))
        return false;
    r = units_json_drop_ins(manifest, &errand->body, why);
    if (r == -EMSGSIZE)
        trouble(u, "The services that are enabled on this node are too many for drop-ins to be made: disable some.");
    if (why[0])
        trouble(u, why);
    if (r == 0 && !u->made && strcmp(errand->body, NOTHING) == 0 && u->failures == 0 && u->retry_at == 0) {
        u->retry_at = now_ms(u) + IDLE_MS;
        return false;
    }
    u->stale = false;
    if (r < 0 || (u->made && strcmp(u->made, errand->body) == 0))
        return false;
    start(u, TAKE_PTR(errand));
    return u->busy;
}

/* ---- rollouts */

static struct carried *find_carried(const struct units *u, const char *service_id, uint64_t number)
{
    for (size_t i = 0; i < u->n_carried; i++)
        if (u->carried[i].number == number && strcmp(u->carried[i].service_id, service_id) == 0)
            return &u->carried[i];
    return NULL;
}

static bool is_named(const Peer__Manifest *manifest, const struct carried *c)
{
    for (size_t i = 0; i < manifest->n_services; i++)
        if (manifest->services[i]->rollout == c->number && strcmp(manifest->services[i]->service_id, c->service_id) == 0)
            return true;
    return false;
}

static void forget_carried(struct units *u, const Peer__Manifest *manifest)
{
    size_t kept = 0;

    for (size_t i = 0; i < u->n_carried; i++)
        if (is_named(manifest, &u->carried[i]))
            u->carried[kept++] = u->carried[i];
    u->n_carried = kept;
}

static void carry_out(struct units *u, const char *service_id, uint64_t number, bool failed, const char *text)
{
    struct carried *more = u->n_carried < CARRIED_MAX ? reallocarray(u->carried, u->n_carried + 1, sizeof(*more)) : NULL;

    u->tries = 0;
    if (more) {
        u->carried = more;
        more[u->n_carried] = (struct carried) { .number = number, .failed = failed };
        (void) snprintf(more[u->n_carried].service_id, sizeof(more->service_id), "%s", service_id);
        (void) snprintf(more[u->n_carried++].text, sizeof(more->text), "%s", text);
    }
    served_rolled_out(u->swarm, service_id, number, failed, text);
    u->repeat_at = now_ms(u) + REPEAT_MS;
}

/* No unit that runs here has anything of ours: so none has the old data. */
static bool is_nothing_to_do(int result)
{
    return result == -EKEYREJECTED;
}

static void update_done(struct units *u, struct errand *errand, int result)
{
    char failed[ERROR_TEXT_MAX] = "", text[ERROR_TEXT_MAX];
    unsigned n = 0;

    if (result == -EHOSTUNREACH && ++u->tries < TRIES_MAX) {
        u->update_at = now_ms(u) + AGAIN_MS;
        return;
    }
    if (result == 0)
        result = units_json_update_reply(&errand->reply, &n, failed);
    if (result < 0 && !is_nothing_to_do(result))
        (void) snprintf(failed, sizeof(failed), "%.400s", errand->error.text[0] ? errand->error.text : strerror(-result));
    if (failed[0]) {
        (void) snprintf(text, sizeof(text), "Service %s, %.430s", errand->name, failed);
        swarm_event(u->swarm, SWARM_EVENT_UNITS_FAILED, NULL, -1, 0, text);
    } else if (n > 0) {
        (void) snprintf(text, sizeof(text), "Service %s: %u.", errand->name, n);
        swarm_event(u->swarm, SWARM_EVENT_UNITS_UPDATED, NULL, -1, 0, text);
    }
    carry_out(u, errand->service_id, errand->number, failed[0] != '\0', failed);
}

static bool update(struct units *u, const Peer__ServedService *service)
{
    _cleanup_(errand_freep) struct errand *errand = NULL;

    if (service->on_update == PB__ON_UPDATE__NONE || !unit_pattern_is_valid(service->unit)) {
        carry_out(u, service->service_id, service->rollout, false, "");
        return false;
    }
    errand = errand_new(u, ERRAND_UPDATE);
    if (!errand || units_json_update(service->unit, service->on_update == PB__ON_UPDATE__RELOAD, &errand->body) < 0)
        return false;
    (void) snprintf(errand->service_id, sizeof(errand->service_id), "%s", service->service_id);
    (void) snprintf(errand->name, sizeof(errand->name), "%s", service->name);
    errand->number = service->rollout;
    start(u, TAKE_PTR(errand));
    return u->busy;
}

static bool roll_out(struct units *u, const Peer__Manifest *manifest)
{
    forget_carried(u, manifest);
    if (now_ms(u) < u->update_at)
        return false;
    for (size_t i = 0; i < manifest->n_services; i++) {
        const Peer__ServedService *service = manifest->services[i];

        if (service->rollout != 0 && !find_carried(u, service->service_id, service->rollout) && update(u, service))
            return true;
    }
    return false;
}

static void repeat_results(struct units *u)
{
    if (u->n_carried == 0 || now_ms(u) < u->repeat_at)
        return;
    u->repeat_at = now_ms(u) + REPEAT_MS;
    for (size_t i = 0; i < u->n_carried; i++)
        served_rolled_out(u->swarm, u->carried[i].service_id, u->carried[i].number, u->carried[i].failed, u->carried[i].text);
}

/* ---- units that have stopped */

static bool loaded_since(const struct units *u, const char *unit, int64_t asked)
{
    const char *used;
    int64_t loaded;

    for (size_t i = 0; (used = served_unit(u->swarm, i, &loaded)); i++)
        if (strcmp(used, unit) == 0 && loaded >= asked)
            return true;
    return false;
}

static void state_done(struct units *u, const struct errand *errand, int result)
{
    for (unsigned i = 0; result == 0 && i < errand->n_units; i++)
        if (units_json_is_active(&errand->reply, errand->asked_units[i]) == 0 && !loaded_since(u, errand->asked_units[i], errand->asked))
            served_unit_stopped(u->swarm, errand->asked_units[i]);
}

/* A part of the units at a time. */
static void ask_states(struct units *u)
{
    _cleanup_(errand_freep) struct errand *errand = NULL;
    const char *units[UNITS_STATE_MAX], *unit;
    int64_t loaded;

    if (now_ms(u) < u->state_at || !served_unit(u->swarm, 0, &loaded) || !(errand = errand_new(u, ERRAND_STATE)))
        return;
    errand->asked = swarm_now();
    for (; errand->n_units < UNITS_STATE_MAX && (unit = served_unit(u->swarm, u->next_state, &loaded)); u->next_state++)
        if (unit_name_is_valid(unit) && !(errand->n_units > 0 && strcmp(errand->asked_units[errand->n_units - 1], unit) == 0)) {
            (void) snprintf(errand->asked_units[errand->n_units], sizeof(errand->asked_units[0]), "%s", unit);
            units[errand->n_units] = errand->asked_units[errand->n_units];
            errand->n_units++;
        }
    if (!served_unit(u->swarm, u->next_state, &loaded)) {
        u->next_state = 0;
        u->state_at = now_ms(u) + STATE_MS;
    }
    if (errand->n_units > 0 && units_json_state(units, errand->n_units, &errand->body) == 0)
        start(u, TAKE_PTR(errand));
}

/* ---- all of it */

static void done(void *data, int result)
{
    _cleanup_(errand_freep) struct errand *errand = data;
    struct units *u = errand->units;

    u->busy = false;
    if (result == -ECANCELED || result == -ESHUTDOWN || u->closed)
        return;
    if (errand->kind == ERRAND_DROP_INS)
        drop_ins_done(u, errand, result);
    else if (errand->kind == ERRAND_UPDATE)
        update_done(u, errand, result);
    else
        state_done(u, errand, result);
    turn(u);
}

static void turn(struct units *u)
{
    bool outside = u->swarm->state == SWARM_INACTIVE;
    const Peer__Manifest *manifest = outside ? NULL : served_whole_manifest(u->swarm);

    if (u->busy || u->closed || u->swarm->closing || (!manifest && !outside))
        return;
    if (outside && (!u->made || strcmp(u->made, NOTHING) != 0))
        u->stale = true;
    if (make_drop_ins(u, manifest) || !manifest)
        return;
    if (!served_is_complete(u->swarm) || !roll_out(u, manifest)) {
        repeat_results(u);
        ask_states(u);
    }
}

/* Outside a swarm, with no drop-ins, there is hardly anything to come. */
static void on_timer(uv_timer_t *timer)
{
    struct units *u = timer->data;
    bool idle = u->swarm->state == SWARM_INACTIVE && u->made && strcmp(u->made, NOTHING) == 0;

    uv_timer_set_repeat(timer, idle ? IDLE_MS : TURN_MS);
    turn(u);
}

void units_follow(struct swarm *s)
{
    if (!s->units)
        return;
    s->units->stale = true;
    turn(s->units);
}

int units_new(struct swarm *s, struct units **ret)
{
    struct units *u = calloc(1, sizeof(*u));
    int r = u ? lifecycle_new(s->config.loop, &u->thread) : -ENOMEM;

    if (r < 0) {
        free(u);
        return r;
    }
    u->swarm = s;
    u->stale = true;
    (void) uv_timer_init(s->config.loop, &u->timer);
    u->timer.data = u;
    (void) uv_timer_start(&u->timer, on_timer, TURN_MS, TURN_MS);
    *ret = u;
    return 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct units *u = handle->data;
    void (*cb)(void *) = u->closed;
    void *cb_data = u->closed_data;

    free(u->made);
    free(u->carried);
    free(u);
    cb(cb_data);
}

static void on_thread_stopped(void *data)
{
    struct units *u = data;

    uv_close((uv_handle_t *) &u->timer, on_timer_closed);
}

void units_close(struct units *u, void (*cb)(void *data), void *data)
{
    u->closed = cb;
    u->closed_data = data;
    lifecycle_stop(u->thread, on_thread_stopped, u);
}
