/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ways to open the vault. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "basic/text.h"
#include "docker/vault_private.h"
#include "method/keyslot_record.h"
#include "method/refresh.h"

void vault_record(struct vault *v, int slot, bool worked, const char *note)
{
    struct keyslot_records records;
    struct keyslot_record *found;
    char area[KEYSLOT_AREA_LEN + 1];

    if (keyslots_area(v->lock, slot, area, NULL) < 0)
        return;
    keyslot_records_read(v->records, &records);
    found = keyslot_record_of(&records, area);
    if (worked)
        found->report.worked = (int64_t) time(NULL) * 1000000;
    if (note)
        text_copy(found->report.note, sizeof(found->report.note), note);
    (void) keyslot_records_write(v->records, &records);
}

void vault_note(struct vault *v, int slot, bool worked, const char *note)
{
    _cleanup_(vault_unlock) pthread_mutex_t *held _unused_ = vault_lock(v);

    vault_record(v, slot, worked, note);
}

int vault_list(struct vault *v, struct keyslot ret[static KEYSLOTS_MAX], struct keyslot_report ret_reports[static KEYSLOTS_MAX], struct error *e)
{
    _cleanup_(vault_unlock) pthread_mutex_t *held _unused_ = vault_lock(v);
    struct keyslot_records records;
    int n = vault_require(v, false, e);

    if (n == 0)
        n = keyslots_list(v->lock, ret, e);
    if (n < 0)
        return n;
    keyslot_records_read(v->records, &records);
    for (int i = 0; i < n; i++) {
        char area[KEYSLOT_AREA_LEN + 1];
        const struct keyslot_record *found = keyslots_area(v->lock, ret[i].slot, area, NULL) < 0 ? NULL : keyslot_record_find(&records, area);

        ret_reports[i] = found ? found->report : (struct keyslot_report) { .worked = 0 };
    }
    return n;
}

int vault_check_open(struct vault *v, struct error *e)
{
    _cleanup_(vault_unlock) pthread_mutex_t *held _unused_ = vault_lock(v);

    return vault_require(v, true, e);
}

int vault_token(struct vault *v, int slot, char **ret, struct error *e)
{
    _cleanup_(vault_unlock) pthread_mutex_t *held _unused_ = vault_lock(v);
    int r = vault_require(v, false, e);

    return r < 0 ? r : keyslots_token(v->lock, slot, ret, e);
}

int vault_add(struct vault *v, struct method *m, enum keyslot_stretch stretch, int replaces, struct keyslot *ret, struct error *e)
{
    _cleanup_(vault_unlock) pthread_mutex_t *held _unused_ = vault_lock(v);
    int slot = -1, r = vault_require(v, true, e);

    if (r == 0 && replaces >= 0)
        r = refresh_check_slot(v->lock, replaces, m->token, e);
    if (r == 0)
        r = keyslots_add_method(v->lock, &v->kek, &m->passphrase, stretch, m->token, replaces >= 0, &slot, e);
    if (r == 0)
        r = keyslots_prove(v->lock, slot, &m->passphrase, ret, e);
    if (r < 0)
        return r;
    vault_record(v, slot, true, "");
    return replaces < 0 ? 0 : keyslots_remove_method(v->lock, replaces, &v->keys.k[0].text, e);
}

int vault_prove(struct vault *v, int slot, const struct secret *passphrase, struct keyslot *ret, struct error *e)
{
    _cleanup_(vault_unlock) pthread_mutex_t *held _unused_ = vault_lock(v);
    int r = vault_require(v, false, e);

    if (r == 0)
        r = keyslots_prove(v->lock, slot, passphrase, ret, e);
    if (r == 0)
        vault_record(v, slot, true, "");
    return r;
}

int vault_remove(struct vault *v, int slot, struct error *e)
{
    _cleanup_(vault_unlock) pthread_mutex_t *held _unused_ = vault_lock(v);
    int r = vault_require(v, true, e);

    return r < 0 ? r : keyslots_remove_method(v->lock, slot, &v->keys.k[0].text, e);
}
