/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The set of drop-ins in a folder of this test's own: exactly what was asked for, and nothing of anybody else is touched. */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"
#include "units/drop_ins.h"

static char folder[] = "/tmp/test-drop-ins-XXXXXX";
static char mark[PATH_MAX];
static struct drop_ins_report report;
static struct error e;

static const char *const one[] = { "pw" }, *const two[] = { "pw", "tls.key" }, *const odd[] = { "a b" };

static const char *at(const char *path)
{
    static char full[2][PATH_MAX];
    static unsigned which;

    which = !which;
    (void) snprintf(full[which], PATH_MAX, "%s/%s", folder, path);
    return full[which];
}

static bool exists(const char *path)
{
    return access(at(path), F_OK) == 0;
}

static bool says(const char *path, const char *text)
{
    _cleanup_fclose_ FILE *f = fopen(at(path), "re");
    char found[4096];
    size_t n;

    if (!f)
        return false;
    n = fread(found, 1, sizeof(found) - 1, f);
    found[n] = '\0';
    return strcmp(found, text) == 0;
}

static void put(const char *path, const char *text)
{
    _cleanup_fclose_ FILE *f = fopen(at(path), "we");

    CHECK(f && fputs(text, f) >= 0);
}

static void apply(const struct drop_in *list, size_t n)
{
    memset(&report, 0, sizeof(report));
    (void) unlink(mark);
    CHECK_OK(drop_ins_apply(folder, mark, list, n, &report, &e));
}

/* Whether process 1 has something to read. */
static bool changed(void)
{
    return access(mark, F_OK) == 0;
}

#define MARK(service) "# swarm-manager: drop-in of the service " service ", made and removed by swarm-units(8): changes are lost.\n"
#define LINE(id) "LoadCredential=" id ":/run/swarm-manager/credentials.sock\n"

static void made_and_removed(void)
{
    const struct drop_in list[] = { { "web", "web@*.service", two, 2 }, { "db", "db-*.service", one, 1 }, { "share", "srv.mount", one, 1 } };
    struct stat st;

    apply(list, 3);
    CHECK(report.n_written == 3 && report.n_removed == 0 && report.n_failed == 0 && changed());
    CHECK(says("web@.service.d/50-swarm-web.conf", MARK("web") "[Service]\n" LINE("pw") LINE("tls.key")));
    CHECK(says("db-.service.d/50-swarm-db.conf", MARK("db") "[Service]\n" LINE("pw")));
    CHECK(says("srv.mount.d/50-swarm-share.conf", MARK("share") "[Mount]\n" LINE("pw")));
    CHECK(stat(at("web@.service.d"), &st) == 0 && (st.st_mode & 07777) == 0755);
    CHECK(stat(at("web@.service.d/50-swarm-web.conf"), &st) == 0 && (st.st_mode & 07777) == 0644);
    apply(list, 3);
    CHECK(report.n_written == 0 && report.n_removed == 0 && !changed());
    apply(list + 1, 2);
    CHECK(report.n_removed == 1 && strcmp(report.removed[0], "web") == 0 && report.n_written == 0 && changed());
    CHECK(!exists("web@.service.d") && exists("db-.service.d/50-swarm-db.conf"));
    apply(NULL, 0);
    CHECK(report.n_removed == 2 && !exists("db-.service.d") && !exists("srv.mount.d"));
    apply(NULL, 0);
    CHECK(report.n_removed == 0 && !changed());
}

static void changed_services(void)
{
    struct drop_in d = { "web", "web.service", one, 1 };

    apply(&d, 1);
    d.credentials = two;
    d.n = 2;
    apply(&d, 1);
    CHECK(report.n_written == 1 && report.n_removed == 0 && says("web.service.d/50-swarm-web.conf", MARK("web") "[Service]\n" LINE("pw") LINE("tls.key")));
    d.unit = "web@*.service";
    apply(&d, 1);
    CHECK(report.n_written == 1 && report.n_removed == 1 && !exists("web.service.d") && exists("web@.service.d/50-swarm-web.conf"));
    put("web@.service.d/50-swarm-web.conf", MARK("web") "[Service]\nUser=root\n"); /* somebody edits it */
    apply(&d, 1);
    CHECK(report.n_written == 1 && says("web@.service.d/50-swarm-web.conf", MARK("web") "[Service]\n" LINE("pw") LINE("tls.key")));
    d.unit = "*.service";
    apply(&d, 1);
    CHECK(report.n_failed == 1 && strcmp(report.failed[0].service, "web") == 0 && strstr(report.failed[0].text, "by hand") && !exists("web@.service.d"));
}

static void foreign_files_stay(void)
{
    const struct drop_in list[] = { { "web", "web.service", one, 1 }, { "odd", "odd.service", odd, 1 }, { "ok", "ok.service", one, 1 } };

    CHECK(mkdir(at("web.service.d"), 0755) == 0 && mkdir(at("other.service.d"), 0755) == 0);
    put("web.service.d/50-swarm-web.conf", "[Service]\nUser=web\n");
    put("web.service.d/10-mine.conf", "[Service]\n");
    put("other.service.d/50-swarm-other.conf", "# mine\n");
    put("50-swarm-top.conf", MARK("top"));
    apply(list, 3);
    CHECK(report.n_failed == 2 && report.n_written == 1 && strcmp(report.written[0], "ok") == 0);
    CHECK(strcmp(report.failed[0].service, "odd") == 0 && strstr(report.failed[0].text, "another one"));
    CHECK(strcmp(report.failed[1].service, "web") == 0 && strstr(report.failed[1].text, "move it away"));
    CHECK(says("web.service.d/50-swarm-web.conf", "[Service]\nUser=web\n"));
    CHECK(unlink(at("web.service.d/50-swarm-web.conf")) == 0);
    apply(list, 3);
    CHECK(report.n_failed == 1 && report.n_written == 1);
    apply(NULL, 0);
    CHECK(report.n_removed == 2 && exists("web.service.d/10-mine.conf") && !exists("web.service.d/50-swarm-web.conf"));
    CHECK(says("other.service.d/50-swarm-other.conf", "# mine\n") && exists("50-swarm-top.conf"));
}

/* Links lead elsewhere: nothing is written or removed through them. */
static void links_are_not_followed(void)
{
    const struct drop_in list[] = { { "link", "link.service", one, 1 }, { "file", "file.service", one, 1 } };

    CHECK(mkdir(at("elsewhere"), 0755) == 0 && mkdir(at("file.service.d"), 0755) == 0);
    put("elsewhere/50-swarm-old.conf", MARK("old"));
    CHECK(symlink("elsewhere", at("link.service.d")) == 0 && symlink("../elsewhere/50-swarm-old.conf", at("file.service.d/50-swarm-file.conf")) == 0);
    apply(list, 2);
    CHECK(report.n_failed == 2 && report.n_written == 0 && report.n_removed == 0);
    CHECK(says("elsewhere/50-swarm-old.conf", MARK("old")) && !exists("elsewhere/50-swarm-link.conf"));
    apply(NULL, 0);
    CHECK(report.n_removed == 0 && exists("file.service.d/50-swarm-file.conf"));
}

/* More than are told of. */
static void many(void)
{
    static char names[160][16], units[160][32];
    static struct drop_in list[160];

    for (unsigned i = 0; i < 160; i++) {
        (void) snprintf(names[i], sizeof(names[i]), "s%u", i);
        (void) snprintf(units[i], sizeof(units[i]), "u%u%s.service", i % 10, i % 2 ? "*" : "");
        list[i] = (struct drop_in) { names[i], units[i], one, 1 };
    }
    apply(list, 160);
    CHECK(report.n_written == UNITS_NAMES_MAX && report.n_failed == UNITS_NAMES_MAX);
    CHECK(exists("u0.service.d/50-swarm-s150.conf") && exists("u8.service.d/50-swarm-s158.conf"));
    apply(NULL, 0);
    CHECK(report.n_removed == UNITS_NAMES_MAX && !exists("u0.service.d") && !exists("u8.service.d"));
    CHECK(drop_ins_apply("/nowhere", mark, NULL, 0, &report, &e) == -ENOENT && strstr(e.text, "/nowhere"));
}

int main(void)
{
    char command[PATH_MAX];

    CHECK(mkdtemp(folder));
    (void) snprintf(mark, sizeof(mark), "%s/mark", folder);
    made_and_removed();
    changed_services();
    foreign_files_stay();
    links_are_not_followed();
    many();
    (void) snprintf(command, sizeof(command), "rm -r %s", folder);
    CHECK(system(command) == 0);
    return 0;
}
