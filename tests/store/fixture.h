/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/command.h"
#include "store/store.h"

/* Commands for tests. Each call proposes one and returns what store_apply said. */

/* The n-th id of a series: 25 characters, in ascending order; ret has STORE_ID_LEN + 1 bytes. */
const char *fixture_id(char series, unsigned n, char ret[static STORE_ID_LEN + 1]);

/* What the last command that was applied through here has changed; 0 when it failed. */
extern unsigned fixture_changed;

/* 32 bytes by which digest n is told apart; valid until the next call. */
const unsigned char *fixture_digest(unsigned n);

int fixture_apply(struct store *s, const Pb__Command *command);
int fixture_create(struct store *s, Pb__Kind kind, const char *id, const char *name, const void *data, size_t size);
int fixture_create_object(struct store *s, Pb__Kind kind, const Pb__Object *object);
int fixture_remove(struct store *s, Pb__Kind kind, const char *id);
int fixture_put_node(struct store *s, const char *id, uint64_t version, const char *hostname);
/* Of a worker; until 0 leaves no tombstone. */
int fixture_remove_node(struct store *s, const char *id, int64_t until, int64_t now);
int fixture_set_node_state(struct store *s, const char *id, Pb__NodeState state, int64_t since);
int fixture_revoke(struct store *s, const char *id, const unsigned char digest[static STORE_DIGEST_SIZE], int64_t until, int64_t now);
int fixture_put_cluster(struct store *s, const char *id, uint64_t version, const char *key, bool autolock);

/* For variations: complete messages whose parts live as long as the program. */
Pb__Meta *fixture_meta(const char *id, uint64_t version, int64_t now);
Pb__Object *fixture_object(const char *id, const char *name, const void *data, size_t size);
Pb__Node *fixture_node(const char *id, uint64_t version, const char *hostname); /* a worker */
Pb__Node *fixture_manager(const char *id, uint64_t version, const char *hostname, uint64_t raft_id);
Pb__Cluster *fixture_cluster(const char *id, uint64_t version, const char *key, bool autolock);
Pb__Command fixture_put_node_command(Pb__Node *node);
Pb__Command fixture_put_cluster_command(Pb__Cluster *cluster);
Pb__Command fixture_create_command(Pb__Kind kind, Pb__Object *object);
Pb__Command fixture_remove_node_command(const char *id, int64_t until, int64_t now);
Pb__Command fixture_set_node_state_command(const char *id, Pb__NodeState state, int64_t since);
Pb__Command fixture_revoke_command(const char *id, const unsigned char digest[static STORE_DIGEST_SIZE], int64_t until, int64_t now);

/* Services (on_update RESTART, parallelism 2, a label), and what is done with them. fixture_use wants order of unit and credential. */
Pb__Service *fixture_service(const char *id, uint64_t version, const char *name, const char *unit);
void fixture_grant(Pb__Service *service, Pb__Kind kind, const char *object_id, const char *credential);
void fixture_constrain(Pb__Service *service, const char *key, bool differs, const char *value);
Pb__Command fixture_put_service_command(Pb__Service *service);
Pb__Command fixture_remove_service_command(const char *id);
Pb__Command fixture_update_command(Pb__Kind kind, const char *id, uint64_t version, const void *data, size_t size, int64_t now);
Pb__Command fixture_prune_command(Pb__Kind kind, const char *id);
Pb__Command fixture_set_rollout_command(const char *service_id, uint64_t number, Pb__RolloutState state, int64_t now);
void fixture_reach(Pb__Command *set_rollout, const char *node_id, Pb__RolloutNodeState state, const char *text);
Pb__Command fixture_put_usage_command(const char *node_id);
void fixture_use(Pb__Command *put_usage, const char *unit, const char *credential, Pb__Kind kind, const char *object_id, uint64_t revision);
/* Applies one of these commands and gives back what they took. */
int fixture_propose(struct store *s, Pb__Command command);

/* Gives back what the calls above took. */
void fixture_reset(void);

/* The state as bytes; they compare equal when the states do. */
struct image {
    void *data;
    size_t size;
};
struct image fixture_image(const struct store *s);
void image_done(struct image *image);
bool image_same(const struct image *a, const struct image *b);
/* Whether s is in the state of image. */
bool fixture_is(const struct store *s, const struct image *image);
