/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "unit_name/unit_name.h"
#include "units/units_protocol.h"

#define DROP_IN_PREFIX "50-swarm-"
#define DROP_IN_SUFFIX ".conf"
#define DROP_IN_MARK "# swarm-manager: drop-in of the service "
#define DROP_IN_NAME_SIZE (sizeof(DROP_IN_PREFIX) + UNIT_SERVICE_LEN + sizeof(DROP_IN_SUFFIX))
#define DROP_IN_CREDENTIALS_SOCKET "/run/swarm-manager/credentials.sock"

/* Which credentials of ours the units of a pattern load. */
struct drop_in {
    const char *service, *unit;
    const char *const *credentials;
    size_t n;
};

/* The text of the file, from malloc. -EOPNOTSUPP when a credential's name cannot stand in it; -ENOMEM. */
int drop_in_text(const struct drop_in *d, char **ret, size_t *ret_size, struct error *e);

/* "50-swarm-web.conf" */
void drop_in_name(const struct drop_in *d, char ret[static DROP_IN_NAME_SIZE]);

/* Whether a file of that name can be ours, and of which service. */
bool drop_in_is_name(const char *name, char ret_service[static UNIT_SERVICE_LEN + 1]);

/* Whether that is the text of one of ours. */
bool drop_in_is_ours(const void *text, size_t size);
