/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "basic/cleanup.h"
#include "ctl/cmd.h"
#include "ctl/info.h"
#include "ctl/input.h"
#include "ctl/json.h"
#include "ctl/output.h"
#include "ctl/status.h"

static void print_line(const char *name, const char *value)
{
    output_print("%s: ", name);
    output_text(value);
    output_print("\n");
}

int cmd_docker_status(const struct args *args, struct caller *c, struct error *e)
{
    _cleanup_json_ json_t *info = NULL;
    int r = info_read(c, &info, e);

    if (r != STATUS_OK)
        return r;
    if (args->on[OPTION_JSON])
        return json_print(info, e);
    print_line("Socket", json_text(info, "Socket"));
    print_line("Engine", *json_text(info, "State") ? json_text(info, "State") : "does not answer");
    print_line("Unlock key", json_flag(info, "Enrolled") ? "stored" : "not stored");
    if (json_number(info, "Keys") > 1)
        output_print("Kept with former keys: %" PRIu64 ", until the Engine was seen to start with the newest\n", json_number(info, "Keys"));
    if (json_flag(info, "Asks"))
        print_line("Waits for", "a person, at a password prompt or with 'swarmctl docker unlock'");
    if (*json_text(info, "Error"))
        print_line("Error", json_text(info, "Error"));
    return STATUS_OK;
}

static int ask_and_unlock(struct caller *c, struct error *e)
{
    _cleanup_close_ int fd = -1;
    int r = input_key_memfd("Please enter Docker's unlock key: ", &fd, e);

    return r == STATUS_OK ? call_method(c, "Unlock", NULL, e, "h", fd) : r;
}

/* Before the person is asked. */
static int check_locked(struct caller *c, struct error *e)
{
    _cleanup_json_ json_t *info = NULL;
    int r = info_read(c, &info, e);

    if (r != STATUS_OK)
        return r;
    if (*json_text(info, "State") == '\0')
        return error_set(e, STATUS_UNREACHABLE, "Docker Engine does not answer at %s", json_text(info, "Socket"));
    return strcmp(json_text(info, "State"), "locked") == 0 ? STATUS_OK : error_set(e, STATUS_ALREADY, "Docker Engine is not locked");
}

int cmd_docker_unlock(const struct args *args _unused_, struct caller *c, struct error *e)
{
    int r = check_locked(c, e);

    if (r == STATUS_OK)
        r = ask_and_unlock(c, e);
    if (r == STATUS_OK)
        output_print("Docker Engine is unlocked.\n");
    return r;
}

static int enroll(const struct args *args, struct caller *c, struct error *e)
{
    const char *socket = args->value[OPTION_SOCKET];

    return socket ? call_method(c, "Enroll", NULL, e, "a{sv}", 1, "Socket", "s", socket) : call_method(c, "Enroll", NULL, e, "a{sv}", 0);
}

int cmd_docker_enroll(const struct args *args, struct caller *c, struct error *e)
{
    int r = enroll(args, c, e);

    if (r == STATUS_LOCKED && !args->value[OPTION_SOCKET]) {
        r = ask_and_unlock(c, e);
        if (r == STATUS_OK)
            r = enroll(args, c, e);
    }
    if (r == STATUS_OK)
        output_print("Docker Engine's unlock key is stored. Add a way that opens it without you, like\n\n"
                     "    swarmctl docker keyslot add tang http://SERVER\n");
    return r;
}

int cmd_docker_forget(const struct args *args _unused_, struct caller *c, struct error *e)
{
    int r = call_method(c, "Forget", NULL, e, "");

    if (r == STATUS_OK)
        output_print("Docker Engine's unlock key is not stored any more.\n");
    return r;
}

int cmd_docker_keyslot_add(const struct args *args, struct caller *c, struct error *e)
{
    if (strcmp(args->operands[0], "fido2") == 0 || strcmp(args->operands[0], "pkcs11") == 0)
        return error_set(e, STATUS_USAGE, "Docker's lock has keyslots of the kinds tang, tpm2, recovery and passphrase; for %s use systemd-cryptenroll on "
                                          "/var/lib/swarm-agent/docker.luks", args->operands[0]);
    return cmd_keyslot_add(args, c, e);
}
