/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ways to open the lock. What waits for servers and devices does so without the vault. */
#include <errno.h>
#include <string.h>

#include "docker/control_private.h"
#include "docker/helpers.h"
#include "docker/vault_private.h"
#include "keys/recovery_key.h"
#include "message/bus_error.h"
#include "message/keyslot_message.h"
#include "message/option.h"
#include "open/open_protocol.h"

static int append_keyslots(sd_bus_message *m, struct control *c, struct error *e)
{
    struct keyslot_report reports[KEYSLOTS_MAX];
    struct keyslot slots[KEYSLOTS_MAX];
    int n = vault_list(c->vault, slots, reports, e), r = n;

    if (r >= 0)
        r = sd_bus_message_open_container(m, 'a', "a{sv}");
    for (int i = 0; r >= 0 && i < n; i++)
        r = keyslot_message_append(m, &slots[i], &reports[i]);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

int control_list_keyslots(sd_bus_message *m, void *data, sd_bus_error *error _unused_)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    struct error e = { "" };
    int r = sd_bus_message_new_method_return(m, &reply);

    if (r >= 0)
        r = append_keyslots(reply, data, &e);
    return control_answer(m, r, reply, &e);
}

int control_fetch_advertisement(sd_bus_message *m, void *data, sd_bus_error *error _unused_)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    char thumbprints[KEYSLOT_SERVERS_MAX][KEYSLOT_THUMBPRINT_MAX], url[KEYSLOT_URL_MAX];
    struct control *c = data;
    struct error e = { "" };
    const char *text;
    int n, r = sd_bus_message_read(m, "s", &text);

    if (r < 0)
        return r;
    if (option_take_text(text, url, sizeof(url)) < 0)
        return bus_reply_text(m, -EINVAL, "the URL of a Tang server has 1 to 255 bytes");
    n = method_advertisement(helpers_in(c->helpers), url, thumbprints, &e);
    r = n < 0 ? n : sd_bus_message_new_method_return(m, &reply);
    if (r >= 0)
        r = keyslot_message_append_advertisement(reply, url, thumbprints, (unsigned) n);
    return control_answer(m, r, reply, &e);
}

static int add(struct control *c, const struct keyslot_options *options, struct secret *typed, struct keyslot *ret_slot, struct secret *ret_recovery,
               struct error *e)
{
    _cleanup_(method_done) struct method made = METHOD_NULL;
    int r;

    r = vault_check_open(c->vault, e);
    if (r == 0)
        r = method_make(helpers_in(c->helpers), options, typed, &made, e);
    if (r == 0 && strcmp(options->kind, "recovery") == 0)
        r = secret_copy(made.passphrase.data, made.passphrase.size, ret_recovery);
    return r < 0 ? r : vault_add(c->vault, &made, method_stretch(options), -1, ret_slot, e);
}

int control_add_keyslot(sd_bus_message *m, void *data, sd_bus_error *error _unused_)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    _cleanup_(secret_done) struct secret typed = SECRET_NULL, recovery = SECRET_NULL;
    struct keyslot_options options;
    struct error e = { "" };
    struct keyslot slot;
    int r;

    if (keyslot_message_read(m, &options, &typed) < 0)
        return bus_reply_text(m, -EINVAL, KEYSLOT_MESSAGE_OPTIONS);
    r = add(data, &options, &typed, &slot, &recovery, &e);
    if (r >= 0)
        r = sd_bus_message_new_method_return(m, &reply);
    if (r >= 0)
        r = keyslot_message_append_one(reply, &slot, &recovery);
    return control_answer(m, r, reply, &e);
}

static bool step(struct control *c, struct race *race, const struct pollfd *p)
{
    _cleanup_(vault_unlock) pthread_mutex_t *held _unused_ = vault_lock(c->vault);

    return race_step(race, p);
}

static int run(struct control *c, struct race *race)
{
    int64_t deadline = monotonic_ms() + OPEN_DEADLINE_MS;
    struct pollfd p[OPEN_SLOTS_MAX];

    while (race_fill(race, p) > 0) {
        int n = poll(p, race->lock->n, monotonic_timeout(deadline));

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0)
            race_give_up(race, OPEN_DEADLINE_MS);
        if (n > 0 && step(c, race, p))
            break;
    }
    return 0;
}

static int start(struct control *c, int slot, struct race *race, struct open_lock *lock, struct open_reply *reply, struct error *e)
{
    _cleanup_(vault_unlock) pthread_mutex_t *held _unused_ = vault_lock(c->vault);
    int r = open_lock_load(c->vault->lock, UINT32_C(1) << slot, lock, e);

    if (r == 0)
        race_start(race, lock, c->helpers, reply);
    return r;
}

static void end(struct control *c, struct race *race)
{
    _cleanup_(vault_unlock) pthread_mutex_t *held _unused_ = vault_lock(c->vault);

    race_done(race);
    open_lock_done(race->lock);
}

static int ask_method(struct control *c, int slot, struct open_reply *reply, struct error *e)
{
    struct open_lock lock = OPEN_LOCK_NULL;
    struct race race = { .lock = &lock };
    int r = start(c, slot, &race, &lock, reply, e);

    if (r == 0)
        r = run(c, &race);
    end(c, &race);
    return r;
}

/* What the keyslot's own method gives. */
static int obtain(struct control *c, int slot, struct secret *ret, struct error *e)
{
    _cleanup_(open_reply_done) struct open_reply reply = OPEN_REPLY_NULL;
    int r = ask_method(c, slot, &reply, e);

    if (r < 0)
        return r;
    if (reply.slot >= 0) {
        *ret = secret_take(&reply.passphrase);
        return 0;
    }
    if (reply.n_failures == 0)
        return error_set(e, -EINVAL, "keyslot %d opens with a secret that a person has, which is missing here", slot);
    vault_note(c->vault, slot, false, reply.failures[0].text);
    return error_set(e, reply.failures[0].class == 'l' ? -EHOSTUNREACH : reply.failures[0].class == 'r' ? -EKEYREJECTED : -ENOSYS, "%s",
                     reply.failures[0].text);
}

static int test(struct control *c, int slot, struct secret *typed, struct keyslot *ret, struct error *e)
{
    _cleanup_(secret_done) struct secret passphrase = SECRET_NULL;
    int r;

    if (typed->size == 0)
        r = obtain(c, slot, &passphrase, e);
    else {
        r = recovery_key_normalise(typed->data, typed->size, &passphrase);
        if (r == -EINVAL) {
            passphrase = secret_take(typed);
            r = 0;
        }
    }
    return r < 0 ? r : vault_prove(c->vault, slot, &passphrase, ret, e);
}

static int read_secret_option(sd_bus_message *m, const char *key, void *data)
{
    return strcmp(key, "Secret") == 0 ? option_secret(m, data) : -EINVAL;
}

static int reply_no_slot(sd_bus_message *m)
{
    return bus_reply_text(m, -ENOENT, "keyslots have the numbers 0 to 7: see \"swarmctl docker keyslot ls\"");
}

int control_test_keyslot(sd_bus_message *m, void *data, sd_bus_error *error _unused_)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    _cleanup_(secret_done) struct secret typed = SECRET_NULL;
    struct error e = { "" };
    struct keyslot proven;
    int32_t slot;
    int r = sd_bus_message_read(m, "i", &slot);

    if (r < 0)
        return r;
    if (options_read(m, read_secret_option, &typed) < 0)
        return bus_reply_text(m, -EINVAL, "the one option is Secret (h, a sealed memfd)");
    if (slot < 0 || slot >= KEYSLOTS_MAX)
        return reply_no_slot(m);
    r = test(data, slot, &typed, &proven, &e);
    if (r >= 0)
        r = sd_bus_message_new_method_return(m, &reply);
    if (r >= 0)
        r = keyslot_message_append_one(reply, &proven, NULL);
    return control_answer(m, r, reply, &e);
}

int control_remove_keyslot(sd_bus_message *m, void *data, sd_bus_error *error _unused_)
{
    struct control *c = data;
    struct error e = { "" };
    int32_t slot;
    int r = sd_bus_message_read(m, "i", &slot);

    if (r < 0)
        return r;
    return slot < 0 || slot >= KEYSLOTS_MAX ? reply_no_slot(m) : control_answer_nothing(m, vault_remove(c->vault, slot, &e), &e);
}

static int lock_token(void *data, int slot, char **ret, struct error *e)
{
    struct control *c = data;

    return vault_token(c->vault, slot, ret, e);
}

static int lock_open(void *data, int slot, struct error *e)
{
    _cleanup_(secret_done) struct secret none = SECRET_NULL;
    struct keyslot proven;

    return test(data, slot, &none, &proven, e);
}

static int lock_replace(void *data, int slot, struct method *m, int *ret_slot, struct error *e)
{
    struct control *c = data;
    struct keyslot made;
    int r = vault_add(c->vault, m, STRETCH_KEY, slot, &made, e);

    if (r == 0)
        *ret_slot = made.slot;
    return r;
}

static void lock_note(void *data, int slot, const char *text)
{
    struct control *c = data;

    vault_note(c->vault, slot, false, text);
}

/* Returns how many were looked at. only: -1 for all. */
static int refresh(struct control *c, const struct keyslot_options *options, int only, struct keyslot_refresh ret[static KEYSLOTS_MAX],
                   struct error *e)
{
    const struct refresh_lock lock = { c, lock_token, lock_open, lock_replace, lock_note };
    struct keyslot_report reports[KEYSLOTS_MAX];
    struct keyslot slots[KEYSLOTS_MAX];
    int found = 0, n = vault_check_open(c->vault, e);

    if (n >= 0)
        n = vault_list(c->vault, slots, reports, e);
    for (int i = 0; i < n; i++)
        if (slots[i].state == KEYSLOT_FOREIGN && (only < 0 || only == slots[i].slot))
            refresh_keyslot(helpers_in(c->helpers), &lock, &slots[i], options, &ret[found++]);
    if (n >= 0 && only >= 0 && found == 0)
        return error_set(e, -ENOENT, "there is no keyslot %d with a method to refresh: see \"swarmctl docker keyslot ls\"", only);
    return n < 0 ? n : found;
}

int control_refresh_keyslots(sd_bus_message *m, void *data, sd_bus_error *error _unused_)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    struct keyslot_refresh refreshes[KEYSLOTS_MAX];
    struct keyslot_options options;
    struct error e = { "" };
    int n, slot, r = keyslot_message_read_refresh(m, &options, &slot);

    if (r == -ENOENT)
        return reply_no_slot(m);
    if (r < 0)
        return bus_reply_text(m, -EINVAL, KEYSLOT_MESSAGE_REFRESH_OPTIONS);
    n = r = refresh(data, &options, slot, refreshes, &e);
    if (r >= 0)
        r = sd_bus_message_new_method_return(m, &reply);
    if (r >= 0)
        r = keyslot_message_append_refreshes(reply, refreshes, (unsigned) n);
    return control_answer(m, r, reply, &e);
}
