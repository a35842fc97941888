/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "message/dict.h"

#include "basic/cleanup.h"
#include "basic/memfd.h"

int dict_string(sd_bus_message *m, const char *key, const char *value)
{
    return sd_bus_message_append(m, "{sv}", key, "s", value);
}

int dict_bool(sd_bus_message *m, const char *key, bool value)
{
    return sd_bus_message_append(m, "{sv}", key, "b", (int) value);
}

int dict_u32(sd_bus_message *m, const char *key, uint32_t value)
{
    return sd_bus_message_append(m, "{sv}", key, "u", value);
}

int dict_u64(sd_bus_message *m, const char *key, uint64_t value)
{
    return sd_bus_message_append(m, "{sv}", key, "t", value);
}

int dict_i32(sd_bus_message *m, const char *key, int32_t value)
{
    return sd_bus_message_append(m, "{sv}", key, "i", value);
}

int dict_open(sd_bus_message *m, const char *key, const char *type, const char *element)
{
    int r;

    r = sd_bus_message_open_container(m, 'e', "sv");
    if (r >= 0)
        r = sd_bus_message_append(m, "s", key);
    if (r >= 0)
        r = sd_bus_message_open_container(m, 'v', type);
    return r < 0 ? r : sd_bus_message_open_container(m, 'a', element);
}

int dict_close(sd_bus_message *m)
{
    int r = 0;

    for (int i = 0; r >= 0 && i < 3; i++)
        r = sd_bus_message_close_container(m);
    return r;
}

int dict_secret(sd_bus_message *m, const char *key, const void *data, size_t size)
{
    _cleanup_close_ int fd = memfd_new(data, size);

    return fd < 0 ? fd : sd_bus_message_append(m, "{sv}", key, "h", fd);
}

int append_secret(sd_bus_message *m, const struct secret *secret)
{
    _cleanup_close_ int fd = memfd_new(secret->data, secret->size);

    return fd < 0 ? fd : sd_bus_message_append(m, "h", fd);
}
