/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "swarm/swarm_private.h"

#define TRIES 5 /* of a change that another manager came before */

static int (*const verbs[_SWARM_VERB_MAX])(struct swarm *s, struct swarm_request *r) = {
    [SWARM_INIT] = verb_init,
    [SWARM_UNLOCK] = verb_unlock,
    [SWARM_ROTATE_UNLOCK_KEY] = verb_rotate_unlock_key,
    [SWARM_CONFIRM_UNLOCK_KEY] = verb_confirm_unlock_key,
    [SWARM_ENABLE_AUTOLOCK] = verb_enable_autolock,
    [SWARM_DISABLE_AUTOLOCK] = verb_disable_autolock,
    [SWARM_ROTATE_JOIN_TOKEN] = verb_rotate_join_token,
    [SWARM_JOIN] = verb_join,
    [SWARM_LEAVE] = verb_leave,
    [SWARM_UPDATE_NODE] = verb_update_node,
    [SWARM_REMOVE_NODE] = verb_remove_node,
    [SWARM_ROTATE_CA] = verb_rotate_ca,
    [SWARM_REKEY] = verb_rekey,
    [SWARM_BACKUP] = verb_backup,
    [SWARM_RESTORE] = verb_restore,
    [SWARM_LIST_KEYSLOTS] = verb_list_keyslots,
    [SWARM_REMOVE_KEYSLOT] = verb_remove_keyslot,
    [SWARM_PROVE_KEYSLOT] = verb_prove_keyslot,
    [SWARM_INSERT_KEYSLOT] = verb_insert_keyslot,
    [SWARM_KEYSLOT_TOKEN] = verb_keyslot_token,
    [SWARM_RECORD_KEYSLOT] = verb_record_keyslot,
    [SWARM_SWITCH_KEYS] = verb_switch_keys,
    [SWARM_FETCH_ADVERTISEMENT] = verb_fetch_advertisement,
    [SWARM_ADD_KEYSLOT] = verb_add_keyslot,
    [SWARM_TEST_KEYSLOT] = verb_test_keyslot,
    [SWARM_REFRESH_KEYSLOTS] = verb_refresh_keyslots,
    [SWARM_FOLLOW_REKEY] = verb_follow_rekey,
};

struct swarm_request *swarm_request_new(enum swarm_verb verb)
{
    struct swarm_request *r = calloc(1, sizeof(*r));

    if (r)
        *r = (struct swarm_request) { .verb = verb, .slot = -1, .fd = -1 };
    return r;
}

static void labels_free(char **labels)
{
    for (char **label = labels; label && *label; label++)
        free(*label);
    free(labels);
}

void swarm_request_free(struct swarm_request *r)
{
    labels_free(r->add_labels);
    labels_free(r->remove_labels);
    if (r->fd >= 0)
        (void) close(r->fd);
    secret_done(&r->key);
    secret_done(&r->ret_key);
    secret_done(&r->ret_token);
    free(r->token);
    free(r->ret_token_json);
    free(r->options);
    free(r);
}

static int run(void *data)
{
    struct swarm_request *r = data;

    int result = -EREMCHG;

    if (!verbs[r->verb])
        return -EOPNOTSUPP;
    for (unsigned i = 0; i < TRIES && result == -EREMCHG; i++) {
        secret_done(&r->ret_key);
        secret_done(&r->ret_token);
        r->error.text[0] = '\0';
        result = verbs[r->verb](r->swarm, r);
    }
    return result == -EREMCHG ? error_set(&r->error, -EAGAIN, "update out of sequence: try again") : result;
}

static void done(void *data, int result)
{
    struct swarm_request *r = data;

    if (r->verb == SWARM_LIST_KEYSLOTS)
        r->swarm->listings--;
    r->result = result;
    if (result < 0 && r->error.text[0] == '\0')
        (void) error_set(&r->error, result, "%s", strerror(-result));
    r->done(r->data, r);
}

/* Anybody may list keyslots, so that must not fill the queue. */
int swarm_submit(struct swarm *s, struct swarm_request *request)
{
    struct lifecycle *thread = request->verb >= SWARM_FETCH_ADVERTISEMENT ? s->errands : s->lifecycle;
    bool lists = request->verb == SWARM_LIST_KEYSLOTS;
    int r;

    if (s->closing)
        return -ESHUTDOWN;
    if (lists && s->listings >= LIFECYCLE_QUEUE_MAX / 4)
        return -EAGAIN;
    request->swarm = s;
    r = lifecycle_submit(thread, run, done, request);
    if (r == 0 && lists)
        s->listings++;
    return r;
}
