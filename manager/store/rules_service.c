/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "store/rules.h"
#include "store/service.h"

/* Who may have what must be understood whole: a field of a later version may be one that says who may not. */
static int check_constraints(Pb__Constraint *const constraints[], size_t n)
{
    if (n > STORE_CONSTRAINTS_MAX)
        return -EMSGSIZE;
    for (size_t i = 0; i < n; i++)
        if (!service_constraint_is_valid(constraints[i]) || constraints[i]->base.n_unknown_fields > 0)
            return -EINVAL;
    return 0;
}

static int check_grant(const Pb__Service *service, const Pb__Grant *grant)
{
    int r;

    r = rules_check_kind(grant->kind);
    if (r == 0)
        r = rules_check_id(grant->object_id);
    if (r < 0)
        return r;
    if (!service_credential_is_valid(grant->credential) || grant->base.n_unknown_fields > 0)
        return -EINVAL;
    return service_credential_fits(service->unit, grant->credential) ? 0 : -EMSGSIZE;
}

static int check_grants(const Pb__Service *service)
{
    Pb__Grant *const *grants = service->grants;
    int r;

    if (service->n_grants > STORE_GRANTS_MAX)
        return -EMSGSIZE;
    for (size_t i = 0; i < service->n_grants; i++) {
        r = check_grant(service, grants[i]);
        if (r < 0)
            return r;
        for (size_t k = 0; k < i; k++)
            if (strcmp(grants[k]->credential, grants[i]->credential) == 0)
                return -EINVAL;
    }
    return 0;
}

int rules_check_service(const Pb__Service *service)
{
    Pb__Service given;
    Pb__Meta meta;
    int r;

    if (!service)
        return -EINVAL;
    r = rules_check_meta(service->meta);
    if (r < 0)
        return r;
    if (!store_name_is_valid(service->name) || !service_unit_is_valid(service->unit))
        return -EINVAL;
    if (service->on_update != PB__ON_UPDATE__NONE && service->on_update != PB__ON_UPDATE__RESTART && service->on_update != PB__ON_UPDATE__RELOAD)
        return -EINVAL;
    if (service->parallelism < 1 || service->parallelism > STORE_PARALLELISM_MAX || service->max_age > STORE_AGE_MAX)
        return -EINVAL;
    r = rules_check_labels(service->labels, service->n_labels);
    if (r == 0)
        r = check_constraints(service->constraints, service->n_constraints);
    if (r == 0)
        r = check_grants(service);
    if (r < 0)
        return r;
    meta = rules_meta_as_given(service->meta);
    given = *service;
    given.meta = &meta;
    given.rollout = NULL;
    return rules_check_record(&given.base, 0);
}

static int check_rollout_state(Pb__RolloutState state)
{
    return state == PB__ROLLOUT_STATE__RUNNING || state == PB__ROLLOUT_STATE__DONE || state == PB__ROLLOUT_STATE__STOPPED ? 0 : -EINVAL;
}

static int check_rollout_nodes(Pb__RolloutNode *const nodes[], size_t n)
{
    int r;

    if (n > STORE_NODES_MAX)
        return -EMSGSIZE;
    for (size_t i = 0; i < n; i++) {
        const Pb__RolloutNode *node = nodes[i];

        if ((node->state != PB__ROLLOUT_NODE_STATE__WORKING && node->state != PB__ROLLOUT_NODE_STATE__SUCCEEDED &&
             node->state != PB__ROLLOUT_NODE_STATE__FAILED) || node->base.n_unknown_fields > 0)
            return -EINVAL;
        r = rules_check_id(node->id);
        if (r == 0)
            r = rules_check_line(node->text, STORE_ROLLOUT_TEXT_MAX);
        if (r < 0)
            return r;
    }
    return 0;
}

static int check_held(const Pb__Rollout *rollout)
{
    int r;

    if (rollout->n_held > STORE_GRANTS_MAX)
        return -EMSGSIZE;
    for (size_t i = 0; i < rollout->n_held; i++) {
        const Pb__Held *held = rollout->held[i];

        r = rules_check_kind(held->kind);
        if (r == 0)
            r = rules_check_id(held->object_id);
        if (r < 0)
            return r;
        if (held->base.n_unknown_fields > 0)
            return -EINVAL;
        for (size_t k = 0; k < i; k++)
            if (rollout->held[k]->kind == held->kind && strcmp(rollout->held[k]->object_id, held->object_id) == 0)
                return -EINVAL;
    }
    return rollout->n_held > 0 && rollout->state == PB__ROLLOUT_STATE__DONE ? -EINVAL : 0;
}

int rules_check_rollout(const Pb__Rollout *rollout)
{
    int r;

    if (rollout->number == 0 || rollout->since < 0 || rollout->base.n_unknown_fields > 0)
        return -EINVAL;
    r = check_rollout_state(rollout->state);
    if (r == 0)
        r = check_rollout_nodes(rollout->nodes, rollout->n_nodes);
    if (r == 0)
        r = check_held(rollout);
    for (size_t i = 1; r == 0 && i < rollout->n_nodes; i++)
        if (strcmp(rollout->nodes[i - 1]->id, rollout->nodes[i]->id) >= 0)
            return -EINVAL;
    return r;
}

int rules_check_set_rollout(const Pb__SetRollout *set)
{
    int r;

    if (set->now < 0)
        return -EINVAL;
    r = rules_check_id(set->service_id);
    if (r == 0)
        r = check_rollout_state(set->state);
    return r < 0 ? r : check_rollout_nodes(set->nodes, set->n_nodes);
}

static int check_use(const Pb__UnitUse *use)
{
    int r;

    r = rules_check_kind(use->kind);
    if (r == 0)
        r = rules_check_id(use->object_id);
    if (r == 0)
        r = rules_check_id(use->service_id);
    if (r < 0)
        return r;
    if (!service_unit_is_valid(use->unit) || strchr(use->unit, '*') || !service_credential_is_valid(use->credential) || use->loaded < 0)
        return -EINVAL;
    return protobuf_c_message_get_packed_size(&use->base) > STORE_USE_MAX ? -EMSGSIZE : 0;
}

static bool are_in_order(const Pb__UnitUse *a, const Pb__UnitUse *b)
{
    int c = strcmp(a->unit, b->unit);

    return c < 0 || (c == 0 && strcmp(a->credential, b->credential) < 0);
}

int rules_check_usage(const Pb__Usage *usage)
{
    Pb__Usage given;
    int r;

    if (!usage)
        return -EINVAL;
    r = rules_check_id(usage->node_id);
    if (r < 0)
        return r;
    if (usage->n_uses > STORE_USES_MAX)
        return -EMSGSIZE;
    for (size_t i = 0; i < usage->n_uses; i++) {
        r = check_use(usage->uses[i]);
        if (r < 0)
            return r;
        if (i > 0 && !are_in_order(usage->uses[i - 1], usage->uses[i]))
            return -EINVAL;
    }
    given = *usage;
    given.n_uses = 0;
    return rules_check_record(&given.base, 0);
}

int rules_check_update_object(const Pb__UpdateObject *update)
{
    int r = rules_check_id(update->id);

    if (r == 0 && update->now < 0)
        r = -EINVAL;
    return r < 0 ? r : rules_check_data(update->kind, &update->data);
}
