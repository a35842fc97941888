/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "open/open_reply.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <string.h>

#include "basic/cleanup.h"
#include "open/open_protocol.h"

#define CLASSES "lrui"

static char class_of(int code)
{
    return code == -EKEYREJECTED ? 'r' : code == -EOPNOTSUPP ? 'u' : code == -EINVAL ? 'i' : 'l';
}

/* Words for journals and terminals, cut to fit. */
static void copy_words(char *ret, size_t size, const char *words)
{
    size_t n = strnlen(words, size - 1);

    for (size_t i = 0; i < n; i++)
        ret[i] = (unsigned char) words[i] < 0x20 || words[i] == 0x7f ? '?' : words[i];
    ret[n] = '\0';
}

void open_reply_add(struct open_reply *r, int slot, const char *kind, int code, const char *text)
{
    struct open_failure *f = &r->failures[r->n_failures];

    if (r->n_failures >= OPEN_SLOTS_MAX)
        return;
    r->n_failures++;
    f->slot = slot;
    f->class = class_of(code);
    copy_words(f->kind, sizeof(f->kind), kind);
    copy_words(f->text, sizeof(f->text), text);
}

void open_reply_done(struct open_reply *r)
{
    secret_done(&r->passphrase);
    *r = OPEN_REPLY_NULL;
}

/* What is no UTF-8, as a text that was cut within a character, is told with '?' in place of all that is not ASCII. */
static json_t *words_new(const char *words)
{
    char ascii[EXCHANGE_TEXT_MAX + 1];
    json_t *json = json_string(words);

    if (json)
        return json;
    copy_words(ascii, sizeof(ascii), words);
    for (char *c = ascii; *c; c++)
        if ((unsigned char) *c >= 0x80)
            *c = '?';
    return json_string(ascii);
}

static json_t *failure_new(const struct open_failure *f)
{
    return json_pack("{s:i, s:o, s:s#, s:o}", "slot", f->slot, "kind", words_new(f->kind), "class", &f->class, (size_t) 1, "text",
                     words_new(f->text));
}

static json_t *head_new(const struct open_reply *r)
{
    _cleanup_(json_decrefp) json_t *failures = json_array();

    for (unsigned i = 0; i < r->n_failures; i++)
        if (json_array_append_new(failures, failure_new(&r->failures[i])) < 0)
            return NULL;
    return json_pack("{s:i, s:o, s:O}", "slot", r->slot, "kind", words_new(r->slot < 0 ? "" : r->kind), "failures", failures);
}

int open_reply_format(const struct open_reply *r, struct secret *ret_body)
{
    _cleanup_(json_decrefp) json_t *head = head_new(r);
    _cleanup_free_ char *text = head ? json_dumps(head, JSON_COMPACT) : NULL;
    struct secret body = SECRET_NULL;
    size_t length;
    int result;

    if (!text)
        return -ENOMEM;
    length = strlen(text);
    result = secret_new(length + (r->slot < 0 ? 0 : 1 + r->passphrase.size), &body);
    if (result < 0)
        return result;
    memcpy(body.data, text, length);
    if (r->slot >= 0)
        memcpy(body.data + length + 1, r->passphrase.data, r->passphrase.size);
    *ret_body = body;
    return 0;
}

static bool get_slot(const json_t *json, int least, int *ret)
{
    const json_t *slot = json_object_get(json, "slot");
    json_int_t n = json_integer_value(slot);

    if (!json_is_integer(slot) || n < least || n >= OPEN_SLOTS_MAX)
        return false;
    *ret = (int) n;
    return true;
}

static bool get_words(const json_t *json, const char *name, char *ret, size_t size)
{
    const char *words = json_string_value(json_object_get(json, name));

    if (!words)
        return false;
    copy_words(ret, size, words);
    return true;
}

static int parse_failure(const json_t *json, struct open_failure *ret)
{
    const char *class = json_string_value(json_object_get(json, "class"));

    if (!get_slot(json, 0, &ret->slot) || !get_words(json, "kind", ret->kind, sizeof(ret->kind)) ||
        !get_words(json, "text", ret->text, sizeof(ret->text)) || !class || strlen(class) != 1 || !strchr(CLASSES, class[0]))
        return -EPROTO;
    ret->class = class[0];
    return 0;
}

static int parse_head(const char *text, size_t size, struct open_reply *ret)
{
    _cleanup_(json_decrefp) json_t *head = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    const json_t *failures = json_object_get(head, "failures");

    if (!get_slot(head, -1, &ret->slot) || !get_words(head, "kind", ret->kind, sizeof(ret->kind)) || !json_is_array(failures) ||
        json_array_size(failures) > OPEN_SLOTS_MAX)
        return -EPROTO;
    for (; ret->n_failures < json_array_size(failures); ret->n_failures++)
        if (parse_failure(json_array_get(failures, ret->n_failures), &ret->failures[ret->n_failures]) < 0)
            return -EPROTO;
    return 0;
}

int open_reply_parse(const struct secret *body, struct open_reply *ret)
{
    _cleanup_(open_reply_done) struct open_reply reply = OPEN_REPLY_NULL;
    const unsigned char *end = body->size > 0 ? memchr(body->data, 0, body->size) : NULL, *passphrase = end ? end + 1 : NULL;
    size_t head = end ? (size_t) (end - body->data) : body->size, size = end ? body->size - head - 1 : 0;
    int r;

    r = head > 0 ? parse_head((const char *) body->data, head, &reply) : -EPROTO;
    if (r < 0)
        return r;
    if ((reply.slot >= 0) != (end != NULL) || (end && (size == 0 || size > OPEN_PASSPHRASE_MAX || memchr(passphrase, 0, size))))
        return -EPROTO;
    r = end ? secret_copy(passphrase, size, &reply.passphrase) : 0;
    if (r < 0)
        return r;
    *ret = reply;
    reply = OPEN_REPLY_NULL;
    return 0;
}
