/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/bus_policy.h"

#include <string.h>

#include "basic/cleanup.h"

#define OPEN NULL
#define UNLOCK "org.swarm.manager1.unlock"
#define MANAGE "org.swarm.manager1.manage"
#define VIEW_KEY "org.swarm.manager1.view-key"

static const struct bus_rule rules[] = {
    { "Info", OPEN, method_info, RECEIPT_NONE, false },
    { "ListNodes", OPEN, method_list_nodes, RECEIPT_NONE, true },
    { "InspectNode", OPEN, method_inspect_node, RECEIPT_NONE, true },
    { "ListKeyslots", OPEN, method_list_keyslots, RECEIPT_NONE, false },

    { "Unlock", UNLOCK, method_unlock, RECEIPT_NONE, false },

    { "GetUnlockKey", VIEW_KEY, method_get_unlock_key, RECEIPT_GIVES, true },
    { "ConfirmUnlockKey", VIEW_KEY, method_confirm_unlock_key, RECEIPT_TAKES, false },
    { "GetCA", OPEN, method_get_ca, RECEIPT_NONE, true },
    { "GetJoinToken", VIEW_KEY, method_get_join_token, RECEIPT_NONE, true },

    { "Init", MANAGE, method_init, RECEIPT_GIVES, false },
    { "RotateUnlockKey", MANAGE, method_rotate_unlock_key, RECEIPT_GIVES, false },
    { "EnableAutolock", MANAGE, method_enable_autolock, RECEIPT_GIVES, false },
    { "DisableAutolock", MANAGE, method_disable_autolock, RECEIPT_NONE, false },
    { "RotateJoinToken", MANAGE, method_rotate_join_token, RECEIPT_NONE, false },
    { "Join", MANAGE, method_join, RECEIPT_NONE, false },
    { "Leave", MANAGE, method_leave, RECEIPT_NONE, false },
    { "UpdateNode", MANAGE, method_update_node, RECEIPT_NONE, false },
    { "RemoveNode", MANAGE, method_remove_node, RECEIPT_NONE, false },
    { "RotateCA", MANAGE, method_rotate_ca, RECEIPT_NONE, false },
    { "Backup", VIEW_KEY, method_backup, RECEIPT_NONE, false },
    { "Restore", MANAGE, method_restore, RECEIPT_NONE, false },
    { "FetchAdvertisement", MANAGE, method_fetch_advertisement, RECEIPT_NONE, false },
    { "AddKeyslot", MANAGE, method_add_keyslot, RECEIPT_NONE, false },
    { "TestKeyslot", MANAGE, method_test_keyslot, RECEIPT_NONE, false },
    { "RemoveKeyslot", MANAGE, method_remove_keyslot, RECEIPT_NONE, false },
    { "RefreshKeyslots", MANAGE, method_refresh_keyslots, RECEIPT_NONE, false },
    { "CreateSecret", MANAGE, method_create_object, RECEIPT_NONE, false },
    { "UpdateSecret", MANAGE, method_update_object, RECEIPT_NONE, true },
    { "ListSecrets", MANAGE, method_list_objects, RECEIPT_NONE, true },
    { "InspectSecret", MANAGE, method_inspect_object, RECEIPT_NONE, true },
    { "RemoveSecret", MANAGE, method_remove_object, RECEIPT_NONE, true },
    { "CreateConfig", MANAGE, method_create_object, RECEIPT_NONE, false },
    { "UpdateConfig", MANAGE, method_update_object, RECEIPT_NONE, true },
    { "ListConfigs", MANAGE, method_list_objects, RECEIPT_NONE, true },
    { "InspectConfig", MANAGE, method_inspect_object, RECEIPT_NONE, true },
    { "RemoveConfig", MANAGE, method_remove_object, RECEIPT_NONE, true },
    { "CreateService", MANAGE, method_create_service, RECEIPT_NONE, true },
    { "UpdateService", MANAGE, method_update_service, RECEIPT_NONE, true },
    { "ListServices", MANAGE, method_list_services, RECEIPT_NONE, true },
    { "InspectService", MANAGE, method_inspect_service, RECEIPT_NONE, true },
    { "RemoveService", MANAGE, method_remove_service, RECEIPT_NONE, true },
    { "RetryRollout", MANAGE, method_retry_rollout, RECEIPT_NONE, true },
    { "ListServiceUses", MANAGE, method_list_service_uses, RECEIPT_NONE, true },
};

const struct bus_rule *bus_rule_find(const char *member)
{
    for (size_t i = 0; i < ELEMENTSOF(rules); i++)
        if (strcmp(rules[i].member, member) == 0)
            return &rules[i];
    return NULL;
}
