/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What people change about nodes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "pki/ca.h"
#include "store/erasing_allocator.h"
#include "swarm/swarm_private.h"

struct find_step {
    struct swarm *swarm;
    const char *name;
    struct error *error;
    char id[STORE_ID_LEN + 1];
};

static void find(void *data, struct completion *c)
{
    struct find_step *step = data;
    const Pb__Node *node;
    int r = swarm_check_active(step->swarm, step->error);

    if (r == 0)
        r = swarm_find_node(step->swarm, step->name, &node, step->error);
    if (r == 0)
        (void) strcpy(step->id, node->meta->id);
    completion_done(c, r);
}

static int find_node(struct swarm *s, struct swarm_request *r, Pb__Node **ret)
{
    struct find_step step = { .swarm = s, .name = r->node, .error = &r->error };
    int result = step_current(s, &r->error);

    if (result == 0)
        result = lifecycle_on_loop(s->lifecycle, find, &step);
    if (result == 0)
        result = step_node(s, step.id, ret);
    return result;
}

static void remove_label(Pb__Node *node, const char *key, size_t length)
{
    for (size_t i = 0; i < node->n_labels; i++)
        if (strlen(node->labels[i]->key) == length && memcmp(node->labels[i]->key, key, length) == 0) {
            erasing_message_free(&node->labels[i]->base);
            memmove(&node->labels[i], &node->labels[i + 1], (--node->n_labels - i) * sizeof(Pb__Label *));
            return;
        }
}

/* The node's own allocator is malloc: what is added here goes with it. */
static int add_label(Pb__Node *node, const char *text)
{
    const char *equals = strchr(text, '=');
    size_t length = equals ? (size_t) (equals - text) : strlen(text);
    Pb__Label **more, *label;

    remove_label(node, text, length);
    more = reallocarray(node->labels, node->n_labels + 1, sizeof(*more));
    if (!more)
        return -ENOMEM;
    node->labels = more;
    label = malloc(sizeof(*label));
    if (!label)
        return -ENOMEM;
    pb__label__init(label);
    label->key = strndup(text, length);
    label->value = strdup(equals ? equals + 1 : "");
    node->labels[node->n_labels++] = label;
    return label->key && label->value ? 0 : -ENOMEM;
}

static int change(Pb__Node *node, const struct swarm_request *r)
{
    int result = 0;

    for (char **label = r->remove_labels; label && *label; label++)
        remove_label(node, *label, strlen(*label));
    for (char **label = r->add_labels; result == 0 && label && *label; label++)
        result = add_label(node, *label);
    if (r->has_availability)
        node->availability = r->availability;
    if (r->has_role && node->role != r->role) {
        node->role = r->role;
        node->key_generation = node->oldest_key_generation = node->rekeyed = 0;
        result = string_replace(&node->rekey_lost, "");
        node->keyslots_sequence = 0;
        /* a log that begins anew is another member's: the old one may have voted */
        if (r->role == PB__ROLE__MANAGER)
            do {
                randombytes_buf(&node->raft_id, sizeof(node->raft_id));
                node->raft_id &= INT64_MAX;
            } while (node->raft_id == 0);
    }
    return result;
}

static int explain(struct swarm_request *r, int code)
{
    switch (code) {
    case -EBUSY:
        return error_set(&r->error, code, "attempting to demote the last manager of the swarm");
    case -EREMCHG:
        return code;
    case -EINVAL:
    case -EMSGSIZE:
        return error_set(&r->error, -EINVAL, "a label is not valid, or there are too many");
    default:
        return swarm_error_change(&r->error, code, "the node cannot be changed");
    }
}

int verb_update_node(struct swarm *s, struct swarm_request *r)
{
    _cleanup_(node_freep) Pb__Node *node = NULL;
    int result = find_node(s, r, &node);

    if (result != 0)
        return result;
    (void) strcpy(r->ret_id, node->meta->id);
    result = change(node, r);
    if (result == 0)
        result = step_put_node(s, node);
    return result < 0 ? explain(r, result) : 0;
}

int verb_remove_node(struct swarm *s, struct swarm_request *r)
{
    _cleanup_(node_freep) Pb__Node *node = NULL;
    Pb__RemoveNode removal = PB__REMOVE_NODE__INIT;
    Pb__Command command = PB__COMMAND__INIT;
    int result = find_node(s, r, &node);

    if (result != 0)
        return result;
    (void) strcpy(r->ret_id, node->meta->id);
    if (node->role == PB__ROLE__MANAGER)
        return error_set(&r->error, -EBUSY, "node %s is a cluster manager and is a member of the raft cluster. It must be demoted to worker before "
                                            "removal", node->meta->id);
    if (node->state == PB__NODE_STATE__READY && !r->force)
        return error_set(&r->error, -EBUSY, "node %s is not down and can't be removed", node->meta->id);
    removal.id = node->meta->id;
    removal.now = swarm_now();
    removal.until = removal.now + (int64_t) CA_NODE_DAYS * 24 * 3600 * 1000000;
    command.what_case = PB__COMMAND__WHAT_REMOVE_NODE;
    command.remove_node = &removal;
    result = step_propose(s, &command);
    return result < 0 ? explain(r, result) : 0;
}
