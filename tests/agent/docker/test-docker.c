/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The agent between a Docker Engine that is played here, a real lock, and a person who answers its questions. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "fixture.h"
#include "sealing.h"

static char answered[512]; /* the socket of the last question that was */

/* The question that stands, its text into ret; the path of its socket. */
static bool question(char *ret, char *ret_socket)
{
    DIR *d = opendir(questions);
    bool found = false;

    for (struct dirent *entry; !found && (entry = readdir(d));) {
        char path[400], line[512];
        FILE *f;

        if (strncmp(entry->d_name, "ask.", 4) != 0)
            continue;
        (void) snprintf(path, sizeof(path), "%s/%s", questions, entry->d_name);
        f = fopen(path, "re");
        while (f && fgets(line, sizeof(line), f)) {
            line[strcspn(line, "\n")] = '\0';
            if (strncmp(line, "Message=", 8) == 0)
                (void) strcpy(ret, line + 8);
            if (strncmp(line, "Socket=", 7) == 0)
                (void) strcpy(ret_socket, line + 7);
        }
        found = f != NULL;
        if (f)
            (void) fclose(f);
    }
    (void) closedir(d);
    return found;
}

static bool is_asked(const char *text)
{
    char message[512] = "", socket[512];

    return question(message, socket) && strstr(message, text);
}

/* Another one than was answered last. */
static bool is_asked_anew(const char *text)
{
    char message[512] = "", socket[512] = "";

    return question(message, socket) && strstr(message, text) && strcmp(socket, answered) != 0;
}

static void answer(const struct secret *text)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    char message[512], packet[128] = "+";
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    CHECK(question(message, a.sun_path));
    memcpy(packet + 1, text->data, text->size);
    CHECK(sendto(fd, packet, 1 + text->size, 0, (struct sockaddr *) &a, sizeof(a)) > 0);
    (void) close(fd);
    (void) strcpy(answered, a.sun_path);
}

static bool is_told(const char *text)
{
    struct watcher_status s;

    watcher_status(&watcher, &s);
    return strstr(s.trouble.text, text) != NULL;
}

static void move_in(const char *name)
{
    char from[400], to[400];
    int fd;

    (void) snprintf(from, sizeof(from), "%s/.new", folder);
    (void) snprintf(to, sizeof(to), "%s/%s", fake.root, name);
    fd = open(from, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && close(fd) == 0 && rename(from, to) == 0);
}

/* A person's key unlocks, and is given once. */
static void test_unlock(const struct secret *key)
{
    unsigned before = fake.n_unlocks, keys;

    fake_restart(true);
    WAIT_FOR(is_asked("Please enter the unlock key"));
    keys = fake.n_keys;
    CHECK(fake.n_unlocks == before && !vault_is_open(&vault));
    answer(key);
    WAIT_FOR(!fake.locked);
    WAIT_FOR(!is_asked(""));
    WAIT_FOR(vault_is_open(&vault));
    CHECK(fake.n_unlocks == before + 1);
    WAIT_FOR(fake.n_keys > keys); /* it has looked at what it unlocked */
}

/* The Engine writes its keys anew: that is all there is to see. */
static void test_rotation(struct secret *key)
{
    _cleanup_(secret_done) struct secret old = secret_take(key), newest = SECRET_NULL;

    *key = new_text();
    set_engine_key(key);
    sleep_ms(200);
    CHECK(vault_count(&vault) == 1);
    move_in("swarm/certificates/swarm-node.key");
    WAIT_FOR(vault_count(&vault) == 2);
    CHECK_OK(vault_key(&vault, 0, &newest));
    CHECK(newest.size == key->size && memcmp(newest.data, key->data, key->size) == 0);
    test_unlock(key);
    WAIT_FOR(vault_count(&vault) == 1); /* seen to start */
}

/* The old one is wanted once more by an Engine that was away: it is given when the new one was refused, and the new one stays. */
static void test_former(struct secret *key)
{
    _cleanup_(secret_done) struct secret old = secret_take(key);
    unsigned before = fake.n_unlocks;

    *key = new_text();
    set_engine_key(key);
    move_in("swarm/certificates/swarm-node.key");
    WAIT_FOR(vault_count(&vault) == 2);
    set_engine_key(&old);
    fake_restart(true);
    WAIT_FOR(is_asked("Please enter"));
    answer(key); /* opens the lock; the Engine refuses it */
    WAIT_FOR(!fake.locked);
    CHECK(fake.n_unlocks == before + 2);
    set_engine_key(key);
    move_in("swarm/certificates/swarm-node.key");
    WAIT_FOR(vault_count(&vault) == 2);
    test_unlock(key);
}

/* Nobody has seen the rotation: what is stored is given once, whatever happens; then a person is told why. */
static void test_unknown(struct secret *key)
{
    _cleanup_(secret_done) struct secret old = secret_take(key), wrong = new_text();
    unsigned before, keys;

    agent_stop();
    *key = new_text();
    set_engine_key(key);
    fake_restart(true);
    agent_start();
    before = fake.n_unlocks;
    WAIT_FOR(is_asked("Please enter"));
    answer(&old);
    WAIT_FOR(is_asked("refuse") || is_asked("Wrong"));
    CHECK(fake.n_unlocks == before + 1);
    for (int i = 0; i < 5; i++)
        move_in("swarm/docker-state.json");
    watcher_kick(&watcher);
    sleep_ms(1000);
    CHECK(fake.n_unlocks == before + 1);
    answer(&wrong);
    WAIT_FOR(fake.n_unlocks == before + 2);
    WAIT_FOR(is_asked_anew("Wrong key"));
    answer(&wrong);
    WAIT_FOR(is_asked_anew("Wrong key"));
    CHECK(fake.n_unlocks == before + 2);
    keys = fake.n_keys;
    answer(key);
    WAIT_FOR(fake.n_keys > keys);
    WAIT_FOR(!is_asked(""));
    sleep_ms(300);
    CHECK(!vault_is_open(&vault)); /* its lock has opened with the old key only; nothing but that is stored */
}

static double cpu_seconds(void)
{
    struct timespec t;

    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void test_bad_engine(enum fake_mode mode, const char *told)
{
    unsigned infos;
    double cpu;

    fake.mode = (int) mode;
    fake_restart(true);
    WAIT_FOR(is_told(told));
    infos = fake.n_infos;
    cpu = cpu_seconds();
    sleep_ms(2000);
    cpu = cpu_seconds() - cpu;
    (void) printf("mode %d: %.3f s of processor time in 2 s, %u looks\n", (int) mode, cpu, fake.n_infos - infos);
    CHECK(cpu < 0.3);
    fake.mode = FAKE_GOOD;
    fake_restart(true);
    watcher_kick(&watcher);
    WAIT_FOR(!is_told(told));
}

/* It connects, and may not do what it has to: told, and tried again with pauses. */
static void test_forbidden(const struct secret *key)
{
    unsigned before;

    fake.mode = FAKE_FORBIDS;
    fake_restart(false);
    WAIT_FOR(is_told("HTTP 403"));
    before = fake.n_infos;
    sleep_ms(3000);
    CHECK(fake.n_infos - before < 6);
    fake_restart(true);
    WAIT_FOR(is_asked("Please enter"));
    before = fake.n_unlocks;
    answer(key);
    WAIT_FOR(fake.n_unlocks == before + 1);
    WAIT_FOR(is_told("HTTP 403"));
    sleep_ms(1000);
    CHECK(fake.n_unlocks == before + 1);
    fake.mode = FAKE_GOOD;
}

static void test_no_socket(void)
{
    char away[80];

    (void) snprintf(away, sizeof(away), "%s.away", engine_path);
    CHECK(rename(engine_path, away) == 0);
    fake_restart(true);
    WAIT_FOR(is_told("there is no socket"));
    CHECK(rename(away, engine_path) == 0); /* seen at once, whatever the pauses */
    WAIT_FOR(!is_told("there is no socket"));
    if (geteuid() != 0)
        return;
    CHECK(rename(engine_path, away) == 0);
    CHECK(close(open(engine_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)) == 0); /* nobody listens */
    fake_restart(true);
    WAIT_FOR(is_told("nobody listens"));
    CHECK(rename(away, engine_path) == 0);
    WAIT_FOR(!is_told("nobody listens"));
}

/* Hangs up after each answer, so that nothing tells when it stops. */
static void test_closing_engine(void)
{
    unsigned before;

    fake.mode = FAKE_CLOSES;
    fake_restart(false);
    before = fake.n_infos;
    sleep_ms(3000);
    CHECK(fake.n_infos - before < 12);
    fake.mode = FAKE_GOOD;
}

/* A key that swarmctl brings. */
static void test_swarmctl(const struct secret *key)
{
    _cleanup_(secret_done) struct secret wrong = new_text(), right = SECRET_NULL;
    unsigned keys;

    fake_restart(true);
    WAIT_FOR(is_asked("Please enter"));
    CHECK(watcher_try(&watcher, &wrong, &e) == -EKEYREJECTED);
    CHECK_OK(secret_copy(key->data, key->size, &right));
    keys = fake.n_keys;
    CHECK_OK(watcher_try(&watcher, &right, &e));
    WAIT_FOR(!is_asked(""));
    WAIT_FOR(!fake.locked);
    CHECK_OK(secret_copy(key->data, key->size, &right));
    WAIT_FOR(fake.n_keys > keys);
    CHECK(watcher_try(&watcher, &right, &e) == -EALREADY);
}

static void test_seal_fails(struct secret *key)
{
    _cleanup_(secret_done) struct secret old = secret_take(key);

    seal_fails = true;
    *key = new_text();
    set_engine_key(key);
    move_in("swarm/certificates/swarm-node.key");
    sleep_ms(700);
    CHECK(vault_count(&vault) == 1);
    seal_fails = false;
    WAIT_FOR(vault_count(&vault) == 2);
}

int main(void)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;

    CHECK_OK(secret_init());
    key = new_text();
    fixture_begin(&key);
    fixture_load();
    CHECK(!vault_is_enrolled(&vault));
    CHECK_OK(vault_enroll(&vault, engine_path, &key, &e));
    CHECK(vault_enroll(&vault, engine_path, &key, &e) == -EEXIST);
    vault_done(&vault);
    agent_start();

    test_unlock(&key);
    test_rotation(&key);
    test_former(&key);
    test_swarmctl(&key);
    test_seal_fails(&key);
    test_unlock(&key);
    test_bad_engine(FAKE_HUNG, "does not answer within");
    test_bad_engine(FAKE_GARBAGE, "does not speak as Docker Engine");
    test_bad_engine(FAKE_JUNK, "has no valid form");
    test_bad_engine(FAKE_HUGE, "sends over");
    test_bad_engine(FAKE_FAILS, "out of ?[31m paper");
    test_forbidden(&key);
    test_unlock(&key);
    test_no_socket();
    test_closing_engine();
    test_unlock(&key);
    test_unknown(&key);
    CHECK_OK(vault_forget(&vault, &e));
    CHECK(!vault_is_enrolled(&vault));
    agent_stop();
    agent_start();
    CHECK(!vault_is_enrolled(&vault));
    agent_stop();
    fixture_end();
    return 0;
}
