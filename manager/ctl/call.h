/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "basic/error.h"
#include "ctl/polkit_agent.h"

#define CALL_SECONDS_MAX 90

/* Whom to call. */
struct service {
    const char *name, *path; /* of the object and its interface */
    const char *what, *unit;
};

extern const struct service service_manager, service_docker;

/* Calls of one service. Functions return STATUS_OK or another exit code with e filled. */
struct caller {
    const struct service *service;
    sd_bus *bus;
    bool ask; /* let polkit ask the person at the terminal, or the desktop */
    struct polkit_agent agent;
};

#define CALLER_NULL ((struct caller) { .agent = POLKIT_AGENT_NULL })

int caller_open(struct caller *c, const struct service *service, bool ask, struct error *e);
void caller_done(struct caller *c);

/* For what is called again and again: nobody is asked for a password each time. */
void caller_stop_asking(struct caller *c);

int call_new(struct caller *c, const char *method, sd_bus_message **ret, struct error *e);

/* For sd_bus_message_append's failures: what was given cannot be sent. */
int call_append_error(int code, struct error *e);

/* ret may be NULL. */
int call_send(struct caller *c, sd_bus_message *m, sd_bus_message **ret, struct error *e);

/* All three; types and values as for sd_bus_message_append. */
int call_method(struct caller *c, const char *method, sd_bus_message **ret, struct error *e, const char *types, ...);

/* For replies that are not what org.swarm.Manager1(5) says; code is a negative errno. */
int call_reply_error(int code, struct error *e);
