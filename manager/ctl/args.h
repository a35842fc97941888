/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "basic/error.h"
#include "ctl/command.h"

#define ARGS_LABELS_MAX 64
#define ARGS_THUMBPRINTS_MAX 16
#define ARGS_TEXTS_MAX 160 /* all that can be attached to a service, and taken off */

/* What a command line says; points into argv. */
struct args {
    const struct command *command;          /* NULL: none named */
    const char *group;                      /* named, but no command of it */
    bool is_set[_OPTION_MAX];
    bool on[_OPTION_MAX];                   /* switches: the value */
    const char *value[_OPTION_MAX];
    const char *labels[ARGS_LABELS_MAX];    /* KEY=VALUE */
    size_t n_labels;
    const char *label_keys[ARGS_LABELS_MAX];
    size_t n_label_keys;
    const char *thumbprints[ARGS_THUMBPRINTS_MAX + 1]; /* NULL-terminated */
    size_t n_thumbprints;
    struct {
        enum option option;
        const char *text;
    } texts[ARGS_TEXTS_MAX];                /* of all options that repeat */
    size_t n_texts;
    char **operands;                        /* from malloc */
    size_t n_operands;
};

void args_done(struct args *a);

/* How many values an option was given that repeats, and which. */
size_t args_texts(const struct args *a, enum option option, const char *ret[static ARGS_TEXTS_MAX]);

/* STATUS_OK or STATUS_USAGE. A command line that asks for help or the version is not checked for its operands. */
int args_parse(int argc, char *argv[], struct args *ret, struct error *e);
