/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <syslog.h>

#include "basic/cleanup.h"
#include "daemon/ids.h"

/* The journal; also standard error where that is not the journal itself, as when the daemon is run from a shell. Never give it a secret. */

#define JOURNAL_FIELDS_MAX 12
#define JOURNAL_FIELD_MAX 512 /* bytes of NAME=value; more is cut */

/* An entry with a catalogued id (ids.h) and fields: pairs of name and value that end with NULL, a pair whose value is NULL is left out. Ours:
 *     SWARM_METHOD      how it came: "dbus NAME", "dbus pid:PID" (the private socket), "prompt", "startup"
 *     SWARM_CALLER_UID  of a D-Bus caller
 *     SWARM_UNIT, SWARM_CREDENTIAL  of a unit that wanted one
 *     SWARM_KEYSLOT, SWARM_GENERATION, SWARM_FILE, SWARM_REASON
 * journal_event(MESSAGE_LEFT, LOG_NOTICE, "This node has left its swarm.", "SWARM_CALLER_UID", uid, NULL); */
void journal_event(const char *message_id, int priority, const char *message, ...) __attribute__((sentinel));

void journal_info(const char *format, ...) _printf_(1, 2);
void journal_error(const char *format, ...) _printf_(1, 2);
