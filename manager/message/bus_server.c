/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "message/bus_server.h"

#include "basic/cleanup.h"

int bus_server_new(int *fd, const char *sender, sd_bus **ret)
{
    _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
    sd_id128_t id;
    int r = sd_bus_new(&bus);

    if (r >= 0)
        r = sd_bus_set_fd(bus, *fd, *fd);
    if (r < 0)
        return r;
    (void) take_fd(fd);
    r = sd_id128_randomize(&id);
    if (r >= 0)
        r = sd_bus_set_server(bus, 1, id);
    if (r >= 0)
        r = sd_bus_set_anonymous(bus, 0);
    if (r >= 0)
        r = sd_bus_negotiate_fds(bus, 1);
    if (r >= 0)
        r = sd_bus_set_sender(bus, sender);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(bus);
    return 0;
}
