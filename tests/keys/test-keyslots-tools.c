/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Our keyslots as cryptsetup, systemd-cryptenroll and clevis see them, and theirs as we do. What is not installed is left out. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keys-test.h"

#define TANGD "/usr/libexec/tangd"
#define WORD "a person's word"
#define RECOVERY "{\"type\":\"systemd-recovery\",\"keyslots\":[]}"

static struct secret kek, key;
static char url[64];

static int run(const char *format, ...) _printf_(1, 2);

/* The command's exit status; its output is in "out", which a failed check shows. */
static int run(const char *format, ...)
{
    char command[2048];
    va_list ap;
    int n, status;

    n = snprintf(command, sizeof(command), "exec >out 2>&1; ");
    va_start(ap, format);
    (void) vsnprintf(command + n, sizeof(command) - (size_t) n, format, ap);
    va_end(ap);
    status = system(command);
    CHECK(status >= 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define RUN(...)                                  \
    do {                                          \
        if (run(__VA_ARGS__) != 0) {              \
            CHECK(system("cat out >&2") == 0);    \
            (void) fprintf(stderr, __VA_ARGS__);  \
            CHECK(!"the command before succeeds"); \
        }                                         \
    } while (0)

static bool has(const char *command)
{
    if (run("command -v %s", command) == 0)
        return true;
    (void) fprintf(stderr, "not tried: %s, which is not here\n", command);
    return false;
}

static bool printed(const char *pattern)
{
    char command[512];

    (void) snprintf(command, sizeof(command), "grep -qE '%s' out", pattern);
    if (system(command) == 0)
        return true;
    CHECK(system("cat out >&2") == 0);
    return false;
}

/* tangd as inetd runs it, one process for each connection, until the test ends. */
static void start_tang(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pid_t pid;

    RUN("mkdir tang && " TANGD "-keygen tang");
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *) &a, n) == 0 && listen(fd, 16) == 0 && getsockname(fd, (struct sockaddr *) &a, &n) == 0);
    (void) snprintf(url, sizeof(url), "http://127.0.0.1:%u", ntohs(a.sin_port));
    pid = fork();
    CHECK(pid >= 0);
    if (pid > 0) {
        (void) close(fd);
        return;
    }
    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void) signal(SIGCHLD, SIG_IGN);
    for (;;) {
        _cleanup_close_ int connection = accept(fd, NULL, NULL);

        if (fork() == 0) {
            (void) dup2(connection, 0);
            (void) dup2(connection, 1);
            (void) execl(TANGD, "tangd", "tang", (char *) NULL);
            _exit(1);
        }
    }
}

static void begin(void)
{
    CHECK_TOLD(keyslots_create(LOCK, &kek, &key, 3, KEYSLOT_ACTIVE, &e));
}

static int add(const char *passphrase, enum keyslot_stretch stretch, const char *token)
{
    _cleanup_(secret_done) struct secret text = text_of(passphrase);
    int slot = -1;

    CHECK_TOLD(keyslots_add_method(LOCK, &kek, &text, stretch, token, false, &slot, &e));
    return slot;
}

static struct keyslot prove(int slot, const char *passphrase)
{
    _cleanup_(secret_done) struct secret text = text_of(passphrase);
    struct keyslot s;

    CHECK_TOLD(keyslots_prove(LOCK, slot, &text, &s, &e));
    CHECK_OK(try_key(&text, &kek));
    return s;
}

/* What a command printed, to its first line's end. */
static char *line_of(const char *path)
{
    static char text[16384];
    _cleanup_fclose_ FILE *f = fopen(path, "re");

    CHECK(f && fgets(text, sizeof(text), f));
    text[strcspn(text, "\n")] = '\0';
    return text;
}

static void test_cryptsetup(void)
{
    if (!has("cryptsetup"))
        return;
    begin();
    CHECK(add("recovery", STRETCH_KEY, RECOVERY) == 7);
    CHECK(add(WORD, STRETCH_HUMAN, NULL) == 6);
    RUN("cryptsetup luksDump " LOCK);
    CHECK(printed("^  0: swarm-unlock$") && printed("^  [1-9]: systemd-recovery$"));
    CHECK(printed("PBKDF: +argon2id") && printed("Time cost: +4$") && printed("Memory: +6[56][0-9]{3}$") && printed("Threads: +1$"));
    CHECK(printed("PBKDF: +pbkdf2") && printed("Iterations: +1[0-9]{3}$"));
    RUN("printf %%s \"" WORD "\" | cryptsetup open --test-passphrase --key-slot 6 --key-file - " LOCK);
    RUN("printf recovery | cryptsetup open --test-passphrase --key-slot 7 --key-file - " LOCK);

    RUN("printf theirs >theirs && cryptsetup luksAddKey -q --pbkdf argon2id --pbkdf-memory 65536 --pbkdf-force-iterations 4 --pbkdf-parallel 1 "
        "--key-file key " LOCK " theirs");
    CHECK(strcmp(prove(1, "theirs").kind, "passphrase") == 0);
    CHECK_TOLD(keyslots_collect(LOCK, &e));
    CHECK_TOLD(keyslots_remove_method(LOCK, 1, &key, &e));
    CHECK(run("cryptsetup open --test-passphrase --key-file theirs " LOCK) == 2);

    /* ours, removed by it: the token stays, as always with cryptsetup, and the number may be used again */
    RUN("cryptsetup luksKillSlot -q --key-file key " LOCK " 7");
    CHECK(keyslots_remove_method(LOCK, 7, &key, &e) == -ENOENT);
    CHECK(add("again", STRETCH_KEY, RECOVERY) == 7);
    CHECK(strcmp(prove(7, "again").kind, "recovery") == 0);
    RUN("cryptsetup luksKillSlot -q --key-file key " LOCK " 6");
    CHECK_TOLD(keyslots_collect(LOCK, &e));
    CHECK(count_slots(KEYSLOT_FOREIGN) == 1);
}

static void test_cryptenroll(void)
{
    if (!has("systemd-cryptenroll"))
        return;
    begin();
    CHECK(add("recovery", STRETCH_KEY, RECOVERY) == 7);
    CHECK(add(WORD, STRETCH_KEY, NULL) == 6);
    RUN("systemd-cryptenroll " LOCK);
    CHECK(printed("^ +0 other") && printed("^ +7 recovery") && printed("^ +6 password"));

    RUN("systemd-cryptenroll --unlock-key-file=key --recovery-key " LOCK " 2>log; cp out printed; cat log");
    CHECK(strcmp(prove(1, line_of("printed")).kind, "recovery") == 0);
    CHECK_TOLD(keyslots_remove_method(LOCK, 1, &key, &e));
    CHECK(count_tokens("systemd-recovery") == 1);

    RUN("systemd-cryptenroll --wipe-slot=recovery " LOCK);
    CHECK(count_tokens("systemd-recovery") == 0 && count_slots(KEYSLOT_FOREIGN) == 1 && count_slots(KEYSLOT_ACTIVE) == 1);
    RUN("systemd-cryptenroll --wipe-slot=6 " LOCK);
    CHECK(count_slots(KEYSLOT_FOREIGN) == 0);
    CHECK_OK(try_key(&key, &kek));
}

static void test_clevis(void)
{
    char token[16384];
    struct keyslot s;
    char *read_back;
    int n;

    if (!has("clevis-luks-bind") || !has(TANGD))
        return;
    start_tang();
    begin();
    /* ours as theirs */
    RUN("printf 'of ours' | clevis encrypt tang '{\"url\":\"%s\"}' -y >jwe && jose jwe fmt -i jwe >flat", url);
    n = snprintf(token, sizeof(token), "{\"type\":\"clevis\",\"keyslots\":[],\"jwe\":%s}", line_of("flat"));
    CHECK(n < (int) sizeof(token));
    CHECK(add("of ours", STRETCH_KEY, token) == 7);
    RUN("clevis luks list -d " LOCK);
    CHECK(printed("^7: tang .*http://127.0.0.1:"));
    RUN("test \"$(clevis luks pass -d " LOCK " -s 7)\" = 'of ours'");

    /* theirs as ours */
    RUN("clevis luks bind -y -k key -d " LOCK " tang '{\"url\":\"%s\"}'", url);
    RUN("clevis luks pass -d " LOCK " -s 1 >pass");
    s = prove(1, line_of("pass"));
    CHECK(strcmp(s.kind, "tang") == 0 && strcmp(s.binding, url) == 0 && s.state == KEYSLOT_FOREIGN);
    RUN("clevis luks bind -y -k key -d " LOCK " sss '{\"t\":2,\"pins\":{\"tang\":[{\"url\":\"%s\"},{\"url\":\"%s/\"}]}}'", url, url);
    RUN("clevis luks pass -d " LOCK " -s 2 >pass");
    s = prove(2, line_of("pass"));
    CHECK(strcmp(s.kind, "sss") == 0 && strncmp(s.binding, "2 of http://127.0.0.1:", 22) == 0);
    CHECK_TOLD(keyslots_token(LOCK, 2, &read_back, &e));
    CHECK(strstr(read_back, "\"keyslots\":[\"2\"]"));
    free(read_back);

    CHECK_TOLD(keyslots_remove_method(LOCK, 1, &key, &e));
    RUN("clevis luks list -d " LOCK);
    CHECK(run("grep -q ^1: out") != 0 && count_tokens("clevis") == 2);
    RUN("clevis luks unbind -f -d " LOCK " -s 7");
    CHECK(count_tokens("clevis") == 1 && count_slots(KEYSLOT_FOREIGN) == 1 && count_tokens(KEYSLOT_TOKEN_TYPE) == 1);
    CHECK_TOLD(keyslots_remove_method(LOCK, 2, &key, &e));
    RUN("clevis luks list -d " LOCK);
    CHECK(run("test ! -s out") == 0);
    CHECK_OK(try_key(&key, &kek));
}

int main(void)
{
    char folder[] = "/tmp/test-keyslots-tools.XXXXXX";

    enter_folder(folder);
    CHECK(setenv("TMPDIR", folder, 1) == 0); /* of clevis, which keeps a copy of the header there */
    kek = new_kek();
    key = new_key();
    CHECK_OK(file_write("key", key.data, key.size, 0600, &e));
    test_cryptsetup();
    test_cryptenroll();
    test_clevis();
    secret_done(&kek);
    secret_done(&key);
    RUN("rm -rf tang tmp.*");
    CHECK_OK(folder_remove(folder, &e));
    return 0;
}
