/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unlock/advertise.h"

#include <errno.h>

#include "unlock/adv.h"
#include "unlock/http.h"
#include "unlock/jwks.h"

DEFINE_CLEANUP(struct http *, http_free)

struct fetch {
    struct adv adv;
    int result;
    struct error error;
};

static void answered(const struct http_answer *answer, void *data)
{
    struct fetch *f = data;

    if (answer->status < 0)
        f->result = error_set(&f->error, answer->status, "%s", answer->why);
    else if (answer->status != 200)
        f->result = error_set(&f->error, -EHOSTUNREACH, "it answered with HTTP %d: is this a Tang server?", answer->status);
    else
        f->result = adv_parse(answer->body, answer->size, &f->adv, &f->error);
}

int advertise(const char *url, int peer, json_t **ret_reply, struct error *e)
{
    _cleanup_(http_freep) struct http *http = NULL;
    struct fetch f = { .adv = ADV_NULL, .result = -EHOSTUNREACH };
    _cleanup_(adv_done) struct adv adv = ADV_NULL;
    _cleanup_free_ char *address = NULL;
    json_t *reply;
    int r = http_new(peer, &http);

    if (asprintf(&address, "%s/adv/", url) < 0)
        address = NULL;
    if (r == 0)
        r = address ? http_start(http, address, NULL, answered, &f, NULL) : -ENOMEM;
    if (r == 0)
        r = http_run(http);
    if (r < 0)
        return error_set(e, r, "cannot ask %s", url);
    adv = f.adv;
    if (f.result < 0)
        return error_set(e, f.result, "%s: %s", url, f.error.text);
    reply = json_pack("{s:s, s:O, s:o}", "url", url, "adv", adv.keys, "thumbprints", jwks_signing_thumbprints(adv.keys));
    if (!reply)
        return error_set(e, -ENOMEM, "no memory for the reply");
    *ret_reply = reply;
    return 0;
}
