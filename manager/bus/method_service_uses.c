/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who has loaded what a service grants. */
#include <errno.h>
#include <string.h>

#include "bus/bus_dict.h"
#include "message/bus_error.h"
#include "bus/bus_methods.h"
#include "store/service.h"

static int open_entry(sd_bus_message *m, const Pb__Service *service, const Pb__Node *node)
{
    int r = sd_bus_message_open_container(m, 'a', "{sv}");

    if (r >= 0)
        r = dict_string(m, "NodeID", node->meta->id);
    if (r >= 0)
        r = dict_string(m, "Hostname", node->hostname);
    return r < 0 ? r : dict_bool(m, "Granted", service_is_on(service, node));
}

static int append_use(sd_bus_message *m, const struct store *store, const Pb__UnitUse *use)
{
    const Pb__Object *object = store_object(store, use->kind, use->object_id);
    int r;

    r = dict_string(m, "Unit", use->unit);
    if (r >= 0)
        r = dict_string(m, "Credential", use->credential);
    if (r >= 0)
        r = dict_string(m, "Kind", dict_kind(use->kind));
    if (r >= 0)
        r = dict_string(m, "ObjectID", use->object_id);
    if (r >= 0)
        r = dict_string(m, "Name", object ? object->name : "");
    if (r >= 0)
        r = dict_u64(m, "Revision", use->revision);
    if (r >= 0)
        r = dict_bool(m, "Newest", object && object->revision == use->revision);
    return r < 0 ? r : dict_u64(m, "LoadedAt", (uint64_t) use->loaded);
}

/* One entry for each use, or one without any where the service is on the node. */
static int append_node(sd_bus_message *m, const struct store *store, const Pb__Service *service, const Pb__Node *node)
{
    const Pb__Usage *usage = store_usage(store, node->meta->id);
    bool any = false;
    int r = 0;

    for (size_t i = 0; r >= 0 && usage && i < usage->n_uses; i++) {
        if (strcmp(usage->uses[i]->service_id, service->meta->id) != 0)
            continue;
        any = true;
        r = open_entry(m, service, node);
        if (r >= 0)
            r = append_use(m, store, usage->uses[i]);
        if (r >= 0)
            r = sd_bus_message_close_container(m);
    }
    if (r < 0 || any || !service_is_on(service, node))
        return r;
    r = open_entry(m, service, node);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

int method_list_service_uses(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller _unused_)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    const Pb__Service *service;
    struct error e = { "" };
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
        r = sd_bus_message_open_container(reply, 'a', "a{sv}");
    for (size_t i = 0; r >= 0 && i < store_n_nodes(swarm_store(s)); i++)
        r = append_node(reply, swarm_store(s), service, store_node_at(swarm_store(s), i));
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}
