/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of units and patterns: what is one, what matches, which folder drop-ins go to, and which units are nobody's to change. */
#include <errno.h>
#include <stdbool.h>

#include "store/service.h"
#include "test.h"
#include "unit_name/unit_name.h"

static const char *const names[] = { "web.service", "web@1.service", "a.socket", "srv-data.mount", "swapfile.swap", "x\\x2dy.service", "a:b.service", "a@.b.service" };

static const char *const not_names[] = { "",           "web",           "web.timer",  "web@.service", ".service",      "-.mount",         "-a.service", "@a.service",
                                         ".a.service", "a/b.service",   "../a.service", "a b.service",  "a\n.service", "web@*.service", "a%b.service" };

static void validity(void)
{
    char longest[UNIT_NAME_LEN + 2];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        CHECK(unit_name_is_valid(names[i]) && unit_pattern_is_valid(names[i]));
    for (size_t i = 0; i < sizeof(not_names) / sizeof(not_names[0]); i++)
        CHECK(!unit_name_is_valid(not_names[i]));
    CHECK(unit_pattern_is_valid("web@*.service") && unit_pattern_is_valid("*.service") && unit_pattern_is_valid("a*b*.mount"));
    CHECK(!unit_pattern_is_valid("../*.service") && !unit_pattern_is_valid("*") && !unit_pattern_is_valid("-*.mount") && !unit_pattern_is_valid("a?*.service"));
    memset(longest, 'a', sizeof(longest));
    strcpy(longest + UNIT_NAME_LEN - strlen(".service"), ".service");
    CHECK(unit_name_is_valid(longest));
    memset(longest, 'a', sizeof(longest));
    strcpy(longest + UNIT_NAME_LEN + 1 - strlen(".service"), ".service");
    CHECK(!unit_name_is_valid(longest) && unit_is_reserved(longest));
    CHECK(strcmp(unit_section("a.service"), "Service") == 0 && strcmp(unit_section("a.swap"), "Swap") == 0 && !unit_section("a.timer"));
}

/* The store says who may have what, the helper who is restarted: they have to mean the same. */
static void matching(void)
{
    static const struct {
        const char *pattern, *name;
        bool matches;
    } cases[] = {
        { "web.service", "web.service", true },       { "web.service", "webx.service", false },      { "web@*.service", "web@1.service", true },
        { "web@*.service", "web.service", false },    { "db-*.service", "db-a.service", true },      { "db-*.service", "db-.service", true },
        { "db-*.service", "db.service", false },      { "*.service", "a.service", true },            { "*.service", "a.socket", false },
        { "a*b*c.service", "aXbYc.service", true },   { "a*b*c.service", "abc.service", true },      { "a*b*c.service", "acb.service", false },
        { "a*a*a.service", "aaaa.service", true },    { "a**.service", "a.service", true },          { "a.*.service", "a.b.service", true },
        { "x\\x2d*.service", "x\\x2dy.service", true },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK(unit_pattern_matches(cases[i].pattern, cases[i].name) == cases[i].matches);
        CHECK(service_unit_matches(cases[i].pattern, cases[i].name) == cases[i].matches);
    }
}

static void folders(void)
{
    static const struct {
        const char *pattern, *folder;
    } cases[] = {
        { "web.service", "web.service.d" },     { "web@3.service", "web@3.service.d" }, { "web@*.service", "web@.service.d" },
        { "db-*.service", "db-.service.d" },    { "a-b-*.mount", "a-b-.mount.d" },      { "web*.service", NULL },
        { "*.service", NULL },                  { "*-web.service", NULL },              { "web@a*.service", NULL },
        { "w-*@*.service", NULL },              { "a@b-*.service", NULL },              { "web@.service", NULL },
        { "../a.service", NULL },               { "-*.mount", NULL },                   { "db-*", NULL },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char folder[UNIT_FOLDER_SIZE] = "";
        struct error e = { "" };
        int r = unit_drop_in_folder(cases[i].pattern, folder, &e);

        if (cases[i].folder)
            CHECK(r == 0 && strcmp(folder, cases[i].folder) == 0);
        else
            CHECK(r == -EOPNOTSUPP && folder[0] == '\0' && strstr(e.text, "web@*.service"));
    }
}

static void reserved(void)
{
    static const char *const yes[] = { "systemd-journald.service", "systemd-*.service", "swarm-manager.service", "swarm-units@1.service", "dbus.service", "dbus.socket",
                                       "dbus-*.service", "user@0.service", "user@*.service", "getty@tty1.service", "ssh.service", "sshd@*.service", "sys*.service",
                                       "*.service", "*a*.service", "user-runtime-dir@1.service", "initrd-x.service" };
    static const char *const no[] = { "web.service", "web@*.service", "db-*.service", "systemd.service", "swarm.service", "user.service", "users@*.service", "mydbus.service" };
    char folder[UNIT_FOLDER_SIZE];
    struct error e;

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        CHECK(unit_is_reserved(yes[i]));
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        CHECK(!unit_is_reserved(no[i]));
    CHECK(unit_drop_in_folder("dbus.service", folder, &e) == -EOPNOTSUPP && strstr(e.text, "by hand"));
}

static void others(void)
{
    CHECK(unit_credential_is_plain("db-password") && unit_credential_is_plain("a.b_c@d+e=f,g") && unit_credential_is_plain("..."));
    CHECK(!unit_credential_is_plain("") && !unit_credential_is_plain("a b") && !unit_credential_is_plain("a%b") && !unit_credential_is_plain("a\\b"));
    CHECK(!unit_credential_is_plain(".") && !unit_credential_is_plain("..") && !unit_credential_is_plain("a:b") && !unit_credential_is_plain("a/b"));
    CHECK(!unit_credential_is_plain("a\nb") && !unit_credential_is_plain("a\"b") && !unit_credential_is_plain("\xc3\xbc"));
    CHECK(unit_service_is_valid("web") && unit_service_is_valid("a") && unit_service_is_valid("a-b_c.d"));
    CHECK(!unit_service_is_valid("") && !unit_service_is_valid(".a") && !unit_service_is_valid("a.") && !unit_service_is_valid("a/b") && !unit_service_is_valid("a b"));
}

int main(void)
{
    validity();
    matching();
    folders();
    reserved();
    others();
    return 0;
}
