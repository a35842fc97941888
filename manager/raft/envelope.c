/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/envelope.h"

#include <errno.h>
#include <string.h>

#include "raft/bytes.h"

#define HEAD_SIZE 16

size_t envelope_record_size(const struct envelope *v, size_t state_size)
{
    return RECORD_HEADER_SIZE + HEAD_SIZE + v->configuration_size + state_size;
}

void envelope_fill(const struct envelope *v, const void *state, size_t state_size, void *out)
{
    unsigned char *head = (unsigned char *) out + RECORD_HEADER_SIZE;

    put_u64(head, v->configuration_index);
    put_u64(head + 8, v->configuration_size);
    memcpy(head + HEAD_SIZE, v->configuration, v->configuration_size);
    if (state_size > 0)
        memcpy(head + HEAD_SIZE + v->configuration_size, state, state_size);
}

static struct record_place place_of(const struct envelope *v)
{
    return (struct record_place) { .kind = RECORD_SNAPSHOT, .index = v->index, .term = v->term };
}

int envelope_seal(const struct keyring *k, const struct envelope *v, void *out, size_t record_size)
{
    const struct record_place place = place_of(v);

    return record_seal(k, &place, (unsigned char *) out + RECORD_HEADER_SIZE, record_size - RECORD_HEADER_SIZE, out);
}

int envelope_open(const struct keyring *k, const struct envelope *v, void *record, size_t size, void **ret_state, size_t *ret_size)
{
    const struct record_place place = place_of(v);
    unsigned char *head;
    size_t plain_size;
    void *plain;
    int r;

    r = record_open(k, &place, record, size, &plain, &plain_size);
    if (r < 0)
        return r;
    head = plain;
    if (plain_size < HEAD_SIZE + v->configuration_size || get_u64(head) != v->configuration_index ||
        get_u64(head + 8) != v->configuration_size ||
        memcmp(head + HEAD_SIZE, v->configuration, v->configuration_size) != 0)
        return -EBADMSG;
    *ret_state = head + HEAD_SIZE + v->configuration_size;
    *ret_size = plain_size - HEAD_SIZE - v->configuration_size;
    return 0;
}
