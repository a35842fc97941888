/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/bus_policy.h"

#include <string.h>

#include "basic/cleanup.h"

#define OPEN NULL
#define UNLOCK "org.swarm.manager1.unlock"
#define MANAGE "org.swarm.manager1.manage"
#define VIEW_KEY "org.swarm.manager1.view-key"

static const struct bus_rule rules[] = {
    { "Info", OPEN, method_info, RECEIPT_NONE },
    { "ListNodes", OPEN, method_list_nodes, RECEIPT_NONE },
    { "InspectNode", OPEN, method_inspect_node, RECEIPT_NONE },
    { "ListKeyslots", OPEN, method_list_keyslots, RECEIPT_NONE },

    { "Unlock", UNLOCK, method_unlock, RECEIPT_NONE },

    { "GetUnlockKey", VIEW_KEY, method_get_unlock_key, RECEIPT_GIVES },
    { "ConfirmUnlockKey", VIEW_KEY, method_confirm_unlock_key, RECEIPT_TAKES },
    { "GetJoinToken", VIEW_KEY, method_get_join_token, RECEIPT_NONE },

    { "Init", MANAGE, method_init, RECEIPT_GIVES },
    { "RotateUnlockKey", MANAGE, method_rotate_unlock_key, RECEIPT_GIVES },
    { "EnableAutolock", MANAGE, method_enable_autolock, RECEIPT_GIVES },
    { "DisableAutolock", MANAGE, method_disable_autolock, RECEIPT_NONE },
    { "RotateJoinToken", MANAGE, method_rotate_join_token, RECEIPT_NONE },
    { "Leave", MANAGE, method_leave, RECEIPT_NONE },
    { "FetchAdvertisement", MANAGE, method_fetch_advertisement, RECEIPT_NONE },
    { "AddKeyslot", MANAGE, method_add_keyslot, RECEIPT_NONE },
    { "TestKeyslot", MANAGE, method_test_keyslot, RECEIPT_NONE },
    { "RemoveKeyslot", MANAGE, method_remove_keyslot, RECEIPT_NONE },
    { "RefreshKeyslots", MANAGE, method_refresh_keyslots, RECEIPT_NONE },
    { "CreateSecret", MANAGE, method_create_object, RECEIPT_NONE },
    { "ListSecrets", MANAGE, method_list_objects, RECEIPT_NONE },
    { "InspectSecret", MANAGE, method_inspect_object, RECEIPT_NONE },
    { "RemoveSecret", MANAGE, method_remove_object, RECEIPT_NONE },
    { "CreateConfig", MANAGE, method_create_object, RECEIPT_NONE },
    { "ListConfigs", MANAGE, method_list_objects, RECEIPT_NONE },
    { "InspectConfig", MANAGE, method_inspect_object, RECEIPT_NONE },
    { "RemoveConfig", MANAGE, method_remove_object, RECEIPT_NONE },
};

const struct bus_rule *bus_rule_find(const char *member)
{
    for (size_t i = 0; i < ELEMENTSOF(rules); i++)
        if (strcmp(rules[i].member, member) == 0)
            return &rules[i];
    return NULL;
}
