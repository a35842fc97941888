/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "swarm/swarm_private.h"

#define GOODBYE_MS 2500

static int check(const struct swarm *s, enum swarm_state state, const struct swarm_request *r, struct error *e)
{
    if (state == SWARM_INACTIVE)
        return error_set(e, -ESRCH, "This node is not part of a swarm");
    if (r->force)
        return 0;
    if (state == SWARM_LOCKED)
        return error_set(e, -ENOKEY, "Swarm is encrypted and locked. Please unlock it first or use `--force` to ignore this message.");
    if (state == SWARM_ERROR)
        return error_set(e, -EBADMSG, "This node's swarm state has to be mended first (see \"swarmctl info\"): use `--force` to give it up.");
    if (s->file.role == PB__ROLE__WORKER)
        return 0;
    return error_set(e, -EBUSY, "You are attempting to leave the swarm on a node that is participating as a manager. Removing the last manager "
                                "erases all current state of the swarm. Use `--force` to ignore this message.");
}

static void on_transferred(void *data, int result)
{
    completion_done(data, result);
}

static void hand_over(void *data, struct completion *c)
{
    struct swarm *s = data;
    int r = swarm_is_leader(s) && !swarm_is_alone(s) ? replica_transfer(s->replica, 0, on_transferred, c) : -EALREADY;

    if (r < 0)
        completion_done(c, r);
}

int step_hand_over(struct swarm *s)
{
    return lifecycle_on_loop(s->lifecycle, hand_over, s);
}

/* The others learn at once that this node goes; when they cannot be reached it goes all the same. */
static void say_goodbye(struct swarm *s)
{
    Peer__Request request = PEER__REQUEST__INIT;
    Peer__Leave leave = PEER__LEAVE__INIT;
    const struct call call = { .request = &request, .timeout_ms = GOODBYE_MS, .repeatable = true };
    Peer__Reply *reply = NULL;

    if (step_hand_over(s) == -EALREADY && s->file.role == PB__ROLE__MANAGER && step_is_alone(s))
        return;
    request.what_case = PEER__REQUEST__WHAT_LEAVE;
    request.leave = &leave;
    if (step_call(s, &call, &reply, NULL) == 0)
        peer_reply_free(reply);
}

int verb_leave(struct swarm *s, struct swarm_request *r)
{
    enum swarm_state state = step_get_state(s);
    int result;

    result = check(s, state, r, &r->error);
    if (result < 0)
        return result;
    if (state == SWARM_ACTIVE)
        say_goodbye(s);
    step_set_state(s, SWARM_PENDING, "leaving the swarm");
    result = open_leave(s, &r->error);
    if (result < 0) {
        step_set_state(s, SWARM_ERROR, r->error.text);
        return result;
    }
    swarm_event(s, SWARM_EVENT_LEFT, r, -1, 0, NULL);
    step_set_state(s, SWARM_INACTIVE, NULL);
    return 0;
}
