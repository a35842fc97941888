/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/bus_policy.h"

#include <string.h>

#include "basic/cleanup.h"

#define OPEN NULL
#define UNLOCK "org.swarm.manager1.unlock"
#define MANAGE "org.swarm.manager1.manage"
#define VIEW_KEY "org.swarm.manager1.view-key"

static const struct bus_rule rules[] = {
    { "Info", OPEN, method_info },
    { "ListNodes", OPEN, method_list_nodes },
    { "InspectNode", OPEN, method_inspect_node },
    { "ListKeyslots", OPEN, method_list_keyslots },

    { "Unlock", UNLOCK, method_unlock },

    { "GetUnlockKey", VIEW_KEY, method_get_unlock_key },
    { "ConfirmUnlockKey", VIEW_KEY, method_confirm_unlock_key },
    { "GetJoinToken", VIEW_KEY, method_get_join_token },

    { "Init", MANAGE, method_init },
    { "RotateUnlockKey", MANAGE, method_rotate_unlock_key },
    { "EnableAutolock", MANAGE, method_enable_autolock },
    { "DisableAutolock", MANAGE, method_disable_autolock },
    { "RotateJoinToken", MANAGE, method_rotate_join_token },
    { "Leave", MANAGE, method_leave },
    { "CreateSecret", MANAGE, method_create_secret },
    { "ListSecrets", MANAGE, method_list_secrets },
    { "InspectSecret", MANAGE, method_inspect_secret },
    { "RemoveSecret", MANAGE, method_remove_secret },
    { "CreateConfig", MANAGE, method_create_config },
    { "ListConfigs", MANAGE, method_list_configs },
    { "InspectConfig", MANAGE, method_inspect_config },
    { "RemoveConfig", MANAGE, method_remove_config },
};

const struct bus_rule *bus_rule_find(const char *member)
{
    for (size_t i = 0; i < ELEMENTSOF(rules); i++)
        if (strcmp(rules[i].member, member) == 0)
            return &rules[i];
    return NULL;
}
