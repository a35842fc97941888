/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/bus_manager.h"

#include <errno.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "bus/bus_caller.h"
#include "bus/bus_loop.h"
#include "bus/bus_policy.h"

struct bus_manager {
    sd_bus *bus;
    struct bus_loop *loop;
    struct bus_callers *callers;
};

static int on_method(sd_bus_message *m, void *data, sd_bus_error *error)
{
    struct bus_manager *b = data;
    const struct bus_rule *rule = bus_rule_find(sd_bus_message_get_member(m));

    if (!rule)
        return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, "no rule lets anybody call this method");
    return bus_callers_admit(b->callers, m, rule);
}

#define METHOD(member, in, out) SD_BUS_METHOD(member, in, out, on_method, SD_BUS_VTABLE_UNPRIVILEGED)
#define SENSITIVE(member, in, out) SD_BUS_METHOD(member, in, out, on_method, SD_BUS_VTABLE_UNPRIVILEGED | SD_BUS_VTABLE_SENSITIVE)

static const sd_bus_vtable vtable[] = {
    SD_BUS_VTABLE_START(0),
    METHOD("Info", NULL, "a{sv}"),
    METHOD("Init", "a{sv}", "a{sv}"),
    SENSITIVE("Unlock", "h", "a{sv}"),
    METHOD("GetUnlockKey", NULL, "uh"),
    METHOD("RotateUnlockKey", NULL, "uh"),
    METHOD("ConfirmUnlockKey", "u", NULL),
    METHOD("EnableAutolock", NULL, "uh"),
    METHOD("DisableAutolock", NULL, NULL),
    METHOD("GetJoinToken", "s", "hs"),
    METHOD("RotateJoinToken", "s", "hs"),
    METHOD("Leave", "b", NULL),
    METHOD("CreateSecret", "sa{ss}h", "s"),
    METHOD("ListSecrets", NULL, "aa{sv}"),
    METHOD("InspectSecret", "s", "a{sv}"),
    METHOD("RemoveSecret", "s", "s"),
    METHOD("CreateConfig", "sa{ss}h", "s"),
    METHOD("ListConfigs", NULL, "aa{sv}"),
    METHOD("InspectConfig", "s", "a{sv}"),
    METHOD("RemoveConfig", "s", "s"),
    METHOD("ListNodes", NULL, "aa{sv}"),
    METHOD("InspectNode", "s", "a{sv}"),
    METHOD("ListKeyslots", NULL, "aa{sv}"),
    SD_BUS_VTABLE_END,
};

int bus_manager_new(uv_loop_t *loop, struct swarm *swarm, void (*on_lost)(void *data), void *data, struct bus_manager **ret, struct error *e)
{
    struct bus_manager *b = calloc(1, sizeof(*b));
    int r = -ENOMEM;

    if (!b)
        return r;
    b->callers = bus_callers_new(swarm);
    if (b->callers)
        r = sd_bus_open_system(&b->bus);
    if (r >= 0)
        r = sd_bus_add_object_vtable(b->bus, NULL, BUS_PATH, BUS_NAME, vtable, b);
    if (r >= 0)
        r = sd_bus_request_name(b->bus, BUS_NAME, 0);
    if (r >= 0)
        r = bus_loop_new(loop, b->bus, on_lost, data, &b->loop);
    if (r < 0) {
        bus_manager_free(b);
        return error_set(e, r, "the system bus cannot be used as %s: %s", BUS_NAME, strerror(-r));
    }
    *ret = b;
    return 0;
}

void bus_manager_free(struct bus_manager *b)
{
    if (b->loop)
        bus_loop_free(b->loop);
    sd_bus_flush_close_unref(b->bus);
    bus_callers_free(b->callers);
    free(b);
}
