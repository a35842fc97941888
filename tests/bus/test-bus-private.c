/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The private socket of a manager that is in no swarm, from the side of its peers: well behaved, hostile, and gone. Needs root. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "bus/bus_object.h"
#include "bus/bus_private.h"
#include "test.h"

#define NOBODY 65534
#define HANG_UP_MS 10000
#define CALLS 500 /* more than are answered in a row */

static char folder[] = "/tmp/test-bus-private-XXXXXX";
static char state[64], path[64], seal_socket[64];

static struct {
    uv_loop_t loop;
    uv_async_t quit;
    struct swarm *swarm;
    struct bus_private *private;
} m;

/* --- the manager, on a thread of its own */

static void on_state(void *data _unused_)
{
}

static void on_event(void *data _unused_, const struct swarm_event_info *info _unused_)
{
}

static void on_swarm_closed(void *data _unused_)
{
    bus_private_free(m.private);
    uv_close((uv_handle_t *) &m.quit, NULL);
}

static void on_quit(uv_async_t *async _unused_)
{
    swarm_close(m.swarm, on_swarm_closed, NULL);
}

static void *serve(void *data _unused_)
{
    CHECK_OK(uv_run(&m.loop, UV_RUN_DEFAULT));
    return NULL;
}

static void start(pthread_t *ret)
{
    struct swarm_config config = { .loop = &m.loop, .folder = state, .seal_socket = seal_socket, .hostname = "m1", .on_state = on_state,
                                   .on_event = on_event };
    struct error e = { "" };

    CHECK_OK(uv_loop_init(&m.loop));
    CHECK_OK(uv_async_init(&m.loop, &m.quit, on_quit));
    CHECK_OK(swarm_new(&config, &m.swarm));
    while (swarm_state(m.swarm) == SWARM_PENDING)
        (void) uv_run(&m.loop, UV_RUN_ONCE);
    CHECK_OK(bus_private_new(&m.loop, m.swarm, path, &m.private, &e));
    CHECK(pthread_create(ret, NULL, serve, NULL) == 0);
}

/* --- peers */

static int dial(void)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(a.sun_path, path, strlen(path));
    CHECK(fd >= 0);
    if (connect(fd, (const struct sockaddr *) &a, sizeof(a)) == 0)
        return fd;
    (void) close(fd);
    return -errno;
}

static void say(int fd, const void *data, size_t size)
{
    CHECK(send(fd, data, size, MSG_NOSIGNAL) == (ssize_t) size);
}

static bool hung_up(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    char buffer[256];

    while (poll(&p, 1, HANG_UP_MS) == 1)
        if (read(fd, buffer, sizeof(buffer)) <= 0)
            return true;
    return false;
}

static int call(sd_bus *bus, const char *method, sd_bus_error *error)
{
    return sd_bus_call_method(bus, BUS_NAME, BUS_PATH, BUS_NAME, method, error, NULL, NULL);
}

static sd_bus *try_client(void)
{
    _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
    char address[96];

    (void) snprintf(address, sizeof(address), "unix:path=%s", path);
    CHECK_OK(sd_bus_new(&bus));
    CHECK_OK(sd_bus_set_address(bus, address));
    if (sd_bus_start(bus) < 0 || call(bus, "Info", NULL) < 0)
        return NULL;
    return TAKE_PTR(bus);
}

/* One that is served. Places become free a little after peers have gone; who comes before is hung up on, at any step. */
static sd_bus *client(void)
{
    sd_bus *bus = NULL;

    for (int i = 0; i < 1000 && !(bus = try_client()); i++)
        (void) usleep(10000);
    CHECK(bus);
    return bus;
}

static void check_lives(void)
{
    sd_bus_close_unref(client());
}

/* --- tests */

static void test_root_calls(void)
{
    _cleanup_(sd_bus_error_free) sd_bus_error locked = SD_BUS_ERROR_NULL, unknown = SD_BUS_ERROR_NULL;
    _cleanup_(sd_bus_close_unrefp) sd_bus *bus = client();
    struct stat st;

    CHECK(stat(path, &st) == 0 && S_ISSOCK(st.st_mode) && (st.st_mode & 07777) == 0600);
    CHECK_OK(call(bus, "Info", NULL));
    CHECK(call(bus, "ListSecrets", &locked) < 0 && strcmp(locked.name, "org.swarm.Error.NotManager") == 0);
    CHECK(call(bus, "Nothing", &unknown) < 0 && strcmp(unknown.name, SD_BUS_ERROR_UNKNOWN_METHOD) == 0);
}

static int on_answer(sd_bus_message *m_, void *data, sd_bus_error *error _unused_)
{
    CHECK(!sd_bus_message_is_method_error(m_, NULL));
    ++*(unsigned *) data;
    return 1;
}

static void test_many_calls_in_a_row(void)
{
    _cleanup_(sd_bus_close_unrefp) sd_bus *bus = client();
    unsigned answers = 0;

    for (int i = 0; i < CALLS; i++)
        CHECK_OK(sd_bus_call_method_async(bus, NULL, BUS_NAME, BUS_PATH, BUS_NAME, "Info", on_answer, &answers, NULL));
    while (answers < CALLS) {
        int r = sd_bus_process(bus, NULL);

        CHECK_OK(r);
        if (r == 0)
            CHECK(sd_bus_wait(bus, HANG_UP_MS * 1000ULL) > 0);
    }
}

/* A call that has been read together with the authentication is answered: no poll tells of it. */
static void test_call_on_the_heels(void)
{
    static const char talk[] = "\0AUTH EXTERNAL 30\r\nBEGIN\r\n"
                               "l\1\0\1\0\0\0\0\1\0\0\0\x42\0\0\0"
                               "\1\1o\0\1\0\0\0/\0\0\0\0\0\0\0"
                               "\3\1s\0\4\0\0\0Ping\0\0\0\0"
                               "\2\1s\0\x19\0\0\0org.freedesktop.DBus.Peer\0\0\0\0\0\0"; /* and the literal's own end */
    struct pollfd p = { .events = POLLIN };
    char text[512], *end = NULL;
    size_t n = 0;
    ssize_t got;

    p.fd = dial();
    say(p.fd, talk, sizeof(talk));
    while (poll(&p, 1, HANG_UP_MS) == 1 && (got = read(p.fd, text + n, sizeof(text) - n)) > 0) {
        n += (size_t) got;
        end = memmem(text, n, "\r\n", 2);
        if (end && end + 2 + 16 < text + n)
            break;
    }
    CHECK(end && end + 2 + 16 < text + n && strncmp(text, "OK ", 3) == 0 && end[2] == 'l' && end[3] == SD_BUS_MESSAGE_METHOD_RETURN);
    (void) close(p.fd);
}

/* Whoever is not root, with the right to open the socket and without. */
static void try_as_nobody(mode_t mode, bool connects)
{
    int status;
    pid_t pid;

    CHECK(chmod(path, mode) == 0);
    pid = fork();
    if (pid == 0) {
        int fd;

        if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
            _exit(2);
        fd = dial();
        _exit(connects ? fd < 0 || !hung_up(fd) : fd != -EACCES);
    }
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(chmod(path, 0600) == 0);
}

static void test_others_are_refused(void)
{
    try_as_nobody(0600, false);
    try_as_nobody(0666, true);
}

static void talk_rubbish(const char *talk, size_t size)
{
    int fd = dial();

    say(fd, talk, size);
    CHECK(hung_up(fd));
    (void) close(fd);
}

/* The peer may try again, until its time is over. */
static void check_rejected(const char *talk, size_t size)
{
    struct pollfd p = { .fd = dial(), .events = POLLIN };
    char text[9] = "";

    say(p.fd, talk, size);
    CHECK(poll(&p, 1, HANG_UP_MS) == 1 && read(p.fd, text, 8) == 8 && strcmp(text, "REJECTED") == 0);
    (void) close(p.fd);
}

static void test_garbage(void)
{
    static const char http[] = "GET / HTTP/1.0\r\n\r\n", message[] = "\0AUTH EXTERNAL 30\r\nBEGIN\r\nthis is no message, whoever reads it";
    static const char anonymous[] = "\0AUTH ANONYMOUS\r\n", other[] = "\0AUTH EXTERNAL 31\r\n";

    talk_rubbish(http, sizeof(http) - 1);
    talk_rubbish(message, sizeof(message) - 1);
    check_rejected(anonymous, sizeof(anonymous) - 1);
    check_rejected(other, sizeof(other) - 1);
    check_lives();
}

static void test_too_many(void)
{
    int fds[BUS_PEERS_MAX], more;

    for (unsigned i = 0; i < BUS_PEERS_MAX; i++)
        CHECK((fds[i] = dial()) >= 0);
    more = dial();
    CHECK(more >= 0 && hung_up(more));
    (void) close(more);
    for (unsigned i = 0; i < BUS_PEERS_MAX; i++)
        (void) close(fds[i]);
    check_lives();
}

static void init_and_vanish(void)
{
    _cleanup_(sd_bus_close_unrefp) sd_bus *bus = client();
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;

    CHECK_OK(sd_bus_message_new_method_call(bus, &message, BUS_NAME, BUS_PATH, BUS_NAME, "Init"));
    CHECK_OK(sd_bus_message_append(message, "a{sv}", 1, "AdvertiseAddr", "s", "127.0.0.1"));
    CHECK_OK(sd_bus_send(bus, message, NULL));
}

static void test_vanishing(void)
{
    for (unsigned i = 0; i < BUS_PEERS_MAX + 8; i++)
        init_and_vanish();
    check_lives();
}

int main(void)
{
    pthread_t thread;
    int fd;

    if (geteuid() != 0) {
        (void) printf("only root may connect\n");
        return 77;
    }
    CHECK_OK(secret_init());
    CHECK(mkdtemp(folder) && chmod(folder, 0755) == 0);
    (void) snprintf(state, sizeof(state), "%s/state", folder);
    (void) snprintf(path, sizeof(path), "%s/private", folder);
    (void) snprintf(seal_socket, sizeof(seal_socket), "%s/seal", folder);
    CHECK(mkdir(state, 0700) == 0);
    fd = open(path, O_CREAT | O_CLOEXEC, 0666); /* what another left */
    CHECK(fd >= 0 && close(fd) == 0);

    start(&thread);
    test_root_calls();
    test_many_calls_in_a_row();
    test_call_on_the_heels();
    test_others_are_refused();
    test_garbage();
    test_too_many();
    test_vanishing();
    init_and_vanish(); /* under way while the manager ends */
    fd = dial();
    CHECK(uv_async_send(&m.quit) == 0);
    CHECK(hung_up(fd) && close(fd) == 0);
    CHECK(pthread_join(thread, NULL) == 0 && uv_loop_close(&m.loop) == 0);
    CHECK(access(path, F_OK) < 0 && errno == ENOENT);
    (void) snprintf(path, sizeof(path), "rm -r %s", folder);
    return system(path) == 0 ? 0 : 1;
}
