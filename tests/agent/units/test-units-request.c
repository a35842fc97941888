/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is a request to swarm-units, and what is none. */
#include <errno.h>

#include "test.h"
#include "units/units_reply.h"
#include "units/units_request.h"

static struct error e;

static int parse(char operation, const char *json, struct units_request *ret)
{
    return units_request_parse(operation, json, strlen(json), ret, &e);
}

static void good(void)
{
    struct units_request q;

    CHECK_OK(parse('d', "{\"services\":[]}", &q));
    CHECK(q.n == 0);
    units_request_done(&q);
    CHECK_OK(parse('d', "{\"services\":[{\"name\":\"web\",\"unit\":\"web@*.service\",\"credentials\":[\"a\",\"b c\"]},"
                        "{\"name\":\"db\",\"unit\":\"*.mount\",\"credentials\":[]}]}", &q));
    CHECK(q.n == 2 && strcmp(q.drop_ins[0].service, "web") == 0 && strcmp(q.drop_ins[0].unit, "web@*.service") == 0 && q.drop_ins[0].n == 2);
    CHECK(strcmp(q.drop_ins[0].credentials[1], "b c") == 0 && q.drop_ins[1].n == 0);
    units_request_done(&q);
    CHECK_OK(parse('u', "{\"unit\":\"web.service\",\"how\":\"reload\"}", &q));
    CHECK(q.how == UNITS_RELOAD && strcmp(q.pattern, "web.service") == 0);
    units_request_done(&q);
    CHECK_OK(parse('u', "{\"unit\":\"w*.service\",\"how\":\"restart\"}", &q));
    CHECK(q.how == UNITS_RESTART);
    units_request_done(&q);
    CHECK_OK(parse('s', "{\"units\":[\"a.service\",\"b@1.socket\"]}", &q));
    CHECK(q.n == 2 && strcmp(q.units[1], "b@1.socket") == 0);
    units_request_done(&q);
}

static void bad(void)
{
    static const struct {
        char operation;
        const char *json;
    } cases[] = {
        { 'x', "{}" },
        { 'd', "" },
        { 'd', "[]" },
        { 'd', "{}" },
        { 'd', "{\"services\":{}}" },
        { 'd', "{\"services\":[],\"more\":1}" },
        { 'd', "{\"services\":[{}]}" },
        { 'd', "{\"services\":[1]}" },
        { 'd', "{\"services\":[{\"name\":\"../x\",\"unit\":\"a.service\",\"credentials\":[\"a\"]}]}" },
        { 'd', "{\"services\":[{\"name\":\"x\",\"unit\":\"../a.service\",\"credentials\":[\"a\"]}]}" },
        { 'd', "{\"services\":[{\"name\":\"x\",\"unit\":\"a.timer\",\"credentials\":[\"a\"]}]}" },
        { 'd', "{\"services\":[{\"name\":\"x\",\"unit\":\"a.service\",\"credentials\":[1]}]}" },
        { 'd', "{\"services\":[{\"name\":\"x\",\"unit\":\"a.service\",\"credentials\":\"a\"}]}" },
        { 'd', "{\"services\":[{\"name\":\"x\",\"unit\":\"a.service\",\"credentials\":[\"a\"],\"user\":\"root\"}]}" },
        { 'd', "{\"services\":[{\"name\":\"x\",\"unit\":\"a.service\",\"credentials\":[\"a\"]},{\"name\":\"x\",\"unit\":\"b.service\",\"credentials\":[\"a\"]}]}" },
        { 'd', "{\"services\":[],\"services\":[]}" },
        { 'u', "{\"unit\":\"web.service\"}" },
        { 'u', "{\"unit\":\"web.service\",\"how\":\"stop\"}" },
        { 'u', "{\"unit\":\"web@.service\",\"how\":\"restart\"}" },
        { 'u', "{\"unit\":\"web.service\\u0000x.service\",\"how\":\"restart\"}" },
        { 'u', "{\"unit\":[\"web.service\"],\"how\":\"restart\"}" },
        { 's', "{\"units\":[\"*.service\"]}" },
        { 's', "{\"units\":[\"a.service\"],\"x\":1}" },
        { 's', "{\"units\":\"a.service\"}" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct units_request q = UNITS_REQUEST_NULL;

        CHECK(parse(cases[i].operation, cases[i].json, &q) == -EINVAL && !q.json && strstr(e.text, "swarm-units(8)"));
    }
}

/* One more than there may be. */
static void limits(void)
{
    static char json[200000];
    struct units_request q = UNITS_REQUEST_NULL;
    size_t n;

    for (unsigned more = 0; more < 2; more++) {
        n = (size_t) sprintf(json, "{\"units\":[\"a.service\"");
        for (unsigned i = 1; i < UNITS_STATE_MAX + more; i++)
            n += (size_t) sprintf(json + n, ",\"a.service\"");
        (void) strcpy(json + n, "]}");
        CHECK(parse('s', json, &q) == (more ? -EINVAL : 0));
        units_request_done(&q);
        n = (size_t) sprintf(json, "{\"services\":[{\"name\":\"a\",\"unit\":\"a.service\",\"credentials\":[\"a\"");
        for (unsigned i = 1; i < UNITS_CREDENTIALS_MAX + more; i++)
            n += (size_t) sprintf(json + n, ",\"a\"");
        (void) strcpy(json + n, "]}]}");
        CHECK(parse('d', json, &q) == (more ? -EINVAL : 0));
        units_request_done(&q);
        n = (size_t) sprintf(json, "{\"services\":[");
        for (unsigned i = 0; i < UNITS_SERVICES_MAX + more; i++)
            n += (size_t) sprintf(json + n, "%s{\"name\":\"s%u\",\"unit\":\"a.service\",\"credentials\":[\"a\"]}", i ? "," : "", i);
        (void) strcpy(json + n, "]}");
        CHECK(parse('d', json, &q) == (more ? -EINVAL : 0));
        units_request_done(&q);
    }
}

static void replies(void)
{
    static struct drop_ins_report report = { .n_written = 1, .written = { "web" }, .n_failed = 1, .failed = { { "x", "a \"b\"" } } };
    struct update_result result = { .units = 2, .skipped = 1 };
    const char *active[] = { "a.service" };
    char *text;

    CHECK((text = units_reply_drop_ins(&report)));
    CHECK(strcmp(text, "{\"written\":[\"web\"],\"removed\":[],\"failed\":[{\"service\":\"x\",\"text\":\"a \\\"b\\\"\"}]}") == 0);
    free(text);
    CHECK((text = units_reply_update(&result)) && strcmp(text, "{\"units\":2,\"skipped\":1}") == 0);
    free(text);
    strcpy(result.failed, "a.service");
    strcpy(result.text, "\xff");
    CHECK((text = units_reply_update(&result)));
    CHECK(strcmp(text, "{\"units\":2,\"skipped\":1,\"failed\":\"a.service\",\"text\":\"(not UTF-8)\"}") == 0);
    free(text);
    CHECK((text = units_reply_state(active, 1)) && strcmp(text, "{\"active\":[\"a.service\"]}") == 0);
    free(text);
}

int main(void)
{
    good();
    bad();
    limits();
    replies();
    return 0;
}
