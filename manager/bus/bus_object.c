/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/bus_object.h"

#include "message/bus_error.h"

static int on_method(sd_bus_message *m, void *data, sd_bus_error *error)
{
    const struct bus_rule *rule = bus_rule_find(sd_bus_message_get_member(m));
    const struct bus_object *object = data;
    int r;

    if (!rule)
        return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, "no rule lets anybody call this method");
    r = object->admit(object->data, m, rule);
    return r < 0 ? bus_reply_error(m, r, NULL) : 1;
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
    METHOD("ConfirmUnlockKey", "ut", NULL),
    METHOD("Rekey", "u", "u"),
    METHOD("EnableAutolock", NULL, "uh"),
    METHOD("DisableAutolock", NULL, NULL),
    METHOD("GetJoinToken", "s", "hs"),
    METHOD("RotateJoinToken", "s", "hs"),
    SENSITIVE("Join", "hsa{sv}", "a{sv}"),
    METHOD("Leave", "b", NULL),
    METHOD("UpdateNode", "sa{sv}", "s"),
    METHOD("RemoveNode", "sb", "s"),
    METHOD("GetCA", NULL, "s"),
    METHOD("RotateCA", NULL, "s"),
    METHOD("Backup", "h", "u"),
    SENSITIVE("Restore", "hha{sv}", "s"),
    METHOD("CreateSecret", "sa{ss}h", "s"),
    METHOD("UpdateSecret", "sh", "t"),
    METHOD("ListSecrets", NULL, "aa{sv}"),
    METHOD("InspectSecret", "s", "a{sv}"),
    METHOD("RemoveSecret", "s", "s"),
    METHOD("CreateConfig", "sa{ss}h", "s"),
    METHOD("UpdateConfig", "sh", "t"),
    METHOD("ListConfigs", NULL, "aa{sv}"),
    METHOD("InspectConfig", "s", "a{sv}"),
    METHOD("RemoveConfig", "s", "s"),
    METHOD("CreateService", "sa{sv}", "s"),
    METHOD("UpdateService", "sa{sv}", NULL),
    METHOD("ListServices", NULL, "aa{sv}"),
    METHOD("InspectService", "s", "a{sv}"),
    METHOD("RemoveService", "s", "s"),
    METHOD("RetryRollout", "s", NULL),
    METHOD("ListServiceUses", "s", "aa{sv}"),
    METHOD("ListNodes", NULL, "aa{sv}"),
    METHOD("InspectNode", "s", "a{sv}"),
    METHOD("ListKeyslots", NULL, "aa{sv}"),
    METHOD("FetchAdvertisement", "s", "a{sv}"),
    METHOD("AddKeyslot", "sa{sv}", "a{sv}"),
    METHOD("TestKeyslot", "ia{sv}", "a{sv}"),
    METHOD("RemoveKeyslot", "i", NULL),
    METHOD("RefreshKeyslots", "a{sv}", "aa{sv}"),
    SD_BUS_VTABLE_END,
};

int bus_object_add(sd_bus *bus, struct bus_object *object)
{
    return sd_bus_add_object_vtable(bus, NULL, BUS_PATH, BUS_NAME, vtable, object);
}
