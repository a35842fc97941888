/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A new certificate authority: until every node has a certificate of the new one, both roots are trusted, and the cross certificate leads
 * those that know only the old root to the new one. */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "pki/ca.h"
#include "pki/join_token.h"
#include "swarm/swarm_private.h"
#include "swarm/trust.h"

static int replace_ca(Pb__Cluster *cluster, struct error *e)
{
    _cleanup_(secret_done) struct secret old_key = SECRET_NULL, new_key = SECRET_NULL;
    _cleanup_free_ char *old_root = trust_ca(cluster), *new_root = NULL, *cross = NULL;
    int64_t now = swarm_now() / 1000000;
    int r = old_root ? secret_copy(cluster->ca_key.data, cluster->ca_key.len, &old_key) : -ENOMEM;

    if (r == 0)
        r = ca_create(cluster->meta->id, now, &new_key, &new_root, e);
    if (r == 0)
        r = ca_cross_sign(&old_key, old_root, new_root, now, &cross, e);
    if (r == 0)
        r = bytes_replace(&cluster->old_ca_certificate, old_root, strlen(old_root));
    if (r == 0)
        r = bytes_replace(&cluster->cross_certificate, cross, strlen(cross));
    if (r == 0)
        r = bytes_replace(&cluster->ca_certificate, new_root, strlen(new_root));
    return r < 0 ? r : bytes_replace(&cluster->ca_key, new_key.data, new_key.size);
}

static int show_digest(const Pb__Cluster *cluster, struct swarm_request *r)
{
    unsigned char digest[JOIN_TOKEN_DIGEST_SIZE];
    int result = join_token_ca_digest(cluster->ca_certificate.data, cluster->ca_certificate.len, digest);

    if (result == 0)
        (void) sodium_bin2hex(r->ret_digest, sizeof(r->ret_digest), digest, sizeof(digest));
    return result;
}

int verb_rotate_ca(struct swarm *s, struct swarm_request *r)
{
    _cleanup_(cluster_freep) Pb__Cluster *cluster = NULL;
    int result = step_current(s, &r->error);

    if (result == 0)
        result = step_active_cluster(s, &cluster, &r->error);
    if (result != 0)
        return result;
    if (cluster->old_ca_certificate.len > 0)
        return error_set(&r->error, -EALREADY, "the last rotation of the CA is still under way: \"swarmctl node ls\" shows which nodes have no "
                                               "certificate of the new one yet; remove those that do not come back");
    result = replace_ca(cluster, &r->error);
    if (result < 0)
        return r->error.text[0] ? result : error_set(&r->error, result, "no new CA can be made: %s", strerror(-result));
    result = step_put_cluster(s, cluster);
    if (result < 0)
        return swarm_error_change(&r->error, result, "the new CA cannot be stored");
    result = show_digest(cluster, r);
    swarm_event(s, SWARM_EVENT_CA_ROTATED, r, -1, 0, r->ret_digest);
    return result;
}
