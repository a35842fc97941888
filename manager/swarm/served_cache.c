/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "swarm/served_cache.h"

#include <errno.h>
#include <string.h>

static struct served_copy *find(const struct served_cache *c, uint32_t kind, const char *object_id, uint64_t revision)
{
    for (size_t i = 0; i < c->n; i++) {
        struct served_copy *copy = &c->copies[i];

        if (copy->revision == revision && copy->kind == kind && strcmp(copy->object_id, object_id) == 0)
            return copy;
    }
    return NULL;
}

const struct secret *served_cache_get(const struct served_cache *c, uint32_t kind, const char *object_id, uint64_t revision)
{
    const struct served_copy *copy = find(c, kind, object_id, revision);

    return copy ? &copy->data : NULL;
}

const struct secret *served_cache_find(const struct served_cache *c, uint32_t kind, const char *object_id, uint64_t revision,
                                       uint64_t *ret_revision)
{
    const struct served_copy *best = find(c, kind, object_id, revision);

    for (size_t i = 0; !best && i < c->n; i++)
        if (c->copies[i].kind == kind && strcmp(c->copies[i].object_id, object_id) == 0)
            best = &c->copies[i];
    for (size_t i = 0; best && best->revision != revision && i < c->n; i++)
        if (c->copies[i].kind == kind && strcmp(c->copies[i].object_id, object_id) == 0 && c->copies[i].revision > best->revision)
            best = &c->copies[i];
    if (best && ret_revision)
        *ret_revision = best->revision;
    return best ? &best->data : NULL;
}

int served_cache_put(struct served_cache *c, uint32_t kind, const char *object_id, uint64_t revision, struct secret *data)
{
    struct served_copy *more;

    if (find(c, kind, object_id, revision))
        return 0;
    if (data->size > SERVED_CACHE_MAX || c->bytes > SERVED_CACHE_MAX - data->size)
        return -ENOSPC;
    more = reallocarray(c->copies, c->n + 1, sizeof(*more));
    if (!more)
        return -ENOMEM;
    c->copies = more;
    more[c->n] = (struct served_copy) { .kind = kind, .revision = revision, .data = secret_take(data) };
    (void) snprintf(more[c->n].object_id, sizeof(more[c->n].object_id), "%s", object_id);
    c->bytes += more[c->n++].data.size;
    return 0;
}

static bool is_wanted(const struct served_cache *c, const struct served_copy *copy, const Peer__Manifest *m)
{
    for (size_t i = 0; m && i < m->n_services; i++)
        for (size_t k = 0; k < m->services[i]->n_grants; k++) {
            const Peer__ServedGrant *g = m->services[i]->grants[k];

            if (g->kind == copy->kind && strcmp(g->object_id, copy->object_id) == 0 &&
                (g->revision == copy->revision || !find(c, g->kind, g->object_id, g->revision)))
                return true;
        }
    return false;
}

static void drop(struct served_cache *c, size_t i)
{
    c->bytes -= c->copies[i].data.size;
    secret_done(&c->copies[i].data);
    c->copies[i] = c->copies[--c->n];
}

void served_cache_keep(struct served_cache *c, const Peer__Manifest *m)
{
    for (size_t i = c->n; i > 0; i--)
        if (!is_wanted(c, &c->copies[i - 1], m))
            drop(c, i - 1);
}

void served_cache_done(struct served_cache *c)
{
    while (c->n > 0)
        drop(c, c->n - 1);
    free(c->copies);
    *c = (struct served_cache) { NULL, 0, 0 };
}
