/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "ctl/cmd.h"
#include "ctl/json.h"
#include "ctl/output.h"
#include "ctl/progress.h"
#include "ctl/status.h"

static int show(const struct args *args, struct caller *c, struct error *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    _cleanup_json_ json_t *document = NULL;
    const char *pem;
    int r = call_method(c, "GetCA", &reply, e, "");

    if (r != STATUS_OK)
        return r;
    r = sd_bus_message_read(reply, "s", &pem);
    if (r < 0)
        return call_reply_error(r, e);
    if (args->on[OPTION_JSON])
        return json_print(document = json_pack("{s:s}", "Certificate", pem), e);
    output_bytes(pem, strlen(pem));
    return STATUS_OK;
}

int cmd_ca(const struct args *args, struct caller *c, struct error *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    _cleanup_json_ json_t *document = NULL;
    const char *digest;
    int r;

    if (!args->on[OPTION_ROTATE])
        return show(args, c, e);
    r = call_method(c, "RotateCA", &reply, e, "");
    if (r != STATUS_OK)
        return r;
    r = sd_bus_message_read(reply, "s", &digest);
    if (r < 0)
        return call_reply_error(r, e);
    if (args->on[OPTION_JSON])
        r = json_print(document = json_pack("{s:s}", "Digest", digest), e);
    else {
        output_print("Rotated the swarm's CA. Its certificate has the SHA-256 ");
        output_text(digest);
        output_print(".\n");
        r = output_finish(e);
    }
    if (r == STATUS_OK)
        progress_certificates(c);
    return r;
}
