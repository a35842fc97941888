/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "token/enroll.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "token/capture.h"
#include "token/plugin.h"
#include "token/scratch.h"
#include "token/token_json.h"
#include "token/tpm.h"

#define PROGRAM "systemd-cryptenroll"
#define KEY_SIZE 32

extern char **environ;

static inline void actions_done(posix_spawn_file_actions_t *a)
{
    (void) posix_spawn_file_actions_destroy(a);
}

/* The files keep their numbers, which their names in the child's arguments have. */
static int start(char *const argv[], int key, int header, pid_t *ret)
{
    _cleanup_(actions_done) posix_spawn_file_actions_t actions;
    int r = posix_spawn_file_actions_init(&actions);

    if (r == 0)
        r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&actions, key, key);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&actions, header, header);
    if (r == 0)
        r = posix_spawnp(ret, argv[0], &actions, NULL, argv, environ);
    return -r;
}

static int wait_for(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ECHILD;
}

static int failed(int code, const char *said, struct error *e)
{
    const char *line;
    size_t n = last_line(said, &line);

    if (code == -ENOENT)
        return error_set(e, -EOPNOTSUPP, "cannot run " PROGRAM ": install systemd-cryptsetup");
    if (code != -ECHILD)
        return error_set(e, code, "cannot run " PROGRAM ": %s", strerror(-code));
    return error_set(e, -EKEYREJECTED, PROGRAM " failed: %.*s", n > 0 ? (int) n : 11, n > 0 ? line : "see journal");
}

/* key opens the header's keyslot 0. */
static int run(const struct enroll_request *request, int key, const struct scratch *scratch, struct error *e)
{
    _cleanup_(capture_done) struct capture capture = CAPTURE_NULL;
    char unlock[64], pcrs[PCRS_TEXT_MAX + 32], header[sizeof(scratch->path)], said[CAPTURE_TEXT_MAX];
    char program[] = PROGRAM, device[] = "--tpm2-device=auto"; /* "auto" looks at TPM_VARIABLE */
    char *argv[] = { program, device, unlock, header, request->has_pcrs ? pcrs : NULL, NULL };
    pid_t pid;
    int r;

    (void) snprintf(unlock, sizeof(unlock), "--unlock-key-file=/proc/self/fd/%d", key);
    (void) snprintf(pcrs, sizeof(pcrs), "--tpm2-pcrs=%s", request->pcrs);
    (void) snprintf(header, sizeof(header), "%s", scratch->path);
    r = capture_begin(&capture);
    if (r < 0)
        return error_set(e, r, "cannot listen to " PROGRAM ": %s", strerror(-r));
    r = start(argv, key, scratch->fd, &pid);
    if (r == 0)
        r = wait_for(pid);
    capture_end(&capture, said);
    return r < 0 ? failed(r, said, e) : 0;
}

/* The bytes as a file for the child. */
static int key_file(const struct secret *key)
{
    _cleanup_close_ int fd = memfd_create("key", MFD_CLOEXEC);

    if (fd < 0 || fchmod(fd, 0600) < 0)
        return -errno;
    if (pwrite(fd, key->data, key->size, 0) != (ssize_t) key->size)
        return -EIO;
    return take_fd(&fd);
}

static int enroll(const struct enroll_request *request, struct scratch *scratch, struct error *e)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    _cleanup_close_ int fd = -1;
    int r = secret_random(KEY_SIZE, &key);

    if (r < 0)
        return error_set(e, r, "no memory for a key");
    r = scratch_add_key(scratch, &key, e);
    if (r < 0)
        return r;
    fd = key_file(&key);
    if (fd < 0)
        return error_set(e, fd, "cannot hand a key to " PROGRAM ": %s", strerror(-fd));
    r = run(request, fd, scratch, e);
    return r < 0 ? r : scratch_reload(scratch, e);
}

/* The passphrase comes from the TPM, as it will when it is needed. */
static int prove(struct scratch *scratch, const char *json, size_t size, int id, int slot, struct token *ret_token,
                 struct secret *ret_passphrase, struct error *e)
{
    _cleanup_(token_done) struct token token = TOKEN_NULL;
    _cleanup_(secret_done) struct secret passphrase = SECRET_NULL;
    int r = token_parse(json, size, &token, e);

    if (r < 0)
        return r;
    r = plugin_open(scratch, id, &token, &passphrase, e);
    if (r < 0)
        return r;
    r = scratch_try(scratch, slot, &passphrase);
    if (r < 0)
        return error_set(e, -EKEYREJECTED, "the TPM gave back another passphrase than it was given: %s", strerror(-r));
    *ret_token = token;
    token = TOKEN_NULL;
    *ret_passphrase = secret_take(&passphrase);
    return 0;
}

static int compose(const struct token *token, const struct secret *passphrase, struct secret *ret)
{
    size_t n = strlen(token->json) + 1;
    int r = secret_new(n + passphrase->size, ret);

    if (r < 0)
        return r;
    memcpy(ret->data, token->json, n);
    memcpy(ret->data + n, passphrase->data, passphrase->size);
    return 0;
}

int token_enroll(const struct enroll_request *request, struct secret *ret_reply, struct error *e)
{
    _cleanup_(scratch_done) struct scratch scratch = SCRATCH_NULL;
    _cleanup_(token_done) struct token token = TOKEN_NULL;
    _cleanup_(secret_done) struct secret passphrase = SECRET_NULL;
    const char *json = NULL;
    int id, slot = -1, r = tpm_check(e);

    if (r < 0)
        return r;
    r = scratch_new(&scratch, e);
    if (r < 0)
        return r;
    r = enroll(request, &scratch, e);
    if (r < 0)
        return r;
    id = scratch_find(&scratch, token_type(TOKEN_TPM2), &slot);
    if (id < 0 || crypt_token_json_get(scratch.cd, id, &json) < 0)
        return error_set(e, -EKEYREJECTED, PROGRAM " has enrolled nothing: see its journal");
    r = prove(&scratch, json, strlen(json), id, slot, &token, &passphrase, e);
    if (r != 0)
        return r;
    r = compose(&token, &passphrase, ret_reply);
    return r < 0 ? error_set(e, r, "no memory for the token") : 0;
}
