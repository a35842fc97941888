/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Figures of a manager on a booted machine, beside the disk's limit and the reference's (Docker Engine 20.10.24 on like hardware). Makes a
 * swarm and leaves it: for test machines only. Run as root. */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#include "basic/cleanup.h"
#include "basic/memfd.h"
#include "rates.h"

#define STATE "/var/lib/swarm-manager"
#define ASK "/run/systemd/ask-password"
#define ROUNDS 10
#define SECRET_SIZE 192

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *) a, y = *(const double *) b;

    return x < y ? -1 : x > y;
}

static double median(double values[static ROUNDS])
{
    qsort(values, ROUNDS, sizeof(double), by_value);
    return values[ROUNDS / 2];
}

/* A method that answers generation and key. */
static uint32_t take_key(sd_bus *bus, const char *method, struct secret *ret)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = call(bus, method, "");
    uint32_t generation;
    int fd, r;

    r = sd_bus_message_read(reply, "uh", &generation, &fd);
    if (r >= 0)
        r = memfd_read(fd, 4096, ret);
    if (r < 0)
        fail(method, r);
    return generation;
}

static void confirm(sd_bus *bus, uint32_t generation)
{
    sd_bus_message_unref(call(bus, "ConfirmUnlockKey", "ut", generation, UINT64_C(0)));
}

static double rotate(sd_bus *bus, struct secret *key)
{
    double start = now();

    secret_done(key);
    confirm(bus, take_key(bus, "RotateUnlockKey", key));
    return now() - start;
}

static bool prompt_stands(void)
{
    DIR *d = opendir(ASK);
    const struct dirent *entry;
    bool found = false;

    while (d && (entry = readdir(d)))
        found = found || strncmp(entry->d_name, "ask.", 4) == 0;
    if (d)
        (void) closedir(d);
    return found;
}

static void shell(const char *command)
{
    if (system(command) != 0)
        fail(command, -EIO);
}

/* The machine's own share of the times below: a unit that only makes a file, from systemctl to the file. */
static double start_to_file(void)
{
    const struct timespec pause = { 0, 500000 };
    double start = now();

    shell("systemctl start --no-block bench-file");
    while (access("/run/bench-file", F_OK) < 0 && now() - start < 30)
        (void) nanosleep(&pause, NULL);
    start = now() - start;
    (void) unlink("/run/bench-file");
    return start;
}

static double first_touch(void)
{
    const size_t size = 16UL * 1024 * 1024, page = 4096;
    volatile char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    double start;

    if (p == MAP_FAILED)
        fail("mmap", -errno);
    (void) madvise((void *) p, size, MADV_NOHUGEPAGE);
    start = now();
    for (size_t i = 0; i < size; i += page)
        p[i] = 1;
    start = (now() - start) / (double) (size / page);
    (void) munmap((void *) p, size);
    return start;
}

static double start_to_prompt(void)
{
    const struct timespec pause = { 0, 500000 };
    double start;

    shell("systemctl --quiet stop swarm-manager 2>/dev/null");
    start = now();
    shell("systemctl start --no-block swarm-manager");
    while (!prompt_stands() && now() - start < 30)
        (void) nanosleep(&pause, NULL);
    return now() - start;
}

static double unlock(const struct secret *key)
{
    _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = open_bus(PRIVATE);
    _cleanup_close_ int fd = memfd_new(key->data, key->size);
    double start = now();

    sd_bus_message_unref(call(bus, "Unlock", "h", fd));
    return now() - start;
}

static double from_shell(const char *command)
{
    FILE *f = popen(command, "re");
    double value = -1;

    if (!f || fscanf(f, "%lf", &value) != 1)
        fail(command, -EIO);
    (void) pclose(f);
    return value;
}

static void print(const char *what, double value, const char *unit, const char *goal, const char *reference)
{
    (void) printf("%-44s %10.1f %-4s  goal %-18s reference %s\n", what, value, unit, goal, reference);
    (void) fflush(stdout);
}

static void new_swarm(void)
{
    shell("swarmctl leave --force >/dev/null && swarmctl init --advertise-addr 127.0.0.1 >/dev/null");
}

struct rates {
    double sync, ping, one, sixteen;
};

/* Each way finds an empty store, and the disk as it is at that time. */
static struct rates rates_of(enum way way)
{
    struct rates r = { 0 };

    new_swarm();
    r.sync = sync_rate();
    r.ping = ping_rate(way);
    r.one = secret_rate(way, "one", 1, 3000, SECRET_SIZE);
    r.sixteen = secret_rate(way, "sixteen", 16, 1000, SECRET_SIZE);
    r.sync = (r.sync + sync_rate()) / 2;
    return r;
}

static void measure_secrets(void)
{
    struct rates own = rates_of(PRIVATE), bus = rates_of(SYSTEM);

    print("fdatasync of 4 KiB, this disk", own.sync, "/s", "-", "8100-8300");
    print("  at the time of the system bus's figures", bus.sync, "/s", "-", "-");
    print("empty D-Bus calls to the manager, 1 caller", own.ping, "/s", "-", "-");
    print("  through the system bus", bus.ping, "/s", "-", "-");
    print("secrets created, 1 caller", own.one, "/s", "-", "1163");
    print("  share of the fdatasync rate", 100 * own.one / own.sync, "%", ">= 40", "14");
    print("  through the system bus", bus.one, "/s", "-", "-");
    print("  share of the fdatasync rate", 100 * bus.one / bus.sync, "%", "-", "-");
    print("secrets created, 16 callers", own.sixteen, "/s", "-", "2181");
    print("  share of the fdatasync rate", 100 * own.sixteen / own.sync, "%", "> 100", "27");
    print("  through the system bus", bus.sixteen, "/s", "-", "-");
    print("  share of the fdatasync rate", 100 * bus.sixteen / bus.sync, "%", "-", "-");
}

static void measure_machine(void)
{
    double files[ROUNDS];

    shell("printf '[Service]\\nType=oneshot\\nExecStart=touch /run/bench-file\\n' >/run/systemd/system/bench-file.service && systemctl daemon-reload");
    for (int i = 0; i < ROUNDS; i++) {
        files[i] = 1000 * start_to_file();
        shell("systemctl stop bench-file");
    }
    shell("rm /run/systemd/system/bench-file.service && systemctl daemon-reload");
    print("a page of memory, touched first, this machine", 1000000 * first_touch(), "us", "-", "-");
    print("start to a file, a unit of touch(1), median", median(files), "ms", "-", "-");
}

static void measure_lock(void)
{
    _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = open_bus(PRIVATE);
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    double rotations[ROUNDS], prompts[ROUNDS], unlocks[ROUNDS];

    confirm(bus, take_key(bus, "EnableAutolock", &key));
    for (int i = 0; i < ROUNDS; i++)
        rotations[i] = 1000 * rotate(bus, &key);
    for (int i = 0; i < ROUNDS; i++) {
        prompts[i] = 1000 * start_to_prompt();
        unlocks[i] = 1000 * unlock(&key);
    }
    print("start to prompt, median", median(prompts), "ms", "<= 100", "-");
    print("key given to active, median", median(unlocks), "ms", "<= 30", "138 (CLI), 1100 (API)");
    print("rotate and confirm, median", median(rotations), "ms", "<= 40", "20-38");
}

int main(void)
{
    if (secret_init() < 0)
        fail("libsodium", -EIO);
    shell("systemctl start swarm-manager && swarmctl init --advertise-addr 127.0.0.1 >/dev/null");
    print("resident memory, empty swarm", from_shell("awk '/VmRSS/ {print $2/1024}' /proc/$(pidof swarm-managerd)/status"), "MB", "<= 20", "87-100");
    print("state on disk, empty swarm", from_shell("du -sk " STATE " | awk '{print $1/1024}'"), "MB", "<= 30", "123");
    measure_secrets();
    new_swarm();
    measure_machine();
    measure_lock();
    shell("swarmctl leave --force >/dev/null");
    return 0;
}
