/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What helpers may answer: every reader gets the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "basic/cleanup.h"
#include "basic/utf8.h"
#include "method/method_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void pin(const struct method_advertisement *a)
{
    _cleanup_(method_pin_done) struct method_pin p = { NULL };
    _cleanup_free_ char *text = NULL;

    if (method_pin_add(&p, "http://t1", a) < 0 || method_pin_add(&p, "http://t2", a) < 0 || method_pin_text(&p, 1, &text) < 0)
        abort();
}

static void check(const struct secret *body)
{
    _cleanup_free_ char *text = NULL;
    enum keyslot_result result;
    char found[100];

    if (method_json_check(body, &result, found, sizeof(found), &text) == 0 && (!text || !utf8_is_valid(found)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(method_advertisement_done) struct method_advertisement a = { NULL };
    _cleanup_free_ char *text = strndup((const char *) data, size), *token = NULL, *jwe = NULL;
    _cleanup_(secret_done) struct secret body = SECRET_NULL;
    struct error e = { "" };

    if (!text || secret_init() < 0 || secret_copy(data, size, &body) < 0)
        abort();
    if (method_json_advertisement(&body, &a) == 0)
        pin(&a);
    check(&body);
    if (method_json_clevis_token(&body, &token) == 0 && method_json_jwe(token, &jwe) < 0)
        abort();
    if (method_json_opened(text, 3, &e) < 0 && (e.text[0] == '\0' || !utf8_is_valid(e.text)))
        abort();
    return 0;
}
