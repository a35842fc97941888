/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "message/dict.h"
#include "store/store.h"

/* Entries of an a{sv} that is open in m, from the store. */
const char *dict_kind(Pb__Kind kind); /* "secret" or "config" */
int dict_labels(sd_bus_message *m, Pb__Label *const *labels, size_t n);
/* ID, Version, CreatedAt, UpdatedAt */
int dict_meta(sd_bus_message *m, const Pb__Meta *meta);
