/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The methods of keyslots as a client sees them: a whole manager, its helpers played. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/socket.h>

#include "../swarm/machine.h"
#include "../swarm/played.h"
#include "basic/cleanup.h"
#include "basic/memfd.h"
#include "bus/bus_object.h"

static sd_bus *client, *server;

static int admit(void *data _unused_, sd_bus_message *message, const struct bus_rule *rule)
{
    struct swarm_caller caller = { .uid = 0, .how = "test" };

    return rule->handler(m.swarm, message, &caller);
}

static struct bus_object object = { admit, NULL };

static sd_bus *connection(int fd, bool is_server)
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
        CHECK_OK(bus_object_add(bus, &object));
    CHECK_OK(sd_bus_start(bus));
    return bus;
}

static void connect_client(void)
{
    int fds[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    server = connection(fds[0], true);
    client = connection(fds[1], false);
}

static void turn(void)
{
    int r = sd_bus_process(server, NULL);

    if (client && sd_bus_process(client, NULL) <= 0 && r <= 0)
        (void) usleep(1000);
    (void) uv_run(&m.loop, UV_RUN_NOWAIT);
}

static int on_reply(sd_bus_message *reply, void *data, sd_bus_error *error _unused_)
{
    *(sd_bus_message **) data = sd_bus_message_ref(reply);
    return 1;
}

static sd_bus_message *reply; /* the last one */

/* The error's name without its prefix, "" for none. */
static const char *call(const char *method, const char *types, ...)
{
    static char name[64];
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
    const char *dot;
    va_list ap;

    CHECK_OK(sd_bus_message_new_method_call(client, &message, BUS_NAME, BUS_PATH, BUS_NAME, method));
    va_start(ap, types);
    CHECK_OK(sd_bus_message_appendv(message, types, ap));
    va_end(ap);
    reply = sd_bus_message_unref(reply);
    CHECK_OK(sd_bus_call_async(client, NULL, message, on_reply, &reply, 0));
    while (!reply)
        turn();
    if (!sd_bus_message_is_method_error(reply, NULL))
        return "";
    dot = strrchr(sd_bus_message_get_error(reply)->name, '.');
    (void) snprintf(name, sizeof(name), "%s", dot ? dot + 1 : "");
    return name;
}

static bool is(const char *got, const char *wanted)
{
    if (strcmp(got, wanted) == 0)
        return true;
    (void) fprintf(stderr, "%s instead of %s: %s\n", got, wanted, *got ? sd_bus_message_get_error(reply)->message : "");
    return false;
}

/* From the a{sv} that reply is, or has at its front; a value of one letter's type. */
static void value(const char *key, char type, void *ret)
{
    const char *name, types[] = { type, '\0' };

    CHECK_OK(sd_bus_message_rewind(reply, 1));
    if (sd_bus_message_has_signature(reply, "aa{sv}"))
        CHECK(sd_bus_message_enter_container(reply, 'a', "a{sv}") > 0);
    CHECK(sd_bus_message_enter_container(reply, 'a', "{sv}") > 0);
    while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
        CHECK_OK(sd_bus_message_read(reply, "s", &name));
        if (strcmp(name, key) == 0) {
            CHECK_OK(sd_bus_message_read(reply, "v", types, ret));
            return;
        }
        CHECK_OK(sd_bus_message_skip(reply, "v"));
        CHECK_OK(sd_bus_message_exit_container(reply));
    }
    (void) fprintf(stderr, "no %s\n", key);
    CHECK(false);
}

static void test_bad_requests(void)
{
    static const char long_url[300] = { [0 ... 298] = 'u' };
    int empty = memfd_new("", 0), plain = open("/dev/null", O_RDONLY | O_CLOEXEC);

    CHECK(empty >= 0 && plain >= 0);
    CHECK(is(call("AddKeyslot", "sa{sv}", "", 0), "Invalid") && is(call("AddKeyslot", "sa{sv}", "nonsense", 0), "Invalid"));
    CHECK(is(call("AddKeyslot", "sa{sv}", "nonsense", 1, "URLs", "as", 0), "Invalid"));
    CHECK(is(call("AddKeyslot", "sa{sv}", "tang", 0), "Invalid") && is(call("AddKeyslot", "sa{sv}", "tang", 1, "PCRs", "s", "7"), "Invalid"));
    CHECK(is(call("AddKeyslot", "sa{sv}", "tang", 1, "URLs", "s", "http://t1"), "Invalid"));
    CHECK(is(call("AddKeyslot", "sa{sv}", "tang", 2, "URLs", "as", 1, long_url, "TrustFirst", "b", 1), "Invalid"));
    CHECK(is(call("AddKeyslot", "sa{sv}", "tang", 2, "URLs", "as", 1, "", "TrustFirst", "b", 1), "Invalid"));
    CHECK(is(call("AddKeyslot", "sa{sv}", "tang", 2, "URLs", "as", 17, "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15",
                  "16", "17", "TrustFirst", "b", 1), "Invalid"));
    CHECK(is(call("AddKeyslot", "sa{sv}", "tang", 2, "URLs", "as", 2, "http://t1", "http://t1", "TrustFirst", "b", 1), "Invalid"));
    CHECK(is(call("AddKeyslot", "sa{sv}", "tang", 3, "URLs", "as", 1, "http://t1", "TrustFirst", "b", 1, "Threshold", "u", 2), "Invalid"));
    CHECK(is(call("AddKeyslot", "sa{sv}", "recovery", 1, "PCRs", "s", "7"), "Invalid") && is(call("AddKeyslot", "sa{sv}", "tpm2", 1, "PCRs", "u", 7), "Invalid"));
    CHECK(is(call("AddKeyslot", "sa{sv}", "passphrase", 0), "Invalid"));
    CHECK(is(call("AddKeyslot", "sa{sv}", "passphrase", 1, "Passphrase", "h", empty), "Invalid"));
    CHECK(is(call("AddKeyslot", "sa{sv}", "passphrase", 1, "Passphrase", "h", plain), "Invalid"));
    CHECK(is(call("TestKeyslot", "ia{sv}", 0, 1, "Secret", "h", empty), "Invalid") && is(call("TestKeyslot", "ia{sv}", 0, 1, "Else", "b", 1), "Invalid"));
    CHECK(is(call("TestKeyslot", "ia{sv}", 0, 0), "Invalid") && is(call("TestKeyslot", "ia{sv}", 7, 0), "NotFound"));
    CHECK(is(call("TestKeyslot", "ia{sv}", -1, 0), "NotFound") && is(call("TestKeyslot", "ia{sv}", 8, 0), "NotFound"));
    CHECK(is(call("RemoveKeyslot", "i", -1), "NotFound") && is(call("RemoveKeyslot", "i", 1 << 20), "NotFound"));
    CHECK(is(call("RefreshKeyslots", "a{sv}", 1, "Keyslot", "i", 9), "NotFound") && is(call("RefreshKeyslots", "a{sv}", 1, "Keyslot", "s", "0"), "Invalid"));
    CHECK(is(call("RefreshKeyslots", "a{sv}", 1, "Else", "b", 1), "Invalid") && is(call("FetchAdvertisement", "s", long_url), "Invalid"));
    CHECK(is(call("FetchAdvertisement", "s", ""), "Invalid"));
    (void) close(empty);
    (void) close(plain);
}

static void test_methods(const struct secret *unlock_key)
{
    _cleanup_(secret_done) struct secret recovery = SECRET_NULL;
    _cleanup_close_ int key = memfd_new(unlock_key->data, unlock_key->size);
    const char *text;
    uint64_t worked;
    int slot, fd;

    CHECK(is(call("FetchAdvertisement", "s", "http://t1"), ""));
    value("URL", 's', &text);
    CHECK(strcmp(text, "http://t1") == 0);
    CHECK(is(call("AddKeyslot", "sa{sv}", "tang", 2, "URLs", "as", 1, "http://t1", "Thumbprints", "as", 1, "thumbprint-http://t1"), ""));
    value("Keyslot", 'i', &slot);
    value("Kind", 's', &text);
    CHECK(slot > 0 && strcmp(text, "tang") == 0);
    CHECK(is(call("AddKeyslot", "sa{sv}", "tang", 2, "URLs", "as", 1, "http://t2", "Thumbprints", "as", 1, "thumbprint-http://t1"), "WrongKey"));
    CHECK(is(call("TestKeyslot", "ia{sv}", slot, 0), "") && is(call("TestKeyslot", "ia{sv}", slot, 1, "Secret", "h", key), "WrongKey"));
    CHECK(is(call("TestKeyslot", "ia{sv}", 0, 1, "Secret", "h", key), ""));
    servers = SERVER_UNREACHABLE;
    CHECK(is(call("TestKeyslot", "ia{sv}", slot, 0), "Unreachable") && is(call("FetchAdvertisement", "s", "http://t1"), "Unreachable"));
    servers = SERVER_ROTATED;
    CHECK(is(call("RefreshKeyslots", "a{sv}", 2, "Check", "b", 1, "Keyslot", "i", slot), ""));
    value("Result", 's', &text);
    CHECK(strcmp(text, "rotated") == 0);
    value("NewSlot", 'i', &fd);
    CHECK(fd == -1);
    servers = SERVER_CURRENT;
    CHECK(is(call("RemoveKeyslot", "i", slot), "") && is(call("RemoveKeyslot", "i", slot), "NotFound") && is(call("RemoveKeyslot", "i", 0), "InUse"));

    CHECK(is(call("AddKeyslot", "sa{sv}", "recovery", 0), ""));
    value("RecoveryKey", 'h', &fd);
    CHECK_OK(memfd_read(fd, 100, &recovery));
    CHECK(recovery.size == 71);
    value("Keyslot", 'i', &slot);
    CHECK(is(call("RemoveKeyslot", "i", slot), "") && is(call("ListKeyslots", ""), ""));
    value("Binding", 's', &text);
    CHECK(*text == '\0');
    value("Worked", 't', &worked);
    value("Note", 's', &text);
    CHECK(worked > 0 && *text == '\0'); /* by the test of slot 0 */
}

/* Who asked is gone before the answer is there. */
static void test_vanishing(void)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;

    servers = SERVER_HUNG;
    CHECK_OK(sd_bus_message_new_method_call(client, &message, BUS_NAME, BUS_PATH, BUS_NAME, "FetchAdvertisement"));
    CHECK_OK(sd_bus_message_append(message, "s", "http://t1"));
    CHECK_OK(sd_bus_send(client, message, NULL));
    while (hung == 0)
        turn();
    message = sd_bus_message_unref(message);
    reply = sd_bus_message_unref(reply);
    client = sd_bus_close_unref(client);
    for (int i = 0; i < 20; i++)
        turn();
    server = sd_bus_close_unref(server);
    stop();
    servers = SERVER_CURRENT;
}

int main(void)
{
    struct secret unlock_key = SECRET_NULL;
    uint32_t generation;

    machine_begin();
    played_begin();
    start();
    connect_client();
    CHECK(is(call("AddKeyslot", "sa{sv}", "recovery", 0), "NotManager") && is(call("RefreshKeyslots", "a{sv}", 0), "NotManager"));
    CHECK_OK(init(false, NULL, NULL));
    CHECK(is(call("AddKeyslot", "sa{sv}", "recovery", 0), "AutolockOff") && is(call("RemoveKeyslot", "i", 0), "AutolockOff"));
    CHECK_OK(new_key(SWARM_ENABLE_AUTOLOCK, &unlock_key, &generation));
    CHECK_OK(confirm(generation));
    test_bad_requests();
    test_methods(&unlock_key);
    test_vanishing();
    secret_done(&unlock_key);
    played_end();
    machine_end();
    return 0;
}
