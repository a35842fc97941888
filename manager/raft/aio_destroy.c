/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "raft/aio_destroy.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef long (*syscall_fn)(long number, ...);

static syscall_fn next_syscall(void)
{
    static syscall_fn next;
    syscall_fn found = __atomic_load_n(&next, __ATOMIC_RELAXED);

    if (!found) {
        found = (syscall_fn) (uintptr_t) dlsym(RTLD_NEXT, "syscall");
        if (!found)
            abort();
        __atomic_store_n(&next, found, __ATOMIC_RELAXED);
    }
    return found;
}

static void *destroy(void *context)
{
    (void) next_syscall()(SYS_io_destroy, context);
    return NULL;
}

static int destroy_elsewhere(void *context)
{
    pthread_attr_t attributes;
    pthread_t thread;
    int r;

    if (pthread_attr_init(&attributes) != 0)
        return -1;
    (void) pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    r = pthread_create(&thread, &attributes, destroy, context);
    (void) pthread_attr_destroy(&attributes);
    return r;
}

long syscall(long number, ...)
{
    void *a[6];
    va_list ap;

    va_start(ap, number); /* as the C library does: six registers, whether they were set or not */
    for (unsigned i = 0; i < 6; i++)
        a[i] = va_arg(ap, void *);
    va_end(ap);
    if (number == SYS_io_destroy && destroy_elsewhere(a[0]) == 0)
        return 0;
    return next_syscall()(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

void aio_destroy_install(void)
{
    (void) next_syscall();
}
