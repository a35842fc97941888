/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Joining, locking and unlocking. */
#include <errno.h>
#include <string.h>

#include "basic/memfd.h"
#include "bus/bus_dict.h"
#include "message/bus_error.h"
#include "bus/bus_methods.h"
#include "message/option.h"
#include "bus/bus_request.h"

#define KEY_MAX 4096

static int answer_init(sd_bus_message *reply, const struct swarm_request *request)
{
    int r;

    r = sd_bus_message_open_container(reply, 'a', "{sv}");
    if (r >= 0)
        r = dict_string(reply, "NodeID", request->ret_id);
    if (r >= 0 && *request->ret_address)
        r = dict_string(reply, "Address", request->ret_address);
    if (r >= 0 && request->ret_token.size > 0)
        r = dict_secret(reply, "WorkerToken", request->ret_token.data, request->ret_token.size);
    if (r >= 0 && request->ret_key.size > 0) {
        r = dict_u32(reply, "KeyGeneration", request->ret_generation);
        if (r >= 0)
            r = dict_secret(reply, "UnlockKey", request->ret_key.data, request->ret_key.size);
    }
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int read_address(sd_bus_message *m, char ret[static SWARM_ADDRESS_MAX])
{
    const char *value;
    int r;

    r = sd_bus_message_read(m, "v", "s", &value);
    if (r < 0)
        return r;
    if (strlen(value) >= SWARM_ADDRESS_MAX)
        return -EINVAL;
    (void) strcpy(ret, value);
    return 0;
}

static int read_init_option(sd_bus_message *m, struct swarm_request *request)
{
    const char *key;
    int r, flag;

    r = sd_bus_message_read(m, "s", &key);
    if (r < 0)
        return r;
    if (strcmp(key, "Autolock") == 0) {
        r = sd_bus_message_read(m, "v", "b", &flag);
        request->autolock = r >= 0 && flag;
        return r;
    }
    if (strcmp(key, "ForceNewCluster") == 0)
        return option_flag(m, &request->force_new_cluster);
    if (strcmp(key, "Key") == 0)
        return option_secret(m, &request->key);
    if (strcmp(key, "AdvertiseAddr") == 0)
        return read_address(m, request->advertise);
    if (strcmp(key, "ListenAddr") == 0)
        return read_address(m, request->listen);
    return -EINVAL;
}

int method_init(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller)
{
    _cleanup_(swarm_request_freep) struct swarm_request *request = swarm_request_new(SWARM_INIT);
    int r;

    if (!request)
        return -ENOMEM;
    r = sd_bus_message_enter_container(m, 'a', "{sv}");
    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
        r = read_init_option(m, request);
        if (r >= 0)
            r = sd_bus_message_exit_container(m);
    }
    if (r < 0)
        return bus_reply_text(m, -EINVAL, "options are Autolock (b), AdvertiseAddr (s), ListenAddr (s), ForceNewCluster (b) and Key (h)");
    return bus_request(s, m, caller, TAKE_PTR(request), answer_init);
}

static int answer_unlock(sd_bus_message *reply, const struct swarm_request *request)
{
    return sd_bus_message_append(reply, "a{sv}", 2, "Keyslot", "i", request->ret_keyslots[0].slot, "Kind", "s", request->ret_keyslots[0].kind);
}

int method_unlock(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller)
{
    _cleanup_(swarm_request_freep) struct swarm_request *request = swarm_request_new(SWARM_UNLOCK);
    int r, fd;

    if (!request)
        return -ENOMEM;
    r = sd_bus_message_read(m, "h", &fd);
    if (r < 0)
        return r;
    r = memfd_read(fd, KEY_MAX, &request->key);
    if (r == -EINVAL)
        return bus_reply_text(m, r, "the key must come as a sealed memfd");
    if (r == -EMSGSIZE)
        return bus_reply_text(m, -EINVAL, "invalid key string");
    if (r < 0)
        return r;
    return bus_request(s, m, caller, TAKE_PTR(request), answer_unlock);
}

static int append_key(sd_bus_message *reply, uint32_t generation, const struct secret *key)
{
    int r = sd_bus_message_append(reply, "u", generation);

    return r < 0 ? r : append_secret(reply, key);
}

int method_get_unlock_key(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller _unused_)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    struct error e = { "" };
    uint32_t generation;
    int r;

    r = swarm_unlock_key(s, &generation, &key, &e);
    if (r < 0)
        return bus_reply_error(m, r, &e);
    r = sd_bus_message_new_method_return(m, &reply);
    if (r >= 0)
        r = append_key(reply, generation, &key);
    return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int answer_key(sd_bus_message *reply, const struct swarm_request *request)
{
    return append_key(reply, request->ret_generation, &request->ret_key);
}

int method_rotate_unlock_key(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller)
{
    return bus_request(s, m, caller, swarm_request_new(SWARM_ROTATE_UNLOCK_KEY), answer_key);
}

int method_enable_autolock(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller)
{
    return bus_request(s, m, caller, swarm_request_new(SWARM_ENABLE_AUTOLOCK), answer_key);
}

int method_disable_autolock(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller)
{
    return bus_request(s, m, caller, swarm_request_new(SWARM_DISABLE_AUTOLOCK), NULL);
}

int method_confirm_unlock_key(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller)
{
    _cleanup_(swarm_request_freep) struct swarm_request *request = swarm_request_new(SWARM_CONFIRM_UNLOCK_KEY);
    int r;

    if (!request)
        return -ENOMEM;
    r = sd_bus_message_read(m, "ut", &request->generation, &request->old_key_expires);
    return r < 0 ? r : bus_request(s, m, caller, TAKE_PTR(request), NULL);
}

static int answer_rekey(sd_bus_message *reply, const struct swarm_request *request)
{
    return sd_bus_message_append(reply, "u", request->ret_rekey);
}

int method_rekey(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller)
{
    _cleanup_(swarm_request_freep) struct swarm_request *request = swarm_request_new(SWARM_REKEY);
    int r;

    if (!request)
        return -ENOMEM;
    r = sd_bus_message_read(m, "u", &request->generation);
    return r < 0 ? r : bus_request(s, m, caller, TAKE_PTR(request), answer_rekey);
}

static int read_role(sd_bus_message *m, Pb__Role *ret)
{
    const char *role;
    int r;

    r = sd_bus_message_read(m, "s", &role);
    if (r < 0)
        return r;
    if (strcmp(role, "worker") != 0 && strcmp(role, "manager") != 0)
        return -EINVAL;
    *ret = strcmp(role, "manager") == 0 ? PB__ROLE__MANAGER : PB__ROLE__WORKER;
    return 0;
}

static int send_token(struct swarm *s, sd_bus_message *m, Pb__Role role)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    _cleanup_(secret_done) struct secret token = SECRET_NULL;
    char address[SWARM_ADDRESS_MAX];
    struct error e = { "" };
    int r;

    r = swarm_join_token(s, role, &token, address, &e);
    if (r < 0)
        return bus_reply_error(m, r, &e);
    r = sd_bus_message_new_method_return(m, &reply);
    if (r >= 0)
        r = append_secret(reply, &token);
    if (r >= 0)
        r = sd_bus_message_append(reply, "s", address);
    return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

int method_get_join_token(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller _unused_)
{
    Pb__Role role;
    int r = read_role(m, &role);

    return r < 0 ? bus_reply_text(m, -EINVAL, "the role is \"worker\" or \"manager\"") : send_token(s, m, role);
}

static int answer_token(sd_bus_message *reply, const struct swarm_request *request)
{
    int r = append_secret(reply, &request->ret_token);

    return r < 0 ? r : sd_bus_message_append(reply, "s", request->ret_address);
}

int method_rotate_join_token(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller)
{
    _cleanup_(swarm_request_freep) struct swarm_request *request = swarm_request_new(SWARM_ROTATE_JOIN_TOKEN);

    if (!request)
        return -ENOMEM;
    if (read_role(m, &request->role) < 0)
        return bus_reply_text(m, -EINVAL, "the role is \"worker\" or \"manager\"");
    return bus_request(s, m, caller, TAKE_PTR(request), answer_token);
}

int method_leave(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller)
{
    _cleanup_(swarm_request_freep) struct swarm_request *request = swarm_request_new(SWARM_LEAVE);
    int r, force;

    if (!request)
        return -ENOMEM;
    r = sd_bus_message_read(m, "b", &force);
    if (r < 0)
        return r;
    request->force = force;
    return bus_request(s, m, caller, TAKE_PTR(request), NULL);
}
