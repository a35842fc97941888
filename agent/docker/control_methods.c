/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "basic/memfd.h"
#include "docker/control_private.h"
#include "docker/say.h"
#include "message/bus_error.h"
#include "message/dict.h"
#include "message/option.h"

#define SECRET_TEXT_MAX 1024

int control_answer(sd_bus_message *m, int r, sd_bus_message *reply, const struct error *e)
{
    return r < 0 ? bus_reply_error(m, r, e) : sd_bus_send(NULL, reply, NULL);
}

int control_answer_nothing(sd_bus_message *m, int r, const struct error *e)
{
    return r < 0 ? bus_reply_error(m, r, e) : sd_bus_reply_method_return(m, "");
}

static int append_info(sd_bus_message *m, struct control *c)
{
    char socket[ENGINE_SOCKET_MAX];
    struct watcher_status status;
    int r;

    vault_socket(c->vault, socket);
    watcher_status(c->watcher, &status);
    r = sd_bus_message_open_container(m, 'a', "{sv}");
    if (r >= 0)
        r = dict_string(m, "Socket", socket);
    if (r >= 0)
        r = dict_bool(m, "Enrolled", vault_is_enrolled(c->vault));
    if (r >= 0)
        r = dict_string(m, "State", status.is_found ? engine_state_to_string(status.state) : "");
    if (r >= 0)
        r = dict_bool(m, "Asks", status.asks);
    if (r >= 0)
        r = dict_u32(m, "Keys", vault_count(c->vault));
    if (r >= 0)
        r = dict_string(m, "Error", status.trouble.text);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

static int method_info(sd_bus_message *m, void *data, sd_bus_error *error _unused_)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    int r = sd_bus_message_new_method_return(m, &reply);

    if (r >= 0)
        r = append_info(reply, data);
    return control_answer(m, r, reply, NULL);
}

static int read_enroll_option(sd_bus_message *m, const char *key, void *data)
{
    return strcmp(key, "Socket") == 0 ? option_text(m, data, ENGINE_SOCKET_MAX) : -EINVAL;
}

/* The key is the Engine's own word, so that what is stored is known to be right. */
static int ask_key(const char *socket, struct secret *ret, struct error *e)
{
    _cleanup_(engine_freep) struct engine *engine = NULL;
    struct engine_info info;
    int r = engine_new(socket, NULL, &engine);

    if (r < 0)
        return error_set(e, r, "cannot ask Docker Engine: %s", strerror(-r));
    r = engine_info(engine, &info, e);
    if (r < 0)
        return r == -ENOENT || r == -ECONNREFUSED || r == -EACCES || r == -ESHUTDOWN ? -EHOSTUNREACH : r;
    if (info.state == ENGINE_LOCKED)
        return error_set(e, -ENOKEY, "Docker Engine is locked: use \"docker swarm unlock\" first");
    if (info.state == ENGINE_ACTIVE && !info.is_manager)
        return error_set(e, -ESRCH, "Docker Engine at %s is a worker of its swarm, which has no unlock key: enroll its managers", socket);
    if (info.state != ENGINE_ACTIVE)
        return error_set(e, -ESRCH, "Docker Engine at %s is no active swarm manager (it is %s)", socket, engine_state_to_string(info.state));
    r = engine_key(engine, ret, e);
    return r == -ENODATA ? -EOPNOTSUPP : r;
}

static int enroll_again(struct control *c, const char *socket, const struct secret *key, struct error *e)
{
    int r = vault_is_open(c->vault) ? 0 : vault_open(c->vault, key, NULL);

    if (r < 0)
        return error_set(e, -EEXIST, "another key is enrolled, and its lock does not open: use \"swarmctl docker forget\" first");
    r = vault_set_socket(c->vault, socket, e);
    return r < 0 ? r : vault_put(c->vault, key, e);
}

static int enroll(struct control *c, const char *socket, struct error *e)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    bool is_first = !vault_is_enrolled(c->vault);
    int r;

    if (socket[0] != '/')
        return error_set(e, -EINVAL, "the socket's path has to be absolute, of at most %d bytes", ENGINE_SOCKET_MAX - 1);
    r = ask_key(socket, &key, e);
    if (r < 0)
        return r;
    r = is_first ? vault_enroll(c->vault, socket, &key, e) : enroll_again(c, socket, &key, e);
    if (r < 0)
        return r;
    if (is_first || r > 0)
        say_stored(vault_count(c->vault));
    watcher_kick(c->watcher);
    return 0;
}

static int method_enroll(sd_bus_message *m, void *data, sd_bus_error *error _unused_)
{
    char socket[ENGINE_SOCKET_MAX];
    struct control *c = data;
    struct error e = { "" };

    vault_socket(c->vault, socket);
    if (options_read(m, read_enroll_option, socket) < 0)
        return bus_reply_text(m, -EINVAL, "the one option is Socket (s), a path of at most 107 bytes");
    return control_answer_nothing(m, enroll(c, socket, &e), &e);
}

static int method_forget(sd_bus_message *m, void *data, sd_bus_error *error _unused_)
{
    struct control *c = data;
    struct error e = { "" };
    int r = vault_forget(c->vault, &e);

    if (r == 0) {
        say_forgotten();
        watcher_kick(c->watcher);
    }
    return control_answer_nothing(m, r, &e);
}

static int method_unlock(sd_bus_message *m, void *data, sd_bus_error *error _unused_)
{
    _cleanup_(secret_done) struct secret text = SECRET_NULL;
    struct control *c = data;
    struct error e = { "" };
    int fd, r = sd_bus_message_read_basic(m, SD_BUS_TYPE_UNIX_FD, &fd);

    if (r >= 0)
        r = memfd_read(fd, SECRET_TEXT_MAX, &text);
    if (r < 0 || text.size == 0)
        return bus_reply_text(m, -EINVAL, "Unlock takes a key or a passphrase in a sealed memfd, of at most 1024 bytes");
    r = watcher_try(c->watcher, &text, &e);
    return control_answer_nothing(m, r, &e);
}

#define METHOD(member, in, out, handler) SD_BUS_METHOD(member, in, out, handler, SD_BUS_VTABLE_UNPRIVILEGED)

const sd_bus_vtable control_vtable[] = {
    SD_BUS_VTABLE_START(0),
    METHOD("Info", NULL, "a{sv}", method_info),
    METHOD("Enroll", "a{sv}", NULL, method_enroll),
    METHOD("Forget", NULL, NULL, method_forget),
    SD_BUS_METHOD("Unlock", "h", NULL, method_unlock, SD_BUS_VTABLE_UNPRIVILEGED | SD_BUS_VTABLE_SENSITIVE),
    METHOD("ListKeyslots", NULL, "aa{sv}", control_list_keyslots),
    METHOD("FetchAdvertisement", "s", "a{sv}", control_fetch_advertisement),
    METHOD("AddKeyslot", "sa{sv}", "a{sv}", control_add_keyslot),
    METHOD("TestKeyslot", "ia{sv}", "a{sv}", control_test_keyslot),
    METHOD("RefreshKeyslots", "a{sv}", "aa{sv}", control_refresh_keyslots),
    METHOD("RemoveKeyslot", "i", NULL, control_remove_keyslot),
    SD_BUS_VTABLE_END,
};
