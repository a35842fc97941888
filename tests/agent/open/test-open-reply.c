/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* swarm-open's reply, as it is made and as it is read. */
#include <errno.h>

#include "open/open_protocol.h"
#include "open/open_reply.h"
#include "test.h"

static int parse(const char *text, size_t size, struct open_reply *ret)
{
    struct secret body = { (unsigned char *) text, size };

    return open_reply_parse(&body, ret);
}

#define PARSE(text, ret) parse(text, sizeof(text) - 1, ret)
#define HEAD "{\"slot\":1,\"kind\":\"clevis\",\"failures\":[]}"
#define NONE "{\"slot\":-1,\"kind\":\"\",\"failures\":[]}"
#define FAILURE(f) "{\"slot\":-1,\"kind\":\"\",\"failures\":[" f "]}"

static void there_and_back(void)
{
    _cleanup_(open_reply_done) struct open_reply made = OPEN_REPLY_NULL, read = OPEN_REPLY_NULL;
    _cleanup_(secret_done) struct secret body = SECRET_NULL;

    open_reply_add(&made, 3, "systemd-tpm2", -EKEYREJECTED, "PCR 7 \"differs\"\n\x1b[2J");
    open_reply_add(&made, 4, "clevis", -EOPNOTSUPP, "caf\xc3\xa9");
    open_reply_add(&made, 5, "clevis", -EHOSTUNREACH, "cut within \xc3");
    open_reply_add(&made, 6, "clevis", -EINVAL, "");
    open_reply_add(&made, 7, "clevis", -ENOENT, "no helper");
    made.slot = 2;
    strcpy(made.kind, "clevis");
    CHECK_OK(secret_copy("pass phrase", 11, &made.passphrase));
    CHECK_OK(open_reply_format(&made, &body));
    CHECK_OK(open_reply_parse(&body, &read));
    CHECK(read.slot == 2 && strcmp(read.kind, "clevis") == 0 && read.n_failures == 5);
    CHECK(read.passphrase.size == 11 && memcmp(read.passphrase.data, "pass phrase", 11) == 0);
    CHECK(read.failures[0].slot == 3 && read.failures[0].class == 'r' && strcmp(read.failures[0].text, "PCR 7 \"differs\"??[2J") == 0);
    CHECK(read.failures[1].class == 'u' && strcmp(read.failures[1].text, "caf\xc3\xa9") == 0);
    CHECK(read.failures[2].class == 'l' && strcmp(read.failures[2].text, "cut within ?") == 0);
    CHECK(read.failures[3].class == 'i' && read.failures[3].text[0] == 0);
    CHECK(read.failures[4].class == 'l' && strcmp(read.failures[4].kind, "clevis") == 0);
}

static void none_opened(void)
{
    _cleanup_(open_reply_done) struct open_reply made = OPEN_REPLY_NULL, read = OPEN_REPLY_NULL;
    _cleanup_(secret_done) struct secret body = SECRET_NULL;
    char text[EXCHANGE_TEXT_MAX + 100];

    memset(text, 't', sizeof(text));
    text[sizeof(text) - 1] = 0;
    for (int i = 0; i < OPEN_SLOTS_MAX + 3; i++)
        open_reply_add(&made, i, "clevis", -EHOSTUNREACH, text);
    CHECK_OK(open_reply_format(&made, &body));
    CHECK(body.size <= EXCHANGE_BODY_MAX && !memchr(body.data, 0, body.size));
    CHECK_OK(open_reply_parse(&body, &read));
    CHECK(read.slot == -1 && read.n_failures == OPEN_SLOTS_MAX && !read.passphrase.data);
    CHECK(read.failures[31].slot == 31 && strlen(read.failures[31].text) == EXCHANGE_TEXT_MAX);
}

static void bad_replies(void)
{
    struct open_reply r = { .slot = 99 };
    char most[sizeof(HEAD) + OPEN_PASSPHRASE_MAX + 1];

    CHECK(PARSE("", &r) == -EPROTO);
    CHECK(PARSE("\0pass", &r) == -EPROTO);
    CHECK(PARSE("[]", &r) == -EPROTO);
    CHECK(PARSE(HEAD, &r) == -EPROTO);
    CHECK(PARSE(HEAD "\0", &r) == -EPROTO);
    CHECK(PARSE(HEAD "\0with\0a NUL", &r) == -EPROTO);
    CHECK(PARSE(NONE "\0", &r) == -EPROTO);
    CHECK(PARSE(NONE "\0pass", &r) == -EPROTO);
    CHECK(PARSE("{\"slot\":32,\"kind\":\"clevis\",\"failures\":[]}\0pass", &r) == -EPROTO);
    CHECK(PARSE("{\"slot\":-2,\"kind\":\"clevis\",\"failures\":[]}", &r) == -EPROTO);
    CHECK(PARSE("{\"slot\":\"1\",\"kind\":\"clevis\",\"failures\":[]}\0pass", &r) == -EPROTO);
    CHECK(PARSE("{\"slot\":1,\"slot\":2,\"kind\":\"clevis\",\"failures\":[]}\0pass", &r) == -EPROTO);
    CHECK(PARSE("{\"slot\":1,\"failures\":[]}\0pass", &r) == -EPROTO);
    CHECK(PARSE("{\"slot\":1,\"kind\":\"clevis\"}\0pass", &r) == -EPROTO);
    CHECK(PARSE("{\"slot\":1,\"kind\":\"clevis\",\"failures\":{}}\0pass", &r) == -EPROTO);
    CHECK(PARSE(FAILURE("1"), &r) == -EPROTO);
    CHECK(PARSE(FAILURE("{\"slot\":-1,\"kind\":\"clevis\",\"class\":\"l\",\"text\":\"\"}"), &r) == -EPROTO);
    CHECK(PARSE(FAILURE("{\"slot\":1,\"kind\":\"clevis\",\"class\":\"x\",\"text\":\"\"}"), &r) == -EPROTO);
    CHECK(PARSE(FAILURE("{\"slot\":1,\"kind\":\"clevis\",\"class\":\"\",\"text\":\"\"}"), &r) == -EPROTO);
    CHECK(PARSE(FAILURE("{\"slot\":1,\"kind\":\"clevis\",\"class\":\"l\"}"), &r) == -EPROTO);
    memcpy(most, HEAD, sizeof(HEAD)); /* and its NUL */
    memset(most + sizeof(HEAD), 'p', OPEN_PASSPHRASE_MAX + 1);
    CHECK(parse(most, sizeof(most), &r) == -EPROTO);
    CHECK(r.slot == 99);
    CHECK_OK(parse(most, sizeof(most) - 1, &r));
    CHECK(r.slot == 1 && r.passphrase.size == OPEN_PASSPHRASE_MAX);
    open_reply_done(&r);
    CHECK_OK(PARSE(NONE, &r));
}

int main(void)
{
    CHECK_OK(secret_init());
    there_and_back();
    none_opened();
    bad_replies();
    return 0;
}
