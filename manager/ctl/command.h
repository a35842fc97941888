/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "ctl/call.h"

/* One row for each command: parsing, help and running follow from it. */

enum option {
    OPTION_HELP,
    OPTION_JSON,
    OPTION_NO_ASK_PASSWORD,
    OPTION_VERSION,
    OPTION_AUTOLOCK,
    OPTION_ADVERTISE_ADDR,
    OPTION_LISTEN_ADDR,
    OPTION_FORCE,
    OPTION_LABEL,
    OPTION_QUIET,
    OPTION_ROTATE,
    OPTION_THRESHOLD,
    OPTION_THUMBPRINT,
    OPTION_TRUST_FIRST,
    OPTION_PCRS,
    OPTION_DEVICE,
    OPTION_TOKEN_URI,
    OPTION_CHECK,
    OPTION_AUTOMATIC,
    OPTION_TOKEN,
    OPTION_FORCE_NEW_CLUSTER,
    OPTION_FORCE_REMOVE,
    OPTION_FORCE_WRITE,
    OPTION_OLD_KEY_EXPIRES,
    OPTION_REKEY,
    OPTION_ROLE,
    OPTION_AVAILABILITY,
    OPTION_LABEL_ADD,
    OPTION_LABEL_RM,
    OPTION_UNIT,
    OPTION_CONSTRAINT,
    OPTION_CONSTRAINT_ADD,
    OPTION_CONSTRAINT_RM,
    OPTION_SECRET,
    OPTION_SECRET_ADD,
    OPTION_SECRET_RM,
    OPTION_CONFIG,
    OPTION_CONFIG_ADD,
    OPTION_CONFIG_RM,
    OPTION_ON_UPDATE,
    OPTION_PARALLELISM,
    OPTION_MAX_AGE,
    OPTION_OFFLINE,
    OPTION_RETRY,
    OPTION_DETACH,
    OPTION_SOCKET,
    _OPTION_MAX,
    OPTION_NONE = _OPTION_MAX,
};

#define COMMAND_OPTIONS_MAX 16

struct command_option {
    char letter; /* 0: none */
    const char *name;
    const char *value; /* what it takes; NULL: a switch, which takes =true or =false only */
    const char *help;
};

/* Indexed by enum option. */
extern const struct command_option command_options[_OPTION_MAX];

struct args;
struct object_kind;

struct command {
    const char *group; /* first word, or NULL */
    const char *name;
    const char *alias; /* or NULL */
    const char *operands;
    int n_min, n_max; /* of operands; n_max < 0: any number */
    enum option options[COMMAND_OPTIONS_MAX]; /* beside the global ones; ends with OPTION_NONE when shorter */
    const char *summary;
    const char *text; /* the rest of the help, or "" */
    int (*run)(const struct args *args, struct caller *c, struct error *e);
    const struct object_kind *kind;  /* for those of secret and config */
    const struct service *service; /* NULL: the manager */
};

extern const struct command commands[];
extern const size_t n_commands;

/* By group (or NULL) and name or alias; NULL when there is none. */
const struct command *command_find(const char *group, const char *name);
/* The group that a word begins, within another one or NULL; NULL when there is none. */
const char *command_group(const char *outer, const char *word);

size_t command_n_options(const struct command *command);
