/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "swarm/swarm_private.h"

static int check(struct swarm *s, const struct swarm_request *r, struct error *e)
{
    enum swarm_state state = step_get_state(s);

    if (state == SWARM_INACTIVE)
        return error_set(e, -ESRCH, "This node is not part of a swarm");
    if (r->force)
        return 0;
    if (state == SWARM_LOCKED)
        return error_set(e, -ENOKEY, "Swarm is encrypted and locked. Please unlock it first or use `--force` to ignore this message.");
    if (state == SWARM_ERROR)
        return error_set(e, -EBADMSG, "This node's swarm state has to be mended first (see \"swarmctl info\"): use `--force` to give it up.");
    return error_set(e, -EBUSY, "You are attempting to leave the swarm on a node that is participating as a manager. Removing the last manager "
                                "erases all current state of the swarm. Use `--force` to ignore this message.");
}

int verb_leave(struct swarm *s, struct swarm_request *r)
{
    int result;

    result = check(s, r, &r->error);
    if (result < 0)
        return result;
    step_set_state(s, SWARM_PENDING, "leaving the swarm");
    step_replica_close(s);
    lock_forget(s);
    result = lock_wipe(s, &r->error);
    if (result < 0) {
        step_set_state(s, SWARM_ERROR, r->error.text);
        return result;
    }
    swarm_event(s, SWARM_EVENT_LEFT, r, -1, 0, NULL);
    step_set_state(s, SWARM_INACTIVE, NULL);
    return 0;
}
