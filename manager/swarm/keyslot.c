/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ways to unlock: what the lock holds, and what is known of it. */
#include <errno.h>
#include <string.h>

#include "method/keyslot_record.h"
#include "method/refresh.h"
#include "swarm/swarm_private.h"
#include "basic/text.h"

int keyslot_error_no_lock(struct error *e)
{
    return error_set(e, -EOPNOTSUPP, "autolock is off or its key was never shown (see \"swarmctl info\"), so there is no lock: turn it on with "
                                     "\"swarmctl update --autolock=true\"");
}

/* There is a lock, and this manager may change it; to try it, that may be locked. */
static int require_lock(struct swarm *s, bool only_tried, struct error *e)
{
    int r = only_tried && step_get_state(s) == SWARM_LOCKED ? 0 : step_require_active(s, e);

    return r == 0 && !s->keys_locked ? keyslot_error_no_lock(e) : r;
}

/* worked: it has just opened. note: NULL keeps the last one. */
static void record(struct swarm *s, int slot, bool worked, const char *note)
{
    struct keyslot_records records;
    struct keyslot_record *found;
    char area[KEYSLOT_AREA_LEN + 1];

    if (keyslots_area(s->files.keyslots, slot, area, NULL) < 0)
        return;
    keyslot_records_read(s->files.records, &records);
    found = keyslot_record_of(&records, area);
    if (worked)
        found->report.worked = swarm_now();
    if (note)
        text_copy(found->report.note, sizeof(found->report.note), note);
    (void) keyslot_records_write(s->files.records, &records);
}

void keyslot_worked(struct swarm *s, const struct keyslot *slot)
{
    record(s, slot->slot, true, NULL);
}

static void add_reports(struct swarm *s, struct swarm_request *r)
{
    struct keyslot_records records;

    keyslot_records_read(s->files.records, &records);
    for (unsigned i = 0; i < r->ret_n_keyslots; i++) {
        char area[KEYSLOT_AREA_LEN + 1];
        struct keyslot_record *found;

        if (keyslots_area(s->files.keyslots, r->ret_keyslots[i].slot, area, NULL) < 0)
            continue;
        found = keyslot_record_find(&records, area);
        if (found)
            r->ret_reports[i] = found->report;
    }
}

/* force: while locked, too. */
int verb_list_keyslots(struct swarm *s, struct swarm_request *r)
{
    enum swarm_state state = step_get_state(s);
    int result;

    if (state == SWARM_LOCKED && !r->force)
        return swarm_error_locked(&r->error);
    if (state == SWARM_INACTIVE)
        return swarm_error_not_manager(&r->error);
    if (!s->keys_locked)
        return 0;
    result = keyslots_list(s->files.keyslots, r->ret_keyslots, &r->error);
    if (result < 0)
        return result;
    r->ret_n_keyslots = (unsigned) result;
    add_reports(s, r);
    return 0;
}

/* After a change of ours: the replicated state knows how new the header is. */
static int changed(struct swarm *s, struct error *e)
{
    _cleanup_(cluster_freep) Pb__Cluster *cluster = NULL;
    int r = step_cluster(s, &cluster);

    if (r == 0)
        r = lock_record_generation(s, cluster->next_unlock_key.len > 0 ? cluster->next_unlock_generation : cluster->unlock_generation,
                                   cluster->retiring_generation > 0 ? cluster->retiring_generation : cluster->unlock_generation);
    return r < 0 ? error_set(e, r, "the lock is changed, but the swarm cannot note that: %s", strerror(-r)) : 0;
}

/* The unlock key's keyslot is made good first, so that something is left that opens. */
static int remove_slot(struct swarm *s, int slot, struct error *e)
{
    _cleanup_(cluster_freep) Pb__Cluster *cluster = NULL;
    _cleanup_(secret_done) struct secret text = SECRET_NULL;
    int r = step_cluster(s, &cluster);

    if (r == 0)
        r = lock_key_text(&cluster->unlock_key, &text);
    if (r < 0)
        return error_set(e, r, "the unlock key cannot be read: %s", strerror(-r));
    (void) keyslots_add(s->files.keyslots, &s->kek, &text, cluster->unlock_generation, NULL, NULL);
    return keyslots_remove_method(s->files.keyslots, slot, &text, e);
}

int verb_remove_keyslot(struct swarm *s, struct swarm_request *r)
{
    int result = require_lock(s, false, &r->error);

    if (result == 0)
        result = remove_slot(s, r->slot, &r->error);
    if (result < 0)
        return result;
    swarm_event(s, SWARM_EVENT_KEYSLOT_REMOVED, r, r->slot, 0, NULL);
    return changed(s, &r->error);
}

int verb_prove_keyslot(struct swarm *s, struct swarm_request *r)
{
    int result = require_lock(s, true, &r->error);

    if (result == 0)
        result = keyslots_prove(s->files.keyslots, r->slot, &r->key, &r->ret_keyslots[0], &r->error);
    secret_done(&r->key);
    if (result < 0)
        return result;
    r->ret_n_keyslots = 1;
    record(s, r->slot, true, "");
    return 0;
}

int verb_insert_keyslot(struct swarm *s, struct swarm_request *r)
{
    int slot = -1, result = require_lock(s, false, &r->error);

    if (result == 0 && r->slot >= 0)
        result = refresh_check_slot(s->files.keyslots, r->slot, r->token, &r->error);
    if (result == 0)
        result = keyslots_add_method(s->files.keyslots, &s->kek, &r->key, r->stretch, r->token, r->slot >= 0, &slot, &r->error);
    if (result == 0)
        result = keyslots_prove(s->files.keyslots, slot, &r->key, &r->ret_keyslots[0], &r->error);
    if (result < 0)
        return result;
    r->ret_n_keyslots = 1;
    record(s, slot, true, "");
    if (r->slot >= 0)
        result = remove_slot(s, r->slot, &r->error);
    swarm_event(s, r->slot >= 0 ? SWARM_EVENT_KEYSLOT_REFRESHED : SWARM_EVENT_KEYSLOT_ADDED, r, slot, 0, r->ret_keyslots[0].kind);
    return result < 0 ? result : changed(s, &r->error);
}

int verb_keyslot_token(struct swarm *s, struct swarm_request *r)
{
    int result = require_lock(s, false, &r->error);

    return result < 0 ? result : keyslots_token(s->files.keyslots, r->slot, &r->ret_token_json, &r->error);
}

int verb_record_keyslot(struct swarm *s, struct swarm_request *r)
{
    int result = require_lock(s, true, &r->error);

    if (result < 0)
        return result;
    record(s, r->slot, false, r->note);
    if (r->note[0] != '\0')
        swarm_event(s, SWARM_EVENT_KEYSLOT_FAILED, r, r->slot, 0, r->note);
    return 0;
}
