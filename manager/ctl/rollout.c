/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/rollout.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "ctl/escape.h"
#include "ctl/json.h"
#include "ctl/status.h"

#define POLL_MS 200
#define STALLED_POLLS (600 * 1000 / POLL_MS) /* a unit's start may take minutes */
#define UNSEEN_POLLS (30 * 1000 / POLL_MS)   /* a new leader is found sooner */

struct follower {
    struct caller *caller;
    json_t *services;  /* by ID: the rollout as it was last seen, an object with Number and, by ID, Nodes */
    unsigned stalled;  /* polls without news */
    char stopped[80];  /* the service that stopped first */
};

static char *escaped(const char *text)
{
    return escape(text, strlen(text), ESCAPE_TEXT);
}

static void tell(const char *service, const char *node, const char *state, const char *text)
{
    _cleanup_free_ char *s = escaped(service), *n = escaped(node), *w = escaped(state), *t = escaped(text);

    if (s && n && w && t)
        (void) fprintf(stderr, "%s: %s: %s%s%s\n", s, n, w, *t ? ": " : "", t);
}

static int read_object(struct caller *c, const char *method, const char *name, json_t **ret, struct error *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    int r = call_method(c, method, &reply, e, name ? "s" : "", name);

    if (r != STATUS_OK)
        return r;
    r = json_read(reply, ret);
    return r < 0 ? call_reply_error(r, e) : STATUS_OK;
}

/* Nodes that have got further since. */
static void look_at_nodes(struct follower *f, json_t *seen, const json_t *service, const json_t *rollout)
{
    const json_t *node;
    size_t i;

    json_array_foreach(json_object_get(rollout, "Nodes"), i, node) {
        const char *id = json_text(node, "ID"), *state = json_text(node, "State");
        const char *host = *json_text(node, "Hostname") ? json_text(node, "Hostname") : id;

        if (strcmp(json_text(seen, id), state) == 0)
            continue;
        tell(json_text(service, "Name"), host, state, json_text(node, "Text"));
        (void) json_object_set_new(seen, id, json_string(state));
        f->stalled = 0;
    }
}

/* Whether it goes on. */
static bool look(struct follower *f, json_t *seen, const json_t *service)
{
    const json_t *rollout = json_object_get(service, "Rollout");
    const char *state = json_text(rollout, "State");

    if (json_number(rollout, "Number") != json_number(seen, "")) {
        /* the first look, or another update has taken over */
        (void) json_object_clear(seen);
        (void) json_object_set_new(seen, "", json_integer((json_int_t) json_number(rollout, "Number")));
    }
    look_at_nodes(f, seen, service, rollout);
    if (strcmp(state, "stopped") == 0 && *f->stopped == '\0')
        (void) snprintf(f->stopped, sizeof(f->stopped), "%s", json_text(service, "Name"));
    return strcmp(state, "running") == 0;
}

/* How many rollouts go on. Those that have ended are not looked at again. */
static int look_at_all(struct follower *f, unsigned *ret_running, struct error *e)
{
    const char *id;
    json_t *seen;
    void *next;
    int r;

    json_object_foreach_safe(f->services, next, id, seen) {
        _cleanup_json_ json_t *service = NULL;

        r = read_object(f->caller, "InspectService", id, &service, e);
        if (r != STATUS_OK && r != STATUS_NOT_FOUND)
            return r;
        if (r == STATUS_NOT_FOUND || !look(f, seen, service))
            (void) json_object_del(f->services, id);
    }
    *ret_running = (unsigned) json_object_size(f->services);
    return STATUS_OK;
}

static int error_unseen(int code, const struct error *why, struct error *e)
{
    return error_set(e, code, "it is done, but not to be seen how the services' units take it: %s. 'swarmctl service inspect' shows it", why->text);
}

static int outcome(const struct follower *f, struct error *e)
{
    if (*f->stopped == '\0')
        return STATUS_OK;
    return error_set(e, STATUS_STOPPED, "the rollout of service %s has stopped: nodes that it has not reached keep what they had. When the node "
                     "that failed is mended, 'swarmctl service update --retry %s' goes on", f->stopped, f->stopped);
}

static int follow(struct follower *f, struct error *e)
{
    unsigned running = 0, unseen = 0;
    int r;

    for (;;) {
        struct error why = { "" };

        r = look_at_all(f, &running, &why);
        if (r == STATUS_OK && running == 0)
            return outcome(f, e);
        unseen = r == STATUS_OK ? 0 : unseen + 1;
        if (r != STATUS_OK && ((r != STATUS_BUSY && r != STATUS_UNREACHABLE) || unseen > UNSEEN_POLLS))
            return error_unseen(r, &why, e);
        if (++f->stalled > STALLED_POLLS)
            return error_set(e, STATUS_BUSY, "nothing has happened for 10 minutes; the rollout goes on by itself, and 'swarmctl service "
                             "inspect' shows how far it is");
        (void) nanosleep(&(struct timespec) { .tv_nsec = POLL_MS * 1000000L }, NULL);
    }
}

/* SOURCE:ID */
static bool is_granted(const json_t *service, const char *sources, const char *name)
{
    const json_t *source;
    size_t i, n = strlen(name);

    json_array_foreach(json_object_get(service, sources), i, source) {
        const char *text = json_string_value(source);

        if (text && strncmp(text, name, n) == 0 && text[n] == ':')
            return true;
    }
    return false;
}

/* A rollout's number is the version that the object got by the update which began it. */
static int add_concerned(struct follower *f, const struct object_kind *kind, const char *name, struct error *e)
{
    _cleanup_json_ json_t *object = NULL, *services = NULL;
    const json_t *service;
    size_t i;
    int r = read_object(f->caller, kind->inspect, name, &object, e);

    if (r == STATUS_OK)
        r = read_object(f->caller, "ListServices", NULL, &services, e);
    if (r != STATUS_OK)
        return r;
    json_array_foreach(services, i, service)
        if (is_granted(service, kind->sources, json_text(object, "Name")) &&
            json_number(json_object_get(service, "Rollout"), "Number") >= json_number(object, "Version") &&
            json_object_set_new(f->services, json_text(service, "ID"), json_object()) < 0)
            return call_reply_error(-ENOMEM, e);
    return STATUS_OK;
}

int rollout_follow_object(struct caller *c, const struct object_kind *kind, const char *name, struct error *e)
{
    _cleanup_json_ json_t *services = json_object();
    struct follower f = { .caller = c, .services = services };
    struct error why = { "" };
    int r;

    caller_stop_asking(c);
    r = add_concerned(&f, kind, name, &why);
    return r != STATUS_OK ? error_unseen(r, &why, e) : follow(&f, e);
}

int rollout_follow_service(struct caller *c, const char *name, struct error *e)
{
    _cleanup_json_ json_t *services = json_object();
    struct follower f = { .caller = c, .services = services };

    caller_stop_asking(c);
    if (json_object_set_new(services, name, json_object()) < 0)
        return call_reply_error(-ENOMEM, e);
    return follow(&f, e);
}
