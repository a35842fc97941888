/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unlock/check.h"

#include <errno.h>
#include <stdbool.h>

#include "unlock/adv.h"
#include "unlock/binding.h"
#include "unlock/http.h"
#include "unlock/jwks.h"
#include "unlock/pin.h"

enum state {
    CURRENT,
    ROTATED,
    UNTRUSTED,
    UNREACHABLE,
};

static const char *const names[] = {
    [CURRENT] = "current",
    [ROTATED] = "rotated",
    [UNTRUSTED] = "untrusted",
    [UNREACHABLE] = "unreachable",
};

struct server {
    const struct binding *binding;
    struct http *http;
    size_t key; /* of the binding's adv: the next to ask about */
    const json_t *asked;
    enum state state;
    json_t *adv; /* what it advertises now, proven */
    struct error error;
};

struct servers {
    struct server all[UNLOCK_SERVERS_MAX];
    size_t n;
};

DEFINE_CLEANUP(struct http *, http_free)

static void servers_done(struct servers *s)
{
    for (size_t i = 0; i < s->n; i++)
        json_decref(s->all[i].adv);
}

static void servers_add(struct servers *s, const struct binding *b, struct http *http)
{
    if (b->url)
        s->all[s->n++] = (struct server) { .binding = b, .http = http, .state = UNREACHABLE };
    for (size_t i = 0; i < b->n_children; i++)
        servers_add(s, b->children[i], http);
}

static int ask(struct server *s, const char *thumbprint, http_handler handler)
{
    _cleanup_free_ char *url = NULL;

    if (asprintf(&url, "%s/adv/%s", s->binding->url, thumbprint) < 0) {
        url = NULL;
        return -ENOMEM;
    }
    return http_start(s->http, url, NULL, handler, s, NULL);
}

static void signed_answered(const struct http_answer *answer, void *data);

/* For the next signing key that the binding knows: which keys does it vouch for now? */
static void ask_signed(struct server *s)
{
    const json_t *keys = json_object_get(s->binding->adv, "keys");

    while (s->key < json_array_size(keys)) {
        json_auto_t *thumbprint = NULL;

        s->asked = json_array_get(keys, s->key++);
        if (!jwk_is_for(s->asked, "verify"))
            continue;
        thumbprint = jwk_thumbprint(s->asked);
        if (!thumbprint)
            continue;
        if (ask(s, json_string_value(thumbprint), signed_answered) < 0) {
            s->state = UNREACHABLE;
            (void) error_set(&s->error, -EHOSTUNREACH, "no time left to ask for the proof of its new keys");
        }
        return;
    }
    s->state = UNTRUSTED;
    (void) error_set(&s->error, -EKEYREJECTED, "its keys were replaced, and no signing key that is known here vouches for the new ones");
}

/* Fills *ret, or tells why not. */
static int adv_from(struct server *s, const struct http_answer *answer, struct adv *ret)
{
    if (answer->status < 0)
        return error_set(&s->error, answer->status, "%s", answer->why);
    if (answer->status != 200)
        return error_set(&s->error, -EHOSTUNREACH, "it answered with HTTP %d", answer->status);
    return adv_parse(answer->body, answer->size, ret, &s->error);
}

static void signed_answered(const struct http_answer *answer, void *data)
{
    _cleanup_(adv_done) struct adv a = ADV_NULL;
    struct server *s = data;
    int r = adv_from(s, answer, &a);

    if (r < 0 && answer->status < 0)
        return; /* unreachable, after all */
    if (r < 0 || !adv_is_signed_by(&a, s->asked)) {
        ask_signed(s);
        return;
    }
    s->state = ROTATED;
    s->adv = json_incref(a.keys);
    (void) error_set(&s->error, 0, "it has new keys, signed by a known one");
}

static void answered(const struct http_answer *answer, void *data)
{
    _cleanup_(adv_done) struct adv a = ADV_NULL;
    struct server *s = data;

    if (adv_from(s, answer, &a) < 0)
        return;
    if (!jwks_find(a.keys, s->binding->kid)) {
        ask_signed(s);
        return;
    }
    s->state = CURRENT;
}

static const json_t *adv_of(const struct binding *tang, void *data)
{
    const struct servers *s = data;

    for (size_t i = 0; i < s->n; i++)
        if (s->all[i].binding == tang)
            return s->all[i].adv;
    return NULL;
}

static json_t *report(const struct binding *b, struct servers *s)
{
    json_auto_t *list = json_array();

    for (size_t i = 0; i < s->n; i++)
        if (json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "url", s->all[i].binding->url, "state", names[s->all[i].state],
                                                  "text", s->all[i].error.text)) < 0)
            return NULL;
    return json_pack("{s:O, s:o}", "servers", list, "pin", pin_of(b, adv_of, s));
}

int check(const struct binding *b, int peer, json_t **ret_report, struct error *e)
{
    _cleanup_(servers_done) struct servers servers = { .n = 0 };
    _cleanup_(http_freep) struct http *http = NULL;
    json_t *answer;
    int r = http_new(peer, &http);

    if (r < 0)
        return error_set(e, r, "no memory to ask the servers");
    servers_add(&servers, b, http);
    for (size_t i = 0; i < servers.n && r == 0; i++)
        r = ask(&servers.all[i], "", answered);
    if (r == 0)
        r = http_run(http);
    if (r < 0)
        return error_set(e, r, "cannot ask the servers");
    answer = report(b, &servers);
    if (!answer)
        return error_set(e, -ENOMEM, "no memory for the report");
    *ret_report = answer;
    return 0;
}
