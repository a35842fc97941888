/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The socket of credentials before a real manager, from the side of what connects: as systemd does it, and as it does not. The cgroup tree is
 * a folder. Needs root. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../swarm/services.h"
#include "basic/cleanup.h"
#include "credentials/credentials.h"

#define LIMIT (1024U * 1024)
#define PATIENCE_MS 1500
#define PEERS_MAX 100
#define NOBODY 65534

static char folder[] = "/tmp/test-credentials-XXXXXX";
static char path[64], cgroups[64];
static struct node *const m1 = &nodes[0];
static struct credentials *credentials;
static unsigned refused, strangers;
static char why[ERROR_TEXT_MAX];
static unsigned char large[LIMIT];

static void on_served(void *data _unused_)
{
    if (credentials)
        credentials_review(credentials);
}

static void on_refused(void *data _unused_, const struct credentials_refusal *refusal)
{
    refused += refusal->unit != NULL;
    strangers += refusal->unit == NULL;
    (void) snprintf(why, sizeof(why), "%s", refusal->why);
}

static struct sockaddr_un place(void)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };

    memcpy(a.sun_path, path, strlen(path));
    return a;
}

/* What process 1 keeps. */
static int kept_fd = -1;
static char kept_name[CREDENTIALS_KEPT_MAX];

static void keep(void *data _unused_, int fd, const char *name, bool keeps)
{
    CHECK(keeps ? kept_fd < 0 : strcmp(name, kept_name) == 0);
    closep(&kept_fd);
    if (keeps)
        CHECK((kept_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3)) >= 0);
    (void) snprintf(kept_name, sizeof(kept_name), "%s", name);
}

static void start(struct node *n)
{
    const struct credentials_config config = {
        .loop = &loop, .swarm = n->swarm, .cgroups = cgroups, .keep = keep, .patience_ms = PATIENCE_MS, .peers_max = PEERS_MAX, .refused = on_refused,
    };
    struct sockaddr_un a = place();
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    (void) unlink(path);
    CHECK(fd >= 0 && bind(fd, (const struct sockaddr *) &a, sizeof(a)) == 0 && listen(fd, 4096) == 0);
    CHECK_OK(credentials_new(&config, fd, &credentials));
}

/* --- what connects */

struct client {
    int fd;
    size_t size;
    bool ended;
    unsigned char data[LIMIT + 2];
};

static int dial(const char *name)
{
    struct sockaddr_un self = { .sun_family = AF_UNIX }, a = place();
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    CHECK(fd >= 0);
    if (name) {
        memcpy(self.sun_path + 1, name, strlen(name));
        CHECK(bind(fd, (const struct sockaddr *) &self, (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name))) == 0);
    }
    CHECK(connect(fd, (const struct sockaddr *) &a, sizeof(a)) == 0);
    CHECK(shutdown(fd, SHUT_WR) == 0); /* as systemd does */
    return fd;
}

static struct client *client_new(const char *unit, const char *id)
{
    static unsigned number;
    struct client *c = calloc(1, sizeof(*c));
    char name[108];

    CHECK(c);
    (void) snprintf(name, sizeof(name), "%x/unit/%s/%s", ++number, unit, id);
    c->fd = dial(name);
    return c;
}

static void client_free(struct client *c)
{
    closep(&c->fd);
    free(c);
}
DEFINE_CLEANUP(struct client *, client_free)

/* systemd stops reading beyond the limit. */
static bool has_ended(struct client *c)
{
    ssize_t n;

    while (!c->ended && (n = read(c->fd, c->data + c->size, sizeof(c->data) - c->size)) != -1) {
        c->size += (size_t) n;
        c->ended = n == 0 || c->size > LIMIT;
    }
    return c->ended;
}

static bool gets(const char *unit, const char *id, const void *data, size_t size)
{
    _cleanup_(client_freep) struct client *c = client_new(unit, id);

    WAIT(has_ended(c));
    return c->size == size && memcmp(c->data, data, size) == 0;
}

/* More than systemd takes, and nothing of any secret in it. */
static bool is_refused(const char *unit, const char *id)
{
    _cleanup_(client_freep) struct client *c = client_new(unit, id);

    WAIT(has_ended(c));
    for (size_t i = 0; i < c->size; i++)
        if (c->data[i] != 0)
            return false;
    return c->size > LIMIT;
}

static void on_time(uv_timer_t *timer _unused_)
{
}

static void turn_for(unsigned milliseconds)
{
    uint64_t until = uv_hrtime() + milliseconds * UINT64_C(1000000);
    uv_timer_t timer;

    CHECK_OK(uv_timer_init(&loop, &timer));
    while (uv_hrtime() < until) {
        CHECK_OK(uv_timer_start(&timer, on_time, 20, 0));
        (void) uv_run(&loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *) &timer, NULL);
    (void) uv_run(&loop, UV_RUN_NOWAIT);
}

static void put_cgroup(const char *unit)
{
    _cleanup_fclose_ FILE *f = NULL;
    char name[256];

    (void) snprintf(name, sizeof(name), "%s/system.slice", cgroups);
    CHECK(mkdir(name, 0755) == 0 || errno == EEXIST);
    (void) snprintf(name, sizeof(name), "%s/system.slice/%s", cgroups, unit);
    CHECK(mkdir(name, 0755) == 0 || errno == EEXIST);
    (void) strcat(name, "/cgroup.procs");
    f = fopen(name, "we");
    CHECK(f && fprintf(f, "%ld\n", (long) getpid()) > 0);
}

/* --- tests */

static void test_before_a_swarm(void)
{
    CHECK(is_refused("web.service", "pw"));
    CHECK(refused == 1 && strstr(why, "in no swarm"));
}

static void test_granted(void)
{
    for (size_t i = 0; i < sizeof(large); i++)
        large[i] = (unsigned char) (i * 7 + 1);
    CHECK_OK(put_secret(m1, "pw", "hunter2", 7));
    CHECK_OK(put_secret(m1, "other", "swordfish", 9));
    CHECK_OK(put_secret(m1, "large", large, STORE_SECRET_MAX));
    CHECK_OK(put_service(m1, "web", &(struct grant_spec) { .unit = "web.service", .secret = "pw" }));
    CHECK_OK(put_service(m1, "big", &(struct grant_spec) { .unit = "big@*.service", .secret = "large" }));
    CHECK_OK(put_service(m1, "none", &(struct grant_spec) { .unit = "*.service", .secret = "other", .constraint = "node.role", .value = "worker" }));
    CHECK(gets("web.service", "pw", "hunter2", 7));
    CHECK(gets("big@1.service", "large", large, STORE_SECRET_MAX));
    CHECK(gets("big@2.service", "large", large, STORE_SECRET_MAX));
}

static void test_refused(void)
{
    refused = strangers = 0;
    CHECK(is_refused("web.service", "other"));
    CHECK(strstr(why, "service web") && strstr(why, "other"));
    CHECK(is_refused("web.service", "nothing"));
    CHECK(is_refused("db.service", "pw"));
    CHECK(strstr(why, "--unit db.service --secret pw"));
    CHECK(is_refused("big@1.service", "pw"));
    CHECK(refused == 4 && strangers == 0);
}

static void test_strangers(void)
{
    _cleanup_(client_freep) struct client *nameless = calloc(1, sizeof(*nameless)), *odd = calloc(1, sizeof(*odd));
    int status;
    pid_t pid;

    strangers = 0;
    CHECK(is_refused("elsewhere.service", "pw")); /* we are not in its cgroup */
    CHECK(strangers == 1 && strstr(why, "not in the cgroup of elsewhere.service"));
    nameless->fd = dial(NULL);
    WAIT(has_ended(nameless));
    CHECK(nameless->size > LIMIT);
    odd->fd = dial("1/unit/web.service");
    WAIT(has_ended(odd));
    CHECK(odd->size > LIMIT && strangers == 3 && strstr(why, "only systemd"));
    CHECK(chmod(path, 0666) == 0);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        char byte;

        if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
            _exit(2);
        status = dial("77/unit/web.service/pw");
        (void) fcntl(status, F_SETFL, 0);
        _exit(read(status, &byte, 1) != 0);
    }
    while (waitpid(pid, &status, WNOHANG) == 0)
        turn_for(20);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Silent ones go in time, and do not keep others out. */
static void test_hanging(void)
{
    struct client *hanging[40];
    char rest[4096];
    ssize_t n;

    for (size_t i = 0; i < ELEMENTSOF(hanging); i++)
        hanging[i] = client_new("big@1.service", "large");
    CHECK(gets("web.service", "pw", "hunter2", 7));
    turn_for(PATIENCE_MS + 1000);
    for (size_t i = 0; i < ELEMENTSOF(hanging); i++) {
        while ((n = read(hanging[i]->fd, rest, sizeof(rest))) > 0)
            hanging[i]->size += (size_t) n;
        CHECK(n == 0 && hanging[i]->size < STORE_SECRET_MAX);
        client_free(hanging[i]);
    }
}

static bool all_have_ended(struct client **clients, unsigned n)
{
    bool all = true;

    for (unsigned i = 0; i < n; i++)
        all &= has_ended(clients[i]);
    return all;
}

/* More than are let in at once, and more than that of strangers. */
static void test_crowd(void)
{
    enum { CROWD = PEERS_MAX + 50 };
    static struct client *crowd[CROWD > 2 * CREDENTIALS_STRANGERS_MAX ? CROWD : 2 * CREDENTIALS_STRANGERS_MAX];

    for (unsigned i = 0; i < 2 * CREDENTIALS_STRANGERS_MAX; i++)
        crowd[i] = client_new("elsewhere.service", "pw");
    turn_for(100);
    CHECK(gets("web.service", "pw", "hunter2", 7));
    for (unsigned i = 0; i < 2 * CREDENTIALS_STRANGERS_MAX; i++)
        client_free(crowd[i]);
    for (unsigned i = 0; i < CROWD; i++)
        crowd[i] = client_new("big@1.service", "large");
    turn_for(300);
    CHECK(recv(crowd[0]->fd, crowd[0]->data, 1, MSG_PEEK) == 1 && recv(crowd[CROWD - 1]->fd, crowd[0]->data, 1, MSG_PEEK) < 0);
    WAIT(all_have_ended(crowd + PEERS_MAX, CROWD - PEERS_MAX));
    for (unsigned i = PEERS_MAX; i < CROWD; i++)
        CHECK(crowd[i]->size == STORE_SECRET_MAX);
    for (unsigned i = 0; i < CROWD; i++)
        client_free(crowd[i]);
    CHECK(gets("web.service", "pw", "hunter2", 7));
}

/* While the manager is locked nobody is even let in: who waits survives its end. */
static void test_locked(struct secret *key)
{
    struct client *waits, *gone;

    credentials_close(TAKE_PTR(credentials));
    node_stop(m1);
    node_start(m1);
    CHECK(swarm_state(m1->swarm) == SWARM_LOCKED);
    start(m1);
    waits = client_new("web.service", "pw");
    gone = client_new("web.service", "pw");
    turn_for(200);
    CHECK(!has_ended(waits));
    client_free(gone);
    CHECK_OK(node_unlock(m1, key));
    on_served(NULL); /* as the daemon does when the state changes */
    WAIT(has_ended(waits));
    CHECK(waits->size == 7 && memcmp(waits->data, "hunter2", 7) == 0);
    client_free(waits);
}

/* A worker that knows only what it had on disk lets the others wait, if need be for the process after it. */
static void test_kept(const struct secret *key)
{
    struct node *w = &nodes[1];
    struct client *waits;
    char name[CREDENTIALS_KEPT_MAX];

    credentials_close(TAKE_PTR(credentials));
    CHECK_OK(put_service(m1, "disk", &(struct grant_spec) { .unit = "db.service", .secret = "pw", .offline = true }));
    node_start(w);
    CHECK_OK(node_join(w, m1, PB__ROLE__WORKER));
    WAIT(node_file_exists(w, "offline"));
    node_stop(w);
    node_stop(m1);
    node_start(w);
    start(w);
    CHECK(gets("db.service", "pw", "hunter2", 7));
    waits = client_new("web.service", "pw");
    turn_for(200);
    CHECK(!has_ended(waits) && kept_fd >= 0);
    (void) strcpy(name, kept_name);
    credentials_close(TAKE_PTR(credentials));
    turn_for(200);
    CHECK(!has_ended(waits) && kept_fd >= 0);
    start(w);
    credentials_adopt(credentials, fcntl(kept_fd, F_DUPFD_CLOEXEC, 3), name);
    node_start(m1);
    CHECK_OK(node_unlock(m1, key));
    WAIT(has_ended(waits));
    CHECK(waits->size == 7 && memcmp(waits->data, "hunter2", 7) == 0 && kept_fd < 0);
    client_free(waits);
}

int main(void)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    char command[96];

    if (geteuid() != 0) {
        (void) printf("only root is served\n");
        return 77;
    }
    CHECK(mkdtemp(folder) && chmod(folder, 0755) == 0);
    (void) snprintf(path, sizeof(path), "%s/sock", folder);
    (void) snprintf(cgroups, sizeof(cgroups), "%s/cgroups", folder);
    CHECK(mkdir(cgroups, 0755) == 0);
    put_cgroup("web.service");
    put_cgroup("db.service");
    put_cgroup("big@1.service");
    put_cgroup("big@2.service");
    managers_begin();
    managers_on_served = on_served;
    node_start(m1);
    start(m1);
    test_before_a_swarm();
    CHECK_OK(node_init(m1, true, &key));
    test_granted();
    test_refused();
    test_strangers();
    test_hanging();
    test_crowd();
    test_locked(&key);
    test_kept(&key);
    credentials_close(TAKE_PTR(credentials));
    managers_end();
    (void) snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command) == 0 ? 0 : 1;
}
