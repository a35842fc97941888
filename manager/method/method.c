/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "exchange/exchange.h"
#include "method/method.h"
#include "method/method_json.h"
#include "basic/analyzer.h"
#include "basic/text.h"

#define UNLOCK_HELPER "unlock.sock"
#define TOKEN_HELPER "token.sock"
#define OPEN_HELPER "open.sock"
#define EXCHANGE_MS 15000U
#define PASSPHRASE_BYTES 32

void method_done(struct method *m)
{
    free(m->token);
    secret_done(&m->passphrase);
    *m = METHOD_NULL;
}

/* 256 random bits as text. */
static int random_passphrase(struct secret *ret)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL, text = SECRET_NULL;
    size_t length = sodium_base64_ENCODED_LEN(PASSPHRASE_BYTES, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    int r = secret_random(PASSPHRASE_BYTES, &key);

    if (r == 0)
        r = secret_new(length, &text);
    if (r != 0)
        return r;
    (void) sodium_bin2base64((char *) text.data, length, key.data, key.size, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    secret_truncate(&text, length - 1);
    *ret = secret_take(&text);
    return 0;
}

/* head, a NUL byte, the secret. */
static int join(const char *head, const struct secret *secret, struct secret *ret)
{
    size_t n = strlen(head) + 1;
    int r = n + secret->size > EXCHANGE_BODY_MAX ? -EMSGSIZE : secret_new(n + secret->size, ret);

    if (r < 0)
        return r;
    memcpy(ret->data, head, n);
    memcpy(ret->data + n, secret->data, secret->size);
    return 0;
}

/* The other way round; ret_secret is empty when nothing follows. */
static int split(const struct secret *body, char **ret_head, struct secret *ret_secret)
{
    const unsigned char *end = memchr(body->data, 0, body->size);
    size_t n = end ? (size_t) (end - body->data) : body->size;
    _cleanup_free_ char *head = strndup((const char *) body->data, n);
    int r;

    if (!head)
        return -ENOMEM;
    r = end ? secret_copy(end + 1, body->size - n - 1, ret_secret) : secret_new(0, ret_secret);
    if (r == 0)
        *ret_head = TAKE_PTR(head);
    return r;
}

static int same(const struct secret *a, const struct secret *b)
{
    return a->size == b->size && sodium_memcmp(a->data, b->data, a->size) == 0;
}

/* A new passphrase under the pin; its servers have given it back once. */
static int seal(struct method_helpers h, const char *pin, struct method *ret, struct error *e)
{
    _cleanup_(secret_done) struct secret body = SECRET_NULL, jwe = SECRET_NULL, back = SECRET_NULL;
    _cleanup_(method_done) struct method m = METHOD_NULL;
    int r = random_passphrase(&m.passphrase);

    if (r == 0)
        r = join(pin, &m.passphrase, &body);
    if (r != 0)
        return error_set(e, r, "the request to the helper cannot be made: %s", strerror(-r));
    r = h.exchange(h.data, UNLOCK_HELPER, 'e', body.data, body.size, EXCHANGE_MS, &jwe, e);
    if (r == 0)
        r = h.exchange(h.data, UNLOCK_HELPER, 'd', jwe.data, jwe.size, EXCHANGE_MS, &back, e);
    if (r < 0)
        return r;
    if (!same(&back, &m.passphrase))
        return error_set(e, -EKEYREJECTED, "the servers do not give back what was bound to them: nothing was changed");
    r = method_json_clevis_token(&jwe, &m.token);
    if (r != 0)
        return error_set(e, r, "the helper's reply has no valid form");
    *ret = m;
    m = METHOD_NULL;
    return 0;
}

static int is_trusted(const struct keyslot_options *options, const struct method_advertisement *a)
{
    for (unsigned i = 0; i < a->n_thumbprints; i++)
        for (unsigned j = 0; j < options->n_thumbprints; j++)
            if (strcmp(a->thumbprints[i], options->thumbprints[j]) == 0)
                return 1;
    return options->n_thumbprints == 0 && options->trust_first;
}

static int fetch(struct method_helpers h, const char *url, struct method_advertisement *ret, struct error *e)
{
    _cleanup_(secret_done) struct secret body = SECRET_NULL;
    int r = h.exchange(h.data, UNLOCK_HELPER, 'a', url, strlen(url), EXCHANGE_MS, &body, e);

    if (r < 0)
        return r;
    r = method_json_advertisement(&body, ret);
    return r < 0 ? error_set(e, r, "the helper's reply has no valid form") : 0;
}

int method_advertisement(struct method_helpers h, const char *url, char ret_thumbprints[static KEYSLOT_SERVERS_MAX][KEYSLOT_THUMBPRINT_MAX],
                         struct error *e)
{
    _cleanup_(method_advertisement_done) struct method_advertisement a = { NULL };
    int r = fetch(h, url, &a, e);

    if (r < 0)
        return r;
    memcpy(ret_thumbprints, a.thumbprints, sizeof(a.thumbprints));
    return (int) a.n_thumbprints;
}

static int add_server(struct method_helpers h, const struct keyslot_options *options, const char *url, struct method_pin *pin, struct error *e)
{
    _cleanup_(method_advertisement_done) struct method_advertisement a = { NULL };
    int r = fetch(h, url, &a, e);

    if (r < 0)
        return r;
    if (!is_trusted(options, &a))
        return error_set(e, -EKEYREJECTED, "%s has none of the thumbprints given: ask its administrator for \"tang-show-keys\"", url);
    return method_pin_add(pin, url, &a);
}

static int check_options(const struct keyslot_options *options, struct error *e)
{
    if (options->n_urls == 0)
        return error_set(e, -EINVAL, "give the URL of at least one Tang server");
    for (unsigned i = 0; i < options->n_urls; i++)
        for (unsigned j = 0; j < i; j++)
            if (strcmp(options->urls[i], options->urls[j]) == 0)
                return error_set(e, -EINVAL, "%s is given twice: each server counts once", options->urls[i]);
    if (options->threshold < 1 || options->threshold > options->n_urls)
        return error_set(e, -EINVAL, "the threshold has to be from 1 to the number of servers, %u", options->n_urls);
    if (options->n_thumbprints == 0 && !options->trust_first)
        return error_set(e, -EINVAL, "give the thumbprint of each server's signing key, or trust what they advertise now");
    return 0;
}

int method_tang(struct method_helpers h, const struct keyslot_options *options, struct method *ret, struct error *e)
{
    _cleanup_(method_pin_done) struct method_pin pin = { NULL };
    _cleanup_free_ char *text = NULL;
    int r = check_options(options, e);

    for (unsigned i = 0; i < options->n_urls && r == 0; i++)
        r = add_server(h, options, options->urls[i], &pin, e);
    if (r == 0)
        r = method_pin_text(&pin, options->threshold, &text);
    return r != 0 ? r : seal(h, text, ret, e);
}

int method_tpm2(struct method_helpers h, const char *pcrs, struct method *ret, struct error *e)
{
    _cleanup_(secret_done) struct secret body = SECRET_NULL;
    _cleanup_(method_done) struct method m = METHOD_NULL;
    _cleanup_free_ char *request = NULL;
    int r = method_json_enroll("tpm2", pcrs, &request);

    if (r == 0)
        r = h.exchange(h.data, TOKEN_HELPER, 'e', request, strlen(request), 2 * EXCHANGE_MS, &body, e);
    if (r == 0)
        r = split(&body, &m.token, &m.passphrase);
    if (r != 0)
        return r;
    if (m.passphrase.size == 0)
        return error_set(e, -EPROTO, "the helper's reply has no valid form");
    OWNER_UNSEEN_BEGIN
    *ret = m;
    m = METHOD_NULL;
    OWNER_UNSEEN_END
    return 0;
}

int method_open(struct method_helpers h, int slot, struct secret *ret_passphrase, struct error *e)
{
    _cleanup_(secret_done) struct secret body = SECRET_NULL, passphrase = SECRET_NULL;
    unsigned char mask[4] = { 0 };
    _cleanup_free_ char *head = NULL;
    int r;

    mask[slot / 8] = (unsigned char) (1U << slot % 8);
    r = h.exchange(h.data, OPEN_HELPER, 'o', mask, sizeof(mask), EXCHANGE_MS, &body, e);
    if (r == 0)
        r = split(&body, &head, &passphrase);
    if (r == 0)
        r = method_json_opened(head, slot, e);
    if (r == 0)
        *ret_passphrase = secret_take(&passphrase);
    return r;
}

int method_rebind_tang(struct method_helpers h, const char *token, struct method *ret, struct error *e)
{
    _cleanup_(secret_done) struct secret body = SECRET_NULL;
    _cleanup_free_ char *jwe = NULL, *pin = NULL;
    enum keyslot_result found;
    char text[ERROR_TEXT_MAX];
    int r = method_json_jwe(token, &jwe);

    if (r == 0)
        r = h.exchange(h.data, UNLOCK_HELPER, 'c', jwe, strlen(jwe), EXCHANGE_MS, &body, e);
    if (r == 0)
        r = method_json_check(&body, &found, text, sizeof(text), &pin);
    if (r != 0)
        return r;
    if (found == KEYSLOT_FAILED)
        return error_set(e, -EKEYREJECTED, "%s", text);
    return seal(h, pin, ret, e);
}

int method_check_tang(struct method_helpers h, const char *token, bool only_look, struct keyslot_refresh *ret, struct method *ret_method)
{
    _cleanup_(secret_done) struct secret body = SECRET_NULL;
    _cleanup_free_ char *jwe = NULL, *pin = NULL;
    struct error e = { "" };
    int r = method_json_jwe(token, &jwe);

    if (r == 0)
        r = h.exchange(h.data, UNLOCK_HELPER, 'c', jwe, strlen(jwe), EXCHANGE_MS, &body, &e);
    if (r == 0)
        r = method_json_check(&body, &ret->result, ret->text, sizeof(ret->text), &pin);
    if (r == 0 && ret->result == KEYSLOT_ROTATED && !only_look) {
        r = seal(h, pin, ret_method, &e);
        if (r == 0)
            ret->result = KEYSLOT_REFRESHED;
    }
    if (r < 0) {
        ret->result = r == -ENOSYS ? KEYSLOT_SKIPPED : KEYSLOT_FAILED;
        text_copy(ret->text, sizeof(ret->text), e.text[0] ? e.text : strerror(-r));
    }
    return r;
}
