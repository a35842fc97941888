/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "keys/bundle.h"

/* What a thief has who copied the disk while autolock was off: the KEK, and through it the DEKs. */
struct bundle *steal(struct secret *ret_kek);

/* How many records in the log's folder name that DEK (docs/FORMATS.md, "Record"). */
unsigned count_records(uint32_t dek);
