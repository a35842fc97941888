/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "docker/say.h"

#include <stdarg.h>
#include <stdlib.h>
#include <syslog.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "agent_ids.h"

#define MESSAGE_MAX (ERROR_TEXT_MAX + 256)

/* reason and slot may be NULL, and end the list of fields then. */
static void journal(const char *id, int priority, const char *message, const char *reason, const char *slot)
{
    (void) sd_journal_send("MESSAGE=%s", message, "PRIORITY=%i", priority, id ? "MESSAGE_ID=%s" : NULL, id, reason ? "SWARM_REASON=%s" : NULL,
                           reason, slot ? "SWARM_KEYSLOT=%s" : NULL, slot, NULL);
    if (!getenv("JOURNAL_STREAM"))
        (void) fprintf(stderr, "%s\n", message);
}

void say_unlocked(const char *how)
{
    char message[MESSAGE_MAX];

    (void) snprintf(message, sizeof(message), "Unlocked Docker Engine by %s.", how);
    journal(MESSAGE_DOCKER_UNLOCKED, LOG_NOTICE, message, how, NULL);
}

void say_stored(unsigned n)
{
    char message[MESSAGE_MAX];

    (void) snprintf(message, sizeof(message), "Stored Docker Engine's unlock key%s.",
                    n > 1 ? " beside the former, until the Engine was seen to start with it" : "");
    journal(MESSAGE_DOCKER_STORED, LOG_NOTICE, message, NULL, NULL);
}

void say_refused(unsigned n)
{
    char message[MESSAGE_MAX];

    (void) snprintf(message, sizeof(message),
                    n == 1 ? "Docker Engine refuses the stored unlock key: it was changed while this agent could not see it."
                           : "Docker Engine refuses all %u stored unlock keys: its key was changed while this agent could not see it.", n);
    journal(MESSAGE_DOCKER_REFUSED, LOG_ERR, message, NULL, NULL);
}

void say_not_stored(const char *reason)
{
    char message[MESSAGE_MAX];

    (void) snprintf(message, sizeof(message), "Docker Engine has another unlock key than the stored one, which cannot be stored now: %s", reason);
    journal(MESSAGE_DOCKER_NOT_STORED, LOG_ERR, message, reason, NULL);
}

void say_keyslot(const struct open_failure *f)
{
    char message[MESSAGE_MAX], number[12];

    (void) snprintf(number, sizeof(number), "%d", f->slot);
    (void) snprintf(message, sizeof(message), "Keyslot %d (%s) does not unlock Docker Engine: %s", f->slot, f->kind, f->text);
    journal(MESSAGE_DOCKER_KEYSLOT, LOG_WARNING, message, f->text, number);
}

void say_trouble(const char *text)
{
    char message[MESSAGE_MAX];

    (void) snprintf(message, sizeof(message), "Cannot look after Docker Engine: %s", text);
    journal(MESSAGE_DOCKER_TROUBLE, LOG_ERR, message, text, NULL);
}

void say_forgotten(void)
{
    journal(MESSAGE_DOCKER_FORGOTTEN, LOG_NOTICE, "Docker Engine's unlock key is not stored any more.", NULL, NULL);
}

void say(const char *format, ...)
{
    char message[MESSAGE_MAX];
    va_list ap;

    va_start(ap, format);
    (void) vsnprintf(message, sizeof(message), format, ap);
    va_end(ap);
    journal(NULL, LOG_INFO, message, NULL, NULL);
}
