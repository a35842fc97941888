/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "swarm/address.h"
#include "test.h"

static void test_complete(void)
{
    static const struct {
        const char *given, *expected; /* NULL: refused */
    } cases[] = {
        { "10.0.0.1", "10.0.0.1:2377" },
        { "10.0.0.1:4000", "10.0.0.1:4000" },
        { "[fd00::1]:4000", "[fd00::1]:4000" },
        { "[fd00::1]", "[fd00::1]:2377" },
        { "fd00::1", "[fd00::1]:2377" },
        { "manager-1.example.org", "manager-1.example.org:2377" },
        { "0.0.0.0:2377", "0.0.0.0:2377" },
        { "", NULL },
        { ":2377", NULL },
        { "10.0.0.1:", NULL },
        { "10.0.0.1:0", NULL },
        { "10.0.0.1:65536", NULL },
        { "10.0.0.1:+1", NULL },
        { "10.0.0.1:2377x", NULL },
        { "a b", NULL },
        { "-option", NULL },
        { "host\n", NULL },
        { "\xc3\xa9", NULL },
        { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL },
    };

    for (unsigned i = 0; i < ELEMENTSOF(cases); i++) {
        char got[272] = "untouched";
        struct error e = { "" };
        int r = address_complete("--listen-addr", cases[i].given, got, sizeof(got), &e);

        if (cases[i].expected)
            CHECK(r == 0 && strcmp(got, cases[i].expected) == 0);
        else
            CHECK(r == -EINVAL && strstr(e.text, "--listen-addr") && strcmp(got, "untouched") == 0);
    }
}

static void test_choose(void)
{
    char got[272];

    CHECK_OK(address_choose("10.1.2.3:99", got, sizeof(got), NULL));
    CHECK(strcmp(got, "10.1.2.3:99") == 0);
    CHECK_OK(address_choose("[fd00::1]:99", got, sizeof(got), NULL));
    CHECK(strcmp(got, "[fd00::1]:99") == 0);
    CHECK(address_choose("nonsense:", got, sizeof(got), NULL) == -EINVAL);
}

int main(void)
{
    test_complete();
    test_choose();
    return 0;
}
