/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ways to unlock that there are. */
#include <errno.h>
#include <string.h>

#include "bus/bus_dict.h"
#include "message/bus_error.h"
#include "message/keyslot_message.h"
#include "bus/bus_methods.h"
#include "message/option.h"
#include "bus/bus_request.h"

static int answer_keyslots(sd_bus_message *reply, const struct swarm_request *request)
{
    int r;

    r = sd_bus_message_open_container(reply, 'a', "a{sv}");
    for (unsigned i = 0; r >= 0 && i < request->ret_n_keyslots; i++)
        r = keyslot_message_append(reply, &request->ret_keyslots[i], &request->ret_reports[i]);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

int method_list_keyslots(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller)
{
    return bus_request(s, m, caller, swarm_request_new(SWARM_LIST_KEYSLOTS), answer_keyslots);
}

static int read_slot(int32_t slot, struct swarm_request *request)
{
    if (slot < 0 || slot >= KEYSLOTS_MAX)
        return -ENOENT;
    request->slot = slot;
    return 0;
}

static int reply_no_slot(sd_bus_message *m)
{
    return bus_reply_text(m, -ENOENT, "keyslots have the numbers 0 to 7: see \"swarmctl keyslot ls\"");
}

static int answer_test(sd_bus_message *reply, const struct swarm_request *request)
{
    return keyslot_message_append_one(reply, &request->ret_keyslots[0], NULL);
}

static int read_test_option(sd_bus_message *m, const char *key, void *data)
{
    struct swarm_request *request = data;
    return strcmp(key, "Secret") == 0 ? option_secret(m, &request->key) : -EINVAL;
}

int method_test_keyslot(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller)
{
    _cleanup_(swarm_request_freep) struct swarm_request *request = swarm_request_new(SWARM_TEST_KEYSLOT);
    int32_t slot;
    int r;

    if (!request)
        return -ENOMEM;
    r = sd_bus_message_read(m, "i", &slot);
    if (r < 0)
        return r;
    if (options_read(m, read_test_option, request) < 0)
        return bus_reply_text(m, -EINVAL, "the one option is Secret (h, a sealed memfd)");
    return read_slot(slot, request) < 0 ? reply_no_slot(m) : bus_request(s, m, caller, TAKE_PTR(request), answer_test);
}

int method_remove_keyslot(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller)
{
    _cleanup_(swarm_request_freep) struct swarm_request *request = swarm_request_new(SWARM_REMOVE_KEYSLOT);
    int32_t slot;
    int r;

    if (!request)
        return -ENOMEM;
    r = sd_bus_message_read(m, "i", &slot);
    if (r < 0)
        return r;
    return read_slot(slot, request) < 0 ? reply_no_slot(m) : bus_request(s, m, caller, TAKE_PTR(request), NULL);
}

static int answer_refreshes(sd_bus_message *reply, const struct swarm_request *request)
{
    return keyslot_message_append_refreshes(reply, request->ret_refreshes, request->ret_n_refreshes);
}

int method_refresh_keyslots(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller)
{
    _cleanup_(swarm_request_freep) struct swarm_request *request = bus_request_with_options(SWARM_REFRESH_KEYSLOTS);
    int r;

    if (!request)
        return -ENOMEM;
    r = keyslot_message_read_refresh(m, request->options, &request->slot);
    if (r == -ENOENT)
        return reply_no_slot(m);
    if (r < 0)
        return bus_reply_text(m, -EINVAL, KEYSLOT_MESSAGE_REFRESH_OPTIONS);
    return bus_request(s, m, caller, TAKE_PTR(request), answer_refreshes);
}
