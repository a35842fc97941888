/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "swarm/swarm.h"

/* A service that is made from what a client says: a copy of one in the store, or a new one, with changes given as text. */

/* from: NULL for a new one of that name. NULL without memory. */
Pb__Service *service_edit_begin(const Pb__Service *from, const char *name);
void service_edit_end(Pb__Service *service);
DEFINE_CLEANUP(Pb__Service *, service_edit_end)

/* -EINVAL, -ENOENT, -EEXIST, -ENOMEM, with e filled but for the last. What is added and there already, or is a label that is to go and is not
 * there, is no error. */
typedef int (*service_edit)(const struct swarm *s, Pb__Service *service, const char *text, struct error *e);

/* KEY==VALUE or KEY!=VALUE, with blanks around the parts or without */
int service_edit_add_constraint(const struct swarm *s, Pb__Service *service, const char *text, struct error *e);
int service_edit_remove_constraint(const struct swarm *s, Pb__Service *service, const char *text, struct error *e);

/* SOURCE[:ID]: a name or ID, then how units call it: as it is named if not given, or when it is to go, however they do */
int service_edit_add_secret(const struct swarm *s, Pb__Service *service, const char *text, struct error *e);
int service_edit_remove_secret(const struct swarm *s, Pb__Service *service, const char *text, struct error *e);
int service_edit_add_config(const struct swarm *s, Pb__Service *service, const char *text, struct error *e);
int service_edit_remove_config(const struct swarm *s, Pb__Service *service, const char *text, struct error *e);

/* KEY=VALUE, or KEY for an empty value; and KEY */
int service_edit_add_label(const struct swarm *s, Pb__Service *service, const char *text, struct error *e);
int service_edit_remove_label(const struct swarm *s, Pb__Service *service, const char *text, struct error *e);

/* none, restart, reload */
int service_edit_on_update(const struct swarm *s, Pb__Service *service, const char *text, struct error *e);
int service_edit_unit(const struct swarm *s, Pb__Service *service, const char *text, struct error *e);
const char *service_on_update_to_string(Pb__OnUpdate on_update);
