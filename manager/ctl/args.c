/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/args.h"

#include <string.h>

#include "ctl/status.h"

static const enum option global_options[] = { OPTION_HELP, OPTION_JSON, OPTION_NO_ASK_PASSWORD, OPTION_VERSION };

void args_done(struct args *a)
{
    free(a->operands);
}

static bool is_allowed(const struct args *a, enum option option)
{
    for (size_t i = 0; i < ELEMENTSOF(global_options); i++)
        if (global_options[i] == option)
            return true;
    for (size_t i = 0; a->command && i < command_n_options(a->command); i++)
        if (a->command->options[i] == option)
            return true;
    return false;
}

static enum option find_long(const struct args *a, const char *name, size_t n)
{
    for (enum option o = 0; o < _OPTION_MAX; o++)
        if (is_allowed(a, o) && strlen(command_options[o].name) == n && strncmp(command_options[o].name, name, n) == 0)
            return o;
    return OPTION_NONE;
}

static enum option find_letter(const struct args *a, char letter)
{
    for (enum option o = 0; o < _OPTION_MAX; o++)
        if (is_allowed(a, o) && command_options[o].letter == letter)
            return o;
    return OPTION_NONE;
}

/* The spellings that the reference takes. */
static int parse_switch(const char *text, bool *ret)
{
    static const char *const yes[] = { "true", "True", "TRUE", "t", "T", "1" }, *const no[] = { "false", "False", "FALSE", "f", "F", "0" };

    for (size_t i = 0; i < ELEMENTSOF(yes); i++) {
        if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
            *ret = strcmp(text, yes[i]) == 0;
            return 0;
        }
    }
    return -1;
}

static int set_label(struct args *a, const char *label, struct error *e)
{
    if (*label == '\0' || *label == '=')
        return error_set(e, STATUS_USAGE, "a label has to be KEY=VALUE, and this has no KEY: %s", label);
    if (a->n_labels == ARGS_LABELS_MAX)
        return error_set(e, STATUS_USAGE, "too many labels: at most %d can be attached", ARGS_LABELS_MAX);
    a->labels[a->n_labels++] = label;
    return STATUS_OK;
}

static int set_label_key(struct args *a, const char *key, struct error *e)
{
    if (a->n_label_keys == ARGS_LABELS_MAX)
        return error_set(e, STATUS_USAGE, "too many labels: at most %d can be taken off", ARGS_LABELS_MAX);
    a->label_keys[a->n_label_keys++] = key;
    return STATUS_OK;
}

static int set_thumbprint(struct args *a, const char *thumbprint, struct error *e)
{
    if (a->n_thumbprints == ARGS_THUMBPRINTS_MAX)
        return error_set(e, STATUS_USAGE, "too many thumbprints: at most %d can be given", ARGS_THUMBPRINTS_MAX);
    a->thumbprints[a->n_thumbprints++] = thumbprint;
    return STATUS_OK;
}

/* Every value of these counts. */
static bool repeats(enum option option)
{
    switch (option) {
    case OPTION_CONSTRAINT:
    case OPTION_CONSTRAINT_ADD:
    case OPTION_CONSTRAINT_RM:
    case OPTION_SECRET:
    case OPTION_SECRET_ADD:
    case OPTION_SECRET_RM:
    case OPTION_CONFIG:
    case OPTION_CONFIG_ADD:
    case OPTION_CONFIG_RM:
        return true;
    default:
        return false;
    }
}

static int set_text(struct args *a, enum option option, const char *text, struct error *e)
{
    if (a->n_texts == ARGS_TEXTS_MAX)
        return error_set(e, STATUS_USAGE, "too many options: at most %d like --%s can be given", ARGS_TEXTS_MAX, command_options[option].name);
    a->texts[a->n_texts].option = option;
    a->texts[a->n_texts++].text = text;
    return STATUS_OK;
}

/* value may be NULL. */
static int set_switch(struct args *a, enum option option, const char *value, struct error *e)
{
    a->is_set[option] = true;
    a->on[option] = true;
    if (value && parse_switch(value, &a->on[option]) < 0)
        return error_set(e, STATUS_USAGE, "--%s is true or false, not \"%s\"", command_options[option].name, value);
    return STATUS_OK;
}

static int set_option(struct args *a, enum option option, const char *value, struct error *e)
{
    a->is_set[option] = true;
    a->on[option] = true;
    if (option == OPTION_LABEL || option == OPTION_LABEL_ADD)
        return set_label(a, value, e);
    if (option == OPTION_LABEL_RM)
        return set_label_key(a, value, e);
    if (option == OPTION_THUMBPRINT)
        return set_thumbprint(a, value, e);
    if (repeats(option))
        return set_text(a, option, value, e);
    a->value[option] = value;
    return STATUS_OK;
}

static int unknown_option(const struct args *a, const char *arg, struct error *e)
{
    const struct command *k = a->command;

    return error_set(e, STATUS_USAGE, "unknown option: %s; see 'swarmctl %s%s%s%s--help'", arg, k && k->group ? k->group : "",
                     k && k->group ? " " : "", k ? k->name : "", k ? " " : "");
}

/* Options may take their value from the next argument: *next. */
static int long_option(struct args *a, const char *arg, char **next, bool *ret_used, struct error *e)
{
    const char *name = arg + 2, *equals = strchr(name, '=');
    enum option option = find_long(a, name, equals ? (size_t) (equals - name) : strlen(name));

    if (option == OPTION_NONE)
        return unknown_option(a, arg, e);
    if (!command_options[option].value)
        return set_switch(a, option, equals ? equals + 1 : NULL, e);
    if (equals)
        return set_option(a, option, equals + 1, e);
    if (!*next)
        return error_set(e, STATUS_USAGE, "--%s needs a value: %s", command_options[option].name, command_options[option].value);
    *ret_used = true;
    return set_option(a, option, *next, e);
}

static int short_options(struct args *a, const char *arg, char **next, bool *ret_used, struct error *e)
{
    for (const char *p = arg + 1; *p; p++) {
        enum option option = find_letter(a, *p);
        int r;

        if (option == OPTION_NONE)
            return unknown_option(a, arg, e);
        if (command_options[option].value) {
            const char *value = p[1] == '=' ? p + 2 : p[1] ? p + 1 : *next;

            if (!value)
                return error_set(e, STATUS_USAGE, "-%c needs a value: %s", *p, command_options[option].value);
            *ret_used = p[1] == '\0';
            return set_option(a, option, value, e);
        }
        r = set_switch(a, option, NULL, e);
        if (r != STATUS_OK)
            return r;
    }
    return STATUS_OK;
}

static int word(struct args *a, char *text, struct error *e)
{
    const char *group;

    if (a->command) {
        a->operands[a->n_operands++] = text;
        return STATUS_OK;
    }
    if (!a->group && strcmp(text, "help") == 0) {
        a->is_set[OPTION_HELP] = a->on[OPTION_HELP] = true;
        return STATUS_OK;
    }
    group = command_group(a->group, text);
    if (group) {
        a->group = group;
        return STATUS_OK;
    }
    a->command = command_find(a->group, text);
    if (!a->command)
        return error_set(e, STATUS_USAGE, "unknown command: swarmctl %s%s%s; see 'swarmctl --help'", a->group ? a->group : "",
                         a->group ? " " : "", text);
    return STATUS_OK;
}

static int check_operands(const struct args *a, struct error *e)
{
    const struct command *k = a->command;

    if (!k && a->group)
        return error_set(e, STATUS_USAGE, "a command is missing; see 'swarmctl %s --help'", a->group);
    if (!k)
        return error_set(e, STATUS_USAGE, "a command is missing; see 'swarmctl --help'");
    if (a->n_operands < (size_t) k->n_min || (k->n_max >= 0 && a->n_operands > (size_t) k->n_max))
        return error_set(e, STATUS_USAGE, "\"swarmctl %s%s%s\" takes %s; see 'swarmctl %s%s%s --help'", k->group ? k->group : "",
                         k->group ? " " : "", k->name, k->n_max == 0 ? "no arguments" : k->operands, k->group ? k->group : "",
                         k->group ? " " : "", k->name);
    return STATUS_OK;
}

static int parse(int argc, char *argv[], struct args *a, struct error *e)
{
    bool no_more_options = false;

    for (int i = 1; i < argc; i++) {
        char *arg = argv[i];
        bool used_next = false;
        int r;

        if (no_more_options || arg[0] != '-' || arg[1] == '\0')
            r = word(a, arg, e);
        else if (strcmp(arg, "--") == 0) {
            no_more_options = true;
            continue;
        } else if (arg[1] == '-')
            r = long_option(a, arg, &argv[i + 1], &used_next, e);
        else
            r = short_options(a, arg, &argv[i + 1], &used_next, e);
        if (r != STATUS_OK)
            return r;
        i += used_next;
    }
    return a->on[OPTION_HELP] || a->on[OPTION_VERSION] ? STATUS_OK : check_operands(a, e);
}

size_t args_texts(const struct args *a, enum option option, const char *ret[static ARGS_TEXTS_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < a->n_texts; i++)
        if (a->texts[i].option == option)
            ret[n++] = a->texts[i].text;
    return n;
}

int args_parse(int argc, char *argv[], struct args *ret, struct error *e)
{
    struct args a = { .operands = calloc((size_t) argc + 1, sizeof(char *)) };
    int r = a.operands ? parse(argc, argv, &a, e) : error_set(e, STATUS_FAILED, "out of memory");

    if (r == STATUS_OK)
        *ret = a;
    else
        args_done(&a);
    return r;
}
