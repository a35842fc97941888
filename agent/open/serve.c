/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "open/serve.h"

#include <errno.h>
#include <string.h>

#include "exchange/exchange.h"
#include "open/open_protocol.h"
#include "open/race.h"

/* Bit N of the mask is keyslot N. */
static int parse(char operation, const struct secret *body, uint32_t *ret_mask)
{
    uint32_t mask = 0;

    if (operation != OPEN_OPEN || body->size != OPEN_MASK_SIZE)
        return -EINVAL;
    for (unsigned i = 0; i < OPEN_MASK_SIZE; i++)
        mask |= (uint32_t) body->data[i] << (8 * i);
    *ret_mask = mask;
    return 0;
}

static int receive(int peer, uint32_t *ret_mask, struct error *e)
{
    _cleanup_(secret_done) struct secret body = SECRET_NULL;
    char operation;
    int r = exchange_request(peer, SERVE_REQUEST_MS, &operation, &body);

    if (r < 0)
        return r == -ECANCELED ? r : error_set(e, r, "no valid request came: %s", strerror(-r));
    r = parse(operation, &body, ret_mask);
    if (r < 0)
        (void) exchange_refuse(peer, r, "the request is not one of swarm-open's");
    return r < 0 ? error_set(e, r, "refused a request of %zu bytes that is none of swarm-open's", body.size) : 0;
}

static int answer(int peer, const struct open_reply *reply)
{
    _cleanup_(secret_done) struct secret body = SECRET_NULL;
    int r = open_reply_format(reply, &body);

    return r < 0 ? r : exchange_reply(peer, body.data, body.size);
}

static int find(int peer, const char *path, const char *helpers, uint32_t mask, int timeout_ms, struct error *e)
{
    _cleanup_(open_lock_done) struct open_lock lock = OPEN_LOCK_NULL;
    _cleanup_(open_reply_done) struct open_reply reply = OPEN_REPLY_NULL;
    int r = open_lock_load(path, mask, &lock, e);

    if (r < 0) {
        (void) exchange_refuse(peer, r, e->text);
        return r == -EKEYREJECTED ? 0 : r;
    }
    r = race_run(&lock, helpers, peer, timeout_ms, &reply);
    if (r == 0)
        r = answer(peer, &reply);
    return r < 0 && r != -ECANCELED && r != -EPIPE ? error_set(e, r, "cannot answer: %s", strerror(-r)) : 0;
}

int serve(int peer, const char *path, const char *helpers, int timeout_ms, struct error *e)
{
    uint32_t mask = 0;
    int r = receive(peer, &mask, e);

    if (r < 0)
        return r == -ECANCELED ? 0 : r;
    return find(peer, path, helpers, mask, timeout_ms, e);
}
