/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/keyslot.h"

#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#include "ctl/json.h"
#include "ctl/output.h"
#include "ctl/status.h"

int keyslot_be_patient(struct caller *c, struct error *e)
{
    int r = sd_bus_set_method_call_timeout(c->bus, KEYSLOT_SECONDS_MAX * UINT64_C(1000000));

    return r < 0 ? error_set(e, STATUS_FAILED, "cannot set a time-out: %s", strerror(-r)) : STATUS_OK;
}

int keyslot_read_all(struct caller *c, json_t **ret, struct error *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    int r = call_method(c, "ListKeyslots", &reply, e, "");

    if (r != STATUS_OK)
        return r;
    r = json_read(reply, ret);
    return r < 0 ? call_reply_error(r, e) : STATUS_OK;
}

int keyslot_open_option(sd_bus_message *m, const char *name, const char *type)
{
    int r = sd_bus_message_open_container(m, 'e', "sv");

    if (r >= 0)
        r = sd_bus_message_append(m, "s", name);
    return r < 0 ? r : sd_bus_message_open_container(m, 'v', type);
}

int keyslot_close_option(sd_bus_message *m)
{
    int r = sd_bus_message_close_container(m);

    return r < 0 ? r : sd_bus_message_close_container(m);
}

void keyslot_print(const char *before, const json_t *result, const char *after)
{
    output_print("%s keyslot %" PRIu64 " (", before, json_number(result, "Keyslot"));
    output_text(json_text(result, "Kind"));
    output_print(")%s\n", after);
}
