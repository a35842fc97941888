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
    [OPTION_QUIET] = { 'q', "quiet", NULL, "Print no more than IDs, the key, the token, or what has changed" },
    [OPTION_ROTATE] = { 0, "rotate", NULL, "Replace it by a new one" },
    [OPTION_THRESHOLD] = { 0, "threshold", "T", "tang: how many of the servers have to answer (1)" },
    [OPTION_THUMBPRINT] = { 0, "thumbprint", "THP", "tang: a signing key that is trusted; may be given several times" },
    [OPTION_TRUST_FIRST] = { 0, "trust-first", NULL, "tang: trust the keys that the servers advertise now" },
    [OPTION_PCRS] = { 0, "pcrs", "PCRS", "tpm2: the registers that have to be as they are now, like 7+11" },
    [OPTION_DEVICE] = { 0, "device", "DEVICE", "fido2: the token's hidraw device, if there are several" },
    [OPTION_TOKEN_URI] = { 0, "token-uri", "URI", "pkcs11: the token, if there are several" },
    [OPTION_CHECK] = { 0, "check", NULL, "Only look: change nothing" },
    [OPTION_TOKEN] = { 0, "token", "TOKEN", "The swarm's join token; -, or none: asked for, or one line of standard input" },
    [OPTION_FORCE_NEW_CLUSTER] = { 0, "force-new-cluster", NULL, "Go on alone with what this manager has: the others are lost" },
    [OPTION_FORCE_REMOVE] = { 'f', "force", NULL, "Remove a node that is not down, too" },
    [OPTION_FORCE_WRITE] = { 'f', "force", NULL, "Replace a file that exists" },
    [OPTION_OLD_KEY_EXPIRES] = { 0, "old-key-expires", "TIME", "How long managers that are away may use the old key (24h)" },
    [OPTION_REKEY] = { 0, "rekey", NULL, "Make new keys for every manager's disk and connections, too" },
    [OPTION_ROLE] = { 0, "role", "ROLE", "worker or manager" },
    [OPTION_AVAILABILITY] = { 0, "availability", "WORD", "active, pause or drain" },
    [OPTION_LABEL_ADD] = { 0, "label-add", "KEY=VALUE", "Attach a label; may be given several times" },
    [OPTION_LABEL_RM] = { 0, "label-rm", "KEY", "Take a label off; may be given several times" },
    [OPTION_UNIT] = { 0, "unit", "PATTERN", "The units that may load them: a unit's name, in which * stands for any text" },
    [OPTION_CONSTRAINT] = { 0, "constraint", "EXPR", "On which nodes, like node.labels.role==web; may be given several times" },
    [OPTION_CONSTRAINT_ADD] = { 0, "constraint-add", "EXPR", "One constraint more; may be given several times" },
    [OPTION_CONSTRAINT_RM] = { 0, "constraint-rm", "EXPR", "One constraint less; may be given several times" },
    [OPTION_SECRET] = { 0, "secret", "SOURCE[:ID]", "A secret, and how units call it; may be given several times" },
    [OPTION_SECRET_ADD] = { 0, "secret-add", "SOURCE[:ID]", "One secret more; may be given several times" },
    [OPTION_SECRET_RM] = { 0, "secret-rm", "SOURCE[:ID]", "One secret less; may be given several times" },
    [OPTION_CONFIG] = { 0, "config", "SOURCE[:ID]", "A config, and how units call it; may be given several times" },
    [OPTION_CONFIG_ADD] = { 0, "config-add", "SOURCE[:ID]", "One config more; may be given several times" },
    [OPTION_CONFIG_RM] = { 0, "config-rm", "SOURCE[:ID]", "One config less; may be given several times" },
    [OPTION_ON_UPDATE] = { 0, "on-update", "WORD", "What units do on new data: restart, reload or none (none)" },
    [OPTION_PARALLELISM] = { 0, "parallelism", "N", "On how many nodes at once they do (1)" },
    [OPTION_MAX_AGE] = { 0, "max-age", "TIME", "How long a node cut off from the managers serves what it has; 0: no limit" },
    [OPTION_OFFLINE] = { 0, "offline", NULL, "Workers keep a sealed copy, for starts without the network" },
    [OPTION_RETRY] = { 0, "retry", NULL, "Go on with a rollout that stopped, first where it failed" },
    [OPTION_SOCKET] = { 0, "socket", "PATH", "The Engine's Unix socket (/run/docker.sock)" },
    [OPTION_DETACH] = { 'd', "detach", NULL, "Do not wait for the services' units" },
    [OPTION_AUTOMATIC] = { 0, "automatic", NULL, "Only what needs no person's judgement: the keys of Tang servers" },
};

#define OBJECT_COMMANDS(word, object, shown)                                                                                            \
    { word, "create", NULL, "NAME [FILE|-]", 1, 2, OPTIONS(OPTION_LABEL), "Create a " word " from a file or standard input",            \
      "Prints the ID of the new " word ". Without FILE, or with -, the data is what standard\ninput holds; never an argument.",         \
      cmd_object_create, &object },                                                                                                     \
    { word, "update", NULL, "NAME|ID [FILE|-]", 1, 2, OPTIONS(OPTION_DETACH), "Give a " word " new data",                               \
      "Prints the number of the new revision. The services whose units restart or reload\non new data do so a few nodes at a "         \
      "time, which is shown; the first that fails stops\nit.",                                                                          \
      cmd_object_update, &object },                                                                                                     \
    { word, "ls", "list", "", 0, 0, OPTIONS(OPTION_QUIET), "List " word "s", "", cmd_object_list, &object },                            \
    { word, "inspect", NULL, "NAME|ID...", 1, -1, NO_OPTIONS, "Show everything about " word "s, as JSON", shown, cmd_object_inspect,    \
      &object },                                                                                                                        \
    { word, "rm", "remove", "NAME|ID...", 1, -1, NO_OPTIONS, "Remove " word "s", "", cmd_object_remove, &object }

const struct command commands[] = {
    { NULL, "init", NULL, "", 0, 0, OPTIONS(OPTION_ADVERTISE_ADDR, OPTION_AUTOLOCK, OPTION_FORCE_NEW_CLUSTER, OPTION_LISTEN_ADDR),
      "Make a swarm of this one manager",
      "With --autolock the unlock key is printed, and is in force as soon as it has been.\n"
      "With --force-new-cluster a manager whose swarm has lost more than half of its\nmanagers becomes the only one; locked, it asks for its unlock key.",
      cmd_init },
    { NULL, "join", NULL, "HOST[:PORT]", 1, 1, OPTIONS(OPTION_ADVERTISE_ADDR, OPTION_LISTEN_ADDR, OPTION_TOKEN), "Join a swarm",
      "HOST is any manager of it. The token says whether as a worker or a manager; on the\ncommand line others on this machine can see it.", cmd_join },
    { NULL, "unlock", NULL, "", 0, 0, OPTIONS(OPTION_QUIET), "Unlock this manager",
      "Asks for the unlock key, a recovery key or a passphrase at the terminal, or takes\none line of standard input where that is no "
      "terminal. Returns when the manager is\nactive.", cmd_unlock },
    { NULL, "unlock-key", NULL, "", 0, 0, OPTIONS(OPTION_OLD_KEY_EXPIRES, OPTION_QUIET, OPTION_REKEY, OPTION_ROTATE),
      "Show or rotate the unlock key",
      "The old key opens the managers until the new one has been printed, and on those that\nare away until they are back. Shows each manager as it gets the new one.\n"
      "With --rekey, for a key that others may have, nothing on the managers' disks opens with\nthe old key and copies of their files any more.", cmd_unlock_key },
    { NULL, "update", NULL, "", 0, 0, OPTIONS(OPTION_AUTOLOCK, OPTION_REKEY), "Turn autolock on or off, make new keys",
      "--autolock or --autolock=true prints a new unlock key; --autolock=false turns it off.\n"
      "--rekey makes new keys for every manager's disk and connections, and leaves the unlock\nkey as it is.", cmd_update },
    { NULL, "join-token", NULL, "worker|manager", 1, 1, OPTIONS(OPTION_QUIET, OPTION_ROTATE), "Show or rotate a join token", "",
      cmd_join_token },
    { NULL, "leave", NULL, "", 0, 0, OPTIONS(OPTION_FORCE), "Leave the swarm", "", cmd_leave },
    { NULL, "info", NULL, "", 0, 0, NO_OPTIONS, "Show the state of this node and of its lock", "", cmd_info },
    { NULL, "ca", NULL, "", 0, 0, OPTIONS(OPTION_ROTATE), "Show or rotate the swarm's certificate authority", "", cmd_ca },
    { NULL, "backup", NULL, "FILE", 1, 1, OPTIONS(OPTION_FORCE_WRITE), "Write the swarm's state to a file that the unlock key opens", "",
      cmd_backup },
    { NULL, "restore", NULL, "FILE", 1, 1, OPTIONS(OPTION_ADVERTISE_ADDR, OPTION_LISTEN_ADDR), "Make a swarm of this one manager from a backup",
      "Asks for the unlock key of the time of the backup.", cmd_restore },
    OBJECT_COMMANDS("secret", object_secret, "A secret's data is never shown."),
    OBJECT_COMMANDS("config", object_config, "Data is base64."),
    { "service", "create", NULL, "NAME", 1, 1,
      OPTIONS(OPTION_UNIT, OPTION_CONSTRAINT, OPTION_SECRET, OPTION_CONFIG, OPTION_LABEL, OPTION_ON_UPDATE, OPTION_PARALLELISM, OPTION_MAX_AGE,
              OPTION_OFFLINE),
      "Let units load secrets and configs",
      "The units on the nodes that all constraints hold for load SOURCE as the credential ID,\nwhich is SOURCE's name if not given. "
      "Prints the ID of the new service.",
      cmd_service_create },
    { "service", "ls", "list", "", 0, 0, OPTIONS(OPTION_QUIET), "List services", "", cmd_service_list },
    { "service", "inspect", NULL, "NAME|ID...", 1, -1, NO_OPTIONS, "Show everything about services, as JSON", "", cmd_service_inspect },
    { "service", "ps", NULL, "NAME|ID", 1, 1, NO_OPTIONS, "List who has loaded what a service grants", "", cmd_service_ps },
    { "service", "update", NULL, "NAME|ID", 1, 1,
      OPTIONS(OPTION_UNIT, OPTION_CONSTRAINT_ADD, OPTION_CONSTRAINT_RM, OPTION_SECRET_ADD, OPTION_SECRET_RM, OPTION_CONFIG_ADD, OPTION_CONFIG_RM,
              OPTION_LABEL_ADD, OPTION_LABEL_RM, OPTION_ON_UPDATE, OPTION_PARALLELISM, OPTION_MAX_AGE, OPTION_OFFLINE, OPTION_RETRY,
              OPTION_DETACH),
      "Change a service", "What goes, goes first. --offline=false takes that off again.", cmd_service_update },
    { "service", "enable", NULL, "NAME|ID...", 1, -1, NO_OPTIONS, "Write the units' drop-ins on each node",
      "So that the units load what they may without a LoadCredential= of their own.", cmd_service_enable },
    { "service", "disable", NULL, "NAME|ID...", 1, -1, NO_OPTIONS, "Remove the units' drop-ins again", "", cmd_service_disable },
    { "service", "rm", "remove", "NAME|ID...", 1, -1, NO_OPTIONS, "Remove services",
      "Units that have started keep what they have loaded.", cmd_service_remove },
    { "node", "ls", "list", "", 0, 0, OPTIONS(OPTION_QUIET), "List the nodes of the swarm", "", cmd_node_list },
    { "node", "inspect", NULL, "self|NODE...", 1, -1, NO_OPTIONS, "Show everything about nodes, as JSON",
      "NODE is an ID, the beginning of one, or a hostname.", cmd_node_inspect },
    { "node", "promote", NULL, "NODE...", 1, -1, NO_OPTIONS, "Make managers of nodes", "", cmd_node_promote },
    { "node", "demote", NULL, "NODE...", 1, -1, NO_OPTIONS, "Make workers of managers", "Their copies of the swarm's store are wiped.", cmd_node_demote },
    { "node", "rm", "remove", "NODE...", 1, -1, OPTIONS(OPTION_FORCE_REMOVE), "Remove nodes from the swarm",
      "A manager has to be demoted first. A node that is removed wipes itself when it is told.", cmd_node_remove },
    { "node", "update", NULL, "NODE", 1, 1, OPTIONS(OPTION_AVAILABILITY, OPTION_LABEL_ADD, OPTION_LABEL_RM, OPTION_ROLE), "Change a node", "",
      cmd_node_update },
    { "keyslot", "add", NULL, "KIND [URL...]", 1, -1,
      OPTIONS(OPTION_THRESHOLD, OPTION_THUMBPRINT, OPTION_TRUST_FIRST, OPTION_PCRS, OPTION_DEVICE, OPTION_TOKEN_URI, OPTION_QUIET),
      "Add a way to unlock this manager",
      "Kinds:\n"
      "  tang URL...  Tang servers: whenever enough of them answer\n"
      "  tpm2         this machine's TPM2 chip\n"
      "  recovery     a key to write down; printed once\n"
      "  passphrase   asked for at the terminal, or one line of standard input\n"
      "  fido2        a FIDO2 token, by systemd-cryptenroll at the terminal, as root\n"
      "  pkcs11       a smart card, in the same way", cmd_keyslot_add },
    { "keyslot", "ls", "list", "", 0, 0, NO_OPTIONS, "List the ways to unlock this manager", "", cmd_keyslot_list },
    { "keyslot", "test", NULL, "SLOT", 1, 1, NO_OPTIONS, "Try whether a keyslot opens",
      "Asks for its secret if it has one that people know.", cmd_keyslot_test },
    { "keyslot", "refresh", NULL, "[SLOT]", 0, 1, OPTIONS(OPTION_CHECK, OPTION_AUTOMATIC, OPTION_QUIET),
      "Bind keyslots anew whose server or TPM has changed", "Fails when a keyslot would not open.", cmd_keyslot_refresh },
    { "keyslot", "rm", "remove", "SLOT", 1, 1, NO_OPTIONS, "Remove a way to unlock this manager", "", cmd_keyslot_remove },
    { "docker", "enroll", NULL, "", 0, 0, OPTIONS(OPTION_SOCKET), "Keep Docker Engine's unlock key behind a lock",
      "Asks the Engine for the key, or you if it is locked.", cmd_docker_enroll, .service = &service_docker },
    { "docker", "status", NULL, "", 0, 0, NO_OPTIONS, "Show what swarm-agent-docker sees and has", "", cmd_docker_status, .service = &service_docker },
    { "docker", "unlock", NULL, "", 0, 0, NO_OPTIONS, "Unlock Docker Engine",
      "Takes its unlock key, or a passphrase or recovery key of the lock.", cmd_docker_unlock, .service = &service_docker },
    { "docker", "forget", NULL, "", 0, 0, NO_OPTIONS, "Forget Docker Engine's unlock key",
      "The lock goes with all its keyslots.", cmd_docker_forget, .service = &service_docker },
    { "docker keyslot", "add", NULL, "KIND [URL...]", 1, -1,
      OPTIONS(OPTION_THRESHOLD, OPTION_THUMBPRINT, OPTION_TRUST_FIRST, OPTION_PCRS, OPTION_QUIET),
      "Add a way to unlock Docker Engine",
      "Kinds:\n"
      "  tang URL...  Tang servers: whenever enough of them answer\n"
      "  tpm2         this machine's TPM2 chip\n"
      "  recovery     a key to write down; printed once\n"
      "  passphrase   asked for at the terminal, or one line of standard input", cmd_docker_keyslot_add, .service = &service_docker },
    { "docker keyslot", "ls", "list", "", 0, 0, NO_OPTIONS, "List the ways to unlock Docker Engine", "", cmd_keyslot_list,
      .service = &service_docker },
    { "docker keyslot", "test", NULL, "SLOT", 1, 1, NO_OPTIONS, "Try whether a keyslot of Docker's lock opens",
      "Asks for its secret if it has one that people know.", cmd_keyslot_test, .service = &service_docker },
    { "docker keyslot", "refresh", NULL, "[SLOT]", 0, 1, OPTIONS(OPTION_CHECK, OPTION_AUTOMATIC, OPTION_QUIET),
      "Bind keyslots of Docker's lock anew whose server or TPM has changed", "Fails when a keyslot would not open.", cmd_keyslot_refresh,
      .service = &service_docker },
    { "docker keyslot", "rm", "remove", "SLOT", 1, 1, NO_OPTIONS, "Remove a way to unlock Docker Engine", "", cmd_keyslot_remove,
      .service = &service_docker },
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

/* "WORD", or "OUTER WORD". */
static bool is_group(const char *group, const char *outer, const char *word)
{
    size_t n = outer ? strlen(outer) : 0;

    if (!outer)
        return strcmp(group, word) == 0;
    return strncmp(group, outer, n) == 0 && group[n] == ' ' && strcmp(group + n + 1, word) == 0;
}

const char *command_group(const char *outer, const char *word)
{
    for (size_t i = 0; i < n_commands; i++)
        if (commands[i].group && is_group(commands[i].group, outer, word))
            return commands[i].group;
    return NULL;
}

size_t command_n_options(const struct command *command)
{
    size_t n = 0;

    while (n < COMMAND_OPTIONS_MAX && command->options[n] != OPTION_NONE)
        n++;
    return n;
}
