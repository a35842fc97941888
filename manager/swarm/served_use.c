/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What this node's units have loaded. It outlives the manager in a file beside the sockets, which goes when the machine does, as the units do;
 * it is known to the swarm by reports to the leader. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "basic/file.h"
#include "net/rpc.h"
#include "store/command.h"
#include "store/erasing_allocator.h"
#include "swarm/served_private.h"

#define SOON_MS 200      /* units that start together are one report */
#define LATER_MS 5000    /* the same again, only later */
#define AGAIN_MS 2000
#define REPORT_MS 8000

static int compare(const void *a, const void *b)
{
    const struct served_use *x = a, *y = b;
    int r = strcmp(x->unit, y->unit);

    return r ? r : strcmp(x->credential, y->credential);
}

/* Where it is, or would be. */
static size_t place_of(const struct served *v, const struct served_use *use, bool *ret_found)
{
    size_t low = 0, high = v->n_uses;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int r = compare(&v->uses[middle], use);

        if (r == 0) {
            *ret_found = true;
            return middle;
        }
        if (r < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_found = false;
    return low;
}

static void report_in(struct swarm *s, unsigned milliseconds)
{
    struct served *v = s->served;
    uint64_t at = uv_now(s->config.loop) + milliseconds;

    if (v->report_at == 0 || at < v->report_at)
        v->report_at = at;
    v->report_again = true;
}

static void drop_oldest(struct served *v)
{
    size_t oldest = 0;

    for (size_t i = 1; i < v->n_uses; i++)
        if (v->uses[i].loaded < v->uses[oldest].loaded)
            oldest = i;
    memmove(&v->uses[oldest], &v->uses[oldest + 1], (--v->n_uses - oldest) * sizeof(*v->uses));
}

static bool insert(struct served *v, const struct served_use *use, bool *ret_same)
{
    bool found;
    size_t at;

    if (v->n_uses >= STORE_USES_MAX)
        drop_oldest(v);
    at = place_of(v, use, &found);
    *ret_same = found && v->uses[at].kind == use->kind && v->uses[at].revision == use->revision && strcmp(v->uses[at].object_id, use->object_id) == 0 &&
                strcmp(v->uses[at].service_id, use->service_id) == 0;
    if (!found) {
        struct served_use *more = reallocarray(v->uses, v->n_uses + 1, sizeof(*more));

        if (!more)
            return false;
        v->uses = more;
        memmove(&more[at + 1], &more[at], (v->n_uses++ - at) * sizeof(*more));
    }
    v->uses[at] = *use;
    return true;
}

void served_use_note(struct swarm *s, const char *unit, const Peer__ServedService *service, const Peer__ServedGrant *grant, uint64_t revision)
{
    struct served_use use = { .kind = grant->kind, .revision = revision, .loaded = swarm_now() };
    bool same = false;

    (void) snprintf(use.unit, sizeof(use.unit), "%s", unit);
    (void) snprintf(use.service_id, sizeof(use.service_id), "%s", service->service_id);
    (void) snprintf(use.credential, sizeof(use.credential), "%s", grant->credential);
    (void) snprintf(use.object_id, sizeof(use.object_id), "%s", grant->object_id);
    if (insert(s->served, &use, &same))
        report_in(s, same ? LATER_MS : SOON_MS);
}

void served_unit_stopped(struct swarm *s, const char *unit)
{
    struct served *v = s->served;
    size_t kept = 0;

    for (size_t i = 0; i < v->n_uses; i++)
        if (strcmp(v->uses[i].unit, unit) != 0)
            v->uses[kept++] = v->uses[i];
    if (kept < v->n_uses)
        report_in(s, SOON_MS);
    v->n_uses = kept;
}

/* They are in order. */
const char *served_unit(const struct swarm *s, size_t i, int64_t *ret_loaded)
{
    const struct served *v = s->served;
    const char *unit = NULL;
    int64_t loaded = 0;

    for (size_t k = 0, n = 0; k < v->n_uses && n <= i + 1; k++) {
        bool next = k == 0 || strcmp(v->uses[k].unit, v->uses[k - 1].unit) != 0;

        n += next;
        if (n != i + 1)
            continue;
        unit = v->uses[k].unit;
        loaded = !next && loaded > v->uses[k].loaded ? loaded : v->uses[k].loaded;
    }
    if (unit)
        *ret_loaded = loaded;
    return unit;
}

static bool will_report(const struct served *v, const char *service_id, uint64_t number)
{
    for (size_t i = v->n_sent_results; i < v->n_results; i++)
        if (v->results[i].number == number && strcmp(v->results[i].service_id, service_id) == 0)
            return true;
    return false;
}

void served_rolled_out(struct swarm *s, const char *service_id, uint64_t number, bool failed, const char *text)
{
    struct served *v = s->served;
    struct served_result *more;

    if (will_report(v, service_id, number))
        return;
    if (v->n_results >= SERVED_RESULTS_MAX || !(more = reallocarray(v->results, v->n_results + 1, sizeof(*more))))
        return; /* the leader gives the node up in time */
    v->results = more;
    more[v->n_results] = (struct served_result) { .number = number, .failed = failed };
    (void) snprintf(more[v->n_results].service_id, sizeof(more->service_id), "%s", service_id);
    (void) snprintf(more[v->n_results++].text, sizeof(more->text), "%s", text ? text : "");
    report_in(s, 0);
}

/* ---- the report as a message, which is also the file */

struct draft {
    Peer__ReportUse report;
    Peer__UnitUse *uses, **use_pointers;
    Peer__RolloutResult *results, **result_pointers;
};

static void draft_done(struct draft *d)
{
    free(d->uses);
    free(d->use_pointers);
    free(d->results);
    free(d->result_pointers);
}

static int draft_make(struct served *v, struct draft *d)
{
    peer__report_use__init(&d->report);
    d->uses = calloc(v->n_uses + 1, sizeof(*d->uses));
    d->use_pointers = calloc(v->n_uses + 1, sizeof(*d->use_pointers));
    d->results = calloc(v->n_results + 1, sizeof(*d->results));
    d->result_pointers = calloc(v->n_results + 1, sizeof(*d->result_pointers));
    if (!d->uses || !d->use_pointers || !d->results || !d->result_pointers)
        return -ENOMEM;
    for (size_t i = 0; i < v->n_uses; i++) {
        Peer__UnitUse *use = d->use_pointers[i] = &d->uses[i];

        peer__unit_use__init(use);
        use->unit = v->uses[i].unit;
        use->service_id = v->uses[i].service_id;
        use->credential = v->uses[i].credential;
        use->kind = v->uses[i].kind;
        use->object_id = v->uses[i].object_id;
        use->revision = v->uses[i].revision;
        use->loaded = v->uses[i].loaded;
    }
    for (size_t i = 0; i < v->n_results; i++) {
        Peer__RolloutResult *result = d->result_pointers[i] = &d->results[i];

        peer__rollout_result__init(result);
        result->service_id = v->results[i].service_id;
        result->number = v->results[i].number;
        result->failed = v->results[i].failed;
        result->text = v->results[i].text;
    }
    d->report.uses = d->use_pointers;
    d->report.n_uses = v->n_uses;
    d->report.results = d->result_pointers;
    d->report.n_results = v->n_results;
    return 0;
}

static void save(const struct served *v, const Peer__ReportUse *report)
{
    Peer__ReportUse uses = *report;
    Peer__Request request = PEER__REQUEST__INIT;
    void *encoded = NULL;
    size_t size;

    if (v->uses_file[0] == '\0')
        return;
    uses.n_results = 0;
    request.what_case = PEER__REQUEST__WHAT_REPORT_USE;
    request.report_use = &uses;
    if (peer_request_encode(&request, &encoded, &size) == 0)
        (void) file_write(v->uses_file, encoded, size, 0600, NULL);
    erasing_free(encoded);
}

static bool fits(const char *text, size_t size)
{
    return strnlen(text, size) < size;
}

static void take_saved(struct served *v, const Peer__UnitUse *saved)
{
    struct served_use use = { .kind = saved->kind, .revision = saved->revision, .loaded = saved->loaded };
    bool same;

    if (!fits(saved->unit, sizeof(use.unit)) || !fits(saved->service_id, sizeof(use.service_id)) || !fits(saved->credential, sizeof(use.credential)) ||
        !fits(saved->object_id, sizeof(use.object_id)))
        return;
    (void) strcpy(use.unit, saved->unit);
    (void) strcpy(use.service_id, saved->service_id);
    (void) strcpy(use.credential, saved->credential);
    (void) strcpy(use.object_id, saved->object_id);
    (void) insert(v, &use, &same);
}

void served_use_load(struct swarm *s)
{
    _cleanup_(secret_done) struct secret bytes = SECRET_NULL;
    _cleanup_(peer_request_freep) Peer__Request *request = NULL;
    struct served *v = s->served;

    if (v->uses_file[0] == '\0' || file_read(v->uses_file, RPC_PAYLOAD_MAX, &bytes, NULL) < 0 ||
        peer_request_decode(bytes.data, bytes.size, &request) < 0 || request->what_case != PEER__REQUEST__WHAT_REPORT_USE)
        return;
    for (size_t i = 0; i < request->report_use->n_uses; i++)
        take_saved(v, request->report_use->uses[i]);
    if (v->n_uses > 0)
        report_in(s, SOON_MS);
}

void served_use_forget(struct swarm *s)
{
    struct served *v = s->served;

    v->n_uses = v->n_results = v->n_sent_results = 0;
    v->report_at = 0;
    if (v->uses_file[0] != '\0')
        (void) unlink(v->uses_file);
}

/* ---- to the leader */

static void on_reported(void *data, int result, const Peer__Reply *reply _unused_, const char *why _unused_)
{
    struct swarm *s = data;
    struct served *v = s->served;

    v->reporting = false;
    if (result == -ESHUTDOWN)
        return;
    if (result == 0 && v->n_sent_results > 0) {
        v->n_results -= v->n_sent_results;
        memmove(v->results, v->results + v->n_sent_results, v->n_results * sizeof(*v->results));
    }
    v->n_sent_results = 0;
    if (result < 0)
        report_in(s, AGAIN_MS);
    else if (v->report_again && v->report_at == 0)
        report_in(s, SOON_MS);
}

/* A leader is not called: it takes its own at once. */
static void send_report(struct swarm *s, const Peer__ReportUse *report)
{
    struct served *v = s->served;
    Peer__Request request = PEER__REQUEST__INIT;

    v->n_sent_results = v->n_results;
    if (swarm_is_leader(s)) {
        served_take_report(s, s->node.node_id, report, NULL);
        v->n_results = v->n_sent_results = 0;
        return;
    }
    request.what_case = PEER__REQUEST__WHAT_REPORT_USE;
    request.report_use = (Peer__ReportUse *) report;
    v->reporting = peer_call(s->caller, &request, REPORT_MS, true, on_reported, s) == 0;
    if (!v->reporting)
        report_in(s, AGAIN_MS);
}

void served_use_turn(struct swarm *s)
{
    struct served *v = s->served;
    _cleanup_(draft_done) struct draft draft = { .uses = NULL };

    if (v->report_at == 0 || uv_now(s->config.loop) < v->report_at || v->reporting || s->state != SWARM_ACTIVE)
        return;
    v->report_at = 0;
    v->report_again = false;
    if (draft_make(v, &draft) < 0) {
        report_in(s, AGAIN_MS);
        return;
    }
    save(v, &draft.report);
    send_report(s, &draft.report);
}
