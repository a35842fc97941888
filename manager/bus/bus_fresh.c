/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/bus_fresh.h"

#include <errno.h>
#include <stdlib.h>

#include "message/bus_error.h"

struct postponed {
    const struct bus_rule *rule;
    struct swarm *swarm;
    sd_bus_message *message;
    struct swarm_caller caller;
};

static void on_current(void *data, int result, const struct error *e)
{
    _cleanup_free_ struct postponed *p = data;

    if (result == 0)
        result = p->rule->handler(p->swarm, p->message, &p->caller);
    if (result < 0)
        (void) bus_reply_error(p->message, result, e);
    sd_bus_message_unref(p->message);
}

static int postpone(const struct bus_rule *rule, struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller, struct error *e)
{
    struct postponed *p = malloc(sizeof(*p));
    int r = -ENOMEM;

    if (p) {
        *p = (struct postponed) { rule, s, sd_bus_message_ref(m), *caller };
        r = swarm_read_current(s, on_current, p, e);
        if (r == 0)
            return 0;
        sd_bus_message_unref(m);
        free(p);
    }
    return r;
}

int bus_rule_call(const struct bus_rule *rule, struct swarm *s, sd_bus_message *m, const struct swarm_caller *caller)
{
    struct error e = { "" };
    int r;

    if (!rule->reads || swarm_check_active(s, NULL) < 0)
        return rule->handler(s, m, caller);
    r = postpone(rule, s, m, caller, &e);
    if (r < 0)
        return bus_reply_error(m, r, &e);
    return r == 0 ? 1 : rule->handler(s, m, caller);
}
