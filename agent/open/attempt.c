/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "open/attempt.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

#include "basic/cleanup.h"
#include "basic/file.h"
#include "basic/unix_socket.h"
#include "exchange/exchange.h"
#include "open/jwe.h"
#include "open/open_lock.h"
#include "open/open_protocol.h"
#include "unlock/unlock_protocol.h"

#define TOKEN_OPEN 'o'
#define HELP "install clevis and the pin, or see the journal of swarm-clevis@.service"

static const struct {
    const char *kind;
    enum route route;
} methods[] = {
    { "clevis", ROUTE_UNLOCK },
    { "systemd-tpm2", ROUTE_TOKEN },
    { "systemd-fido2", ROUTE_TOKEN },
    { "systemd-pkcs11", ROUTE_TOKEN },
};

static const char *const sockets[] = {
    [ROUTE_UNLOCK] = "unlock.sock",
    [ROUTE_CLEVIS] = "clevis.sock",
    [ROUTE_TOKEN] = "token.sock",
};

bool attempt_knows(const char *kind)
{
    for (size_t i = 0; i < ELEMENTSOF(methods); i++)
        if (strcmp(methods[i].kind, kind) == 0)
            return true;
    return false;
}

static enum route route_of(const char *kind)
{
    for (size_t i = 0; i < ELEMENTSOF(methods); i++)
        if (strcmp(methods[i].kind, kind) == 0)
            return methods[i].route;
    return ROUTE_TOKEN;
}

void attempt_done(struct attempt *a)
{
    closep(&a->fd);
    secret_done(&a->stream);
}

/* Errors of finding a helper, in words. */
static int no_helper(const char *path, int r, struct error *e)
{
    return error_set(e, r, "no helper answers at %s: %s", path, strerror(-r));
}

static int ask_packet(const char *path, char operation, const char *body, struct error *e)
{
    _cleanup_close_ int fd = exchange_connect(path);
    int r = fd;

    if (r >= 0)
        r = exchange_send(fd, operation, body, strlen(body));
    return r < 0 ? no_helper(path, r, e) : take_fd(&fd);
}

/* A JWE is far smaller than a socket's buffer: what does not go at once, goes not at all. */
static int stream_send(int fd, const char *text)
{
    size_t size = strlen(text);
    ssize_t n = send(fd, text, size, MSG_NOSIGNAL);

    if (n < 0)
        return -errno;
    if ((size_t) n != size)
        return -EMSGSIZE;
    return shutdown(fd, SHUT_WR) < 0 ? -errno : 0;
}

static int ask_clevis(struct attempt *a, const char *path, struct error *e)
{
    _cleanup_free_ char *jwe = NULL;
    _cleanup_close_ int fd = -1;
    int r = jwe_compact(a->slot->token, &jwe);

    if (r < 0)
        return error_set(e, r, "its token has no JWE");
    r = secret_new(OPEN_PASSPHRASE_MAX + 1, &a->stream);
    if (r < 0)
        return error_set(e, r, "no memory for clevis's answer");
    fd = unix_connect(path, SOCK_STREAM);
    r = fd < 0 ? fd : stream_send(fd, jwe);
    return r < 0 ? error_set(e, -EOPNOTSUPP, "clevis does not answer at %s (%s): " HELP, path, strerror(-r)) : take_fd(&fd);
}

static int ask(struct attempt *a, const char *helpers, struct error *e)
{
    _cleanup_free_ char *jwe = NULL;
    char path[PATH_MAX];
    int r = path_join(path, helpers, sockets[a->route]);

    if (r < 0)
        return error_set(e, r, "%s is too long", helpers);
    if (a->route == ROUTE_CLEVIS)
        return ask_clevis(a, path, e);
    if (a->route == ROUTE_TOKEN)
        return ask_packet(path, TOKEN_OPEN, a->slot->token, e);
    r = jwe_flattened(a->slot->token, &jwe);
    if (r < 0)
        return error_set(e, r, "its token has no JWE");
    return ask_packet(path, UNLOCK_DECRYPT, jwe, e);
}

int attempt_start(const struct open_slot *slot, const char *helpers, struct attempt *ret, struct error *e)
{
    struct attempt a = { .slot = slot, .route = route_of(slot->kind), .fd = -1 };
    int r = ask(&a, helpers, e);

    if (r < 0)
        return r;
    a.fd = r;
    *ret = a;
    return 0;
}

/* swarm-unlock's words name the pin; they stand when clevis cannot even be asked. */
static int go_on_with_clevis(struct attempt *a, const char *helpers, struct error *e)
{
    struct error unknown = *e, why;
    int r;

    attempt_done(a);
    a->route = ROUTE_CLEVIS;
    r = ask(a, helpers, &why);
    if (r < 0)
        return error_set(e, r, "%.200s; %.190s", unknown.text, why.text);
    a->fd = r;
    return -EAGAIN;
}

/* All that clevis writes until it hangs up. */
static int stream_receive(struct attempt *a, struct secret *ret, struct error *e)
{
    ssize_t n = recv(a->fd, a->stream.data + a->received, a->stream.size - a->received, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return -EAGAIN;
    if (n > 0) {
        a->received += (size_t) n;
        return a->received < a->stream.size ? -EAGAIN : error_set(e, -EOPNOTSUPP, "clevis gave more than a passphrase may have");
    }
    if (n < 0 || a->received == 0)
        return error_set(e, -EHOSTUNREACH, "clevis could not decrypt it: " HELP);
    return secret_copy(a->stream.data, a->received, ret);
}

int attempt_continue(struct attempt *a, const char *helpers, struct secret *ret, struct error *e)
{
    int r;

    if (a->route == ROUTE_CLEVIS)
        return stream_receive(a, ret, e);
    r = exchange_receive(a->fd, ret, e);
    return r == -EOPNOTSUPP && a->route == ROUTE_UNLOCK ? go_on_with_clevis(a, helpers, e) : r;
}
