/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int address_split(const char *text, char ret_host[static ADDRESS_HOST_MAX], char ret_port[static 6])
{
    const char *colon = strrchr(text, ':'), *host = text;
    size_t n = colon ? (size_t) (colon - text) : 0, digits = colon ? strlen(colon + 1) : 0;

    if (n >= 2 && host[0] == '[' && host[n - 1] == ']') {
        host++;
        n -= 2;
    } else if (memchr(host, ':', n))
        return -EINVAL; /* IPv6 without brackets: where does the port begin? */
    if (n == 0 || n >= ADDRESS_HOST_MAX || digits == 0 || digits > 5 || strspn(colon + 1, "0123456789") != digits ||
        strtoul(colon + 1, NULL, 10) > 65535)
        return -EINVAL;
    memcpy(ret_host, host, n);
    ret_host[n] = '\0';
    memcpy(ret_port, colon + 1, digits + 1);
    return 0;
}

static void format_ip4(const struct in_addr *address, in_port_t port, char *ret)
{
    char host[INET_ADDRSTRLEN];

    (void) snprintf(ret, ADDRESS_NUMERIC_MAX, "%s:%u", inet_ntop(AF_INET, address, host, sizeof(host)), ntohs(port));
}

static void format_ip6(const struct sockaddr_in6 *address, char *ret)
{
    char host[INET6_ADDRSTRLEN], zone[IF_NAMESIZE];
    bool zoned = address->sin6_scope_id > 0 && if_indextoname(address->sin6_scope_id, zone);

    (void) inet_ntop(AF_INET6, &address->sin6_addr, host, sizeof(host));
    (void) snprintf(ret, ADDRESS_NUMERIC_MAX, "[%s%s%s]:%u", host, zoned ? "%" : "", zoned ? zone : "", ntohs(address->sin6_port));
}

void address_format(const struct sockaddr *address, char ret[static ADDRESS_NUMERIC_MAX])
{
    const struct sockaddr_in *v4 = (const void *) address;
    const struct sockaddr_in6 *v6 = (const void *) address;
    struct in_addr mapped;

    if (address->sa_family == AF_INET)
        format_ip4(&v4->sin_addr, v4->sin_port, ret);
    else if (address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
        memcpy(&mapped, v6->sin6_addr.s6_addr + 12, sizeof(mapped));
        format_ip4(&mapped, v6->sin6_port, ret);
    } else if (address->sa_family == AF_INET6)
        format_ip6(v6, ret);
    else
        (void) strcpy(ret, "?");
}
