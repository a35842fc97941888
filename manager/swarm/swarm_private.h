/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <limits.h>

#include "keys/bundle.h"
#include "peer/caller.h"
#include "peer/link.h"
#include "peer/server.h"
#include "raft/replica.h"
#include "swarm/lifecycle.h"
#include "swarm/lock_watch.h"
#include "swarm/node_file.h"
#include "swarm/swarm.h"

#define CREDENTIAL_NAME "swarm_keys"

struct swarm_files {
    char node[PATH_MAX], sweep[PATH_MAX], keyslots[PATH_MAX], credential_folder[PATH_MAX], credential[PATH_MAX], erasing[PATH_MAX];
    char raft[PATH_MAX], highwater[PATH_MAX], records[PATH_MAX], tls[PATH_MAX], offline[PATH_MAX];
};

/* What the swarm has decided about this node, and it has yet to follow. */
enum node_fate {
    FATE_STAY,
    FATE_STAY_AND_SAVE, /* the managers have changed that a worker's node.json names */
    FATE_RENEW,
    FATE_MANAGER,
    FATE_WORKER,
    FATE_REMOVED,
};

struct seen {
    char id[STORE_ID_LEN + 1];
    uint64_t at; /* on the loop's clock */
};

/* Fields of the first group belong to the loop's thread, those of the second to the lifecycle thread. The errands' thread has none: it
 * submits requests. */
struct swarm {
    struct swarm_config config;
    struct swarm_files files;
    char folder[PATH_MAX], seal_socket[PATH_MAX], hostname[256];
    char helpers[PATH_MAX];
    struct lifecycle *lifecycle, *errands;
    struct units *units;       /* units.c */
    struct rollouts *rollouts; /* rollouts.c; may be NULL */

    enum swarm_state state;
    struct error why;
    uint32_t locked_generation;
    struct store *store, *ahead; /* ahead: all that the log holds, committed or not; NULL when nobody asked for it */
    struct replica *replica;
    struct keyring *keyring;
    struct lock_watch *watch;
    struct served *served;
    struct watchers *watchers;
    bool checking; /* the lock, as the watch asked for */
    struct node_file node;

    struct identity *identity;
    unsigned char roots_digest[32]; /* of what it trusts */
    struct peer_server *server;
    struct peer_caller *caller;
    struct link_list links; /* to other managers' replicas */
    uv_timer_t turn, news;
    unsigned changed; /* STORE_CHANGED_ flags not yet looked at */
    void (*turn_closed)(void *data);
    void *turn_closed_data;
    uint64_t next_beat, led_since, refusals_minute;
    unsigned refusals;
    enum node_fate fate;
    unsigned turns_alone; /* without a leader, while the log is rewritten */
    bool rewriting;
    bool led, beating, joining, managers_changed, role_busy, duty_busy;
    bool rekeying;
    uint64_t rekey_at; /* when to try again, on the loop's clock */
    unsigned rekey_pause;
    bool awaits_leader, activating, reconciling, reconcile_again, reconcile_missed;
    struct waiting *waiting; /* for the leader */
    struct seen *seen;
    size_t n_seen;

    unsigned listings; /* of keyslots that wait or run */
    bool closing;
    void (*closed)(void *data);
    void *closed_data;

    struct secret kek;
    struct keyslots_proofs keyslots_proofs;
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
void step_set_locked(struct swarm *s, uint32_t generation);
enum swarm_state step_get_state(struct swarm *s);
int step_require_active(struct swarm *s, struct error *e); /* as swarm_check_active */
/* As swarm_propose, but waits a while for a leader; -EREMCHG: what the command was made from has changed meanwhile (a request is then run
 * again from its begin). */
int step_propose(struct swarm *s, const Pb__Command *command);
int step_cluster(struct swarm *s, Pb__Cluster **ret);                 /* a copy: cluster_free() */
int step_cluster_ahead(struct swarm *s, Pb__Cluster **ret);           /* the same, as far as the log goes, committed or not */
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
int step_replica_recover(struct swarm *s, struct error *e); /* the only voter from now on */
/* 1: the swarm's leader has to be heard first. look_ahead: keeps what the log holds for step_cluster_ahead. */
int step_replica_open(struct swarm *s, bool look_ahead, struct error *e);
void step_forget_ahead(struct swarm *s);
int step_replica_rewrite(struct swarm *s);
void step_replica_close(struct swarm *s);

/* That what is read next is not older than this call. */
int step_current(struct swarm *s, struct error *e);
bool step_is_alone(struct swarm *s);
int step_hand_over(struct swarm *s); /* leadership, to another manager; -EALREADY: does not lead, or is alone */

/* ---- call.c: lifecycle thread */
struct call {
    struct identity *identity; /* NULL: who this node is, to the managers that it knows; else the next three are needed */
    const char *protocol;
    const char *const *managers;
    size_t n_managers;
    const Peer__Request *request;
    unsigned timeout_ms;
    bool repeatable;
};
/* As peer_call. The reply is the caller's: peer_reply_free(). */
int step_call(struct swarm *s, const struct call *call, Peer__Reply **ret, struct error *e);

/* ---- network.c: lifecycle thread */
int step_network_open(struct swarm *s, struct identity *identity, struct error *e);
void step_network_close(struct swarm *s);
/* loop's thread */
struct replica_links network_links(struct swarm *s);
const Pb__Node *network_node_of(const struct swarm *s, uint64_t raft_id);
void network_review(struct swarm *s); /* nodes have come, gone, or changed their role */
void network_know_managers(struct swarm *s);
bool network_wants_renewal(const struct swarm *s, const Pb__Node *node);
void network_close(struct swarm *s, void (*cb)(void *data), void *data);
void refusal(struct swarm *s, const char *address, const char *why);

/* ---- propose.c: loop's thread */
/* As replica_propose and replica_barrier, but on any manager. -ENOTCONN, -EAGAIN: nothing was done; -ECANCELED: not known. */
int swarm_propose(struct swarm *s, const void *command, size_t size, replica_cb cb, void *data);
int swarm_barrier(struct swarm *s, replica_cb cb, void *data);
void propose_turn(struct swarm *s);
bool swarm_is_alone(const struct swarm *s);
int swarm_error_no_leader(struct error *e);
/* Why a change was not made: "WHAT: REASON". */
int swarm_error_change(struct error *e, int code, const char *what);

/* ---- turn.c, seen.c, duties.c, activate.c: loop's thread */
void turn_init(struct swarm *s);
void turn_start(struct swarm *s);
void turn_stop(struct swarm *s);
void turn_close(struct swarm *s, void (*cb)(void *data), void *data);
void turn_be(struct swarm *s, enum node_fate fate);
void turn_store_changed(struct swarm *s, unsigned changed);
void seen_now(struct swarm *s, const char *id);
void seen_forget(struct swarm *s, const char *id);
void seen_forget_all(struct swarm *s);
bool seen_since(const struct swarm *s, const char *id, uint64_t milliseconds);
void duties_turn(struct swarm *s);
void activate_turn(struct swarm *s);
void activate_wait(struct swarm *s);
void activate_reconcile(struct swarm *s);

/* ---- rekey.c: loop's thread */
void rekey_turn(struct swarm *s);

/* ---- role.c: lifecycle thread */
int role_follow(struct swarm *s, struct error *e);

/* ---- bytes.c: any thread. The new value is copied into memory that the message's allocator erases, the old one is erased. */
int bytes_replace(ProtobufCBinaryData *field, const void *data, size_t size);
int string_replace(char **field, const char *text);

/* ---- lock.c: lifecycle thread; what the disk holds */
int lock_store_bundle(struct swarm *s, bool with_kek, struct error *e);
/* Other keys than before: what runs knows them only once they are durable. Takes both on success. */
int lock_adopt(struct swarm *s, struct secret *kek, struct bundle **bundle, bool locks, struct error *e);
int lock_replace_tls_key(struct swarm *s, const struct secret *tls_key, struct error *e);
int lock_finish_rewrite(struct swarm *s, struct error *e);
int lock_key_text(const ProtobufCBinaryData *key, struct secret *ret_text);
/* Which of two headers is the lock, where an attempt to change it was cut off or failed: the one that the bundle in force names. */
int lock_settle(struct swarm *s, struct error *e);
int lock_wipe(struct swarm *s, struct error *e);
void lock_forget(struct swarm *s);

/* ---- lock_change.c: lifecycle thread; all keys anew */
struct rekey_plan;
int lock_arm(struct swarm *s, struct error *e);
int lock_disarm(struct swarm *s, struct error *e);
int lock_rekey(struct swarm *s, const Pb__Cluster *cluster, struct rekey_plan *plan, struct error *e);
/* What comes after the keys are in force; does what is left of it. */
int lock_finish_change(struct swarm *s, struct error *e);
/* lock_remake.c: somebody has put a lock of other keys in the place of ours, whose KEK is at hand: the unlock keys' keyslots are made once more: 1. */
int lock_remake(struct swarm *s, const Pb__Cluster *cluster, struct error *e);
int lock_name_header(const char *path, struct bundle *bundle, struct error *e);

/* ---- lock_record.c: lifecycle thread; each puts the node only when something differs. -EREMCHG: again */
int lock_record_keyslots(struct swarm *s, uint32_t generation, uint32_t oldest, uint64_t sequence);
int lock_record_generation(struct swarm *s, uint32_t generation, uint32_t oldest); /* the same, sequence as the lock has it; 0, 0: no lock */
int lock_record_rekeyed(struct swarm *s, struct error *e);
int lock_record_certificate(struct swarm *s, struct error *e);

/* ---- open.c: lifecycle thread */
int open_renew(struct swarm *s, struct error *e); /* a manager gives itself a certificate, and takes over the roots */
int open_identity(struct swarm *s, struct error *e); /* with the key of the bundle; a manager issues its own certificate when it has to */
/* Opens the log and the network. 0: active as soon as the caller says so; 1: it will be once the swarm's leader was heard. */
int open_store(struct swarm *s, struct error *e);
/* The same for either role; a worker has no log. */
int open_member(struct swarm *s, struct error *e);
void open_undo(struct swarm *s);  /* closes what open_member has opened, forgets the keys */
int open_leave(struct swarm *s, struct error *e); /* the same, and wipes */
int open_await_active(struct swarm *s, unsigned milliseconds); /* -EAGAIN */
int open_catch_up(struct swarm *s); /* -EAGAIN: again */
int open_reconcile_keyslots(struct swarm *s, const Pb__Cluster *cluster, struct error *e);
int open_reconcile(struct swarm *s, struct error *e);
int open_check_lock(struct swarm *s, struct error *e); /* the lock was written to while the manager is active */
int open_startup(struct swarm *s);

/* The key of that generation has reached a person: it comes into force alone. r, for the journal, may be NULL. */
int unlock_key_confirm(struct swarm *s, uint32_t generation, uint64_t old_key_expires, const struct swarm_request *r, struct error *e);

int init_check_state(struct swarm *s, struct error *e);
/* A new swarm with that cluster object, and with what fill puts into it before the swarm exists. On failure nothing is left. */
int init_found(struct swarm *s, struct swarm_request *r, const Pb__Cluster *cluster, int (*fill)(struct swarm *s, const void *data, struct error *e),
               const void *data);

/* The lock's part of an unlock: the keys, without the store. */
int unlock_keys(struct swarm *s, struct swarm_request *r);

/* ---- keyslot.c: lifecycle thread */
void keyslot_worked(struct swarm *s, const struct keyslot *slot);
int keyslot_error_no_lock(struct error *e);

/* ---- errand.c: errands' thread */
/* Submits a request like r's caller would, waits for its end, and leaves it to the caller of this. */
int errand_request(struct swarm *s, struct swarm_request *request, struct error *e);
/* For what waits for helpers there; ends early, -ECANCELED, when the swarm is closed. */
struct method_helpers errand_helpers(struct swarm *s);
/* One exchange with a helper on any thread, as struct method_helpers has it. */
int errand_exchange_on(struct lifecycle *thread, struct swarm *s, const char *helper, char operation, const void *body, size_t size,
                       unsigned timeout_ms, struct secret *ret_body, struct error *e);

/* ---- errand_keyslot.c: errands' thread. On behalf of r, whose error they fill unless they are given one */
/* What the lock holds, which is more than nothing: -EOPNOTSUPP when there is no lock. The caller frees it. */
int errand_list(struct swarm *s, struct swarm_request *r, bool while_locked, struct swarm_request **ret);
int errand_token(struct swarm *s, struct swarm_request *r, int slot, char **ret);
int errand_prove(struct swarm *s, struct swarm_request *r, int slot, struct secret *passphrase, struct keyslot *ret);
/* Takes m's parts. replaces: -1, or the slot that goes once the new one opens. */
int errand_insert(struct swarm *s, struct swarm_request *r, struct method *m, enum keyslot_stretch stretch, int replaces, struct keyslot *ret,
                  struct error *e);
/* What a check found, "" for nothing. */
void errand_note(struct swarm *s, struct swarm_request *r, int slot, const char *text);

/* ---- the verbs: lifecycle thread */
int verb_init(struct swarm *s, struct swarm_request *r);
int verb_unlock(struct swarm *s, struct swarm_request *r);
int verb_rotate_unlock_key(struct swarm *s, struct swarm_request *r);
int verb_confirm_unlock_key(struct swarm *s, struct swarm_request *r);
int verb_enable_autolock(struct swarm *s, struct swarm_request *r);
int verb_disable_autolock(struct swarm *s, struct swarm_request *r);
int verb_rotate_join_token(struct swarm *s, struct swarm_request *r);
int verb_join(struct swarm *s, struct swarm_request *r);
int verb_update_node(struct swarm *s, struct swarm_request *r);
int verb_remove_node(struct swarm *s, struct swarm_request *r);
int verb_rotate_ca(struct swarm *s, struct swarm_request *r);
int verb_rekey(struct swarm *s, struct swarm_request *r);
int verb_switch_keys(struct swarm *s, struct swarm_request *r);
int verb_backup(struct swarm *s, struct swarm_request *r);
int verb_restore(struct swarm *s, struct swarm_request *r);
/* --force-new-cluster */
int verb_recover(struct swarm *s, struct swarm_request *r);
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
int verb_follow_rekey(struct swarm *s, struct swarm_request *r);
