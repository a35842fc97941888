/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include "basic/error.h"
#include "basic/secret.h"
#include "method/method.h"
#include "store/store.h"

/* What a manager is and does: its state, and the operations that the faces (D-Bus, prompt) offer. All calls are for the loop's thread. */

enum swarm_state {
    SWARM_INACTIVE, /* not in a swarm */
    SWARM_PENDING,  /* opening the store */
    SWARM_ACTIVE,
    SWARM_LOCKED,
    SWARM_ERROR,    /* something has to be mended by hand; swarm_why() says what */
};

const char *swarm_state_to_string(enum swarm_state state);

struct swarm;

/* Who asked, for the journal. */
struct swarm_caller {
    uid_t uid;
    char how[32]; /* "dbus :1.42", "prompt", "agent", "startup" */
};

enum swarm_event {
    SWARM_EVENT_INITIALISED,
    SWARM_EVENT_LOCKED,
    SWARM_EVENT_UNLOCKED,
    SWARM_EVENT_UNLOCK_FAILED,
    SWARM_EVENT_KEY_ROTATED,
    SWARM_EVENT_KEY_CONFIRMED,
    SWARM_EVENT_AUTOLOCK_ON,
    SWARM_EVENT_AUTOLOCK_OFF,
    SWARM_EVENT_LEFT,
    SWARM_EVENT_DAMAGED,
    SWARM_EVENT_ROLLED_BACK,
    SWARM_EVENT_MENDED,
    SWARM_EVENT_REPLICA_FAILED,
    SWARM_EVENT_KEYSLOT_ADDED,
    SWARM_EVENT_KEYSLOT_REMOVED,
    SWARM_EVENT_KEYSLOT_REFRESHED,
    SWARM_EVENT_KEYSLOT_FAILED, /* a check found that a keyslot's method does not work as it is */
    SWARM_EVENT_CA_ROTATED,
    SWARM_EVENT_RECOVERED,
    SWARM_EVENT_JOINED,
    SWARM_EVENT_PROMOTED,
    SWARM_EVENT_DEMOTED,
    SWARM_EVENT_REMOVED,
    SWARM_EVENT_REKEY,   /* every manager is to make new keys */
    SWARM_EVENT_REKEYED, /* this one has; text: the ways to unlock it that went */
    SWARM_EVENT_CUT_OFF, /* a worker that reaches no manager goes on with what it knows */
    SWARM_EVENT_CONTACT, /* and reaches one again */
    SWARM_EVENT_REFUSED, /* somebody on the network was not let in */
    SWARM_EVENT_DROP_INS, /* of units were written or removed */
    SWARM_EVENT_UNITS_UPDATED,
    SWARM_EVENT_UNITS_FAILED,
    SWARM_EVENT_ROLLOUT_STARTED,
    SWARM_EVENT_ROLLOUT_STOPPED,
    SWARM_EVENT_ROLLOUT_DONE,
    SWARM_EVENT_TROUBLE, /* an operation will be tried again; text says which */
};

/* text may be NULL; keyslot is -1 where none is concerned. Called on either thread. */
struct swarm_event_info {
    enum swarm_event event;
    struct swarm_caller caller;
    int keyslot;
    uint32_t generation;
    const char *text;
};

struct swarm_config {
    uv_loop_t *loop;
    const char *folder;      /* the state directory, absolute */
    const char *seal_socket;
    const char *helpers; /* the folder of the sockets of swarm-open, swarm-unlock and swarm-token */
    const char *hostname;
    const char *runtime; /* a folder that is kept until the machine goes down; may be NULL */
    unsigned snapshot_threshold; /* 0: the default */
    void (*on_state)(void *data);
    void (*on_served)(void *data); /* what swarm_credential() answers may have changed; may be NULL */
    void (*on_event)(void *data, const struct swarm_event_info *info);
    void *data;
};

/* Starts to look at the state on disk; on_state tells when the first state other than pending is known. */
int swarm_new(const struct swarm_config *config, struct swarm **ret);

/* Ends a running operation, closes the log, frees; then cb. */
void swarm_close(struct swarm *s, void (*cb)(void *data), void *data);

enum swarm_state swarm_state(const struct swarm *s);
/* Of the newest unlock key that opens a locked manager; 0 when not locked. */
uint32_t swarm_locked_generation(const struct swarm *s);
const char *swarm_why(const struct swarm *s); /* "" unless pending or error */

/* ---- whole operations, one at a time on the lifecycle thread */

enum swarm_verb {
    SWARM_INIT,
    SWARM_UNLOCK,
    SWARM_ROTATE_UNLOCK_KEY,
    SWARM_CONFIRM_UNLOCK_KEY,
    SWARM_ENABLE_AUTOLOCK,
    SWARM_DISABLE_AUTOLOCK,
    SWARM_ROTATE_JOIN_TOKEN,
    SWARM_JOIN,        /* key: the join token as text */
    SWARM_LEAVE,
    SWARM_UPDATE_NODE,
    SWARM_REMOVE_NODE,
    SWARM_ROTATE_CA,
    SWARM_REKEY,       /* new keys for every manager's disk and TLS: now, or when the unlock key of that generation is confirmed */
    SWARM_BACKUP,      /* to fd */
    SWARM_RESTORE,     /* from fd, with the unlock key in key */
    SWARM_LIST_KEYSLOTS,
    SWARM_REMOVE_KEYSLOT,
    SWARM_PROVE_KEYSLOT,  /* with the secret in key */
    SWARM_INSERT_KEYSLOT, /* with the secret in key and the token, if any; replaces another one if slot is not -1 */
    SWARM_KEYSLOT_TOKEN,
    SWARM_RECORD_KEYSLOT, /* what a check found: note */
    SWARM_SWITCH_KEYS,    /* this manager's part of a rekey, with the keyslots of plan */

    /* these talk to helpers, on a thread of their own: whoever unlocks meanwhile does not wait for them */
    SWARM_FETCH_ADVERTISEMENT,
    SWARM_ADD_KEYSLOT,
    SWARM_TEST_KEYSLOT,
    SWARM_REFRESH_KEYSLOTS,
    SWARM_FOLLOW_REKEY, /* this manager makes new keys, if the swarm wants that */
    _SWARM_VERB_MAX,
};

#define SWARM_ADDRESS_MAX 272 /* a DNS name, a colon, a port */

struct swarm_request {
    enum swarm_verb verb;
    struct swarm_caller caller;
    void (*done)(void *data, struct swarm_request *request); /* frees the request */
    void *data;

    bool autolock, force;
    bool force_new_cluster; /* init; key: the unlock key of a locked manager */
    char advertise[SWARM_ADDRESS_MAX], listen[SWARM_ADDRESS_MAX], remote[SWARM_ADDRESS_MAX];
    uint64_t old_key_expires; /* seconds; 0: the default */
    char node[STORE_HOSTNAME_MAX + 1]; /* as a person names it */
    bool has_role, has_availability;
    Pb__Availability availability;
    char **add_labels, **remove_labels; /* "key=value" and "key"; NULL or from malloc, NULL terminated, as are their elements */
    int fd;                             /* -1, or owned */
    struct secret key; /* an unlock attempt, as typed */
    uint32_t generation;
    Pb__Role role;
    int slot; /* -1: none, or all */
    enum keyslot_stretch stretch;
    char *token;                     /* from malloc, or NULL */
    char note[KEYSLOT_NOTE_MAX];
    struct keyslot_options *options; /* from malloc, or NULL */
    struct rekey_plan *plan;         /* borrowed */

    int result; /* as in docs/HACKING.md, with error in words */
    struct error error;
    char ret_id[STORE_ID_LEN + 1];
    char ret_address[SWARM_ADDRESS_MAX];
    char ret_digest[65]; /* of the CA's certificate, hexadecimal */
    uint32_t ret_generation;
    uint32_t ret_rekey; /* the count that every manager comes to */
    struct secret ret_key, ret_token;
    struct keyslot ret_keyslots[KEYSLOTS_MAX];
    struct keyslot_report ret_reports[KEYSLOTS_MAX];
    unsigned ret_n_keyslots;
    char *ret_token_json;
    unsigned ret_n_thumbprints;
    char ret_thumbprints[KEYSLOT_SERVERS_MAX][KEYSLOT_THUMBPRINT_MAX];
    struct keyslot_refresh ret_refreshes[KEYSLOTS_MAX];
    unsigned ret_n_refreshes;

    struct swarm *swarm; /* set by swarm_submit */
};

struct swarm_request *swarm_request_new(enum swarm_verb verb);
void swarm_request_free(struct swarm_request *r);
DEFINE_CLEANUP(struct swarm_request *, swarm_request_free)

/* Takes the request. -EAGAIN when too many wait: then it is still the caller's. */
int swarm_submit(struct swarm *s, struct swarm_request *request);

/* ---- reading; e says why when the manager is not active */

/* 0 when active, else -ENOKEY (locked), -ESRCH (not a manager), -EAGAIN (pending), -EBADMSG (error), with the text for people. */
int swarm_check_active(const struct swarm *s, struct error *e);

/* Only while active. */
const struct store *swarm_store(const struct swarm *s);
const char *swarm_node_id(const struct swarm *s);
const char *swarm_id(const struct swarm *s);
bool swarm_is_leader(const struct swarm *s);
bool swarm_is_manager(const struct swarm *s); /* false outside a swarm, too */
/* Whether the node's certificate is from the CA that issues now. */
bool swarm_node_is_certified(const struct swarm *s, const Pb__Node *node);
/* "leader", "reachable", "unreachable", "" for a worker. */
const char *swarm_manager_status(const struct swarm *s, const Pb__Node *node);

typedef void (*swarm_current_cb)(void *data, int result, const struct error *e);

/* What is read after this is not older than the call: 1 when that is so already; 0 when cb, never called from within, will tell. -EAGAIN, with
 * the text for people, when the swarm has no leader. */
int swarm_read_current(struct swarm *s, swarm_current_cb cb, void *data, struct error *e);

enum swarm_autolock {
    SWARM_AUTOLOCK_OFF,
    SWARM_AUTOLOCK_UNCONFIRMED, /* on, but nobody has acknowledged the key: the disk is not locked yet */
    SWARM_AUTOLOCK_ON,
};

const char *swarm_autolock_to_string(enum swarm_autolock autolock);
enum swarm_autolock swarm_autolock(const struct swarm *s);

/* The newest unlock key as text. -ENODATA when autolock is off. */
int swarm_unlock_key(const struct swarm *s, uint32_t *ret_generation, struct secret *ret_text, struct error *e);
int swarm_join_token(const struct swarm *s, Pb__Role role, struct secret *ret_text, char ret_address[static SWARM_ADDRESS_MAX],
                     struct error *e);

/* By id, hostname, unambiguous id prefix, or "self". -ENOENT, -ENOTUNIQ. */
int swarm_find_node(const struct swarm *s, const char *name, const Pb__Node **ret, struct error *e);

/* ---- objects */

typedef void (*swarm_done_cb)(void *data, int result, const char *id, const struct error *e);

/* Only while active. By id, name or unambiguous id prefix: -ENOENT, -ENOTUNIQ. */
int swarm_find_object(const struct swarm *s, Pb__Kind kind, const char *id_or_name, const Pb__Object **ret, struct error *e);

/* Labels alternate key and value, NULL terminated. data is copied. cb is not called when this fails. */
int swarm_create_object(struct swarm *s, Pb__Kind kind, const char *name, char *const *labels, const void *data, size_t size, swarm_done_cb cb,
                        void *cb_data, struct error *e);
int swarm_remove_object(struct swarm *s, Pb__Kind kind, const char *id_or_name, swarm_done_cb cb, void *cb_data, struct error *e);

/* New data for an object; the former stays for those that use it. It is made from the object as the store has it at the call: its revision is
 * the next one then. */
int swarm_update_object(struct swarm *s, Pb__Kind kind, const char *id_or_name, const void *data, size_t size, swarm_done_cb cb, void *cb_data,
                        struct error *e);

/* ---- services: service.meta.version 0 makes one (name has to be free), else replaces the one of that id and version. The checks of store/service.h
 * are made here again, with words. service is not kept. */
int swarm_put_service(struct swarm *s, Pb__Service *service, swarm_done_cb cb, void *cb_data, struct error *e);
int swarm_remove_service(struct swarm *s, const char *id_or_name, swarm_done_cb cb, void *cb_data, struct error *e);
int swarm_find_service(const struct swarm *s, const char *id_or_name, const Pb__Service **ret, struct error *e); /* as swarm_find_object */

/* A rollout that stopped goes on: the nodes that failed are reached again. -EINVAL when it did not stop. */
int swarm_retry_rollout(struct swarm *s, const char *id_or_name, swarm_done_cb cb, void *cb_data, struct error *e);

/* ---- credentials: what a unit of this node loads */

/* False while swarm_credential() says -EAGAIN to everybody. */
bool swarm_serves(struct swarm *s);

/* *ret lives until the next return to the loop, and counts as loaded by the unit. -EACCES: no service grants it; e says which grant is missing.
 * -EAGAIN: not known yet (locked, pending, a worker that has heard nothing so far): ask again after swarm_config.on_served. -ETIME: a worker
 * that was cut off for longer than the service's max_age. -ESRCH: in no swarm. */
int swarm_credential(struct swarm *s, const char *unit, const char *id, const void **ret, size_t *ret_size, struct error *e);
