/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "units/drop_in.h"

enum units_how {
    UNITS_RESTART,
    UNITS_RELOAD,
};

/* A request of units_protocol.h, its names checked: units and patterns are valid, services too and each there once, credentials not yet. */
struct units_request {
    char operation;
    struct json_t *json; /* whose the strings are */
    const char *pattern;
    enum units_how how;
    struct drop_in *drop_ins;
    const char **units;
    size_t n;
};

#define UNITS_REQUEST_NULL ((struct units_request) { 0 })

/* -EINVAL, -ENOMEM. */
int units_request_parse(char operation, const void *body, size_t size, struct units_request *ret, struct error *e);

/* Scope exit function. */
void units_request_done(struct units_request *q);
