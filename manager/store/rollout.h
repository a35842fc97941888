/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

#include "store/state.h"

/* The rollouts of services, as parts of the state. */

/* The service's next rollout, of an object that it grants; what its present one holds, if that is not done, is held on: an older revision of
 * the same object too, so that an update that mends a failed one leaves the others what they have. NULL: out of memory. */
Pb__Rollout *rollout_new(const Pb__Service *service, Pb__Kind kind, const Pb__Object *object, uint64_t number, int64_t now);
void rollout_free(Pb__Rollout *rollout);

/* Whether new data has to be rolled out: somebody wants it, and there is a node to reach. */
bool rollout_is_wanted(const struct store *s, const Pb__Service *service);

/* What is no longer granted, or of a service that rolls nothing out any more, is not held. */
void rollout_follow_service(Pb__Service *service, int64_t now);

void rollout_drop_held(Pb__Rollout *rollout);
void rollout_sort_nodes(Pb__RolloutNode **nodes, size_t n);

/* Whether the service grants the object and that has the revision as a former one. */
bool rollout_held_is_sound(const struct store *s, const Pb__Service *service, const Pb__Held *held);
