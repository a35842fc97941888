/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "ctl/args.h"
#include "ctl/call.h"

/* The commands themselves: each returns the exit code, with e filled unless it is STATUS_OK or everything has been told already. */

struct object_kind {
    const char *word;                                 /* "secret" */
    size_t max;                                       /* bytes of data */
    const char *create, *update, *list, *inspect, *remove; /* D-Bus methods */
    const char *sources;                              /* what a service calls those that it grants */
};

extern const struct object_kind object_secret, object_config;

int cmd_init(const struct args *args, struct caller *c, struct error *e);
int cmd_join(const struct args *args, struct caller *c, struct error *e);
int cmd_ca(const struct args *args, struct caller *c, struct error *e);
int cmd_backup(const struct args *args, struct caller *c, struct error *e);
int cmd_restore(const struct args *args, struct caller *c, struct error *e);
int cmd_node_promote(const struct args *args, struct caller *c, struct error *e);
int cmd_node_demote(const struct args *args, struct caller *c, struct error *e);
int cmd_node_remove(const struct args *args, struct caller *c, struct error *e);
int cmd_node_update(const struct args *args, struct caller *c, struct error *e);
int cmd_update(const struct args *args, struct caller *c, struct error *e);
int cmd_join_token(const struct args *args, struct caller *c, struct error *e);
int cmd_leave(const struct args *args, struct caller *c, struct error *e);
int cmd_info(const struct args *args, struct caller *c, struct error *e);
int cmd_unlock(const struct args *args, struct caller *c, struct error *e);
int cmd_unlock_key(const struct args *args, struct caller *c, struct error *e);
int cmd_object_create(const struct args *args, struct caller *c, struct error *e);
int cmd_object_update(const struct args *args, struct caller *c, struct error *e);
int cmd_object_list(const struct args *args, struct caller *c, struct error *e);
int cmd_object_inspect(const struct args *args, struct caller *c, struct error *e);
int cmd_object_remove(const struct args *args, struct caller *c, struct error *e);
int cmd_node_list(const struct args *args, struct caller *c, struct error *e);
int cmd_node_inspect(const struct args *args, struct caller *c, struct error *e);
int cmd_service_create(const struct args *args, struct caller *c, struct error *e);
int cmd_service_list(const struct args *args, struct caller *c, struct error *e);
int cmd_service_inspect(const struct args *args, struct caller *c, struct error *e);
int cmd_service_ps(const struct args *args, struct caller *c, struct error *e);
int cmd_service_update(const struct args *args, struct caller *c, struct error *e);
int cmd_service_enable(const struct args *args, struct caller *c, struct error *e);
int cmd_service_disable(const struct args *args, struct caller *c, struct error *e);
int cmd_service_remove(const struct args *args, struct caller *c, struct error *e);
int cmd_keyslot_list(const struct args *args, struct caller *c, struct error *e);
int cmd_keyslot_add(const struct args *args, struct caller *c, struct error *e);
int cmd_keyslot_test(const struct args *args, struct caller *c, struct error *e);
int cmd_keyslot_refresh(const struct args *args, struct caller *c, struct error *e);
int cmd_keyslot_remove(const struct args *args, struct caller *c, struct error *e);
int cmd_docker_enroll(const struct args *args, struct caller *c, struct error *e);
int cmd_docker_status(const struct args *args, struct caller *c, struct error *e);
int cmd_docker_unlock(const struct args *args, struct caller *c, struct error *e);
int cmd_docker_forget(const struct args *args, struct caller *c, struct error *e);
int cmd_docker_keyslot_add(const struct args *args, struct caller *c, struct error *e);

/* Entries AdvertiseAddr and ListenAddr of an open dictionary, where they were given. */
int cmd_append_addresses(sd_bus_message *m, const struct args *args);

/* An entry with an array of text in an open dictionary, unless n is 0. */
int cmd_append_texts(sd_bus_message *m, const char *name, const char *const *texts, size_t n);
