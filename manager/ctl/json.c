/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/json.h"

#include <errno.h>
#include <malloc.h>
#include <sodium.h>
#include <string.h>

#include "basic/memfd.h"
#include "ctl/escape.h"
#include "ctl/output.h"
#include "ctl/status.h"
#include "ctl/times.h"

#define MEMFD_MAX (1000U * 1024) /* the largest datum, a config's */
#define DEPTH_MAX 16

static void erase_and_free(void *p)
{
    if (p)
        sodium_memzero(p, malloc_usable_size(p));
    free(p);
}

void json_init(void)
{
    json_set_alloc_funcs(malloc, erase_and_free);
}

static int owned(json_t *value, json_t **ret)
{
    if (!value)
        return -ENOMEM;
    *ret = value;
    return 0;
}

static int base64(const struct secret *data, json_t **ret)
{
    _cleanup_(secret_done) struct secret text = SECRET_NULL;
    size_t size = sodium_base64_encoded_len(data->size, sodium_base64_VARIANT_ORIGINAL);
    int r = secret_new(size, &text);

    if (r < 0)
        return r;
    (void) sodium_bin2base64((char *) text.data, size, data->data, data->size, sodium_base64_VARIANT_ORIGINAL);
    return owned(json_stringn((char *) text.data, size - 1), ret);
}

static int read_memfd(sd_bus_message *m, const char *key, json_t **ret)
{
    _cleanup_(secret_done) struct secret data = SECRET_NULL;
    int fd, r = sd_bus_message_read_basic(m, SD_BUS_TYPE_UNIX_FD, &fd); /* the message's */

    if (r >= 0)
        r = memfd_read(fd, MEMFD_MAX, &data);
    if (r < 0)
        return r;
    if (strcmp(key, "Data") == 0)
        return base64(&data, ret);
    if (!escape_is_clean((char *) data.data, data.size, ESCAPE_TEXT))
        return -EBADMSG;
    return owned(json_stringn((char *) data.data, data.size), ret);
}

static int read_basic(sd_bus_message *m, char type, json_t **ret)
{
    union {
        const char *s;
        int b;
        uint8_t y;
        int16_t n;
        uint16_t q;
        int32_t i;
        uint32_t u;
        int64_t x;
        uint64_t t;
        double d;
    } v;
    int r = sd_bus_message_read_basic(m, type, &v);

    if (r < 0)
        return r;
    switch (type) {
    case SD_BUS_TYPE_BOOLEAN:
        return owned(json_boolean(v.b), ret);
    case SD_BUS_TYPE_BYTE:
        return owned(json_integer(v.y), ret);
    case SD_BUS_TYPE_INT16:
        return owned(json_integer(v.n), ret);
    case SD_BUS_TYPE_UINT16:
        return owned(json_integer(v.q), ret);
    case SD_BUS_TYPE_INT32:
        return owned(json_integer(v.i), ret);
    case SD_BUS_TYPE_UINT32:
        return owned(json_integer(v.u), ret);
    case SD_BUS_TYPE_INT64:
        return owned(json_integer(v.x), ret);
    case SD_BUS_TYPE_UINT64:
        return owned(json_integer(v.t > INT64_MAX ? INT64_MAX : (json_int_t) v.t), ret);
    case SD_BUS_TYPE_DOUBLE:
        return owned(json_real(v.d), ret);
    default:
        return owned(json_string(v.s), ret);
    }
}

static int read_value(sd_bus_message *m, const char *key, unsigned depth, json_t **ret);

static int read_object(sd_bus_message *m, const char *entry, unsigned depth, json_t **ret)
{
    _cleanup_json_ json_t *object = json_object();
    char contents[256];
    int r;

    if (!object)
        return -ENOMEM;
    if (strlen(entry) - 2 >= sizeof(contents))
        return -EBADMSG;
    (void) snprintf(contents, sizeof(contents), "%.*s", (int) strlen(entry) - 2, entry + 1);
    while ((r = sd_bus_message_enter_container(m, SD_BUS_TYPE_DICT_ENTRY, contents)) > 0) {
        json_t *value;
        const char *key;

        r = sd_bus_message_read_basic(m, SD_BUS_TYPE_STRING, &key);
        if (r >= 0)
            r = read_value(m, key, depth, &value);
        if (r < 0)
            return r;
        if (json_object_set_new(object, key, value) < 0)
            return -ENOMEM;
        r = sd_bus_message_exit_container(m);
        if (r < 0)
            return r;
    }
    if (r >= 0)
        *ret = TAKE_PTR(object);
    return r;
}

static int read_array(sd_bus_message *m, const char *key, unsigned depth, json_t **ret)
{
    _cleanup_json_ json_t *array = json_array();
    int r;

    if (!array)
        return -ENOMEM;
    while ((r = sd_bus_message_at_end(m, 0)) == 0) {
        json_t *value;

        r = read_value(m, key, depth, &value);
        if (r < 0)
            return r;
        if (json_array_append_new(array, value) < 0)
            return -ENOMEM;
    }
    if (r >= 0)
        *ret = TAKE_PTR(array);
    return r;
}

static int read_container(sd_bus_message *m, char type, const char *contents, const char *key, unsigned depth, json_t **ret)
{
    _cleanup_json_ json_t *value = NULL;
    int r = sd_bus_message_enter_container(m, type, contents);

    if (r < 0)
        return r;
    if (type == SD_BUS_TYPE_VARIANT)
        r = read_value(m, key, depth, &value);
    else if (type == SD_BUS_TYPE_ARRAY && contents[0] == '{' && contents[1] == 's')
        r = read_object(m, contents, depth, &value);
    else
        r = read_array(m, key, depth, &value);
    if (r >= 0)
        r = sd_bus_message_exit_container(m);
    if (r >= 0)
        *ret = TAKE_PTR(value);
    return r;
}

static int read_value(sd_bus_message *m, const char *key, unsigned depth, json_t **ret)
{
    const char *contents;
    char type;
    int r = sd_bus_message_peek_type(m, &type, &contents);

    if (r <= 0)
        return r < 0 ? r : -ENODATA;
    if (depth == DEPTH_MAX)
        return -EBADMSG;
    if (type == SD_BUS_TYPE_UNIX_FD)
        return read_memfd(m, key, ret);
    if (strchr("av(r{e", type))
        return read_container(m, type, contents, key, depth + 1, ret);
    return read_basic(m, type, ret);
}

int json_read(sd_bus_message *m, json_t **ret)
{
    return read_value(m, "", 0, ret);
}

const char *json_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

uint64_t json_number(const json_t *object, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(object, key));

    return n < 0 ? 0 : (uint64_t) n;
}

bool json_flag(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

json_t *json_time(const json_t *object, const char *key)
{
    char text[TIMES_TEXT_MAX];

    times_rfc3339(json_number(object, key), text);
    return json_string(text);
}

json_t *json_labels(const json_t *object)
{
    json_t *labels = json_object_get(object, "Labels");

    return labels ? json_incref(labels) : json_object();
}

static bool is_time(const char *key, const json_t *value)
{
    static const char *const keys[] = { "CreatedAt", "UpdatedAt", "LoadedAt", "Since", "Worked" };

    for (size_t i = 0; i < ELEMENTSOF(keys); i++)
        if (strcmp(key, keys[i]) == 0)
            return json_is_integer(value);
    return false;
}

int json_times(json_t *value)
{
    json_t *item;
    const char *key;
    size_t i;
    int r = 0;

    json_array_foreach(value, i, item)
        r = r < 0 ? r : json_times(item);
    json_object_foreach(value, key, item) {
        if (r == 0 && is_time(key, item))
            r = json_object_set_new(value, key, json_number(value, key) > 0 ? json_time(value, key) : json_string(""));
        else
            r = r < 0 ? r : json_times(item);
    }
    return r < 0 ? -ENOMEM : 0;
}

static int write_chunk(const char *text, size_t n, void *data)
{
    _cleanup_free_ char *clean = NULL;

    (void) data;
    if (escape_is_clean(text, n, ESCAPE_JSON)) {
        output_bytes(text, n);
        return 0;
    }
    clean = escape(text, n, ESCAPE_JSON);
    if (!clean)
        return -1;
    output_bytes(clean, strlen(clean));
    return 0;
}

int json_print(const json_t *document, struct error *e)
{
    if (!document || json_dump_callback(document, write_chunk, NULL, JSON_INDENT(4)) < 0)
        return error_set(e, STATUS_FAILED, "cannot write the answer as JSON: out of memory");
    output_bytes("\n", 1);
    return STATUS_OK;
}
