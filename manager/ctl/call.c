/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/call.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "ctl/connect.h"
#include "ctl/status.h"

const struct service service_manager = { "org.swarm.Manager1", "/org/swarm/Manager1", "the manager", "swarm-manager" };
const struct service service_docker = { "org.swarm.Docker1", "/org/swarm/Docker1", "the agent for Docker", "swarm-agent-docker" };

/* No one has to be asked for these. */
static const char *const open_methods[] = { "Info", "ListNodes", "InspectNode", "ListKeyslots", "GetCA" };

static bool is_open(const char *method)
{
    for (size_t i = 0; i < ELEMENTSOF(open_methods); i++)
        if (strcmp(method, open_methods[i]) == 0)
            return true;
    return false;
}

static int no_answer(const struct service *service, struct error *e)
{
    return error_set(e, STATUS_UNREACHABLE, "%s did not answer in time and may still be at it; look with 'swarmctl %s', and 'systemctl start %s' if "
                     "it is not running", service->what, service == &service_docker ? "docker status" : "info", service->unit);
}

/* Root's alone, without a bus and without polkit. */
static int open_docker(struct caller *c, struct error *e)
{
    int r;

    if (geteuid() != 0)
        return error_set(e, STATUS_NOT_PERMITTED, "not permitted: Docker's key is root's; run swarmctl as root");
    r = connect_docker(&c->bus);
    if (r >= 0)
        r = sd_bus_set_method_call_timeout(c->bus, CALL_SECONDS_MAX * UINT64_C(1000000));
    if (r == -ETIMEDOUT)
        return no_answer(c->service, e);
    return r < 0 ? error_set(e, STATUS_UNREACHABLE, "the agent for Docker is not running (%s): use 'systemctl enable --now %s'", strerror(-r),
                             c->service->unit)
                 : STATUS_OK;
}

int caller_open(struct caller *c, const struct service *service, bool ask, struct error *e)
{
    int r;

    c->service = service;
    if (service == &service_docker)
        return open_docker(c, e);
    r = connect_manager(&c->bus);

    if (r >= 0)
        r = sd_bus_set_method_call_timeout(c->bus, CALL_SECONDS_MAX * UINT64_C(1000000));
    if (r >= 0)
        r = sd_bus_set_allow_interactive_authorization(c->bus, ask);
    if (r == -ETIMEDOUT)
        return no_answer(service, e);
    if (r < 0)
        return error_set(e, STATUS_UNREACHABLE, "cannot reach the system bus: %s; is dbus.service running?", strerror(-r));
    c->ask = ask;
    return STATUS_OK;
}

void caller_done(struct caller *c)
{
    polkit_agent_stop(&c->agent);
    c->bus = sd_bus_close_unref(c->bus);
}

void caller_stop_asking(struct caller *c)
{
    c->ask = false;
    (void) sd_bus_set_allow_interactive_authorization(c->bus, false);
}

int call_new(struct caller *c, const char *method, sd_bus_message **ret, struct error *e)
{
    int r = sd_bus_message_new_method_call(c->bus, ret, c->service->name, c->service->path, c->service->name, method);

    if (r < 0)
        return error_set(e, STATUS_FAILED, "cannot make a message: %s", strerror(-r));
    return STATUS_OK;
}

int call_append_error(int code, struct error *e)
{
    if (code == -EINVAL)
        return error_set(e, STATUS_USAGE, "names, labels and addresses have to be UTF-8 text");
    return error_set(e, STATUS_FAILED, "cannot make a message: %s", strerror(-code));
}

int call_reply_error(int code, struct error *e)
{
    if (code == -ENOMEM)
        return error_set(e, STATUS_FAILED, "out of memory");
    return error_set(e, STATUS_FAILED, "the manager's answer is not understood (%s): swarmctl and the manager are of different versions; "
                     "restart the manager after an upgrade", strerror(-code));
}

static int failed(const struct service *service, const sd_bus_error *error, int code, struct error *e)
{
    const char *name = error->name ? error->name : "";
    const char *text = error->message && *error->message ? error->message : *name ? name : strerror(-code);
    enum status status = status_from_bus(name);

    if (strcmp(name, SD_BUS_ERROR_TIMEOUT) == 0)
        return no_answer(service, e);
    if (status == STATUS_UNREACHABLE)
        return error_set(e, status, "%s is not running or cannot be reached (%s); start it with "
                         "'systemctl start %s'", service->what, text, service->unit);
    if (status == STATUS_NOT_PERMITTED)
        return error_set(e, status, "not permitted: %s; run swarmctl as root, or as a user whom polkit lets", text);
    if (strcmp(name, SD_BUS_ERROR_UNKNOWN_METHOD) == 0 || strcmp(name, SD_BUS_ERROR_INVALID_ARGS) == 0)
        return error_set(e, status, "%s does not understand the request (%s): swarmctl and it are of different "
                         "versions; restart it after an upgrade", service->what, text);
    return error_set(e, status, "%s", text);
}

int call_send(struct caller *c, sd_bus_message *m, sd_bus_message **ret, struct error *e)
{
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    int r;

    if (c->ask && !is_open(sd_bus_message_get_member(m)))
        polkit_agent_start(&c->agent);
    r = sd_bus_call(c->bus, m, 0, &error, ret);
    return r < 0 ? failed(c->service, &error, r, e) : STATUS_OK;
}

int call_method(struct caller *c, const char *method, sd_bus_message **ret, struct error *e, const char *types, ...)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    int r = call_new(c, method, &m, e);
    va_list ap;

    if (r != STATUS_OK)
        return r;
    va_start(ap, types);
    r = sd_bus_message_appendv(m, types, ap);
    va_end(ap);
    return r < 0 ? call_append_error(r, e) : call_send(c, m, ret, e);
}
