/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* swarm-agent-docker [STATE RUNTIME QUESTIONS HELPERS]: unlocks Docker Engine, whose key it keeps behind a lock of its own. Runs as root, whose socket
 * the Engine's is, without capabilities and without network. */
#include <errno.h>
#include <jansson.h>
#include <malloc.h>
#include <sodium.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "basic/file.h"
#include "docker/control.h"

#define PATIENCE_MS 20000 /* Docker may be slow to start */

static volatile sig_atomic_t stopping;
static int stop = -1;

static void on_signal(int number _unused_)
{
    static const uint64_t one = 1;
    int saved = errno;

    stopping = 1;
    (void) !write(stop, &one, sizeof(one));
    errno = saved;
}

static int take_signals(struct error *e)
{
    static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };
    struct sigaction action = { .sa_handler = on_signal };

    stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (stop < 0)
        return error_set(e, -errno, "cannot take signals: %s", strerror(errno));
    for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
        (void) sigaction(numbers[i], &action, NULL);
    (void) signal(SIGPIPE, SIG_IGN);
    return 0;
}

static void erase_and_free(void *p)
{
    if (p)
        sodium_memzero(p, malloc_usable_size(p));
    free(p);
}

static int run(const char *state, const char *runtime, const struct watcher_config *config, struct error *e)
{
    static char seal_socket[PATH_MAX], control_socket[PATH_MAX];
    static struct vault vault;
    static struct watcher watcher;
    static struct control control = { .watcher = &watcher, .vault = &vault };
    int r = take_signals(e);

    control.helpers = config->helpers;
    if (r == 0 && (path_join(seal_socket, config->helpers, "seal.sock") < 0 || path_join(control_socket, runtime, "docker") < 0))
        r = error_set(e, -ENAMETOOLONG, "a path is too long");
    if (r == 0)
        r = vault_load(&vault, state, seal_socket, e);
    if (r == 0)
        r = watcher_open(&watcher, config, &vault, stop, &stopping, e);
    if (r == 0)
        r = control_start(&control, control_socket, e);
    if (r < 0)
        return r;
    (void) sd_notify(0, "READY=1");
    r = watcher_run(&watcher, e);
    watcher_done(&watcher);
    return r;
}

int main(int argc, char *argv[])
{
    struct watcher_config config = { "/run/systemd/ask-password", "/run/swarm-helpers", PATIENCE_MS };
    const char *state = STATEDIR, *runtime = "/run/swarm-agent";
    struct error e = { "" };

    (void) umask(0077);
#if !defined(__SANITIZE_ADDRESS__)
    (void) prctl(PR_SET_DUMPABLE, 0);
#endif
    if (argc != 1 && argc != 5) {
        (void) fputs("swarm-agent-docker is started by swarm-agent-docker.service; see there\n", stderr);
        return 2;
    }
    if (argc == 5) {
        state = argv[1];
        runtime = argv[2];
        config = (struct watcher_config) { argv[3], argv[4], PATIENCE_MS };
    }
    json_set_alloc_funcs(malloc, erase_and_free);
    if (secret_init() < 0) {
        (void) fputs("cannot initialise libsodium\n", stderr);
        return 1;
    }
    if (run(state, runtime, &config, &e) < 0) {
        (void) fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    return 0;
}
