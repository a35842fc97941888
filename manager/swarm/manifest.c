/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "swarm/manifest.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* One service, with pointers into the store. */
struct draft {
    Peer__ServedService service;
    Peer__ServedGrant grants[STORE_GRANTS_MAX];
    Peer__ServedGrant *pointers[STORE_GRANTS_MAX];
};

static uint64_t rollout_of(const Pb__Service *service, const char *node_id)
{
    const Pb__Rollout *rollout = service->rollout;

    if (!rollout || rollout->state != PB__ROLLOUT_STATE__RUNNING)
        return 0;
    for (size_t i = 0; i < rollout->n_nodes; i++)
        if (strcmp(rollout->nodes[i]->id, node_id) == 0)
            return rollout->nodes[i]->state == PB__ROLLOUT_NODE_STATE__WORKING ? rollout->number : 0;
    return 0;
}

static void add_grant(struct draft *d, const struct store *store, const Pb__Service *service, const Pb__Grant *grant, const char *node_id)
{
    const Pb__Object *object = store_object(store, grant->kind, grant->object_id);
    Peer__ServedGrant *g = &d->grants[d->service.n_grants];
    const ProtobufCBinaryData *data;

    if (!object)
        return;
    peer__served_grant__init(g);
    g->revision = service_revision(service, object, node_id);
    data = store_object_data(object, g->revision);
    if (!data)
        return;
    g->kind = grant->kind;
    g->object_id = grant->object_id;
    g->object_name = object->name;
    g->credential = grant->credential;
    g->size = (uint32_t) data->len;
    d->pointers[d->service.n_grants++] = g;
}

static void draft_service(struct draft *d, const struct store *store, const Pb__Service *service, const char *node_id)
{
    peer__served_service__init(&d->service);
    d->service.service_id = service->meta->id;
    d->service.name = service->name;
    d->service.unit = service->unit;
    d->service.on_update = service->on_update;
    d->service.max_age = service->max_age;
    d->service.offline = service->offline;
    d->service.enabled = service->enabled;
    d->service.rollout = rollout_of(service, node_id);
    d->service.grants = d->pointers;
    for (size_t i = 0; i < service->n_grants && i < STORE_GRANTS_MAX; i++)
        add_grant(d, store, service, service->grants[i], node_id);
}

struct drafts {
    struct draft *list;
    Peer__ServedService **pointers;
    size_t n;
};

static void drafts_done(struct drafts *d)
{
    free(d->list);
    free(d->pointers);
}

static int make_drafts(const struct store *store, const Pb__Node *node, struct drafts *ret)
{
    size_t n = 0, all = store_n_services(store);

    for (size_t i = 0; i < all; i++)
        n += service_is_on(store_service_at(store, i), node);
    if (n == 0)
        return 0;
    ret->list = calloc(n, sizeof(*ret->list));
    ret->pointers = calloc(n, sizeof(*ret->pointers));
    if (!ret->list || !ret->pointers)
        return -ENOMEM;
    for (size_t i = 0; i < all; i++)
        if (service_is_on(store_service_at(store, i), node)) {
            draft_service(&ret->list[ret->n], store, store_service_at(store, i), node->meta->id);
            ret->pointers[ret->n] = &ret->list[ret->n].service;
            ret->n++;
        }
    return 0;
}

/* A copy of its own, with the digest of what it was copied from. */
static int finish(const Peer__Manifest *draft, Peer__Manifest **ret)
{
    size_t size = peer__manifest__get_packed_size(draft);
    _cleanup_free_ uint8_t *packed = malloc(size + 1);
    _cleanup_(manifest_freep) Peer__Manifest *m = NULL;

    if (size > MANIFEST_MAX)
        return -EMSGSIZE;
    if (!packed)
        return -ENOMEM;
    (void) peer__manifest__pack(draft, packed);
    m = peer__manifest__unpack(NULL, size, packed);
    if (!m || !(m->digest.data = malloc(MANIFEST_DIGEST_SIZE)))
        return -ENOMEM;
    m->digest.len = MANIFEST_DIGEST_SIZE;
    (void) crypto_hash_sha256(m->digest.data, packed, size);
    *ret = TAKE_PTR(m);
    return 0;
}

int manifest_make(const struct store *store, const char *node_id, Peer__Manifest **ret)
{
    _cleanup_(drafts_done) struct drafts drafts = { NULL };
    const Pb__Node *node = store_node(store, node_id);
    Peer__Manifest draft = PEER__MANIFEST__INIT;
    int r = node ? make_drafts(store, node, &drafts) : 0;

    if (r < 0)
        return r;
    draft.services = drafts.pointers;
    draft.n_services = drafts.n;
    return finish(&draft, ret);
}

Peer__Manifest *manifest_copy(const Peer__Manifest *m)
{
    size_t size = peer__manifest__get_packed_size(m);
    _cleanup_free_ uint8_t *packed = malloc(size + 1);

    if (!packed)
        return NULL;
    (void) peer__manifest__pack(m, packed);
    return peer__manifest__unpack(NULL, size, packed);
}

void manifest_free(Peer__Manifest *m)
{
    peer__manifest__free_unpacked(m, NULL);
}

bool manifest_is(const Peer__Manifest *m, const ProtobufCBinaryData *digest)
{
    return m && m->digest.len == digest->len && memcmp(m->digest.data, digest->data, digest->len) == 0;
}

static bool fits(const char *text, size_t max)
{
    return strnlen(text, max + 1) <= max;
}

static bool service_is_valid(const Peer__ServedService *service)
{
    if (!fits(service->service_id, STORE_ID_LEN) || !fits(service->name, STORE_NAME_MAX) || !service_unit_is_valid(service->unit) ||
        service->n_grants > STORE_GRANTS_MAX)
        return false;
    for (size_t i = 0; i < service->n_grants; i++) {
        const Peer__ServedGrant *g = service->grants[i];

        if (g->kind > PB__KIND__CONFIG || !fits(g->object_id, STORE_ID_LEN) || !fits(g->object_name, STORE_NAME_MAX) ||
            !service_credential_is_valid(g->credential))
            return false;
    }
    return true;
}

bool manifest_is_valid(const Peer__Manifest *m)
{
    if (m->digest.len != MANIFEST_DIGEST_SIZE || m->n_services > STORE_SERVICES_MAX)
        return false;
    for (size_t i = 0; i < m->n_services; i++)
        if (!service_is_valid(m->services[i]))
            return false;
    return true;
}

bool manifest_grants(const Peer__Manifest *m, uint32_t kind, const char *object_id, uint64_t revision)
{
    for (size_t i = 0; m && i < m->n_services; i++)
        for (size_t k = 0; k < m->services[i]->n_grants; k++) {
            const Peer__ServedGrant *g = m->services[i]->grants[k];

            if (g->kind == kind && g->revision == revision && strcmp(g->object_id, object_id) == 0)
                return true;
        }
    return false;
}

static const Peer__ServedGrant *grant_of(const Peer__ServedService *service, const char *credential)
{
    for (size_t i = 0; i < service->n_grants; i++)
        if (strcmp(service->grants[i]->credential, credential) == 0)
            return service->grants[i];
    return NULL;
}

/* More than any other for a whole name. */
static size_t weight(const Peer__ServedService *service)
{
    return strchr(service->unit, '*') ? strlen(service->unit) : SIZE_MAX;
}

const Peer__ServedGrant *manifest_find(const Peer__Manifest *m, const char *unit, const char *credential, const Peer__ServedService **ret_service)
{
    const Peer__ServedService *best = NULL;

    for (size_t i = 0; i < m->n_services; i++) {
        const Peer__ServedService *service = m->services[i];

        if ((!best || weight(service) > weight(best)) && service_unit_matches(service->unit, unit) && grant_of(service, credential))
            best = service;
    }
    if (best && ret_service)
        *ret_service = best;
    return best ? grant_of(best, credential) : NULL;
}
