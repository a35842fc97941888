/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/prompter.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "daemon/journal.h"

#define PAUSE_MS 2000 /* after a cancelled question, or when the helper cannot be reached */
#define PAUSE_MAX_MS 32000U /* while swarm-agent's keys open the lock but the rest fails */

static void ask(struct prompter *p);

static void on_again(uv_timer_t *timer)
{
    ask(timer->data);
}

static void ask_later(struct prompter *p)
{
    if (p->wanted)
        (void) uv_timer_start(&p->again, on_again, p->pause_ms, 0);
}

static void on_attempted(void *data, struct swarm_request *request)
{
    struct prompter *p = data;
    int r = request->result;

    p->answered = false;
    p->wrong = r == -EKEYREJECTED || r == -EINVAL;
    p->failed = r < 0 && !p->wrong;
    p->agent_refused |= p->wrong && p->agent;
    if (p->failed)
        journal_error("%s", request->error.text);
    if (!p->failed || !p->agent)
        p->pause_ms = PAUSE_MS;
    else if (p->pause_ms < PAUSE_MAX_MS)
        p->pause_ms *= 2;
    swarm_request_free(request);
    if (!p->wanted)
        return;
    if (p->wrong)
        ask(p);
    else
        ask_later(p);
}

static int attempt(struct prompter *p, struct secret *answer)
{
    struct swarm_request *request = swarm_request_new(SWARM_UNLOCK);
    int r;

    if (!request)
        return -ENOMEM;
    request->key = secret_take(answer);
    request->done = on_attempted;
    request->data = p;
    (void) strcpy(request->caller.how, p->agent ? "agent" : "prompt");
    p->answered = true;
    r = swarm_submit(p->swarm, request);
    if (r < 0) {
        p->answered = false;
        swarm_request_free(request);
    }
    return r;
}

static void on_answer(void *data, int result, struct secret *answer, bool agent)
{
    struct prompter *p = data;

    p->prompt = NULL;
    p->agent = agent;
    p->wrong = p->failed = false;
    if (result == 0)
        result = attempt(p, answer);
    if (result < 0)
        ask_later(p);
}

static void ask(struct prompter *p)
{
    unsigned flags = (p->asked ? 0 : ASK_FLAG_ACCEPT_CACHED) | (p->agent_refused ? 0 : ASK_FLAG_AGENT);
    char message[256 + 1], generation[32] = "";
    int r;

    if (!p->wanted || p->prompt || p->answered)
        return;
    if (swarm_locked_generation(p->swarm) > 0)
        (void) snprintf(generation, sizeof(generation), " (generation %" PRIu32 ")", swarm_locked_generation(p->swarm));
    (void) snprintf(message, sizeof(message), "%sPlease enter the unlock key of swarm node %.64s%s:",
                    p->wrong ? "Wrong key. " : p->failed ? "Unlocking failed, see the journal. " : "", p->hostname, generation);
    r = prompt_start(p->again.loop, p->socket, message, flags, on_answer, p, &p->prompt);
    if (r < 0) {
        if (!p->asked)
            journal_error("No question for the unlock key can be raised through %s: %s; use \"swarmctl unlock\".", p->socket, strerror(-r));
        ask_later(p);
    }
    p->asked = true;
}

void prompter_init(struct prompter *p, uv_loop_t *loop, struct swarm *swarm, const char *socket, const char *hostname)
{
    *p = (struct prompter) { .swarm = swarm, .socket = socket, .hostname = hostname, .pause_ms = PAUSE_MS };
    (void) uv_timer_init(loop, &p->again);
    p->again.data = p;
}

void prompter_want(struct prompter *p, bool wanted)
{
    p->wanted = wanted;
    if (wanted) {
        ask(p);
        return;
    }
    p->agent_refused = false;
    p->pause_ms = PAUSE_MS;
    (void) uv_timer_stop(&p->again);
    prompt_cancel(TAKE_PTR(p->prompt));
}

void prompter_close(struct prompter *p)
{
    prompter_want(p, false);
    uv_close((uv_handle_t *) &p->again, NULL);
}
