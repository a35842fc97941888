/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>
#include <uv.h>

/* Drives an sd-bus connection from a libuv loop (sd_bus_get_fd(3) has the rules). */
struct bus_loop;

/* on_lost is called once when the connection breaks, with a negative errno. */
int bus_loop_new(uv_loop_t *loop, sd_bus *bus, void (*on_lost)(void *data, int code), void *data, struct bus_loop **ret);

/* Detaches; frees itself once libuv has let go of the handles. */
void bus_loop_free(struct bus_loop *b);
