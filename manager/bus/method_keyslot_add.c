/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* New ways to unlock. */
#include <errno.h>
#include <string.h>

#include "bus/bus_dict.h"
#include "bus/bus_error.h"
#include "bus/bus_methods.h"
#include "bus/bus_options.h"
#include "bus/bus_request.h"

static int answer_advertisement(sd_bus_message *reply, const struct swarm_request *request)
{
    int r;

    r = sd_bus_message_open_container(reply, 'a', "{sv}");
    if (r >= 0)
        r = dict_string(reply, "URL", request->options->urls[0]);
    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'e', "sv");
    if (r >= 0)
        r = sd_bus_message_append(reply, "s", "Thumbprints");
    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'v', "as");
    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'a', "s");
    for (unsigned i = 0; r >= 0 && i < request->ret_n_thumbprints; i++)
        r = sd_bus_message_append(reply, "s", request->ret_thumbprints[i]);
    for (int i = 0; r >= 0 && i < 4; i++)
        r = sd_bus_message_close_container(reply);
    return r;
}

int method_fetch_advertisement(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller)
{
    _cleanup_(swarm_request_freep) struct swarm_request *request = options_request(SWARM_FETCH_ADVERTISEMENT);
    const char *url;
    int r;

    if (!request)
        return -ENOMEM;
    r = sd_bus_message_read(m, "s", &url);
    if (r < 0)
        return r;
    if (option_take_text(url, request->options->urls[0], KEYSLOT_URL_MAX) < 0)
        return bus_reply_text(m, -EINVAL, "the URL of a Tang server has 1 to 255 bytes");
    request->options->n_urls = 1;
    return bus_request(s, m, caller, TAKE_PTR(request), answer_advertisement);
}

static int read_add_option(sd_bus_message *m, const char *key, struct swarm_request *request)
{
    struct keyslot_options *o = request->options;
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
        return option_secret(m, &request->key);
    return -EINVAL;
}

static int answer_slot(sd_bus_message *reply, const struct swarm_request *request)
{
    int r;

    r = sd_bus_message_open_container(reply, 'a', "{sv}");
    if (r >= 0)
        r = dict_i32(reply, "Keyslot", request->ret_keyslots[0].slot);
    if (r >= 0)
        r = dict_string(reply, "Kind", request->ret_keyslots[0].kind);
    if (r >= 0 && request->ret_key.size > 0)
        r = dict_secret(reply, "RecoveryKey", request->ret_key.data, request->ret_key.size);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

int method_add_keyslot(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller)
{
    _cleanup_(swarm_request_freep) struct swarm_request *request = options_request(SWARM_ADD_KEYSLOT);
    const char *kind;
    int r;

    if (!request)
        return -ENOMEM;
    request->options->threshold = 1;
    r = sd_bus_message_read(m, "s", &kind);
    if (r < 0)
        return r;
    if (option_take_text(kind, request->options->kind, KEYSLOT_KIND_MAX) < 0 || options_read(m, read_add_option, request) < 0)
        return bus_reply_text(m, -EINVAL, "options are, for tang: URLs (as, at most 16 of 255 bytes), Threshold (u), Thumbprints (as, at most 16) "
                                          "and TrustFirst (b); for tpm2: PCRs (s); for passphrase: Passphrase (h, a sealed memfd); for recovery: none");
    return bus_request(s, m, caller, TAKE_PTR(request), answer_slot);
}
