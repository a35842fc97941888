/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ends the test with the place and the text of what did not hold. */
#define CHECK(expr)                                                               \
    do {                                                                          \
        if (!(expr)) {                                                            \
            (void) fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #expr); \
            exit(1);                                                              \
        }                                                                         \
    } while (0)

/* For calls that return 0 or a negative errno. */
#define CHECK_OK(expr)                                                            \
    do {                                                                          \
        int _r = (expr);                                                          \
        if (_r < 0) {                                                             \
            (void) fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #expr, strerror(-_r)); \
            exit(1);                                                              \
        }                                                                         \
    } while (0)
