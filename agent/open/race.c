/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "open/race.h"

#include <errno.h>
#include <string.h>

#include "monotonic.h"
#include "open/open_protocol.h"

void race_done(struct race *race)
{
    for (unsigned i = 0; i < race->lock->n; i++)
        attempt_done(&race->attempts[i]);
}

static void failed(struct race *race, const struct open_slot *slot, int code, const char *text)
{
    open_reply_add(race->reply, slot->slot, slot->kind, code, text);
}

void race_start(struct race *race, struct open_lock *lock, const char *helpers, struct open_reply *reply)
{
    struct error e;

    *race = (struct race) { .lock = lock, .helpers = helpers, .reply = reply };
    for (unsigned i = 0; i < race->lock->n; i++) {
        const struct open_slot *slot = &race->lock->slots[i];
        int r;

        race->attempts[i] = ATTEMPT_NULL;
        r = attempt_start(slot, race->helpers, &race->attempts[i], &e);
        if (r < 0)
            failed(race, slot, r, e.text);
    }
}

/* An answer of the ask-password protocol ends at a NUL. */
static int check(const struct secret *passphrase, struct error *e)
{
    if (passphrase->size == 0 || passphrase->size > OPEN_PASSPHRASE_MAX || memchr(passphrase->data, 0, passphrase->size))
        return error_set(e, -EOPNOTSUPP, "its passphrase cannot be handed over: 1 to %d bytes without a NUL can", OPEN_PASSPHRASE_MAX);
    return 0;
}

/* Whether the slot opened. */
static bool advance(struct race *race, struct attempt *a)
{
    _cleanup_(secret_done) struct secret passphrase = SECRET_NULL;
    struct error e = { "" };
    int r = attempt_continue(a, race->helpers, &passphrase, &e);

    if (r == -EAGAIN)
        return false;
    attempt_done(a);
    if (r == 0)
        r = check(&passphrase, &e);
    if (r == 0)
        r = open_lock_prove(race->lock, a->slot->slot, &passphrase, &e);
    if (r < 0) {
        failed(race, a->slot, r, e.text[0] ? e.text : strerror(-r));
        return false;
    }
    race->reply->slot = a->slot->slot;
    (void) snprintf(race->reply->kind, sizeof(race->reply->kind), "%s", a->slot->kind);
    race->reply->passphrase = secret_take(&passphrase);
    return true;
}

unsigned race_fill(const struct race *race, struct pollfd *ret)
{
    unsigned n = 0;

    for (unsigned i = 0; i < race->lock->n; i++) {
        ret[i] = (struct pollfd) { .fd = race->attempts[i].fd, .events = POLLIN };
        n += ret[i].fd >= 0;
    }
    return n;
}

bool race_step(struct race *race, const struct pollfd *p)
{
    for (unsigned i = 0; i < race->lock->n; i++)
        if (p[i].fd >= 0 && p[i].revents && advance(race, &race->attempts[i]))
            return true;
    return false;
}

void race_give_up(struct race *race, int timeout_ms)
{
    struct error e;

    (void) error_set(&e, 0, "no answer within %d s", timeout_ms / 1000);
    for (unsigned i = 0; i < race->lock->n; i++)
        if (race->attempts[i].fd >= 0)
            failed(race, race->attempts[i].slot, -EHOSTUNREACH, e.text);
}

static int run(struct race *race, int peer, int timeout_ms)
{
    int64_t deadline = monotonic_ms() + timeout_ms;
    struct pollfd p[OPEN_SLOTS_MAX + 1];
    unsigned n = race->lock->n;

    while (race_fill(race, p) > 0) {
        int r;

        p[n] = (struct pollfd) { .fd = peer, .events = POLLIN | POLLRDHUP };
        r = poll(p, n + 1, monotonic_timeout(deadline));
        if (r < 0 && errno != EINTR)
            return -errno;
        if (r == 0) {
            race_give_up(race, timeout_ms);
            return 0;
        }
        if (r > 0 && p[n].revents)
            return -ECANCELED;
        if (r > 0 && race_step(race, p))
            return 0;
    }
    return 0;
}

int race_run(struct open_lock *lock, const char *helpers, int peer, int timeout_ms, struct open_reply *reply)
{
    _cleanup_(race_done) struct race race;

    race_start(&race, lock, helpers, reply);
    return run(&race, peer, timeout_ms);
}
