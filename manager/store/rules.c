/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/rules.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "store/store.h"
#include "basic/utf8.h"

static bool is_letter_or_digit(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool store_name_is_valid(const char *name)
{
    size_t n;

    if (!name)
        return false;
    n = strnlen(name, STORE_NAME_MAX + 1);
    if (n == 0 || n > STORE_NAME_MAX || !is_letter_or_digit(name[0]) || !is_letter_or_digit(name[n - 1]))
        return false;
    for (size_t i = 1; i + 1 < n; i++)
        if (!is_letter_or_digit(name[i]) && name[i] != '-' && name[i] != '_' && name[i] != '.')
            return false;
    return true;
}

int rules_check_id(const char *id)
{
    size_t n = strnlen(id, STORE_ID_LEN + 1);

    if (n != STORE_ID_LEN)
        return -EINVAL;
    for (size_t i = 0; i < n; i++)
        if (!((id[i] >= '0' && id[i] <= '9') || (id[i] >= 'a' && id[i] <= 'z')))
            return -EINVAL;
    return 0;
}

int rules_check_kind(Pb__Kind kind)
{
    return kind == PB__KIND__SECRET || kind == PB__KIND__CONFIG ? 0 : -EINVAL;
}

int rules_check_meta(const Pb__Meta *meta)
{
    if (!meta || meta->created < 0 || meta->updated < 0)
        return -EINVAL;
    return rules_check_id(meta->id);
}

int rules_check_text(const char *text, size_t max)
{
    if (strnlen(text, max + 1) > max)
        return -EMSGSIZE;
    return utf8_is_valid(text) ? 0 : -EINVAL;
}

int rules_check_line(const char *text, size_t max)
{
    for (const char *c = text; *c; c++)
        if ((unsigned char) *c < ' ' || *c == 0x7f)
            return -EINVAL;
    return rules_check_text(text, max);
}

int rules_check_labels(Pb__Label *const labels[], size_t n)
{
    int r;

    if (n > STORE_LABELS_MAX)
        return -EMSGSIZE;
    for (size_t i = 0; i < n; i++) {
        r = rules_check_text(labels[i]->key, STORE_LABEL_MAX);
        if (r == 0)
            r = rules_check_text(labels[i]->value, STORE_LABEL_MAX);
        if (r < 0)
            return r;
        if (labels[i]->key[0] == '\0')
            return -EINVAL;
        for (size_t k = 0; k < i; k++)
            if (strcmp(labels[k]->key, labels[i]->key) == 0)
                return -EINVAL;
    }
    return 0;
}

Pb__Meta rules_meta_as_given(const Pb__Meta *meta)
{
    Pb__Meta given = *meta;

    given.version = 0;
    given.created = 0;
    return given;
}

int rules_check_record(const ProtobufCMessage *message, size_t data_size)
{
    return protobuf_c_message_get_packed_size(message) - data_size > STORE_RECORD_MAX ? -EMSGSIZE : 0;
}

static bool is_empty_or(const ProtobufCBinaryData *data, size_t size)
{
    return data->len == 0 || data->len == size;
}

int rules_check_cluster(const Pb__Cluster *c)
{
    Pb__Cluster given;
    Pb__Meta meta;
    int r;

    if (!c)
        return -EINVAL;
    r = rules_check_meta(c->meta);
    if (r < 0)
        return r;
    if (c->ca_key.len > STORE_KEY_MAX || c->old_ca_key.len > STORE_KEY_MAX || c->ca_certificate.len > STORE_CERTIFICATE_MAX ||
        c->old_ca_certificate.len > STORE_CERTIFICATE_MAX || c->cross_certificate.len > STORE_CERTIFICATE_MAX)
        return -EMSGSIZE;
    if (c->worker_secret.len != STORE_JOIN_SECRET_SIZE || c->manager_secret.len != STORE_JOIN_SECRET_SIZE ||
        !is_empty_or(&c->unlock_key, STORE_UNLOCK_KEY_SIZE) || !is_empty_or(&c->next_unlock_key, STORE_UNLOCK_KEY_SIZE) ||
        !is_empty_or(&c->retiring_unlock_key, STORE_UNLOCK_KEY_SIZE) || c->retiring_until < 0)
        return -EINVAL;
    meta = rules_meta_as_given(c->meta);
    given = *c;
    given.meta = &meta;
    return rules_check_record(&given.base, 0);
}

int rules_check_node_state(Pb__NodeState state, int64_t since)
{
    if (state != PB__NODE_STATE__UNKNOWN && state != PB__NODE_STATE__READY && state != PB__NODE_STATE__DOWN)
        return -EINVAL;
    return since < 0 ? -EINVAL : 0;
}

static int check_node_record(const Pb__Node *n)
{
    Pb__Meta meta = rules_meta_as_given(n->meta);
    Pb__Node given = *n;

    given.meta = &meta;
    given.state = PB__NODE_STATE__UNKNOWN;
    given.state_since = 0;
    return rules_check_record(&given.base, 0);
}

int rules_check_node(const Pb__Node *n)
{
    int r;

    if (!n)
        return -EINVAL;
    r = rules_check_meta(n->meta);
    if (r == 0)
        r = rules_check_line(n->hostname, STORE_HOSTNAME_MAX);
    if (r == 0)
        r = rules_check_line(n->address, STORE_ADDRESS_MAX);
    if (r == 0)
        r = rules_check_line(n->rekey_lost, STORE_REKEY_LOST_MAX);
    if (r == 0)
        r = rules_check_labels(n->labels, n->n_labels);
    if (r < 0)
        return r;
    if (n->role != PB__ROLE__WORKER && (n->role != PB__ROLE__MANAGER || n->raft_id == 0))
        return -EINVAL;
    if (n->availability != PB__AVAILABILITY__ACTIVE && n->availability != PB__AVAILABILITY__PAUSE &&
        n->availability != PB__AVAILABILITY__DRAIN)
        return -EINVAL;
    if (n->certificate.len > STORE_CERTIFICATE_MAX)
        return -EMSGSIZE;
    r = rules_check_node_state(n->state, n->state_since);
    if (r < 0)
        return r;
    return check_node_record(n);
}

int rules_check_remove_node(const Pb__RemoveNode *r)
{
    return r->until < 0 || r->now < 0 ? -EINVAL : rules_check_id(r->id);
}

int rules_check_revoke(const Pb__Revoke *r)
{
    if (r->certificate_digest.len != STORE_DIGEST_SIZE || r->until < 0 || r->now < 0)
        return -EINVAL;
    return rules_check_id(r->id);
}

int rules_check_revocation(const Pb__Revocation *r)
{
    /* nobody may be let in again because a program does not know what revokes him */
    if (!is_empty_or(&r->certificate_digest, STORE_DIGEST_SIZE) || r->until < 0 || r->base.n_unknown_fields > 0)
        return -EINVAL;
    return rules_check_id(r->id);
}

static size_t data_max(Pb__Kind kind)
{
    return kind == PB__KIND__SECRET ? STORE_SECRET_MAX : STORE_CONFIG_MAX;
}

int rules_check_data(Pb__Kind kind, const ProtobufCBinaryData *data)
{
    int r = rules_check_kind(kind);

    if (r < 0)
        return r;
    return data->len > data_max(kind) ? -EMSGSIZE : 0;
}

/* Oldest first, all of them older than what there is now; none without an update. */
static int check_revisions(Pb__Kind kind, const Pb__Object *o)
{
    uint64_t before = 0;
    int r;

    if (o->n_former > STORE_FORMER_MAX)
        return -EMSGSIZE;
    if (o->revised < 0 || (o->revision == 0 && (o->n_former > 0 || o->revised != 0)))
        return -EINVAL;
    for (size_t i = 0; i < o->n_former; i++) {
        const Pb__Revision *former = o->former[i];

        if (former->created < 0 || former->number >= o->revision || (i > 0 && former->number <= before))
            return -EINVAL;
        before = former->number;
        r = rules_check_data(kind, &former->data);
        if (r == 0)
            r = rules_check_record(&former->base, former->data.len);
        if (r < 0)
            return r;
    }
    return 0;
}

bool rules_object_has_revisions(const Pb__Object *object)
{
    return object->revision != 0 || object->n_former > 0 || object->revised != 0;
}

int rules_check_object(Pb__Kind kind, const Pb__Object *o)
{
    Pb__Object given;
    Pb__Meta meta;
    int r;

    r = rules_check_kind(kind);
    if (r < 0)
        return r;
    if (!o)
        return -EINVAL;
    r = rules_check_meta(o->meta);
    if (r < 0)
        return r;
    if (!store_name_is_valid(o->name))
        return -EINVAL;
    r = rules_check_labels(o->labels, o->n_labels);
    if (r == 0)
        r = rules_check_data(kind, &o->data);
    if (r == 0)
        r = check_revisions(kind, o);
    if (r < 0)
        return r;
    meta = rules_meta_as_given(o->meta);
    meta.updated = 0;
    given = *o;
    given.meta = &meta;
    given.data = (ProtobufCBinaryData) {};
    given.revision = 0;
    given.n_former = 0;
    given.revised = 0;
    return rules_check_record(&given.base, 0);
}
