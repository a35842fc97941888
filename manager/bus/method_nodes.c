/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What changes the swarm's members: joining, nodes, the certificate authority, backups. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "basic/memfd.h"
#include "bus/bus_dict.h"
#include "message/bus_error.h"
#include "bus/bus_methods.h"
#include "message/option.h"
#include "bus/bus_request.h"

static int answer_join(sd_bus_message *reply, const struct swarm_request *request)
{
    return sd_bus_message_append(reply, "a{sv}", 2, "NodeID", "s", request->ret_id, "Role", "s",
                                 request->role == PB__ROLE__MANAGER ? "manager" : "worker");
}

static int read_join_option(sd_bus_message *m, const char *key, void *data)
{
    struct swarm_request *request = data;
    if (strcmp(key, "AdvertiseAddr") == 0)
        return option_text(m, request->advertise, sizeof(request->advertise));
    if (strcmp(key, "ListenAddr") == 0)
        return option_text(m, request->listen, sizeof(request->listen));
    return -EINVAL;
}

int method_join(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller)
{
    _cleanup_(swarm_request_freep) struct swarm_request *request = swarm_request_new(SWARM_JOIN);
    const char *remote;
    int r, fd;

    if (!request)
        return -ENOMEM;
    r = sd_bus_message_read(m, "hs", &fd, &remote);
    if (r < 0)
        return r;
    if (memfd_read(fd, OPTION_SECRET_MAX, &request->key) < 0)
        return bus_reply_text(m, -EINVAL, "invalid join token");
    if (option_take_text(remote, request->remote, sizeof(request->remote)) < 0)
        return bus_reply_text(m, -EINVAL, "the address of a manager is missing, or too long");
    if (options_read(m, read_join_option, request) < 0)
        return bus_reply_text(m, -EINVAL, "options are AdvertiseAddr (s) and ListenAddr (s)");
    return bus_request(s, m, caller, TAKE_PTR(request), answer_join);
}

static int answer_node(sd_bus_message *reply, const struct swarm_request *request)
{
    return sd_bus_message_append(reply, "s", request->ret_id);
}

static int read_role(sd_bus_message *m, struct swarm_request *request)
{
    char role[16];
    int r = option_text(m, role, sizeof(role));

    if (r < 0 || (strcmp(role, "worker") != 0 && strcmp(role, "manager") != 0))
        return -EINVAL;
    request->has_role = true;
    request->role = strcmp(role, "manager") == 0 ? PB__ROLE__MANAGER : PB__ROLE__WORKER;
    return 0;
}

static int read_availability(sd_bus_message *m, struct swarm_request *request)
{
    static const char *const names[] = { [PB__AVAILABILITY__ACTIVE] = "active", [PB__AVAILABILITY__PAUSE] = "pause", [PB__AVAILABILITY__DRAIN] = "drain" };
    char name[16];
    int r = option_text(m, name, sizeof(name));

    for (unsigned i = 0; r >= 0 && i < ELEMENTSOF(names); i++)
        if (strcmp(names[i], name) == 0) {
            request->has_availability = true;
            request->availability = (Pb__Availability) i;
            return 0;
        }
    return -EINVAL;
}

static int read_labels(sd_bus_message *m, char ***ret)
{
    int r = sd_bus_message_enter_container(m, 'v', "as");

    if (r >= 0 && *ret)
        r = -EINVAL;
    if (r >= 0)
        r = sd_bus_message_read_strv(m, ret);
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_update_option(sd_bus_message *m, const char *key, void *data)
{
    struct swarm_request *request = data;
    if (strcmp(key, "Role") == 0)
        return read_role(m, request);
    if (strcmp(key, "Availability") == 0)
        return read_availability(m, request);
    if (strcmp(key, "AddLabels") == 0)
        return read_labels(m, &request->add_labels);
    if (strcmp(key, "RemoveLabels") == 0)
        return read_labels(m, &request->remove_labels);
    return -EINVAL;
}

int method_update_node(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller)
{
    _cleanup_(swarm_request_freep) struct swarm_request *request = swarm_request_new(SWARM_UPDATE_NODE);
    const char *name;
    int r;

    if (!request)
        return -ENOMEM;
    r = sd_bus_message_read(m, "s", &name);
    if (r < 0)
        return r;
    if (option_take_text(name, request->node, sizeof(request->node)) < 0)
        return bus_reply_text(m, -EINVAL, "the name of a node is missing, or too long");
    if (options_read(m, read_update_option, request) < 0)
        return bus_reply_text(m, -EINVAL, "options are Role (worker, manager), Availability (active, pause, drain), AddLabels (KEY=VALUE) and "
                                          "RemoveLabels (KEY)");
    return bus_request(s, m, caller, TAKE_PTR(request), answer_node);
}

int method_remove_node(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller)
{
    _cleanup_(swarm_request_freep) struct swarm_request *request = swarm_request_new(SWARM_REMOVE_NODE);
    const char *name;
    int r, force;

    if (!request)
        return -ENOMEM;
    r = sd_bus_message_read(m, "sb", &name, &force);
    if (r < 0)
        return r;
    if (option_take_text(name, request->node, sizeof(request->node)) < 0)
        return bus_reply_text(m, -EINVAL, "the name of a node is missing, or too long");
    request->force = force;
    return bus_request(s, m, caller, TAKE_PTR(request), answer_node);
}

static int answer_digest(sd_bus_message *reply, const struct swarm_request *request)
{
    return sd_bus_message_append(reply, "s", request->ret_digest);
}

int method_rotate_ca(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller)
{
    return bus_request(s, m, caller, swarm_request_new(SWARM_ROTATE_CA), answer_digest);
}

int method_get_ca(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller _unused_)
{
    _cleanup_free_ char *pem = NULL;
    const Pb__Cluster *cluster;
    struct error e = { "" };
    int r = swarm_check_active(s, &e);

    if (r < 0)
        return bus_reply_error(m, r, &e);
    cluster = store_cluster(swarm_store(s));
    pem = strndup((const char *) cluster->ca_certificate.data, cluster->ca_certificate.len);
    return pem ? sd_bus_reply_method_return(m, "s", pem) : -ENOMEM;
}

static int answer_generation(sd_bus_message *reply, const struct swarm_request *request)
{
    return sd_bus_message_append(reply, "u", request->ret_generation);
}

static int take_file(sd_bus_message *m, struct swarm_request *request)
{
    int fd, r = sd_bus_message_read(m, "h", &fd);

    if (r < 0)
        return r;
    request->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return request->fd < 0 ? -errno : 0;
}

int method_backup(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller)
{
    _cleanup_(swarm_request_freep) struct swarm_request *request = swarm_request_new(SWARM_BACKUP);
    int r = request ? take_file(m, request) : -ENOMEM;

    return r < 0 ? r : bus_request(s, m, caller, TAKE_PTR(request), answer_generation);
}

int method_restore(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller)
{
    _cleanup_(swarm_request_freep) struct swarm_request *request = swarm_request_new(SWARM_RESTORE);
    int r = request ? take_file(m, request) : -ENOMEM, fd;

    if (r >= 0)
        r = sd_bus_message_read(m, "h", &fd);
    if (r < 0)
        return r;
    r = memfd_read(fd, OPTION_SECRET_MAX, &request->key);
    if (r == -EINVAL || r == -EMSGSIZE)
        return bus_reply_text(m, -EINVAL, "invalid key string");
    if (r < 0)
        return r;
    if (options_read(m, read_join_option, request) < 0)
        return bus_reply_text(m, -EINVAL, "options are AdvertiseAddr (s) and ListenAddr (s)");
    return bus_request(s, m, caller, TAKE_PTR(request), answer_node);
}
