/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "basic/file.h"
#include "keys/unlock_key.h"
#include "swarm/address.h"
#include "pki/ca.h"
#include "pki/id.h"
#include "pki/join_token.h"
#include "swarm/swarm_private.h"
#include "swarm/tls_file.h"
#include "swarm/trust.h"

/* What the first two commands of a swarm are made from. */
struct founding {
    Pb__Cluster cluster;
    Pb__Node node;
    Pb__Meta cluster_meta, node_meta;
    struct secret ca_key, worker_secret, manager_secret, unlock_key;
    char *ca_certificate, *certificate;
    int (*fill)(struct swarm *s, const void *data, struct error *e); /* NULL: nothing else */
    const void *fill_data;
};

static void founding_done(struct founding *f)
{
    secret_done(&f->ca_key);
    secret_done(&f->worker_secret);
    secret_done(&f->manager_secret);
    secret_done(&f->unlock_key);
    free(f->ca_certificate);
    free(f->certificate);
}

int init_check_state(struct swarm *s, struct error *e)
{
    switch (step_get_state(s)) {
    case SWARM_INACTIVE:
        return 0;
    case SWARM_LOCKED:
        return swarm_error_locked(e);
    default:
        return error_set(e, -EALREADY, "This node is already part of a swarm. Use \"swarmctl leave\" to leave this swarm and join another one.");
    }
}

static int choose_addresses(struct swarm_request *r, struct node_file *file)
{
    int result;

    result = address_complete("--listen-addr", r->listen[0] ? r->listen : ADDRESS_LISTEN_DEFAULT, file->listen, sizeof(file->listen), &r->error);
    if (result < 0)
        return result;
    if (r->advertise[0])
        return address_complete("--advertise-addr", r->advertise, file->advertise, sizeof(file->advertise), &r->error);
    return address_choose(file->listen, file->advertise, sizeof(file->advertise), &r->error);
}

static int make_file(struct swarm_request *r, struct node_file *file)
{
    *file = (struct node_file) { .role = PB__ROLE__MANAGER, .has_log = true };
    id_new(file->node_id);
    id_new(file->swarm_id);
    do
        randombytes_buf(&file->raft_id, sizeof(file->raft_id));
    while ((file->raft_id &= INT64_MAX) == 0);
    return choose_addresses(r, file);
}

static int make_ca(struct swarm *s, struct founding *f, struct error *e)
{
    return ca_create(s->file.swarm_id, swarm_now() / 1000000, &f->ca_key, &f->ca_certificate, e);
}

/* A KEK, a bundle with the first DEK and the node's TLS key, and its certificate. */
static int make_keys(struct swarm *s, struct founding *f, struct error *e)
{
    _cleanup_(secret_done) struct secret tls_key = SECRET_NULL;
    int64_t now = swarm_now() / 1000000;
    int r;

    r = secret_random(KEK_SIZE, &s->kek);
    if (r == 0 && !(s->bundle = bundle_new()))
        r = -ENOMEM;
    if (r == 0)
        r = bundle_add_dek(s->bundle);
    if (r == 0)
        r = ca_node_key(&tls_key);
    if (r == 0)
        r = ca_issue(&f->ca_key, f->ca_certificate, &tls_key, s->file.node_id, CA_ROLE_MANAGER, s->file.swarm_id, now, &f->certificate, e);
    if (r == 0 && tls_key.size > sizeof(s->bundle->tls_key))
        r = -EMSGSIZE;
    if (r != 0)
        return r;
    memcpy(s->bundle->tls_key, tls_key.data, tls_key.size);
    s->bundle->tls_key_size = (uint32_t) tls_key.size;
    return 0;
}

static ProtobufCBinaryData bytes(const void *data, size_t size)
{
    return (ProtobufCBinaryData) { .len = size, .data = (uint8_t *) data };
}

static void make_node(struct swarm *s, struct founding *f)
{
    pb__meta__init(&f->node_meta);
    f->node_meta.id = s->file.node_id;
    f->node_meta.created = swarm_now();
    pb__node__init(&f->node);
    f->node.meta = &f->node_meta;
    f->node.hostname = s->hostname;
    f->node.address = s->file.advertise;
    f->node.role = PB__ROLE__MANAGER;
    f->node.certificate = bytes(f->certificate, strlen(f->certificate));
    f->node.raft_id = s->file.raft_id;
    f->node.rekeyed = s->bundle->rekeyed;
}

static int make_objects(struct swarm *s, bool autolock, struct founding *f)
{
    int r;

    r = secret_random(JOIN_TOKEN_SECRET_SIZE, &f->worker_secret);
    if (r == 0)
        r = secret_random(JOIN_TOKEN_SECRET_SIZE, &f->manager_secret);
    if (r == 0 && autolock)
        r = unlock_key_generate(&f->unlock_key);
    if (r < 0)
        return r;

    pb__meta__init(&f->cluster_meta);
    f->cluster_meta.id = s->file.swarm_id;
    f->cluster_meta.created = swarm_now();
    pb__cluster__init(&f->cluster);
    f->cluster.meta = &f->cluster_meta;
    f->cluster.ca_key = bytes(f->ca_key.data, f->ca_key.size);
    f->cluster.ca_certificate = bytes(f->ca_certificate, strlen(f->ca_certificate));
    f->cluster.worker_secret = bytes(f->worker_secret.data, f->worker_secret.size);
    f->cluster.manager_secret = bytes(f->manager_secret.data, f->manager_secret.size);
    if (autolock) {
        f->cluster.next_unlock_key = bytes(f->unlock_key.data, f->unlock_key.size);
        f->cluster.next_unlock_generation = 1;
    }
    make_node(s, f);
    return 0;
}

static int store_certificates(struct swarm *s, const struct founding *f, struct error *e)
{
    _cleanup_free_ char *chain = trust_chain(&f->cluster, f->certificate);
    int r = chain ? tls_file_write_chain(s->files.tls, chain, e) : error_set(e, -ENOMEM, "out of memory");

    return r < 0 ? r : tls_file_write_roots(s->files.tls, f->ca_certificate, e);
}

/* Nothing of a swarm exists before node.json does: a start that finds node.json.sweep wipes the rest. */
static int found(struct swarm *s, struct founding *f, struct error *e)
{
    int r;

    r = file_write(s->files.sweep, "", 0, 0600, e);
    if (r == 0)
        r = lock_store_bundle(s, true, e);
    if (r == 0)
        r = store_certificates(s, f, e);
    if (r == 0)
        r = step_keyring(s, s->bundle, s->bundle->active_dek);
    if (r == 0)
        r = step_replica_bootstrap(s, e);
    if (r == 0)
        r = step_replica_open(s, false, e);
    if (r == 0)
        r = step_put_cluster(s, &f->cluster);
    if (r == 0)
        r = step_put_node(s, &f->node);
    if (r == 0 && f->fill)
        r = f->fill(s, f->fill_data, e);
    if (r == 0)
        r = open_identity(s, e);
    if (r == 0)
        r = node_file_write(s->files.sweep, &s->file, e);
    if (r < 0)
        return r;
    if (rename(s->files.sweep, s->files.node) < 0)
        return error_set(e, -errno, "%s cannot be written: %s", s->files.node, strerror(errno));
    return folder_sync(s->files.node);
}

static int reply(struct swarm *s, const struct founding *f, struct swarm_request *r)
{
    unsigned char digest[32];
    int result;

    (void) strcpy(r->ret_id, s->file.node_id);
    (void) strcpy(r->ret_address, s->file.advertise);
    result = join_token_ca_digest(f->ca_certificate, strlen(f->ca_certificate), digest);
    if (result == 0)
        result = join_token_format(digest, &f->worker_secret, &r->ret_token);
    if (result == 0 && f->unlock_key.size > 0) {
        r->ret_generation = f->cluster.next_unlock_generation;
        result = unlock_key_format(&f->unlock_key, &r->ret_key);
    }
    return result;
}

static int undo(struct swarm *s, int result)
{
    struct error ignored;

    open_undo(s);
    (void) lock_wipe(s, &ignored);
    return result;
}

/* The certificate authority and the secrets of a swarm that was. */
static int take_over(struct swarm *s, const Pb__Cluster *cluster, struct founding *f, struct error *e)
{
    int r;

    (void) strcpy(s->file.swarm_id, cluster->meta->id);
    f->ca_certificate = trust_ca(cluster);
    r = f->ca_certificate ? secret_copy(cluster->ca_key.data, cluster->ca_key.len, &f->ca_key) : -ENOMEM;
    if (r == 0)
        r = make_keys(s, f, e);
    if (r < 0)
        return r;
    s->bundle->rekeyed = cluster->rekey;
    make_node(s, f);
    f->cluster = *cluster;
    f->cluster_meta = *cluster->meta;
    f->cluster_meta.version = 0;
    f->cluster.meta = &f->cluster_meta;
    f->cluster.retiring_unlock_key = (ProtobufCBinaryData) { 0, NULL };
    f->cluster.retiring_generation = 0;
    f->cluster.retiring_until = 0;
    return 0;
}

int init_found(struct swarm *s, struct swarm_request *r, const Pb__Cluster *cluster,
               int (*fill)(struct swarm *s, const void *data, struct error *e), const void *data)
{
    _cleanup_(founding_done) struct founding f = { .ca_key = SECRET_NULL };
    int result = make_file(r, &s->file);

    if (result == 0)
        result = take_over(s, cluster, &f, &r->error);
    f.fill = fill;
    f.fill_data = data;
    if (result == 0)
        result = found(s, &f, &r->error);
    if (result < 0)
        return undo(s, result);
    (void) strcpy(r->ret_id, s->file.node_id);
    s->keys_locked = false;
    return 0;
}

int verb_init(struct swarm *s, struct swarm_request *r)
{
    _cleanup_(founding_done) struct founding f = { .ca_key = SECRET_NULL };
    int result;

    if (r->force_new_cluster && step_get_state(s) != SWARM_INACTIVE)
        return verb_recover(s, r);
    result = init_check_state(s, &r->error);
    if (result < 0)
        return result;
    result = make_file(r, &s->file);
    if (result == 0)
        result = make_ca(s, &f, &r->error);
    if (result == 0)
        result = make_keys(s, &f, &r->error);
    if (result == 0)
        result = make_objects(s, r->autolock, &f);
    if (result == 0)
        result = found(s, &f, &r->error);
    if (result == 0)
        result = reply(s, &f, r);
    if (result < 0)
        return undo(s, result);
    s->keys_locked = false;
    swarm_event(s, SWARM_EVENT_INITIALISED, r, -1, 0, s->file.node_id);
    step_set_state(s, SWARM_ACTIVE, NULL);
    return 0;
}
