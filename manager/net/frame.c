/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/frame.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "net/wipe.h"

#define AFTER_LENGTH (FRAME_HEAD - 4U) /* of the head, what its length counts */
#define ROOM_FIRST 4096U

void frame_head(unsigned char ret[static FRAME_HEAD], char kind, uint64_t id, size_t size)
{
    const uint32_t length = htobe32((uint32_t) (AFTER_LENGTH + size));
    const uint64_t number = htobe64(id);

    memcpy(ret, &length, sizeof(length));
    ret[4] = FRAME_VERSION;
    ret[5] = (unsigned char) kind;
    memcpy(ret + 6, &number, sizeof(number));
}

static size_t payload_size(const struct frame_reader *r)
{
    uint32_t length;

    memcpy(&length, r->head, sizeof(length));
    return be32toh(length) - AFTER_LENGTH;
}

static int check_head(const struct frame_reader *r)
{
    uint32_t length;

    if (r->head[4] != FRAME_VERSION)
        return -EPROTONOSUPPORT;
    if (r->head[5] != FRAME_REQUEST && r->head[5] != FRAME_REPLY)
        return -EBADMSG;
    memcpy(&length, r->head, sizeof(length));
    if (be32toh(length) < AFTER_LENGTH)
        return -EBADMSG;
    return payload_size(r) > (r->max ? r->max : FRAME_PAYLOAD_MAX) ? -EMSGSIZE : 0;
}

/* Not realloc, which may leave a copy behind. */
static int make_room(struct frame_reader *r, size_t need, size_t most)
{
    size_t room = r->room ? r->room : ROOM_FIRST;
    unsigned char *bigger;

    if (need <= r->room)
        return 0;
    while (room < need)
        room *= 2;
    if (room > most)
        room = most;
    bigger = malloc(room);
    if (!bigger)
        return -ENOMEM;
    if (r->n_payload > 0)
        memcpy(bigger, r->payload, r->n_payload);
    wipe_free(r->payload, r->room);
    r->payload = bigger;
    r->room = room;
    return 0;
}

static size_t take(void *to, size_t have, size_t want, const unsigned char *bytes, size_t size)
{
    size_t n = want - have < size ? want - have : size;

    if (n > 0)
        memcpy((unsigned char *) to + have, bytes, n);
    return n;
}

static int read_head(struct frame_reader *r, const unsigned char *bytes, size_t size, size_t *ret_used)
{
    *ret_used = take(r->head, r->n_head, FRAME_HEAD, bytes, size);
    r->n_head += *ret_used;
    return r->n_head == FRAME_HEAD ? check_head(r) : 0;
}

static int read_payload(struct frame_reader *r, const unsigned char *bytes, size_t size, size_t *ret_used)
{
    size_t want = payload_size(r), n = want - r->n_payload < size ? want - r->n_payload : size;
    int result = make_room(r, r->n_payload + n, want);

    if (result < 0)
        return result;
    *ret_used = take(r->payload, r->n_payload, want, bytes, size);
    r->n_payload += *ret_used;
    return 0;
}

static void hand_out(struct frame_reader *r, struct frame *ret)
{
    uint64_t id;

    memcpy(&id, r->head + 6, sizeof(id));
    *ret = (struct frame) { (char) r->head[5], be64toh(id), r->payload ? r->payload : (const unsigned char *) "", r->n_payload };
    r->n_head = 0; /* the next call begins anew */
}

int frame_read(struct frame_reader *r, const void *bytes, size_t size, size_t *ret_used, struct frame *ret)
{
    const unsigned char *p = bytes;
    size_t used = 0, n = 0;
    int result;

    if (r->n_head == 0)
        frame_reader_done(r);
    if (r->n_head < FRAME_HEAD) {
        result = read_head(r, p, size, &used);
        if (result < 0)
            return result;
    }
    if (r->n_head == FRAME_HEAD) {
        result = read_payload(r, p + used, size - used, &n);
        if (result < 0)
            return result;
    }
    *ret_used = used + n;
    if (r->n_head < FRAME_HEAD || r->n_payload < payload_size(r))
        return 0;
    hand_out(r, ret);
    return 1;
}

void frame_reader_done(struct frame_reader *r)
{
    wipe_free(r->payload, r->room);
    *r = (struct frame_reader) { .max = r->max };
}
