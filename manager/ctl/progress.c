/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/progress.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "ctl/escape.h"
#include "ctl/json.h"
#include "ctl/status.h"

#define POLL_FIRST_MS 10 /* where all can be reached it takes no longer than some of these */
#define POLLS_FIRST 25
#define POLL_MS 50
#define POLLS_MAX 600
#define POLLS_REKEY_MAX 3600 /* servers that keep others waiting are asked one after the other */

struct progress {
    bool (*concerns)(const struct progress *p, const json_t *node);
    bool (*has)(const struct progress *p, const json_t *node);
    uint32_t generation;
    uint32_t rekey; /* 0: it is none */
    unsigned polls;
    bool quiet;
    const char *lacks;       /* what is said of a node that has not */
    char done[64];           /* what is said of one that has */
    json_t *told;            /* ids */
};

static bool is_manager(const struct progress *p _unused_, const json_t *node)
{
    return strcmp(json_text(node, "Role"), "manager") == 0;
}

static bool has_generation(const struct progress *p, const json_t *node)
{
    return json_number(node, "KeyGeneration") >= p->generation;
}

static bool has_new_keys(const struct progress *p, const json_t *node)
{
    return json_number(node, "Rekeyed") >= p->rekey && has_generation(p, node);
}

static bool is_any(const struct progress *p _unused_, const json_t *node _unused_)
{
    return true;
}

static bool is_certified(const struct progress *p _unused_, const json_t *node)
{
    return strcmp(json_text(node, "TLSStatus"), "ready") == 0;
}

static void tell(const json_t *node, const char *what)
{
    const char *name = json_text(node, "Hostname");
    _cleanup_free_ char *escaped = escape(name, strlen(name), ESCAPE_TEXT);

    (void) fprintf(stderr, "%s: %s\n", escaped ? escaped : "", what);
}

static void tell_lost(const json_t *node)
{
    const char *lost = json_text(node, "RekeyLost"), *name = json_text(node, "Hostname");
    _cleanup_free_ char *escaped = escape(lost, strlen(lost), ESCAPE_TEXT), *host = escape(name, strlen(name), ESCAPE_TEXT);

    if (*lost && escaped && host)
        (void) fprintf(stderr, "%s: these ways to unlock it are gone: %s. Add there what is still wanted: swarmctl keyslot add ...\n", host, escaped);
}

/* How many that can be reached are still missing. */
static unsigned look(struct progress *p, const json_t *nodes)
{
    const json_t *node;
    unsigned missing = 0;
    size_t i;

    json_array_foreach(nodes, i, node) {
        const char *id = json_text(node, "ID");

        if (!p->concerns(p, node))
            continue;
        if (!p->has(p, node)) {
            missing += strcmp(json_text(node, "Status"), "down") != 0;
            continue;
        }
        if (json_object_get(p->told, id))
            continue;
        (void) json_object_set_new(p->told, id, json_true());
        if (!p->quiet)
            tell(node, p->done);
        if (p->rekey > 0)
            tell_lost(node);
    }
    return missing;
}

/* The old key is gone, too: where all have the new one it goes at once. */
static bool has_old_key(const struct progress *p, const json_t *node)
{
    return p->generation > 0 && json_object_get(node, "OldestKeyGeneration") && json_number(node, "OldestKeyGeneration") < p->generation;
}

static bool is_over(const struct progress *p, const json_t *nodes)
{
    const json_t *node;
    bool old = false;
    size_t i;

    json_array_foreach(nodes, i, node) {
        if (!p->concerns(p, node))
            continue;
        if (!p->has(p, node)) /* the old key stays for this one */
            return true;
        old |= has_old_key(p, node);
    }
    return !old;
}

static void name_missing(const struct progress *p, const json_t *nodes)
{
    const json_t *node;
    size_t i;

    json_array_foreach(nodes, i, node)
        if (p->concerns(p, node) && !p->has(p, node))
            tell(node, p->lacks);
}

static int read_nodes(struct caller *c, json_t **ret, struct error *e)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    int r = call_method(c, "ListNodes", &reply, e, "");

    if (r != STATUS_OK)
        return r;
    r = json_read(reply, ret);
    return r < 0 ? call_reply_error(r, e) : STATUS_OK;
}

static void tell_unseen(const struct error *e)
{
    _cleanup_free_ char *text = escape(e->text, strlen(e->text), ESCAPE_TEXT);

    (void) fprintf(stderr, "It is done, but not to be seen how far it has come: %s. 'swarmctl node ls' shows it later\n", text ? text : "");
}

static void follow(struct progress *p, struct caller *c)
{
    for (unsigned i = 0; i < p->polls; i++) {
        _cleanup_json_ json_t *nodes = NULL;
        struct error e = { "" };
        unsigned missing;

        if (read_nodes(c, &nodes, &e) != STATUS_OK) {
            tell_unseen(&e);
            return;
        }
        if (json_array_size(nodes) < 2 && p->rekey == 0) /* alone: it is done */
            return;
        missing = look(p, nodes);
        if ((missing == 0 && is_over(p, nodes)) || i + 1 == p->polls) {
            name_missing(p, nodes);
            return;
        }
        (void) nanosleep(&(struct timespec) { .tv_nsec = (i < POLLS_FIRST ? POLL_FIRST_MS : POLL_MS) * 1000000L }, NULL);
    }
}

void progress_unlock_key(struct caller *c, uint32_t generation, bool quiet)
{
    _cleanup_json_ json_t *told = json_object();
    struct progress p = {
        .concerns = is_manager,
        .has = has_generation,
        .generation = generation,
        .polls = POLLS_MAX,
        .quiet = quiet,
        .lacks = "is not reachable: it still opens with the key that it knows, and gets the new one when it is back",
        .told = told,
    };

    (void) snprintf(p.done, sizeof(p.done), "has generation %" PRIu32, generation);
    follow(&p, c);
}

void progress_rekey(struct caller *c, uint32_t count, uint32_t generation, bool quiet)
{
    _cleanup_json_ json_t *told = json_object();
    struct progress p = {
        .concerns = is_manager,
        .has = has_new_keys,
        .generation = generation,
        .rekey = count,
        .polls = POLLS_REKEY_MAX,
        .quiet = quiet,
        .lacks = "has no new keys yet: it still opens with what it had, and makes them when it is back",
        .done = "has new keys",
        .told = told,
    };

    follow(&p, c);
}

void progress_certificates(struct caller *c)
{
    _cleanup_json_ json_t *told = json_object();
    struct progress p = {
        .concerns = is_any,
        .has = is_certified,
        .polls = POLLS_MAX,
        .lacks = "has no certificate of the new CA yet; the old CA stays trusted until it has, or is removed",
        .done = "has a new certificate",
        .told = told,
    };

    follow(&p, c);
}
