/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unlock/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "monotonic.h"
#include "unlock/unlock_protocol.h"

#define ANSWER_START 4096

struct http_transfer {
    struct http *http;
    struct http_transfer *previous, *next;
    CURL *easy;
    struct curl_slist *headers;
    http_handler handler;
    void *data;
    char *body;
    size_t size, space;
    bool too_large;
    char why[CURL_ERROR_SIZE];
};

struct http {
    CURLM *multi;
    struct http_transfer *transfers;
    int peer;
    int64_t deadline;
    bool stopped, expired;
};

static inline void curl_url_cleanupp(CURLU **u)
{
    curl_url_cleanup(*u);
}

static inline void curl_freep(char **s)
{
    curl_free(*s);
}

static bool has_part(CURLU *u, CURLUPart part)
{
    _cleanup_(curl_freep) char *value = NULL;

    return curl_url_get(u, part, &value, 0) == CURLUE_OK;
}

int http_check_url(const char *url, struct error *e)
{
    _cleanup_(curl_url_cleanupp) CURLU *u = curl_url();
    CURLUcode r;

    if (!u)
        return -ENOMEM;
    if (strlen(url) > UNLOCK_URL_MAX)
        return error_set(e, -EINVAL, "the server's URL has over %d bytes", UNLOCK_URL_MAX);
    r = curl_url_set(u, CURLUPART_URL, url, CURLU_DISALLOW_USER);
    if (r == CURLUE_USER_NOT_ALLOWED)
        return error_set(e, -EOPNOTSUPP, "a server's URL that names a user is not supported");
    /* the text is not repeated here: it may have control characters */
    if (r != CURLUE_OK || (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0) ||
        has_part(u, CURLUPART_QUERY) || has_part(u, CURLUPART_FRAGMENT))
        return error_set(e, -EINVAL, "this is no URL of a server: it has the form http://HOST or https://HOST, with :PORT and a path if need be");
    return 0;
}

int http_new(int peer, struct http **ret)
{
    struct http *h = calloc(1, sizeof(*h));

    if (!h)
        return -ENOMEM;
    h->peer = peer;
    h->deadline = monotonic_ms() + UNLOCK_DEADLINE_MS;
    h->multi = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? curl_multi_init() : NULL;
    if (!h->multi) {
        free(h);
        return -ENOMEM;
    }
    *ret = h;
    return 0;
}

void http_free(struct http *h)
{
    if (!h)
        return;
    while (h->transfers)
        http_cancel(h->transfers);
    (void) curl_multi_cleanup(h->multi);
    free(h);
}

static void transfer_free(struct http_transfer *t)
{
    if (t->easy) {
        (void) curl_multi_remove_handle(t->http->multi, t->easy);
        curl_easy_cleanup(t->easy);
    }
    curl_slist_free_all(t->headers);
    free(t->body);
    free(t);
}

static void transfer_unlink(struct http_transfer *t)
{
    if (t->previous)
        t->previous->next = t->next;
    else
        t->http->transfers = t->next;
    if (t->next)
        t->next->previous = t->previous;
}

void http_cancel(struct http_transfer *t)
{
    transfer_unlink(t);
    transfer_free(t);
}

static size_t take_body(char *data, size_t one, size_t n, void *user)
{
    struct http_transfer *t = user;
    size_t size = one * n, space = t->space ? t->space : ANSWER_START;

    if (size > UNLOCK_ANSWER_MAX - t->size) {
        t->too_large = true;
        return CURL_WRITEFUNC_ERROR;
    }
    while (space < t->size + size)
        space *= 2;
    if (space != t->space) {
        char *body = realloc(t->body, space);

        if (!body)
            return CURL_WRITEFUNC_ERROR;
        t->body = body;
        t->space = space;
    }
    memcpy(t->body + t->size, data, size);
    t->size += size;
    return size;
}

/* libcurl leaves these to its caller. */
static bool set_certificates(CURL *c)
{
    const char *bundle = getenv("CURL_CA_BUNDLE"), *folder = NULL;

    if (!bundle || !*bundle) {
        bundle = getenv("SSL_CERT_FILE");
        folder = getenv("SSL_CERT_DIR");
    }
    return (!bundle || !*bundle || curl_easy_setopt(c, CURLOPT_CAINFO, bundle) == CURLE_OK) &&
           (!folder || !*folder || curl_easy_setopt(c, CURLOPT_CAPATH, folder) == CURLE_OK);
}

#define SET(option, value) (curl_easy_setopt(t->easy, option, value) == CURLE_OK)

static bool set_options(struct http_transfer *t, const char *url)
{
    return SET(CURLOPT_URL, url) && SET(CURLOPT_PROTOCOLS_STR, "http,https") && SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L) &&
           SET(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1) && SET(CURLOPT_FOLLOWLOCATION, 0L) && SET(CURLOPT_NOSIGNAL, 1L) &&
           SET(CURLOPT_CONNECTTIMEOUT_MS, (long) UNLOCK_CONNECT_MS) && SET(CURLOPT_TIMEOUT_MS, (long) UNLOCK_DEADLINE_MS) &&
           SET(CURLOPT_QUICK_EXIT, 1L) && /* does not wait for a name server */
           SET(CURLOPT_ERRORBUFFER, t->why) && SET(CURLOPT_PRIVATE, t) && SET(CURLOPT_WRITEFUNCTION, take_body) &&
           SET(CURLOPT_WRITEDATA, t) && set_certificates(t->easy);
}

static bool set_post(struct http_transfer *t, const char *post)
{
    t->headers = curl_slist_append(NULL, "Content-Type: application/jwk+json");
    return t->headers && SET(CURLOPT_HTTPHEADER, t->headers) && SET(CURLOPT_COPYPOSTFIELDS, post);
}

int http_start(struct http *h, const char *url, const char *post, http_handler handler, void *data, struct http_transfer **ret)
{
    struct http_transfer *t;
    int running;

    if (h->expired)
        return -ETIMEDOUT;
    t = calloc(1, sizeof(*t));
    if (!t)
        return -ENOMEM;
    *t = (struct http_transfer) { .http = h, .handler = handler, .data = data, .next = h->transfers, .easy = curl_easy_init() };
    if (!t->easy || !set_options(t, url) || (post && !set_post(t, post)) || curl_multi_add_handle(h->multi, t->easy) != CURLM_OK) {
        transfer_free(t);
        return -ENOMEM;
    }
    if (h->transfers)
        h->transfers->previous = t;
    h->transfers = t;
    if (ret)
        *ret = t;
    (void) curl_multi_perform(h->multi, &running); /* connects while the caller prepares the next */
    return 0;
}

static void transfer_end(struct http_transfer *t, const struct http_answer *answer)
{
    transfer_unlink(t);
    t->handler(answer, t->data);
    transfer_free(t);
}

static void transfer_done(struct http_transfer *t, CURLcode code)
{
    struct http_answer a = { .status = -EHOSTUNREACH };
    long status = 0;

    (void) curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (t->too_large)
        a.why = "the answer has over 64 KiB";
    else if (code != CURLE_OK)
        a.why = t->why[0] ? t->why : curl_easy_strerror(code);
    else
        a = (struct http_answer) { .status = (int) status, .body = t->body ? t->body : "", .size = t->size };
    transfer_end(t, &a);
}

static void collect(struct http *h)
{
    struct http_transfer *t;
    const CURLMsg *m;
    int left;

    while (!h->stopped && (m = curl_multi_info_read(h->multi, &left))) {
        if (m->msg != CURLMSG_DONE || curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t) != CURLE_OK)
            continue;
        transfer_done(t, m->data.result);
    }
}

static void expire(struct http *h)
{
    const struct http_answer a = { .status = -EHOSTUNREACH, .why = "no answer in time" };

    h->expired = true;
    while (!h->stopped && h->transfers)
        transfer_end(h->transfers, &a);
}

int http_run(struct http *h)
{
    struct curl_waitfd peer = { .fd = h->peer, .events = CURL_WAIT_POLLIN };
    int running;

    for (;;) {
        int64_t left = h->deadline - monotonic_ms();

        if (left <= 0)
            expire(h);
        else if (curl_multi_perform(h->multi, &running) != CURLM_OK)
            return -EIO;
        collect(h);
        if (h->stopped || !h->transfers)
            return 0;
        if (curl_multi_poll(h->multi, &peer, h->peer >= 0 ? 1 : 0, (int) left, NULL) != CURLM_OK)
            return -EIO;
        if (h->peer >= 0 && peer.revents)
            return -ECANCELED;
    }
}

void http_stop(struct http *h)
{
    h->stopped = true;
}
