/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What services say of units, nodes and revisions: patterns, names, constraints. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "../test.h"
#include "fixture.h"
#include "store/service.h"

static char id_a[STORE_ID_LEN + 1], id_b[STORE_ID_LEN + 1], id_c[STORE_ID_LEN + 1];

static void test_matches(void)
{
    static const struct {
        const char *pattern, *unit;
        bool matches;
    } cases[] = {
        { "web.service", "web.service", true },
        { "web.service", "web.servic", false },
        { "web.service", "web.services", false },
        { "web.service", "Web.service", false },
        { "web.service", "xweb.service", false },
        { "web@*.service", "web@3.service", true },
        { "web@*.service", "web@.service", true },
        { "web@*.service", "web@a.b.service", true },
        { "web@*.service", "web.service", false },
        { "web@*.service", "webs@3.service", false },
        { "web@*.service", "web@3.socket", false },
        { "web@*.service", "web@3.service.service", true },
        { "db-*.service", "db-main.service", true },
        { "db-*.service", "db-.service", true },
        { "db-*.service", "db.service", false },
        { "*.service", "a.service", true },
        { "*.service", "a.mount", false },
        { "*a*b*.service", "xaxbx.service", true },
        { "*a*b*.service", "ab.service", true },
        { "*a*b*.service", "ba.service", false },
        { "*ab*ab.service", "abab.service", true },
        { "*ab*ab.service", "abaab.service", true },
        { "*ab*ab.service", "aab.service", false },
        { "a**b.service", "ab.service", true },
        { "a***b.service", "axyb.service", true },
        { "w?b.service", "web.service", false },
        { "w[e]b.service", "web.service", false },
        { "w\\x2db.service", "w\\x2db.service", true },
        { "w\\*b.service", "w\\x2db.service", true },
        { "w.b.service", "wxb.service", false },
        { "*", "web.service", true },
        { "", "", true },
        { "*", "", true },
        { "", "a", false },
        { "*.service", "", false },
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++)
        CHECK(service_unit_matches(cases[i].pattern, cases[i].unit) == cases[i].matches);
}

/* The plainest matcher there is, for short texts. */
static bool slow_matches(const char *pattern, const char *unit)
{
    if (*pattern == '\0')
        return *unit == '\0';
    if (*pattern == '*')
        return slow_matches(pattern + 1, unit) || (*unit && slow_matches(pattern, unit + 1));
    return *pattern == *unit && slow_matches(pattern + 1, unit + 1);
}

/* All patterns of up to 6 of "ab*" against all units of up to 5 of "ab". */
static void test_all_short(void)
{
    char pattern[7], unit[6];
    unsigned matching = 0;

    for (unsigned length = 0, patterns = 1; length <= 6; length++, patterns *= 3)
        for (unsigned p = 0; p < patterns; p++) {
            unsigned rest = p;

            for (unsigned i = 0; i < length; i++, rest /= 3)
                pattern[i] = "ab*"[rest % 3];
            pattern[length] = '\0';
            for (unsigned u = 1; u < 64; u++) { /* the highest bit tells the length */
                unsigned n = 0;

                for (unsigned bits = u; bits > 1; bits >>= 1)
                    unit[n++] = bits & 1 ? 'a' : 'b';
                unit[n] = '\0';
                CHECK(service_unit_matches(pattern, unit) == slow_matches(pattern, unit));
                matching += service_unit_matches(pattern, unit);
            }
        }
    CHECK(matching > 1000);
}

/* What makes a backtracking matcher try for longer than the universe is old. */
static void test_hostile_patterns(void)
{
    char pattern[STORE_UNIT_MAX + 1], unit[STORE_UNIT_MAX + 1];
    struct timespec before, after;

    memset(unit, 'a', STORE_UNIT_MAX - 8);
    memcpy(unit + STORE_UNIT_MAX - 8, ".service", 9);
    for (size_t i = 0; i < STORE_UNIT_MAX - 10; i++)
        pattern[i] = i % 2 ? '*' : 'a';
    memcpy(pattern + STORE_UNIT_MAX - 10, "b*.service", 11);
    CHECK(service_unit_is_valid(pattern) && service_unit_is_valid(unit));
    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    for (unsigned i = 0; i < 100; i++)
        CHECK(!service_unit_matches(pattern, unit));
    pattern[STORE_UNIT_MAX - 10] = 'a';
    for (unsigned i = 0; i < 100; i++)
        CHECK(service_unit_matches(pattern, unit));
    (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    CHECK(after.tv_sec - before.tv_sec < 20);
}

static void test_units(void)
{
    static const char *const good[] = {
        "web.service", "a.socket", "srv-data.mount", "dev-sda2.swap", "web@*.service", "web@3.service", "*.service", "*a*.service",
        "w:e-b_.\\x40.service", "A9.service", "a.b.c.service", "web@a@b.service", ".a.service", "-.mount", "**.service", "web*@x.service",
        "service.service", "web.socket.service",
    };
    static const char *const bad[] = {
        "", "web", ".service", "*", "web.", "web.timer", "web.target", "web.slice", "web.scope", "web.path", "web.device", "web.automount",
        "web.*", "web.serv*", "web.service*", "web.service ", "we b.service", "web\n.service", "w/b.service", "../web.service", "web%i.service",
        "web@.service", "@3.service", "@.service", "*@.service", "wéb.service", "web\xff.service", "w?b.service", "w[a].service", "{a,b}.service",
        "web.Service", "web.service.", "$(a).service", "web;.service", "\"web\".service", "web.service\n",
    };
    char text[STORE_UNIT_MAX + 2];

    for (size_t i = 0; i < ELEMENTSOF(good); i++)
        CHECK(service_unit_is_valid(good[i]));
    for (size_t i = 0; i < ELEMENTSOF(bad); i++)
        CHECK(!service_unit_is_valid(bad[i]));
    memset(text, 'u', sizeof(text));
    memcpy(text + STORE_UNIT_MAX - 8, ".service", 9);
    CHECK(strlen(text) == STORE_UNIT_MAX && service_unit_is_valid(text));
    memset(text, 'u', sizeof(text));
    memcpy(text + STORE_UNIT_MAX - 7, ".service", 9);
    CHECK(!service_unit_is_valid(text));
}

static void test_credentials(void)
{
    static const char *const good[] = { "a", "db-password", "tls.key", ".hidden", "...", "~", "%", "x=y", "*", "\"'", "#;!" };
    static const char *const bad[] = { "", ".", "..", "a/b", "/", "a:b", ":", "a b", " ", "a\\b", "a\n", "\t", "\x7f", "\x1b[0m", "pässword", "\xff" };
    char text[STORE_CREDENTIAL_MAX + 2];

    for (size_t i = 0; i < ELEMENTSOF(good); i++)
        CHECK(service_credential_is_valid(good[i]));
    for (size_t i = 0; i < ELEMENTSOF(bad); i++)
        CHECK(!service_credential_is_valid(bad[i]));
    memset(text, 'c', sizeof(text));
    text[STORE_CREDENTIAL_MAX] = '\0';
    CHECK(service_credential_is_valid(text));
    text[STORE_CREDENTIAL_MAX] = 'c';
    text[STORE_CREDENTIAL_MAX + 1] = '\0';
    CHECK(!service_credential_is_valid(text));
}

static void test_fits(void)
{
    char credential[STORE_CREDENTIAL_MAX + 1];
    size_t room = SERVICE_UNIT_AND_CREDENTIAL_MAX - strlen("web@.service");

    memset(credential, 'c', sizeof(credential));
    credential[room] = '\0';
    CHECK(strlen("web@x.service") == strlen("web@.service") + 1);
    /* a star stands for nothing where there is no room */
    CHECK(service_credential_fits("web@*.service", credential) && service_credential_fits("web@***.service", credential));
    CHECK(!service_credential_fits("web@x.service", credential) && !service_credential_fits("web@x*.service", credential));
    credential[room] = 'c';
    credential[room + 1] = '\0';
    CHECK(!service_credential_fits("web@*.service", credential));
    CHECK(1 + 16 + strlen("/unit/") + SERVICE_UNIT_AND_CREDENTIAL_MAX + strlen("/") == 107);
}

static void test_constraint_rules(void)
{
    static const struct {
        const char *key, *value;
        bool valid;
    } cases[] = {
        { "node.id", "x", true },
        { "node.id", "", true },
        { "node.hostname", "m1", true },
        { "node.role", "manager", true },
        { "node.role", "worker", true },
        { "node.role", "Manager", false },
        { "node.role", "", false },
        { "node.role", "*", false },
        { "node.labels.rack", "7", true },
        { "node.labels.rack", "", true },
        { "node.labels.a.b", "7", true },
        { "node.labels.\xc3\xa4", "\xe2\x82\xac", true },
        { "node.labels.", "7", false },
        { "node.labels", "7", false },
        { "node.labels.\xff", "7", false },
        { "node.labels.rack", "\xff", false },
        { "node.platform.os", "linux", false },
        { "engine.labels.x", "7", false },
        { "node.", "7", false },
        { "", "7", false },
        { "Node.id", "7", false },
        { "node.id ", "7", false },
    };
    char text[sizeof("node.labels.") + STORE_LABEL_MAX + 1] = "node.labels.";
    Pb__Constraint c = PB__CONSTRAINT__INIT;

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        c.key = (char *) cases[i].key;
        c.value = (char *) cases[i].value;
        CHECK(service_constraint_is_valid(&c) == cases[i].valid);
    }
    memset(text + 12, 'x', STORE_LABEL_MAX + 1);
    text[sizeof(text) - 1] = '\0';
    c.key = text;
    c.value = "v";
    CHECK(!service_constraint_is_valid(&c));
    c.key = "node.hostname";
    c.value = text + 12;
    CHECK(strlen(c.value) == STORE_LABEL_MAX + 1 && !service_constraint_is_valid(&c));
    text[sizeof(text) - 2] = '\0';
    CHECK(service_constraint_is_valid(&c));
    c.key = text;
    CHECK(service_constraint_is_valid(&c));
}

static bool on(const Pb__Node *node, const char *key, bool differs, const char *value)
{
    Pb__Service *service = fixture_service(id_a, 0, "s", "web.service");

    fixture_constrain(service, key, differs, value);
    return service_is_on(service, node);
}

static void test_constraints(void)
{
    Pb__Node *worker = fixture_node(id_b, 0, "w1"), *manager = fixture_manager(id_c, 0, "m1", 1);
    Pb__Service *service = fixture_service(id_a, 0, "s", "web.service");

    CHECK(service_is_on(service, worker) && service_is_on(service, manager));
    CHECK(on(worker, "node.role", false, "worker") && !on(manager, "node.role", false, "worker"));
    CHECK(!on(worker, "node.role", true, "worker") && on(manager, "node.role", true, "worker"));
    CHECK(on(worker, "node.id", false, id_b) && !on(worker, "node.id", false, id_c) && on(worker, "node.id", true, id_c));
    CHECK(on(worker, "node.hostname", false, "w1") && !on(worker, "node.hostname", false, "w") && !on(worker, "node.hostname", false, "w1x"));
    /* each node of the fixture has the label rack=7 */
    CHECK(on(worker, "node.labels.rack", false, "7") && !on(worker, "node.labels.rack", false, "8"));
    CHECK(on(worker, "node.labels.rack", true, "8") && !on(worker, "node.labels.rack", true, "7"));
    CHECK(!on(worker, "node.labels.rac", false, "7") && !on(worker, "node.labels.rackx", false, "7"));
    /* one that it has not is neither empty nor anything else */
    CHECK(!on(worker, "node.labels.zone", false, "") && on(worker, "node.labels.zone", true, "") && on(worker, "node.labels.zone", true, "7"));
    worker->labels[0]->value = "";
    CHECK(on(worker, "node.labels.rack", false, "") && !on(worker, "node.labels.rack", true, ""));
    /* what nobody understands lets nobody in */
    CHECK(!on(worker, "node.zone", false, "7") && !on(worker, "node.zone", true, "7"));
    /* all of them */
    fixture_constrain(service, "node.role", false, "worker");
    fixture_constrain(service, "node.hostname", true, "w2");
    fixture_constrain(service, "node.labels.rack", false, "");
    CHECK(service_is_on(service, worker));
    fixture_constrain(service, "node.id", true, id_b);
    CHECK(!service_is_on(service, worker));
    fixture_reset();
}

static void test_grants(void)
{
    Pb__Service *service = fixture_service(id_a, 0, "s", "web.service");

    CHECK(!service_grants(service, PB__KIND__SECRET, id_b));
    fixture_grant(service, PB__KIND__SECRET, id_b, "b");
    fixture_grant(service, PB__KIND__CONFIG, id_c, "c");
    CHECK(service_grants(service, PB__KIND__SECRET, id_b) && service_grants(service, PB__KIND__CONFIG, id_c));
    CHECK(!service_grants(service, PB__KIND__CONFIG, id_b) && !service_grants(service, PB__KIND__SECRET, id_c));
    fixture_reset();
}

int main(void)
{
    (void) fixture_id('a', 1, id_a);
    (void) fixture_id('b', 2, id_b);
    (void) fixture_id('c', 3, id_c);
    test_matches();
    test_all_short();
    test_hostile_patterns();
    test_units();
    test_credentials();
    test_fits();
    test_constraint_rules();
    test_constraints();
    test_grants();
    return 0;
}
