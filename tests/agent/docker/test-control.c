/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What swarmctl asks of Docker's agent, over real sockets. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/memfd.h"
#include "docker/control_private.h"
#include "fixture.h"

#define NOBODY 65534

static struct control control = { &watcher, &vault, "/nonexistent" };
static char path[80];
static sd_bus *bus;

static sd_bus *dial(void)
{
    char address[100];
    sd_bus *new;

    (void) snprintf(address, sizeof(address), "unix:path=%s", path);
    CHECK_OK(sd_bus_new(&new));
    CHECK_OK(sd_bus_set_address(new, address));
    CHECK_OK(sd_bus_negotiate_fds(new, 1));
    CHECK_OK(sd_bus_start(new));
    return new;
}

#define CALL(method, error, reply, ...) sd_bus_call_method(bus, NULL, CONTROL_PATH, CONTROL_NAME, method, error, reply, __VA_ARGS__)

static bool says(sd_bus_error *error, const char *text)
{
    bool found = error->message && strstr(error->message, text);

    if (!found)
        (void) fprintf(stderr, "it says: %s\n", error->message ? error->message : "nothing");
    sd_bus_error_free(error);
    return found;
}

/* The call fails, and says text. */
#define CHECK_REFUSED(text, method, ...)                     \
    do {                                                     \
        sd_bus_error _error = SD_BUS_ERROR_NULL;             \
                                                             \
        CHECK(CALL(method, &_error, NULL, __VA_ARGS__) < 0); \
        CHECK(says(&_error, text));                          \
    } while (0)

/* The value of key in a dictionary, with sd_bus_message_read's type; false when it is not there. */
static bool value(sd_bus_message *m, const char *key, const char *type, void *ret)
{
    bool found = false;
    const char *name;

    CHECK_OK(sd_bus_message_rewind(m, true));
    CHECK(sd_bus_message_enter_container(m, 'a', "{sv}") > 0);
    while (!found && sd_bus_message_enter_container(m, 'e', "sv") > 0) {
        CHECK(sd_bus_message_read(m, "s", &name) > 0);
        found = strcmp(name, key) == 0;
        CHECK_OK(found ? sd_bus_message_read(m, "v", type, ret) : sd_bus_message_skip(m, "v"));
        CHECK_OK(sd_bus_message_exit_container(m));
    }
    return found;
}

/* Of a number or a flag. */
static bool info(const char *key, const char *type, void *ret)
{
    sd_bus_message *reply = NULL;
    bool found;

    CHECK_OK(CALL("Info", NULL, &reply, NULL));
    found = value(reply, key, type, ret);
    sd_bus_message_unref(reply);
    return found;
}

static bool is_enrolled(void)
{
    int flag;

    CHECK(info("Enrolled", "b", &flag));
    return flag;
}

static int n_keyslots(void)
{
    sd_bus_message *reply = NULL;
    int n = 0;

    CHECK_OK(CALL("ListKeyslots", NULL, &reply, NULL));
    CHECK(sd_bus_message_enter_container(reply, 'a', "a{sv}") > 0);
    while (sd_bus_message_skip(reply, "a{sv}") > 0)
        n++;
    sd_bus_message_unref(reply);
    return n;
}

static void test_enroll(void)
{
    uint32_t keys;

    CHECK(!is_enrolled());
    CHECK_REFUSED("absolute", "Enroll", "a{sv}", 1, "Socket", "s", "docker.sock");
    CHECK_REFUSED("the one option is Socket", "Enroll", "a{sv}", 1, "Path", "s", engine_path);
    CHECK_REFUSED("there is no socket", "Enroll", "a{sv}", 1, "Socket", "s", "/nonexistent/docker.sock");
    fake.locked = true;
    CHECK_REFUSED("Docker Engine is locked", "Enroll", "a{sv}", 1, "Socket", "s", engine_path);
    fake.locked = false;
    fake.is_manager = false;
    CHECK_REFUSED("a worker of its swarm", "Enroll", "a{sv}", 1, "Socket", "s", engine_path);
    fake.is_manager = true;
    CHECK(!is_enrolled());
    for (int i = 0; i < 2; i++) /* again changes nothing */
        CHECK_OK(CALL("Enroll", NULL, NULL, "a{sv}", 1, "Socket", "s", engine_path));
    CHECK(is_enrolled() && info("Keys", "u", &keys) && keys == 1 && n_keyslots() == 1);
}

/* A recovery key is told once, a passphrase is the caller's; each opens what it is for and nothing else. */
static void test_keyslots(void)
{
    sd_bus_message *added = NULL, *passphrase = NULL;
    int fd = memfd_new("correct horse", 13), wrong = memfd_new("battery", 7), none, recovery, slot, other;

    CHECK_REFUSED("unknown kind", "AddKeyslot", "sa{sv}", "key", 0);
    CHECK_OK(CALL("AddKeyslot", NULL, &added, "sa{sv}", "recovery", 0));
    CHECK(value(added, "Keyslot", "i", &slot) && value(added, "RecoveryKey", "h", &recovery));
    CHECK_OK(CALL("AddKeyslot", NULL, &passphrase, "sa{sv}", "passphrase", 1, "Passphrase", "h", fd));
    CHECK(value(passphrase, "Keyslot", "i", &other) && other != slot && !value(passphrase, "RecoveryKey", "h", &none));
    CHECK(n_keyslots() == 3);
    CHECK_OK(CALL("TestKeyslot", NULL, NULL, "ia{sv}", slot, 1, "Secret", "h", recovery));
    CHECK_OK(CALL("TestKeyslot", NULL, NULL, "ia{sv}", other, 1, "Secret", "h", fd));
    CHECK_REFUSED("does not open", "TestKeyslot", "ia{sv}", other, 1, "Secret", "h", wrong);
    CHECK_REFUSED("does not open", "TestKeyslot", "ia{sv}", slot, 1, "Secret", "h", fd);
    CHECK_REFUSED("a secret that a person has", "TestKeyslot", "ia{sv}", slot, 0);
    CHECK_REFUSED("the one option is Secret", "TestKeyslot", "ia{sv}", slot, 1, "Key", "h", fd);
    CHECK_REFUSED("0 to 7", "TestKeyslot", "ia{sv}", 8, 0);
    CHECK_REFUSED("0 to 7", "RemoveKeyslot", "i", -1);
    CHECK_OK(CALL("RefreshKeyslots", NULL, NULL, "a{sv}", 0)); /* none has a server */
    CHECK_REFUSED("no keyslot 3", "RefreshKeyslots", "a{sv}", 1, "Keyslot", "i", 3);
    CHECK_REFUSED("no helper", "FetchAdvertisement", "s", "http://t1");
    CHECK_REFUSED("thumbprint", "AddKeyslot", "sa{sv}", "tang", 1, "URLs", "as", 1, "http://t1");
    CHECK_OK(CALL("RemoveKeyslot", NULL, NULL, "i", other));
    CHECK(n_keyslots() == 2);
    CHECK_REFUSED("has no keyslot", "RemoveKeyslot", "i", other);
    sd_bus_message_unref(added);
    sd_bus_message_unref(passphrase);
    (void) close(fd);
    (void) close(wrong);
}

static void test_unlock(const struct secret *key)
{
    _cleanup_(secret_done) struct secret stranger = new_text();
    int right = memfd_new(key->data, key->size), wrong = memfd_new(stranger.data, stranger.size), empty = memfd_new("", 0), asks;

    CHECK_REFUSED("is not locked", "Unlock", "h", right);
    fake_restart(true);
    WAIT_FOR(info("Asks", "b", &asks) && asks);
    CHECK_REFUSED("in a sealed memfd", "Unlock", "h", empty);
    CHECK_REFUSED("refuses this key", "Unlock", "h", wrong);
    CHECK_REFUSED("in a sealed memfd", "Unlock", "h", STDIN_FILENO);
    CHECK_OK(CALL("Unlock", NULL, NULL, "h", right));
    CHECK(!fake.locked);
    (void) close(right);
    (void) close(wrong);
    (void) close(empty);
}

static bool hung_up(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    char c;

    return poll(&p, 1, WAIT_MS) == 1 && read(fd, &c, 1) <= 0;
}

static int connect_raw(void)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void) strcpy(a.sun_path, path);
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *) &a, sizeof(a)) == 0);
    return fd;
}

static void test_crowd(void)
{
    int fds[CONTROL_CONNECTIONS_MAX];

    for (int i = 0; i < CONTROL_CONNECTIONS_MAX; i++) /* one place is this test's own */
        fds[i] = connect_raw();
    CHECK(hung_up(fds[CONTROL_CONNECTIONS_MAX - 1]));
    CHECK(is_enrolled());
    for (int i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
        (void) close(fds[i]);
}

static void test_stranger(void)
{
    int status;
    pid_t pid;

    if (geteuid() != 0)
        return;
    CHECK(chmod(folder, 0755) == 0 && chmod(path, 0777) == 0);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        _exit(setgid(NOBODY) == 0 && setuid(NOBODY) == 0 && hung_up(connect_raw()) ? 0 : 1);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

int main(void)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;

    CHECK_OK(secret_init());
    key = new_text();
    fixture_begin(&key);
    agent_start();
    (void) snprintf(path, sizeof(path), "%s/control", folder);
    CHECK_OK(control_start(&control, path, &e));
    bus = dial();
    test_enroll();
    test_keyslots();
    test_unlock(&key);
    test_crowd();
    test_stranger();
    CHECK_OK(CALL("Forget", NULL, NULL, NULL));
    CHECK(!is_enrolled());
    CHECK_REFUSED("nothing is enrolled", "ListKeyslots", NULL);
    bus = sd_bus_flush_close_unref(bus);
    agent_stop();
    fixture_end();
    return 0;
}
