/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reference's acceptance list where one manager shows it: test-acceptance NAME. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "basic/file.h"
#include "keys/keyslots.h"
#include "machine.h"

#define ROTATIONS 30

/* Certificates of this node, of whatever key; with remove they go. */
static unsigned n_chains(bool remove)
{
    char folder[PATH_MAX], path[PATH_MAX];
    const struct dirent *entry;
    unsigned n = 0;
    DIR *d;

    CHECK_OK(path_join(folder, state, "tls"));
    d = opendir(folder);
    CHECK(d);
    while ((entry = readdir(d))) {
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, "roots.pem") == 0)
            continue;
        n++;
        CHECK_OK(path_join(path, folder, entry->d_name));
        CHECK(!remove || unlink(path) == 0);
    }
    (void) closedir(d);
    return n;
}

static void unlocked(const struct secret *key)
{
    CHECK(swarm_state(m.swarm) == SWARM_LOCKED);
    CHECK_OK(unlock(key->data, key->size));
    settle();
    CHECK(swarm_state(m.swarm) == SWARM_ACTIVE && has("a"));
}

/* A key and its certificate are two files. Whichever is there alone: the manager starts, with a pair that fits. */
static void crash_between_key_and_certificate(void)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    uint32_t generation = 0;

    start();
    CHECK_OK(init(false, NULL, NULL));
    CHECK_OK(create("a"));
    CHECK(n_chains(false) == 1);
    CHECK_OK(new_key(SWARM_ENABLE_AUTOLOCK, &key, &generation));
    seal_fails = true;
    CHECK(confirm(generation) < 0 && n_chains(false) == 2); /* the new certificate, and no new key */
    stop();
    start();
    CHECK(swarm_state(m.swarm) == SWARM_ACTIVE && has("a"));
    settle();
    CHECK_OK(create("b"));
    stop();

    seal_fails = false;
    start();
    settle(); /* makes it good */
    CHECK(n_chains(false) == 1);
    stop();
    start();
    unlocked(&key);

    stop();
    CHECK(n_chains(true) == 1); /* the key, and no certificate */
    start();
    unlocked(&key);
    CHECK(n_chains(false) == 1 && has("b") && m.events[SWARM_EVENT_TROUBLE] == 0);
    CHECK_OK(leave(true));
    stop();
}

static bool opens(const struct secret *key)
{
    _cleanup_(secret_done) struct secret kek = SECRET_NULL;
    char lock[PATH_MAX];

    CHECK_OK(path_join(lock, state, "keyslots.luks"));
    return keyslots_open(lock, key, &kek, NULL, NULL) == 0;
}

static void thirty_times_rotate_and_restart(void)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    uint32_t generation = 0;

    start();
    CHECK_OK(init(true, &key, &generation));
    CHECK_OK(confirm(generation));
    CHECK_OK(create("a"));
    for (unsigned i = 0; i < ROTATIONS; i++) {
        _cleanup_(secret_done) struct secret old = secret_take(&key);

        CHECK_OK(new_key(SWARM_ROTATE_UNLOCK_KEY, &key, &generation));
        CHECK_OK(confirm(generation));
        CHECK(generation == i + 2 && opens(&key) && !opens(&old));
        stop();
        start();
        unlocked(&key);
    }
    CHECK(m.events[SWARM_EVENT_TROUBLE] == 0);
    CHECK_OK(leave(true));
    stop();
}

static const struct {
    const char *name;
    void (*run)(void);
} all[] = {
    { "crash-between-key-and-certificate", crash_between_key_and_certificate },
    { "thirty-times-rotate-and-restart", thirty_times_rotate_and_restart },
};

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (strcmp(all[i].name, argv[1]) == 0) {
            machine_begin();
            all[i].run();
            machine_end();
            return 0;
        }
    (void) fprintf(stderr, "there is no test %s\n", argv[1]);
    return 1;
}
