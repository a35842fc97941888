/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* swarm-open on a real lock, between a caller and helpers that are played here. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "exchange/exchange.h"
#include "keys/keys-test.h"
#include "open/open_protocol.h"
#include "open/open_reply.h"
#include "open/serve.h"

#define JWE "{\"ciphertext\":\"CT\",\"encrypted_key\":\"\",\"iv\":\"IV\",\"protected\":\"HEAD\",\"tag\":\"TAG\"}"
#define CLEVIS "{\"type\":\"clevis\",\"keyslots\":[],\"jwe\":" JWE "}"
#define TPM2 "{\"type\":\"systemd-tpm2\",\"keyslots\":[],\"tpm2-blob\":\"AAAA\"}"
#define BY_TANG "what Tang gives"
#define BY_TPM2 "what the TPM2 gives"
#define TIMEOUT_MS 4000

static char folder[] = "/tmp/test-open-XXXXXX";
static int unlock = -1, token = -1, clevis = -1; /* the helpers' sockets */
static int tang_slot, tpm2_slot;

static int helper_listen(const char *name, int type)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    (void) snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", folder, name);
    (void) unlink(a.sun_path);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *) &a, sizeof(a)) == 0 && listen(fd, 8) == 0);
    return fd;
}

static int helper_accept(int listener)
{
    struct pollfd p = { .fd = listener, .events = POLLIN };
    int fd;

    CHECK(poll(&p, 1, 5000) == 1);
    fd = accept(listener, NULL, NULL);
    CHECK(fd >= 0);
    return fd;
}

static void expect_nobody(int listener)
{
    struct pollfd p = { .fd = listener, .events = POLLIN };

    CHECK(poll(&p, 1, 0) == 0);
}

/* The helper's end of an exchange whose request is as expected. */
static int helper_take(int listener, char operation, const char *start)
{
    _cleanup_(secret_done) struct secret body = SECRET_NULL;
    int fd = helper_accept(listener);
    char got;

    CHECK_OK(exchange_request(fd, 5000, &got, &body));
    CHECK(got == operation && body.size >= strlen(start) && memcmp(body.data, start, strlen(start)) == 0);
    return fd;
}

static void give(int fd, const char *passphrase)
{
    CHECK_OK(exchange_reply(fd, passphrase, strlen(passphrase)));
    close(fd);
}

static void refuse(int fd, int code, const char *text)
{
    CHECK_OK(exchange_refuse(fd, code, text));
    close(fd);
}

static void expect_hang_up(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    char byte;

    CHECK(poll(&p, 1, 2000) == 1);
    CHECK(recv(fd, &byte, 1, MSG_DONTWAIT) == 0);
    close(fd);
}

static int64_t now_ms(void)
{
    struct timespec t;

    (void) clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int start_on(const char *path, int timeout_ms, pid_t *ret)
{
    int pair[2];
    pid_t pid;

    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        close(pair[0]);
        _exit(serve(pair[1], path, folder, timeout_ms, &e) < 0);
    }
    close(pair[1]);
    *ret = pid;
    return pair[0];
}

static int start(uint32_t mask, int timeout_ms, pid_t *ret)
{
    unsigned char body[] = { mask & 0xff, mask >> 8 & 0xff, mask >> 16 & 0xff, mask >> 24 };
    int fd = start_on(LOCK, timeout_ms, ret);

    CHECK_OK(exchange_send(fd, OPEN_OPEN, body, sizeof(body)));
    return fd;
}

static void end(pid_t pid, int status)
{
    int got;

    CHECK(waitpid(pid, &got, 0) == pid);
    CHECK(WIFEXITED(got) && WEXITSTATUS(got) == status);
}

static int receive(int fd, pid_t pid, struct secret *ret)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    int r;

    CHECK(poll(&p, 1, 10000) == 1);
    r = exchange_receive(fd, ret, &e);
    close(fd);
    end(pid, 0);
    return r;
}

static struct open_reply reply_of(int fd, pid_t pid)
{
    _cleanup_(secret_done) struct secret body = SECRET_NULL;
    struct open_reply reply;

    CHECK_TOLD(receive(fd, pid, &body));
    CHECK_OK(open_reply_parse(&body, &reply));
    return reply;
}

static void expect_opened(int fd, pid_t pid, int slot, const char *kind, const char *passphrase, unsigned failures)
{
    _cleanup_(open_reply_done) struct open_reply r = reply_of(fd, pid);

    CHECK(r.slot == slot && strcmp(r.kind, kind) == 0 && r.n_failures == failures);
    CHECK(r.passphrase.size == strlen(passphrase) && memcmp(r.passphrase.data, passphrase, r.passphrase.size) == 0);
}

/* The failure of the slot. */
static void expect_failure(const struct open_reply *r, int slot, char class, const char *text)
{
    for (unsigned i = 0; i < r->n_failures; i++)
        if (r->failures[i].slot == slot) {
            if (r->failures[i].class != class || !strstr(r->failures[i].text, text))
                (void) fprintf(stderr, "%c: %s\n", r->failures[i].class, r->failures[i].text);
            CHECK(r->failures[i].class == class && strstr(r->failures[i].text, text));
            return;
        }
    CHECK(!"the slot's failure");
}

/* Only one slot, and that with only one exchange, answered by reply. */
static void expect_tang_failure(void (*reply)(int fd), char class, const char *text)
{
    pid_t pid;
    int fd = start(1U << tang_slot, TIMEOUT_MS, &pid);
    struct open_reply r;

    reply(helper_take(unlock, 'd', JWE));
    r = reply_of(fd, pid);
    CHECK(r.slot == -1 && r.n_failures == 1 && strcmp(r.failures[0].kind, "clevis") == 0);
    expect_failure(&r, tang_slot, class, text);
}

static void all_at_once_and_the_first_wins(void)
{
    pid_t pid;
    int fd, by_tang, by_tpm2;

    fd = start(OPEN_MASK_ALL, TIMEOUT_MS, &pid);
    by_tang = helper_take(unlock, 'd', JWE);
    by_tpm2 = helper_take(token, 'o', "{\"type\":\"systemd-tpm2\"");
    give(by_tang, BY_TANG);
    expect_opened(fd, pid, tang_slot, "clevis", BY_TANG, 0);
    expect_hang_up(by_tpm2);

    fd = start(OPEN_MASK_ALL, TIMEOUT_MS, &pid);
    by_tang = helper_take(unlock, 'd', JWE);
    by_tpm2 = helper_take(token, 'o', "{\"type\":\"systemd-tpm2\"");
    give(by_tpm2, BY_TPM2);
    expect_opened(fd, pid, tpm2_slot, "systemd-tpm2", BY_TPM2, 0);
    expect_hang_up(by_tang);
    expect_nobody(unlock); /* neither the recovery key's token nor the unlock key's is asked for */
    expect_nobody(token);
    expect_nobody(clevis);
}

static void only_what_the_mask_has(void)
{
    pid_t pid;
    int fd = start(1U << tpm2_slot, TIMEOUT_MS, &pid);

    give(helper_take(token, 'o', "{"), BY_TPM2);
    expect_opened(fd, pid, tpm2_slot, "systemd-tpm2", BY_TPM2, 0);
    expect_nobody(unlock);
    fd = start(~(1U << tpm2_slot | 1U << tang_slot), TIMEOUT_MS, &pid);
    CHECK(reply_of(fd, pid).n_failures == 0);
    expect_nobody(unlock);
    expect_nobody(token);
}

static void failures_are_told(void)
{
    struct open_reply r;
    pid_t pid;
    int fd = start(OPEN_MASK_ALL, TIMEOUT_MS, &pid);

    refuse(helper_take(unlock, 'd', JWE), -EHOSTUNREACH, "http://t1 does not answer");
    refuse(helper_take(token, 'o', "{"), -EKEYREJECTED, "PCR 7 differs");
    r = reply_of(fd, pid);
    CHECK(r.slot == -1 && r.n_failures == 2);
    expect_failure(&r, tang_slot, 'l', "http://t1 does not answer");
    expect_failure(&r, tpm2_slot, 'r', "PCR 7 differs");

    fd = start(OPEN_MASK_ALL, TIMEOUT_MS, &pid); /* and the next goes on */
    refuse(helper_take(token, 'o', "{"), -EKEYREJECTED, "PCR 7 differs");
    (void) poll(NULL, 0, 50);
    give(helper_take(unlock, 'd', JWE), BY_TANG);
    expect_opened(fd, pid, tang_slot, "clevis", BY_TANG, 1);
}

static void wrong(int fd)
{
    give(fd, "wrong");
}

static void of_another_slot(int fd)
{
    give(fd, BY_TPM2);
}

static void hangs_up(int fd)
{
    close(fd);
}

static void empty(int fd)
{
    give(fd, "");
}

static void with_nul(int fd)
{
    CHECK_OK(exchange_reply(fd, BY_TANG, sizeof(BY_TANG)));
    close(fd);
}

static void too_long(int fd)
{
    char most[OPEN_PASSPHRASE_MAX + 2] = { 0 };

    memset(most, 'p', sizeof(most) - 1);
    give(fd, most);
}

static void of_no_form(int fd)
{
    CHECK(send(fd, "?", 1, MSG_NOSIGNAL) == 1);
    close(fd);
}

static void each_passphrase_is_proven(void)
{
    pid_t pid;
    int fd, by_tang;

    expect_tang_failure(wrong, 'r', "does not open keyslot");
    expect_tang_failure(of_another_slot, 'r', "does not open keyslot");
    expect_tang_failure(hangs_up, 'l', "without a reply");
    expect_tang_failure(of_no_form, 'l', "reply");
    expect_tang_failure(empty, 'u', "cannot be handed over");
    expect_tang_failure(with_nul, 'u', "cannot be handed over");
    expect_tang_failure(too_long, 'u', "cannot be handed over");

    fd = start(OPEN_MASK_ALL, TIMEOUT_MS, &pid);
    by_tang = helper_take(unlock, 'd', JWE);
    give(helper_take(token, 'o', "{"), "wrong");
    (void) poll(NULL, 0, 50);
    give(by_tang, BY_TANG);
    expect_opened(fd, pid, tang_slot, "clevis", BY_TANG, 1);
}

static int clevis_take(void)
{
    static const char expected[] = "HEAD..IV.CT.TAG";
    char got[200];
    size_t n = 0;
    ssize_t more;
    int fd = helper_accept(clevis);

    while ((more = recv(fd, got + n, sizeof(got) - n, 0)) > 0)
        n += (size_t) more;
    CHECK(more == 0 && n == strlen(expected) && memcmp(got, expected, n) == 0);
    return fd;
}

static void unknown_pins_go_to_clevis(void)
{
    char most[OPEN_PASSPHRASE_MAX + 1];
    struct open_reply r;
    pid_t pid;
    int fd = start(1U << tang_slot, TIMEOUT_MS, &pid), by_clevis;

    refuse(helper_take(unlock, 'd', JWE), -EOPNOTSUPP, "the pin null is not known");
    by_clevis = clevis_take();
    CHECK(send(by_clevis, BY_TANG, 4, MSG_NOSIGNAL) == 4);
    (void) poll(NULL, 0, 50);
    CHECK(send(by_clevis, &BY_TANG[4], strlen(BY_TANG) - 4, MSG_NOSIGNAL) == (ssize_t) strlen(BY_TANG) - 4);
    close(by_clevis);
    expect_opened(fd, pid, tang_slot, "clevis", BY_TANG, 0);

    fd = start(1U << tang_slot, TIMEOUT_MS, &pid);
    refuse(helper_take(unlock, 'd', JWE), -EOPNOTSUPP, "the pin null is not known");
    close(clevis_take());
    r = reply_of(fd, pid);
    expect_failure(&r, tang_slot, 'l', "install clevis");

    fd = start(1U << tang_slot, TIMEOUT_MS, &pid);
    refuse(helper_take(unlock, 'd', JWE), -EOPNOTSUPP, "the pin null is not known");
    by_clevis = clevis_take();
    memset(most, 'p', sizeof(most));
    CHECK(send(by_clevis, most, sizeof(most), MSG_NOSIGNAL) == (ssize_t) sizeof(most));
    r = reply_of(fd, pid);
    expect_failure(&r, tang_slot, 'u', "more than");
    close(by_clevis);
}

static void without_helpers(void)
{
    struct open_reply r;
    pid_t pid;
    int fd;

    close(clevis);
    fd = start(1U << tang_slot, TIMEOUT_MS, &pid);
    refuse(helper_take(unlock, 'd', JWE), -EOPNOTSUPP, "the pin null is not known");
    r = reply_of(fd, pid);
    expect_failure(&r, tang_slot, 'u', "the pin null is not known; clevis does not answer");
    expect_failure(&r, tang_slot, 'u', "install clevis");
    close(unlock);
    close(token);
    fd = start(OPEN_MASK_ALL, TIMEOUT_MS, &pid);
    r = reply_of(fd, pid);
    CHECK(r.slot == -1 && r.n_failures == 2);
    expect_failure(&r, tang_slot, 'l', "no helper answers");
    expect_failure(&r, tpm2_slot, 'l', "no helper answers");
    unlock = helper_listen("unlock.sock", SOCK_SEQPACKET);
    token = helper_listen("token.sock", SOCK_SEQPACKET);
    clevis = helper_listen("clevis.sock", SOCK_STREAM);
}

static void the_deadline_holds(void)
{
    struct open_reply r;
    pid_t pid;
    int64_t began = now_ms();
    int fd = start(OPEN_MASK_ALL, 300, &pid), by_tang = helper_take(unlock, 'd', JWE);

    refuse(helper_take(token, 'o', "{"), -EKEYREJECTED, "PCR 7 differs");
    r = reply_of(fd, pid);
    CHECK(now_ms() - began >= 300 && now_ms() - began < 3000);
    CHECK(r.slot == -1 && r.n_failures == 2);
    expect_failure(&r, tang_slot, 'l', "no answer within");
    expect_hang_up(by_tang);
}

static void hanging_up_ends_it(void)
{
    pid_t pid;
    int fd = start(OPEN_MASK_ALL, 60000, &pid), by_tang = helper_take(unlock, 'd', JWE), by_tpm2 = helper_take(token, 'o', "{");

    close(fd);
    expect_hang_up(by_tang);
    expect_hang_up(by_tpm2);
    end(pid, 0);
}

static void bad_requests_are_refused(void)
{
    static const struct {
        char operation;
        size_t size;
    } bad[] = { { 'x', 4 }, { 'o', 0 }, { 'o', 3 }, { 'o', 5 } };
    pid_t pid;
    int fd;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        fd = start_on(LOCK, TIMEOUT_MS, &pid);
        CHECK_OK(exchange_send(fd, bad[i].operation, "\377\377\377\377\377", bad[i].size));
        end(pid, 1);
        CHECK(exchange_receive(fd, NULL, &e) == -EINVAL);
        close(fd);
    }
    close(start_on(LOCK, TIMEOUT_MS, &pid));
    end(pid, 0);
}

static void expect_unreadable(const char *path)
{
    pid_t pid;
    int fd = start_on(path, TIMEOUT_MS, &pid);

    CHECK_OK(exchange_send(fd, OPEN_OPEN, "\377\377\377\377", 4));
    CHECK(receive(fd, pid, NULL) == -EKEYREJECTED && strstr(e.text, path));
}

static void unreadable_locks_are_refused(void)
{
    static const char garbage[8192] = "no header";
    int fd;

    expect_unreadable("missing");
    CHECK(symlink(LOCK, "link") == 0 && mkfifo("fifo", 0600) == 0);
    expect_unreadable("link");
    expect_unreadable("fifo");
    expect_unreadable("/tmp");
    fd = creat("garbage", 0600);
    expect_unreadable("garbage"); /* empty */
    CHECK(write(fd, garbage, sizeof(garbage)) == sizeof(garbage));
    expect_unreadable("garbage");
    CHECK(ftruncate(fd, 1024 * 1024 * 1024) == 0);
    expect_unreadable("garbage");
    close(fd);
    CHECK(unlink("link") == 0 && unlink("fifo") == 0 && unlink("garbage") == 0);
}

static void opens_by_tang(void)
{
    pid_t pid;
    int fd = start(1U << tang_slot, TIMEOUT_MS, &pid);

    give(helper_take(unlock, 'd', JWE), BY_TANG);
    expect_opened(fd, pid, tang_slot, "clevis", BY_TANG, 0);
}

/* As cryptsetup does for as long as its Argon2id takes. */
static void a_held_file_does_not_make_it_wait(void)
{
    int fd = open(LOCK, O_RDWR | O_CLOEXEC);
    int64_t began = now_ms();

    CHECK(fd >= 0 && flock(fd, LOCK_EX) == 0);
    opens_by_tang();
    CHECK(now_ms() - began < 3000);
    close(fd);
}

static void copy(const char *from, const char *to)
{
    _cleanup_(secret_done) struct secret half = SECRET_NULL;
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t n;

    CHECK(in >= 0 && out >= 0);
    CHECK_OK(secret_new(SECRET_MAX, &half));
    while ((n = read(in, half.data, half.size)) > 0)
        CHECK(write(out, half.data, (size_t) n) == n);
    CHECK(n == 0);
    close(in);
    close(out);
}

static void a_damaged_header_is_got_over(void)
{
    unsigned char zeros[4096] = { 0 }, after[4096];
    int fd;

    copy(LOCK, "good");
    fd = open(LOCK, O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0 && pwrite(fd, zeros, sizeof(zeros), 0) == sizeof(zeros));
    opens_by_tang();
    CHECK(pread(fd, after, sizeof(after), 0) == sizeof(after) && memcmp(zeros, after, sizeof(after)) == 0); /* it only reads */
    CHECK(pwrite(fd, zeros, sizeof(zeros), 65536) == sizeof(zeros));
    expect_unreadable(LOCK);
    close(fd);
    CHECK(rename("good", LOCK) == 0);
    opens_by_tang();
}

static void tokens_of_no_form(const struct secret *kek)
{
    struct open_reply r;
    pid_t pid;
    int fd, no_jwe = add_foreign(kek, "a", NULL, "{\"type\":\"clevis\",\"keyslots\":[]}"),
            half = add_foreign(kek, "b", NULL, "{\"type\":\"clevis\",\"keyslots\":[],\"jwe\":{\"iv\":\"x\"}}");

    fd = start(1U << no_jwe | 1U << half, TIMEOUT_MS, &pid);
    refuse(helper_take(unlock, 'd', "{\"iv\":\"x\"}"), -EOPNOTSUPP, "no pin");
    r = reply_of(fd, pid);
    CHECK(r.n_failures == 2);
    expect_failure(&r, no_jwe, 'i', "no JWE");
    expect_failure(&r, half, 'i', "no JWE");
}

int main(void)
{
    _cleanup_(secret_done) struct secret kek = SECRET_NULL, key = SECRET_NULL;

    enter_folder(folder);
    kek = new_kek();
    key = new_key();
    CHECK_TOLD(keyslots_create(LOCK, &kek, &key, 1, KEYSLOT_ACTIVE, &e));
    (void) add_foreign(&kek, OPERATOR, NULL, NULL);
    (void) add_foreign(&kek, "recovery", NULL, "{\"type\":\"systemd-recovery\",\"keyslots\":[]}");
    tang_slot = add_foreign(&kek, BY_TANG, NULL, CLEVIS);
    tpm2_slot = add_foreign(&kek, BY_TPM2, NULL, TPM2);
    unlock = helper_listen("unlock.sock", SOCK_SEQPACKET);
    token = helper_listen("token.sock", SOCK_SEQPACKET);
    clevis = helper_listen("clevis.sock", SOCK_STREAM);
    all_at_once_and_the_first_wins();
    only_what_the_mask_has();
    failures_are_told();
    each_passphrase_is_proven();
    unknown_pins_go_to_clevis();
    without_helpers();
    the_deadline_holds();
    hanging_up_ends_it();
    bad_requests_are_refused();
    unreadable_locks_are_refused();
    a_held_file_does_not_make_it_wait();
    a_damaged_header_is_got_over();
    tokens_of_no_form(&kek);
    CHECK(unlink(LOCK) == 0 && unlink("unlock.sock") == 0 && unlink("token.sock") == 0 && unlink("clevis.sock") == 0);
    CHECK(chdir("/") == 0 && rmdir(folder) == 0);
    return 0;
}
