/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-bus-policy INTERFACE-XML: each method of the interface has its row, and the rows say who may call what. */
#include "bus/bus_policy.h"
#include "test.h"

static const struct {
    const char *member, *action;
    enum bus_receipt receipt;
} expected[] = {
    { "Info", NULL, RECEIPT_NONE },
    { "ListNodes", NULL, RECEIPT_NONE },
    { "InspectNode", NULL, RECEIPT_NONE },
    { "ListKeyslots", NULL, RECEIPT_NONE },
    { "GetCA", NULL, RECEIPT_NONE },
    { "Unlock", "org.swarm.manager1.unlock", RECEIPT_NONE },
    { "GetUnlockKey", "org.swarm.manager1.view-key", RECEIPT_GIVES },
    { "ConfirmUnlockKey", "org.swarm.manager1.view-key", RECEIPT_TAKES },
    { "GetJoinToken", "org.swarm.manager1.view-key", RECEIPT_NONE },
    { "Backup", "org.swarm.manager1.view-key", RECEIPT_NONE },
    { "FetchAdvertisement", "org.swarm.manager1.manage", RECEIPT_NONE },
    { "AddKeyslot", "org.swarm.manager1.manage", RECEIPT_NONE },
    { "TestKeyslot", "org.swarm.manager1.manage", RECEIPT_NONE },
    { "RemoveKeyslot", "org.swarm.manager1.manage", RECEIPT_NONE },
    { "RefreshKeyslots", "org.swarm.manager1.manage", RECEIPT_NONE },
};

/* Whatever else there is needs the right to manage. */
static void check(const char *member)
{
    const struct bus_rule *rule = bus_rule_find(member);

    if (!rule)
        (void) fprintf(stderr, "%s has no row\n", member);
    CHECK(rule && rule->handler && strcmp(rule->member, member) == 0);
    for (unsigned i = 0; i < ELEMENTSOF(expected); i++)
        if (strcmp(expected[i].member, member) == 0) {
            CHECK(!expected[i].action == !rule->action && rule->receipt == expected[i].receipt);
            CHECK(!rule->action || strcmp(rule->action, expected[i].action) == 0);
            return;
        }
    CHECK(rule->action && strcmp(rule->action, "org.swarm.manager1.manage") == 0 && rule->receipt != RECEIPT_TAKES);
}

int main(int argc, char *argv[])
{
    static const char begin[] = "<method name=\"";
    _cleanup_fclose_ FILE *f = argc == 2 ? fopen(argv[1], "re") : NULL;
    char line[512];
    unsigned n = 0;

    CHECK(f);
    while (fgets(line, sizeof(line), f)) {
        char *name = strstr(line, begin), *end;

        if (!name)
            continue;
        name += sizeof(begin) - 1;
        end = strchr(name, '"');
        CHECK(end);
        *end = '\0';
        check(name);
        n++;
    }
    CHECK(n >= ELEMENTSOF(expected));
    CHECK(!bus_rule_find("") && !bus_rule_find("info") && !bus_rule_find("Nothing"));
    return 0;
}
