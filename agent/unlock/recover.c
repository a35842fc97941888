/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unlock/recover.h"

#include <errno.h>
#include <jose/b64.h>
#include <string.h>

#include "unlock/binding.h"
#include "unlock/http.h"
#include "unlock/tang.h"

#define WAITING 1
#define OPEN 0

DEFINE_CLEANUP(struct http *, http_free)

/* A JWE of the binding, on its way to being open. */
struct share {
    const struct binding *binding;
    struct http *http;
    struct share *parent;
    struct share **children;
    int state; /* WAITING, OPEN or a negative errno, with the text in error */
    struct http_transfer *transfer;
    json_t *ephemeral;
    struct secret plaintext;
    struct error error;
};

static void share_free(struct share *s)
{
    if (!s)
        return;
    for (size_t i = 0; s->children && i < s->binding->n_children; i++)
        share_free(s->children[i]);
    free(s->children);
    if (s->transfer)
        http_cancel(s->transfer);
    json_decref(s->ephemeral);
    secret_done(&s->plaintext);
    free(s);
}

DEFINE_CLEANUP(struct share *, share_free)

static int share_new(const struct binding *b, struct http *http, struct share *parent, struct share **ret)
{
    _cleanup_(share_freep) struct share *s = calloc(1, sizeof(*s));
    int r = 0;

    if (!s)
        return -ENOMEM;
    *s = (struct share) { .binding = b, .http = http, .parent = parent, .state = WAITING, .plaintext = SECRET_NULL };
    if (b->n_children > 0) {
        s->children = calloc(b->n_children, sizeof(struct share *));
        if (!s->children)
            return -ENOMEM;
    }
    for (size_t i = 0; i < b->n_children && r == 0; i++)
        r = share_new(b->children[i], http, s, &s->children[i]);
    if (r == 0)
        *ret = TAKE_PTR(s);
    return r;
}

static void children_settled(struct share *s);

/* No answer to this or what is below it matters any more. */
static void share_drop(struct share *s)
{
    if (s->transfer)
        http_cancel(s->transfer);
    s->transfer = NULL;
    for (size_t i = 0; i < s->binding->n_children; i++)
        share_drop(s->children[i]);
}

static void settle(struct share *s, int state)
{
    if (state == OPEN && s->parent && s->plaintext.size != SSS_SHARE_SIZE)
        state = error_set(&s->error, -EKEYREJECTED, "what opens is no share");
    s->state = state;
    share_drop(s);
    if (s->parent)
        children_settled(s->parent);
    else
        http_stop(s->http);
}

static unsigned count(const struct share *s, int state)
{
    unsigned n = 0;

    for (size_t i = 0; i < s->binding->n_children; i++)
        n += s->children[i]->state == state;
    return n;
}

static int combine(struct share *s)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    const struct secret *shares[UNLOCK_SERVERS_MAX];
    json_auto_t *jwk = NULL;
    unsigned n = 0;
    int r;

    for (size_t i = 0; i < s->binding->n_children && n < s->binding->threshold; i++)
        if (s->children[i]->state == OPEN)
            shares[n++] = &s->children[i]->plaintext;
    r = sss_combine(s->binding->prime, shares, n, &key);
    if (r < 0)
        return error_set(&s->error, -EKEYREJECTED, "the shares do not fit together");
    jwk = json_pack("{s:s, s:o}", "kty", "oct", "k", jose_b64_enc(key.data, key.size));
    r = jwk ? jwe_open(&s->binding->jwe, jwk, &s->plaintext) : -ENOMEM;
    return r < 0 ? error_set(&s->error, r, "what the shares give does not open this") : 0;
}

static void tell_failures(struct share *s)
{
    size_t n = (size_t) snprintf(s->error.text, ERROR_TEXT_MAX, "%u of %zu servers are needed", s->binding->threshold, s->binding->n_children);

    for (size_t i = 0; i < s->binding->n_children && n < ERROR_TEXT_MAX; i++)
        if (s->children[i]->state < 0)
            n += (size_t) snprintf(s->error.text + n, ERROR_TEXT_MAX - n, "; %s", s->children[i]->error.text);
}

static void children_settled(struct share *s)
{
    unsigned open = count(s, OPEN), waiting = count(s, WAITING), later = count(s, -EHOSTUNREACH), needed = s->binding->threshold;

    if (s->state != WAITING)
        return;
    if (open >= needed)
        settle(s, combine(s));
    else if (open + waiting + later < needed) {
        tell_failures(s);
        settle(s, -EKEYREJECTED);
    } else if (open + waiting < needed && (open + later >= needed || waiting == 0)) {
        /* those who were silent could make up for it */
        tell_failures(s);
        settle(s, -EHOSTUNREACH);
    }
}

static int open_tang(struct share *s, const struct http_answer *a)
{
    const struct binding *b = s->binding;
    json_auto_t *key = NULL;
    int r;

    if (a->status < 0)
        return error_set(&s->error, a->status, "%s: %s", b->url, a->why);
    if (a->status == 400 || a->status == 404)
        return error_set(&s->error, -EKEYREJECTED, "%s does not have the key any more (HTTP %d)", b->url, a->status);
    if (a->status != 200)
        return error_set(&s->error, -EHOSTUNREACH, "%s answered with HTTP %d", b->url, a->status);
    r = tang_recover(b->server, s->ephemeral, a->body, a->size, &key);
    if (r < 0)
        return error_set(&s->error, r, "%s answered with something that is no key: is it a Tang server?", b->url);
    r = jwe_open(&b->jwe, key, &s->plaintext);
    return r < 0 ? error_set(&s->error, r, "%s answered with a key that does not open this", b->url) : 0;
}

static void tang_answered(const struct http_answer *answer, void *data)
{
    struct share *s = data;

    s->transfer = NULL;
    settle(s, open_tang(s, answer));
}

static int start_tang(struct share *s)
{
    _cleanup_free_ char *request = NULL, *url = NULL;
    int r = tang_ask(s->binding->epk, &s->ephemeral, &request);

    if (r < 0)
        return error_set(&s->error, r, "the JWE for %s is damaged: its client key is no point", s->binding->url);
    if (asprintf(&url, "%s/rec/%s", s->binding->url, s->binding->kid) < 0) {
        url = NULL;
        return -ENOMEM;
    }
    return http_start(s->http, url, request, tang_answered, s, &s->transfer);
}

static int start(struct share *s, struct error *e)
{
    int r = 0;

    if (s->binding->url) {
        r = start_tang(s);
        return r < 0 ? error_set(e, r, "%s", s->error.text[0] ? s->error.text : "no memory to ask a server") : 0;
    }
    for (size_t i = 0; i < s->binding->n_children && r == 0; i++)
        r = start(s->children[i], e);
    return r;
}

int recover(const struct binding *b, int peer, struct secret *ret, struct error *e)
{
    _cleanup_(http_freep) struct http *http = NULL;
    _cleanup_(share_freep) struct share *root = NULL;
    int r = http_new(peer, &http);

    if (r == 0)
        r = share_new(b, http, NULL, &root);
    if (r != 0)
        return error_set(e, r, "no memory to ask the servers");
    r = start(root, e);
    if (r < 0)
        return r;
    r = http_run(http);
    if (r < 0)
        return r;
    if (root->state < 0)
        return error_set(e, root->state, "%s", root->error.text);
    *ret = secret_take(&root->plaintext);
    return 0;
}
