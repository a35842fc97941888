/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which queries swarm-agent takes for its own. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ask_file.h"
#include "test.h"

#define FOLDER "/run/systemd/ask-password"
#define SOCKET "Socket=" FOLDER "/sck.x\n"
#define OURS "Id=swarm-manager:unlock\nX-SwarmAgent=1\n"

static int parse(const char *text, struct ask_file *ret)
{
    return ask_file_parse(text, strlen(text), FOLDER, ret);
}

static void ours(void)
{
    struct ask_file f;
    char most[ASK_FILE_MAX + 2];

    CHECK_OK(parse("[Ask]\n" SOCKET OURS, &f));
    CHECK(strcmp(f.socket, FOLDER "/sck.x") == 0 && f.not_after == 0);
    CHECK_OK(parse("# said\n; so\n\n[Ask]\nPID=1\nMessage=a=b\n" OURS "NotAfter=18446744073709551615\n" SOCKET, &f));
    CHECK(f.not_after == UINT64_MAX);
    CHECK_OK(parse("[Other]\nSocket=/elsewhere\n[Ask]\n" SOCKET OURS "[Other]\nId=other\n", &f));
    (void) snprintf(most, sizeof(most), "%-*s", ASK_FILE_MAX + 1, "[Ask]\n" SOCKET OURS "Message=");
    CHECK(parse(most, &f) == -EMSGSIZE);
    most[ASK_FILE_MAX] = 0;
    CHECK_OK(parse(most, &f));
}

static void not_ours(void)
{
    static const char *const others[] = {
        "",
        "[Ask]\n",
        "[Ask]\n" SOCKET,
        "[Ask]\n" SOCKET "Id=swarm-manager:unlock\n",
        "[Ask]\n" SOCKET "Id=swarm-manager:unlock\nX-SwarmAgent=0\n",
        "[Ask]\n" SOCKET "Id=swarm-manager:unlock\nX-SwarmAgent=10\n",
        "[Ask]\n" SOCKET "Id=cryptsetup:/dev/sda\nX-SwarmAgent=1\n",
        "[Ask]\n" SOCKET "Id=swarm-manager:unlock2\nX-SwarmAgent=1\n",
        "[Ask]\n" SOCKET OURS "X-SwarmAgent=0\n",
        SOCKET OURS,
        "[ask]\n" SOCKET OURS,
    };
    struct ask_file f = { .not_after = 1234 };

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        CHECK(parse(others[i], &f) == -ENOENT);
    CHECK(f.not_after == 1234);
}

static void of_no_form(void)
{
    static const char *const bad[] = {
        "[Ask]\n" OURS,
        "[Ask]\n" OURS "Socket=\n",
        "[Ask]\n" OURS "Socket=sck.x\n",
        "[Ask]\n" OURS "Socket=" FOLDER "\n",
        "[Ask]\n" OURS "Socket=" FOLDER "/\n",
        "[Ask]\n" OURS "Socket=" FOLDER "/.\n",
        "[Ask]\n" OURS "Socket=" FOLDER "/..\n",
        "[Ask]\n" OURS "Socket=" FOLDER "/../x\n",
        "[Ask]\n" OURS "Socket=" FOLDER "/a/b\n",
        "[Ask]\n" OURS "Socket=" FOLDER "x/a\n",
        "[Ask]\n" OURS "Socket=/tmp/sck.x\n",
        "[Ask]\n" OURS "Socket=@abstract\n",
        "[Ask]\n" OURS SOCKET "NotAfter=soon\n",
        "[Ask]\n" OURS SOCKET "NotAfter=-1\n",
        "[Ask]\n" OURS SOCKET "NotAfter=1s\n",
        "[Ask]\n" OURS SOCKET "NotAfter=18446744073709551616\n",
        "[Ask]\n" OURS SOCKET "no assignment\n",
        "[Ask]\n" SOCKET "Message=goes on \\\n" OURS,
    };
    char long_socket[200];
    struct ask_file f = { .not_after = 1234 };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(parse(bad[i], &f) == -EINVAL);
    (void) snprintf(long_socket, sizeof(long_socket), "[Ask]\n" OURS "Socket=" FOLDER "/%0100d\n", 0);
    CHECK(parse(long_socket, &f) == -EINVAL);
    CHECK(ask_file_parse("[Ask]\n\0", 7, FOLDER, &f) == -EINVAL);
    CHECK(f.not_after == 1234 && !f.socket[0]);
}

static void put(const char *name, const char *text, size_t size)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    CHECK(fd >= 0 && write(fd, text, size) == (ssize_t) size);
    close(fd);
}

static void only_files_of_roots(int dir)
{
    static const char text[] = "[Ask]\n" SOCKET OURS;
    char large[ASK_FILE_MAX + 1];
    struct ask_file f;
    struct stat st;
    ino_t inode = 0;

    put("ask.good", text, sizeof(text) - 1);
    CHECK_OK(ask_file_read(dir, "ask.good", FOLDER, &f, &inode));
    CHECK(stat("ask.good", &st) == 0 && st.st_ino == inode);
    CHECK(ask_file_read(dir, "ask.none", FOLDER, &f, &inode) == -ENOENT);
    CHECK(symlink("ask.good", "ask.link") == 0);
    CHECK(ask_file_read(dir, "ask.link", FOLDER, &f, &inode) == -ELOOP);
    CHECK(mkfifo("ask.fifo", 0644) == 0);
    CHECK(ask_file_read(dir, "ask.fifo", FOLDER, &f, &inode) == -EPERM);
    CHECK(mkdir("ask.folder", 0755) == 0);
    CHECK(ask_file_read(dir, "ask.folder", FOLDER, &f, &inode) == -EPERM);
    memset(large, '\n', sizeof(large));
    put("ask.large", large, sizeof(large));
    CHECK(ask_file_read(dir, "ask.large", FOLDER, &f, &inode) == -EMSGSIZE);
    CHECK(chown("ask.good", 65534, 65534) == 0);
    CHECK(ask_file_read(dir, "ask.good", FOLDER, &f, &inode) == -EPERM);
}

int main(void)
{
    char folder[] = "/tmp/test-ask-file-XXXXXX";
    int dir;

    ours();
    not_ours();
    of_no_form();
    if (geteuid() != 0) {
        puts("skipped in part: only root can make queries that count");
        return 77;
    }
    CHECK(mkdtemp(folder) && chdir(folder) == 0);
    dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(dir >= 0);
    only_files_of_roots(dir);
    CHECK(unlink("ask.good") == 0 && unlink("ask.link") == 0 && unlink("ask.fifo") == 0 && unlink("ask.large") == 0);
    CHECK(rmdir("ask.folder") == 0 && chdir("/") == 0 && rmdir(folder) == 0);
    return 0;
}
