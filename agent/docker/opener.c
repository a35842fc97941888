/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "docker/opener.h"

#include <errno.h>
#include <string.h>

#include "basic/file.h"
#include "basic/text.h"
#include "docker/say.h"
#include "docker/vault_private.h"
#include "exchange/exchange.h"
#include "open/open_protocol.h"
#include "unlock/unlock_protocol.h"

#define UNLOCK_SOCKET_NAME "unlock.sock"

void opener_init(struct opener *o, struct vault *vault, const char *helpers)
{
    *o = (struct opener) { .vault = vault, .helpers = helpers, .lock = OPEN_LOCK_NULL, .reply = OPEN_REPLY_NULL, .watching = -1, .again = NEVER };
}

static void stop(struct opener *o)
{
    _cleanup_(vault_unlock) pthread_mutex_t *held _unused_ = vault_lock(o->vault);

    if (o->running)
        race_done(&o->race);
    open_lock_done(&o->lock);
    open_reply_done(&o->reply);
    o->running = false;
}

static void watch(struct opener *o)
{
    char path[PATH_MAX];

    if (o->watching >= 0 || path_join(path, o->helpers, UNLOCK_SOCKET_NAME) < 0)
        return;
    o->watching = exchange_connect(path); /* without it the pauses do */
    if (o->watching >= 0 && exchange_send(o->watching, UNLOCK_WATCH, NULL, 0) < 0)
        closep(&o->watching);
    if (o->watching < 0)
        o->watching = -1;
}

static void try_later(struct opener *o)
{
    stop(o);
    if (o->changed)
        o->pause_ms = OPENER_FIRST_PAUSE_MS;
    o->again = monotonic_ms() + o->pause_ms;
    o->pause_ms = o->pause_ms > OPENER_MAX_PAUSE_MS / 2 ? OPENER_MAX_PAUSE_MS : o->pause_ms * 2;
    o->has_failed = true;
}

static void start(struct opener *o)
{
    _cleanup_(vault_unlock) pthread_mutex_t *held _unused_ = vault_lock(o->vault);
    struct error e;

    o->began = monotonic_ms();
    o->again = NEVER;
    o->changed = false;
    if (open_lock_load(o->vault->lock, o->mask, &o->lock, &e) < 0) {
        say_trouble(e.text);
        o->has_failed = true;
        return; /* the next change at the Engine, or a person, begins anew */
    }
    race_start(&o->race, &o->lock, o->helpers, &o->reply);
    o->running = true;
}

void opener_want(struct opener *o, bool wanted)
{
    if (wanted == o->wanted)
        return;
    o->wanted = wanted;
    if (!wanted) {
        stop(o);
        closep(&o->watching);
        o->again = NEVER;
        return;
    }
    o->mask = OPEN_MASK_ALL;
    o->pause_ms = OPENER_FIRST_PAUSE_MS;
    o->has_failed = false;
    memset(o->said, 0, sizeof(o->said));
    start(o);
    watch(o);
}

unsigned opener_fill(struct opener *o, struct pollfd *ret)
{
    unsigned n = o->running ? o->lock.n : 0;

    if (o->running)
        (void) race_fill(&o->race, ret);
    ret[n] = (struct pollfd) { .fd = o->watching, .events = POLLIN };
    return n + 1;
}

static bool is_over(const struct opener *o)
{
    struct pollfd p[OPEN_SLOTS_MAX];

    return o->running && race_fill(&o->race, p) == 0;
}

int64_t opener_next(const struct opener *o)
{
    if (!o->running)
        return o->again;
    return is_over(o) ? 0 : o->began + OPEN_DEADLINE_MS;
}

/* A server that refuses may be mended; what refuses on this machine is settled. */
static bool is_final(const struct open_failure *f)
{
    return f->class == 'u' || f->class == 'i' || (f->class == 'r' && strcmp(f->kind, "clevis") != 0);
}

static void none_opened(struct opener *o)
{
    unsigned left = 0;

    for (unsigned i = 0; i < o->reply.n_failures; i++) {
        const struct open_failure *f = &o->reply.failures[i];

        if (o->said[f->slot][0] == '\0') {
            text_copy(o->said[f->slot], sizeof(o->said[f->slot]), f->text);
            say_keyslot(f);
            vault_note(o->vault, f->slot, false, f->text);
        }
        if (is_final(f))
            o->mask &= ~(UINT32_C(1) << f->slot);
        else
            left++;
    }
    try_later(o);
    if (left == 0) { /* nothing that could open, and no reason to wake up for it */
        closep(&o->watching);
        o->again = NEVER;
    }
}

/* Something may be reachable that was not. The next try comes at once, but not in a burst. */
static void on_watching(struct opener *o)
{
    int64_t now = monotonic_ms();
    int r = exchange_receive(o->watching, NULL, NULL);

    if (r == -EAGAIN)
        return;
    if (r < 0) {
        closep(&o->watching);
        return;
    }
    o->pause_ms = OPENER_FIRST_PAUSE_MS;
    o->changed = true;
    if (!o->running)
        o->again = now > o->began + OPENER_FIRST_PAUSE_MS ? now : o->began + OPENER_FIRST_PAUSE_MS;
}

static bool race_goes_on(struct opener *o, const struct pollfd *p)
{
    _cleanup_(vault_unlock) pthread_mutex_t *held _unused_ = vault_lock(o->vault);

    return !race_step(&o->race, p);
}

int opener_step(struct opener *o, const struct pollfd *p, unsigned n, struct secret *ret, int *ret_slot, char ret_kind[static OPEN_KIND_MAX])
{
    if (!o->wanted)
        return -EAGAIN;
    if (o->watching >= 0 && p[n - 1].revents)
        on_watching(o);
    if (o->running && !race_goes_on(o, p)) {
        *ret = secret_take(&o->reply.passphrase);
        *ret_slot = o->reply.slot;
        (void) strcpy(ret_kind, o->reply.kind);
        opener_want(o, false);
        return 0;
    }
    if (o->running && !is_over(o) && monotonic_ms() >= o->began + OPEN_DEADLINE_MS)
        race_give_up(&o->race, OPEN_DEADLINE_MS);
    if (is_over(o) || (o->running && monotonic_ms() >= o->began + OPEN_DEADLINE_MS))
        none_opened(o);
    else if (!o->running && o->again <= monotonic_ms())
        start(o);
    return -EAGAIN;
}
