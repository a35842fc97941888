/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "basic/cleanup.h"
#include "ctl/escape.h"
#include "ctl/times.h"
#include "test.h"

static void check_escape(enum escape how, const char *text, const char *wanted)
{
    _cleanup_free_ char *got = escape(text, strlen(text), how);

    CHECK(got);
    if (strcmp(got, wanted) != 0) {
        (void) fprintf(stderr, "%s: got %s\n", wanted, got);
        exit(1);
    }
    CHECK(escape_is_clean(text, strlen(text), how) == (strcmp(text, wanted) == 0));
}

static void check_ago(uint64_t seconds, const char *wanted)
{
    char got[TIMES_TEXT_MAX];

    times_ago(UINT64_C(1700000000000000) + seconds * 1000000, UINT64_C(1700000000000000), got);
    if (strcmp(got, wanted) != 0) {
        (void) fprintf(stderr, "%s: got %s\n", wanted, got);
        exit(1);
    }
}

static void check_rfc3339(uint64_t when, const char *wanted)
{
    char got[TIMES_TEXT_MAX];

    times_rfc3339(when, got);
    CHECK(strcmp(got, wanted) == 0);
}

static void test_escape(void)
{
    check_escape(ESCAPE_TEXT, "", "");
    check_escape(ESCAPE_TEXT, "Gr\xc3\xb6\xc3\x9f" "e \xe2\x82\xac \xf0\x9f\x90\x8b", "Gr\xc3\xb6\xc3\x9f" "e \xe2\x82\xac \xf0\x9f\x90\x8b");
    check_escape(ESCAPE_TEXT, "a\x1b[31mb\nc\td\x7f", "a\\x1b[31mb\\nc\\x09d\\x7f");
    check_escape(ESCAPE_TEXT, "\xc2\x9b" "1m", "\\x9b1m");                          /* C1 CSI */
    check_escape(ESCAPE_TEXT, "\xe2\x80\xae" "drow", "\\u202edrow");                /* turns the direction */
    check_escape(ESCAPE_TEXT, "\xe2\x81\xa9", "\\u2069");
    check_escape(ESCAPE_TEXT, "\xff\xc3", "\\xff\\xc3");                            /* no UTF-8, and cut short */
    check_escape(ESCAPE_TEXT, "\xc0\x9b\xe0\x80\x9b", "\\xc0\\x9b\\xe0\\x80\\x9b"); /* overlong */
    check_escape(ESCAPE_TEXT, "\xed\xa0\x80", "\\xed\\xa0\\x80");                   /* surrogate */
    check_escape(ESCAPE_TEXT, "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");          /* over U+10FFFF */
    check_escape(ESCAPE_JSON, "{\n  \"a\": \"\xc2\x85\x7f\xe2\x80\xa8\"\n}", "{\n  \"a\": \"\\u0085\\u007f\\u2028\"\n}");
}

static void test_times(void)
{
    check_ago(0, "Less than a second ago");
    check_ago(1, "1 second ago");
    check_ago(59, "59 seconds ago");
    check_ago(60, "About a minute ago");
    check_ago(119, "About a minute ago");
    check_ago(120, "2 minutes ago");
    check_ago(3599, "59 minutes ago");
    check_ago(3600, "About an hour ago");
    check_ago(5400, "2 hours ago");
    check_ago(47 * 3600, "47 hours ago");
    check_ago(48 * 3600, "2 days ago");
    check_ago(14 * 86400, "2 weeks ago");
    check_ago(60 * 86400, "2 months ago");
    check_ago(365 * 86400, "12 months ago");
    check_ago(3 * UINT64_C(365) * 86400, "3 years ago");
    check_ago((uint64_t) -100, "Less than a second ago"); /* a clock that was set back */
    check_rfc3339(0, "1970-01-01T00:00:00.000000000Z");
    check_rfc3339(UINT64_C(1700000000123456), "2023-11-14T22:13:20.123456000Z");
    check_rfc3339(UINT64_MAX, "9999-12-31T23:59:59.551615000Z");
}

int main(void)
{
    test_escape();
    test_times();
    return 0;
}
