/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <limits.h>

#include "keys/bundle.h"
#include "raft/replica.h"
#include "swarm/lifecycle.h"
#include "swarm/lock_watch.h"
#include "swarm/node_file.h"
#include "swarm/swarm.h"

#define CREDENTIAL_NAME "swarm_keys"

struct swarm_files {
    char node[PATH_MAX], sweep[PATH_MAX], keyslots[PATH_MAX], credential_folder[PATH_MAX], credential[PATH_MAX], erasing[PATH_MAX];
    char raft[PATH_MAX], highwater[PATH_MAX], records[PATH_MAX];
};

/* Fields of the first group belong to the loop's thread, those of the second to the lifecycle thread. The errands' thread has none: it
 * submits requests. */
struct swarm {
    struct swarm_config config;
    struct swarm_files files;
    char folder[PATH_MAX], seal_socket[PATH_MAX], hostname[256];
    char helpers[PATH_MAX];
    struct lifecycle *lifecycle, *errands;

    enum swarm_state state;
    struct error why;
    struct store *store;
    struct replica *replica;
    struct keyring *keyring;
    struct lock_watch *watch;
    bool checking; /* the lock, as the watch asked for */
    struct node_file node;
    unsigned listings; /* of keyslots that wait or run */
    bool closing;
    void (*closed)(void *data);
    void *closed_data;

    struct secret kek;
    struct bundle *bundle;
    bool keys_locked;   /* what the disk says: the bundle does not carry its own KEK */
    struct keyslot opened; /* by the last unlock; its generation is 0 when foreign or none */
    struct secret blob; /* the sealed bundle that systemd handed over, while locked */
    struct node_file file;
    unsigned failures;  /* unlock attempts in a row */
};

int swarm_error_not_manager(struct error *e);
int swarm_error_locked(struct error *e);
void swarm_event(struct swarm *s, enum swarm_event event, const struct swarm_request *r, int keyslot, uint32_t generation, const char *text);
int64_t swarm_now(void); /* microseconds since 1970 */

/* ---- steps.c and steps_replica.c: lifecycle thread; each waits for the loop's thread */
void step_set_state(struct swarm *s, enum swarm_state state, const char *why);
enum swarm_state step_get_state(struct swarm *s);
int step_require_active(struct swarm *s, struct error *e); /* as swarm_check_active */
int step_propose(struct swarm *s, const Pb__Command *command);
int step_cluster(struct swarm *s, Pb__Cluster **ret);                 /* a copy: cluster_free() */
int step_active_cluster(struct swarm *s, Pb__Cluster **ret, struct error *e); /* the same, or why the manager is not active */
int step_node(struct swarm *s, const char *id, Pb__Node **ret);       /* a copy: node_free() */
void cluster_free(Pb__Cluster *c);
void node_free(Pb__Node *n);
DEFINE_CLEANUP(Pb__Cluster *, cluster_free)
DEFINE_CLEANUP(Pb__Node *, node_free)
int step_put_cluster(struct swarm *s, Pb__Cluster *cluster);
int step_put_node(struct swarm *s, Pb__Node *node);
void step_watch_lock(struct swarm *s);
/* The keyring gets the bundle's DEKs. */
int step_keyring(struct swarm *s, const struct bundle *bundle, uint32_t active);
int step_replica_bootstrap(struct swarm *s, struct error *e);
int step_replica_open(struct swarm *s, struct error *e);
int step_replica_rewrite(struct swarm *s);
void step_replica_close(struct swarm *s);

/* ---- bytes.c: any thread. The new value is copied into memory that the message's allocator erases, the old one is erased. */
int bytes_replace(ProtobufCBinaryData *field, const void *data, size_t size);

/* ---- lock.c: lifecycle thread; what the disk holds */
int lock_store_bundle(struct swarm *s, bool with_kek, struct error *e);
int lock_arm(struct swarm *s, struct error *e);
int lock_disarm(struct swarm *s, struct error *e);
int lock_finish_rewrite(struct swarm *s, struct error *e);
int lock_key_text(const ProtobufCBinaryData *key, struct secret *ret_text);
int lock_record_generation(struct swarm *s, uint32_t generation);
int lock_wipe(struct swarm *s, struct error *e);
void lock_forget(struct swarm *s);

/* ---- open.c: lifecycle thread */
int open_store(struct swarm *s, struct error *e);
int open_reconcile(struct swarm *s, struct error *e);
int open_check_lock(struct swarm *s, struct error *e); /* the lock was written to while the manager is active */
int open_startup(struct swarm *s);

/* The key of that generation has reached a person: it comes into force alone. r, for the journal, may be NULL. */
int unlock_key_confirm(struct swarm *s, uint32_t generation, const struct swarm_request *r, struct error *e);

/* ---- keyslot.c: lifecycle thread */
void keyslot_worked(struct swarm *s, const struct keyslot *slot);
int keyslot_error_no_lock(struct error *e);

/* ---- errand.c: errands' thread */
/* Submits a request like r's caller would, waits for its end, and leaves it to the caller of this. */
int errand_request(struct swarm *s, struct swarm_request *request, struct error *e);
/* One exchange with a helper; ends early, -ECANCELED, when the swarm is closed. Errors as in exchange/exchange.h, but -EHOSTUNREACH when there
 * is no helper, and -ENOSYS when it knows no way. */
int errand_exchange(struct swarm *s, const char *helper, char operation, const void *body, size_t size, unsigned timeout_ms,
                    struct secret *ret_body, struct error *e);

/* ---- errand_keyslot.c: errands' thread. On behalf of r, whose error they fill unless they are given one */
/* What the lock holds, which is more than nothing: -EOPNOTSUPP when there is no lock. The caller frees it. */
int errand_list(struct swarm *s, struct swarm_request *r, bool while_locked, struct swarm_request **ret);
int errand_token(struct swarm *s, struct swarm_request *r, int slot, char **ret);
int errand_prove(struct swarm *s, struct swarm_request *r, int slot, struct secret *passphrase, struct keyslot *ret);
/* Takes m's parts. replaces: -1, or the slot that goes once the new one opens. */
struct method;
int errand_insert(struct swarm *s, struct swarm_request *r, struct method *m, enum keyslot_stretch stretch, int replaces, struct keyslot *ret,
                  struct error *e);
/* What a check found, "" for nothing. */
void errand_note(struct swarm *s, struct swarm_request *r, int slot, const char *text);

/* ---- method.c: errands' thread. A token and the passphrase that its method gives back, which was proven. */
struct method {
    char *token; /* from malloc */
    struct secret passphrase;
};
#define METHOD_NULL ((struct method) { NULL, SECRET_NULL })
void method_done(struct method *m);
int method_tang(struct swarm *s, const struct keyslot_options *options, struct method *ret, struct error *e);
/* pcrs: NULL for systemd-cryptenroll's default, "" for none. */
int method_tpm2(struct swarm *s, const char *pcrs, struct method *ret, struct error *e);
int method_advertisement(struct swarm *s, const char *url, struct swarm_request *r, struct error *e);
/* From the keyslot's own method, by way of swarm-open. */
int method_open(struct swarm *s, int slot, struct secret *ret_passphrase, struct error *e);
/* For a clevis token: what its servers say, and if one has rotated, a new method. */
int method_check_tang(struct swarm *s, const char *token, bool only_look, struct keyslot_refresh *ret, struct method *ret_method);

/* ---- the verbs: lifecycle thread */
int verb_init(struct swarm *s, struct swarm_request *r);
int verb_unlock(struct swarm *s, struct swarm_request *r);
int verb_rotate_unlock_key(struct swarm *s, struct swarm_request *r);
int verb_confirm_unlock_key(struct swarm *s, struct swarm_request *r);
int verb_enable_autolock(struct swarm *s, struct swarm_request *r);
int verb_disable_autolock(struct swarm *s, struct swarm_request *r);
int verb_rotate_join_token(struct swarm *s, struct swarm_request *r);
int verb_leave(struct swarm *s, struct swarm_request *r);
int verb_list_keyslots(struct swarm *s, struct swarm_request *r);
int verb_remove_keyslot(struct swarm *s, struct swarm_request *r);
int verb_prove_keyslot(struct swarm *s, struct swarm_request *r);
int verb_insert_keyslot(struct swarm *s, struct swarm_request *r);
int verb_keyslot_token(struct swarm *s, struct swarm_request *r);
int verb_record_keyslot(struct swarm *s, struct swarm_request *r);
/* errands' thread */
int verb_fetch_advertisement(struct swarm *s, struct swarm_request *r);
int verb_add_keyslot(struct swarm *s, struct swarm_request *r);
int verb_test_keyslot(struct swarm *s, struct swarm_request *r);
int verb_refresh_keyslots(struct swarm *s, struct swarm_request *r);
