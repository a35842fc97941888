/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unattended.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "basic/file.h"
#include "deliver.h"
#include "exchange/exchange.h"
#include "monotonic.h"
#include "open/open_protocol.h"
#include "unlock/unlock_protocol.h"

#define UNLOCK_SOCKET_NAME "unlock.sock"

static bool is_asked(const struct unattended *u)
{
    return u->question.name[0] != '\0';
}

/* Everything that is under way for the question ends at once. */
static void question_end(struct unattended *u)
{
    closep(&u->opening);
    closep(&u->watching);
    u->question = (struct question) { .inode = 0 };
    u->again = NEVER;
}

static void question_forget(struct unattended *u)
{
    ask_folder_forget(&u->folder, &u->question);
    question_end(u);
}

/* A connection to one of the helpers, asked. */
static int ask(struct unattended *u, const char *name, char operation, const void *body, size_t size)
{
    char path[PATH_MAX];
    int fd, r = path_join(path, u->config->helpers, name);

    if (r < 0)
        return r;
    fd = exchange_connect(path);
    r = fd < 0 ? fd : exchange_send(fd, operation, body, size);
    if (r < 0)
        closep(&fd);
    return r < 0 ? r : fd;
}

static void try_later(struct unattended *u)
{
    int64_t now = monotonic_ms();

    closep(&u->opening);
    if (u->changed)
        u->pause_ms = FIRST_PAUSE_MS;
    u->again = now + u->pause_ms;
    u->pause_ms = u->pause_ms > MAX_PAUSE_MS / 2 ? MAX_PAUSE_MS : u->pause_ms * 2;
}

static void trouble(struct unattended *u, const char *text)
{
    tell_trouble(&u->told, text);
    try_later(u);
}

static void try_now(struct unattended *u)
{
    unsigned char mask[OPEN_MASK_SIZE];
    struct error e;

    for (unsigned i = 0; i < OPEN_MASK_SIZE; i++)
        mask[i] = (unsigned char) (u->mask >> (8 * i));
    if (u->watching < 0) /* without it the pauses do */
        u->watching = ask(u, UNLOCK_SOCKET_NAME, UNLOCK_WATCH, NULL, 0);
    u->changed = false;
    u->began = monotonic_ms();
    u->again = NEVER;
    u->opening = ask(u, OPEN_SOCKET_NAME, OPEN_OPEN, mask, sizeof(mask));
    if (u->opening < 0) {
        (void) error_set(&e, 0, "swarm-open does not answer: %s; see \"systemctl status swarm-open.socket\"", strerror(-u->opening));
        u->opening = -1;
        trouble(u, e.text);
    }
}

/* Looks for a question, and whether the one that stood still does. */
static void look(struct unattended *u)
{
    if (is_asked(u) && !ask_folder_stands(&u->folder, &u->question))
        question_end(u);
    if (is_asked(u) || ask_folder_find(&u->folder, &u->question) < 0)
        return;
    u->mask = OPEN_MASK_ALL;
    u->pause_ms = FIRST_PAUSE_MS;
    memset(&u->told, 0, sizeof(u->told));
    try_now(u);
}

/* A server that refuses may be mended; what refuses on this machine is settled, until the next question. */
static bool is_final(const struct open_failure *f)
{
    return f->class == 'u' || f->class == 'i' || (f->class == 'r' && strcmp(f->kind, "clevis") != 0);
}

static void none_opened(struct unattended *u, const struct open_reply *reply)
{
    unsigned left = 0;

    for (unsigned i = 0; i < reply->n_failures; i++)
        if (is_final(&reply->failures[i]))
            u->mask &= ~(UINT32_C(1) << reply->failures[i].slot);
        else
            left++;
    if (left > 0)
        try_later(u);
    else { /* nothing that could open, and no reason to wake up for it */
        closep(&u->opening);
        closep(&u->watching);
    }
}

static void opened(struct unattended *u, const struct open_reply *reply)
{
    struct error e;
    int r = deliver(u->question.file.socket, &reply->passphrase);

    if (r == 0)
        tell_opened(reply->slot, reply->kind);
    else {
        (void) error_set(&e, 0, "keyslot %d opened, but the answer does not reach the prompt: %s", reply->slot, strerror(-r));
        tell_trouble(&u->told, e.text);
    }
    question_forget(u);
    look(u);
}

static void on_opening(struct unattended *u)
{
    _cleanup_(open_reply_done) struct open_reply reply = OPEN_REPLY_NULL;
    _cleanup_(secret_done) struct secret body = SECRET_NULL;
    struct error e = { "" };
    int r = exchange_receive(u->opening, &body, &e);

    if (r == -EAGAIN)
        return;
    if (r == 0 && open_reply_parse(&body, &reply) < 0)
        r = error_set(&e, -EPROTO, "swarm-open's reply has no valid form: install all programs of the same release");
    if (r < 0) {
        trouble(u, e.text);
        return;
    }
    for (unsigned i = 0; i < reply.n_failures; i++)
        tell_failure(&u->told, &reply.failures[i]);
    if (reply.slot >= 0)
        opened(u, &reply);
    else
        none_opened(u, &reply);
}

/* Something may be reachable that was not. The next try comes at once, but not in a burst. */
static void on_watching(struct unattended *u)
{
    int64_t now = monotonic_ms();
    int r = exchange_receive(u->watching, NULL, NULL);

    if (r == -EAGAIN)
        return;
    if (r < 0) {
        closep(&u->watching);
        return;
    }
    u->pause_ms = FIRST_PAUSE_MS;
    u->changed = true;
    if (u->opening < 0)
        u->again = now > u->began + FIRST_PAUSE_MS ? now : u->began + FIRST_PAUSE_MS;
}

static int64_t question_ends(const struct unattended *u)
{
    return is_asked(u) && u->question.file.not_after / 1000 < INT64_MAX && u->question.file.not_after != 0
               ? (int64_t) (u->question.file.not_after / 1000)
               : NEVER;
}

static int64_t next_time(const struct unattended *u)
{
    int64_t next = u->opening >= 0 ? u->began + u->config->open_ms : u->again, ends = question_ends(u);

    return ends < next ? ends : next;
}

static void on_time(struct unattended *u)
{
    int64_t now = monotonic_ms();
    struct error e;

    if (question_ends(u) <= now)
        look(u);
    else if (u->opening >= 0 && now >= u->began + u->config->open_ms) {
        (void) error_set(&e, 0, "swarm-open did not answer within %d s; see the journal of swarm-open@.service", u->config->open_ms / 1000);
        trouble(u, e.text);
    } else if (u->opening < 0 && u->again <= now)
        try_now(u);
}

int unattended_open(struct unattended *u, const struct unattended_config *config, struct error *e)
{
    *u = (struct unattended) { .config = config, .folder = ASK_FOLDER_NULL, .opening = -1, .watching = -1, .again = NEVER };
    int r = ask_folder_open(config->folder, &u->folder, e);

    if (r == 0)
        look(u); /* what stood already */
    return r;
}

int unattended_wait(struct unattended *u, int stop, struct error *e)
{
    struct pollfd p[] = {
        { .fd = stop, .events = POLLIN },
        { .fd = u->folder.events, .events = POLLIN },
        { .fd = u->opening, .events = POLLIN },
        { .fd = u->watching, .events = POLLIN },
    };

    if (poll(p, ELEMENTSOF(p), monotonic_timeout(next_time(u))) < 0)
        return errno == EINTR ? 0 : error_set(e, -errno, "cannot wait: %s", strerror(errno));
    if (p[0].revents)
        return -ECANCELED;
    if (p[1].revents) { /* first: a question that has gone is not answered */
        if (ask_folder_drain(&u->folder) < 0)
            return error_set(e, -ENOENT, "%s has gone", u->config->folder);
        look(u);
    }
    if (p[2].revents && p[2].fd == u->opening)
        on_opening(u);
    if (p[3].revents && p[3].fd == u->watching)
        on_watching(u);
    on_time(u);
    return 0;
}

void unattended_done(struct unattended *u)
{
    question_end(u);
    ask_folder_done(&u->folder);
}
