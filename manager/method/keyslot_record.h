/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "method/method.h"

/* What is known of the keyslots beside the lock (docs/FORMATS.md "keyslots.json"): told apart by the digest of their area, so that a record is
 * never taken for that of a later keyslot with the same number. It helps people only: a missing or damaged file is an empty one. */

struct keyslot_record {
    char area[KEYSLOT_AREA_LEN + 1];
    struct keyslot_report report;
};

struct keyslot_records {
    unsigned n;
    struct keyslot_record r[KEYSLOTS_MAX];
};

void keyslot_records_read(const char *path, struct keyslot_records *ret);
int keyslot_records_write(const char *path, const struct keyslot_records *records);

/* The record of that area, NULL. */
struct keyslot_record *keyslot_record_find(struct keyslot_records *records, const char *area);
/* The same, made when it is missing; the oldest one goes when there is no room. */
struct keyslot_record *keyslot_record_of(struct keyslot_records *records, const char *area);
