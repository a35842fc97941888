/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the faces ask of an active manager without changing it. */
#include <errno.h>
#include <string.h>

#include "pki/join_token.h"
#include "swarm/swarm_private.h"

static const char *const autolock_names[] = {
    [SWARM_AUTOLOCK_OFF] = "off",
    [SWARM_AUTOLOCK_UNCONFIRMED] = "unconfirmed",
    [SWARM_AUTOLOCK_ON] = "on",
};

const char *swarm_autolock_to_string(enum swarm_autolock autolock)
{
    return autolock_names[autolock];
}

enum swarm_autolock swarm_autolock(const struct swarm *s)
{
    const Pb__Cluster *cluster = s->store ? store_cluster(s->store) : NULL;

    if (s->state == SWARM_LOCKED || (cluster && cluster->autolock))
        return SWARM_AUTOLOCK_ON;
    return cluster && cluster->next_unlock_key.len > 0 ? SWARM_AUTOLOCK_UNCONFIRMED : SWARM_AUTOLOCK_OFF;
}

int swarm_unlock_key(const struct swarm *s, uint32_t *ret_generation, struct secret *ret_text, struct error *e)
{
    const Pb__Cluster *cluster;
    int r;

    r = swarm_check_active(s, e);
    if (r < 0)
        return r;
    cluster = store_cluster(s->store);
    if (cluster->next_unlock_key.len > 0) {
        r = lock_key_text(&cluster->next_unlock_key, ret_text);
        if (r == 0)
            *ret_generation = cluster->next_unlock_generation;
        return r;
    }
    if (cluster->unlock_key.len == 0)
        return error_set(e, -ENODATA, "no unlock key is set");
    r = lock_key_text(&cluster->unlock_key, ret_text);
    if (r == 0)
        *ret_generation = cluster->unlock_generation;
    return r;
}

int swarm_join_token(const struct swarm *s, Pb__Role role, struct secret *ret_text, char ret_address[static SWARM_ADDRESS_MAX], struct error *e)
{
    _cleanup_(secret_done) struct secret half = SECRET_NULL;
    const ProtobufCBinaryData *data;
    const Pb__Cluster *cluster;
    unsigned char digest[32];
    int r;

    r = swarm_check_active(s, e);
    if (r < 0)
        return r;
    cluster = store_cluster(s->store);
    data = role == PB__ROLE__MANAGER ? &cluster->manager_secret : &cluster->worker_secret;
    r = secret_copy(data->data, data->len, &half);
    if (r == 0)
        r = join_token_ca_digest((const char *) cluster->ca_certificate.data, cluster->ca_certificate.len, digest);
    if (r == 0)
        r = join_token_format(digest, &half, ret_text);
    if (r == 0)
        (void) snprintf(ret_address, SWARM_ADDRESS_MAX, "%s", s->node.advertise);
    return r;
}

static bool matches(const Pb__Node *node, const char *name)
{
    return strcmp(node->meta->id, name) == 0 || strcmp(node->hostname, name) == 0;
}

int swarm_find_node(const struct swarm *s, const char *name, const Pb__Node **ret, struct error *e)
{
    const Pb__Node *exact = NULL, *prefix = NULL;
    unsigned n_exact = 0, n_prefix = 0;

    if (strcmp(name, "self") == 0)
        name = s->node.node_id;
    for (size_t i = 0; i < store_n_nodes(s->store); i++) {
        const Pb__Node *node = store_node_at(s->store, i);

        if (matches(node, name)) {
            exact = node;
            n_exact++;
        } else if (strncmp(node->meta->id, name, strlen(name)) == 0) {
            prefix = node;
            n_prefix++;
        }
    }
    if (n_exact == 0 && name[0] != '\0') {
        exact = prefix;
        n_exact = n_prefix;
    }
    if (n_exact > 1)
        return error_set(e, -ENOTUNIQ, "node %.64s is ambiguous (%u matches found): give more of its ID", name, n_exact);
    if (n_exact == 0)
        return error_set(e, -ENOENT, "node %.64s not found", name);
    *ret = exact;
    return 0;
}
