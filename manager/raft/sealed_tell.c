/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Heartbeats that a leader of libraft 0.22 leaves out.
 *
 * That an entry was committed it tells with the next entries, or with the next heartbeat: whoever waits for the entry on another member would
 * wait for that. So a member is told as soon as it has stored all that there is.
 *
 * It sends no heartbeat at a tick when it has sent anything in the interval before, and takes a member that has not answered between two
 * ticks for unreachable: such a one gets entries with heartbeats only. So what was sent to whom is no reason not to ask at a tick. */
#include <stdlib.h>

#include "raft/sealed_private.h"

/* What the member was sent last in this term; another term's is worth nothing. */
static struct sealed_told *told_of(struct sealed_io *s, raft_id id, raft_term term)
{
    struct sealed_told *free = NULL;

    for (size_t i = 0; i < SEALED_TOLD_MAX; i++) {
        struct sealed_told *t = &s->told[i];

        if (t->id == id && t->term == term)
            return t;
        if (!free && (t->id == id || t->term != term))
            free = t;
    }
    if (free)
        *free = (struct sealed_told) { .id = id, .term = term };
    return free;
}

void sealed_note_sent(struct sealed_io *s, const struct raft_message *m)
{
    const struct raft_append_entries *a = &m->append_entries;
    struct sealed_told *t;

    if (m->type != RAFT_APPEND_ENTRIES)
        return;
    t = told_of(s, m->server_id, a->term);
    if (!t)
        return;
    t->asked = true;
    t->version = a->version;
    t->last = a->prev_log_index + a->n_entries;
    t->last_term = a->n_entries > 0 ? a->entries[a->n_entries - 1].term : a->prev_log_term;
    t->commit = a->leader_commit < t->last ? a->leader_commit : t->last;
}

void sealed_note_received(struct sealed_io *s, const struct raft_message *m)
{
    const struct raft_append_entries_result *a = &m->append_entries_result;

    if (m->type != RAFT_APPEND_ENTRIES_RESULT || a->rejected > 0)
        return;
    for (size_t i = 0; i < SEALED_TOLD_MAX; i++)
        if (s->told[i].id == m->server_id && s->told[i].term == a->term)
            s->told[i].stored = a->last_log_index;
}

static void on_sent(struct raft_io_send *req, _unused_ int status)
{
    free(req);
}

/* One that gets lost is made good by libraft's next. */
static void tell(struct sealed_io *s, const struct raft *r, struct sealed_told *t, const char *address)
{
    struct raft_io_send *req = malloc(sizeof(*req));
    const struct raft_message m = {
        .type = RAFT_APPEND_ENTRIES,
        .server_id = t->id,
        .server_address = address,
        .append_entries = {
            .version = t->version,
            .term = t->term,
            .prev_log_index = t->last,
            .prev_log_term = t->last_term,
            .leader_commit = r->commit_index < t->last ? r->commit_index : t->last,
        },
    };

    t->commit = m.append_entries.leader_commit;
    if (!req)
        return;
    req->cb = on_sent;
    if (s->inner.send(&s->inner, req, &m, on_sent) != 0)
        free(req);
}

/* One who still has to store something will answer by itself. */
static void tell_if(struct sealed_io *s, bool (*is_due)(const struct sealed_told *t, const struct raft *r))
{
    const struct raft *r = s->outer.data;

    if (s->failed || s->closing)
        return;
    for (size_t i = 0; i < SEALED_TOLD_MAX; i++) {
        struct sealed_told *t = &s->told[i];
        const char *address;

        if (t->id == 0 || t->stored < t->last || r->state != RAFT_LEADER || t->term != r->current_term || !is_due(t, r))
            continue;
        address = sealed_address(r, t->id, NULL);
        if (address)
            tell(s, r, t, address);
    }
}

static bool lacks_commit(const struct sealed_told *t, const struct raft *r)
{
    return t->last == r->commit_index && t->commit < t->last;
}

static bool was_not_asked(const struct sealed_told *t, _unused_ const struct raft *r)
{
    return !t->asked;
}

void sealed_tell_commits(struct sealed_io *s)
{
    tell_if(s, lacks_commit);
}

void sealed_tick(struct sealed_io *s)
{
    for (size_t i = 0; i < SEALED_TOLD_MAX; i++)
        s->told[i].asked = false;
    s->tick(&s->outer);
    tell_if(s, was_not_asked);
}
