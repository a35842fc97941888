/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The packets that come to swarm-ask: the manager's request and an agent's answer. */
#include <errno.h>
#include <stdint.h>

#include "ask/answer.h"
#include "ask/request.h"
#include "test.h"

static int request(const char *head, const char *message, struct request *ret)
{
    char packet[1024];
    size_t n = strlen(message);

    memcpy(packet, head, ASK_REQUEST_HEAD);
    memcpy(packet + ASK_REQUEST_HEAD, message, n);
    return request_parse(packet, ASK_REQUEST_HEAD + n, ret);
}

static void good_requests(void)
{
    static const char *const messages[] = { "a", "Schlüssel für Knoten € 𝄞:", "\xf4\x8f\xbf\xbf", "back\\slash within" };
    char most[ASK_MESSAGE_MAX + 1] = { 0 };
    struct request r;

    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        CHECK_OK(request("\1\1", messages[i], &r));
        CHECK(r.accept_cached && strcmp(r.message, messages[i]) == 0);
    }
    CHECK_OK(request("\1\0", "x", &r));
    CHECK(!r.accept_cached && !r.agent);
    CHECK_OK(request("\1\2", "x", &r));
    CHECK(!r.accept_cached && r.agent);
    CHECK_OK(request("\1\3", "x", &r));
    CHECK(r.accept_cached && r.agent);
    memset(most, 'm', ASK_MESSAGE_MAX);
    CHECK_OK(request("\1\0", most, &r));
    CHECK(strcmp(r.message, most) == 0);
}

static void bad_requests(void)
{
    static const char *const messages[] = {
        "",
        "line\nPID=1",
        "tab\t",
        "\x1b[2J",
        "\x7f",
        "\xc2\x85",         /* C1 control */
        "ends with \\",     /* would join the next line */
        "\xff",
        "\xc0\x80",         /* overlong */
        "\xe0\x80\x8a",     /* overlong line feed */
        "\xed\xa0\x80",     /* surrogate */
        "\xf4\x90\x80\x80", /* over U+10FFFF */
        "cut \xe2\x82",
        "\x80",
        "\xf8\x88\x80\x80\x80",
    };
    struct request r = { .message = "untouched" };
    char too_long[ASK_MESSAGE_MAX + 2] = { 0 };

    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
        CHECK(request("\1\0", messages[i], &r) == -EINVAL);
    CHECK(request_parse("\1\0a\0b", 5, &r) == -EINVAL);
    CHECK(request("\1\4", "flag", &r) == -EINVAL);
    CHECK(request("\2\0", "version", &r) == -EPROTONOSUPPORT);
    CHECK(request_parse("", 0, &r) == -EINVAL);
    CHECK(request_parse("\1", 1, &r) == -EINVAL);
    memset(too_long, 'm', sizeof(too_long) - 1);
    CHECK(request("\1\0", too_long, &r) == -EMSGSIZE);
    CHECK(strcmp(r.message, "untouched") == 0);
}

static void answers(void)
{
    char most[2 * ASK_ANSWER_MAX] = { '+' };
    size_t n = 99;

    CHECK(answer_parse("", 0, false, &n) == -EINVAL);
    CHECK(answer_parse("x", 1, false, &n) == -EINVAL);
    CHECK(answer_parse("\0+", 2, false, &n) == -EINVAL);
    CHECK(answer_parse("-", 1, false, &n) == ANSWER_CANCELLED);
    CHECK(answer_parse("-x", 2, true, &n) == ANSWER_CANCELLED);
    CHECK(n == 99);
    CHECK(answer_parse("+", 1, false, &n) == ANSWER_PASSWORD && n == 0);
    CHECK(answer_parse("+\0a", 3, false, &n) == ANSWER_PASSWORD && n == 0);
    CHECK(answer_parse("+abc", 4, false, &n) == ANSWER_PASSWORD && n == 3);
    CHECK(answer_parse("+abc\0", 5, false, &n) == ANSWER_PASSWORD && n == 3);
    CHECK(answer_parse("+ab\0cd\0", 7, true, &n) == ANSWER_PASSWORD && n == 2);

    memset(most + 1, 'k', sizeof(most) - 1);
    CHECK(answer_parse(most, 1 + ASK_ANSWER_MAX, false, &n) == ANSWER_PASSWORD && n == ASK_ANSWER_MAX);
    n = 99;
    CHECK(answer_parse(most, 1 + ASK_ANSWER_MAX, true, &n) == ANSWER_TOO_LONG);
    CHECK(answer_parse(most, ANSWER_PACKET_MAX, false, &n) == ANSWER_TOO_LONG);
    CHECK(n == 99);
    most[1 + ASK_ANSWER_MAX] = 0;
    CHECK(answer_parse(most, ANSWER_PACKET_MAX, true, &n) == ANSWER_PASSWORD && n == ASK_ANSWER_MAX);
}

int main(void)
{
    good_requests();
    bad_requests();
    answers();
    return 0;
}
