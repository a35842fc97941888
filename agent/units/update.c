/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "units/update.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "basic/cleanup.h"
#include "monotonic.h"

#define SETTLE_MS 2000 /* a service of Type=simple has started as soon as it is there, and may end at once */

struct job {
    struct unit unit;
    char path[SYSTEMD_PATH_MAX];
    char result[32]; /* "": runs */
};

struct update {
    sd_bus *bus;
    const char *pattern, *socket;
    int peer;
    int64_t deadline;
    struct job *jobs;
    size_t n, queued;
    struct update_result result;
};

static void update_done(struct update *u)
{
    free(u->jobs);
}

static bool is_running(const char *state)
{
    return strcmp(state, "active") == 0 || strcmp(state, "reloading") == 0 || strcmp(state, "refreshing") == 0 || strcmp(state, "activating") == 0;
}

static int on_unit(void *data, const char *name, const char *state, const char *path)
{
    struct update *u = data;
    struct job *more;

    if (!is_running(state) || !unit_name_is_valid(name) || !unit_pattern_matches(u->pattern, name) || strlen(path) >= SYSTEMD_PATH_MAX)
        return 0;
    if (u->n == UNITS_UPDATE_MAX || !(more = reallocarray(u->jobs, u->n + 1, sizeof(*more))))
        return -EMSGSIZE;
    u->jobs = more;
    more[u->n] = (struct job) { .path = "" };
    (void) strcpy(more[u->n].unit.name, name);
    (void) strcpy(more[u->n].unit.path, path);
    u->n++;
    return 0;
}

/* Keeps those that load a credential of ours; no other unit is touched, whoever asks. */
static int select_units(struct update *u, struct error *e)
{
    size_t kept = 0, n;
    int r = systemd_each(u->bus, on_unit, u, e);

    if (r < 0)
        return r == -EMSGSIZE ? error_set(e, -EKEYREJECTED, "more than %u units are active that match %s", UNITS_UPDATE_MAX, u->pattern) : r;
    n = u->n;
    for (size_t i = 0; i < n; i++) {
        r = unit_is_reserved(u->jobs[i].unit.name) ? 0 : systemd_loads_from(u->bus, &u->jobs[i].unit, u->socket, e);
        if (r < 0)
            return r;
        if (r > 0)
            u->jobs[kept++] = u->jobs[i];
    }
    u->n = kept;
    u->result.skipped = (unsigned) (n - kept);
    if (kept == 0 && n > 0)
        return error_set(e, -EKEYREJECTED, "%s: no active unit of that name has LoadCredential= from %s, so none is restarted or reloaded", u->pattern,
                         u->socket);
    return 0;
}

static void fail(struct update *u, const struct job *j, const char *text)
{
    if (u->result.failed[0])
        return;
    (void) strcpy(u->result.failed, j->unit.name);
    (void) snprintf(u->result.text, sizeof(u->result.text), "%s", text);
}

/* As process 1 says why a unit is as it is. */
static void fail_with_state(struct update *u, const struct job *j, const char *what)
{
    char result[64], text[ERROR_TEXT_MAX];
    const char *section = unit_section(j->unit.name);
    uint32_t status = 0, code = 0;

    systemd_string(u->bus, &j->unit, section, "Result", result, sizeof(result));
    if (strcmp(section, "Service") == 0) {
        code = systemd_number(u->bus, &j->unit, section, "ExecMainCode", 'i');
        status = systemd_number(u->bus, &j->unit, section, "ExecMainStatus", 'i');
    }
    if (code == 1) /* CLD_EXITED */
        (void) snprintf(text, sizeof(text), "%s (%s, exit status %u)", what, result, status);
    else if (code > 1)
        (void) snprintf(text, sizeof(text), "%s (%s, signal %u)", what, result, status);
    else
        (void) snprintf(text, sizeof(text), "%s (%s)", what, result);
    fail(u, j, text);
}

static int on_removed(sd_bus_message *m, void *data, sd_bus_error *error _unused_)
{
    struct update *u = data;
    const char *path, *result;

    if (sd_bus_message_read(m, "uoss", NULL, &path, NULL, &result) < 0)
        return 0;
    for (size_t i = 0; i < u->queued; i++)
        if (strcmp(u->jobs[i].path, path) == 0)
            (void) snprintf(u->jobs[i].result, sizeof(u->jobs[i].result), "%s", result);
    return 0;
}

static int queue(struct update *u, enum units_how how, struct error *e)
{
    for (; u->queued < u->n && !u->result.failed[0]; u->queued++) {
        struct job *j = &u->jobs[u->queued];
        struct error why;
        int r = systemd_queue(u->bus, how == UNITS_RELOAD ? "ReloadUnit" : "TryRestartUnit", j->unit.name, j->path, &why);

        if (r == -EKEYREJECTED) {
            fail(u, j, why.text);
            return 0;
        }
        if (r < 0)
            return error_set(e, r, "%s", why.text);
    }
    return 0;
}

static bool all_ended(const struct update *u)
{
    for (size_t i = 0; i < u->queued; i++)
        if (!u->jobs[i].result[0])
            return false;
    return true;
}

/* Until something comes from process 1, or the time is over. */
static int wait_a_little(struct update *u, int64_t until)
{
    struct pollfd p[] = { { .fd = sd_bus_get_fd(u->bus), .events = POLLIN }, { .fd = u->peer, .events = POLLIN | POLLRDHUP } };
    int r = sd_bus_process(u->bus, NULL);

    if (r != 0)
        return r < 0 ? r : 0;
    r = poll(p, 2, monotonic_timeout(until));
    if (r < 0 && errno != EINTR)
        return -errno;
    return p[1].revents ? -ECANCELED : 0;
}

static int wait_for_jobs(struct update *u)
{
    while (!all_ended(u) && monotonic_ms() < u->deadline) {
        int r = wait_a_little(u, u->deadline);

        if (r < 0)
            return r;
    }
    return 0;
}

static int settle(struct update *u)
{
    int64_t until = monotonic_ms() + SETTLE_MS;

    if (until > u->deadline)
        until = u->deadline;
    while (monotonic_ms() < until) {
        int r = wait_a_little(u, until);

        if (r < 0)
            return r;
    }
    return 0;
}

static void check_job(struct update *u, const struct job *j)
{
    char text[ERROR_TEXT_MAX];

    if (!j->result[0])
        fail_with_state(u, j, "the job had not ended in time");
    else if (strcmp(j->result, "done") != 0 && strcmp(j->result, "skipped") != 0) {
        (void) snprintf(text, sizeof(text), "the job ended as %s", j->result);
        fail_with_state(u, j, text);
    }
}

/* A oneshot that has ended well is inactive, and all right. */
static void check_unit(struct update *u, const struct job *j, enum units_how how)
{
    char state[32];

    systemd_string(u->bus, &j->unit, "Unit", "ActiveState", state, sizeof(state));
    if (strcmp(state, "failed") == 0)
        fail_with_state(u, j, "it failed soon after");
    else if (how == UNITS_RESTART && strcmp(unit_section(j->unit.name), "Service") == 0 &&
             systemd_number(u->bus, &j->unit, "Service", "NRestarts", 'u') > 0)
        fail_with_state(u, j, "it ended soon after and was started again");
}

int update_run(sd_bus *bus, const char *pattern, enum units_how how, const char *socket, int peer, int timeout_ms, struct update_result *ret,
               struct error *e)
{
    _cleanup_(update_done) struct update u = {
        .bus = bus, .pattern = pattern, .socket = socket, .peer = peer, .deadline = monotonic_ms() + timeout_ms
    };
    int r = select_units(&u, e);

    if (r == 0 && u.n > 0)
        r = sd_bus_match_signal(bus, NULL, NULL, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "JobRemoved", on_removed, &u);
    if (r >= 0)
        r = queue(&u, how, e);
    if (r == 0)
        r = wait_for_jobs(&u);
    for (size_t i = 0; r == 0 && i < u.queued; i++)
        check_job(&u, &u.jobs[i]);
    if (r == 0 && u.n > 0 && !u.result.failed[0])
        r = settle(&u);
    for (size_t i = 0; r == 0 && i < u.queued; i++)
        check_unit(&u, &u.jobs[i], how);
    if (r < 0)
        return e->text[0] ? r : error_set(e, r == -ECANCELED ? r : -EHOSTUNREACH, "process 1 cannot be heard: %s", strerror(-r));
    u.result.units = (unsigned) u.queued;
    *ret = u.result;
    return 0;
}
