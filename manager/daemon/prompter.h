/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <uv.h>

#include "prompt/prompt.h"
#include "swarm/swarm.h"

/* Keeps a question for the unlock key standing as long as the manager is locked. */
struct prompter {
    struct swarm *swarm;
    const char *socket;
    const char *hostname;
    uv_timer_t again;
    struct prompt *prompt;
    bool wanted, answered; /* answered: an attempt is under way */
    bool wrong, failed, asked;
    bool agent;         /* the attempt's key came from swarm-agent */
    bool agent_refused; /* such a key was wrong: swarm-agent would bring it again and again */
    unsigned pause_ms;
};

void prompter_init(struct prompter *p, uv_loop_t *loop, struct swarm *swarm, const char *socket, const char *hostname);
/* Raises the question, or withdraws it. */
void prompter_want(struct prompter *p, bool wanted);
void prompter_close(struct prompter *p);
