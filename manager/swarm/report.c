/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What nodes report of their units, on the leader. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/command.h"
#include "store/erasing_allocator.h"
#include "store/service.h"
#include "swarm/served_private.h"
#include "swarm/units.h"
#include "swarm/watchers.h"

#define AGAIN_MS 2000

struct reported {
    struct swarm *swarm;
    struct peer_answer *answer; /* NULL: of this node itself */
};

static void finish(struct swarm *s, struct peer_answer *answer, int result)
{
    if (answer && result < 0)
        answer_failure(answer, result);
    else if (answer)
        peer_answer_error(answer, 0, "");
    else if (result < 0)
        s->served->report_at = uv_now(s->config.loop) + AGAIN_MS;
}

static void on_put(void *data, int result)
{
    _cleanup_free_ struct reported *reported = data;

    finish(reported->swarm, reported->answer, result);
}

struct uses {
    Pb__UnitUse *list, **pointers;
    size_t n;
};

static void uses_done(struct uses *u)
{
    free(u->list);
    free(u->pointers);
}

static int compare(const void *a, const void *b)
{
    const Pb__UnitUse *x = *(Pb__UnitUse *const *) a, *y = *(Pb__UnitUse *const *) b;
    int r = strcmp(x->unit, y->unit);

    return r ? r : strcmp(x->credential, y->credential);
}

static void add_use(struct uses *u, const Peer__UnitUse *from)
{
    Pb__UnitUse *use = &u->list[u->n];

    pb__unit_use__init(use);
    use->unit = from->unit;
    use->service_id = from->service_id;
    use->credential = from->credential;
    use->kind = (Pb__Kind) from->kind;
    use->object_id = from->object_id;
    use->revision = from->revision;
    use->loaded = from->loaded;
    u->pointers[u->n++] = use;
}

/* In the store's order, and without what the store has not any more. */
static int collect(const struct swarm *s, const Peer__ReportUse *report, struct uses *ret)
{
    size_t kept = 0;

    ret->list = calloc(report->n_uses + 1, sizeof(*ret->list));
    ret->pointers = calloc(report->n_uses + 1, sizeof(Pb__UnitUse *));
    if (!ret->list || !ret->pointers)
        return -ENOMEM;
    for (size_t i = 0; i < report->n_uses; i++)
        if (report->uses[i]->kind <= PB__KIND__CONFIG && store_object(s->store, (Pb__Kind) report->uses[i]->kind, report->uses[i]->object_id))
            add_use(ret, report->uses[i]);
    qsort(ret->pointers, ret->n, sizeof(Pb__UnitUse *), compare);
    for (size_t i = 0; i < ret->n; i++)
        if (kept == 0 || compare(&ret->pointers[kept - 1], &ret->pointers[i]) != 0)
            ret->pointers[kept++] = ret->pointers[i];
    ret->n = kept;
    return 0;
}

static bool is_known(const struct swarm *s, const Pb__Usage *usage)
{
    const Pb__Usage *known = store_usage(s->store, usage->node_id);
    size_t size = pb__usage__get_packed_size(usage);
    _cleanup_free_ uint8_t *a = NULL, *b = NULL;

    if (!known)
        return usage->n_uses == 0;
    if (pb__usage__get_packed_size(known) != size)
        return false;
    a = malloc(size + 1);
    b = malloc(size + 1);
    if (!a || !b)
        return false;
    (void) pb__usage__pack(usage, a);
    (void) pb__usage__pack(known, b);
    return memcmp(a, b, size) == 0;
}

static int put_usage(struct swarm *s, Pb__Usage *usage, struct peer_answer *answer)
{
    struct reported *reported = malloc(sizeof(*reported));
    Pb__PutUsage put = PB__PUT_USAGE__INIT;
    Pb__Command command = PB__COMMAND__INIT;
    void *encoded = NULL;
    size_t size;
    int r;

    if (!reported)
        return -ENOMEM;
    *reported = (struct reported) { s, answer };
    put.usage = usage;
    command.what_case = PB__COMMAND__WHAT_PUT_USAGE;
    command.put_usage = &put;
    r = command_encode(&command, &encoded, &size);
    if (r == 0)
        r = replica_propose(s->replica, encoded, size, on_put, reported);
    erasing_free(encoded);
    if (r != 0)
        free(reported);
    return r == -ENOTCONN ? -EAGAIN : r;
}

void served_take_report(struct swarm *s, const char *node_id, const Peer__ReportUse *report, struct peer_answer *answer)
{
    _cleanup_(uses_done) struct uses uses = { NULL };
    Pb__Usage usage = PB__USAGE__INIT;
    int r = report->n_uses > STORE_USES_MAX ? -EMSGSIZE : collect(s, report, &uses);

    for (size_t i = 0; i < report->n_results && i < SERVED_RESULTS_MAX; i++)
        rollouts_take_result(s, node_id, report->results[i]);
    usage.node_id = (char *) node_id;
    usage.uses = uses.pointers;
    usage.n_uses = uses.n;
    if (r == 0 && !is_known(s, &usage)) {
        r = put_usage(s, &usage, answer);
        if (r == 0)
            return;
    }
    finish(s, answer, r);
}

void answer_report_use(struct swarm *s, const struct net_peer *peer, const Peer__ReportUse *report, struct peer_answer *answer)
{
    if (store_node(s->store, peer->node_id))
        served_take_report(s, peer->node_id, report, answer);
    else
        peer_answer_error(answer, -ENOENT, "this node is not known");
}
