/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "method/refresh.h"

#include <errno.h>
#include <string.h>

#include "basic/cleanup.h"
#include "basic/text.h"
#include "keys/binding.h"

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
static int check_tpm2(struct method_helpers h, const struct refresh_lock *lock, const char *token, bool only_look, struct keyslot_refresh *f,
                      struct method *ret)
{
    struct error e = { "" };
    char pcrs[KEYSLOT_PCRS_MAX];
    int r = lock->open(lock->data, f->slot, &e);

    if (r == 0) {
        f->result = KEYSLOT_CURRENT;
        return 0;
    }
    if (r == -EKEYREJECTED && !only_look) {
        r = binding_tpm2_pcrs(token, pcrs, sizeof(pcrs));
        if (r < 0)
            (void) error_set(&e, r, "it was made with options that only systemd-cryptenroll knows: enroll it anew with that");
        else
            r = method_tpm2(h, pcrs, ret, &e);
        if (r == 0)
            f->result = KEYSLOT_REFRESHED;
    }
    text_copy(f->text, sizeof(f->text), e.text);
    return r;
}

static bool is_refreshable(const struct keyslot *slot, bool automatic)
{
    return strcmp(slot->kind, "tang") == 0 || strcmp(slot->kind, "sss") == 0 || (strcmp(slot->kind, "tpm2") == 0 && !automatic);
}

void refresh_keyslot(struct method_helpers h, const struct refresh_lock *lock, const struct keyslot *slot, const struct keyslot_options *options,
                     struct keyslot_refresh *f)
{
    _cleanup_(method_done) struct method m = METHOD_NULL;
    _cleanup_free_ char *token = NULL;
    struct error e = { "" };
    int r;

    *f = (struct keyslot_refresh) { .slot = slot->slot, .new_slot = -1, .result = KEYSLOT_SKIPPED };
    (void) strcpy(f->kind, slot->kind);
    if (!is_refreshable(slot, options->automatic))
        return;
    f->result = KEYSLOT_FAILED;
    r = lock->token(lock->data, slot->slot, &token, &e);
    if (r == 0)
        r = strcmp(slot->kind, "tpm2") == 0 ? check_tpm2(h, lock, token, options->check, f, &m) : method_check_tang(h, token, options->check, f, &m);
    if (r == 0 && f->result == KEYSLOT_REFRESHED)
        r = lock->replace(lock->data, slot->slot, &m, &f->new_slot, &e);
    if (r < 0 && f->result != KEYSLOT_SKIPPED) {
        f->result = KEYSLOT_FAILED;
        if (e.text[0] != '\0')
            text_copy(f->text, sizeof(f->text), e.text);
    }
    if (f->result != KEYSLOT_REFRESHED && f->result != KEYSLOT_SKIPPED && r != -ECANCELED)
        lock->note(lock->data, slot->slot, f->text);
}

int refresh_check_slot(const char *path, int slot, const char *token, struct error *e)
{
    char kind[KEYSLOT_KIND_MAX], binding[KEYSLOT_BINDING_MAX];
    struct keyslot slots[KEYSLOTS_MAX];
    int n = keyslots_list(path, slots, e);

    binding_describe(token, kind, binding);
    for (int i = 0; i < n; i++)
        if (slots[i].slot == slot && strcmp(slots[i].kind, kind) == 0)
            return 0;
    return n < 0 ? n : error_set(e, -ENOENT, "keyslot %d is not what it was any more: try again", slot);
}
