/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes a new passphrase for what a keyslot is bound to. A method is trusted as far as a refresh trusts it, and a TPM only while it still
 * gives the old passphrase: that this machine may be trusted as it is now, nobody has judged. Errands' thread. */
#include <errno.h>
#include <string.h>

#include "keys/binding.h"
#include "swarm/rekey.h"
#include "basic/text.h"

static int carry_tpm2(struct swarm *s, const struct keyslot *slot, const char *token, struct method *ret, struct error *e)
{
    _cleanup_(secret_done) struct secret passphrase = SECRET_NULL;
    char pcrs[KEYSLOT_PCRS_MAX];
    int r = binding_tpm2_pcrs(token, pcrs, sizeof(pcrs));

    if (r < 0)
        return error_set(e, r, "it was made with options that only systemd-cryptenroll knows");
    r = method_open(errand_helpers(s), slot->slot, &passphrase, e);
    return r < 0 ? r : method_tpm2(errand_helpers(s), pcrs, ret, e);
}

static const char *no_way(const char *kind)
{
    if (strcmp(kind, "recovery") == 0 || strcmp(kind, "passphrase") == 0)
        return "only a person has its secret";
    if (strcmp(kind, "fido2") == 0 || strcmp(kind, "pkcs11") == 0)
        return "its token has to be there with a person";
    return "no way is known to bind it anew";
}

void rekey_carry(struct swarm *s, struct swarm_request *r, const struct keyslot *slot, struct rekey_slot *ret)
{
    bool is_tang = strcmp(slot->kind, "tang") == 0 || strcmp(slot->kind, "sss") == 0, is_tpm2 = strcmp(slot->kind, "tpm2") == 0;
    _cleanup_free_ char *token = NULL;
    struct error e = { "" };
    int result;

    if (!is_tang && !is_tpm2) {
        text_copy(ret->why, sizeof(ret->why), no_way(slot->kind));
        return;
    }
    result = errand_token(s, r, slot->slot, &token);
    if (result < 0)
        (void) error_set(&e, 0, "%s", r->error.text);
    else
        result = is_tang ? method_rebind_tang(errand_helpers(s), token, &ret->method, &e) : carry_tpm2(s, slot, token, &ret->method, &e);
    r->error.text[0] = '\0';
    if (result < 0)
        text_copy(ret->why, sizeof(ret->why), e.text[0] ? e.text : strerror(-result));
}
