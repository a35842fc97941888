/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "basic/memfd.h"
#include "docker/control_private.h"
#include "docker/helpers.h"
#include "docker/say.h"
#include "keys/recovery_key.h"
#include "message/bus_error.h"
#include "message/dict.h"
#include "message/keyslot_message.h"
#include "message/option.h"
#include "open/open_protocol.h"

#define SECRET_TEXT_MAX 1024

/* Answers m with an error, or with reply. */
static int answer(sd_bus_message *m, int r, sd_bus_message *reply, const struct error *e)
{
    return r < 0 ? bus_reply_error(m, r, e) : sd_bus_send(NULL, reply, NULL);
}

static int answer_nothing(sd_bus_message *m, int r, const struct error *e)
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
    return answer(m, r, reply, NULL);
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
        return r == -ENOENT || r == -ECONNREFUSED || r == -EACCES ? -EHOSTUNREACH : r;
    if (info.state == ENGINE_LOCKED)
        return error_set(e, -ENOKEY, "Docker Engine is locked: use \"docker swarm unlock\" first");
    if (info.state != ENGINE_ACTIVE || !info.is_manager)
        return error_set(e, -ESRCH, "Docker Engine at %s is no active swarm manager (it is %s)", socket, engine_state_to_string(info.state));
    r = engine_key(engine, ret, e);
    return r == -ENODATA ? -EOPNOTSUPP : r;
}

static int enroll_again(struct control *c, const char *socket, const struct secret *key, struct error *e)
{
    int r = vault_is_open(c->vault) ? 0 : vault_open(c->vault, key, NULL, NULL);

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
    return answer_nothing(m, enroll(c, socket, &e), &e);
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
    return answer_nothing(m, r, &e);
}

static int method_unlock(sd_bus_message *m, void *data, sd_bus_error *error _unused_)
{
    _cleanup_(secret_done) struct secret text = SECRET_NULL;
    struct control *c = data;
    struct error e = { "" };
    int fd, r = sd_bus_message_read_basic(m, SD_BUS_TYPE_UNIX_FD, &fd);

    if (r >= 0)
        r = memfd_read(fd, SECRET_TEXT_MAX, &text);
    if (r >= 0 && text.size == 0)
        r = -EINVAL;
    if (r == 0)
        r = watcher_try(c->watcher, &text, &e);
    return answer_nothing(m, r, &e);
}

static int append_keyslots(sd_bus_message *m, struct control *c, struct error *e)
{
    struct keyslot_report reports[KEYSLOTS_MAX];
    struct keyslot slots[KEYSLOTS_MAX];
    int n = vault_list(c->vault, slots, reports, e), r = n;

    if (r >= 0)
        r = sd_bus_message_open_container(m, 'a', "a{sv}");
    for (int i = 0; r >= 0 && i < n; i++)
        r = keyslot_message_append(m, &slots[i], &reports[i]);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

static int method_list_keyslots(sd_bus_message *m, void *data, sd_bus_error *error _unused_)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    struct error e = { "" };
    int r = sd_bus_message_new_method_return(m, &reply);

    if (r >= 0)
        r = append_keyslots(reply, data, &e);
    return answer(m, r, reply, &e);
}

static int method_fetch_advertisement(sd_bus_message *m, void *data, sd_bus_error *error _unused_)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    char thumbprints[KEYSLOT_SERVERS_MAX][KEYSLOT_THUMBPRINT_MAX], url[KEYSLOT_URL_MAX];
    struct control *c = data;
    struct error e = { "" };
    const char *text;
    int n, r = sd_bus_message_read(m, "s", &text);

    if (r < 0)
        return r;
    if (option_take_text(text, url, sizeof(url)) < 0)
        return bus_reply_text(m, -EINVAL, "the URL of a Tang server has 1 to 255 bytes");
    n = method_advertisement(helpers_in(c->helpers), url, thumbprints, &e);
    r = n < 0 ? n : sd_bus_message_new_method_return(m, &reply);
    if (r >= 0)
        r = keyslot_message_append_advertisement(reply, url, thumbprints, (unsigned) n);
    return answer(m, r, reply, &e);
}

static int add(struct control *c, const struct keyslot_options *options, struct secret *typed, struct keyslot *ret_slot, struct secret *ret_recovery,
               struct error *e)
{
    _cleanup_(method_done) struct method made = METHOD_NULL;
    int r;

    if (!vault_is_enrolled(c->vault))
        return error_set(e, -ENOENT, "nothing is enrolled: use \"swarmctl docker enroll\" first");
    r = method_make(helpers_in(c->helpers), options, typed, &made, e);
    if (r == 0 && strcmp(options->kind, "recovery") == 0)
        r = secret_copy(made.passphrase.data, made.passphrase.size, ret_recovery);
    return r < 0 ? r : vault_add(c->vault, &made, method_stretch(options), ret_slot, e);
}

static int method_add_keyslot(sd_bus_message *m, void *data, sd_bus_error *error _unused_)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    _cleanup_(secret_done) struct secret typed = SECRET_NULL, recovery = SECRET_NULL;
    struct keyslot_options options;
    struct error e = { "" };
    struct keyslot slot;
    int r;

    if (keyslot_message_read(m, &options, &typed) < 0)
        return bus_reply_text(m, -EINVAL, KEYSLOT_MESSAGE_OPTIONS);
    r = add(data, &options, &typed, &slot, &recovery, &e);
    if (r >= 0)
        r = sd_bus_message_new_method_return(m, &reply);
    if (r >= 0)
        r = keyslot_message_append_one(reply, &slot, &recovery);
    return answer(m, r, reply, &e);
}

/* What the keyslot's own method gives. */
static int obtain(struct control *c, int slot, struct secret *ret, struct error *e)
{
    _cleanup_(open_lock_done) struct open_lock lock = OPEN_LOCK_NULL;
    _cleanup_(open_reply_done) struct open_reply reply = OPEN_REPLY_NULL;
    int r = open_lock_load(c->vault->lock, UINT32_C(1) << slot, &lock, e);

    if (r == 0)
        r = race_run(&lock, c->helpers, -1, OPEN_DEADLINE_MS, &reply);
    if (r < 0)
        return r;
    if (reply.slot >= 0) {
        *ret = secret_take(&reply.passphrase);
        return 0;
    }
    if (reply.n_failures == 0)
        return error_set(e, -EINVAL, "keyslot %d opens with a secret that a person has, which is missing here", slot);
    vault_note(c->vault, slot, false, reply.failures[0].text);
    return error_set(e, reply.failures[0].class == 'l' ? -EHOSTUNREACH : reply.failures[0].class == 'r' ? -EKEYREJECTED : -ENOSYS, "%s",
                     reply.failures[0].text);
}

static int test(struct control *c, int slot, struct secret *typed, struct keyslot *ret, struct error *e)
{
    _cleanup_(secret_done) struct secret passphrase = SECRET_NULL;
    int r;

    if (typed->size == 0)
        r = obtain(c, slot, &passphrase, e);
    else {
        r = recovery_key_normalise(typed->data, typed->size, &passphrase);
        if (r == -EINVAL) {
            passphrase = secret_take(typed);
            r = 0;
        }
    }
    return r < 0 ? r : vault_prove(c->vault, slot, &passphrase, ret, e);
}

static int read_secret_option(sd_bus_message *m, const char *key, void *data)
{
    return strcmp(key, "Secret") == 0 ? option_secret(m, data) : -EINVAL;
}

static int reply_no_slot(sd_bus_message *m)
{
    return bus_reply_text(m, -ENOENT, "keyslots have the numbers 0 to 7: see \"swarmctl docker keyslot ls\"");
}

static int method_test_keyslot(sd_bus_message *m, void *data, sd_bus_error *error _unused_)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    _cleanup_(secret_done) struct secret typed = SECRET_NULL;
    struct error e = { "" };
    struct keyslot proven;
    int32_t slot;
    int r = sd_bus_message_read(m, "i", &slot);

    if (r < 0)
        return r;
    if (options_read(m, read_secret_option, &typed) < 0)
        return bus_reply_text(m, -EINVAL, "the one option is Secret (h, a sealed memfd)");
    if (slot < 0 || slot >= KEYSLOTS_MAX)
        return reply_no_slot(m);
    r = test(data, slot, &typed, &proven, &e);
    if (r >= 0)
        r = sd_bus_message_new_method_return(m, &reply);
    if (r >= 0)
        r = keyslot_message_append_one(reply, &proven, NULL);
    return answer(m, r, reply, &e);
}

static int method_remove_keyslot(sd_bus_message *m, void *data, sd_bus_error *error _unused_)
{
    struct control *c = data;
    struct error e = { "" };
    int32_t slot;
    int r = sd_bus_message_read(m, "i", &slot);

    if (r < 0)
        return r;
    return slot < 0 || slot >= KEYSLOTS_MAX ? reply_no_slot(m) : answer_nothing(m, vault_remove(c->vault, slot, &e), &e);
}

#define METHOD(member, in, out, handler) SD_BUS_METHOD(member, in, out, handler, SD_BUS_VTABLE_UNPRIVILEGED)

const sd_bus_vtable control_vtable[] = {
    SD_BUS_VTABLE_START(0),
    METHOD("Info", NULL, "a{sv}", method_info),
    METHOD("Enroll", "a{sv}", NULL, method_enroll),
    METHOD("Forget", NULL, NULL, method_forget),
    SD_BUS_METHOD("Unlock", "h", NULL, method_unlock, SD_BUS_VTABLE_UNPRIVILEGED | SD_BUS_VTABLE_SENSITIVE),
    METHOD("ListKeyslots", NULL, "aa{sv}", method_list_keyslots),
    METHOD("FetchAdvertisement", "s", "a{sv}", method_fetch_advertisement),
    METHOD("AddKeyslot", "sa{sv}", "a{sv}", method_add_keyslot),
    METHOD("TestKeyslot", "ia{sv}", "a{sv}", method_test_keyslot),
    METHOD("RemoveKeyslot", "i", NULL, method_remove_keyslot),
    SD_BUS_VTABLE_END,
};
