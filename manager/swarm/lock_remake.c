/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Another program may put a copy of the lock back that is older than the keys: while the manager is active it has what it takes to make the lock
 * once more. */
#include <errno.h>

#include "swarm/rekey.h"

int lock_remake(struct swarm *s, const Pb__Cluster *cluster, struct error *e)
{
    _cleanup_(secret_done) struct secret kek = SECRET_NULL;
    _cleanup_(bundle_freep) struct bundle *bundle = NULL;
    struct rekey_plan none = { 0 };
    char next[PATH_MAX];
    int r;

    /* what cannot be read is told by whoever needs it */
    if (keyslots_hold(s->files.keyslots, &s->kek, NULL) != 0)
        return 0;
    swarm_event(s, SWARM_EVENT_ROLLED_BACK, NULL, -1, cluster->unlock_generation, s->files.keyslots);
    r = secret_copy(s->kek.data, s->kek.size, &kek);
    if (r == 0 && !(bundle = bundle_copy(s->bundle)))
        r = -ENOMEM;
    if (r == 0)
        r = keyslots_next(s->files.keyslots, next);
    if (r == 0)
        r = rekey_make_header(next, cluster, &kek, &none, e);
    if (r == 0)
        r = lock_name_header(next, bundle, e);
    if (r == 0)
        r = lock_adopt(s, &kek, &bundle, true, e);
    if (r == 0)
        r = lock_settle(s, e);
    if (r < 0)
        return r;
    step_watch_lock(s);
    return 1;
}
