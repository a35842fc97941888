/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A worker's copies: which is served, which goes, and how much they may be. And the choice among services that overlap. */
#include <errno.h>

#include "swarm/manifest.h"
#include "swarm/served_cache.h"
#include "test.h"

static Peer__ServedGrant grant(const char *id, uint64_t revision)
{
    Peer__ServedGrant g = PEER__SERVED_GRANT__INIT;

    g.object_id = (char *) id;
    g.revision = revision;
    g.credential = (char *) "pw";
    return g;
}

static int put(struct served_cache *c, const char *id, uint64_t revision, size_t size)
{
    _cleanup_(secret_done) struct secret data = SECRET_NULL;

    CHECK_OK(secret_new(size, &data));
    return served_cache_put(c, PB__KIND__SECRET, id, revision, &data);
}

static void test_cache(void)
{
    struct served_cache c = { NULL, 0, 0 };
    Peer__ServedGrant g = grant("a", 2), *grants = &g;
    Peer__ServedService service = PEER__SERVED_SERVICE__INIT, *services = &service;
    Peer__Manifest m = PEER__MANIFEST__INIT;
    uint64_t revision = 9;
    size_t most;

    service.grants = &grants;
    service.n_grants = 1;
    m.services = &services;
    m.n_services = 1;
    CHECK(!served_cache_find(&c, PB__KIND__SECRET, "a", 2, &revision) && revision == 9);
    CHECK_OK(put(&c, "a", 0, 10));
    CHECK_OK(put(&c, "a", 1, 11));
    CHECK_OK(put(&c, "b", 0, 12));
    CHECK_OK(put(&c, "b", 0, 13));
    CHECK(c.n == 3 && c.bytes == 33);
    CHECK(served_cache_find(&c, PB__KIND__SECRET, "a", 2, &revision)->size == 11 && revision == 1);
    CHECK(!served_cache_find(&c, PB__KIND__CONFIG, "a", 2, NULL));
    served_cache_keep(&c, &m);
    CHECK(c.n == 2 && !served_cache_get(&c, PB__KIND__SECRET, "b", 0)); /* until the newest is here */
    CHECK_OK(put(&c, "a", 2, 14));
    served_cache_keep(&c, &m);
    CHECK(c.n == 1 && c.bytes == 14 && served_cache_get(&c, PB__KIND__SECRET, "a", 2)->size == 14);
    for (most = 0; put(&c, "c", most, SECRET_MAX) == 0; most++)
        ;
    CHECK(most == SERVED_CACHE_MAX / SECRET_MAX - 1 && put(&c, "d", 0, SECRET_MAX) == -ENOSPC && put(&c, "d", 0, 100) == 0);
    served_cache_keep(&c, NULL);
    CHECK(c.n == 0 && c.bytes == 0);
    served_cache_done(&c);
}

static void test_choice(void)
{
    static const char *const units[] = { "*.service", "web*.service", "web@7.service", "web@*.service" };
    Peer__ServedGrant grants[4], *grant_pointers[4];
    Peer__ServedService services[4], *pointers[4];
    const Peer__ServedService *found = NULL;
    Peer__Manifest m = PEER__MANIFEST__INIT;

    for (size_t i = 0; i < 4; i++) {
        grants[i] = grant("x", i);
        grant_pointers[i] = &grants[i];
        peer__served_service__init(&services[i]);
        services[i].unit = (char *) units[i];
        services[i].grants = &grant_pointers[i];
        services[i].n_grants = 1;
        pointers[i] = &services[i];
    }
    m.services = pointers;
    m.n_services = 4;
    CHECK(manifest_find(&m, "web@7.service", "pw", &found)->revision == 2 && found == &services[2]);
    CHECK(manifest_find(&m, "web@8.service", "pw", NULL)->revision == 3);
    CHECK(manifest_find(&m, "webs.service", "pw", NULL)->revision == 1);
    CHECK(manifest_find(&m, "db.service", "pw", NULL)->revision == 0);
    CHECK(!manifest_find(&m, "db.socket", "pw", NULL) && !manifest_find(&m, "db.service", "other", NULL));
    CHECK(manifest_grants(&m, 0, "x", 3) && !manifest_grants(&m, 0, "x", 4) && !manifest_grants(&m, 1, "x", 3) && !manifest_grants(NULL, 0, "x", 3));
}

int main(void)
{
    CHECK_OK(secret_init());
    test_cache();
    test_choice();
    return 0;
}
