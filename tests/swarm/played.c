/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "played.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <sodium.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "basic/file.h"
#include "exchange/exchange.h"
#include "machine.h"

_Atomic enum played_server servers;
_Atomic enum played_tpm tpm;
_Atomic unsigned hung;

static const char *const states[] = { "current", "rotated", "untrusted", "unreachable" };

static void reply_json(int fd, json_t *object, const void *secret, size_t size)
{
    _cleanup_free_ char *text = json_dumps(object, JSON_COMPACT);
    char body[EXCHANGE_BODY_MAX];
    size_t n = strlen(text);

    json_decref(object);
    CHECK(n + 1 + size <= sizeof(body));
    memcpy(body, text, n);
    if (secret) {
        body[n++] = '\0';
        memcpy(body + n, secret, size);
    }
    (void) exchange_reply(fd, body, n + (secret ? size : 0));
}

static void advertise(int fd, const struct secret *url)
{
    reply_json(fd, json_pack("{s:s%,s:{s:[{s:s}]},s:[s,s++%]}", "url", url->data, url->size, "adv", "keys", "kty", "EC", "thumbprints", "another",
                             "thumbprint-", "", url->data, url->size), NULL, 0);
}

/* The pin stands in the protected header, as clevis does it. */
static void seal(int fd, const struct secret *body)
{
    const char *secret = (const char *) memchr(body->data, 0, body->size) + 1;
    _cleanup_(json_decrefp) json_t *header = json_pack("{s:o}", "clevis", json_loads((const char *) body->data, 0, NULL));
    _cleanup_free_ char *text = json_dumps(header, JSON_COMPACT);
    char encoded[8192];

    CHECK(sodium_bin2base64(encoded, sizeof(encoded), (unsigned char *) text, strlen(text), sodium_base64_VARIANT_URLSAFE_NO_PADDING));
    reply_json(fd, json_pack("{s:s%,s:s,s:s,s:s,s:s}", "ciphertext", secret, body->size - (size_t) (secret - (const char *) body->data),
                             "encrypted_key", "", "iv", "", "protected", encoded, "tag", ""), NULL, 0);
}

static void open_jwe(int fd, const struct secret *body)
{
    _cleanup_(json_decrefp) json_t *jwe = json_loadb((const char *) body->data, body->size, 0, NULL);
    const char *text = servers == SERVER_LYING ? "something else" : json_string_value(json_object_get(jwe, "ciphertext"));

    (void) exchange_reply(fd, text, strlen(text));
}

static void check(int fd)
{
    if (servers > SERVER_UNREACHABLE)
        (void) exchange_reply(fd, "{\"servers\":[7]}", 15);
    else
        reply_json(fd, json_pack("{s:[{s:s,s:s,s:s}],s:{s:s,s:{s:s,s:{}}}}", "servers", "url", "http://t1", "state", states[servers], "text",
                                 "as it is", "pin", "pin", "tang", "tang", "url", "http://t1", "adv"), NULL, 0);
}

static void hang(int fd)
{
    struct pollfd p = { .fd = fd };

    hung++;
    (void) poll(&p, 1, -1);
    hung--;
}

static void unlock_helper(int fd, char operation, const struct secret *body)
{
    bool asks = operation == 'a' || operation == 'd';

    if (servers == SERVER_HUNG)
        hang(fd);
    else if (asks && servers == SERVER_UNREACHABLE)
        (void) exchange_refuse(fd, -EHOSTUNREACH, "nobody answers at http://t1 gr\xc3\xbc\xc3");
    else if (asks && servers == SERVER_STRANGE)
        (void) exchange_reply(fd, "[]", 2);
    else if (operation == 'a')
        advertise(fd, body);
    else if (operation == 'e')
        seal(fd, body);
    else if (operation == 'd')
        open_jwe(fd, body);
    else
        check(fd);
}

static void token_helper(int fd, char operation _unused_, const struct secret *body)
{
    static const char passphrase[] = "c2VhbGVkLWluLXRoZS10cG0=";
    _cleanup_(json_decrefp) json_t *request = json_loadb((const char *) body->data, body->size, 0, NULL);
    int pcr = json_object_get(request, "pcrs") ? 11 : 7;

    if (tpm == TPM_ABSENT)
        (void) exchange_refuse(fd, -EKEYREJECTED, "there is no TPM2 here");
    else
        reply_json(fd, json_pack("{s:s,s:[],s:s,s:[i],s:s,s:s}", "type", "systemd-tpm2", "keyslots", "tpm2-blob", passphrase, "tpm2-pcrs", pcr,
                                 "tpm2-pcr-bank", "sha256", "tpm2-policy-hash", "00"), passphrase, strlen(passphrase));
}

static void open_failed(int fd, int slot, const char *class)
{
    reply_json(fd, json_pack("{s:i,s:s,s:[{s:i,s:s,s:s,s:s}]}", "slot", -1, "kind", "", "failures", "slot", slot, "kind", "some", "class", class,
                             "text", "it does not open"), NULL, 0);
}

static void open_helper(int fd, char operation _unused_, const struct secret *mask)
{
    _cleanup_(json_decrefp) json_t *token = NULL;
    _cleanup_free_ char *text = NULL;
    const char *secret;
    char path[PATH_MAX];
    int slot = __builtin_ctz(mask->data[0]);

    CHECK(mask->size == 4 && mask->data[0] != 0 && (mask->data[0] & (mask->data[0] - 1)) == 0);
    CHECK_OK(path_join(path, state, "keyslots.luks"));
    CHECK_OK(keyslots_token(path, slot, &text, NULL));
    token = json_loads(text, 0, NULL);
    secret = json_string_value(json_object_get(token, "tpm2-blob"));
    if (secret && tpm != TPM_OPENS)
        open_failed(fd, slot, tpm == TPM_REFUSES ? "r" : "l");
    else if (!secret && servers == SERVER_UNREACHABLE)
        open_failed(fd, slot, "l");
    else {
        if (!secret)
            secret = servers == SERVER_LYING ? "something else" : json_string_value(json_object_get(json_object_get(token, "jwe"), "ciphertext"));
        reply_json(fd, json_pack("{s:i,s:s,s:[]}", "slot", slot, "kind", "some", "failures"), secret, strlen(secret));
    }
}

static struct helper {
    const char *name;
    void (*serve)(int fd, char operation, const struct secret *body);
    int fd;
    pthread_t thread;
} played[] = {
    { .name = "unlock.sock", .serve = unlock_helper },
    { .name = "token.sock", .serve = token_helper },
    { .name = "open.sock", .serve = open_helper },
};

struct connection {
    const struct helper *helper;
    int fd;
};

static void *serve(void *data)
{
    _cleanup_(secret_done) struct secret body = SECRET_NULL;
    struct connection *c = data;
    char operation;

    if (exchange_request(c->fd, 5000, &operation, &body) == 0) {
        _cleanup_(secret_done) struct secret text = SECRET_NULL; /* with a NUL at its end */

        CHECK_OK(secret_new(body.size + 1, &text));
        memcpy(text.data, body.data, body.size);
        text.size = body.size;
        c->helper->serve(c->fd, operation, &text);
    }
    (void) close(c->fd);
    free(c);
    return NULL;
}

static void *listen_for(void *data)
{
    struct helper *h = data;
    int fd;

    while ((fd = accept4(h->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        struct connection *c = malloc(sizeof(*c));
        pthread_t thread;

        CHECK(c);
        *c = (struct connection) { h, fd };
        CHECK(pthread_create(&thread, NULL, serve, c) == 0 && pthread_detach(thread) == 0);
    }
    return NULL;
}

void played_begin(void)
{
    for (size_t i = 0; i < ELEMENTSOF(played); i++) {
        struct sockaddr_un a = { .sun_family = AF_UNIX };
        struct helper *h = &played[i];

        CHECK((size_t) snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", helpers, h->name) < sizeof(a.sun_path));
        h->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        CHECK(h->fd >= 0 && bind(h->fd, (struct sockaddr *) &a, sizeof(a)) == 0 && listen(h->fd, 16) == 0);
        CHECK(pthread_create(&h->thread, NULL, listen_for, h) == 0);
    }
}

void played_end(void)
{
    for (size_t i = 0; i < ELEMENTSOF(played); i++) {
        (void) shutdown(played[i].fd, SHUT_RDWR);
        (void) pthread_join(played[i].thread, NULL);
        (void) close(played[i].fd);
    }
}
