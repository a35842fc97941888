/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "docker/watcher.h"

#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <string.h>
#include <sys/eventfd.h>

#include "ask/answer.h"
#include "docker/say.h"
#include "docker/watcher_private.h"

#define FIRST_PAUSE_MS 250
#define MAX_PAUSE_MS 30000
#define POLL_MS 10000     /* where nothing tells of a change */
#define LIVED_MS 2000
#define PENDING_MS 1000   /* until it has heard of the other managers */

static void new_engine(struct watcher *w)
{
    w->n_refused = 0;
    w->is_exhausted = w->told_not_stored = w->was_wrong = false;
    vault_close(w->vault);
    opener_want(&w->opener, false);
}

static int use_socket(struct watcher *w)
{
    char socket[ENGINE_SOCKET_MAX];

    vault_socket(w->vault, socket);
    if (w->engine && strcmp(socket, w->socket) == 0)
        return 0;
    if (w->engine) {
        engine_free(TAKE_PTR(w->engine));
        new_engine(w);
    }
    places_watch_socket(&w->places, socket, false);
    (void) strcpy(w->socket, socket);
    return engine_new(socket, w->stopping, &w->engine);
}

void watcher_trouble(struct watcher *w, const struct error *why)
{
    if (strcmp(w->trouble.text, why->text) == 0)
        return;
    w->trouble = *why;
    say_trouble(why->text);
}

void watcher_look_later(struct watcher *w)
{
    w->again = monotonic_ms() + w->pause_ms;
    w->pause_ms = w->pause_ms > MAX_PAUSE_MS / 2 ? MAX_PAUSE_MS : w->pause_ms * 2;
}

/* An Engine that stops, or starts, does not answer for a while. */
static void lost(struct watcher *w, int64_t began, const struct error *why)
{
    if (w->is_found)
        w->pause_ms = FIRST_PAUSE_MS;
    if (w->is_found || w->lost == NEVER)
        w->lost = began;
    w->is_found = false;
    new_engine(w);
    question_end(w);
    if (monotonic_ms() - w->lost >= w->config->patience_ms)
        watcher_trouble(w, why);
    places_watch_socket(&w->places, w->socket, true);
    watcher_look_later(w);
}

/* It was restarted while the agent did something else. */
static bool is_another(const struct watcher *w, const struct engine_info *info)
{
    return w->is_found && ((w->connection >= 0 && engine_has_reconnected(w->engine)) ||
                           (w->state != ENGINE_LOCKED && info->state == ENGINE_LOCKED));
}

static void found(struct watcher *w, const struct engine_info *info)
{
    bool tells;

    if (is_another(w, info)) {
        new_engine(w);
        w->connection = -1;
    }
    if (w->trouble.text[0] && !w->is_found)
        say("Docker Engine at %s answers again.", w->socket);
    if (!w->is_found) {
        w->trouble.text[0] = '\0';
        w->pause_ms = FIRST_PAUSE_MS;
    }
    if (!w->is_found || w->connection != engine_connection(w->engine))
        w->connected = monotonic_ms();
    w->is_found = true;
    w->connection = engine_connection(w->engine);
    w->lost = NEVER;
    w->state = info->state;
    places_watch_socket(&w->places, w->socket, false);
    tells = places_watch_keys(&w->places, info->root) && engine_connection(w->engine) >= 0;
    w->again = tells ? NEVER : monotonic_ms() + POLL_MS;
}

/* An Engine that was stopped stays so: it writes where it keeps its keys when it starts, which is seen. */
static void stands_still(struct watcher *w)
{
    w->is_found = false;
    w->lost = NEVER;
    w->connection = -1;
    new_engine(w);
    question_end(w);
    (void) places_watch_keys(&w->places, ENGINE_ROOT); /* it may never have said where */
    watcher_look_later(w);
}

static void look(struct watcher *w)
{
    int64_t began = monotonic_ms();
    struct engine_info info;
    struct error why = { "" };
    int r = use_socket(w);

    w->again = NEVER;
    if (r == 0)
        r = engine_info(w->engine, &info, &why);
    if (r == -ECANCELED)
        return;
    if (r == -ESHUTDOWN) {
        stands_still(w);
        return;
    }
    if (r != 0) {
        lost(w, began, &why);
        return;
    }
    found(w, &info);
    if (info.state == ENGINE_LOCKED) {
        unlock_start(w);
        return;
    }
    question_end(w);
    w->told_idle = false;
    if (info.state == ENGINE_ACTIVE && info.is_manager)
        unlock_follow(w);
    else
        opener_want(&w->opener, false);
    if (info.state == ENGINE_PENDING)
        w->again = monotonic_ms() + PENDING_MS;
    if (info.state == ENGINE_ERROR)
        watcher_look_later(w);
}

/* A stored, or a typed key opened something, or the Engine is another one. */
void watcher_look_now(struct watcher *w)
{
    w->again = 0;
}

static int64_t next_time(const struct watcher *w)
{
    int64_t next = w->again, opener = opener_next(&w->opener), ask = question_due(w);

    if (opener < next)
        next = opener;
    return ask < next ? ask : next;
}

/* The Engine stops. One that hangs up at once is no Engine. */
static void hung_up(struct watcher *w)
{
    engine_hang_up(w->engine);
    w->connection = -1;
    new_engine(w);
    if (monotonic_ms() - w->connected < LIVED_MS) {
        watcher_look_later(w);
        return;
    }
    w->pause_ms = FIRST_PAUSE_MS;
    watcher_look_now(w);
}

enum { STOP, KICK, PLACES, QUESTION, CONNECTION, N_FIXED };

static void on_opener(struct watcher *w, const struct pollfd *p, unsigned n)
{
    _cleanup_(secret_done) struct secret passphrase = SECRET_NULL;
    char kind[OPEN_KIND_MAX];
    int slot;

    if (opener_step(&w->opener, p, n, &passphrase, &slot, kind) == 0)
        unlock_opened(w, &passphrase, slot, kind);
    else if (w->opener.wanted)
        unlock_cannot_open(w);
}

static int wait_round(struct watcher *w, struct error *e)
{
    struct pollfd p[N_FIXED + OPENER_FDS_MAX] = {
        [STOP] = { .fd = w->stop, .events = POLLIN },
        [KICK] = { .fd = w->kick, .events = POLLIN },
        [PLACES] = { .fd = w->places.fd, .events = POLLIN },
        [QUESTION] = { .fd = w->asks ? w->question.fd : -1, .events = POLLIN },
        [CONNECTION] = { .fd = w->is_found ? engine_connection(w->engine) : -1, .events = POLLIN | POLLRDHUP },
    };
    unsigned n = opener_fill(&w->opener, p + N_FIXED);
    uint64_t kicks;

    if (poll(p, N_FIXED + n, monotonic_timeout(next_time(w))) < 0)
        return errno == EINTR ? 0 : error_set(e, -errno, "cannot wait: %s", strerror(errno));
    if (p[STOP].revents)
        return -ECANCELED;
    if (p[CONNECTION].revents) {
        hung_up(w);
        return 0;
    }
    if (p[PLACES].revents && places_drain(&w->places))
        watcher_look_now(w);
    if (p[KICK].revents) {
        (void) !read(w->kick, &kicks, sizeof(kicks));
        if (!question_take_key(w)) {
            w->is_exhausted = w->told_idle = false;
            watcher_look_now(w);
        }
    }
    on_opener(w, p + N_FIXED, n);
    if (p[QUESTION].revents && w->asks)
        question_answered(w);
    return 0;
}

int watcher_open(struct watcher *w, const struct watcher_config *config, struct vault *vault, int stop, const volatile sig_atomic_t *stopping,
                 struct error *e)
{
    int r;

    *w = (struct watcher) { .config = config, .vault = vault, .stop = stop, .stopping = stopping, .question = QUERY_NULL, .lost = NEVER,
                            .pause_ms = FIRST_PAUSE_MS, .places = PLACES_NULL };
    opener_init(&w->opener, vault, config->helpers);
    (void) pthread_mutex_init(&w->key.mutex, NULL);
    (void) pthread_cond_init(&w->key.changed, NULL);
    w->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r = w->kick < 0 ? -errno : places_open(&w->places);
    if (r < 0)
        return error_set(e, r, "cannot watch anything: %s", strerror(-r));
    query_collect(config->questions);
    return 0;
}

static void tell_status(struct watcher *w)
{
    (void) pthread_mutex_lock(&w->key.mutex);
    w->status = (struct watcher_status) { .state = w->state, .is_found = w->is_found, .asks = w->asks, .trouble = w->trouble };
    (void) pthread_mutex_unlock(&w->key.mutex);
}

void watcher_status(struct watcher *w, struct watcher_status *ret)
{
    (void) pthread_mutex_lock(&w->key.mutex);
    *ret = w->status;
    (void) pthread_mutex_unlock(&w->key.mutex);
}

int watcher_run(struct watcher *w, struct error *e)
{
    int r = 0;

    while (r == 0 && !*w->stopping) {
        if (w->again <= monotonic_ms())
            look(w);
        question_ask_if_due(w);
        tell_status(w);
        r = wait_round(w, e);
    }
    return r == -ECANCELED ? 0 : r;
}

void watcher_done(struct watcher *w)
{
    question_end(w);
    opener_want(&w->opener, false);
    if (w->engine)
        engine_free(w->engine);
    places_done(&w->places);
    closep(&w->kick);
}

void watcher_kick(struct watcher *w)
{
    static const uint64_t one = 1;

    (void) !write(w->kick, &one, sizeof(one));
}
