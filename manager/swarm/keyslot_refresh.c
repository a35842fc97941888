/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looks whether what keyslots are bound to has changed, and binds them anew. A new keyslot is proven before the old one goes. */
#include <errno.h>
#include <string.h>

#include "keys/binding.h"
#include "swarm/swarm_private.h"
#include "basic/text.h"

static const char *const result_names[] = {
    [KEYSLOT_CURRENT] = "current", [KEYSLOT_REFRESHED] = "refreshed", [KEYSLOT_ROTATED] = "rotated",
    [KEYSLOT_FAILED] = "failed",   [KEYSLOT_SKIPPED] = "skipped",
};

const char *keyslot_result_to_string(enum keyslot_result result)
{
    return result_names[result];
}

/* A TPM that opens the slot is as it was. One that refuses has changed, or its machine's software has: it is sealed to anew with the same
 * PCRs, as a person has judged that this machine may be trusted as it is. */
static int refresh_tpm2(struct swarm *s, struct swarm_request *r, const char *token, struct keyslot_refresh *f, struct method *ret)
{
    _cleanup_(secret_done) struct secret passphrase = SECRET_NULL;
    struct error e = { "" };
    char pcrs[KEYSLOT_PCRS_MAX];
    struct keyslot proven;
    int result = method_open(errand_helpers(s), f->slot, &passphrase, &e);

    if (result == 0) {
        f->result = KEYSLOT_CURRENT;
        return errand_prove(s, r, f->slot, &passphrase, &proven);
    }
    if (result == -EKEYREJECTED && !r->options->check) {
        result = binding_tpm2_pcrs(token, pcrs, sizeof(pcrs));
        if (result < 0)
            (void) error_set(&e, result, "it was made with options that only systemd-cryptenroll knows: enroll it anew with that");
        else
            result = method_tpm2(errand_helpers(s), pcrs, ret, &e);
        if (result == 0)
            f->result = KEYSLOT_REFRESHED;
    }
    text_copy(f->text, sizeof(f->text), e.text);
    return result;
}

static bool is_refreshable(const struct keyslot *slot, bool automatic)
{
    return strcmp(slot->kind, "tang") == 0 || strcmp(slot->kind, "sss") == 0 || (strcmp(slot->kind, "tpm2") == 0 && !automatic);
}

/* Fills f; a failure is told there and does not keep the other slots from being refreshed. */
static void refresh_slot(struct swarm *s, struct swarm_request *r, const struct keyslot *slot, struct keyslot_refresh *f)
{
    _cleanup_(method_done) struct method m = METHOD_NULL;
    _cleanup_free_ char *token = NULL;
    struct error e = { "" };
    struct keyslot made;
    int result;

    *f = (struct keyslot_refresh) { .slot = slot->slot, .new_slot = -1, .result = KEYSLOT_SKIPPED };
    (void) strcpy(f->kind, slot->kind);
    if (!is_refreshable(slot, r->options->automatic))
        return;
    f->result = KEYSLOT_FAILED;
    result = errand_token(s, r, slot->slot, &token);
    if (result == 0)
        result = strcmp(slot->kind, "tpm2") == 0 ? refresh_tpm2(s, r, token, f, &m) : method_check_tang(errand_helpers(s), token, r->options->check, f, &m);
    if (result == 0 && f->result == KEYSLOT_REFRESHED) {
        result = errand_insert(s, r, &m, STRETCH_KEY, slot->slot, &made, &e);
        f->new_slot = result == 0 ? made.slot : -1;
    }
    if (result < 0 && f->result != KEYSLOT_SKIPPED) {
        f->result = KEYSLOT_FAILED;
        if (f->text[0] == '\0' || e.text[0] != '\0')
            text_copy(f->text, sizeof(f->text), e.text[0] ? e.text : r->error.text);
    }
    if (f->result != KEYSLOT_REFRESHED && f->result != KEYSLOT_SKIPPED && result != -ECANCELED)
        errand_note(s, r, slot->slot, f->text);
}

int verb_refresh_keyslots(struct swarm *s, struct swarm_request *r)
{
    _cleanup_(swarm_request_freep) struct swarm_request *listed = NULL;
    int result = errand_list(s, r, false, &listed);

    for (unsigned i = 0; result == 0 && i < listed->ret_n_keyslots; i++) {
        const struct keyslot *slot = &listed->ret_keyslots[i];

        if (slot->state == KEYSLOT_FOREIGN && (r->slot < 0 || r->slot == slot->slot))
            refresh_slot(s, r, slot, &r->ret_refreshes[r->ret_n_refreshes++]);
        if (lifecycle_stopping(s->errands))
            return error_set(&r->error, -ECANCELED, "the manager is stopping");
    }
    if (result == 0 && r->slot >= 0 && r->ret_n_refreshes == 0)
        return error_set(&r->error, -ENOENT, "there is no keyslot %d with a method to refresh: see \"swarmctl keyslot ls\"", r->slot);
    return result;
}
