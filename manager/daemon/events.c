/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/events.h"

#include "daemon/journal.h"

static const struct {
    const char *id;
    int priority;
    const char *message;
} entries[] = {
    [SWARM_EVENT_INITIALISED] = { MESSAGE_INITIALISED, LOG_NOTICE, "A new swarm was initialised with this node as its manager." },
    [SWARM_EVENT_LOCKED] = { MESSAGE_LOCKED, LOG_NOTICE, "The manager is locked and waits for its unlock key." },
    [SWARM_EVENT_UNLOCKED] = { MESSAGE_UNLOCKED, LOG_NOTICE, "The manager was unlocked." },
    [SWARM_EVENT_UNLOCK_FAILED] = { MESSAGE_UNLOCK_FAILED, LOG_WARNING, "An attempt to unlock the manager failed." },
    [SWARM_EVENT_KEY_ROTATED] = { MESSAGE_KEY_ROTATED, LOG_NOTICE, "A new unlock key was made; the old one unlocks too until it is confirmed." },
    [SWARM_EVENT_KEY_CONFIRMED] = { MESSAGE_KEY_CONFIRMED, LOG_NOTICE, "The new unlock key is in force; the old one goes as soon as every manager has the new one." },
    [SWARM_EVENT_AUTOLOCK_ON] = { MESSAGE_AUTOLOCK_ENABLED, LOG_NOTICE, "Autolock is on: this manager starts locked from now on." },
    [SWARM_EVENT_AUTOLOCK_OFF] = { MESSAGE_AUTOLOCK_DISABLED, LOG_NOTICE, "Autolock is off: this manager starts without a key from now on." },
    [SWARM_EVENT_LEFT] = { MESSAGE_LEFT, LOG_NOTICE, "This node has left its swarm; its keys and its store are wiped." },
    [SWARM_EVENT_DAMAGED] = { MESSAGE_DAMAGED, LOG_ERR, "The manager's state on disk cannot be used." },
    [SWARM_EVENT_ROLLED_BACK] = { MESSAGE_ROLLED_BACK, LOG_WARNING,
                                   "An older copy of the keyslots was put back; the unlock key's keyslots are brought up to date." },
    [SWARM_EVENT_MENDED] = { MESSAGE_MENDED, LOG_NOTICE, "The log was mended after a crash." },
    [SWARM_EVENT_REPLICA_FAILED] = { MESSAGE_REPLICA_FAILED, LOG_CRIT, "The replicated store stopped working." },
    [SWARM_EVENT_KEYSLOT_ADDED] = { MESSAGE_KEYSLOT_ADDED, LOG_NOTICE, "A way to unlock the manager was added." },
    [SWARM_EVENT_KEYSLOT_REMOVED] = { MESSAGE_KEYSLOT_REMOVED, LOG_NOTICE, "A way to unlock the manager was removed." },
    [SWARM_EVENT_KEYSLOT_REFRESHED] = { MESSAGE_KEYSLOT_REFRESHED, LOG_NOTICE, "A way to unlock the manager was bound anew." },
    [SWARM_EVENT_KEYSLOT_FAILED] = { MESSAGE_KEYSLOT_FAILED, LOG_WARNING, "A way to unlock the manager needs attention." },
    [SWARM_EVENT_CA_ROTATED] = { MESSAGE_CA_ROTATED, LOG_NOTICE, "The swarm has a new certificate authority; each node gets a new certificate." },
    [SWARM_EVENT_RECOVERED] = { MESSAGE_RECOVERED, LOG_NOTICE, "The swarm was recovered on this manager alone." },
    [SWARM_EVENT_JOINED] = { MESSAGE_JOINED, LOG_NOTICE, "This node has joined a swarm." },
    [SWARM_EVENT_PROMOTED] = { MESSAGE_PROMOTED, LOG_NOTICE, "This node has become a manager." },
    [SWARM_EVENT_DEMOTED] = { MESSAGE_DEMOTED, LOG_NOTICE, "This node has become a worker; its copy of the swarm's store is wiped." },
    [SWARM_EVENT_REMOVED] = { MESSAGE_REMOVED, LOG_NOTICE, "The swarm has removed this node; its keys and its store are wiped." },
    [SWARM_EVENT_REKEY] = { MESSAGE_REKEY, LOG_NOTICE, "Every manager makes new keys for its disk and its connections." },
    [SWARM_EVENT_REKEYED] = { MESSAGE_REKEYED, LOG_NOTICE, "This manager has new keys; copies of its former ones open nothing here any more." },
    [SWARM_EVENT_CUT_OFF] = { MESSAGE_CUT_OFF, LOG_WARNING, "No manager can be reached; units get the secrets and configs that are known here." },
    [SWARM_EVENT_CONTACT] = { MESSAGE_CONTACT, LOG_NOTICE, "A manager is reached again; what units get is up to date." },
    [SWARM_EVENT_REFUSED] = { MESSAGE_REFUSED, LOG_WARNING, "Somebody on the network was not let in." },
    [SWARM_EVENT_DROP_INS] = { MESSAGE_DROP_INS, LOG_NOTICE, "The units' drop-ins follow the swarm's services:" },
    [SWARM_EVENT_UNITS_UPDATED] = { MESSAGE_UNITS_UPDATED, LOG_NOTICE, "Units were restarted or reloaded for a new secret or config." },
    [SWARM_EVENT_UNITS_FAILED] = { MESSAGE_UNITS_FAILED, LOG_ERR, "Units could not be restarted or reloaded for a new secret or config." },
    [SWARM_EVENT_ROLLOUT_STARTED] = { MESSAGE_ROLLOUT_STARTED, LOG_NOTICE, "New data is rolled out." },
    [SWARM_EVENT_ROLLOUT_STOPPED] = { MESSAGE_ROLLOUT_STOPPED, LOG_ERR, "A rollout was stopped: nodes that it has not reached keep what they have." },
    [SWARM_EVENT_ROLLOUT_DONE] = { MESSAGE_ROLLOUT_DONE, LOG_NOTICE, "A rollout is done." },
    [SWARM_EVENT_TROUBLE] = { MESSAGE_TROUBLE, LOG_WARNING, "An operation was left unfinished and is tried again at the next start." },
};

void event_log(const struct swarm_event_info *info)
{
    char uid[16] = "", keyslot[16] = "", generation[16] = "", message[ERROR_TEXT_MAX + 256];

    if (info->caller.how[0] == 'd')
        (void) snprintf(uid, sizeof(uid), "%u", (unsigned) info->caller.uid);
    if (info->keyslot >= 0)
        (void) snprintf(keyslot, sizeof(keyslot), "%d", info->keyslot);
    if (info->generation > 0)
        (void) snprintf(generation, sizeof(generation), "%u", info->generation);
    (void) snprintf(message, sizeof(message), "%s%s%s", entries[info->event].message, info->text ? " " : "", info->text ? info->text : "");
    journal_event(entries[info->event].id, entries[info->event].priority, message,
                  "SWARM_METHOD", info->caller.how,
                  "SWARM_CALLER_UID", uid[0] ? uid : NULL,
                  "SWARM_KEYSLOT", keyslot[0] ? keyslot : NULL,
                  "SWARM_GENERATION", generation[0] ? generation : NULL,
                  "SWARM_REASON", info->text,
                  NULL);
}
