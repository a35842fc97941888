/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "basic/error.h"

/* Names of units, and patterns of them in which * stands for any text, also none. Pure; the manager uses this, too. */

#define UNIT_NAME_LEN 255
#define UNIT_CREDENTIAL_LEN 80
#define UNIT_SERVICE_LEN 64
#define UNIT_FOLDER_SIZE (UNIT_NAME_LEN + sizeof(".d"))

/* systemd's characters, and a type that can have LoadCredential=: service, socket, mount, swap. A pattern has a *, or is a name. */
bool unit_name_is_valid(const char *name);
bool unit_pattern_is_valid(const char *pattern);

bool unit_pattern_matches(const char *pattern, const char *name);

/* "Service", "Socket", "Mount", "Swap", as the section is called and, behind org.freedesktop.systemd1., the interface; NULL. */
const char *unit_section(const char *name);

/* What a machine boots with, is logged in to by and is administered through, and the swarm manager itself: whether the pattern has any of
 * those. Whoever controls the manager shall not reach further through them. */
bool unit_is_reserved(const char *pattern);

/* "web.service.d", "web@.service.d", "db-.service.d": below /etc/systemd/system, the folder of drop-ins for all units of the pattern.
 * -EOPNOTSUPP, with a text for people, when there is no such folder, or the units are reserved. */
int unit_drop_in_folder(const char *pattern, char ret[static UNIT_FOLDER_SIZE], struct error *e);

/* What may stand before the colon of a LoadCredential= line without a meaning of its own there. */
bool unit_credential_is_plain(const char *credential);

/* As the store has them: letters, digits, and -_. between. */
bool unit_service_is_valid(const char *service);
