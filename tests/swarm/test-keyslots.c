/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keyslots of all kinds, from the request to what the lock holds. */
#include <errno.h>
#include <time.h>

#include "basic/file.h"
#include "machine.h"
#include "played.h"

static struct secret unlock_key;

static int64_t now_ms(void)
{
    struct timespec t;

    (void) clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static struct swarm_request *with_options(enum swarm_verb verb)
{
    struct swarm_request *r = swarm_request_new(verb);

    CHECK(r);
    r->options = calloc(1, sizeof(*r->options));
    CHECK(r->options);
    r->options->threshold = 1;
    return r;
}

static struct swarm_request *listed;

static int list(void)
{
    if (listed)
        swarm_request_free(listed);
    listed = swarm_request_new(SWARM_LIST_KEYSLOTS);
    return complete(listed);
}

/* The slot of that kind as the list tells, -1. */
static int slot_of(const char *kind)
{
    CHECK_OK(list());
    for (unsigned i = 0; i < listed->ret_n_keyslots; i++)
        if (strcmp(listed->ret_keyslots[i].kind, kind) == 0)
            return listed->ret_keyslots[i].slot;
    return -1;
}

static unsigned count(void)
{
    CHECK_OK(list());
    return listed->ret_n_keyslots;
}

static const struct keyslot_report *report_of(const char *kind)
{
    int slot = slot_of(kind);

    for (unsigned i = 0; i < listed->ret_n_keyslots; i++)
        if (listed->ret_keyslots[i].slot == slot)
            return &listed->ret_reports[i];
    return NULL;
}

static struct error error;

static int add_request(struct swarm_request *r, const char *kind)
{
    int result;

    (void) strcpy(r->options->kind, kind);
    result = complete(r);
    error = r->error;
    return result;
}

static int add_tang(const char *thumbprint, bool trust_first, unsigned n, unsigned threshold)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = with_options(SWARM_ADD_KEYSLOT);

    r->options->n_urls = n;
    r->options->threshold = threshold;
    for (unsigned i = 0; i < n; i++)
        (void) snprintf(r->options->urls[i], KEYSLOT_URL_MAX, "http://t%u", i + 1);
    if (thumbprint) {
        r->options->n_thumbprints = 2;
        (void) strcpy(r->options->thumbprints[0], "of-nobody");
        (void) strcpy(r->options->thumbprints[1], thumbprint);
    }
    r->options->trust_first = trust_first;
    return add_request(r, "tang");
}

static int add(const char *kind, const char *pcrs, const char *passphrase, struct secret *ret_key)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = with_options(SWARM_ADD_KEYSLOT);
    int result;

    (void) strcpy(r->options->pcrs, pcrs);
    if (passphrase)
        CHECK_OK(secret_copy(passphrase, strlen(passphrase), &r->key));
    result = add_request(r, kind);
    if (ret_key)
        *ret_key = secret_take(&r->ret_key);
    return result;
}

static int test_slot(int slot, const void *secret, size_t size)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = swarm_request_new(SWARM_TEST_KEYSLOT);
    int result;

    r->slot = slot;
    if (secret)
        CHECK_OK(secret_copy(secret, size, &r->key));
    result = complete(r);
    error = r->error;
    CHECK(result < 0 || r->ret_keyslots[0].slot == slot);
    return result;
}

static int remove_slot(int slot)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = swarm_request_new(SWARM_REMOVE_KEYSLOT);

    r->slot = slot;
    return complete(r);
}

static struct keyslot_refresh refreshed; /* of the slot that was meant */

static int refresh(int slot, bool only_look, bool automatic)
{
    _cleanup_(swarm_request_freep) struct swarm_request *r = with_options(SWARM_REFRESH_KEYSLOTS);
    int result;

    r->slot = slot;
    r->options->check = only_look;
    r->options->automatic = automatic;
    result = complete(r);
    error = r->error;
    for (unsigned i = 0; i < r->ret_n_refreshes; i++)
        if (slot < 0 || r->ret_refreshes[i].slot == slot)
            refreshed = r->ret_refreshes[i];
    return result;
}

static void restart_locked(void)
{
    stop();
    start();
    CHECK(swarm_state(m.swarm) == SWARM_LOCKED);
}

static void unlock_again(void)
{
    CHECK_OK(unlock(unlock_key.data, unlock_key.size));
    settle();
}

/* --- the tests */

static void test_no_lock(void)
{
    CHECK(add_tang("thumbprint-http://t1", false, 1, 1) == -ESRCH);
    CHECK_OK(init(false, NULL, NULL));
    CHECK(add("recovery", "", NULL, NULL) == -EOPNOTSUPP && strstr(error.text, "--autolock=true"));
    CHECK(test_slot(0, NULL, 0) == -EOPNOTSUPP && remove_slot(0) == -EOPNOTSUPP && refresh(-1, false, false) == -EOPNOTSUPP);
    CHECK_OK(leave(true));
}

static void test_tang(void)
{
    int slot;

    CHECK(add_tang(NULL, false, 1, 1) == -EINVAL && add_tang(NULL, true, 0, 1) == -EINVAL);
    CHECK(add_tang(NULL, true, 1, 2) == -EINVAL && add_tang(NULL, true, 2, 0) == -EINVAL);
    CHECK(add_tang("thumbprint-http://t2", false, 1, 1) == -EKEYREJECTED && strstr(error.text, "http://t1"));
    CHECK(add_tang("thumbprint-http://t1", true, 2, 1) == -EKEYREJECTED && strstr(error.text, "http://t2"));
    servers = SERVER_LYING;
    CHECK(add_tang("thumbprint-http://t1", false, 1, 1) == -EKEYREJECTED && strstr(error.text, "nothing was changed"));
    servers = SERVER_UNREACHABLE;
    CHECK(add_tang("thumbprint-http://t1", false, 1, 1) == -EHOSTUNREACH && strcmp(error.text, "nobody answers at http://t1 gr\xc3\xbc?") == 0);
    servers = SERVER_STRANGE;
    CHECK(add_tang("thumbprint-http://t1", false, 1, 1) == -EPROTO);
    servers = SERVER_CURRENT;
    CHECK(count() == 1);

    CHECK_OK(add_tang("thumbprint-http://t1", false, 1, 1));
    slot = slot_of("tang");
    CHECK(slot >= 0 && count() == 2 && strcmp(listed->ret_keyslots[1].binding, "http://t1") == 0);
    CHECK(report_of("tang")->worked > 0 && m.events[SWARM_EVENT_KEYSLOT_ADDED] == 1);
    CHECK_OK(test_slot(slot, NULL, 0));
    CHECK(test_slot(slot, "typed", 5) == -EKEYREJECTED);
    servers = SERVER_UNREACHABLE;
    CHECK(test_slot(slot, NULL, 0) == -EHOSTUNREACH && strstr(report_of("tang")->note, "does not open"));
    servers = SERVER_LYING;
    CHECK(test_slot(slot, NULL, 0) == -EKEYREJECTED);
    servers = SERVER_CURRENT;
    CHECK_OK(test_slot(slot, NULL, 0));
    CHECK(report_of("tang")->note[0] == '\0');

    /* whether a method works is asked when it has not unlocked */
    restart_locked();
    CHECK(list() == -ENOKEY && add_tang(NULL, true, 1, 1) == -ENOKEY && refresh(-1, true, false) == -ENOKEY && remove_slot(slot) == -ENOKEY);
    CHECK_OK(test_slot(slot, NULL, 0));
    servers = SERVER_UNREACHABLE;
    CHECK(test_slot(slot, NULL, 0) == -EHOSTUNREACH);
    servers = SERVER_CURRENT;
    unlock_again();
    CHECK(strstr(report_of("tang")->note, "does not open"));

    CHECK_OK(add_tang(NULL, true, 2, 2));
    CHECK(slot_of("sss") >= 0);
    CHECK_OK(remove_slot(slot_of("sss")));
    CHECK_OK(remove_slot(slot));
    CHECK(count() == 1 && remove_slot(slot) == -ENOENT && remove_slot(slot_of("unlock-key")) == -EBUSY);
}

static void test_tang_refresh(void)
{
    int slot, next;

    CHECK_OK(add_tang(NULL, true, 1, 1));
    slot = slot_of("tang");
    CHECK_OK(refresh(-1, false, true));
    CHECK(refreshed.result == KEYSLOT_CURRENT && refreshed.new_slot == -1 && slot_of("tang") == slot);

    servers = SERVER_ROTATED;
    CHECK_OK(refresh(-1, true, false));
    CHECK(refreshed.result == KEYSLOT_ROTATED && refreshed.new_slot == -1 && slot_of("tang") == slot);
    CHECK(strcmp(report_of("tang")->note, "http://t1: has rotated its keys") == 0);
    CHECK_OK(refresh(slot, false, true));
    next = slot_of("tang");
    CHECK(refreshed.result == KEYSLOT_REFRESHED && refreshed.new_slot == next && next != slot && count() == 2);
    CHECK(report_of("tang")->note[0] == '\0' && m.events[SWARM_EVENT_KEYSLOT_REFRESHED] == 1);
    CHECK_OK(test_slot(next, NULL, 0));

    servers = SERVER_LYING; /* strange, when it is looked at */
    CHECK_OK(refresh(-1, false, false));
    CHECK(refreshed.result == KEYSLOT_FAILED && slot_of("tang") == next);
    servers = SERVER_UNTRUSTED;
    CHECK_OK(refresh(-1, false, false));
    CHECK(refreshed.result == KEYSLOT_FAILED && slot_of("tang") == next && strcmp(report_of("tang")->note, "http://t1: as it is") == 0);
    servers = SERVER_UNREACHABLE;
    CHECK_OK(refresh(-1, false, false));
    CHECK(refreshed.result == KEYSLOT_FAILED && slot_of("tang") == next);
    servers = SERVER_CURRENT;
    CHECK_OK(refresh(-1, false, false));
    CHECK(refreshed.result == KEYSLOT_CURRENT && report_of("tang")->note[0] == '\0');
    CHECK(refresh(7, false, false) == -ENOENT && refresh(slot_of("unlock-key"), false, false) == -ENOENT);
    CHECK_OK(remove_slot(next));
}

static void test_tpm2(void)
{
    int slot, next;

    tpm = TPM_ABSENT;
    CHECK(add("tpm2", "", NULL, NULL) == -EKEYREJECTED);
    tpm = TPM_OPENS;
    CHECK_OK(add("tpm2", "", NULL, NULL));
    slot = slot_of("tpm2");
    CHECK(strcmp(listed->ret_keyslots[1].binding, "PCRs 7") == 0);
    CHECK_OK(test_slot(slot, NULL, 0));
    CHECK_OK(refresh(-1, false, false));
    CHECK(refreshed.result == KEYSLOT_CURRENT && slot_of("tpm2") == slot);

    /* only what the TPM itself refuses is a reason to seal to it anew, and only when a person says so */
    tpm = TPM_REFUSES;
    CHECK(test_slot(slot, NULL, 0) == -EKEYREJECTED);
    CHECK_OK(refresh(-1, false, true));
    CHECK(refreshed.result == KEYSLOT_SKIPPED && slot_of("tpm2") == slot);
    CHECK_OK(refresh(-1, true, false));
    CHECK(refreshed.result == KEYSLOT_FAILED && slot_of("tpm2") == slot);
    tpm = TPM_ABSENT;
    CHECK_OK(refresh(-1, false, false));
    CHECK(refreshed.result == KEYSLOT_FAILED && slot_of("tpm2") == slot);
    tpm = TPM_REFUSES;
    CHECK_OK(refresh(slot, false, false));
    next = slot_of("tpm2");
    CHECK(refreshed.result == KEYSLOT_REFRESHED && refreshed.new_slot == next && next != slot && count() == 2);
    CHECK(strcmp(listed->ret_keyslots[1].binding, "PCRs 11") == 0); /* the old one's were asked for */
    tpm = TPM_OPENS;
    CHECK_OK(test_slot(next, NULL, 0));
    CHECK_OK(remove_slot(next));
}

static void test_persons(void)
{
    _cleanup_(secret_done) struct secret recovery = SECRET_NULL;
    int slot;

    CHECK_OK(add("recovery", "", NULL, &recovery));
    slot = slot_of("recovery");
    CHECK(recovery.size == 71);
    CHECK_OK(test_slot(slot, recovery.data, recovery.size));
    for (size_t i = 0; i < recovery.size; i++)
        recovery.data[i] = (unsigned char) (recovery.data[i] >= 'a' ? recovery.data[i] - 32 : recovery.data[i]);
    CHECK_OK(test_slot(slot, recovery.data, recovery.size));
    CHECK(test_slot(slot, NULL, 0) == -EINVAL && test_slot(slot_of("unlock-key"), NULL, 0) == -EINVAL);
    CHECK_OK(test_slot(slot_of("unlock-key"), unlock_key.data, unlock_key.size));
    CHECK(test_slot(slot, unlock_key.data, unlock_key.size) == -EKEYREJECTED && test_slot(slot_of("unlock-key"), "x", 1) == -EKEYREJECTED);
    CHECK(test_slot(99, "x", 1) == -ENOENT && test_slot(99, NULL, 0) == -ENOENT && test_slot(-1, NULL, 0) == -ENOENT && remove_slot(99) == -ENOENT);

    CHECK(add("nonsense", "", NULL, NULL) == -EINVAL && add("passphrase", "", "", NULL) == -EINVAL);
    CHECK(add("passphrase", "", "tab\tand more", NULL) == -EINVAL && add("passphrase", "", "SWMKEY-1-mine", NULL) == -EINVAL);
    CHECK(add("passphrase", "", "cbdefghi-jklnrtuv-cbdefghi-jklnrtuv-cbdefghi-jklnrtuv-cbdefghi-jklnrtuv", NULL) == -EINVAL);
    CHECK_OK(add("passphrase", "", "correct horse battery staple", NULL));
    CHECK_OK(refresh(-1, false, false));
    CHECK(refreshed.result == KEYSLOT_SKIPPED);

    restart_locked();
    CHECK_OK(unlock("correct horse battery staple", 28));
    settle();
    CHECK(report_of("passphrase")->worked > 0);
    restart_locked();
    CHECK_OK(unlock(recovery.data, recovery.size));
    settle();
    CHECK_OK(remove_slot(slot_of("recovery")));
    CHECK_OK(remove_slot(slot_of("passphrase")));
}

static void test_full(void)
{
    for (int i = 0; i < KEYSLOTS_MAX - 2; i++)
        CHECK_OK(add_tang(NULL, true, 1, 1));
    CHECK(add("recovery", "", NULL, NULL) == -ENOSPC && count() == KEYSLOTS_MAX - 1);
    servers = SERVER_ROTATED; /* one after the other goes through the free one */
    CHECK_OK(refresh(-1, false, false));
    CHECK(refreshed.result == KEYSLOT_REFRESHED && count() == KEYSLOTS_MAX - 1);
    CHECK(m.events[SWARM_EVENT_KEYSLOT_REFRESHED] >= KEYSLOTS_MAX - 2);
    servers = SERVER_CURRENT;
    while (slot_of("tang") >= 0)
        CHECK_OK(remove_slot(slot_of("tang")));
}

static struct swarm_request *begin_hung(bool *done)
{
    struct swarm_request *r = with_options(SWARM_FETCH_ADVERTISEMENT);

    servers = SERVER_HUNG;
    (void) strcpy(r->options->urls[0], "http://t1");
    r->done = on_done;
    r->data = done;
    CHECK_OK(swarm_submit(m.swarm, r));
    while (hung == 0)
        (void) uv_run(&m.loop, UV_RUN_NOWAIT);
    return r;
}

/* A server that hangs holds up nobody, and the end of the manager least of all. */
static void test_hung(void)
{
    bool done = false, queued = false;
    struct swarm_request *r, *next = with_options(SWARM_REFRESH_KEYSLOTS);
    int64_t from;

    restart_locked();
    r = begin_hung(&done);
    from = now_ms();
    unlock_again();
    CHECK(count() == 1 && !done && hung == 1 && now_ms() - from < 1000);
    (void) printf("unlocked and listed in %d ms beside a hung server\n", (int) (now_ms() - from));
    next->done = on_done;
    next->data = &queued;
    CHECK_OK(swarm_submit(m.swarm, next));
    from = now_ms();
    stop();
    CHECK(now_ms() - from < 1000 && done && queued && r->result == -ECANCELED && next->result == -ECANCELED);
    (void) printf("closed in %d ms\n", (int) (now_ms() - from));
    swarm_request_free(r);
    swarm_request_free(next);
    servers = SERVER_CURRENT;
    start();
    unlock_again();
}

static void test_no_helper(void)
{
    CHECK(add_tang(NULL, true, 1, 1) == -EHOSTUNREACH && strstr(error.text, "unlock.sock"));
    CHECK(add("tpm2", "", NULL, NULL) == -EHOSTUNREACH && count() == 1);
}

int main(void)
{
    uint32_t generation;

    machine_begin();
    played_begin();
    start();
    test_no_lock();
    CHECK_OK(init(true, &unlock_key, &generation));
    CHECK(add("recovery", "", NULL, NULL) == -EOPNOTSUPP); /* not before its key was seen */
    CHECK_OK(confirm(generation));
    test_tang();
    test_tang_refresh();
    test_tpm2();
    test_persons();
    test_full();
    test_hung();
    played_end();
    test_no_helper();
    CHECK(exists("keyslots.json"));
    CHECK_OK(simple(SWARM_DISABLE_AUTOLOCK));
    CHECK(!exists("keyslots.json"));
    CHECK_OK(leave(true));
    stop();
    swarm_request_free(listed);
    secret_done(&unlock_key);
    machine_end();
    return 0;
}
