/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "managers.h"

/* Secrets and services for tests: put into the store as the faces would. */

struct grant_spec {
    const char *unit, *secret; /* the secret's name is the credential's, too */
    const char *constraint, *value; /* or NULL */
    uint64_t max_age;
    bool offline;
};

/* Calls return what the store said. */
int put_secret(struct node *n, const char *name, const void *data, size_t size);
int update_secret(struct node *n, const char *name, const void *data, size_t size);
int put_service(struct node *n, const char *name, const struct grant_spec *spec);
int remove_service(struct node *n, const char *name);
int propose_command(struct node *n, Pb__Command *command);
