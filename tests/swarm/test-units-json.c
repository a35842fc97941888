/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the manager says to swarm-units of a manifest, and how it reads the replies. */
#include <errno.h>

#include "swarm/units_json.h"
#include "test.h"

static Peer__ServedGrant grants[65];
static Peer__ServedGrant *grant_pointers[65];
static Peer__ServedService services[4];
static Peer__ServedService *service_pointers[4];
static Peer__Manifest manifest = PEER__MANIFEST__INIT;

static Peer__ServedService *service(unsigned i, const char *name, const char *unit, unsigned n_grants)
{
    peer__served_service__init(&services[i]);
    services[i].name = (char *) name;
    services[i].unit = (char *) unit;
    services[i].enabled = true;
    services[i].grants = grant_pointers;
    services[i].n_grants = n_grants;
    service_pointers[i] = &services[i];
    return &services[i];
}

static void begin(void)
{
    for (unsigned i = 0; i < 65; i++) {
        peer__served_grant__init(&grants[i]);
        grants[i].credential = (char *) (i == 0 ? "pw" : "tls.key");
        grant_pointers[i] = &grants[i];
    }
    manifest.services = service_pointers;
}

static void drop_ins(void)
{
    char why[ERROR_TEXT_MAX], *text;

    CHECK_OK(units_json_drop_ins(NULL, &text, why));
    CHECK(strcmp(text, "{\"services\":[]}") == 0 && why[0] == '\0');
    free(text);
    (void) service(0, "web", "web@*.service", 2);
    service(1, "off", "off.service", 1)->enabled = false;
    (void) service(2, "none", "none.service", 0);
    (void) service(3, "db", "db-*.service", 1);
    manifest.n_services = 4;
    CHECK_OK(units_json_drop_ins(&manifest, &text, why));
    CHECK(strcmp(text, "{\"services\":[{\"name\":\"web\",\"unit\":\"web@*.service\",\"credentials\":[\"pw\",\"tls.key\"]},"
                       "{\"name\":\"db\",\"unit\":\"db-*.service\",\"credentials\":[\"pw\"]}]}") == 0);
    CHECK(why[0] == '\0');
    free(text);
}

/* One of which no drop-in can be made does not hinder the others. */
static void refused(void)
{
    static const char *const units[] = { "*.service", "systemd-*.service", "web*.service", "../x.service", "-*.mount" };
    char why[ERROR_TEXT_MAX], *text;

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        (void) service(0, "bad", units[i], 1);
        (void) service(1, "good", "good.service", 1);
        manifest.n_services = 2;
        CHECK_OK(units_json_drop_ins(&manifest, &text, why));
        CHECK(strcmp(text, "{\"services\":[{\"name\":\"good\",\"unit\":\"good.service\",\"credentials\":[\"pw\"]}]}") == 0);
        CHECK(strncmp(why, "service bad has no drop-in here: ", 33) == 0);
        free(text);
    }
    grants[0].credential = (char *) "a b";
    (void) service(0, "bad", "bad.service", 1);
    manifest.n_services = 1;
    CHECK_OK(units_json_drop_ins(&manifest, &text, why));
    CHECK(strcmp(text, "{\"services\":[]}") == 0 && strstr(why, "characters"));
    free(text);
    grants[0].credential = (char *) "pw";
    (void) service(0, "bad", "bad.service", 65);
    CHECK_OK(units_json_drop_ins(&manifest, &text, why));
    CHECK(strcmp(text, "{\"services\":[]}") == 0 && why[0]);
    free(text);
}

static void too_many(void)
{
    static Peer__ServedService *many[1025];
    char why[ERROR_TEXT_MAX], *text = NULL;
    Peer__Manifest m = PEER__MANIFEST__INIT;

    (void) service(0, "web", "web@*.service", 1);
    for (size_t i = 0; i < 1025; i++)
        many[i] = &services[0];
    m.services = many;
    m.n_services = 1025;
    CHECK(units_json_drop_ins(&m, &text, why) == -EMSGSIZE && !text);
    services[0].n_grants = 2; /* few enough, but too long a text */
    m.n_services = 1024;
    CHECK(units_json_drop_ins(&m, &text, why) == -EMSGSIZE && !text);
    m.n_services = 900;
    CHECK_OK(units_json_drop_ins(&m, &text, why));
    free(text);
}

static void others(void)
{
    const char *units[] = { "a.service", "b\\x2d.service" };
    char *text;

    CHECK_OK(units_json_update("web@*.service", false, &text));
    CHECK(strcmp(text, "{\"unit\":\"web@*.service\",\"how\":\"restart\"}") == 0);
    free(text);
    CHECK_OK(units_json_update("web.service", true, &text));
    CHECK(strcmp(text, "{\"unit\":\"web.service\",\"how\":\"reload\"}") == 0);
    free(text);
    CHECK_OK(units_json_state(units, 2, &text));
    CHECK(strcmp(text, "{\"units\":[\"a.service\",\"b\\\\x2d.service\"]}") == 0);
    free(text);
}

static struct secret body_of(const char *text)
{
    struct secret body = SECRET_NULL;

    CHECK_OK(secret_copy(text, strlen(text), &body));
    return body;
}

static void replies(void)
{
    static const char *const bad[] = { "", "[]", "{}", "{\"written\":[1],\"removed\":[],\"failed\":[]}", "{\"units\":-1}", "{\"units\":99999}",
                                       "{\"units\":1,\"failed\":\"a.service\"}", "{\"units\":1,\"failed\":\"a\\u001b.service\",\"text\":\"x\"}", "{\"active\":1}",
                                       "{\"written\":[\"a\\u001b[2J\"],\"removed\":[],\"failed\":[]}" };
    char done[ERROR_TEXT_MAX], failed[ERROR_TEXT_MAX];
    struct secret body;
    unsigned n = 7;

    body = body_of("{\"written\":[\"web\",\"db\"],\"removed\":[\"old\"],\"failed\":[{\"service\":\"x\",\"text\":\"why\\u001b[2J\"}]}");
    CHECK_OK(units_json_drop_ins_reply(&body, done, failed));
    CHECK(strcmp(done, "written for web, db; removed of old") == 0 && strcmp(failed, "service x has no drop-in here: why?[2J") == 0);
    secret_done(&body);
    body = body_of("{\"written\":[],\"removed\":[],\"failed\":[]}");
    CHECK_OK(units_json_drop_ins_reply(&body, done, failed));
    CHECK(done[0] == '\0' && failed[0] == '\0');
    secret_done(&body);
    body = body_of("{\"units\":3,\"skipped\":1}");
    CHECK_OK(units_json_update_reply(&body, &n, failed));
    CHECK(n == 3 && failed[0] == '\0');
    secret_done(&body);
    body = body_of("{\"units\":3,\"skipped\":0,\"failed\":\"web@1.service\",\"text\":\"it failed\\n\"}");
    CHECK_OK(units_json_update_reply(&body, &n, failed));
    CHECK(strcmp(failed, "web@1.service: it failed?") == 0);
    secret_done(&body);
    body = body_of("{\"active\":[\"a.service\"]}");
    CHECK(units_json_is_active(&body, "a.service") == 1 && units_json_is_active(&body, "b.service") == 0);
    secret_done(&body);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        body = body_of(bad[i]);
        CHECK(units_json_drop_ins_reply(&body, done, failed) == -EPROTO);
        CHECK(units_json_update_reply(&body, &n, failed) == -EPROTO);
        CHECK(units_json_is_active(&body, "a.service") == -EPROTO);
        secret_done(&body);
    }
}

int main(void)
{
    CHECK_OK(secret_init());
    begin();
    drop_ins();
    refused();
    too_many();
    others();
    replies();
    return 0;
}
