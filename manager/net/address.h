/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>
#include <sys/socket.h>

/* Addresses as texts: "host:port", with an IPv6 host in brackets. */

#define ADDRESS_HOST_MAX 256 /* with the final 0 */
#define ADDRESS_NUMERIC_MAX 80

/* -EINVAL when it is not a host and a port from 0 to 65535; the host is not looked at further than its length. */
int address_split(const char *text, char ret_host[static ADDRESS_HOST_MAX], char ret_port[static 6]);

/* Numeric. An IPv4 address that an IPv6 socket saw is written as the IPv4 address it is. "?" for another family. */
void address_format(const struct sockaddr *address, char ret[static ADDRESS_NUMERIC_MAX]);
