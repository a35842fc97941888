/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-engine.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "test.h"

#define CONNECTIONS_MAX 256

struct fake fake;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int connections[CONNECTIONS_MAX], n_connections;

static bool say(int fd, const char *text)
{
    return send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t) strlen(text);
}

static bool answer(int fd, int status, const char *body)
{
    char head[256];

    (void) snprintf(head, sizeof(head), "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", status, strlen(body));
    return say(fd, head) && say(fd, body);
}

static bool answer_info(int fd)
{
    char body[1024];

    fake.n_infos++;
    (void) snprintf(body, sizeof(body), "{\"DockerRootDir\":\"%s\",\"Swarm\":{\"LocalNodeState\":\"%s\",\"ControlAvailable\":%s}}", fake.root,
                    fake.locked ? "locked" : "active", fake.locked || !fake.is_manager ? "false" : "true");
    return answer(fd, 200, body);
}

static bool answer_key(int fd)
{
    char body[128];

    if (fake.locked || !fake.is_manager)
        return answer(fd, 503, "{\"message\":\"Swarm is encrypted\"}");
    (void) pthread_mutex_lock(&mutex);
    (void) snprintf(body, sizeof(body), "{\"UnlockKey\":\"%s\"}", fake.key);
    (void) pthread_mutex_unlock(&mutex);
    fake.n_keys++;
    return answer(fd, 200, body);
}

static bool unlock(int fd, const char *request)
{
    char wanted[128];
    bool is_right;

    fake.n_unlocks++;
    (void) pthread_mutex_lock(&mutex);
    (void) snprintf(wanted, sizeof(wanted), "{\"UnlockKey\":\"%s\"}", fake.key);
    (void) pthread_mutex_unlock(&mutex);
    is_right = strstr(request, wanted) != NULL;
    if (!fake.locked)
        return answer(fd, 409, "{\"message\":\"swarm is not locked\"}");
    fake.n_refused += !is_right;
    if (!is_right)
        return answer(fd, 401, "{\"message\":\"swarm could not be unlocked: invalid key provided\"}");
    fake.locked = false;
    return answer(fd, 200, "");
}

static void huge(int fd)
{
    static char megabyte[1 << 20];

    memset(megabyte, '{', sizeof(megabyte));
    if (say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n"))
        for (int i = 0; i < 1024 && send(fd, megabyte, sizeof(megabyte), MSG_NOSIGNAL) > 0; i++)
            ;
}

/* Whether the connection stays. */
static bool serve_one(int fd, const char *request)
{
    switch (fake.mode) {
    case FAKE_HUNG:
        (void) pause();
        return false;
    case FAKE_GARBAGE:
        (void) say(fd, "\x01\x02 what? \n\n\n");
        return false;
    case FAKE_JUNK:
        return answer(fd, 200, "{\"Swarm\":7");
    case FAKE_HUGE:
        huge(fd);
        return false;
    case FAKE_FAILS:
        return answer(fd, 500, "{\"message\":\"out of \\u001b[31m paper\"}");
    }
    if (strncmp(request, "GET /info ", 10) == 0)
        return answer_info(fd) && fake.mode != FAKE_CLOSES;
    if (fake.mode == FAKE_FORBIDS) {
        fake.n_unlocks += strncmp(request, "POST", 4) == 0;
        return answer(fd, 403, "{\"message\":\"authorization denied by plugin\"}");
    }
    if (strncmp(request, "GET /swarm/unlockkey ", 21) == 0)
        return answer_key(fd);
    return strncmp(request, "POST /swarm/unlock ", 19) == 0 && unlock(fd, request);
}

static bool is_whole(const char *request)
{
    const char *end = strstr(request, "\r\n\r\n"), *length = strcasestr(request, "Content-Length: ");

    return end && (!length || strlen(end + 4) >= strtoul(length + 16, NULL, 10));
}

static void *serve(void *data)
{
    int fd = (int) (intptr_t) data;
    char request[8192];
    size_t n = 0;
    ssize_t got;

    while (n < sizeof(request) - 1 && (got = read(fd, request + n, sizeof(request) - 1 - n)) > 0) {
        n += (size_t) got;
        request[n] = '\0';
        if (!is_whole(request))
            continue;
        if (!serve_one(fd, request))
            break;
        n = 0;
    }
    (void) shutdown(fd, SHUT_RDWR); /* closed never: the number stays this connection's */
    return NULL;
}

static void *accept_all(void *data)
{
    int listening = (int) (intptr_t) data;

    for (;;) {
        int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
        pthread_t thread;

        if (fd < 0)
            return NULL;
        (void) pthread_mutex_lock(&mutex);
        CHECK(n_connections < CONNECTIONS_MAX);
        connections[n_connections++] = fd;
        (void) pthread_mutex_unlock(&mutex);
        CHECK(pthread_create(&thread, NULL, serve, (void *) (intptr_t) fd) == 0);
        (void) pthread_detach(thread);
    }
}

void fake_begin(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pthread_t thread;

    (void) signal(SIGPIPE, SIG_IGN);
    (void) snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *) &a, sizeof(a)) == 0 && listen(fd, 64) == 0);
    CHECK(pthread_create(&thread, NULL, accept_all, (void *) (intptr_t) fd) == 0);
    (void) pthread_detach(thread);
}

void fake_restart(bool locked)
{
    (void) pthread_mutex_lock(&mutex);
    fake.locked = locked;
    for (int i = 0; i < n_connections; i++)
        (void) shutdown(connections[i], SHUT_RDWR);
    (void) pthread_mutex_unlock(&mutex);
}

void fake_set_key(const char *key)
{
    (void) pthread_mutex_lock(&mutex);
    (void) snprintf(fake.key, sizeof(fake.key), "%s", key);
    (void) pthread_mutex_unlock(&mutex);
}
