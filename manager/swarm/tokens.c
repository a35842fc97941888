/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "pki/join_token.h"
#include "swarm/swarm_private.h"



int verb_rotate_join_token(struct swarm *s, struct swarm_request *r)
{
    _cleanup_(cluster_freep) Pb__Cluster *cluster = NULL;
    _cleanup_(secret_done) struct secret half = SECRET_NULL;
    unsigned char digest[32];
    int result;

    result = step_active_cluster(s, &cluster, &r->error);
    if (result == 0)
        result = secret_random(JOIN_TOKEN_SECRET_SIZE, &half);
    if (result == 0)
        result = bytes_replace(r->role == PB__ROLE__MANAGER ? &cluster->manager_secret : &cluster->worker_secret, half.data, half.size);
    if (result < 0)
        return result;
    result = step_put_cluster(s, cluster);
    if (result < 0)
        return swarm_error_change(&r->error, result, "the new join token cannot be stored");
    (void) strcpy(r->ret_address, s->file.advertise);
    result = join_token_ca_digest((const char *) cluster->ca_certificate.data, cluster->ca_certificate.len, digest);
    return result < 0 ? result : join_token_format(digest, &half, &r->ret_token);
}
