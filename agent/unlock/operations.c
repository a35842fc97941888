/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unlock/operations.h"

#include <errno.h>
#include <string.h>

#include "exchange/exchange.h"
#include "unlock/advertise.h"
#include "unlock/binding.h"
#include "unlock/check.h"
#include "unlock/http.h"
#include "unlock/pin.h"
#include "unlock/recover.h"

DEFINE_CLEANUP(struct binding *, binding_free)

static int reply_json(const json_t *json, struct secret *ret, struct error *e)
{
    _cleanup_free_ char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);

    if (!text)
        return error_set(e, -ENOMEM, "no memory for the reply");
    if (strlen(text) > EXCHANGE_BODY_MAX)
        return error_set(e, -EINVAL, "the result has over 64 KiB: use fewer servers");
    return secret_copy(text, strlen(text), ret);
}

static int run_advertise(const struct secret *body, int peer, struct secret *ret, struct error *e)
{
    _cleanup_free_ char *url = strndup((const char *) body->data, body->size);
    json_auto_t *text = json_stringn((const char *) body->data, body->size), *reply = NULL;
    int r;

    if (!url || !text || strlen(url) != body->size)
        return error_set(e, -EINVAL, "the server's URL is no text");
    r = http_check_url(url, e);
    if (r == 0)
        r = advertise(url, peer, &reply, e);
    return r < 0 ? r : reply_json(reply, ret, e);
}

static int run_encrypt(const struct secret *body, int peer _unused_, struct secret *ret, struct error *e)
{
    const unsigned char *end = body->size > 0 ? memchr(body->data, '\0', body->size) : NULL;
    size_t pin_size = end ? (size_t) (end - body->data) : 0, size = end ? body->size - pin_size - 1 : 0;
    json_auto_t *pin = end ? json_loadb((const char *) body->data, pin_size, JSON_REJECT_DUPLICATES, NULL) : NULL, *parts = NULL;
    int r;

    if (!pin || size < 1 || size > UNLOCK_PLAINTEXT_MAX)
        return error_set(e, -EINVAL, "the request is not a pin as JSON, a NUL byte and 1 to %d bytes", UNLOCK_PLAINTEXT_MAX);
    r = pin_encrypt(pin, end + 1, size, &parts, e);
    return r < 0 ? r : reply_json(parts, ret, e);
}

static int run_decrypt(const struct secret *body, int peer, struct secret *ret, struct error *e)
{
    _cleanup_(binding_freep) struct binding *b = NULL;
    int r = binding_parse(body->data, body->size, &b, e);

    return r < 0 ? r : recover(b, peer, ret, e);
}

static int run_check(const struct secret *body, int peer, struct secret *ret, struct error *e)
{
    _cleanup_(binding_freep) struct binding *b = NULL;
    json_auto_t *report = NULL;
    int r = binding_parse(body->data, body->size, &b, e);

    if (r == 0)
        r = check(b, peer, &report, e);
    return r < 0 ? r : reply_json(report, ret, e);
}

int operation_run(char operation, const struct secret *body, int peer, struct secret *ret, struct error *e)
{
    static const struct {
        char letter;
        int (*run)(const struct secret *body, int peer, struct secret *ret, struct error *e);
    } operations[] = {
        { UNLOCK_ADVERTISE, run_advertise },
        { UNLOCK_ENCRYPT, run_encrypt },
        { UNLOCK_DECRYPT, run_decrypt },
        { UNLOCK_CHECK, run_check },
    };

    for (size_t i = 0; i < ELEMENTSOF(operations); i++)
        if (operations[i].letter == operation)
            return operations[i].run(body, peer, ret, e);
    return error_set(e, -EINVAL, "the request names no operation of this helper");
}
