/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "method/method.h"

/* Looks whether what a keyslot is bound to has changed, and binds it anew: the new keyslot is proven before the old one goes. */

/* The lock, as its owner reads and changes it. All but note: a negative errno with its text. */
struct refresh_lock {
    void *data;
    int (*token)(void *data, int slot, char **ret, struct error *e);
    /* Whether the slot opens by its own method. -EKEYREJECTED: that refuses. */
    int (*open)(void *data, int slot, struct error *e);
    /* Takes m's parts. */
    int (*replace)(void *data, int slot, struct method *m, int *ret_slot, struct error *e);
    /* What was found; "" for nothing. */
    void (*note)(void *data, int slot, const char *text);
};

const char *keyslot_result_to_string(enum keyslot_result result);

/* A failure is told in ret, and does not keep other slots from being refreshed. */
void refresh_keyslot(struct method_helpers h, const struct refresh_lock *lock, const struct keyslot *slot, const struct keyslot_options *options,
                     struct keyslot_refresh *ret);

/* For who replaces: whether that is the slot that was looked at, and not one of another kind than the new token's, which has got its number
 * since. -ENOENT. */
int refresh_check_slot(const char *path, int slot, const char *token, struct error *e);
