/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "basic/memfd.h"
#include "ctl/cmd.h"
#include "ctl/input.h"
#include "ctl/json.h"
#include "ctl/output.h"
#include "ctl/status.h"

/* What was given on the command line is in everybody's ps already; the other ways are not. */
static int take_token(const struct args *args, struct secret *ret, struct error *e)
{
    const char *given = args->value[OPTION_TOKEN];

    if (!given || strcmp(given, "-") == 0)
        return input_key("Please enter join token: ", ret, e);
    return secret_copy(given, strlen(given), ret) < 0 ? error_set(e, STATUS_FAILED, "out of memory") : STATUS_OK;
}

int cmd_append_addresses(sd_bus_message *m, const struct args *args)
{
    int r = 0;

    if (args->value[OPTION_ADVERTISE_ADDR])
        r = sd_bus_message_append(m, "{sv}", "AdvertiseAddr", "s", args->value[OPTION_ADVERTISE_ADDR]);
    if (r >= 0 && args->value[OPTION_LISTEN_ADDR])
        r = sd_bus_message_append(m, "{sv}", "ListenAddr", "s", args->value[OPTION_LISTEN_ADDR]);
    return r;
}

static int append(sd_bus_message *m, const struct args *args, int token)
{
    int r = sd_bus_message_append(m, "hs", token, args->operands[0]);

    if (r >= 0)
        r = sd_bus_message_open_container(m, 'a', "{sv}");
    if (r >= 0)
        r = cmd_append_addresses(m, args);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

int cmd_join(const struct args *args, struct caller *c, struct error *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
    _cleanup_(secret_done) struct secret token = SECRET_NULL;
    _cleanup_json_ json_t *result = NULL;
    _cleanup_close_ int fd = -1;
    int r = take_token(args, &token, e);

    if (r != STATUS_OK)
        return r;
    fd = memfd_new(token.data, token.size);
    if (fd < 0)
        return error_set(e, STATUS_FAILED, "cannot hand over the token: %s", strerror(-fd));
    r = call_new(c, "Join", &m, e);
    if (r != STATUS_OK)
        return r;
    r = append(m, args, fd);
    if (r < 0)
        return call_append_error(r, e);
    r = call_send(c, m, &reply, e);
    if (r != STATUS_OK)
        return r;
    r = json_read(reply, &result);
    if (r < 0)
        return call_reply_error(r, e);
    if (args->on[OPTION_JSON])
        return json_print(result, e);
    output_print("This node joined a swarm as a ");
    output_text(json_text(result, "Role"));
    output_print(".\n");
    return STATUS_OK;
}
