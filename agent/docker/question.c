/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A person is asked when nothing opens by itself; swarmctl brings what one has typed there. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "ask/answer.h"
#include "docker/say.h"
#include "docker/watcher_private.h"

#define ID "swarm-agent-docker:unlock"
#define ASK_AFTER_MS 1000 /* a person is not bothered before */
#define PAUSE_MS 2000  /* after a cancelled question */
#define TRY_SECONDS 90 /* longer than the Engine may take */

void question_end(struct watcher *w)
{
    if (w->asks)
        query_done(&w->question);
    w->asks = w->was_wrong = false;
}

int64_t question_due(const struct watcher *w)
{
    int64_t due = w->opener.has_failed || w->is_exhausted ? 0 : w->opener.began + ASK_AFTER_MS;

    if (w->asks || !w->is_found || w->state != ENGINE_LOCKED || (!w->opener.wanted && !w->is_exhausted))
        return NEVER;
    return due < w->ask_again ? w->ask_again : due;
}

static void ask(struct watcher *w)
{
    struct request request = { .id = ID };
    char host[65] = "this machine";
    struct error e;

    (void) gethostname(host, sizeof(host) - 1);
    (void) snprintf(request.message, sizeof(request.message), "%sPlease enter the unlock key of Docker Engine on %s:",
                    w->was_wrong       ? "Wrong key. "
                    : w->n_refused > 0 ? "Docker Engine refuses the stored key. "
                                       : "",
                    host);
    if (query_open(w->config->questions, &request, &w->question, &e) < 0) {
        watcher_trouble(w, &e);
        w->ask_again = monotonic_ms() + PAUSE_MS;
        return;
    }
    w->asks = true;
}

void question_ask_if_due(struct watcher *w)
{
    if (question_due(w) <= monotonic_ms())
        ask(w);
}

void question_answered(struct watcher *w)
{
    _cleanup_(secret_done) struct secret packet = SECRET_NULL, text = SECRET_NULL;
    struct error e = { "" };
    size_t size = 0;
    bool agent;
    int r = secret_new(ANSWER_PACKET_MAX, &packet);

    if (r == 0)
        r = query_receive(&w->question, &packet, &size, &agent);
    if (r == -EAGAIN)
        return;
    question_end(w);
    if (r == ANSWER_PASSWORD && secret_copy(packet.data + 1, size, &text) == 0)
        r = unlock_typed(w, &text, "the prompt", &e);
    w->was_wrong = r == -EKEYREJECTED;
    w->ask_again = monotonic_ms() + (w->was_wrong ? 0 : PAUSE_MS);
}

bool question_take_key(struct watcher *w)
{
    _cleanup_(secret_done) struct secret text = SECRET_NULL;
    struct error e = { "" };
    int r;

    (void) pthread_mutex_lock(&w->key.mutex);
    text = secret_take(&w->key.text);
    (void) pthread_mutex_unlock(&w->key.mutex);
    if (text.size == 0)
        return false;
    r = unlock_typed(w, &text, "swarmctl", &e);
    (void) pthread_mutex_lock(&w->key.mutex);
    w->key.is_done = true;
    w->key.result = r;
    w->key.error = e;
    (void) pthread_cond_broadcast(&w->key.changed);
    (void) pthread_mutex_unlock(&w->key.mutex);
    return true;
}

int watcher_try(struct watcher *w, struct secret *text, struct error *e)
{
    struct watcher_key *k = &w->key;
    struct timespec until;
    int r = 0;

    (void) clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += TRY_SECONDS;
    (void) pthread_mutex_lock(&k->mutex);
    if (k->waits) {
        (void) pthread_mutex_unlock(&k->mutex);
        return error_set(e, -EAGAIN, "another key is being tried: try again");
    }
    k->waits = true;
    k->is_done = false;
    k->text = secret_take(text);
    watcher_kick(w);
    while (!k->is_done && r == 0)
        r = -pthread_cond_clockwait(&k->changed, &k->mutex, CLOCK_MONOTONIC, &until);
    if (k->is_done) {
        r = k->result;
        if (e)
            *e = k->error;
    } else
        r = error_set(e, -ETIMEDOUT, "Docker Engine did not take the key within %d s", TRY_SECONDS);
    secret_done(&k->text);
    k->waits = false;
    (void) pthread_mutex_unlock(&k->mutex);
    return r;
}
