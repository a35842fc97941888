/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "message/option.h"

#include <errno.h>
#include <string.h>

#include "basic/memfd.h"

int option_take_text(const char *text, char *ret, size_t size)
{
    if (*text == '\0' || strlen(text) >= size)
        return -EINVAL;
    (void) strcpy(ret, text);
    return 0;
}

int option_text(sd_bus_message *m, char *ret, size_t size)
{
    const char *text;
    int r = sd_bus_message_read(m, "v", "s", &text);

    return r < 0 ? r : option_take_text(text, ret, size);
}

int option_texts(sd_bus_message *m, char *ret, size_t size, unsigned *ret_n)
{
    const char *text;
    unsigned n = 0;
    int r;

    r = sd_bus_message_enter_container(m, 'v', "as");
    if (r >= 0)
        r = sd_bus_message_enter_container(m, 'a', "s");
    while (r >= 0 && (r = sd_bus_message_read(m, "s", &text)) > 0) {
        r = n < KEYSLOT_SERVERS_MAX ? option_take_text(text, ret + n * size, size) : -EINVAL;
        n++;
    }
    if (r >= 0)
        r = sd_bus_message_exit_container(m);
    if (r >= 0)
        r = sd_bus_message_exit_container(m);
    *ret_n = r < 0 ? 0 : n;
    return r;
}

int option_flag(sd_bus_message *m, bool *ret)
{
    int flag, r = sd_bus_message_read(m, "v", "b", &flag);

    *ret = r >= 0 && flag;
    return r;
}

int option_secret(sd_bus_message *m, struct secret *ret)
{
    int fd, r = sd_bus_message_read(m, "v", "h", &fd);

    if (r >= 0 && ret->size == 0)
        r = memfd_read(fd, OPTION_SECRET_MAX, ret);
    return r >= 0 && ret->size == 0 ? -EINVAL : r;
}

int options_read(sd_bus_message *m, options_reader read, void *data)
{
    const char *key;
    int r;

    r = sd_bus_message_enter_container(m, 'a', "{sv}");
    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
        r = sd_bus_message_read(m, "s", &key);
        if (r >= 0)
            r = read(m, key, data);
        if (r >= 0)
            r = sd_bus_message_exit_container(m);
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}
