/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The new header of a rekey: the unlock keys, and what can be carried over of the other ways to unlock. */
#include <errno.h>
#include <string.h>

#include "swarm/rekey.h"
#include "basic/text.h"

void rekey_plan_done(struct rekey_plan *plan)
{
    for (unsigned i = 0; i < plan->n; i++)
        method_done(&plan->slots[i].method);
    plan->n = 0;
}

static bool has(const struct rekey_plan *plan, const struct keyslot *slot)
{
    for (unsigned i = 0; i < plan->n; i++) {
        const struct keyslot *planned = &plan->slots[i].slot;

        if (planned->slot == slot->slot && strcmp(planned->kind, slot->kind) == 0 && strcmp(planned->binding, slot->binding) == 0)
            return true;
    }
    return false;
}

bool rekey_plan_fits(const struct rekey_plan *plan, const struct keyslot *slots, int n)
{
    unsigned foreign = 0;

    for (int i = 0; i < n; i++)
        if (slots[i].state == KEYSLOT_FOREIGN) {
            if (!has(plan, &slots[i]))
                return false;
            foreign++;
        }
    return foreign == plan->n;
}

void rekey_lost(const struct rekey_plan *plan, char *ret, size_t size)
{
    size_t done = 0;

    *ret = '\0';
    for (unsigned i = 0; i < plan->n; i++) {
        const struct rekey_slot *s = &plan->slots[i];
        char line[KEYSLOT_NOTE_MAX + KEYSLOT_KIND_MAX + KEYSLOT_BINDING_MAX + 32];

        if (s->method.token)
            continue;
        (void) snprintf(line, sizeof(line), "%skeyslot %d (%s%s%.80s): %s", done > 0 ? "; " : "", s->slot.slot, s->slot.kind,
                        s->slot.binding[0] ? " " : "", s->slot.binding, s->why);
        text_copy(ret + done, size - done, line);
        done += strlen(ret + done);
    }
}

static int add_key(const char *path, const struct secret *kek, const ProtobufCBinaryData *key, uint32_t generation, struct error *e)
{
    _cleanup_(secret_done) struct secret text = SECRET_NULL;
    int r = lock_key_text(key, &text);

    return r < 0 ? error_set(e, r, "the unlock key cannot be read: %s", strerror(-r)) : keyslots_add(path, kek, &text, generation, NULL, e);
}

/* The retiring one first, as what is active makes all others retire that are there by then. */
static int make_for_unlock_keys(const char *path, const Pb__Cluster *cluster, const struct secret *kek, struct error *e)
{
    bool retires = cluster->retiring_generation > 0;
    const ProtobufCBinaryData *first = retires ? &cluster->retiring_unlock_key : &cluster->unlock_key;
    _cleanup_(secret_done) struct secret text = SECRET_NULL;
    int r = lock_key_text(first, &text);

    if (r < 0)
        return error_set(e, r, "the unlock key cannot be read: %s", strerror(-r));
    r = keyslots_create(path, kek, &text, retires ? cluster->retiring_generation : cluster->unlock_generation,
                        retires ? KEYSLOT_RETIRING : KEYSLOT_ACTIVE, e);
    if (r == 0 && retires)
        r = add_key(path, kek, &cluster->unlock_key, cluster->unlock_generation, e);
    if (r == 0 && retires)
        r = keyslots_activate(path, cluster->unlock_generation, e);
    if (r == 0 && cluster->next_unlock_key.len > 0)
        r = add_key(path, kek, &cluster->next_unlock_key, cluster->next_unlock_generation, e);
    return r;
}

int rekey_make_header(const char *path, const Pb__Cluster *cluster, const struct secret *kek, struct rekey_plan *plan, struct error *e)
{
    int r = make_for_unlock_keys(path, cluster, kek, e);

    for (unsigned i = 0; r == 0 && i < plan->n; i++) {
        struct rekey_slot *s = &plan->slots[i];
        struct error why = { "" };

        if (!s->method.token ||
            keyslots_add_method(path, kek, &s->method.passphrase, STRETCH_KEY, s->method.token, true, &s->slot.slot, &why) == 0)
            continue;
        method_done(&s->method);
        text_copy(s->why, sizeof(s->why), why.text);
    }
    return r;
}

void rekey_tell_worked(struct swarm *s, const struct rekey_plan *plan)
{
    for (unsigned i = 0; i < plan->n; i++)
        if (plan->slots[i].method.token)
            keyslot_worked(s, &plan->slots[i].slot);
}
