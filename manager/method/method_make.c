/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From what a person wants to a method. */
#include <errno.h>
#include <string.h>

#include "keys/recovery_key.h"
#include "keys/unlock_key.h"
#include "method/method.h"

#define PASSPHRASE_MAX 512

/* What is typed to unlock is taken for an unlock key or a recovery key first. */
static bool has_form_of_key(const struct secret *passphrase)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    size_t n = strlen(UNLOCK_KEY_PREFIX);

    return (passphrase->size >= n && memcmp(passphrase->data, UNLOCK_KEY_PREFIX, n) == 0) ||
           recovery_key_normalise(passphrase->data, passphrase->size, &key) == 0;
}

static int check_passphrase(const struct secret *passphrase, struct error *e)
{
    if (has_form_of_key(passphrase))
        return error_set(e, -EINVAL, "this has the form of an unlock key or a recovery key: choose another passphrase");
    if (passphrase->size < 1 || passphrase->size > PASSPHRASE_MAX)
        return error_set(e, -EINVAL, "a passphrase has 1 to %d bytes", PASSPHRASE_MAX);
    for (size_t i = 0; i < passphrase->size; i++)
        if (passphrase->data[i] < 0x20 || passphrase->data[i] == 0x7f)
            return error_set(e, -EINVAL, "a passphrase that can be typed at a prompt has no control characters");
    return 0;
}

int method_make(struct method_helpers h, const struct keyslot_options *options, struct secret *typed, struct method *ret, struct error *e)
{
    const char *kind = options->kind;

    if (strcmp(kind, "tang") == 0)
        return method_tang(h, options, ret, e);
    if (strcmp(kind, "tpm2") == 0)
        return method_tpm2(h, options->pcrs[0] ? options->pcrs : NULL, ret, e);
    if (strcmp(kind, "recovery") == 0) {
        ret->token = strdup("{\"type\":\"systemd-recovery\",\"keyslots\":[]}");
        return ret->token ? recovery_key_generate(&ret->passphrase) : -ENOMEM;
    }
    if (strcmp(kind, "passphrase") == 0) {
        ret->passphrase = secret_take(typed);
        return check_passphrase(&ret->passphrase, e);
    }
    return error_set(e, -EINVAL, "unknown kind of keyslot \"%.64s\": tang, tpm2, recovery or passphrase", kind);
}

enum keyslot_stretch method_stretch(const struct keyslot_options *options)
{
    return strcmp(options->kind, "passphrase") == 0 ? STRETCH_HUMAN : STRETCH_KEY;
}

bool method_is_persons(const char *kind)
{
    static const char *const kinds[] = { "unlock-key", "passphrase", "recovery" };

    for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
        if (strcmp(kind, kinds[i]) == 0)
            return true;
    return false;
}
