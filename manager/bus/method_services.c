/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What changes services. */
#include <errno.h>
#include <stdlib.h>

#include "message/bus_error.h"
#include "bus/bus_methods.h"
#include "bus/service_options.h"

#define TRIES_MAX 8

/* Somebody who waits for a change. */
struct pending {
    struct swarm *swarm;
    sd_bus_message *message;
    unsigned tries; /* of those that begin anew when somebody else was faster */
};

static struct pending *pending_new(struct swarm *s, sd_bus_message *m)
{
    struct pending *p = malloc(sizeof(*p));

    if (p)
        *p = (struct pending) { s, sd_bus_message_ref(m), 1 };
    return p;
}

static void pending_free(struct pending *p)
{
    sd_bus_message_unref(p->message);
    free(p);
}

/* For what was not even begun. */
static int refuse(struct pending *p, int code, const struct error *e)
{
    int r = bus_reply_error(p->message, code, e);

    pending_free(p);
    return r;
}

static void on_named(void *data, int result, const char *id, const struct error *e)
{
    struct pending *p = data;

    if (result < 0)
        (void) bus_reply_error(p->message, result, e);
    else
        (void) sd_bus_reply_method_return(p->message, "s", id);
    pending_free(p);
}

static void on_done(void *data, int result, const char *id _unused_, const struct error *e)
{
    struct pending *p = data;

    if (result < 0)
        (void) bus_reply_error(p->message, result, e);
    else
        (void) sd_bus_reply_method_return(p->message, NULL);
    pending_free(p);
}

static int create(struct swarm *s, struct pending *p, struct error *e)
{
    _cleanup_(service_edit_endp) Pb__Service *service = NULL;
    const char *name = NULL;
    int r;

    r = swarm_check_active(s, e);
    if (r == 0)
        r = sd_bus_message_read(p->message, "s", &name);
    if (r < 0)
        return r;
    service = service_edit_begin(NULL, name);
    if (!service)
        return -ENOMEM;
    r = service_options_read(s, p->message, true, service, e);
    return r < 0 ? r : swarm_put_service(s, service, on_named, p, e);
}

int method_create_service(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller _unused_)
{
    struct pending *p = pending_new(s, m);
    struct error e = { "" };
    int r;

    if (!p)
        return -ENOMEM;
    r = create(s, p, &e);
    return r < 0 ? refuse(p, r, &e) : 1;
}

static void on_updated(void *data, int result, const char *id, const struct error *e);

static int update(struct pending *p, struct error *e)
{
    _cleanup_(service_edit_endp) Pb__Service *service = NULL;
    const Pb__Service *old;
    const char *name;
    int r;

    r = swarm_check_active(p->swarm, e);
    if (r == 0)
        r = sd_bus_message_rewind(p->message, 1);
    if (r >= 0)
        r = sd_bus_message_read(p->message, "s", &name);
    if (r >= 0)
        r = swarm_find_service(p->swarm, name, &old, e);
    if (r < 0)
        return r;
    service = service_edit_begin(old, NULL);
    if (!service)
        return -ENOMEM;
    r = service_options_read(p->swarm, p->message, false, service, e);
    return r < 0 ? r : swarm_put_service(p->swarm, service, on_updated, p, e);
}

static void on_current(void *data, int result, const struct error *e)
{
    struct pending *p = data;
    struct error why = { "" };

    if (result < 0) {
        (void) refuse(p, result, e);
        return;
    }
    result = update(p, &why);
    if (result < 0)
        (void) refuse(p, result, &why);
}

/* Somebody else has changed the service meanwhile: begins anew from what is there. */
static void on_updated(void *data, int result, const char *id, const struct error *e)
{
    struct pending *p = data;
    struct error why = { "" };

    if (result != -ESTALE || p->tries++ == TRIES_MAX) {
        on_done(p, result, id, e);
        return;
    }
    result = swarm_check_active(p->swarm, &why);
    if (result == 0)
        result = swarm_read_current(p->swarm, on_current, p, &why);
    if (result != 0)
        on_current(p, result < 0 ? result : 0, &why);
}

int method_update_service(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller _unused_)
{
    struct pending *p = pending_new(s, m);
    struct error e = { "" };
    int r;

    if (!p)
        return -ENOMEM;
    r = update(p, &e);
    return r < 0 ? refuse(p, r, &e) : 1;
}

typedef int (*named_change)(struct swarm *s, const char *id_or_name, swarm_done_cb cb, void *cb_data, struct error *e);

static int change(struct swarm *s, sd_bus_message *m, named_change make, swarm_done_cb cb)
{
    struct pending *p = pending_new(s, m);
    struct error e = { "" };
    const char *name;
    int r;

    if (!p)
        return -ENOMEM;
    r = sd_bus_message_read(m, "s", &name);
    if (r >= 0)
        r = make(s, name, cb, p, &e);
    return r < 0 ? refuse(p, r, &e) : 1;
}

int method_remove_service(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller _unused_)
{
    return change(s, m, swarm_remove_service, on_named);
}

int method_retry_rollout(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller _unused_)
{
    return change(s, m, swarm_retry_rollout, on_done);
}
