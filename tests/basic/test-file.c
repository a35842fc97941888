/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/file.h"
#include "test.h"

static struct error e;

static bool holds(const char *path, const char *text)
{
    _cleanup_(secret_done) struct secret s = SECRET_NULL;

    return file_read(path, 4096, &s, NULL) == 0 && s.size == strlen(text) && memcmp(s.data, text, s.size) == 0;
}

static void put(const char *path, const char *text)
{
    CHECK_OK(file_write(path, text, strlen(text), 0600, &e));
}

static void test_join(void)
{
    char path[PATH_MAX], folder[PATH_MAX];

    CHECK_OK(path_join(path, "/a", "b"));
    CHECK(strcmp(path, "/a/b") == 0);
    CHECK_OK(path_join(path, "/", "b"));
    CHECK(strcmp(path, "/b") == 0);
    CHECK_OK(path_join(path, "a/", "b"));
    CHECK(strcmp(path, "a/b") == 0);
    memset(folder, 'x', sizeof(folder));
    folder[PATH_MAX - 1] = 0;
    CHECK(path_join(path, folder, "") == -ENAMETOOLONG);
    folder[PATH_MAX - 3] = 0;
    CHECK_OK(path_join(path, folder, "y"));
    CHECK(strlen(path) == PATH_MAX - 1);
    CHECK(path_join(path, folder, "yy") == -ENAMETOOLONG);

    CHECK_OK(file_temporary(NULL, "/a/b", path));
    CHECK(strcmp(path, "/a/.b.new") == 0);
    CHECK_OK(file_temporary("/t", "/a/b", path));
    CHECK(strcmp(path, "/t/.b.new") == 0);
    CHECK_OK(file_temporary(NULL, "b", path));
    CHECK(strcmp(path, "./.b.new") == 0);
    CHECK_OK(file_temporary(NULL, "/b", path));
    CHECK(strcmp(path, "/.b.new") == 0);
    CHECK(file_temporary(NULL, "/a/", path) == -EINVAL);
    CHECK(file_temporary(NULL, "..", path) == -EINVAL);
    folder[NAME_MAX] = 0;
    CHECK(file_temporary(NULL, folder, path) == -ENAMETOOLONG);
}

static void test_write(void)
{
    struct stat st;
    mode_t old = umask(0);

    put("f", "one");
    CHECK(holds("f", "one"));
    CHECK(stat("f", &st) == 0 && (st.st_mode & 0777) == 0600);
    CHECK_OK(file_write("f", "", 0, 0644, &e));
    CHECK(holds("f", ""));
    CHECK(stat("f", &st) == 0 && (st.st_mode & 0777) == 0644);
    (void) umask(old);

    /* what a crash left, even as a link that would lead elsewhere, is no obstacle */
    put("victim", "victim");
    CHECK(symlink("victim", ".f.new") == 0);
    put("f", "two");
    CHECK(holds("f", "two") && holds("victim", "victim"));
    CHECK(lstat(".f.new", &st) < 0 && errno == ENOENT);

    CHECK(file_write("no/f", "x", 1, 0600, &e) == -ENOENT);
    CHECK(strstr(e.text, "no/f"));
    CHECK(mkdir("d", 0700) == 0);
    CHECK(file_write("d", "x", 1, 0600, &e) == -EISDIR);
    CHECK(lstat(".d.new", &st) < 0 && errno == ENOENT);
    CHECK(rmdir("d") == 0);
}

/* A file system that takes no more bytes: the old file stays, the temporary one goes. */
static void test_write_full(void)
{
    struct rlimit old, none = { 2, RLIM_INFINITY };
    struct stat st;

    put("f", "old");
    CHECK(getrlimit(RLIMIT_FSIZE, &old) == 0);
    none.rlim_max = old.rlim_max;
    CHECK(setrlimit(RLIMIT_FSIZE, &none) == 0);
    CHECK(file_write("f", "longer", 6, 0600, &e) == -EFBIG);
    CHECK(setrlimit(RLIMIT_FSIZE, &old) == 0);
    CHECK(holds("f", "old"));
    CHECK(lstat(".f.new", &st) < 0 && errno == ENOENT);
}

static void test_replace(void)
{
    char was[4] = "";
    int fd;

    CHECK(mkdir("t", 0700) == 0);
    put("f", "old");
    fd = open("f", O_RDONLY | O_CLOEXEC);
    CHECK_OK(file_replace("t", "f", "new", 3, 0600, &e));
    CHECK(holds("f", "new"));
    CHECK(access("t/.f.new", F_OK) < 0);
    CHECK(pread(fd, was, 3, 0) == 3 && memcmp(was, "old", 3) != 0);
    (void) close(fd);

    /* a file with a second name is somebody's backup */
    CHECK(link("f", "backup") == 0);
    CHECK_OK(file_replace(NULL, "f", "3", 1, 0600, &e));
    CHECK(holds("backup", "new") && holds("f", "3"));

    CHECK(file_replace("nowhere", "f", "4", 1, 0600, &e) == -ENOENT);
    CHECK(holds("f", "3"));
    CHECK(rmdir("t") == 0);
    if (access("/dev/shm", W_OK) == 0) {
        struct stat a, b;

        CHECK(stat("/dev/shm", &a) == 0 && stat(".", &b) == 0);
        if (a.st_dev != b.st_dev) {
            CHECK(file_replace("/dev/shm", "f", "4", 1, 0600, &e) == -EXDEV);
            CHECK(access("/dev/shm/.f.new", F_OK) < 0 && holds("f", "3"));
        }
    }
}

static void test_read(void)
{
    _cleanup_(secret_done) struct secret s = SECRET_NULL;

    put("f", "12345");
    CHECK(file_read("f", 4, &s, &e) == -EMSGSIZE && !s.data);
    CHECK_OK(file_read("f", 5, &s, &e));
    CHECK(s.size == 5 && memcmp(s.data, "12345", 5) == 0);
    secret_done(&s);
    CHECK(file_read("none", 5, &s, &e) == -ENOENT && strstr(e.text, "none"));
    CHECK(file_read(".", 5, &s, &e) == -EINVAL && !s.data);
    CHECK(mkfifo("fifo", 0600) == 0);
    CHECK(file_read("fifo", 5, &s, &e) == -EINVAL);
    CHECK(file_read("/proc/self/status", 4096, &s, &e) == -EBUSY && !s.data); /* more bytes than its size says */
    CHECK(truncate("f", 100L * 1024 * 1024) == 0);
    CHECK(file_read("f", SIZE_MAX, &s, &e) == -EMSGSIZE);
}

static void test_erase(void)
{
    char was[6] = "";
    int fd;

    put("f", "secret");
    fd = open("f", O_RDONLY | O_CLOEXEC);
    CHECK_OK(file_erase("f", &e));
    CHECK(access("f", F_OK) < 0);
    CHECK(pread(fd, was, 6, 0) == 6 && memcmp(was, "secret", 6) != 0);
    (void) close(fd);
    CHECK_OK(file_erase("f", &e));

    /* only the name of what is no file of its own */
    put("victim", "victim");
    CHECK(symlink("victim", "link") == 0 && link("victim", "second") == 0);
    CHECK_OK(file_erase("link", &e));
    CHECK(access("link", F_OK) < 0 && holds("victim", "victim"));
    CHECK_OK(file_erase("second", &e));
    CHECK(holds("victim", "victim"));
    CHECK_OK(file_erase("fifo", &e));
}

static void test_folder(void)
{
    CHECK_OK(folder_remove("none", &e));
    CHECK(mkdir("d", 0700) == 0);
    put("d/a", "1");
    put("d/.b", "2");
    CHECK(symlink("../f", "d/c") == 0);
    put("f", "stays");
    CHECK_OK(folder_remove("d", &e));
    CHECK(access("d", F_OK) < 0 && holds("f", "stays"));
    CHECK(folder_remove("f", &e) == -ENOTDIR);
    CHECK(mkdir("d", 0700) == 0 && mkdir("d/below", 0700) == 0);
    CHECK(folder_remove("d", &e) < 0 && access("d/below", F_OK) == 0);
    CHECK(rmdir("d/below") == 0);
    CHECK(symlink("d", "l") == 0);
    CHECK(folder_remove("l", &e) < 0 && access("d", F_OK) == 0);
    CHECK_OK(folder_sync("d/x"));
    CHECK(folder_sync("none/x") == -ENOENT);
    CHECK_OK(folder_remove("d", &e));
}

int main(void)
{
    char folder[] = "/tmp/test-file.XXXXXX";

    CHECK_OK(secret_init());
    CHECK(mkdtemp(folder) && chdir(folder) == 0);
    (void) signal(SIGXFSZ, SIG_IGN);
    test_join();
    test_write();
    test_write_full();
    test_replace();
    test_read();
    CHECK(unlink("victim") == 0);
    test_erase();
    test_folder();
    CHECK_OK(folder_remove(folder, &e));
    return 0;
}
