/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One proposed command on behalf of somebody who waits, and in words why it was not made. */
#include "swarm/change.h"

#include <errno.h>
#include <string.h>

#include "store/command.h"
#include "store/erasing_allocator.h"

static int explain(const struct change *c, int code, struct error *e)
{
    int r = c->explain ? c->explain(c, code, e) : 0;

    if (r < 0)
        return r;
    switch (code) {
    case -EEXIST:
        return error_set(e, code, "%s %s already exists", c->noun, c->name);
    case -ENOENT:
        return error_set(e, code, "%s %s not found", c->noun, c->name);
    case -ESTALE:
        return error_set(e, code, "%s %s was changed by somebody else meanwhile: look at it, then try again", c->noun, c->name);
    case -ENOSPC:
        return error_set(e, code, "the disk is full: nothing was changed; make room under /var/lib/swarm-manager and try again");
    case -EDQUOT:
        return error_set(e, code, "the swarm's store is full: remove secrets or configs that nobody needs and try again");
    case -EAGAIN:
        return error_set(e, code, "too many changes are in flight, or the swarm has no leader: try again");
    case -ENOTCONN:
        return swarm_error_no_leader(e);
    case -ESHUTDOWN:
    case -ECANCELED:
        return error_set(e, -EAGAIN, "the manager lost its place while the change was under way: see whether it was made, then try again");
    default:
        return error_set(e, code, "%s %s cannot be changed: %s", c->noun, c->name, strerror(-code));
    }
}

static void on_result(void *data, int result)
{
    _cleanup_free_ struct change *c = data;
    struct error e = { "" };

    if (result < 0)
        result = explain(c, result, &e);
    c->cb(c->data, result, c->id, &e);
}

static int propose(struct change *c, const Pb__Command *command)
{
    void *encoded = NULL;
    size_t size;
    int r;

    r = command_encode(command, &encoded, &size);
    if (r < 0)
        return r;
    r = swarm_propose(c->swarm, encoded, size, on_result, c);
    erasing_free(encoded);
    return r;
}

int change_submit(const struct change *change, const char *name, const char *id, const Pb__Command *command, struct error *e)
{
    struct change *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return error_set(e, -ENOMEM, "out of memory");
    *c = *change;
    (void) snprintf(c->name, sizeof(c->name), "%s", name);
    (void) snprintf(c->id, sizeof(c->id), "%s", id);
    r = propose(c, command);
    if (r < 0) {
        r = explain(c, r, e);
        free(c);
    }
    return r;
}
