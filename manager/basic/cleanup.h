/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _unused_ __attribute__((unused))

#define ELEMENTSOF(a) (sizeof(a) / sizeof((a)[0]))

/* Takes the value out of a variable whose scope exit would free it. */
#define TAKE_PTR(p)                     \
    ({                                  \
        __typeof__(p) *_pp = &(p);      \
        __typeof__(p) _p = *_pp;        \
        *_pp = NULL;                    \
        _p;                             \
    })

static inline int take_fd(int *fd)
{
    int r = *fd;

    *fd = -1;
    return r;
}

static inline void freep(void *p)
{
    free(*(void **) p);
}

static inline void closep(int *fd)
{
    if (*fd >= 0)
        (void) close(*fd);
    *fd = -1;
}

static inline void fclosep(FILE **f)
{
    if (*f)
        (void) fclose(*f);
}

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)
#define _cleanup_fclose_ _cleanup_(fclosep)

/* static void name_p(type *p): a scope-exit function for pointers freed by func. */
#define DEFINE_CLEANUP(type, func)             \
    static _unused_ inline void func##p(type *p)        \
    {                                          \
        if (*p)                                \
            func(*p);                          \
    }
