/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* New ways to unlock. */
#include <errno.h>

#include "message/bus_error.h"
#include "message/keyslot_message.h"
#include "bus/bus_methods.h"
#include "message/option.h"
#include "bus/bus_request.h"

static int answer_advertisement(sd_bus_message *reply, const struct swarm_request *request)
{
    return keyslot_message_append_advertisement(reply, request->options->urls[0], request->ret_thumbprints, request->ret_n_thumbprints);
}

int method_fetch_advertisement(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller)
{
    _cleanup_(swarm_request_freep) struct swarm_request *request = bus_request_with_options(SWARM_FETCH_ADVERTISEMENT);
    const char *url;
    int r;

    if (!request)
        return -ENOMEM;
    r = sd_bus_message_read(m, "s", &url);
    if (r < 0)
        return r;
    if (option_take_text(url, request->options->urls[0], KEYSLOT_URL_MAX) < 0)
        return bus_reply_text(m, -EINVAL, "the URL of a Tang server has 1 to 255 bytes");
    request->options->n_urls = 1;
    return bus_request(s, m, caller, TAKE_PTR(request), answer_advertisement);
}

static int answer_slot(sd_bus_message *reply, const struct swarm_request *request)
{
    return keyslot_message_append_one(reply, &request->ret_keyslots[0], &request->ret_key);
}

int method_add_keyslot(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller)
{
    _cleanup_(swarm_request_freep) struct swarm_request *request = bus_request_with_options(SWARM_ADD_KEYSLOT);
    int r;

    if (!request)
        return -ENOMEM;
    r = keyslot_message_read(m, request->options, &request->key);
    return r < 0 ? bus_reply_text(m, r, KEYSLOT_MESSAGE_OPTIONS) : bus_request(s, m, caller, TAKE_PTR(request), answer_slot);
}
