/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/bus_caller.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "message/bus_error.h"
#include "bus/bus_fresh.h"

#define KNOWN_MAX 64
#define NAME_MAX_LEN 64
#define CHECK_TIMEOUT_USEC (85ULL * 1000000) /* a person types a password meanwhile; swarmctl waits 90 s */

/* A bus never gives a unique name to a second connection, so what is known of one stays true. */
struct known {
    char name[NAME_MAX_LEN];
    uid_t uid;
    bool has_key; /* was let call a method that gives one */
};

struct bus_callers {
    struct swarm *swarm;
    struct known known[KNOWN_MAX];
    unsigned next;
    unsigned pending;
    unsigned asking; /* of those, the ones that polkit is asked about */
    bool orphaned; /* goes with the last admission, which a lost connection may keep for a while */
};

struct admission {
    struct bus_callers *callers;
    const struct bus_rule *rule;
    sd_bus_message *message;
    uid_t uid;
    bool asking;
};

static void admission_free(void *data)
{
    struct admission *a = data;
    struct bus_callers *c = a->callers;

    if (a->asking)
        c->asking--;
    sd_bus_message_unref(a->message);
    free(a);
    if (--c->pending == 0 && c->orphaned)
        free(c);
}

DEFINE_CLEANUP(struct admission *, admission_free)

struct bus_callers *bus_callers_new(struct swarm *swarm)
{
    struct bus_callers *c = calloc(1, sizeof(*c));

    if (c)
        c->swarm = swarm;
    return c;
}

void bus_callers_free(struct bus_callers *c)
{
    if (c && c->pending > 0)
        c->orphaned = true;
    else
        free(c);
}

static struct known *find(struct bus_callers *c, const char *name)
{
    for (unsigned i = 0; i < KNOWN_MAX; i++)
        if (strcmp(c->known[i].name, name) == 0)
            return &c->known[i];
    return NULL;
}

static void remember(struct bus_callers *c, const char *name, uid_t uid)
{
    struct known *k = &c->known[c->next];

    if (strlen(name) >= sizeof(k->name))
        return;
    (void) strcpy(k->name, name);
    k->uid = uid;
    k->has_key = false;
    c->next = (c->next + 1) % KNOWN_MAX;
}

static int call_handler(struct bus_callers *c, sd_bus_message *m, const struct bus_rule *rule, uid_t uid)
{
    struct swarm_caller caller = { .uid = uid };
    struct known *k = find(c, sd_bus_message_get_sender(m));
    int r;

    if (k && rule->receipt == RECEIPT_GIVES)
        k->has_key = true;
    (void) snprintf(caller.how, sizeof(caller.how), "dbus %s", sd_bus_message_get_sender(m));
    r = bus_rule_call(rule, c->swarm, m, &caller);
    return r < 0 ? bus_reply_error(m, r, NULL) : 1;
}

static int refuse(sd_bus_message *m, const char *name, const char *text)
{
    return sd_bus_reply_method_errorf(m, name, "%s", text);
}

static int on_polkit_answer(sd_bus_message *answer, void *data, sd_bus_error *error _unused_)
{
    struct admission *a = data;
    int authorized, challenge;

    if (sd_bus_message_is_method_error(answer, NULL))
        return refuse(a->message, SD_BUS_ERROR_ACCESS_DENIED,
                      "polkit cannot be asked whether you may do this: run it as root, or start polkit.service");
    if (sd_bus_message_enter_container(answer, 'r', "bba{ss}") < 0 || sd_bus_message_read(answer, "bb", &authorized, &challenge) < 0)
        return refuse(a->message, SD_BUS_ERROR_ACCESS_DENIED, "polkit's answer cannot be read");
    if (authorized)
        return call_handler(a->callers, a->message, a->rule, a->uid);
    if (challenge)
        return refuse(a->message, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, "interactive authentication is required");
    return refuse(a->message, SD_BUS_ERROR_ACCESS_DENIED, "you are not allowed to do this");
}

static int call_async(sd_bus_message *call, sd_bus_message_handler_t cb, struct admission **a)
{
    sd_bus_slot *slot = NULL;
    int r;

    r = sd_bus_call_async(sd_bus_message_get_bus(call), &slot, call, cb, *a, CHECK_TIMEOUT_USEC);
    if (r < 0)
        return r;
    (void) sd_bus_slot_set_destroy_callback(slot, admission_free);
    *a = NULL;
    r = sd_bus_slot_set_floating(slot, 1);
    sd_bus_slot_unref(slot);
    return r;
}

/* polkit's CheckAuthorization: org.freedesktop.PolicyKit1.Authority in the polkit reference manual. */
static int ask_polkit(struct admission **a)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
    struct bus_callers *c = (*a)->callers;
    sd_bus_message *m = (*a)->message;
    struct error e;
    int r, interactive;

    /* root never gets here, so nobody can keep root out by letting polkit ask */
    if (c->asking >= BUS_CHECKS_MAX)
        return bus_reply_error(m, error_set(&e, -EAGAIN, "too many callers wait for authorization: try again"), &e);
    c->asking++;
    (*a)->asking = true;
    interactive = sd_bus_message_get_allow_interactive_authorization(m);
    r = sd_bus_message_new_method_call(sd_bus_message_get_bus(m), &call, "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority",
                                       "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization");
    if (r >= 0)
        r = sd_bus_message_append(call, "(sa{sv})sa{ss}us", "system-bus-name", 1, "name", "s", sd_bus_message_get_sender(m), (*a)->rule->action,
                                  0, interactive > 0 ? 1U : 0U, "");
    return r < 0 ? r : call_async(call, on_polkit_answer, a);
}

static int admit_uid(struct admission **a)
{
    if ((*a)->uid == 0)
        return call_handler((*a)->callers, (*a)->message, (*a)->rule, 0);
    return ask_polkit(a);
}

static int on_uid(sd_bus_message *answer, void *data, sd_bus_error *error _unused_)
{
    struct admission *a = data;
    _cleanup_(admission_freep) struct admission *next = NULL;
    uint32_t uid;
    int r;

    if (sd_bus_message_is_method_error(answer, NULL) || sd_bus_message_read(answer, "u", &uid) < 0)
        return refuse(a->message, SD_BUS_ERROR_ACCESS_DENIED, "the bus does not tell who you are");
    remember(a->callers, sd_bus_message_get_sender(a->message), uid);
    next = calloc(1, sizeof(*next));
    if (!next)
        return bus_reply_error(a->message, -ENOMEM, NULL);
    *next = *a;
    next->uid = uid;
    sd_bus_message_ref(next->message);
    next->callers->pending++;
    r = admit_uid(&next);
    return r < 0 ? bus_reply_error(a->message, r, NULL) : 1;
}

static int ask_uid(struct admission **a)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
    sd_bus_message *m = (*a)->message;
    int r;

    r = sd_bus_message_new_method_call(sd_bus_message_get_bus(m), &call, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                       "GetConnectionUnixUser");
    if (r >= 0)
        r = sd_bus_message_append(call, "s", sd_bus_message_get_sender(m));
    return r < 0 ? r : call_async(call, on_uid, a);
}

int bus_callers_admit(struct bus_callers *c, sd_bus_message *m, const struct bus_rule *rule)
{
    _cleanup_(admission_freep) struct admission *a = NULL;
    const char *sender = sd_bus_message_get_sender(m);
    const struct known *k;
    int r;

    if (!sender)
        return refuse(m, SD_BUS_ERROR_ACCESS_DENIED, "the bus does not tell who you are");
    k = find(c, sender);
    if (!rule->action || (k && (k->uid == 0 || (k->has_key && rule->receipt == RECEIPT_TAKES))))
        return call_handler(c, m, rule, k ? k->uid : (uid_t) -1);
    a = calloc(1, sizeof(*a));
    if (!a)
        return bus_reply_error(m, -ENOMEM, NULL);
    *a = (struct admission) { c, rule, sd_bus_message_ref(m), k ? k->uid : (uid_t) -1 };
    c->pending++;
    r = k ? ask_polkit(&a) : ask_uid(&a);
    return r < 0 ? bus_reply_error(m, r, NULL) : 1;
}
