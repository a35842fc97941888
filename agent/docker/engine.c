/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "docker/engine.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "docker/engine_reply.h"
#include "docker/stopped.h"

#define CONNECT_MS 2000
#define KEY_REPLY_MAX 4096

struct engine {
    char socket[ENGINE_SOCKET_MAX];
    const volatile sig_atomic_t *stop;
    CURL *kept; /* for what is not secret; its connection stays open */
};

struct reply {
    struct secret body;
    size_t size;
    bool too_long, is_stopped;
};

static void reply_done(struct reply *r)
{
    secret_done(&r->body);
}

static inline void curl_easy_cleanupp(CURL **c)
{
    curl_easy_cleanup(*c);
}

static inline void curl_slist_free_allp(struct curl_slist **list)
{
    curl_slist_free_all(*list);
}

static size_t take_body(char *data, size_t one, size_t n, void *user)
{
    struct reply *r = user;
    size_t size = one * n;

    r->too_long = size > r->body.size - r->size;
    if (r->too_long)
        return CURL_WRITEFUNC_ERROR;
    memcpy(r->body.data + r->size, data, size);
    r->size += size;
    return size;
}

static int on_progress(void *user, curl_off_t a _unused_, curl_off_t b _unused_, curl_off_t c _unused_, curl_off_t d _unused_)
{
    const struct engine *engine = user;

    return engine->stop && *engine->stop;
}

/* libcurl connects anew by itself where a connection turns out to be dead. */
static curl_socket_t open_unless_stopped(void *user, curlsocktype purpose _unused_, struct curl_sockaddr *a)
{
    struct reply *r = user;

    r->is_stopped = docker_is_stopped();
    return r->is_stopped ? CURL_SOCKET_BAD : socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

#define SET(option, value) (curl_easy_setopt(c, option, value) == CURLE_OK)

static CURL *handle_new(const struct engine *engine)
{
    CURL *c = curl_easy_init();

    if (c && SET(CURLOPT_UNIX_SOCKET_PATH, engine->socket) && SET(CURLOPT_PROTOCOLS_STR, "http") && SET(CURLOPT_NOPROXY, "*") &&
        SET(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1) && SET(CURLOPT_FOLLOWLOCATION, 0L) && SET(CURLOPT_NOSIGNAL, 1L) &&
        SET(CURLOPT_CONNECTTIMEOUT_MS, (long) CONNECT_MS) && SET(CURLOPT_NOPROGRESS, 0L) && SET(CURLOPT_XFERINFOFUNCTION, on_progress) &&
        SET(CURLOPT_XFERINFODATA, engine) && SET(CURLOPT_WRITEFUNCTION, take_body) &&
        (strcmp(engine->socket, ENGINE_SOCKET) != 0 || SET(CURLOPT_OPENSOCKETFUNCTION, open_unless_stopped)))
        return c;
    curl_easy_cleanup(c);
    return NULL;
}

int engine_new(const char *socket, const volatile sig_atomic_t *stop, struct engine **ret)
{
    struct engine *engine;

    if (strlen(socket) >= ENGINE_SOCKET_MAX)
        return -ENAMETOOLONG;
    engine = calloc(1, sizeof(*engine));
    if (!engine)
        return -ENOMEM;
    (void) strcpy(engine->socket, socket);
    engine->stop = stop;
    *ret = engine;
    return 0;
}

void engine_hang_up(struct engine *engine)
{
    curl_easy_cleanup(engine->kept);
    engine->kept = NULL;
}

void engine_free(struct engine *engine)
{
    engine_hang_up(engine);
    free(engine);
}

static int no_answer(const struct engine *engine, CURL *c, CURLcode code, const struct reply *reply, int timeout_ms, struct error *e)
{
    long why = 0;

    (void) curl_easy_getinfo(c, CURLINFO_OS_ERRNO, &why);
    if (reply->is_stopped)
        return error_set(e, -ESHUTDOWN, "docker.service is stopped; start it with \"systemctl start docker\"");
    if (reply->too_long)
        return error_set(e, -EMSGSIZE, "what answers at %s sends over %zu bytes: is that Docker Engine's socket?", engine->socket,
                         reply->body.size);
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return error_set(e, -ECANCELED, "the agent is stopping");
    if (code == CURLE_OPERATION_TIMEDOUT)
        return error_set(e, -ETIMEDOUT, "Docker Engine at %s does not answer within %d s; see \"systemctl status docker\"", engine->socket,
                         timeout_ms / 1000);
    if (code == CURLE_COULDNT_CONNECT && why == ENOENT)
        return error_set(e, -ENOENT, "there is no socket %s; start docker.service, or tell where it is with \"swarmctl docker enroll --socket\"",
                         engine->socket);
    if (code == CURLE_COULDNT_CONNECT && (why == EACCES || why == EPERM))
        return error_set(e, -EACCES, "root without capabilities may not connect to %s: give the socket to root, or to the group root", engine->socket);
    if (code == CURLE_COULDNT_CONNECT)
        return error_set(e, -ECONNREFUSED, "nobody listens at %s (%s); see \"systemctl status docker\"", engine->socket,
                         why ? strerror((int) why) : "refused");
    return error_set(e, -EPROTO, "what answers at %s does not speak as Docker Engine", engine->socket);
}

/* The HTTP status. */
static int perform(const struct engine *engine, CURL *c, const char *url, const struct secret *post, int timeout_ms, struct reply *reply,
                   struct error *e)
{
    _cleanup_(curl_slist_free_allp) struct curl_slist *headers = NULL;
    long status = 0;
    CURLcode code;

    if (post) {
        headers = curl_slist_append(NULL, "Content-Type: application/json");
        if (!headers || !SET(CURLOPT_HTTPHEADER, headers) || !SET(CURLOPT_POSTFIELDSIZE, (long) post->size) ||
            !SET(CURLOPT_POSTFIELDS, (char *) post->data))
            return -ENOMEM;
    }
    if (!SET(CURLOPT_URL, url) || !SET(CURLOPT_TIMEOUT_MS, (long) timeout_ms) || !SET(CURLOPT_WRITEDATA, reply) ||
        !SET(CURLOPT_OPENSOCKETDATA, reply))
        return -ENOMEM;
    code = curl_easy_perform(c);
    if (code != CURLE_OK)
        return no_answer(engine, c, code, reply, timeout_ms, e);
    (void) curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    return (int) status;
}

static int bad_form(const struct engine *engine, struct error *e)
{
    return error_set(e, -EPROTO, "the answer at %s has no valid form: is that Docker Engine's socket?", engine->socket);
}

static int refused(const struct engine *engine, int status, const struct reply *reply, int code, struct error *e)
{
    char text[ENGINE_MESSAGE_MAX];

    engine_reply_message(reply->body.data, reply->size, text);
    return error_set(e, code, "Docker Engine at %s refuses (HTTP %d): %s", engine->socket, status, text);
}

int engine_info(struct engine *engine, struct engine_info *ret, struct error *e)
{
    _cleanup_(reply_done) struct reply reply = { .size = 0 };
    int r = secret_new(ENGINE_REPLY_MAX, &reply.body);

    if (r == 0 && !engine->kept && !(engine->kept = handle_new(engine)))
        r = -ENOMEM;
    if (r < 0)
        return error_set(e, r, "no memory to ask Docker Engine");
    r = perform(engine, engine->kept, "http://docker/info", NULL, ENGINE_MS, &reply, e);
    if (r < 0) {
        engine_hang_up(engine);
        return r;
    }
    if (r != 200)
        return refused(engine, r, &reply, -EPROTO, e);
    return engine_reply_info(reply.body.data, reply.size, ret) < 0 ? bad_form(engine, e) : 0;
}

int engine_connection(const struct engine *engine)
{
    curl_socket_t fd = CURL_SOCKET_BAD;

    if (!engine->kept || curl_easy_getinfo(engine->kept, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK)
        return -1;
    return fd == CURL_SOCKET_BAD ? -1 : (int) fd;
}

bool engine_has_reconnected(const struct engine *engine)
{
    long n = 0;

    return engine->kept && curl_easy_getinfo(engine->kept, CURLINFO_NUM_CONNECTS, &n) == CURLE_OK && n > 0;
}

/* What is secret passes through a handle of its own, whose buffers are freed, and so overwritten, at once. */
static int ask_secretly(const struct engine *engine, const char *url, const struct secret *post, int timeout_ms, struct reply *reply,
                        struct error *e)
{
    _cleanup_(curl_easy_cleanupp) CURL *c = handle_new(engine);
    int r = c ? secret_new(KEY_REPLY_MAX, &reply->body) : -ENOMEM;

    return r < 0 ? error_set(e, r, "no memory to ask Docker Engine") : perform(engine, c, url, post, timeout_ms, reply, e);
}

int engine_key(const struct engine *engine, struct secret *ret_text, struct error *e)
{
    _cleanup_(reply_done) struct reply reply = { .size = 0 };
    int r = ask_secretly(engine, "http://docker/swarm/unlockkey", NULL, ENGINE_MS, &reply, e);

    if (r < 0)
        return r;
    if (r != 200)
        return refused(engine, r, &reply, -ESRCH, e);
    r = engine_reply_key(reply.body.data, reply.size, ret_text);
    if (r == -ENODATA)
        return error_set(e, r, "autolock is off: turn it on with \"docker swarm update --autolock=true\"");
    return r < 0 ? bad_form(engine, e) : 0;
}

int engine_unlock(const struct engine *engine, const struct secret *key, struct error *e)
{
    static const char head[] = "{\"UnlockKey\":\"", tail[] = "\"}";
    _cleanup_(reply_done) struct reply reply = { .size = 0 };
    _cleanup_(secret_done) struct secret post = SECRET_NULL;
    int r = secret_new(sizeof(head) - 1 + key->size + sizeof(tail) - 1, &post);

    if (r < 0)
        return error_set(e, r, "no memory to ask Docker Engine");
    memcpy(post.data, head, sizeof(head) - 1);
    memcpy(post.data + sizeof(head) - 1, key->data, key->size);
    memcpy(post.data + sizeof(head) - 1 + key->size, tail, sizeof(tail) - 1);
    r = ask_secretly(engine, "http://docker/swarm/unlock", &post, ENGINE_UNLOCK_MS, &reply, e);
    if (r < 0 || r == 200)
        return r < 0 ? r : 0;
    return refused(engine, r, &reply, r == 401 || r == 400 ? -EKEYREJECTED : r == 409 ? -EALREADY : -EAGAIN, e);
}
