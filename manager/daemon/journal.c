/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/journal.h"

#include <stdarg.h>
#include <string.h>
#include <sys/uio.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#define MESSAGE_MAX 2048

struct entry {
    struct iovec fields[2 + JOURNAL_FIELDS_MAX];
    char text[2 + JOURNAL_FIELDS_MAX][JOURNAL_FIELD_MAX];
    int n;
};

static void entry_add(struct entry *entry, const char *name, const char *value)
{
    char *text = entry->text[entry->n];

    if (!value || (size_t) entry->n >= ELEMENTSOF(entry->text))
        return;
    (void) snprintf(text, JOURNAL_FIELD_MAX, "%s=%s", name, value);
    entry->fields[entry->n++] = (struct iovec) { text, strlen(text) };
}

static void entry_send(struct entry *entry, int priority, const char *message)
{
    struct iovec all[ELEMENTSOF(entry->fields) + 2];
    char text[MESSAGE_MAX], level[sizeof("PRIORITY=0")];

    (void) snprintf(text, sizeof(text), "MESSAGE=%s", message);
    (void) snprintf(level, sizeof(level), "PRIORITY=%d", LOG_PRI(priority));
    memcpy(all, entry->fields, (size_t) entry->n * sizeof(all[0]));
    all[entry->n] = (struct iovec) { level, strlen(level) };
    all[entry->n + 1] = (struct iovec) { text, strlen(text) };
    (void) sd_journal_sendv(all, entry->n + 2);
    if (!getenv("JOURNAL_STREAM"))
        (void) fprintf(stderr, "%s\n", message);
}

void journal_event(const char *message_id, int priority, const char *message, ...)
{
    struct entry entry = { .n = 0 };
    const char *name;
    va_list ap;

    entry_add(&entry, "MESSAGE_ID", message_id);
    va_start(ap, message);
    while ((name = va_arg(ap, const char *)))
        entry_add(&entry, name, va_arg(ap, const char *));
    va_end(ap);
    entry_send(&entry, priority, message);
}

static void log_text(int priority, const char *format, va_list ap)
{
    struct entry entry = { .n = 0 };
    char message[MESSAGE_MAX - sizeof("MESSAGE=")];

    (void) vsnprintf(message, sizeof(message), format, ap);
    entry_send(&entry, priority, message);
}

void journal_info(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    log_text(LOG_INFO, format, ap);
    va_end(ap);
}

void journal_error(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    log_text(LOG_ERR, format, ap);
    va_end(ap);
}
