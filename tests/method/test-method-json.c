/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "method/method_json.h"

#include <errno.h>

#include "basic/cleanup.h"
#include "basic/text.h"
#include "test.h"

static struct secret body_of(const char *text)
{
    struct secret s;

    CHECK_OK(secret_copy(text, strlen(text), &s));
    return s;
}

static int advertisement(const char *text, struct method_advertisement *ret)
{
    _cleanup_(secret_done) struct secret body = body_of(text);

    return method_json_advertisement(&body, ret);
}

static void test_advertisement(void)
{
    static const char *const bad[] = { "",   "7",  "[]", "{}", "{\"adv\":{\"keys\":[]}}", "{\"adv\":{},\"thumbprints\":[]}", "{\"adv\":{},\"thumbprints\":[7]}",
                                       "{\"adv\":7,\"thumbprints\":[\"a\"]}", "{\"adv\":{},\"thumbprints\":[\"\"]}", "{\"thumbprints\":[\"a\"]}",
                                       "{\"adv\":{},\"thumbprints\":\"a\"}", "{\"adv\":{},\"thumbprints\":[\"a\"]} more",
                                       "{\"adv\":{},\"thumbprints\":[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"]}" };
    struct method_advertisement a = { NULL };
    _cleanup_(method_pin_done) struct method_pin pin = { NULL };
    _cleanup_free_ char *one = NULL, *two = NULL;

    for (size_t i = 0; i < ELEMENTSOF(bad); i++)
        CHECK(advertisement(bad[i], &a) == -EPROTO && !a.adv);
    CHECK_OK(advertisement("{\"url\":\"u\",\"adv\":{\"keys\":[1]},\"thumbprints\":[\"a\",\"b\"]}", &a));
    CHECK(a.n_thumbprints == 2 && strcmp(a.thumbprints[1], "b") == 0);
    CHECK_OK(method_pin_add(&pin, "http://t1", &a));
    CHECK_OK(method_pin_text(&pin, 1, &one));
    CHECK(strcmp(one, "{\"pin\":\"tang\",\"tang\":{\"url\":\"http://t1\",\"adv\":{\"keys\":[1]}}}") == 0);
    CHECK_OK(method_pin_add(&pin, "http://t2", &a));
    CHECK_OK(method_pin_text(&pin, 2, &two));
    CHECK(strstr(two, "{\"pin\":\"sss\",\"sss\":{\"t\":2,\"pins\":[{\"pin\":\"tang\"") == two && strstr(two, "http://t2"));
    method_advertisement_done(&a);
}

static void test_tokens(void)
{
    _cleanup_(secret_done) struct secret good = body_of("{\"protected\":\"x\"}"), array = body_of("[1]"), nothing = body_of("");
    _cleanup_free_ char *token = NULL, *jwe = NULL, *enroll = NULL, *with_pcrs = NULL, *without = NULL;
    char *none = NULL;

    CHECK_OK(method_json_clevis_token(&good, &token));
    CHECK(strcmp(token, "{\"type\":\"clevis\",\"keyslots\":[],\"jwe\":{\"protected\":\"x\"}}") == 0);
    CHECK_OK(method_json_jwe(token, &jwe));
    CHECK(strcmp(jwe, "{\"protected\":\"x\"}") == 0);
    CHECK(method_json_clevis_token(&array, &none) == -EPROTO && method_json_clevis_token(&nothing, &none) == -EPROTO);
    CHECK(method_json_jwe("{\"type\":\"systemd-tpm2\"}", &none) == -ENOSYS && method_json_jwe("", &none) == -ENOSYS);
    CHECK(method_json_jwe("{\"type\":\"clevis\",\"jwe\":7}", &none) == -EPROTO && method_json_jwe("{\"type\":\"clevis\"}", &none) == -EPROTO);

    CHECK_OK(method_json_enroll("tpm2", NULL, &enroll));
    CHECK_OK(method_json_enroll("tpm2", "7+11", &with_pcrs));
    CHECK_OK(method_json_enroll("tpm2", "", &without));
    CHECK(strcmp(enroll, "{\"kind\":\"tpm2\"}") == 0 && strcmp(with_pcrs, "{\"kind\":\"tpm2\",\"pcrs\":\"7+11\"}") == 0);
    CHECK(strcmp(without, "{\"kind\":\"tpm2\",\"pcrs\":\"\"}") == 0);
    CHECK(method_json_enroll("tpm2", "\xff", &none) == -ENOMEM && !none);
}

static void test_opened(void)
{
    static const struct {
        const char *head;
        int result;
        const char *text;
    } cases[] = {
        { "{\"slot\":3,\"kind\":\"clevis\",\"failures\":[]}", 0, "" },
        { "{\"slot\":-1,\"failures\":[{\"slot\":3,\"class\":\"r\",\"text\":\"refuses\"}]}", -EKEYREJECTED, "refuses" },
        { "{\"slot\":-1,\"failures\":[{\"slot\":3,\"class\":\"l\",\"text\":\"later\\n\\u001b\"}]}", -EHOSTUNREACH, "later??" },
        { "{\"slot\":-1,\"failures\":[{\"slot\":3,\"class\":\"u\"}]}", -ENOSYS, "it has no method" },
        { "{\"slot\":-1,\"failures\":[{\"slot\":2,\"class\":\"r\",\"text\":\"of another\"}]}", -ENOSYS, "it has no method" },
        { "{\"slot\":2,\"failures\":[]}", -ENOSYS, "it has no method" },
        { "{\"slot\":-1}", -ENOSYS, "it has no method" },
        { "{\"slot\":-1,\"failures\":{\"slot\":3}}", -ENOSYS, "it has no method" },
        { "{\"slot\":\"3\"}", -EPROTO, "no valid form" },
        { "[]", -EPROTO, "no valid form" },
        { "", -EPROTO, "no valid form" },
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        struct error e = { "" };

        CHECK(method_json_opened(cases[i].head, 3, &e) == cases[i].result && strstr(e.text, cases[i].text));
    }
}

#define SERVER(url, state, more) "{\"url\":\"" url "\",\"state\":\"" state "\"" more "}"

static void test_check(void)
{
    static const struct {
        const char *servers;
        enum keyslot_result result;
        const char *text;
    } cases[] = {
        { SERVER("u1", "current", ""), KEYSLOT_CURRENT, "" },
        { SERVER("u1", "rotated", ",\"text\":\"x\""), KEYSLOT_ROTATED, "u1: has rotated its keys" },
        { SERVER("u1", "untrusted", ",\"text\":\"x\\ny\""), KEYSLOT_FAILED, "u1: x?y" },
        { SERVER("u1", "unreachable", ""), KEYSLOT_FAILED, "u1: unreachable" },
        { SERVER("u1", "unreachable", ",\"text\":\"gone\"") "," SERVER("u2", "current", ""), KEYSLOT_CURRENT, "u1: gone" },
        { SERVER("u1", "unreachable", "") "," SERVER("u2", "rotated", ""), KEYSLOT_ROTATED, "u1: unreachable; u2: has rotated its keys" },
        { SERVER("u1", "untrusted", "") "," SERVER("u2", "rotated", ""), KEYSLOT_FAILED, "u1: untrusted; u2: has rotated its keys" },
    };
    static const char *const bad[] = { "{\"servers\":[],\"pin\":{}}", "{\"servers\":[7],\"pin\":{}}", "{\"servers\":[{}],\"pin\":{}}", "",
                                       "{\"servers\":[" SERVER("u1", "current", "") "]}", "{\"servers\":[" SERVER("u1", "current", "") "],\"pin\":7}",
                                       "{\"servers\":[" SERVER("u1", "current", ",\"text\":7") "],\"pin\":{}}", "[]" };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_(secret_done) struct secret body = SECRET_NULL;
        _cleanup_free_ char *pin = NULL;
        enum keyslot_result result;
        char text[64], all[1024];

        (void) snprintf(all, sizeof(all), "{\"servers\":[%s],\"pin\":{\"a\":1}}", cases[i].servers);
        body = body_of(all);
        CHECK_OK(method_json_check(&body, &result, text, sizeof(text), &pin));
        CHECK(result == cases[i].result && strcmp(text, cases[i].text) == 0 && strcmp(pin, "{\"a\":1}") == 0);
    }
    for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
        _cleanup_(secret_done) struct secret body = body_of(bad[i]);
        enum keyslot_result result;
        char text[64], *pin = NULL;

        CHECK(method_json_check(&body, &result, text, sizeof(text), &pin) == -EPROTO && !pin);
    }
}

static void test_text(void)
{
    static const struct {
        const char *from, *to;
    } cases[] = {
        { "", "" }, { "plain", "plain" }, { "12345678", "1234567" }, { "a\tb\nc\x7f", "a?b?c?" }, { "gr\xc3\xbcn", "gr\xc3\xbcn" },
        { "123456\xc3\xbc", "123456" }, { "\xc3", "?" }, { "\xc3\x28", "?(" }, { "\xff\xfe", "??" }, { "123\xe2\x82\xac" "1", "123\xe2\x82\xac" "1" },
        { "1234\xe2\x82\xac", "1234\xe2\x82\xac" }, { "12345\xe2\x82\xac", "12345" }, { "\xf0\x9f\x98", "???" }, { "\xed\xa0\x80", "???" },
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        char to[8], same[32];

        text_copy(to, sizeof(to), cases[i].from);
        CHECK(strcmp(to, cases[i].to) == 0);
        (void) strcpy(same, cases[i].from);
        text_copy(same, sizeof(to), same);
        CHECK(strcmp(same, cases[i].to) == 0);
    }
}

int main(void)
{
    CHECK_OK(secret_init());
    test_advertisement();
    test_tokens();
    test_opened();
    test_check();
    test_text();
    return 0;
}
