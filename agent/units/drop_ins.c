/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "units/drop_ins.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "basic/cleanup.h"
#include "basic/file.h"

#define TEXT_MAX (16U * 1024) /* more is no drop-in of ours */
#define FOLDER_MODE 0755
#define FILE_MODE 0644

/* One that is to be there. text is NULL when it cannot be. */
struct wanted {
    const char *service;
    char folder[UNIT_FOLDER_SIZE], name[DROP_IN_NAME_SIZE];
    char *text;
    size_t size;
};

struct work {
    const char *folder, *mark;
    struct wanted *wanted;
    size_t n;
    struct drop_ins_report *report;
};

static void work_done(struct work *w)
{
    for (size_t i = 0; i < w->n; i++)
        free(w->wanted[i].text);
    free(w->wanted);
}

static inline void dirp(DIR **d)
{
    if (*d)
        (void) closedir(*d);
}

static void note(char names[static UNITS_NAMES_MAX][UNIT_SERVICE_LEN + 1], unsigned *n, const char *service)
{
    if (*n < UNITS_NAMES_MAX)
        (void) snprintf(names[(*n)++], UNIT_SERVICE_LEN + 1, "%s", service);
}

static void note_failure(struct work *w, const char *service, const char *text)
{
    struct drop_ins_failure *f = &w->report->failed[w->report->n_failed];

    if (w->report->n_failed == UNITS_NAMES_MAX)
        return;
    w->report->n_failed++;
    (void) snprintf(f->service, sizeof(f->service), "%s", service);
    (void) snprintf(f->text, sizeof(f->text), "%s", text);
}

static int leave_mark(struct work *w, struct error *e)
{
    _cleanup_close_ int fd = open(w->mark, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    return fd < 0 ? error_set(e, -errno, "cannot make %s: %s", w->mark, strerror(errno)) : 0;
}

/* 1: ours, with that text; 0: ours, with another one; -ENOENT; -EEXIST: somebody else's. */
static int look(const char *path, const char *text, size_t size)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    _cleanup_free_ char *found = NULL;
    struct stat st;
    ssize_t n;

    if (fd < 0)
        return errno == ENOENT ? -ENOENT : -EEXIST;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > TEXT_MAX)
        return -EEXIST;
    found = malloc(TEXT_MAX);
    if (!found)
        return -ENOMEM;
    n = read(fd, found, TEXT_MAX);
    if (n < 0)
        return -errno;
    if (!drop_in_is_ours(found, (size_t) n))
        return -EEXIST;
    return text && (size_t) n == size && memcmp(found, text, size) == 0;
}

static int make_folder(const char *path, struct error *e)
{
    struct stat st;

    if (mkdir(path, FOLDER_MODE) == 0)
        return chmod(path, FOLDER_MODE) < 0 ? error_set(e, -errno, "cannot make %s: %s", path, strerror(errno)) : 0;
    if (errno != EEXIST)
        return error_set(e, -errno, "cannot make %s: %s", path, strerror(errno));
    if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return error_set(e, -ENOTDIR, "%s is no folder: drop-ins are made in real ones only", path);
    return 0;
}

static int write_one(struct work *w, const struct wanted *d, struct error *e)
{
    char folder[PATH_MAX], path[PATH_MAX];
    int r = path_join(folder, w->folder, d->folder);

    if (r == 0)
        r = path_join(path, folder, d->name);
    if (r < 0)
        return error_set(e, r, "%s is too long", w->folder);
    r = look(path, d->text, d->size);
    if (r == 1)
        return 0;
    if (r == -EEXIST)
        return error_set(e, r, "%s is there and not made by swarm-units: it stays; move it away", path);
    if (r < 0 && r != -ENOENT)
        return error_set(e, r, "cannot read %s: %s", path, strerror(-r));
    r = leave_mark(w, e);
    if (r == 0)
        r = make_folder(folder, e);
    if (r == 0)
        r = file_write(path, d->text, d->size, FILE_MODE, e);
    if (r == 0)
        note(w->report->written, &w->report->n_written, d->service);
    return r;
}

static bool is_wanted(const struct work *w, const char *folder, const char *name)
{
    for (size_t i = 0; i < w->n; i++)
        if (w->wanted[i].text && strcmp(w->wanted[i].name, name) == 0 && strcmp(w->wanted[i].folder, folder) == 0)
            return true;
    return false;
}

/* Removes from one unit's folder what is ours and not wanted; the folder too, if that was all. */
static int clean_folder(struct work *w, const char *name, struct error *e)
{
    _cleanup_(dirp) DIR *d = NULL;
    char folder[PATH_MAX], path[PATH_MAX], service[UNIT_SERVICE_LEN + 1];
    const struct dirent *entry;
    bool removed = false;
    int r = path_join(folder, w->folder, name);

    d = r < 0 ? NULL : opendir(folder);
    if (!d)
        return 0;
    while ((entry = readdir(d))) {
        if (!drop_in_is_name(entry->d_name, service) || is_wanted(w, name, entry->d_name) || path_join(path, folder, entry->d_name) < 0 ||
            look(path, NULL, 0) < 0)
            continue;
        r = leave_mark(w, e);
        if (r < 0)
            return r;
        if (unlink(path) < 0)
            return error_set(e, -errno, "cannot remove %s: %s", path, strerror(errno));
        removed = true;
        note(w->report->removed, &w->report->n_removed, service);
    }
    if (removed && rmdir(folder) < 0) /* others have something there */
        (void) folder_sync(path);
    return 0;
}

static bool is_folder(DIR *d, const char *name)
{
    size_t n = strlen(name);
    struct stat st;

    return n > 2 && strcmp(name + n - 2, ".d") == 0 && fstatat(dirfd(d), name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int clean(struct work *w, DIR *d, struct error *e)
{
    const struct dirent *entry;
    int r = 0;

    while (r == 0 && (errno = 0, entry = readdir(d)))
        if (is_folder(d, entry->d_name))
            r = clean_folder(w, entry->d_name, e);
    return r;
}

static void plan(struct work *w, const struct drop_in *d, struct wanted *ret)
{
    struct error why;
    int r = unit_drop_in_folder(d->unit, ret->folder, &why);

    ret->service = d->service;
    drop_in_name(d, ret->name);
    if (r == 0)
        r = drop_in_text(d, &ret->text, &ret->size, &why);
    if (r < 0)
        note_failure(w, d->service, r == -ENOMEM ? "no memory" : why.text);
}

int drop_ins_apply(const char *folder, const char *mark, const struct drop_in *list, size_t n, struct drop_ins_report *ret, struct error *e)
{
    _cleanup_(dirp) DIR *d = opendir(folder);
    _cleanup_(work_done) struct work w = { folder, mark, calloc(n + 1, sizeof(struct wanted)), n, ret };
    struct error why;
    int r;

    if (!d || flock(dirfd(d), LOCK_EX) < 0)
        return error_set(e, -errno, "cannot use %s: %s", folder, strerror(errno));
    if (!w.wanted) {
        w.n = 0;
        return error_set(e, -ENOMEM, "no memory for the drop-ins");
    }
    for (size_t i = 0; i < n; i++)
        plan(&w, &list[i], &w.wanted[i]);
    r = clean(&w, d, e);
    for (size_t i = 0; r == 0 && i < n; i++)
        if (w.wanted[i].text && write_one(&w, &w.wanted[i], &why) < 0)
            note_failure(&w, w.wanted[i].service, why.text);
    return r;
}
