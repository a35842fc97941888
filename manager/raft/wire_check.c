/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/wire_check.h"

#include <errno.h>
#include <string.h>

#include "basic/cleanup.h"
#include "raft/bytes.h"
#include "raft/membership.h"
#include "raft/replica.h"

#define VERSION_MAX 2
#define WORD 8
#define NUMBER_MAX (UINT64_MAX / 4) /* of a term or an index: what no swarm reaches, and nothing overflows with */
#define ENTRY_BASE (4 * WORD)     /* where the number of entries stands */
#define ENTRY_SIZE (2 * WORD)
#define SNAPSHOT_BASE (5 * WORD)  /* where the membership begins */

enum {
    APPEND_ENTRIES = 1,
    APPEND_ENTRIES_RESULT,
    REQUEST_VOTE,
    REQUEST_VOTE_RESULT,
    INSTALL_SNAPSHOT,
    TIMEOUT_NOW,
};

struct header {
    const unsigned char *data;
    size_t size;
};

static uint64_t word(const struct header *h, size_t i)
{
    return get_u64(h->data + i * WORD);
}

static bool numbers_valid(const struct header *h, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (word(h, i) > NUMBER_MAX)
            return false;
    return true;
}

static int check_words(const struct header *h, size_t words, size_t numbers)
{
    return h->size == words * WORD && numbers_valid(h, numbers) && word(h, 0) > 0 ? 0 : -EBADMSG;
}

/* Term, index and term of the entry before, index that is committed, number of entries; for each its term, its type, three unused bytes,
 * its size; an unused word. */
static int check_entries(const struct header *h, uint64_t *ret_payload)
{
    uint64_t n, payload = 0, term;

    if (h->size < ENTRY_BASE + 2 * WORD || !numbers_valid(h, 4) || word(h, 0) == 0 || (word(h, 1) == 0) != (word(h, 2) == 0))
        return -EBADMSG;
    n = word(h, 4);
    if (n > WIRE_ENTRIES_MAX)
        return -EMSGSIZE;
    if (h->size != ENTRY_BASE + 2 * WORD + n * ENTRY_SIZE)
        return -EBADMSG;
    term = word(h, 2);
    for (uint64_t i = 0; i < n; i++) {
        const unsigned char *entry = h->data + ENTRY_BASE + WORD + i * ENTRY_SIZE;
        uint32_t size = get_u32(entry + 12);

        if (get_u64(entry) == 0 || get_u64(entry) > word(h, 0) || get_u64(entry) < term || entry[8] < 1 || entry[8] > 3 || size == 0 ||
            size % 8 != 0)
            return -EBADMSG;
        if (size > REPLICA_COMMAND_MAX)
            return -EMSGSIZE;
        term = get_u64(entry);
        payload += size;
    }
    *ret_payload = payload;
    return 0;
}

/* Term, index and term of the last entry, index of the membership's entry, size of the membership; the membership; size of the snapshot; an
 * unused word. */
static int check_snapshot(const struct header *h, uint64_t *ret_payload)
{
    uint64_t size, snapshot;
    int r;

    if (h->size < SNAPSHOT_BASE + 2 * WORD || !numbers_valid(h, 4) || word(h, 0) == 0 || word(h, 1) == 0 || word(h, 2) == 0 ||
        word(h, 2) > word(h, 0) || word(h, 3) == 0 || word(h, 3) > word(h, 1))
        return -EBADMSG;
    size = word(h, 4);
    if (size % 8 != 0 || size != h->size - SNAPSHOT_BASE - 2 * WORD)
        return -EBADMSG;
    r = membership_check(h->data + SNAPSHOT_BASE, (size_t) size);
    if (r < 0)
        return r;
    snapshot = get_u64(h->data + SNAPSHOT_BASE + size);
    if (snapshot == 0 || snapshot % 8 != 0)
        return -EBADMSG;
    if (snapshot > WIRE_SNAPSHOT_MAX)
        return -EMSGSIZE;
    *ret_payload = snapshot;
    return 0;
}

static int check_header(unsigned type, const struct header *h, uint64_t *ret_payload)
{
    *ret_payload = 0;
    switch (type) {
    case APPEND_ENTRIES:
        return check_entries(h, ret_payload);
    case APPEND_ENTRIES_RESULT: /* term, rejected index, last index, features and capacity */
        return check_words(h, 4, 3);
    case REQUEST_VOTE: /* term, candidate, index and term of its last entry, flags */
        return check_words(h, 5, 1) == 0 && word(h, 1) > 0 && word(h, 2) <= NUMBER_MAX && word(h, 3) <= NUMBER_MAX ? 0 : -EBADMSG;
    case REQUEST_VOTE_RESULT: /* term, granted, flags with features and capacity */
        return check_words(h, 3, 2);
    case INSTALL_SNAPSHOT:
        return check_snapshot(h, ret_payload);
    case TIMEOUT_NOW: /* term, index and term of the last entry */
        return check_words(h, 3, 3);
    default:
        return -EBADMSG;
    }
}

/* The message's type, an unused byte, its version, 5 unused bytes; the size of its header. */
static int check_preamble(const struct wire_check *w)
{
    uint64_t size = get_u64(w->head + WORD);

    if (w->head[0] < APPEND_ENTRIES || w->head[0] > TIMEOUT_NOW || w->head[2] > VERSION_MAX || size == 0)
        return -EBADMSG;
    return size > WIRE_HEADER_MAX ? -EMSGSIZE : 0;
}

static size_t wanted(const struct wire_check *w)
{
    return w->have < WIRE_PREAMBLE ? WIRE_PREAMBLE : WIRE_PREAMBLE + (size_t) get_u64(w->head + WORD);
}

/* The preamble or the header is there. */
static int check_head(struct wire_check *w)
{
    const struct header h = { w->head + WIRE_PREAMBLE, w->have - WIRE_PREAMBLE };

    if (w->have == WIRE_PREAMBLE)
        return check_preamble(w);
    w->have = 0;
    return check_header(w->head[0], &h, &w->payload);
}

static size_t skip_payload(struct wire_check *w, size_t size)
{
    size_t n = size < w->payload ? size : (size_t) w->payload;

    w->payload -= n;
    return n;
}

static size_t take_head(struct wire_check *w, const unsigned char *bytes, size_t size)
{
    size_t n = wanted(w) - w->have;

    n = n < size ? n : size;
    memcpy(w->head + w->have, bytes, n);
    w->have += n;
    return n;
}

int wire_check_feed(struct wire_check *w, const void *bytes, size_t size)
{
    const unsigned char *at = bytes, *end = at + size;

    while (at < end && w->result == 0) {
        if (w->payload > 0) {
            at += skip_payload(w, (size_t) (end - at));
            continue;
        }
        at += take_head(w, at, (size_t) (end - at));
        if (w->have == WIRE_PREAMBLE || w->have == wanted(w))
            w->result = check_head(w);
    }
    return w->result;
}
