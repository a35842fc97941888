/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "keys/unlock_key.h"
#include "sealing.h"

#define PATIENCE_MS 300

char folder[] = "/tmp/test-docker-XXXXXX", state[64], questions[64], engine_path[64];
struct vault vault;
struct watcher watcher;
struct error e;

static char credentials[64], seal[64];
static const struct watcher_config config = { questions, "/nonexistent", PATIENCE_MS };
static volatile sig_atomic_t stopping;
static int stop = -1;
static pthread_t thread;

void sleep_ms(int ms)
{
    (void) nanosleep(&(struct timespec) { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L }, NULL);
}

struct secret new_text(void)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    struct secret text;

    CHECK_OK(unlock_key_generate(&key));
    CHECK_OK(unlock_key_format(&key, &text));
    return text;
}

void set_engine_key(const struct secret *text)
{
    char key[UNLOCK_KEY_TEXT_LEN + 1] = "";

    if (text)
        memcpy(key, text->data, UNLOCK_KEY_TEXT_LEN);
    fake_set_key(key);
}

static void *run(void *data _unused_)
{
    CHECK(watcher_run(&watcher, &e) == 0);
    return NULL;
}

void fixture_load(void)
{
    sealing_unseal(state, credentials);
    CHECK_OK(vault_load(&vault, state, seal, &e));
}

void agent_start(void)
{
    fixture_load();
    stopping = 0;
    stop = eventfd(0, EFD_CLOEXEC);
    CHECK_OK(watcher_open(&watcher, &config, &vault, stop, &stopping, &e));
    CHECK(pthread_create(&thread, NULL, run, NULL) == 0);
}

void agent_stop(void)
{
    stopping = 1;
    CHECK(write(stop, &(uint64_t) { 1 }, 8) == 8);
    CHECK(pthread_join(thread, NULL) == 0);
    watcher_done(&watcher);
    vault_done(&vault);
    (void) close(stop);
}

static void make_folders(void)
{
    char path[400];

    CHECK(mkdtemp(folder));
    (void) snprintf(state, sizeof(state), "%s/state", folder);
    (void) snprintf(questions, sizeof(questions), "%s/ask", folder);
    (void) snprintf(credentials, sizeof(credentials), "%s/credentials", folder);
    (void) snprintf(seal, sizeof(seal), "%s/seal.sock", folder);
    (void) snprintf(engine_path, sizeof(engine_path), "%s/engine.sock", folder);
    (void) snprintf(fake.root, sizeof(fake.root), "%s/docker", folder);
    CHECK(mkdir(state, 0700) == 0 && mkdir(questions, 0700) == 0 && mkdir(credentials, 0700) == 0 && mkdir(fake.root, 0700) == 0);
    (void) snprintf(path, sizeof(path), "%s/creds", state);
    CHECK(mkdir(path, 0700) == 0);
    (void) snprintf(path, sizeof(path), "%s/swarm", fake.root);
    CHECK(mkdir(path, 0700) == 0);
    (void) strcat(path, "/certificates");
    CHECK(mkdir(path, 0700) == 0);
    CHECK(setenv("CREDENTIALS_DIRECTORY", credentials, 1) == 0);
}

void fixture_begin(const struct secret *engine_key)
{
    make_folders();
    sealing_begin(seal);
    set_engine_key(engine_key);
    fake.is_manager = true;
    fake_begin(engine_path);
}

void fixture_end(void)
{
    char command[64];

    (void) snprintf(command, sizeof(command), "rm -rf %s", folder);
    CHECK(system(command) == 0);
}
