/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When the leader heard of each node last. Loop's thread. */
#include <stdlib.h>
#include <string.h>

#include "swarm/swarm_private.h"

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct seen *) a)->id, ((const struct seen *) b)->id);
}

static struct seen *find(const struct swarm *s, const char *id)
{
    struct seen key;

    (void) snprintf(key.id, sizeof(key.id), "%s", id);
    return s->n_seen > 0 ? bsearch(&key, s->seen, s->n_seen, sizeof(key), compare) : NULL;
}

void seen_now(struct swarm *s, const char *id)
{
    struct seen *seen = find(s, id), *more;

    if (!seen) {
        if (s->n_seen >= STORE_NODES_MAX || !(more = reallocarray(s->seen, s->n_seen + 1, sizeof(*more))))
            return;
        s->seen = more;
        seen = &more[s->n_seen++];
        (void) snprintf(seen->id, sizeof(seen->id), "%s", id);
        seen->at = uv_now(s->config.loop);
        qsort(s->seen, s->n_seen, sizeof(*seen), compare);
        return;
    }
    seen->at = uv_now(s->config.loop);
}

void seen_forget(struct swarm *s, const char *id)
{
    struct seen *seen = find(s, id);

    if (!seen)
        return;
    memmove(seen, seen + 1, (size_t) (s->seen + s->n_seen - seen - 1) * sizeof(*seen));
    s->n_seen--;
}

bool seen_since(const struct swarm *s, const char *id, uint64_t milliseconds)
{
    const struct seen *seen = find(s, id);

    return seen && uv_now(s->config.loop) - seen->at < milliseconds;
}

void seen_forget_all(struct swarm *s)
{
    free(s->seen);
    s->seen = NULL;
    s->n_seen = 0;
}
