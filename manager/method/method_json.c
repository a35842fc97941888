/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "method/method_json.h"

#include <errno.h>
#include <string.h>

#include "basic/cleanup.h"
#include "basic/text.h"

static json_t *parse(const struct secret *body)
{
    return json_loadb((const char *) body->data, body->size, JSON_REJECT_DUPLICATES, NULL);
}

static int dump(json_t *object, char **ret)
{
    char *text = json_dumps(object, JSON_COMPACT);

    if (!text)
        return -ENOMEM;
    *ret = text;
    return 0;
}

void method_advertisement_done(struct method_advertisement *a)
{
    json_decref(a->adv);
    a->adv = NULL;
}

int method_json_advertisement(const struct secret *body, struct method_advertisement *ret)
{
    _cleanup_(json_decrefp) json_t *object = parse(body);
    struct method_advertisement a = { .adv = json_object_get(object, "adv") };
    json_t *list = json_object_get(object, "thumbprints"), *thumbprint;
    size_t i;

    json_array_foreach(list, i, thumbprint) {
        const char *text = json_string_value(thumbprint);

        if (!text || *text == '\0' || strlen(text) >= KEYSLOT_THUMBPRINT_MAX)
            return -EPROTO;
        if (a.n_thumbprints < KEYSLOT_SERVERS_MAX)
            (void) strcpy(a.thumbprints[a.n_thumbprints++], text);
    }
    if (!json_is_object(a.adv) || a.n_thumbprints == 0)
        return -EPROTO;
    (void) json_incref(a.adv);
    *ret = a;
    return 0;
}

void method_pin_done(struct method_pin *pin)
{
    json_decref(pin->servers);
    pin->servers = NULL;
}

int method_pin_add(struct method_pin *pin, const char *url, const struct method_advertisement *a)
{
    if (!pin->servers)
        pin->servers = json_array();
    return json_array_append_new(pin->servers, json_pack("{s:s,s:{s:s,s:O}}", "pin", "tang", "tang", "url", url, "adv", a->adv)) < 0 ? -ENOMEM
                                                                                                                                     : 0;
}

int method_pin_text(const struct method_pin *pin, unsigned threshold, char **ret)
{
    _cleanup_(json_decrefp) json_t *sss = NULL;

    if (json_array_size(pin->servers) == 1)
        return dump(json_array_get(pin->servers, 0), ret);
    sss = json_pack("{s:s,s:{s:i,s:O}}", "pin", "sss", "sss", "t", (int) threshold, "pins", pin->servers);
    return dump(sss, ret);
}

int method_json_clevis_token(const struct secret *jwe, char **ret)
{
    _cleanup_(json_decrefp) json_t *token = NULL;
    json_t *object = parse(jwe);

    if (!json_is_object(object)) {
        json_decref(object);
        return -EPROTO;
    }
    token = json_pack("{s:s,s:[],s:o}", "type", "clevis", "keyslots", "jwe", object);
    return dump(token, ret);
}

int method_json_jwe(const char *token, char **ret)
{
    _cleanup_(json_decrefp) json_t *object = json_loads(token, 0, NULL);
    const char *type = json_string_value(json_object_get(object, "type"));
    json_t *jwe = json_object_get(object, "jwe");

    if (!type || strcmp(type, "clevis") != 0)
        return -ENOSYS;
    return json_is_object(jwe) ? dump(jwe, ret) : -EPROTO;
}

int method_json_enroll(const char *kind, const char *pcrs, char **ret)
{
    _cleanup_(json_decrefp) json_t *object = json_pack("{s:s}", "kind", kind);

    if (pcrs && json_object_set_new(object, "pcrs", json_string(pcrs)) < 0)
        return -ENOMEM;
    return dump(object, ret);
}

static json_t *failure_of(json_t *failures, int slot)
{
    json_t *failure;
    size_t i;

    json_array_foreach(failures, i, failure)
        if (json_is_integer(json_object_get(failure, "slot")) && json_integer_value(json_object_get(failure, "slot")) == slot)
            return failure;
    return NULL;
}

/* The letters of exchange.h. */
static int class_code(const char *class)
{
    return !class ? -ENOSYS : *class == 'r' ? -EKEYREJECTED : *class == 'u' ? -ENOSYS : -EHOSTUNREACH;
}

int method_json_opened(const char *head, int slot, struct error *e)
{
    _cleanup_(json_decrefp) json_t *object = json_loads(head, 0, NULL);
    json_t *opened = json_object_get(object, "slot"), *failure;
    char text[ERROR_TEXT_MAX];
    const char *why;

    if (!json_is_integer(opened))
        return error_set(e, -EPROTO, "the helper's reply has no valid form");
    if (json_integer_value(opened) == slot)
        return 0;
    failure = failure_of(json_object_get(object, "failures"), slot);
    why = json_string_value(json_object_get(failure, "text"));
    text_copy(text, sizeof(text), why ? why : "it has no method that could be tried without a person");
    return error_set(e, class_code(json_string_value(json_object_get(failure, "class"))), "%s", text);
}

struct findings {
    unsigned reached, rotated, untrusted;
    char text[ERROR_TEXT_MAX];
};

static void tell(struct findings *f, const char *url, const char *what)
{
    size_t n = strlen(f->text);
    char line[ERROR_TEXT_MAX];

    (void) snprintf(line, sizeof(line), "%s%s: %s", n > 0 ? "; " : "", url, what);
    text_copy(f->text + n, sizeof(f->text) - n, line);
}

/* One server's part. */
static int add_server(json_t *server, struct findings *f)
{
    const char *url, *state, *why = "";

    if (json_unpack(server, "{s:s,s:s,s?s}", "url", &url, "state", &state, "text", &why) < 0)
        return -EPROTO;
    if (strcmp(state, "unreachable") != 0)
        f->reached++;
    if (strcmp(state, "current") == 0)
        return 0;
    f->rotated += strcmp(state, "rotated") == 0;
    f->untrusted += strcmp(state, "untrusted") == 0;
    tell(f, url, strcmp(state, "rotated") == 0 ? "has rotated its keys" : why[0] ? why : state);
    return 0;
}

int method_json_check(const struct secret *body, enum keyslot_result *ret_result, char *ret_text, size_t size, char **ret_pin)
{
    _cleanup_(json_decrefp) json_t *object = parse(body);
    json_t *servers = json_object_get(object, "servers"), *pin = json_object_get(object, "pin"), *server;
    struct findings f = { .text = "" };
    size_t i;
    int r = json_array_size(servers) > 0 && json_is_object(pin) ? 0 : -EPROTO;

    json_array_foreach(servers, i, server)
        if (r == 0)
            r = add_server(server, &f);
    if (r == 0)
        r = dump(pin, ret_pin);
    if (r < 0)
        return r;
    *ret_result = f.untrusted > 0 || f.reached == 0 ? KEYSLOT_FAILED : f.rotated > 0 ? KEYSLOT_ROTATED : KEYSLOT_CURRENT;
    text_copy(ret_text, size, f.text);
    return 0;
}
