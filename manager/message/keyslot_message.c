/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "message/keyslot_message.h"

#include <errno.h>
#include <string.h>

#include "message/dict.h"
#include "message/option.h"

int keyslot_message_append(sd_bus_message *m, const struct keyslot *k, const struct keyslot_report *report)
{
    int r;

    r = sd_bus_message_open_container(m, 'a', "{sv}");
    if (r >= 0)
        r = dict_i32(m, "Slot", k->slot);
    if (r >= 0)
        r = dict_string(m, "Kind", k->kind);
    if (r >= 0)
        r = dict_u32(m, "Generation", k->generation);
    if (r >= 0)
        r = dict_string(m, "State", keyslot_state_to_string(k->state));
    if (r >= 0)
        r = dict_string(m, "Binding", k->binding);
    if (r >= 0)
        r = dict_u64(m, "Worked", (uint64_t) report->worked);
    if (r >= 0)
        r = dict_string(m, "Note", report->note);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

int keyslot_message_append_one(sd_bus_message *m, const struct keyslot *k, const struct secret *recovery)
{
    int r;

    r = sd_bus_message_open_container(m, 'a', "{sv}");
    if (r >= 0)
        r = dict_i32(m, "Keyslot", k->slot);
    if (r >= 0)
        r = dict_string(m, "Kind", k->kind);
    if (r >= 0 && recovery && recovery->size > 0)
        r = dict_secret(m, "RecoveryKey", recovery->data, recovery->size);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

int keyslot_message_append_advertisement(sd_bus_message *m, const char *url, const char thumbprints[][KEYSLOT_THUMBPRINT_MAX], unsigned n)
{
    int r;

    r = sd_bus_message_open_container(m, 'a', "{sv}");
    if (r >= 0)
        r = dict_string(m, "URL", url);
    if (r >= 0)
        r = dict_open(m, "Thumbprints", "as", "s");
    for (unsigned i = 0; r >= 0 && i < n; i++)
        r = sd_bus_message_append(m, "s", thumbprints[i]);
    if (r >= 0)
        r = dict_close(m);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

struct reading {
    struct keyslot_options *options;
    struct secret *passphrase;
};

static int read_option(sd_bus_message *m, const char *key, void *data)
{
    const struct reading *to = data;
    struct keyslot_options *o = to->options;
    bool is_tang = strcmp(o->kind, "tang") == 0;

    if (is_tang && strcmp(key, "URLs") == 0)
        return option_texts(m, o->urls[0], sizeof(o->urls[0]), &o->n_urls);
    if (is_tang && strcmp(key, "Threshold") == 0)
        return sd_bus_message_read(m, "v", "u", &o->threshold);
    if (is_tang && strcmp(key, "Thumbprints") == 0)
        return option_texts(m, o->thumbprints[0], sizeof(o->thumbprints[0]), &o->n_thumbprints);
    if (is_tang && strcmp(key, "TrustFirst") == 0)
        return option_flag(m, &o->trust_first);
    if (strcmp(o->kind, "tpm2") == 0 && strcmp(key, "PCRs") == 0)
        return option_text(m, o->pcrs, sizeof(o->pcrs));
    if (strcmp(o->kind, "passphrase") == 0 && strcmp(key, "Passphrase") == 0)
        return option_secret(m, to->passphrase);
    return -EINVAL;
}

int keyslot_message_read(sd_bus_message *m, struct keyslot_options *ret_options, struct secret *ret_passphrase)
{
    struct reading to = { ret_options, ret_passphrase };
    const char *kind;
    int r = sd_bus_message_read(m, "s", &kind);

    if (r < 0)
        return r;
    *ret_options = (struct keyslot_options) { .threshold = 1 };
    r = option_take_text(kind, ret_options->kind, sizeof(ret_options->kind));
    if (r == 0)
        r = options_read(m, read_option, &to);
    return r < 0 ? -EINVAL : 0;
}

struct refresh_reading {
    struct keyslot_options *options;
    int *slot;
};

static int read_refresh_option(sd_bus_message *m, const char *key, void *data)
{
    const struct refresh_reading *to = data;
    int32_t slot;
    int r;

    if (strcmp(key, "Check") == 0)
        return option_flag(m, &to->options->check);
    if (strcmp(key, "Automatic") == 0)
        return option_flag(m, &to->options->automatic);
    if (strcmp(key, "Keyslot") != 0)
        return -EINVAL;
    r = sd_bus_message_read(m, "v", "i", &slot);
    if (r < 0)
        return r;
    if (slot < 0 || slot >= KEYSLOTS_MAX)
        return -ENOENT;
    *to->slot = slot;
    return 0;
}

int keyslot_message_read_refresh(sd_bus_message *m, struct keyslot_options *ret_options, int *ret_slot)
{
    struct refresh_reading to = { ret_options, ret_slot };

    *ret_options = (struct keyslot_options) { .check = false };
    *ret_slot = -1;
    return options_read(m, read_refresh_option, &to);
}

static int append_refresh(sd_bus_message *m, const struct keyslot_refresh *f)
{
    int r;

    r = sd_bus_message_open_container(m, 'a', "{sv}");
    if (r >= 0)
        r = dict_i32(m, "Slot", f->slot);
    if (r >= 0)
        r = dict_string(m, "Kind", f->kind);
    if (r >= 0)
        r = dict_string(m, "Result", keyslot_result_to_string(f->result));
    if (r >= 0)
        r = dict_i32(m, "NewSlot", f->new_slot);
    if (r >= 0)
        r = dict_string(m, "Text", f->text);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

int keyslot_message_append_refreshes(sd_bus_message *m, const struct keyslot_refresh *refreshes, unsigned n)
{
    int r;

    r = sd_bus_message_open_container(m, 'a', "a{sv}");
    for (unsigned i = 0; r >= 0 && i < n; i++)
        r = append_refresh(m, &refreshes[i]);
    return r < 0 ? r : sd_bus_message_close_container(m);
}
