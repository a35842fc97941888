/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "basic/cleanup.h"
#include "basic/error.h"

/* What this member knows to be durable, kept apart from the log, so that a log that lost its end is told from one that never had it
 * (docs/FORMATS.md "High-water file"). Also the term and the vote, which raft_uv keeps without a checksum. */
struct highwater_mark {
    uint64_t index; /* of the last entry known to be durable, 0: none */
    uint64_t term;  /* of that entry; 0: not known (after a truncation) */
    uint64_t current_term;
    uint64_t vote; /* the member voted for in current_term, 0: none */
};

struct highwater;

/* A new file, durably. -EEXIST, … */
int highwater_create(const char *path, const struct highwater_mark *mark, struct error *e);

/* -EBADMSG when it is missing or no slot can be read, -EPROTONOSUPPORT. */
int highwater_open(const char *path, struct highwater **ret, struct error *e);
void highwater_free(struct highwater *h);
DEFINE_CLEANUP(struct highwater *, highwater_free)

const struct highwater_mark *highwater_get(const struct highwater *h);

/* Reaches the page cache: survives the process, not the power. Nothing happens when the mark is not lower. */
int highwater_advance(struct highwater *h, uint64_t index, uint64_t term);

/* Durable when it returns 0; may lower the mark. */
int highwater_set(struct highwater *h, const struct highwater_mark *mark);

bool highwater_is_dirty(const struct highwater *h);
/* Makes the latest advance durable. highwater_flush is the part for a worker thread, between highwater_flush_begin and _end. */
int highwater_sync(struct highwater *h);
void highwater_flush_begin(struct highwater *h);
int highwater_flush(struct highwater *h);
void highwater_flush_end(struct highwater *h, int result);
