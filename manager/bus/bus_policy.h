/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus/bus_methods.h"

/* Who may call what: the one table. A method that has no row is refused. */
struct bus_rule {
    const char *member;
    const char *action; /* polkit action, NULL: open to all */
    bus_handler handler;
};

const struct bus_rule *bus_rule_find(const char *member);
