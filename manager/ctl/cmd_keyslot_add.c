/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "basic/memfd.h"
#include "ctl/cmd.h"
#include "ctl/enroll.h"
#include "ctl/escape.h"
#include "ctl/input.h"
#include "ctl/json.h"
#include "ctl/keyslot.h"
#include "ctl/output.h"
#include "ctl/status.h"

#define SERVERS_MAX 16

/* What the person trusts, from the command line or asked for: NULL-terminated, from malloc when asked. */
struct trust {
    char *thumbprints[ARGS_THUMBPRINTS_MAX + 1];
    size_t n;
};

static void trust_done(struct trust *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->thumbprints[i]);
}

static void show(const char *format, const char *text)
{
    _cleanup_free_ char *clean = escape(text, strlen(text), ESCAPE_TEXT);

    (void) fprintf(stderr, format, clean ? clean : "");
}

/* room: how many of its thumbprints can be sent; one is enough. */
static int show_server(struct caller *c, const char *url, size_t room, struct trust *t, struct error *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    _cleanup_json_ json_t *advertisement = NULL;
    const json_t *thumbprint;
    size_t i;
    int r = call_method(c, "FetchAdvertisement", &reply, e, "s", url);

    if (r != STATUS_OK)
        return r;
    r = json_read(reply, &advertisement);
    if (r < 0)
        return call_reply_error(r, e);
    show("The server at %s signs what it advertises with:\n\n", url);
    json_array_foreach(json_object_get(advertisement, "Thumbprints"), i, thumbprint) {
        show("    %s\n", json_string_value(thumbprint) ? json_string_value(thumbprint) : "");
        if (i < room && json_string_value(thumbprint) && (t->thumbprints[t->n] = strdup(json_string_value(thumbprint))))
            t->n++;
    }
    (void) fprintf(stderr, "\n");
    return STATUS_OK;
}

/* A server that nobody vouches for could be anybody's. */
static int ask_trust(const struct args *args, struct caller *c, struct trust *t, struct error *e)
{
    size_t n = args->n_operands - 1;
    int r = STATUS_OK;

    if (!isatty(STDIN_FILENO))
        return error_set(e, STATUS_USAGE, "give --thumbprint with a signing key of each server, which \"tang-show-keys\" shows there, or --trust-first to "
                                          "trust what they advertise now");
    for (size_t i = 0; i < n && r == STATUS_OK; i++)
        r = show_server(c, args->operands[1 + i], ARGS_THUMBPRINTS_MAX / n, t, e);
    if (r == STATUS_OK && !input_agrees("Are these the servers' own keys? Compare with \"tang-show-keys\" there. [y/N] "))
        return error_set(e, STATUS_FAILED, "not trusted: nothing was added");
    return r;
}

static int read_threshold(const struct args *args, uint32_t *ret, struct error *e)
{
    const char *text = args->value[OPTION_THRESHOLD] ? args->value[OPTION_THRESHOLD] : "1";
    size_t n = strspn(text, "0123456789");
    unsigned long threshold = n > 0 && n < 4 && text[n] == '\0' ? strtoul(text, NULL, 10) : 0;

    if (threshold < 1 || threshold > args->n_operands - 1)
        return error_set(e, STATUS_USAGE, "--threshold is a number from 1 to that of the servers, %zu: not \"%s\"", args->n_operands - 1, text);
    *ret = (uint32_t) threshold;
    return STATUS_OK;
}

static int append_texts(sd_bus_message *m, const char *name, char *const *texts)
{
    int r = keyslot_open_option(m, name, "as");

    if (r >= 0)
        r = sd_bus_message_append_strv(m, (char **) texts);
    return r < 0 ? r : keyslot_close_option(m);
}

static int append_tang(sd_bus_message *m, const struct args *args, struct caller *c, struct error *e)
{
    _cleanup_(trust_done) struct trust trust = { .n = 0 };
    bool is_given = args->n_thumbprints > 0;
    uint32_t threshold = 1;
    int r;

    if (args->n_operands < 2 || args->n_operands > 1 + SERVERS_MAX)
        return error_set(e, STATUS_USAGE, "the URLs of 1 to %d Tang servers have to be given, like http://tang1", SERVERS_MAX);
    if (is_given && args->on[OPTION_TRUST_FIRST])
        return error_set(e, STATUS_USAGE, "--thumbprint and --trust-first: give one of them");
    r = read_threshold(args, &threshold, e);
    if (r == STATUS_OK && !is_given && !args->on[OPTION_TRUST_FIRST])
        r = ask_trust(args, c, &trust, e);
    if (r != STATUS_OK)
        return r;
    r = append_texts(m, "URLs", args->operands + 1);
    if (r >= 0)
        r = sd_bus_message_append(m, "{sv}", "Threshold", "u", threshold);
    if (r >= 0 && args->on[OPTION_TRUST_FIRST])
        r = sd_bus_message_append(m, "{sv}", "TrustFirst", "b", 1);
    else if (r >= 0)
        r = append_texts(m, "Thumbprints", is_given ? (char *const *) args->thumbprints : trust.thumbprints);
    return r < 0 ? call_append_error(r, e) : STATUS_OK;
}

static int append_tpm2(sd_bus_message *m, const struct args *args, struct caller *c _unused_, struct error *e)
{
    int r = args->is_set[OPTION_PCRS] ? sd_bus_message_append(m, "{sv}", "PCRs", "s", args->value[OPTION_PCRS]) : 0;

    return r < 0 ? call_append_error(r, e) : STATUS_OK;
}

static int append_recovery(sd_bus_message *m _unused_, const struct args *args _unused_, struct caller *c _unused_, struct error *e _unused_)
{
    return STATUS_OK;
}

static int append_passphrase(sd_bus_message *m, const struct args *args _unused_, struct caller *c _unused_, struct error *e)
{
    _cleanup_(secret_done) struct secret passphrase = SECRET_NULL;
    _cleanup_close_ int fd = -1;
    int r = input_new_passphrase(&passphrase, e);

    if (r != STATUS_OK)
        return r;
    fd = memfd_new(passphrase.data, passphrase.size);
    if (fd < 0)
        return error_set(e, STATUS_FAILED, "cannot hand over the passphrase: %s", strerror(-fd));
    r = sd_bus_message_append(m, "{sv}", "Passphrase", "h", fd);
    return r < 0 ? call_append_error(r, e) : STATUS_OK;
}

static int print_added(const struct args *args, const json_t *result, struct error *e)
{
    const char *recovery = json_text(result, "RecoveryKey");

    if (args->on[OPTION_JSON])
        return json_print(result, e);
    if (args->on[OPTION_QUIET]) {
        if (*recovery)
            output_text(recovery);
        else
            output_print("%" PRIu64, json_number(result, "Keyslot"));
        output_print("\n");
        return STATUS_OK;
    }
    keyslot_print("Added", result, *recovery ? ", which the following key opens:\n" : ".");
    if (*recovery) {
        output_print("    ");
        output_text(recovery);
        output_print("\n\nWrite it down and keep it in a safe place: it is not shown again, and opens this\nlock when nothing else does.\n");
    }
    return STATUS_OK;
}

/* A recovery key that nobody has seen is none: its keyslot goes again. */
static int finish(const struct args *args, struct caller *c, const json_t *result, struct error *e)
{
    struct error why = { "" };
    int32_t slot = (int32_t) json_number(result, "Keyslot");
    int r = print_added(args, result, &why);

    if (*json_text(result, "RecoveryKey") == '\0') {
        if (r != STATUS_OK)
            *e = why;
        return r;
    }
    if (r == STATUS_OK)
        r = output_finish(&why);
    if (r == STATUS_OK)
        return r;
    if (call_method(c, "RemoveKeyslot", NULL, NULL, "i", slot) == STATUS_OK)
        return error_set(e, r, "the recovery key was not printed: %.300s; its keyslot was removed again", why.text);
    return error_set(e, r, "the recovery key was not printed: %.300s; run 'swarmctl keyslot rm %" PRId32 "'", why.text, slot);
}

typedef int (*append_options)(sd_bus_message *m, const struct args *args, struct caller *c, struct error *e);

static int add(append_options append, const struct args *args, struct caller *c, struct error *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
    _cleanup_json_ json_t *result = NULL;
    int r = keyslot_be_patient(c, e);

    if (r == STATUS_OK)
        r = call_new(c, "AddKeyslot", &m, e);
    if (r != STATUS_OK)
        return r;
    r = sd_bus_message_append(m, "s", args->operands[0]);
    if (r >= 0)
        r = sd_bus_message_open_container(m, 'a', "{sv}");
    if (r < 0)
        return call_append_error(r, e);
    r = append(m, args, c, e);
    if (r != STATUS_OK)
        return r;
    r = sd_bus_message_close_container(m);
    if (r < 0)
        return call_append_error(r, e);
    r = call_send(c, m, &reply, e);
    if (r != STATUS_OK)
        return r;
    r = json_read(reply, &result);
    return r < 0 ? call_reply_error(r, e) : finish(args, c, result, e);
}

static int enroll(const char *option, const struct args *args, struct caller *c, struct error *e)
{
    _cleanup_json_ json_t *result = NULL;
    int r = enroll_run(option, c, &result, e);

    return r == STATUS_OK ? finish(args, c, result, e) : r;
}

static const struct {
    const char *kind;
    enum option options[4]; /* that it takes; -q and --json are for all */
    append_options append;  /* NULL: systemd-cryptenroll does it */
} kinds[] = {
    { "tang", { OPTION_THRESHOLD, OPTION_THUMBPRINT, OPTION_TRUST_FIRST, OPTION_NONE }, append_tang },
    { "tpm2", { OPTION_PCRS, OPTION_NONE }, append_tpm2 },
    { "recovery", { OPTION_NONE }, append_recovery },
    { "passphrase", { OPTION_NONE }, append_passphrase },
    { "fido2", { OPTION_DEVICE, OPTION_NONE }, NULL },
    { "pkcs11", { OPTION_TOKEN_URI, OPTION_NONE }, NULL },
};

static bool takes(const enum option *options, enum option option)
{
    for (; *options != OPTION_NONE; options++)
        if (*options == option)
            return true;
    return false;
}

/* Options of other kinds are mistakes that would not be seen. */
static int check_options(const struct args *args, size_t kind, struct error *e)
{
    for (enum option o = OPTION_THRESHOLD; o <= OPTION_TOKEN_URI; o++)
        if (args->is_set[o] && !takes(kinds[kind].options, o))
            return error_set(e, STATUS_USAGE, "a keyslot of kind %s takes no --%s", kinds[kind].kind, command_options[o].name);
    if (args->n_operands > 1 && kinds[kind].append != append_tang)
        return error_set(e, STATUS_USAGE, "a keyslot of kind %s takes no URL", kinds[kind].kind);
    return STATUS_OK;
}

int cmd_keyslot_add(const struct args *args, struct caller *c, struct error *e)
{
    for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
        char option[512];
        bool is_fido2 = strcmp(kinds[i].kind, "fido2") == 0;
        const char *value = args->value[is_fido2 ? OPTION_DEVICE : OPTION_TOKEN_URI];
        int r;

        if (strcmp(kinds[i].kind, args->operands[0]) != 0)
            continue;
        r = check_options(args, i, e);
        if (r != STATUS_OK)
            return r;
        if (kinds[i].append)
            return add(kinds[i].append, args, c, e);
        if ((size_t) snprintf(option, sizeof(option), "--%s=%s", is_fido2 ? "fido2-device" : "pkcs11-token-uri", value ? value : "auto") >= sizeof(option))
            return error_set(e, STATUS_USAGE, "the name of the device is too long");
        return enroll(option, args, c, e);
    }
    return error_set(e, STATUS_USAGE, "unknown kind \"%s\": tang, tpm2, recovery, passphrase, fido2 or pkcs11", args->operands[0]);
}
