/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/help.h"

#include <string.h>

#include "ctl/output.h"

static void print_option(enum option option)
{
    const struct command_option *o = &command_options[option];
    char names[64];

    (void) snprintf(names, sizeof(names), o->letter ? "-%c, --%s%s%s" : "%c   --%s%s%s", o->letter ? o->letter : ' ', o->name,
                    o->value ? " " : "", o->value ? o->value : "");
    output_print("  %-26s  %s\n", names, o->help);
}

static void print_global_options(void)
{
    output_print("\nGlobal options:\n");
    print_option(OPTION_HELP);
    print_option(OPTION_JSON);
    print_option(OPTION_NO_ASK_PASSWORD);
}

static void print_command(const struct command *k)
{
    size_t n = command_n_options(k);

    output_print("Usage:  swarmctl %s%s%s%s%s%s\n\n%s\n", k->group ? k->group : "", k->group ? " " : "", k->name, n > 0 ? " [OPTIONS]" : "",
                 *k->operands ? " " : "", k->operands, k->summary);
    if (*k->text)
        output_print("\n%s\n", k->text);
    if (k->alias)
        output_print("\nAliases:\n  %s, %s\n", k->name, k->alias);
    if (n > 0)
        output_print("\nOptions:\n");
    for (size_t i = 0; i < n; i++)
        print_option(k->options[i]);
    print_global_options();
}

static void print_list(const char *group)
{
    const size_t n = group ? strlen(group) : 0;

    for (size_t i = 0; i < n_commands; i++) {
        const struct command *k = &commands[i];
        const char *within;
        char name[64];

        if (group && (!k->group || strncmp(k->group, group, n) != 0 || (k->group[n] != '\0' && k->group[n] != ' ')))
            continue;
        within = !k->group ? "" : !group ? k->group : k->group[n] == ' ' ? k->group + n + 1 : "";
        (void) snprintf(name, sizeof(name), "%s%s%s", within, *within ? " " : "", k->name);
        output_print("  %-19s  %s\n", name, k->summary);
    }
}

void help_print(const struct args *args)
{
    if (args->command) {
        print_command(args->command);
        return;
    }
    if (args->group)
        output_print("Usage:  swarmctl %s COMMAND\n\nCommands:\n", args->group);
    else
        output_print("Usage:  swarmctl [OPTIONS] COMMAND\n\nControls the swarm manager of this machine.\n\nCommands:\n");
    print_list(args->group);
    print_global_options();
    if (!args->group)
        print_option(OPTION_VERSION);
    output_print("\n'swarmctl %s%sCOMMAND --help' says more of a command, swarmctl(8) of all.\n", args->group ? args->group : "",
                 args->group ? " " : "");
}
