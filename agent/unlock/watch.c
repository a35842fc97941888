/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unlock/watch.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "exchange/exchange.h"
#include "monotonic.h"
#include "unlock/unlock_protocol.h"

static int subscribe(void)
{
    const struct sockaddr_nl address = {
        .nl_family = AF_NETLINK,
        .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE,
    };
    _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

    if (fd < 0 || bind(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
        return -errno;
    return take_fd(&fd);
}

/* An address that is still tentative cannot be used yet: another message tells when it can. The kernel's own table follows the addresses. */
static bool is_news(const struct nlmsghdr *m)
{
    if (m->nlmsg_type == RTM_NEWADDR && m->nlmsg_len >= NLMSG_LENGTH(sizeof(struct ifaddrmsg)))
        return !(((const struct ifaddrmsg *) NLMSG_DATA(m))->ifa_flags & IFA_F_TENTATIVE);
    if (m->nlmsg_type == RTM_NEWROUTE && m->nlmsg_len >= NLMSG_LENGTH(sizeof(struct rtmsg)))
        return ((const struct rtmsg *) NLMSG_DATA(m))->rtm_table != RT_TABLE_LOCAL;
    return false;
}

/* All that waits. 1 when there was news, also when some was lost. */
static int take_messages(int fd)
{
    _Alignas(struct nlmsghdr) char buffer[16384];
    int news = 0;

    for (;;) {
        ssize_t n = recv(fd, buffer, sizeof(buffer), 0);

        if (n < 0 && errno == ENOBUFS) {
            news = 1;
            continue;
        }
        if (n < 0)
            return errno == EAGAIN ? news : errno == EINTR ? news : -errno;
        for (const struct nlmsghdr *m = (const void *) buffer; NLMSG_OK(m, (size_t) n); m = NLMSG_NEXT(m, n))
            if (is_news(m))
                news = 1;
    }
}

/* Whoever does not read what was sent before learns nothing from one more. */
static int tell(int peer)
{
    int r = exchange_reply(peer, NULL, 0);

    return r == -EAGAIN ? 0 : r;
}

int watch(int peer, struct error *e)
{
    _cleanup_close_ int fd = subscribe();
    struct pollfd p[] = { { .fd = peer, .events = POLLIN | POLLRDHUP }, { .fd = fd, .events = POLLIN } };
    int64_t quiet_until = 0;
    bool news = false;

    if (fd < 0)
        return error_set(e, fd, "cannot watch the network: %s", strerror(-fd));
    for (;;) {
        int64_t left = quiet_until - monotonic_ms();
        int r;

        if (news && left <= 0) {
            r = tell(peer);
            if (r < 0)
                return r == -EPIPE || r == -ECONNRESET ? 0 : error_set(e, r, "cannot tell of the network: %s", strerror(-r));
            news = false;
            left = UNLOCK_WATCH_PAUSE_MS;
            quiet_until = monotonic_ms() + left;
        }
        if (poll(p, ELEMENTSOF(p), news ? (int) left : -1) < 0 && errno != EINTR)
            return error_set(e, -errno, "cannot wait for the network: %s", strerror(errno));
        if (p[0].revents)
            return 0;
        r = take_messages(fd);
        if (r < 0)
            return error_set(e, r, "cannot watch the network: %s", strerror(-r));
        news = news || r > 0;
    }
}
