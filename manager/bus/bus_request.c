/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/bus_request.h"

#include <errno.h>

#include "message/bus_error.h"

struct pending {
    sd_bus_message *message;
    bus_answer answer;
};

static int answer(struct pending *p, const struct swarm_request *request)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    int r;

    if (request->result < 0)
        return bus_reply_error(p->message, request->result, &request->error);
    r = sd_bus_message_new_method_return(p->message, &reply);
    if (r >= 0 && p->answer)
        r = p->answer(reply, request);
    return r < 0 ? bus_reply_error(p->message, r, NULL) : sd_bus_send(NULL, reply, NULL);
}

static void on_done(void *data, struct swarm_request *request)
{
    struct pending *p = data;

    (void) answer(p, request);
    swarm_request_free(request);
    sd_bus_message_unref(p->message);
    free(p);
}

int bus_request(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller, struct swarm_request *request, bus_answer append)
{
    _cleanup_(swarm_request_freep) struct swarm_request *owned = request;
    struct pending *p;
    struct error e;
    int r;

    if (!request)
        return -ENOMEM;
    p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    *p = (struct pending) { sd_bus_message_ref(m), append };
    request->caller = *caller;
    request->done = on_done;
    request->data = p;
    r = swarm_submit(s, request);
    if (r < 0) {
        sd_bus_message_unref(p->message);
        free(p);
        (void) error_set(&e, r, "the manager is busy with other requests: try again");
        return bus_reply_error(m, r, &e);
    }
    TAKE_PTR(owned);
    return 1;
}

struct swarm_request *bus_request_with_options(enum swarm_verb verb)
{
    _cleanup_(swarm_request_freep) struct swarm_request *request = swarm_request_new(verb);

    if (request)
        request->options = calloc(1, sizeof(*request->options));
    return request && request->options ? TAKE_PTR(request) : NULL;
}
