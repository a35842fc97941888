/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/bus_manager.h"

#include <errno.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "bus/bus_caller.h"
#include "bus/bus_loop.h"
#include "bus/bus_object.h"

#define PRIMARY_OWNER 1 /* the answer to RequestName, in the D-Bus specification */

struct bus_manager {
    sd_bus *bus;
    struct bus_loop *loop;
    struct bus_callers *callers;
    struct bus_object object;
    bool had_name;
    struct error refusal; /* of the name */
    bus_manager_lost on_lost;
    void *data;
};

static int unusable(struct error *e, int code, const char *why)
{
    return error_set(e, code, "the system bus cannot be used as %s: %s", BUS_NAME, why);
}

static int admit(void *data, sd_bus_message *m, const struct bus_rule *rule)
{
    struct bus_manager *b = data;

    return bus_callers_admit(b->callers, m, rule);
}

static void on_broken(void *data, int code)
{
    struct bus_manager *b = data;
    struct error e;

    if (b->had_name)
        (void) error_set(&e, code, "the connection to the system bus was lost");
    else
        (void) unusable(&e, code, b->refusal.text[0] ? b->refusal.text : strerror(-code));
    b->on_lost(b->data, &e);
}

/* Without the name the connection is good for nothing: on_broken is next. */
static int on_name(sd_bus_message *m, void *data, sd_bus_error *error _unused_)
{
    const sd_bus_error *refusal = sd_bus_message_get_error(m);
    struct bus_manager *b = data;
    uint32_t answer;

    b->had_name = !refusal && sd_bus_message_read(m, "u", &answer) >= 0 && answer == PRIMARY_OWNER;
    if (b->had_name)
        return 1;
    (void) error_set(&b->refusal, -EBUSY, "%s", !refusal ? "it belongs to another program" : refusal->message ? refusal->message : refusal->name);
    sd_bus_close(b->bus);
    return 1;
}

int bus_manager_new(uv_loop_t *loop, struct swarm *swarm, bus_manager_lost on_lost, void *data, struct bus_manager **ret, struct error *e)
{
    struct bus_manager *b = calloc(1, sizeof(*b));
    int r = -ENOMEM;

    if (!b)
        return r;
    b->object = (struct bus_object) { admit, b };
    b->on_lost = on_lost;
    b->data = data;
    b->callers = bus_callers_new(swarm);
    if (b->callers)
        r = sd_bus_open_system(&b->bus);
    if (r >= 0)
        r = bus_object_add(b->bus, &b->object);
    if (r >= 0)
        r = sd_bus_request_name_async(b->bus, NULL, BUS_NAME, 0, on_name, b);
    if (r >= 0)
        r = bus_loop_new(loop, b->bus, on_broken, b, &b->loop);
    if (r < 0) {
        bus_manager_free(b);
        return unusable(e, r, strerror(-r));
    }
    *ret = b;
    return 0;
}

void bus_manager_free(struct bus_manager *b)
{
    if (b->loop)
        bus_loop_free(b->loop);
    if (b->had_name)
        (void) sd_bus_flush(b->bus);
    sd_bus_close_unref(b->bus);
    bus_callers_free(b->callers);
    free(b);
}

bool bus_manager_had_name(const struct bus_manager *b)
{
    return b->had_name;
}
