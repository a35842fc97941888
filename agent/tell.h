/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "open/open_reply.h"

/* What swarm-agent says in the journal, also on standard error where that is not the journal itself. Never a secret. A failure is told once
 * for as long as a prompt stands, and again when the text changes (in more than its numbers), not at every try; told keeps what has been said. */

#define TELL_MAX 4 /* texts of one keyslot in one prompt */

struct told {
    struct {
        char text[EXCHANGE_TEXT_MAX + 1];
        unsigned n;
    } slots[OPEN_SLOTS_MAX], trouble;
};

/* A keyslot opened, and the query was answered. */
void tell_opened(int slot, const char *kind);
/* A keyslot did not open. */
void tell_failure(struct told *told, const struct open_failure *f);
/* Nothing could be tried. */
void tell_trouble(struct told *told, const char *text);
