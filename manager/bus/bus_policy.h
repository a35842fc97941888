/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus/bus_methods.h"

/* A key is given to a caller who may have it; that caller may then say that it has arrived, without being asked for a password again. */
enum bus_receipt {
    RECEIPT_NONE,
    RECEIPT_GIVES,
    RECEIPT_TAKES,
};

/* Who may call what: the one table. A method that has no row is refused. */
struct bus_rule {
    const char *member;
    const char *action; /* polkit action, NULL: open to all */
    bus_handler handler;
    enum bus_receipt receipt;
    bool reads; /* the store: see bus_fresh.h */
};

const struct bus_rule *bus_rule_find(const char *member);
