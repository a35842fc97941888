/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "basic/file.h"
#include "pki/join_token.h"
#include "swarm/address.h"
#include "swarm/membership.h"

#define JOIN_MS 20000
#define ACTIVE_MS 20000

/* host:port that the others reach this machine under; ":port" where they have to see the host. */
static int choose_addresses(struct swarm_request *r, struct node_file *file)
{
    const char *port;
    int result = address_complete("--listen-addr", r->listen[0] ? r->listen : ADDRESS_LISTEN_DEFAULT, file->listen, sizeof(file->listen), &r->error);

    if (result < 0)
        return result;
    if (r->advertise[0])
        return address_complete("--advertise-addr", r->advertise, file->advertise, sizeof(file->advertise), &r->error);
    port = strrchr(file->listen, ':');
    (void) snprintf(file->advertise, sizeof(file->advertise), "%s", port);
    return 0;
}

static int ask_to_join(struct swarm *s, struct swarm_request *r, struct membership *m, const struct secret *secret, const unsigned char *pinned)
{
    _cleanup_(identity_unrefp) struct identity *anonymous = NULL;
    _cleanup_(peer_reply_freep) Peer__Reply *reply = NULL;
    _cleanup_free_ unsigned char *certificate_request = NULL;
    Peer__Request request = PEER__REQUEST__INIT;
    Peer__Join join = PEER__JOIN__INIT;
    const char *const remote[] = { r->remote };
    struct call call = { .protocol = PEER_PROTOCOL_JOIN, .managers = remote, .n_managers = 1, .request = &request, .timeout_ms = JOIN_MS };
    size_t size;
    int result = membership_request(m, &certificate_request, &size, &r->error);

    if (result == 0)
        result = identity_new_pinned(pinned, &anonymous, &r->error);
    if (result < 0)
        return result;
    join.secret = (ProtobufCBinaryData) { secret->size, secret->data };
    join.certificate_request = (ProtobufCBinaryData) { size, certificate_request };
    join.hostname = s->hostname;
    join.address = m->file.advertise;
    request.what_case = PEER__REQUEST__WHAT_JOIN;
    request.join = &join;
    call.identity = anonymous;
    result = step_call(s, &call, &reply, &r->error);
    if (result == 0 && reply->what_case != PEER__REPLY__WHAT_MEMBERSHIP)
        result = error_set(&r->error, -EPROTO, "the swarm's answer is not understood: is this machine's version the older one?");
    return result < 0 ? result : membership_accept(m, reply->membership, pinned, &r->error);
}

static int enter(struct swarm *s, struct swarm_request *r, struct membership *m)
{
    _cleanup_(secret_done) struct secret secret = SECRET_NULL;
    unsigned char digest[JOIN_TOKEN_DIGEST_SIZE];
    char remote[SWARM_ADDRESS_MAX];
    int result = join_token_parse(r->key.data, r->key.size, digest, &secret);

    if (result < 0)
        return error_set(&r->error, result, "invalid join token");
    result = address_complete("HOST", r->remote, remote, sizeof(remote), &r->error);
    if (result < 0)
        return result;
    (void) strcpy(r->remote, remote);
    result = choose_addresses(r, &m->file);
    if (result == 0)
        result = ask_to_join(s, r, m, &secret, digest);
    if (result == 0 && m->file.role == PB__ROLE__MANAGER)
        result = membership_fetch_unlock_key(s, m, &r->error);
    return result;
}

/* As for a new swarm: nothing exists before node.json does. */
static int settle(struct swarm *s, struct membership *m, struct error *e)
{
    int r = file_write(s->files.sweep, "", 0, 0600, e);

    s->file = m->file;
    if (r == 0)
        r = membership_store(s, m, e);
    if (r == 0)
        r = open_member(s, e);
    if (r >= 0)
        r = node_file_write(s->files.sweep, &s->file, e);
    if (r < 0)
        return r;
    if (rename(s->files.sweep, s->files.node) < 0)
        return error_set(e, -errno, "%s cannot be written: %s", s->files.node, strerror(errno));
    return folder_sync(s->files.node);
}

/* A manager that joins is active once the log has come. */
int open_await_active(struct swarm *s, unsigned milliseconds)
{
    for (unsigned waited = 0; step_get_state(s) == SWARM_PENDING; waited += 20)
        if (waited >= milliseconds || lifecycle_sleep(s->lifecycle, 20) < 0)
            return -EAGAIN;
    return 0;
}

int verb_join(struct swarm *s, struct swarm_request *r)
{
    _cleanup_(membership_done) struct membership m = MEMBERSHIP_NULL;
    struct error ignored;
    int result = init_check_state(s, &r->error);

    if (result == 0)
        result = enter(s, r, &m);
    if (result < 0)
        return result;
    result = settle(s, &m, &r->error);
    if (result < 0) {
        open_undo(s);
        (void) lock_wipe(s, &ignored);
        return result;
    }
    (void) strcpy(r->ret_id, s->file.node_id);
    r->role = s->file.role;
    swarm_event(s, SWARM_EVENT_JOINED, r, -1, 0, s->file.node_id);
    if (s->file.role == PB__ROLE__WORKER)
        step_set_state(s, SWARM_ACTIVE, NULL);
    else
        (void) open_await_active(s, ACTIVE_MS);
    return 0;
}
