/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/command.h"

#include <string.h>

#include "ctl/cmd.h"

#define OPTIONS(...) .options = { __VA_ARGS__, OPTION_NONE }
#define NO_OPTIONS .options = { OPTION_NONE }

const struct command_option command_options[_OPTION_MAX] = {
    [OPTION_HELP] = { 'h', "help", NULL, "Show this text" },
    [OPTION_JSON] = { 0, "json", NULL, "Print one JSON document" },
    [OPTION_NO_ASK_PASSWORD] = { 0, "no-ask-password", NULL, "Do not ask for the authorisation that a command needs" },
    [OPTION_VERSION] = { 0, "version", NULL, "Show the version" },
    [OPTION_AUTOLOCK] = { 0, "autolock", NULL, "Lock managers when they stop: an unlock key starts them" },
    [OPTION_ADVERTISE_ADDR] = { 0, "advertise-addr", "ADDR", "Address under which others reach this manager (HOST[:PORT])" },
    [OPTION_LISTEN_ADDR] = { 0, "listen-addr", "ADDR", "Address to listen on (HOST[:PORT])" },
    [OPTION_FORCE] = { 'f', "force", NULL, "Leave even while locked or as the last manager: the swarm's data here is lost" },
    [OPTION_LABEL] = { 'l', "label", "KEY=VALUE", "Attach a label; may be given several times" },
    [OPTION_QUIET] = { 'q', "quiet", NULL, "Print the IDs, the key or the token only" },
    [OPTION_ROTATE] = { 0, "rotate", NULL, "Replace it by a new one" },
};

#define OBJECT_COMMANDS(word, object, shown)                                                                                            \
    { word, "create", NULL, "NAME [FILE|-]", 1, 2, OPTIONS(OPTION_LABEL), "Create a " word " from a file or standard input",            \
      "Prints the ID of the new " word ". Without FILE, or with -, the data is what standard\ninput holds; never an argument.",         \
      cmd_object_create, &object },                                                                                                     \
    { word, "ls", "list", "", 0, 0, OPTIONS(OPTION_QUIET), "List " word "s", "", cmd_object_list, &object },                            \
    { word, "inspect", NULL, "NAME|ID...", 1, -1, NO_OPTIONS, "Show everything about " word "s, as JSON", shown, cmd_object_inspect,    \
      &object },                                                                                                                        \
    { word, "rm", "remove", "NAME|ID...", 1, -1, NO_OPTIONS, "Remove " word "s", "", cmd_object_remove, &object }

const struct command commands[] = {
    { NULL, "init", NULL, "", 0, 0, OPTIONS(OPTION_ADVERTISE_ADDR, OPTION_AUTOLOCK, OPTION_LISTEN_ADDR), "Make a swarm of this one manager",
      "With --autolock the unlock key is printed, and is in force as soon as it has been.", cmd_init },
    { NULL, "unlock", NULL, "", 0, 0, NO_OPTIONS, "Unlock this manager",
      "Asks for the unlock key at the terminal, or takes one line of standard input where\nthat is no terminal. Returns when the manager is "
      "active.", cmd_unlock },
    { NULL, "unlock-key", NULL, "", 0, 0, OPTIONS(OPTION_QUIET, OPTION_ROTATE), "Show or rotate the unlock key",
      "The old key opens the managers until the new one has been printed.", cmd_unlock_key },
    { NULL, "update", NULL, "", 0, 0, OPTIONS(OPTION_AUTOLOCK), "Turn autolock on or off",
      "--autolock or --autolock=true prints a new unlock key; --autolock=false turns it off.", cmd_update },
    { NULL, "join-token", NULL, "worker|manager", 1, 1, OPTIONS(OPTION_QUIET, OPTION_ROTATE), "Show or rotate a join token", "",
      cmd_join_token },
    { NULL, "leave", NULL, "", 0, 0, OPTIONS(OPTION_FORCE), "Leave the swarm", "", cmd_leave },
    { NULL, "info", NULL, "", 0, 0, NO_OPTIONS, "Show the state of this node and of its lock", "", cmd_info },
    OBJECT_COMMANDS("secret", object_secret, "A secret's data is never shown."),
    OBJECT_COMMANDS("config", object_config, "Data is base64."),
    { "node", "ls", "list", "", 0, 0, OPTIONS(OPTION_QUIET), "List the nodes of the swarm", "", cmd_node_list },
    { "node", "inspect", NULL, "self|NODE...", 1, -1, NO_OPTIONS, "Show everything about nodes, as JSON",
      "NODE is an ID, the beginning of one, or a hostname.", cmd_node_inspect },
    { "keyslot", "ls", "list", "", 0, 0, NO_OPTIONS, "List the ways to unlock this manager", "", cmd_keyslot_list },
};
const size_t n_commands = ELEMENTSOF(commands);

static bool is_same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

const struct command *command_find(const char *group, const char *name)
{
    for (size_t i = 0; i < n_commands; i++)
        if (is_same(commands[i].group, group) && (is_same(commands[i].name, name) || is_same(commands[i].alias, name)))
            return &commands[i];
    return NULL;
}

bool command_is_group(const char *word)
{
    for (size_t i = 0; i < n_commands; i++)
        if (commands[i].group && strcmp(commands[i].group, word) == 0)
            return true;
    return false;
}

size_t command_n_options(const struct command *command)
{
    size_t n = 0;

    while (n < COMMAND_OPTIONS_MAX && command->options[n] != OPTION_NONE)
        n++;
    return n;
}
