/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An Engine that is locked is given each stored key once, the newest first, as soon as the vault opens; one that is active is asked for its
 * key, which is stored when it is another one. */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "docker/say.h"
#include "docker/watcher_private.h"
#include "keys/recovery_key.h"
#include "keys/unlock_key.h"

static void digest(const struct secret *key, unsigned char ret[static WATCHER_DIGEST_SIZE])
{
    (void) crypto_generichash(ret, WATCHER_DIGEST_SIZE, key->data, key->size, NULL, 0);
}

static bool was_refused(const struct watcher *w, const struct secret *key)
{
    unsigned char d[WATCHER_DIGEST_SIZE];

    digest(key, d);
    for (unsigned i = 0; i < w->n_refused; i++)
        if (memcmp(w->refused[i], d, sizeof(d)) == 0)
            return true;
    return false;
}

static void note_refused(struct watcher *w, const struct secret *key)
{
    if (w->n_refused == WATCHER_REFUSED_MAX) { /* by people; the stored ones are fewer */
        memmove(w->refused[0], w->refused[1], sizeof(w->refused) - sizeof(w->refused[0]));
        w->n_refused--;
    }
    digest(key, w->refused[w->n_refused++]);
}

/* One key, unless it was refused. -EKEYREJECTED. */
static int try_key(struct watcher *w, const struct secret *key, struct error *e)
{
    int r = was_refused(w, key) ? error_set(e, -EKEYREJECTED, "Docker Engine has refused this key before") : engine_unlock(w->engine, key, e);

    if (r == -EKEYREJECTED)
        note_refused(w, key);
    return r;
}

/* 0, -EKEYREJECTED when none opens, or another errno when there is no telling. */
static int try_stored(struct watcher *w, struct error *e)
{
    unsigned i;

    for (i = 0;; i++) {
        _cleanup_(secret_done) struct secret key = SECRET_NULL;
        int r = vault_key(w->vault, i, &key);

        if (r == 0)
            r = try_key(w, &key, e);
        if (r == 0) {
            if (vault_started(w->vault, &key, e) < 0)
                watcher_trouble(w, e);
            return 0;
        }
        if (r == -ENOENT)
            break;
        if (r != -EKEYREJECTED)
            return r;
    }
    return error_set(e, -EKEYREJECTED, "Docker Engine refuses all that is stored");
}

static void end(struct watcher *w, int result, const char *how, const struct error *e)
{
    if (result == 0) {
        say_unlocked(how);
        question_end(w);
        w->trouble.text[0] = '\0';
    }
    if (result == 0 || result == -EALREADY) {
        watcher_look_now(w);
        return;
    }
    if (result == -EKEYREJECTED) {
        w->is_exhausted = true;
        question_end(w); /* raised anew, it says why */
        say_refused(vault_count(w->vault));
        vault_close(w->vault);
        return;
    }
    if (result != -ESHUTDOWN)
        watcher_trouble(w, e);
    vault_close(w->vault);
    watcher_look_later(w);
}

void unlock_opened(struct watcher *w, const struct secret *passphrase, int slot, const char *kind)
{
    struct error e = { "" };
    char how[96];
    int r = vault_open(w->vault, passphrase, &e);

    (void) snprintf(how, sizeof(how), "keyslot %d (%.60s)", slot, kind);
    if (r < 0) { /* another try would end alike */
        watcher_trouble(w, &e);
        w->is_exhausted = true;
        return;
    }
    if (w->state != ENGINE_LOCKED) { /* it was opened to store something */
        watcher_look_now(w);
        return;
    }
    r = try_stored(w, &e);
    end(w, r, how, &e);
}

void unlock_start(struct watcher *w)
{
    vault_close(w->vault);
    if (vault_is_enrolled(w->vault)) {
        w->told_idle = false;
        opener_want(&w->opener, !w->is_exhausted);
        return;
    }
    opener_want(&w->opener, false);
    question_end(w);
    if (!w->told_idle)
        say("Docker Engine at %s is locked, and its unlock key is not stored: use \"docker swarm unlock\", then \"swarmctl docker enroll\".",
            w->socket);
    w->told_idle = true;
}

static int open_by(struct watcher *w, const struct secret *text, struct error *e)
{
    _cleanup_(secret_done) struct secret recovery = SECRET_NULL;
    int r = recovery_key_normalise(text->data, text->size, &recovery);

    return vault_open(w->vault, r == 0 ? &recovery : text, e);
}

/* A key that the Engine took and that is not stored is asked of the Engine when it is active. */
static int try_typed_key(struct watcher *w, const struct secret *key, struct error *e)
{
    int r = try_key(w, key, e);

    if (r == 0 && vault_is_open(w->vault) && (vault_put(w->vault, key, e) < 0 || vault_started(w->vault, key, e) < 0))
        watcher_trouble(w, e);
    return r;
}

int unlock_typed(struct watcher *w, const struct secret *text, const char *how, struct error *e)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL, canonical = SECRET_NULL;
    int opens, r = unlock_key_parse(text->data, text->size, &key);
    bool is_key = r == 0;

    if (w->state != ENGINE_LOCKED || !w->is_found)
        return error_set(e, -EALREADY, "Docker Engine at %s is not locked", w->socket);
    if (is_key && unlock_key_format(&key, &canonical) < 0)
        return error_set(e, -ENOMEM, "no memory to try the key");
    opens = open_by(w, is_key ? &canonical : text, e);
    r = -EKEYREJECTED;
    if (is_key)
        r = try_typed_key(w, &canonical, e);
    if (r == -EKEYREJECTED && opens == 0)
        r = try_stored(w, e);
    if (r == -EKEYREJECTED && opens < 0) /* a wrong one, which changes nothing */
        return error_set(e, r, is_key ? "Docker Engine refuses this key" : "this is no unlock key, and opens none of the keyslots");
    end(w, r, how, e);
    return r;
}

static void cannot_store(struct watcher *w, const char *why)
{
    if (!w->told_not_stored)
        say_not_stored(why);
    w->told_not_stored = true;
}

void unlock_cannot_open(struct watcher *w)
{
    if (w->is_found && w->state == ENGINE_ACTIVE && w->opener.has_failed)
        cannot_store(w, "no keyslot opens; it will be stored when one does (see \"swarmctl docker keyslot ls\")");
}

void unlock_follow(struct watcher *w)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    struct error e = { "" };
    int r;

    if (!vault_is_enrolled(w->vault))
        return;
    r = engine_key(w->engine, &key, &e);
    if (r == -ENODATA) { /* autolock is off: what is stored may be wanted again by nobody, and harms nobody */
        opener_want(&w->opener, false);
        return;
    }
    if (r < 0) {
        if (r != -ESHUTDOWN)
            watcher_trouble(w, &e);
        watcher_look_later(w);
        return;
    }
    if (!vault_is_open(w->vault) && vault_open(w->vault, &key, &e) < 0) {
        opener_want(&w->opener, true);
        return;
    }
    opener_want(&w->opener, false);
    r = vault_put(w->vault, &key, &e);
    if (r > 0)
        say_stored(vault_count(w->vault));
    if (r < 0) {
        cannot_store(w, e.text);
        watcher_look_later(w);
    } else {
        w->told_not_stored = false;
        w->trouble.text[0] = '\0';
    }
}
