/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "method/refresh.h"

/* Keyslots as org.swarm.Manager1(5) has them in D-Bus messages. */

/* An a{sv} more in an open array. */
int keyslot_message_append(sd_bus_message *m, const struct keyslot *k, const struct keyslot_report *report);

/* What AddKeyslot and TestKeyslot answer: an a{sv}. recovery: NULL or empty where there is none. */
int keyslot_message_append_one(sd_bus_message *m, const struct keyslot *k, const struct secret *recovery);

/* What FetchAdvertisement answers: an a{sv}. */
int keyslot_message_append_advertisement(sd_bus_message *m, const char *url, const char thumbprints[][KEYSLOT_THUMBPRINT_MAX], unsigned n);

/* What AddKeyslot is given: s, a{sv}. -EINVAL when something in it is not as the text says. */
#define KEYSLOT_MESSAGE_OPTIONS                                                                                                     \
    "options are, for tang: URLs (as, at most 16 of 255 bytes), Threshold (u), Thumbprints (as, at most 16) and TrustFirst (b); "   \
    "for tpm2: PCRs (s); for passphrase: Passphrase (h, a sealed memfd); for recovery: none"
int keyslot_message_read(sd_bus_message *m, struct keyslot_options *ret_options, struct secret *ret_passphrase);

/* What RefreshKeyslots is given: a{sv}. ret_slot: -1 for all. -ENOENT: no slot can have that number; -EINVAL. */
#define KEYSLOT_MESSAGE_REFRESH_OPTIONS "options are Check (b), Automatic (b) and Keyslot (i)"
int keyslot_message_read_refresh(sd_bus_message *m, struct keyslot_options *ret_options, int *ret_slot);

/* What it answers: an aa{sv}. */
int keyslot_message_append_refreshes(sd_bus_message *m, const struct keyslot_refresh *refreshes, unsigned n);
