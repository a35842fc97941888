/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "swarm/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <stdbool.h>
#include <string.h>

#define HOST_MAX 254

DEFINE_CLEANUP(struct ifaddrs *, freeifaddrs)

/* Splits "host", "host:port", "[v6]:port" or a bare v6 address. */
static int split(const char *given, char host[static HOST_MAX], unsigned *ret_port)
{
    const char *end = strrchr(given, ':'), *start = given, *port = NULL;
    struct in6_addr v6;
    unsigned long number = ADDRESS_PORT_DEFAULT;
    size_t n;

    if (inet_pton(AF_INET6, given, &v6) == 1 || (end && strchr(end, ']')))
        end = NULL;
    if (end) {
        port = end + 1;
        n = (size_t) (end - given);
    } else
        n = strlen(given);
    if (n >= 2 && start[0] == '[' && start[n - 1] == ']') {
        start++;
        n -= 2;
    }
    if (n == 0 || n >= HOST_MAX)
        return -EINVAL;
    if (port) {
        if (strspn(port, "0123456789") != strlen(port) || strlen(port) == 0 || strlen(port) > 5)
            return -EINVAL;
        number = strtoul(port, NULL, 10);
        if (number == 0 || number > 65535)
            return -EINVAL;
    }
    memcpy(host, start, n);
    host[n] = '\0';
    *ret_port = (unsigned) number;
    return 0;
}

static bool is_host_name(const char *host)
{
    return strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == strlen(host) && host[0] != '-' &&
           host[0] != '.';
}

static bool is_usable(const struct ifaddrs *i)
{
    const struct sockaddr_in6 *v6 = (const void *) i->ifa_addr;

    if (!i->ifa_addr || (i->ifa_flags & (IFF_UP | IFF_LOOPBACK)) != IFF_UP)
        return false;
    if (i->ifa_addr->sa_family == AF_INET6)
        return !IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr);
    return i->ifa_addr->sa_family == AF_INET;
}

static int to_text(const struct sockaddr *address, char *ret, size_t size)
{
    socklen_t n = address->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);

    return getnameinfo(address, n, ret, (socklen_t) size, NULL, 0, NI_NUMERICHOST) == 0 ? 0 : -EINVAL;
}

/* The addresses of one family on one interface, or on all when interface is NULL: their number, the first one in ret. */
static int count_addresses(int family, const char *interface, char *ret, size_t size)
{
    _cleanup_(freeifaddrsp) struct ifaddrs *all = NULL;
    int n = 0;

    if (getifaddrs(&all) < 0)
        return -errno;
    for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
        if ((interface && strcmp(i->ifa_name, interface) != 0) || !is_usable(i) || i->ifa_addr->sa_family != family)
            continue;
        if (n == 0 && to_text(i->ifa_addr, ret, size) < 0)
            continue;
        n++;
    }
    return n;
}

/* IPv4 where there is one. */
static int only_address(const char *interface, char *ret, size_t size)
{
    int n = count_addresses(AF_INET, interface, ret, size);

    return n != 0 ? n : count_addresses(AF_INET6, interface, ret, size);
}

static int join(const char *host, unsigned port, char *ret, size_t size)
{
    const char *format = strchr(host, ':') ? "[%s]:%u" : "%s:%u";

    return (size_t) snprintf(ret, size, format, host, port) < size ? 0 : -ENAMETOOLONG;
}

int address_complete(const char *option, const char *given, char *ret, size_t size, struct error *e)
{
    char host[HOST_MAX], found[HOST_MAX];
    unsigned char binary[sizeof(struct in6_addr)];
    unsigned port;

    if (split(given, host, &port) < 0)
        return error_set(e, -EINVAL, "invalid %s: give an IP address, a host name or a network interface, with or without \":port\"", option);
    if (inet_pton(AF_INET, host, binary) == 1 || inet_pton(AF_INET6, host, binary) == 1)
        return join(host, port, ret, size);
    if (if_nametoindex(host) > 0) {
        if (only_address(host, found, sizeof(found)) != 1)
            return error_set(e, -EINVAL, "invalid %s: interface %s does not have exactly one address; give the address itself", option, host);
        return join(found, port, ret, size);
    }
    if (!is_host_name(host))
        return error_set(e, -EINVAL, "invalid %s: \"%s\" is no IP address, host name or network interface", option, host);
    return join(host, port, ret, size);
}

int address_choose(const char *listen, char *ret, size_t size, struct error *e)
{
    char host[HOST_MAX], found[HOST_MAX];
    unsigned port;
    int n;

    if (split(listen, host, &port) < 0)
        return error_set(e, -EINVAL, "invalid listening address");
    if (strcmp(host, "0.0.0.0") != 0 && strcmp(host, "::") != 0)
        return join(host, port, ret, size);
    n = only_address(NULL, found, sizeof(found));
    if (n < 0)
        return error_set(e, n, "this machine's addresses cannot be listed: %s", strerror(-n));
    if (n == 0)
        return join("127.0.0.1", port, ret, size);
    if (n > 1)
        return error_set(e, -EINVAL, "could not choose an IP address to advertise since this system has multiple addresses - specify one with "
                                     "--advertise-addr");
    return join(found, port, ret, size);
}
