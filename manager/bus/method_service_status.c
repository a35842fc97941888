/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What services are, and how their rollouts go. */
#include <errno.h>
#include <string.h>

#include "bus/bus_dict.h"
#include "message/bus_error.h"
#include "bus/bus_methods.h"
#include "bus/service_edit.h"

static const char *rollout_state_to_string(Pb__RolloutState state)
{
    return state == PB__ROLLOUT_STATE__RUNNING ? "running" : state == PB__ROLLOUT_STATE__DONE ? "done" : "stopped";
}

static const char *node_state_to_string(Pb__RolloutNodeState state)
{
    return state == PB__ROLLOUT_NODE_STATE__WORKING ? "working" : state == PB__ROLLOUT_NODE_STATE__SUCCEEDED ? "succeeded" : "failed";
}

static const char *object_name(const struct store *store, Pb__Kind kind, const char *id)
{
    const Pb__Object *object = store_object(store, kind, id);

    return object ? object->name : "";
}

static int append_constraints(sd_bus_message *m, const Pb__Service *service)
{
    char text[2 * STORE_LABEL_MAX + 64];
    int r = dict_open(m, "Constraints", "as", "s");

    for (size_t i = 0; r >= 0 && i < service->n_constraints; i++) {
        const Pb__Constraint *c = service->constraints[i];

        (void) snprintf(text, sizeof(text), "%s%s%s", c->key, c->differs ? "!=" : "==", c->value);
        r = sd_bus_message_append(m, "s", text);
    }
    return r < 0 ? r : dict_close(m);
}

/* As they are given: SOURCE:ID. */
static int append_sources(sd_bus_message *m, const struct store *store, const Pb__Service *service, Pb__Kind kind)
{
    char text[STORE_NAME_MAX + STORE_CREDENTIAL_MAX + 2];
    int r = dict_open(m, kind == PB__KIND__SECRET ? "Secrets" : "Configs", "as", "s");

    for (size_t i = 0; r >= 0 && i < service->n_grants; i++) {
        const Pb__Grant *grant = service->grants[i];

        if (grant->kind != kind)
            continue;
        (void) snprintf(text, sizeof(text), "%s:%s", object_name(store, kind, grant->object_id), grant->credential);
        r = sd_bus_message_append(m, "s", text);
    }
    return r < 0 ? r : dict_close(m);
}

static int append_grants(sd_bus_message *m, const struct store *store, const Pb__Service *service)
{
    int r = dict_open(m, "Grants", "aa{sv}", "a{sv}");

    for (size_t i = 0; r >= 0 && i < service->n_grants; i++) {
        const Pb__Grant *grant = service->grants[i];
        const Pb__Object *object = store_object(store, grant->kind, grant->object_id);

        r = sd_bus_message_append(m, "a{sv}", 5, "Kind", "s", dict_kind(grant->kind), "ObjectID", "s", grant->object_id, "Name", "s",
                                  object ? object->name : "", "Credential", "s", grant->credential, "Revision", "t",
                                  object ? object->revision : UINT64_C(0));
    }
    return r < 0 ? r : dict_close(m);
}

static int append_rollout_nodes(sd_bus_message *m, const struct store *store, const Pb__Rollout *rollout)
{
    int r = dict_open(m, "Nodes", "aa{sv}", "a{sv}");

    for (size_t i = 0; r >= 0 && i < rollout->n_nodes; i++) {
        const Pb__RolloutNode *node = rollout->nodes[i];
        const Pb__Node *known = store_node(store, node->id);

        r = sd_bus_message_append(m, "a{sv}", 4, "ID", "s", node->id, "Hostname", "s", known ? known->hostname : "", "State", "s",
                                  node_state_to_string(node->state), "Text", "s", node->text);
    }
    return r < 0 ? r : dict_close(m);
}

static int append_held(sd_bus_message *m, const struct store *store, const Pb__Rollout *rollout)
{
    int r = dict_open(m, "Held", "aa{sv}", "a{sv}");

    for (size_t i = 0; r >= 0 && i < rollout->n_held; i++) {
        const Pb__Held *held = rollout->held[i];

        r = sd_bus_message_append(m, "a{sv}", 4, "Kind", "s", dict_kind(held->kind), "ObjectID", "s", held->object_id, "Name", "s",
                                  object_name(store, held->kind, held->object_id), "Revision", "t", held->revision);
    }
    return r < 0 ? r : dict_close(m);
}

static int append_rollout(sd_bus_message *m, const struct store *store, const Pb__Rollout *rollout, bool whole)
{
    int r = dict_open(m, "Rollout", "a{sv}", "{sv}");

    if (r >= 0)
        r = dict_u64(m, "Number", rollout->number);
    if (r >= 0)
        r = dict_string(m, "State", rollout_state_to_string(rollout->state));
    if (r >= 0)
        r = dict_u64(m, "Since", (uint64_t) rollout->since);
    if (r >= 0 && whole)
        r = append_rollout_nodes(m, store, rollout);
    if (r >= 0 && whole)
        r = append_held(m, store, rollout);
    return r < 0 ? r : dict_close(m);
}

static int append_settings(sd_bus_message *m, const Pb__Service *service)
{
    int r;

    r = dict_string(m, "OnUpdate", service_on_update_to_string(service->on_update));
    if (r >= 0)
        r = dict_u32(m, "Parallelism", service->parallelism);
    if (r >= 0)
        r = dict_u64(m, "MaxAge", service->max_age);
    if (r >= 0)
        r = dict_bool(m, "Offline", service->offline);
    return r < 0 ? r : dict_bool(m, "Enabled", service->enabled);
}

static int append_service(sd_bus_message *m, const struct store *store, const Pb__Service *service, bool whole)
{
    int r;

    r = sd_bus_message_open_container(m, 'a', "{sv}");
    if (r >= 0)
        r = dict_meta(m, service->meta);
    if (r >= 0)
        r = dict_string(m, "Name", service->name);
    if (r >= 0)
        r = dict_labels(m, service->labels, service->n_labels);
    if (r >= 0)
        r = dict_string(m, "Unit", service->unit);
    if (r >= 0)
        r = append_constraints(m, service);
    if (r >= 0)
        r = append_sources(m, store, service, PB__KIND__SECRET);
    if (r >= 0)
        r = append_sources(m, store, service, PB__KIND__CONFIG);
    if (r >= 0)
        r = append_settings(m, service);
    if (r >= 0 && whole)
        r = append_grants(m, store, service);
    if (r >= 0 && service->rollout)
        r = append_rollout(m, store, service->rollout, whole);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

int method_list_services(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller _unused_)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    struct error e = { "" };
    int r;

    r = swarm_check_active(s, &e);
    if (r < 0)
        return bus_reply_error(m, r, &e);
    r = sd_bus_message_new_method_return(m, &reply);
    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'a', "a{sv}");
    for (size_t i = 0; r >= 0 && i < store_n_services(swarm_store(s)); i++)
        r = append_service(reply, swarm_store(s), store_service_at(swarm_store(s), i), false);
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

int method_inspect_service(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller _unused_)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    struct error e = { "" };
    const Pb__Service *service;
    const char *name;
    int r;

    r = sd_bus_message_read(m, "s", &name);
    if (r < 0)
        return r;
    r = swarm_check_active(s, &e);
    if (r == 0)
        r = swarm_find_service(s, name, &service, &e);
    if (r != 0)
        return bus_reply_error(m, r, &e);
    r = sd_bus_message_new_method_return(m, &reply);
    if (r >= 0)
        r = append_service(reply, swarm_store(s), service, true);
    return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}
