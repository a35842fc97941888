/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What comes from other members, before libraft 0.22.1 sees it: it does not survive every message that is in order. */
#include <stdlib.h>
#include <string.h>

#include "raft/membership.h"
#include "raft/sealed_private.h"

static void message_drop(struct raft_message *m)
{
    if (m->type == RAFT_APPEND_ENTRIES && m->append_entries.n_entries > 0) {
        raft_free(m->append_entries.entries[0].batch);
        raft_free(m->append_entries.entries);
    } else if (m->type == RAFT_INSTALL_SNAPSHOT) {
        raft_configuration_close(&m->install_snapshot.conf);
        raft_free(m->install_snapshot.data.base);
    }
}

static void pass(struct sealed_io *s, struct raft_message *m)
{
    if (s->failed || s->closing) {
        message_drop(m);
        return;
    }
    sealed_note_received(s, m);
    s->recv(&s->outer, m);
    s->config.turned(s->config.data);
}

/* 0: the log does not tell. */
static raft_term term_of(const struct raft *r, raft_index index)
{
    const struct raft_trail *t = &r->trail;

    if (index > t->offset)
        for (unsigned i = t->front; i != t->back; i = (i + 1) % t->size)
            if (index <= t->records[i].index)
                return t->records[i].term;
    return index == t->snapshot.index ? t->snapshot.term : 0;
}

static bool differs(const struct raft *r, raft_index index, raft_term term)
{
    raft_term own = index > 0 && index <= r->commit_index ? term_of(r, index) : 0;

    return own != 0 && own != term;
}

/* A leader that has something else where this member has committed is of another swarm, or one of the two logs was put back from an older
 * copy. libraft would free the entries twice. */
static bool contradicts(const struct raft *r, const struct raft_append_entries *a)
{
    if (a->term < r->current_term || r->snapshot.installing)
        return false;
    if (differs(r, a->prev_log_index, a->prev_log_term))
        return true;
    for (unsigned i = 0; i < a->n_entries; i++)
        if (differs(r, a->prev_log_index + 1 + i, a->entries[i].term))
            return true;
    return false;
}

static bool memberships_valid(const struct raft_append_entries *a)
{
    for (unsigned i = 0; i < a->n_entries; i++)
        if (a->entries[i].type == RAFT_CHANGE && membership_check(a->entries[i].buf.base, a->entries[i].buf.len) < 0)
            return false;
    return true;
}

/* The first n entries as a message of their own, with memory of their own. */
static int take_front(const struct raft_message *m, unsigned n, struct raft_message *ret)
{
    const struct raft_entry *from = m->append_entries.entries;
    struct raft_entry *entries = raft_malloc(n * sizeof(*entries));
    size_t size = 0;
    char *at;

    for (unsigned i = 0; i < n; i++)
        size += from[i].buf.len;
    at = raft_malloc(size > 0 ? size : 1);
    if (!entries || !at) {
        raft_free(entries);
        raft_free(at);
        return RAFT_NOMEM;
    }
    for (unsigned i = 0; i < n; i++) {
        entries[i] = from[i];
        entries[i].batch = i == 0 ? at : entries[0].batch;
        entries[i].buf.base = at;
        if (from[i].buf.len > 0)
            memcpy(at, from[i].buf.base, from[i].buf.len);
        at += from[i].buf.len;
    }
    *ret = *m;
    ret->append_entries.entries = entries;
    ret->append_entries.n_entries = n;
    return 0;
}

static void drop_front(struct raft_append_entries *a, unsigned n)
{
    a->prev_log_index += n;
    a->prev_log_term = a->entries[n - 1].term;
    a->n_entries -= n;
    memmove(a->entries, a->entries + n, a->n_entries * sizeof(a->entries[0]));
}

/* From a message that ends before what is committed here, as a leader sends that does not know yet how far this member is, libraft takes
 * the end for what is committed. It would then take a snapshot for that index of a state that is newer. */
static void pass_append(struct sealed_io *s, struct raft_message *m)
{
    const struct raft *r = s->outer.data;
    struct raft_append_entries *a = &m->append_entries;

    if (a->prev_log_index + a->n_entries < r->commit_index && a->leader_commit > r->commit_index)
        a->leader_commit = r->commit_index;
    pass(s, m);
}

/* libraft takes a change of the membership for one at the index of the message's first new entry. It would not see that it was committed:
 * such a member's snapshots hold an old membership, and as a leader it refuses every change. So each change begins a message. */
static void recv_append(struct sealed_io *s, struct raft_message *m)
{
    struct raft_append_entries *a = &m->append_entries;
    struct raft_message front;

    if (!memberships_valid(a)) {
        message_drop(m);
        return;
    }
    if (contradicts(s->outer.data, a)) {
        sealed_fail(s, "the leader has other entries than those that are committed in %s: it is not the same log; remove this node from the "
                    "swarm and let it join anew", s->folder);
        message_drop(m);
        return;
    }
    for (unsigned i = 1; i < a->n_entries; i++) {
        if (a->entries[i].type != RAFT_CHANGE)
            continue;
        if (take_front(m, i, &front) != 0) {
            message_drop(m); /* as if the network had lost it */
            return;
        }
        pass_append(s, &front);
        drop_front(a, i);
        i = 0;
    }
    pass_append(s, m);
}

static void held_drop(struct sealed_io *s)
{
    if (!s->held)
        return;
    message_drop(s->held);
    free((char *) s->held->server_address);
    free(s->held);
    s->held = NULL;
}

static bool is_older(const struct raft_install_snapshot *a, const struct raft_install_snapshot *b)
{
    return a->term != b->term ? a->term < b->term : a->last_index < b->last_index;
}

/* One at most; the connection that it came by may go meanwhile. */
static void hold(struct sealed_io *s, struct raft_message *m)
{
    struct raft_message *copy = malloc(sizeof(*copy));
    char *address = strdup(m->server_address);

    if (!copy || !address || (s->held && is_older(&m->install_snapshot, &s->held->install_snapshot))) {
        free(copy);
        free(address);
        message_drop(m);
        return;
    }
    held_drop(s);
    *copy = *m;
    copy->server_address = address;
    s->held = copy;
}

/* libraft puts off a snapshot that comes while an own one is being stored, but takes the log for replaced at once: when the own one is
 * stored, its place in the log is gone. One that comes while another is being installed it forgets to free. */
static void recv_install(struct sealed_io *s, struct raft_message *m)
{
    if (s->puts > 0 || s->installs > 0)
        hold(s, m);
    else
        pass(s, m);
}

/* Two leaders of one term are of two swarms; libraft relies on there being none. */
static bool leads_too(const struct raft *r, const struct raft_message *message)
{
    if (r->state != RAFT_LEADER)
        return false;
    return (message->type == RAFT_APPEND_ENTRIES && r->current_term == message->append_entries.term) ||
           (message->type == RAFT_INSTALL_SNAPSHOT && r->current_term == message->install_snapshot.term);
}

void sealed_on_recv(struct raft_io *io, struct raft_message *message)
{
    struct sealed_io *s = sealed_of_inner(io);
    const struct raft *r = s->outer.data;

    if (s->failed || s->closing || leads_too(r, message))
        message_drop(message);
    else if (message->type == RAFT_APPEND_ENTRIES)
        recv_append(s, message);
    else if (message->type == RAFT_INSTALL_SNAPSHOT)
        recv_install(s, message);
    else
        pass(s, message);
}

void sealed_recv_resume(struct sealed_io *s)
{
    struct raft_message *m = s->held;

    if (!m || s->puts > 0 || s->installs > 0) /* the end of one may be the begin of the next */
        return;
    s->held = NULL;
    pass(s, m);
    free((char *) m->server_address);
    free(m);
}

void sealed_recv_close(struct sealed_io *s)
{
    held_drop(s);
}
