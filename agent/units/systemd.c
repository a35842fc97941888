/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "units/systemd.h"

#include <errno.h>
#include <string.h>

#include "basic/cleanup.h"

#define SERVICE "org.freedesktop.systemd1"
#define OBJECT "/org/freedesktop/systemd1"
#define MANAGER SERVICE ".Manager"
#define CALL_USEC (25 * UINT64_C(1000000))
#define RELOAD_USEC (60 * UINT64_C(1000000))

static int failed(const sd_bus_error *error, int r, int code, struct error *e)
{
    return error_set(e, code, "%s", error && error->message ? error->message : strerror(-r));
}

int systemd_connect(const char *address, sd_bus **ret, struct error *e)
{
    _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
    int r = sd_bus_new(&bus);

    if (r >= 0)
        r = sd_bus_set_address(bus, address);
    if (r >= 0)
        r = sd_bus_set_method_call_timeout(bus, CALL_USEC);
    if (r >= 0)
        r = sd_bus_start(bus);
    if (r < 0)
        return error_set(e, -EHOSTUNREACH, "process 1 does not answer at %s: %s", address, strerror(-r));
    *ret = TAKE_PTR(bus);
    return 0;
}

static int read_units(sd_bus_message *m, int (*cb)(void *, const char *, const char *, const char *), void *data)
{
    const char *name, *state, *path;
    int r = sd_bus_message_enter_container(m, 'a', "(ssssssouso)");

    while (r > 0 && (r = sd_bus_message_read(m, "(ssssssouso)", &name, NULL, NULL, &state, NULL, NULL, &path, NULL, NULL, NULL)) > 0) {
        int result = cb(data, name, state, path);

        if (result != 0)
            return result;
    }
    return r < 0 ? r : 0;
}

int systemd_each(sd_bus *bus, int (*cb)(void *data, const char *name, const char *state, const char *path), void *data, struct error *e)
{
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    int r = sd_bus_call_method(bus, SERVICE, OBJECT, MANAGER, "ListUnits", &error, &m, NULL);

    if (r < 0)
        return failed(&error, r, -EHOSTUNREACH, e);
    r = read_units(m, cb, data);
    return r < 0 ? error_set(e, r, "cannot list the units: %s", strerror(-r)) : 0;
}

int systemd_loads_from(sd_bus *bus, const struct unit *unit, const char *path, struct error *e)
{
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    char interface[64];
    const char *from;
    int r;

    (void) snprintf(interface, sizeof(interface), SERVICE ".%s", unit_section(unit->name));
    r = sd_bus_get_property(bus, SERVICE, unit->path, interface, "LoadCredential", &error, &m, "a(ss)");
    if (r < 0)
        return failed(&error, r, -EHOSTUNREACH, e);
    r = sd_bus_message_enter_container(m, 'a', "(ss)");
    while (r > 0 && (r = sd_bus_message_read(m, "(ss)", NULL, &from)) > 0)
        if (strcmp(from, path) == 0)
            return 1;
    return r < 0 ? error_set(e, -EHOSTUNREACH, "cannot read what %s loads: %s", unit->name, strerror(-r)) : 0;
}

int systemd_queue(sd_bus *bus, const char *method, const char *unit, char ret_job[static SYSTEMD_PATH_MAX], struct error *e)
{
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    const char *job;
    int r = sd_bus_call_method(bus, SERVICE, OBJECT, MANAGER, method, &error, &m, "ss", unit, "replace");

    if (r >= 0)
        r = sd_bus_message_read(m, "o", &job);
    if (r < 0)
        return failed(&error, r, sd_bus_error_is_set(&error) ? -EKEYREJECTED : -EHOSTUNREACH, e);
    (void) snprintf(ret_job, SYSTEMD_PATH_MAX, "%s", job);
    return 0;
}

void systemd_string(sd_bus *bus, const struct unit *unit, const char *interface, const char *name, char *ret, size_t size)
{
    _cleanup_free_ char *value = NULL;
    char full[64];

    (void) snprintf(full, sizeof(full), SERVICE ".%s", interface);
    (void) sd_bus_get_property_string(bus, SERVICE, unit->path, full, name, NULL, &value);
    (void) snprintf(ret, size, "%s", value ? value : "");
}

uint32_t systemd_number(sd_bus *bus, const struct unit *unit, const char *interface, const char *name, char type)
{
    uint32_t value = 0;
    char full[64];

    (void) snprintf(full, sizeof(full), SERVICE ".%s", interface);
    (void) sd_bus_get_property_trivial(bus, SERVICE, unit->path, full, name, NULL, type, &value);
    return value;
}

int systemd_reload(sd_bus *bus, struct error *e)
{
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    int r = sd_bus_message_new_method_call(bus, &m, SERVICE, OBJECT, MANAGER, "Reload");

    if (r >= 0)
        r = sd_bus_call(bus, m, RELOAD_USEC, &error, NULL);
    return r < 0 ? failed(&error, r, -EHOSTUNREACH, e) : 0;
}
