/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit_name/unit_name.h"

#include <errno.h>
#include <string.h>

#include "basic/cleanup.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define ALPHANUMERIC LETTERS "0123456789"
#define UNIT_CHARS ALPHANUMERIC ":-_.\\@"

static const struct {
    const char *suffix, *section;
} types[] = {
    { ".service", "Service" },
    { ".socket", "Socket" },
    { ".mount", "Mount" },
    { ".swap", "Swap" },
};

#define RESERVED_LEN 20

static const char reserved[][RESERVED_LEN + 1] = {
    "systemd-*", "swarm-*",     "initrd-*",        "dbus.*",        "dbus-broker.*",     "polkit.*",         "rescue.*",    "emergency.*", "debug-shell.*",
    "user@*",    "getty@*",     "serial-getty@*",  "autovt@*",      "container-getty@*", "console-getty.*",  "ssh.*",       "ssh@*",       "sshd.*",
    "sshd@*",    "sshd-*",      "user-runtime-dir@*",
};

static const char *type_of(const char *name, const char **ret_section)
{
    size_t n = strlen(name);

    for (size_t i = 0; i < ELEMENTSOF(types); i++) {
        size_t m = strlen(types[i].suffix);

        if (n > m && strcmp(name + n - m, types[i].suffix) == 0) {
            *ret_section = types[i].section;
            return name + n - m;
        }
    }
    return NULL;
}

const char *unit_section(const char *name)
{
    const char *section = NULL;

    (void) type_of(name, &section);
    return section;
}

/* What comes first is no dash, either: "-.mount" is the root, and no unit of anybody's. */
static bool has_form(const char *name, const char *chars)
{
    size_t n = strnlen(name, UNIT_NAME_LEN + 1);

    return n <= UNIT_NAME_LEN && strspn(name, chars) == n && n > 0 && !strchr(".-@", name[0]) && unit_section(name);
}

bool unit_name_is_valid(const char *name)
{
    const char *at = strchr(name, '@');

    return has_form(name, UNIT_CHARS) && !(at && at[1] == '.' && unit_section(name) && !strchr(at + 2, '.'));
}

bool unit_pattern_is_valid(const char *pattern)
{
    return strchr(pattern, '*') ? has_form(pattern, UNIT_CHARS "*") : unit_name_is_valid(pattern);
}

bool unit_pattern_matches(const char *pattern, const char *name)
{
    const char *star = NULL, *retry = NULL;

    while (*name) {
        if (*pattern == '*') {
            star = pattern++;
            retry = name;
        } else if (*pattern == *name) {
            pattern++;
            name++;
        } else if (star) {
            pattern = star + 1;
            name = ++retry;
        } else
            return false;
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

/* Whether some name matches both: a * of either swallows what the other has. */
static bool overlap(const char *a, const char *b)
{
    bool can[RESERVED_LEN + 2][UNIT_NAME_LEN + 2] = { 0 };
    int n = (int) strlen(a), m = (int) strlen(b);

    for (int i = n; i >= 0; i--)
        for (int j = m; j >= 0; j--) {
            if (a[i] == '*')
                can[i][j] = can[i + 1][j] || (b[j] && can[i][j + 1]);
            else if (b[j] == '*')
                can[i][j] = can[i][j + 1] || (a[i] && can[i + 1][j]);
            else
                can[i][j] = a[i] == b[j] && (a[i] == '\0' || can[i + 1][j + 1]);
        }
    return can[0][0];
}

bool unit_is_reserved(const char *pattern)
{
    if (strnlen(pattern, UNIT_NAME_LEN + 1) > UNIT_NAME_LEN)
        return true;
    for (size_t i = 0; i < ELEMENTSOF(reserved); i++)
        if (overlap(reserved[i], pattern))
            return true;
    return false;
}

static int no_folder(const char *pattern, struct error *e)
{
    return error_set(e, -EOPNOTSUPP,
                     "no drop-in can be made for the units %s: it can for one unit (web.service), all instances of a template (web@*.service) and "
                     "all units with a beginning that ends in a dash (db-*.service); for others write LoadCredential= into the unit by hand",
                     pattern);
}

int unit_drop_in_folder(const char *pattern, char ret[static UNIT_FOLDER_SIZE], struct error *e)
{
    const char *star = strchr(pattern, '*'), *at = strchr(pattern, '@'), *section, *type;
    size_t n;

    if (!unit_pattern_is_valid(pattern))
        return no_folder("of that name", e);
    type = type_of(pattern, &section);
    /* the one * stands before the type, behind the template's @ or a prefix's dash */
    if (star && (star == pattern || star + 1 != type || (at ? at + 1 != star : star[-1] != '-')))
        return no_folder(pattern, e);
    if (unit_is_reserved(pattern))
        return error_set(e, -EOPNOTSUPP,
                         "the units %s are, or may be, what this machine boots with or is administered through: no drop-in is made for them; write "
                         "LoadCredential= into the unit by hand",
                         pattern);
    n = star ? (size_t) (star - pattern) : strlen(pattern);
    memcpy(ret, pattern, n);
    (void) snprintf(ret + n, UNIT_FOLDER_SIZE - n, "%s.d", star ? type : "");
    return 0;
}

bool unit_credential_is_plain(const char *credential)
{
    size_t n = strnlen(credential, UNIT_CREDENTIAL_LEN + 1);

    return n > 0 && n <= UNIT_CREDENTIAL_LEN && strspn(credential, ALPHANUMERIC "._-@+=,") == n && strcmp(credential, ".") != 0 &&
           strcmp(credential, "..") != 0;
}

bool unit_service_is_valid(const char *service)
{
    size_t n = strnlen(service, UNIT_SERVICE_LEN + 1);

    return n > 0 && n <= UNIT_SERVICE_LEN && strspn(service, ALPHANUMERIC "-_.") == n && strchr(ALPHANUMERIC, service[0]) &&
           strchr(ALPHANUMERIC, service[n - 1]);
}
