/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "basic/error.h"

#define ADDRESS_PORT_DEFAULT 2377
#define ADDRESS_LISTEN_DEFAULT "0.0.0.0:2377"

/* Completes what a person gave for --listen-addr or --advertise-addr, a host name, an IP address or a network interface's name, each with or
 * without ":port", to host:port. -EINVAL with a text. */
int address_complete(const char *option, const char *given, char *ret, size_t size, struct error *e);

/* The address that other nodes reach this one under: the listening one where that is a single address, else this machine's only one, else
 * -EINVAL with a text that asks for --advertise-addr. */
int address_choose(const char *listen, char *ret, size_t size, struct error *e);
