/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tell.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "agent_ids.h"
#include "basic/error.h"

/* slot and reason may be NULL. */
static void journal(const char *id, int priority, const char *message, const char *slot, const char *kind, const char *reason)
{
    const char *const fields[] = { "SWARM_KEYSLOT", slot, "SWARM_KIND", kind, "SWARM_REASON", reason };
    char text[5][ERROR_TEXT_MAX + 128];
    struct iovec v[6];
    char level[] = "PRIORITY=0";
    int n = 0;

    level[sizeof(level) - 2] = (char) ('0' + priority);
    (void) snprintf(text[0], sizeof(text[0]), "MESSAGE=%s", message);
    (void) snprintf(text[1], sizeof(text[1]), "MESSAGE_ID=%s", id);
    for (n = 0; n < 2; n++)
        v[n] = (struct iovec) { text[n], strlen(text[n]) };
    for (size_t i = 0; i < ELEMENTSOF(fields); i += 2)
        if (fields[i + 1]) {
            (void) snprintf(text[n], sizeof(text[n]), "%s=%s", fields[i], fields[i + 1]);
            v[n] = (struct iovec) { text[n], strlen(text[n]) };
            n++;
        }
    v[n++] = (struct iovec) { level, strlen(level) };
    (void) sd_journal_sendv(v, n);
    if (!getenv("JOURNAL_STREAM"))
        (void) fprintf(stderr, "%s\n", message);
}

/* Whether both say the same but for numbers, as of milliseconds. */
static bool is_alike(const char *a, const char *b)
{
    static const char digits[] = "0123456789";

    while (*a && *b) {
        size_t in_a = strspn(a, digits), in_b = strspn(b, digits);

        if ((in_a > 0) != (in_b > 0) || (in_a == 0 && *a != *b))
            return false;
        a += in_a > 0 ? in_a : 1;
        b += in_b > 0 ? in_b : 1;
    }
    return *a == *b;
}

static bool is_new(char *last, unsigned *n, const char *text)
{
    if (*n >= TELL_MAX || (*n > 0 && is_alike(last, text)))
        return false;
    (*n)++;
    (void) snprintf(last, EXCHANGE_TEXT_MAX + 1, "%s", text);
    return true;
}

void tell_opened(int slot, const char *kind)
{
    char message[128], number[12];

    (void) snprintf(number, sizeof(number), "%d", slot);
    (void) snprintf(message, sizeof(message), "Answered the prompt of the swarm manager by keyslot %d (%s).", slot, kind);
    journal(MESSAGE_AGENT_OPENED, LOG_NOTICE, message, number, kind, NULL);
}

void tell_failure(struct told *told, const struct open_failure *f)
{
    char message[EXCHANGE_TEXT_MAX + 128], number[12];

    if (!is_new(told->slots[f->slot].text, &told->slots[f->slot].n, f->text))
        return;
    (void) snprintf(number, sizeof(number), "%d", f->slot);
    (void) snprintf(message, sizeof(message), "Keyslot %d (%s) does not unlock the swarm manager: %s", f->slot, f->kind, f->text);
    journal(MESSAGE_AGENT_KEYSLOT, LOG_WARNING, message, number, f->kind, f->text);
}

void tell_trouble(struct told *told, const char *text)
{
    char message[EXCHANGE_TEXT_MAX + 128];

    if (!is_new(told->trouble.text, &told->trouble.n, text))
        return;
    (void) snprintf(message, sizeof(message), "Cannot unlock the swarm manager by itself: %.400s", text);
    journal(MESSAGE_AGENT_TROUBLE, LOG_ERR, message, NULL, NULL, text);
}
