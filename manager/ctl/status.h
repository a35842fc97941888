/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The exit codes of swarmctl, promised in swarmctl(8). What can fail in this folder returns one of them, with struct error filled. */
enum status {
    STATUS_OK = 0,
    STATUS_FAILED = 1,
    STATUS_USAGE = 2,
    STATUS_LOCKED = 3,
    STATUS_NOT_MANAGER = 4,
    STATUS_ALREADY = 5,
    STATUS_NOT_FOUND = 6,
    STATUS_WRONG_KEY = 7,
    STATUS_NOT_PERMITTED = 8,
    STATUS_BUSY = 9,
    STATUS_UNREACHABLE = 10,
    STATUS_STOPPED = 11, /* done, but a node failed to follow */
};

/* From the name of a D-Bus error, the manager's, the bus's or sd-bus's own; STATUS_FAILED for every name it does not know. */
enum status status_from_bus(const char *name);
