/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "swarm/swarm.h"

/* The methods of org.swarm.Manager1, the same function for secrets and configs, called once the caller is authorised. Each answers m now or
 * later; a negative errno that it returns is answered for it. */
typedef int (*bus_handler)(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);

int method_info(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_list_nodes(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_inspect_node(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_list_keyslots(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_fetch_advertisement(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_add_keyslot(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_test_keyslot(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_remove_keyslot(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_refresh_keyslots(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_unlock(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_get_unlock_key(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_confirm_unlock_key(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_get_join_token(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_init(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_rotate_unlock_key(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_enable_autolock(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_disable_autolock(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_rotate_join_token(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_join(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_update_node(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_remove_node(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_rotate_ca(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_get_ca(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_backup(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_restore(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_leave(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_create_object(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_list_objects(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_inspect_object(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_remove_object(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_update_object(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_create_service(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_update_service(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_remove_service(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_retry_rollout(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_list_services(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_inspect_service(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
int method_list_service_uses(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller);
