/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "face.h"

#include <stdarg.h>
#include <sys/socket.h>

#include "bus/bus_fresh.h"

static int admit(void *data, sd_bus_message *message, const struct bus_rule *rule)
{
    struct face *f = data;
    struct swarm_caller caller = { .uid = 0, .how = "test" };

    return bus_rule_call(rule, f->node->swarm, message, &caller);
}

static sd_bus *connection(struct face *f, int fd, bool is_server)
{
    sd_bus *bus;
    sd_id128_t id;

    CHECK_OK(sd_bus_new(&bus));
    CHECK_OK(sd_bus_set_fd(bus, fd, fd));
    CHECK_OK(sd_id128_randomize(&id));
    if (is_server)
        CHECK_OK(sd_bus_set_server(bus, 1, id));
    CHECK_OK(sd_bus_negotiate_fds(bus, 1));
    if (is_server)
        CHECK_OK(bus_object_add(bus, &f->object));
    CHECK_OK(sd_bus_start(bus));
    return bus;
}

void face_open(struct face *f, struct node *node)
{
    int fds[2];

    f->node = node;
    f->object = (struct bus_object) { admit, f };
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    f->server = connection(f, fds[0], true);
    f->client = connection(f, fds[1], false);
    while (sd_bus_is_ready(f->client) == 0) /* to send descriptors it would wait for that by itself */
        CHECK(sd_bus_process(f->server, NULL) >= 0 && sd_bus_process(f->client, NULL) >= 0);
}

void face_close(struct face *f)
{
    f->reply = sd_bus_message_unref(f->reply);
    f->client = sd_bus_close_unref(f->client);
    f->server = sd_bus_close_unref(f->server);
}

static int on_reply(sd_bus_message *reply, void *data, sd_bus_error *error _unused_)
{
    *(sd_bus_message **) data = sd_bus_message_ref(reply);
    return 1;
}

static void send_list(struct face *f, const char *method, const char *types, va_list ap)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;

    CHECK_OK(sd_bus_message_new_method_call(f->client, &message, BUS_NAME, BUS_PATH, BUS_NAME, method));
    CHECK_OK(sd_bus_message_appendv(message, types, ap));
    f->reply = sd_bus_message_unref(f->reply);
    CHECK_OK(sd_bus_call_async(f->client, NULL, message, on_reply, &f->reply, 0));
}

void face_turn(struct face *f)
{
    int r = sd_bus_process(f->server, NULL);

    if (sd_bus_process(f->client, NULL) <= 0 && r <= 0)
        (void) usleep(1000);
    (void) uv_run(&loop, UV_RUN_NOWAIT);
}

void face_send(struct face *f, const char *method, const char *types, ...)
{
    va_list ap;

    va_start(ap, types);
    send_list(f, method, types, ap);
    va_end(ap);
}

const char *face_error(struct face *f)
{
    static char name[64];
    const char *dot;

    if (!sd_bus_message_is_method_error(f->reply, NULL))
        return "";
    dot = strrchr(sd_bus_message_get_error(f->reply)->name, '.');
    (void) snprintf(name, sizeof(name), "%s", dot ? dot + 1 : "");
    return name;
}

const char *face_call(struct face *f, const char *method, const char *types, ...)
{
    va_list ap;

    va_start(ap, types);
    send_list(f, method, types, ap);
    va_end(ap);
    while (!f->reply)
        face_turn(f);
    return face_error(f);
}

bool face_says(const struct face *f, const char *text)
{
    const sd_bus_error *error = sd_bus_message_get_error(f->reply);

    if (error && strstr(error->message, text))
        return true;
    (void) fprintf(stderr, "not \"%s\": %s\n", text, error ? error->message : "no error");
    return false;
}

bool face_shows(struct face *f, const char *text)
{
    _cleanup_free_ char *dump = NULL;
    size_t size;
    FILE *file = open_memstream(&dump, &size);
    bool found;

    CHECK(file);
    CHECK_OK(sd_bus_message_dump(f->reply, file, 0));
    CHECK(fclose(file) == 0);
    found = strstr(dump, text);
    if (!found)
        (void) fprintf(stderr, "no %s in:\n%s\n", text, dump);
    return found;
}

bool face_is(const struct face *f, const char *got, const char *wanted)
{
    if (strcmp(got, wanted) == 0)
        return true;
    (void) fprintf(stderr, "%s instead of %s: %s\n", got, wanted, *got ? sd_bus_message_get_error(f->reply)->message : "");
    return false;
}

const char *face_text(struct face *f, const char *key)
{
    const char *name, *text;

    CHECK_OK(sd_bus_message_rewind(f->reply, 1));
    CHECK(sd_bus_message_enter_container(f->reply, 'a', "{sv}") > 0);
    while (sd_bus_message_enter_container(f->reply, 'e', "sv") > 0) {
        CHECK_OK(sd_bus_message_read(f->reply, "s", &name));
        if (strcmp(name, key) == 0) {
            CHECK_OK(sd_bus_message_read(f->reply, "v", "s", &text));
            return text;
        }
        CHECK_OK(sd_bus_message_skip(f->reply, "v"));
        CHECK_OK(sd_bus_message_exit_container(f->reply));
    }
    (void) fprintf(stderr, "no %s\n", key);
    CHECK(false);
    return NULL;
}
