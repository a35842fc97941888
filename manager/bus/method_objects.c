/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Secrets and configs: the method's name says which. A secret's data never leaves through here. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "basic/memfd.h"
#include "bus/bus_dict.h"
#include "message/bus_error.h"
#include "bus/bus_methods.h"

static Pb__Kind kind_of(sd_bus_message *m)
{
    return strstr(sd_bus_message_get_member(m), "Secret") ? PB__KIND__SECRET : PB__KIND__CONFIG;
}

static void on_changed(void *data, int result, const char *id, const struct error *e)
{
    sd_bus_message *m = data;

    if (result < 0)
        (void) bus_reply_error(m, result, e);
    else
        (void) sd_bus_reply_method_return(m, "s", id);
    sd_bus_message_unref(m);
}

/* Alternating keys and values that point into the message. */
static int read_labels(sd_bus_message *m, char *labels[static 2 * STORE_LABELS_MAX + 1])
{
    const char *key, *value;
    size_t n = 0;
    int r;

    r = sd_bus_message_enter_container(m, 'a', "{ss}");
    while (r >= 0 && (r = sd_bus_message_read(m, "{ss}", &key, &value)) > 0) {
        if (n == 2 * (size_t) STORE_LABELS_MAX)
            return -EMSGSIZE;
        labels[n++] = (char *) key;
        labels[n++] = (char *) value;
    }
    labels[n] = NULL;
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* The largest datum on its way into the store; nobody waits while it is filled. */
static unsigned char buffer[STORE_CONFIG_MAX];

/* How many bytes of buffer the next value of m fills; the caller erases them. */
static int read_data(sd_bus_message *m, Pb__Kind kind, struct error *e)
{
    const unsigned max = kind == PB__KIND__SECRET ? STORE_SECRET_MAX : STORE_CONFIG_MAX;
    int r, fd;

    r = sd_bus_message_read(m, "h", &fd);
    if (r < 0)
        return r;
    r = memfd_read_into(fd, buffer, max);
    if (r == -EINVAL)
        return error_set(e, r, "the data must come as a sealed memfd");
    if (r == -EMSGSIZE)
        return error_set(e, r, "%s data must be larger than 0 and at most %u bytes", dict_kind(kind), max);
    return r;
}

static int create(struct swarm *s, sd_bus_message *m, struct error *e)
{
    char *labels[2 * STORE_LABELS_MAX + 1];
    const char *name = NULL;
    int r, size;

    r = swarm_check_active(s, e);
    if (r == 0)
        r = sd_bus_message_read(m, "s", &name);
    if (r < 0)
        return r;
    r = read_labels(m, labels);
    if (r == -EMSGSIZE)
        return error_set(e, -EINVAL, "more than %d labels", STORE_LABELS_MAX);
    if (r < 0)
        return r;
    size = read_data(m, kind_of(m), e);
    if (size < 0)
        return size;
    r = swarm_create_object(s, kind_of(m), name, labels, buffer, (size_t) size, on_changed, m, e);
    explicit_bzero(buffer, (size_t) size);
    return r;
}

int method_create_object(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller _unused_)
{
    struct error e = { "" };
    int r;

    r = create(s, sd_bus_message_ref(m), &e);
    if (r < 0) {
        sd_bus_message_unref(m);
        return bus_reply_error(m, r, &e);
    }
    return 1;
}

struct update {
    sd_bus_message *message;
    uint64_t revision; /* that it makes */
};

static void on_updated(void *data, int result, const char *id _unused_, const struct error *e)
{
    struct update *u = data;

    if (result < 0)
        (void) bus_reply_error(u->message, result, e);
    else
        (void) sd_bus_reply_method_return(u->message, "t", u->revision);
    sd_bus_message_unref(u->message);
    free(u);
}

static int update(struct swarm *s, sd_bus_message *m, struct update *u, struct error *e)
{
    const Pb__Object *object;
    const char *name = NULL;
    int r, size;

    r = swarm_check_active(s, e);
    if (r == 0)
        r = sd_bus_message_read(m, "s", &name);
    if (r >= 0)
        r = swarm_find_object(s, kind_of(m), name, &object, e);
    if (r < 0)
        return r;
    size = read_data(m, kind_of(m), e);
    if (size < 0)
        return size;
    *u = (struct update) { sd_bus_message_ref(m), object->revision + 1 };
    r = swarm_update_object(s, kind_of(m), object->meta->id, buffer, (size_t) size, on_updated, u, e);
    explicit_bzero(buffer, (size_t) size);
    if (r < 0)
        sd_bus_message_unref(m);
    return r;
}

int method_update_object(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller _unused_)
{
    struct update *u = malloc(sizeof(*u));
    struct error e = { "" };
    int r = u ? update(s, m, u, &e) : -ENOMEM;

    if (r == 0)
        return 1;
    free(u);
    return bus_reply_error(m, r, &e);
}

/* The numbers and dates of what was there before. */
static int append_former(sd_bus_message *reply, const Pb__Object *object)
{
    int r = dict_open(reply, "Former", "aa{sv}", "a{sv}");

    for (size_t i = 0; r >= 0 && i < object->n_former; i++)
        r = sd_bus_message_append(reply, "a{sv}", 2, "Revision", "t", object->former[i]->number, "CreatedAt", "t",
                                  (uint64_t) object->former[i]->created);
    return r < 0 ? r : dict_close(reply);
}

static int append_object(sd_bus_message *reply, const Pb__Object *object, bool with_data)
{
    int r;

    r = sd_bus_message_open_container(reply, 'a', "{sv}");
    if (r >= 0)
        r = dict_meta(reply, object->meta);
    if (r >= 0)
        r = dict_string(reply, "Name", object->name);
    if (r >= 0)
        r = dict_labels(reply, object->labels, object->n_labels);
    if (r >= 0)
        r = dict_u64(reply, "Revision", object->revision);
    if (r >= 0)
        r = append_former(reply, object);
    if (r >= 0 && with_data)
        r = dict_secret(reply, "Data", object->data.data, object->data.len);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

int method_list_objects(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller _unused_)
{
    const Pb__Kind kind = kind_of(m);
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    struct error e = { "" };
    int r;

    r = swarm_check_active(s, &e);
    if (r < 0)
        return bus_reply_error(m, r, &e);
    r = sd_bus_message_new_method_return(m, &reply);
    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'a', "a{sv}");
    for (size_t i = 0; r >= 0 && i < store_n_objects(swarm_store(s), kind); i++)
        r = append_object(reply, store_object_at(swarm_store(s), kind, i), false);
    if (r >= 0)
        r = sd_bus_message_close_container(reply);
    return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

int method_inspect_object(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller _unused_)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    const Pb__Kind kind = kind_of(m);
    const char *name;
    const Pb__Object *object;
    struct error e = { "" };
    int r;

    r = sd_bus_message_read(m, "s", &name);
    if (r < 0)
        return r;
    r = swarm_check_active(s, &e);
    if (r == 0)
        r = swarm_find_object(s, kind, name, &object, &e);
    if (r != 0)
        return bus_reply_error(m, r, &e);
    r = sd_bus_message_new_method_return(m, &reply);
    if (r >= 0)
        r = append_object(reply, object, kind == PB__KIND__CONFIG);
    return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

int method_remove_object(struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller _unused_)
{
    struct error e = { "" };
    const char *name;
    int r;

    r = sd_bus_message_read(m, "s", &name);
    if (r < 0)
        return r;
    r = swarm_remove_object(s, kind_of(m), name, on_changed, sd_bus_message_ref(m), &e);
    if (r < 0) {
        sd_bus_message_unref(m);
        return bus_reply_error(m, r, &e);
    }
    return 1;
}
