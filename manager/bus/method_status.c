/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What anybody may ask: the manager's state, the nodes. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bus/bus_dict.h"
#include "message/bus_error.h"
#include "bus/bus_methods.h"

static unsigned count_managers(const struct store *store)
{
    unsigned n = 0;

    for (size_t i = 0; i < store_n_nodes(store); i++)
        n += store_node_at(store, i)->role == PB__ROLE__MANAGER;
    return n;
}

static int append_active_info(struct swarm *s, sd_bus_message *reply)
{
    const struct store *store = swarm_store(s);
    const Pb__Cluster *cluster = store_cluster(store);
    const Pb__Node *node = store_node(store, swarm_node_id(s));
    int r;

    r = dict_string(reply, "SwarmID", swarm_id(s));
    if (r >= 0)
        r = dict_string(reply, "NodeAddr", node ? node->address : "");
    if (r >= 0)
        r = dict_u32(reply, "KeyGeneration", cluster->unlock_key.len > 0 ? cluster->unlock_generation : 0);
    if (r >= 0)
        r = dict_u32(reply, "Nodes", (uint32_t) store_n_nodes(store));
    if (r >= 0)
        r = dict_u32(reply, "Managers", count_managers(store));
    if (r >= 0)
        r = dict_u32(reply, "Secrets", (uint32_t) store_n_objects(store, PB__KIND__SECRET));
    if (r >= 0)
        r = dict_u32(reply, "Configs", (uint32_t) store_n_objects(store, PB__KIND__CONFIG));
    return r < 0 ? r : dict_u32(reply, "Services", (uint32_t) store_n_services(store));
}

static int append_info(struct swarm *s, sd_bus_message *reply)
{
    bool active = swarm_state(s) == SWARM_ACTIVE, manager = active && swarm_store(s);
    char hostname[256] = "";
    int r;

    (void) gethostname(hostname, sizeof(hostname) - 1);
    r = dict_string(reply, "State", swarm_state_to_string(swarm_state(s)));
    if (r >= 0)
        r = dict_string(reply, "Error", swarm_why(s));
    if (r >= 0)
        r = dict_string(reply, "NodeID", active ? swarm_node_id(s) : "");
    if (r >= 0)
        r = dict_bool(reply, "ControlAvailable", manager);
    if (r >= 0)
        r = dict_string(reply, "Role", manager || swarm_is_manager(s) ? "manager" : active ? "worker" : "");
    if (r >= 0)
        r = dict_string(reply, "Autolock", swarm_autolock_to_string(swarm_autolock(s)));
    if (r >= 0)
        r = dict_string(reply, "Hostname", hostname);
    if (r >= 0)
        r = dict_string(reply, "Version", PROJECT_VERSION);
    if (r >= 0 && swarm_locked_generation(s) > 0)
        r = dict_u32(reply, "KeyGeneration", swarm_locked_generation(s));
    return r < 0 || !manager ? r : append_active_info(s, reply);
}

int method_info(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller _unused_)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    int r;

    r = sd_bus_message_new_method_return(m, &reply);
    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'a', "{sv}");
    if (r >= 0)
        r = append_info(s, reply);
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static const char *availability_to_string(Pb__Availability availability)
{
    return availability == PB__AVAILABILITY__ACTIVE ? "active" : availability == PB__AVAILABILITY__PAUSE ? "pause" : "drain";
}

static const char *state_to_string(Pb__NodeState state)
{
    return state == PB__NODE_STATE__READY ? "ready" : state == PB__NODE_STATE__DOWN ? "down" : "unknown";
}

static int append_node(struct swarm *s, sd_bus_message *reply, const Pb__Node *node)
{
    bool self = strcmp(node->meta->id, swarm_node_id(s)) == 0;
    int r;

    r = sd_bus_message_open_container(reply, 'a', "{sv}");
    if (r >= 0)
        r = dict_meta(reply, node->meta);
    if (r >= 0)
        r = dict_string(reply, "Hostname", node->hostname);
    if (r >= 0)
        r = dict_string(reply, "Address", node->address);
    if (r >= 0)
        r = dict_string(reply, "Role", node->role == PB__ROLE__MANAGER ? "manager" : "worker");
    if (r >= 0)
        r = dict_string(reply, "Availability", availability_to_string(node->availability));
    if (r >= 0)
        r = dict_string(reply, "Status", state_to_string(node->state));
    if (r >= 0)
        r = dict_string(reply, "ManagerStatus", swarm_manager_status(s, node));
    if (r >= 0)
        r = dict_string(reply, "TLSStatus", swarm_node_is_certified(s, node) ? "ready" : "needs-rotation");
    if (r >= 0)
        r = dict_bool(reply, "Self", self);
    if (r >= 0)
        r = dict_u32(reply, "KeyGeneration", node->key_generation);
    if (r >= 0)
        r = dict_u32(reply, "OldestKeyGeneration", node->oldest_key_generation);
    if (r >= 0)
        r = dict_u32(reply, "Rekeyed", node->rekeyed);
    if (r >= 0)
        r = dict_string(reply, "RekeyLost", node->rekey_lost);
    if (r >= 0)
        r = dict_labels(reply, node->labels, node->n_labels);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

int method_list_nodes(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller _unused_)
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
    for (size_t i = 0; r >= 0 && i < store_n_nodes(swarm_store(s)); i++)
        r = append_node(s, reply, store_node_at(swarm_store(s), i));
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

int method_inspect_node(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller _unused_)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    struct error e = { "" };
    const Pb__Node *node;
    const char *name;
    int r;

    r = sd_bus_message_read(m, "s", &name);
    if (r < 0)
        return r;
    r = swarm_check_active(s, &e);
    if (r == 0)
        r = swarm_find_node(s, name, &node, &e);
    if (r != 0)
        return bus_reply_error(m, r, &e);
    r = sd_bus_message_new_method_return(m, &reply);
    if (r >= 0)
        r = append_node(s, reply, node);
    return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}
