/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/status.h"

#include <string.h>

#include "basic/cleanup.h"

static const struct {
    const char *name;
    enum status status;
} names[] = {
    { "org.swarm.Error.Locked", STATUS_LOCKED },
    { "org.swarm.Error.NotManager", STATUS_NOT_MANAGER },
    { "org.swarm.Error.AlreadyMember", STATUS_ALREADY },
    { "org.swarm.Error.NotLocked", STATUS_ALREADY },
    { "org.swarm.Error.Exists", STATUS_ALREADY },
    { "org.swarm.Error.NotFound", STATUS_NOT_FOUND },
    { "org.swarm.Error.WrongKey", STATUS_WRONG_KEY },
    { "org.swarm.Error.InvalidKey", STATUS_WRONG_KEY },
    { "org.swarm.Error.Busy", STATUS_BUSY },
    { "org.freedesktop.DBus.Error.AccessDenied", STATUS_NOT_PERMITTED },
    { "org.freedesktop.DBus.Error.AuthFailed", STATUS_NOT_PERMITTED },
    { "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", STATUS_NOT_PERMITTED },
    { "org.freedesktop.DBus.Error.BadAddress", STATUS_UNREACHABLE },
    { "org.freedesktop.DBus.Error.Disconnected", STATUS_UNREACHABLE },
    { "org.freedesktop.DBus.Error.FileNotFound", STATUS_UNREACHABLE },
    { "org.freedesktop.DBus.Error.NameHasNoOwner", STATUS_UNREACHABLE },
    { "org.freedesktop.DBus.Error.NoReply", STATUS_UNREACHABLE },
    { "org.freedesktop.DBus.Error.NoServer", STATUS_UNREACHABLE },
    { "org.freedesktop.DBus.Error.ServiceUnknown", STATUS_UNREACHABLE },
    { "org.freedesktop.DBus.Error.TimedOut", STATUS_UNREACHABLE },
    { "org.freedesktop.DBus.Error.Timeout", STATUS_UNREACHABLE },
    { "System.Error.ECONNREFUSED", STATUS_UNREACHABLE },
    { "System.Error.ENOTCONN", STATUS_UNREACHABLE },
    { "System.Error.EPIPE", STATUS_UNREACHABLE },
    { "System.Error.ESHUTDOWN", STATUS_UNREACHABLE },
};

/* What dbus-daemon and systemd answer when they could not start the service. */
static const char *const activation_prefixes[] = {
    "org.freedesktop.DBus.Error.Spawn.",
    "org.freedesktop.systemd1.",
};

enum status status_from_bus(const char *name)
{
    for (size_t i = 0; i < ELEMENTSOF(names); i++)
        if (strcmp(name, names[i].name) == 0)
            return names[i].status;
    for (size_t i = 0; i < ELEMENTSOF(activation_prefixes); i++)
        if (strncmp(name, activation_prefixes[i], strlen(activation_prefixes[i])) == 0)
            return STATUS_UNREACHABLE;
    return STATUS_FAILED;
}
