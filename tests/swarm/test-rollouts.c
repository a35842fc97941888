/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a rollout goes on, whatever happens to its nodes. */
#include <errno.h>

#include "basic/cleanup.h"
#include "swarm/rollouts_next.h"
#include "test.h"

#define NODES 5
#define NOW_MS 1000000U
#define NOW_USEC INT64_C(1700000000000000)

static char ids[NODES][STORE_ID_LEN + 1];
static Pb__Meta metas[NODES], service_meta = PB__META__INIT;
static Pb__Node nodes[NODES];
static const Pb__Node *node_pointers[NODES];
static Pb__RolloutNode reached[NODES];
static Pb__RolloutNode *reached_pointers[NODES];
static Pb__Rollout rollout;
static Pb__Service service;
static struct rollout_watch watches[NODES];
static struct rollout_view view;
static struct rollout_next next;

static void begin(unsigned n, unsigned parallelism)
{
    pb__rollout__init(&rollout);
    pb__service__init(&service);
    service_meta.id = (char *) "sssssssssssssssssssssssss";
    service.meta = &service_meta;
    service.rollout = &rollout;
    service.parallelism = parallelism;
    rollout.number = 7;
    rollout.nodes = reached_pointers;
    memset(watches, 0, sizeof(watches));
    for (unsigned i = 0; i < NODES; i++) {
        memset(ids[i], 'a' + (int) i, STORE_ID_LEN);
        pb__meta__init(&metas[i]);
        pb__node__init(&nodes[i]);
        metas[i].id = ids[i];
        nodes[i].meta = &metas[i];
        nodes[i].state = PB__NODE_STATE__READY;
        node_pointers[i] = &nodes[i];
        reached_pointers[i] = &reached[i];
        strcpy(watches[i].service_id, service_meta.id);
        strcpy(watches[i].node_id, ids[i]);
        watches[i].number = 7;
        watches[i].since = NOW_MS;
    }
    view = (struct rollout_view) { node_pointers, n, watches, NODES, NOW_MS, NOW_USEC };
}

/* The step is what the store has from now on. */
static int step(void)
{
    static char texts[NODES][STORE_ROLLOUT_TEXT_MAX + 1];
    int r = rollout_next(&service, &view, &next);

    if (r <= 0)
        return r;
    CHECK(next.n <= NODES);
    for (size_t i = 0; i < next.n; i++) {
        CHECK(strlen(next.nodes[i].text) <= STORE_ROLLOUT_TEXT_MAX);
        strcpy(texts[i], next.nodes[i].text);
        reached[i] = next.nodes[i];
        reached[i].text = texts[i];
        CHECK(next.pointers[i] == &next.nodes[i]);
    }
    rollout.n_nodes = next.n;
    rollout.state = next.state;
    rollout_next_done(&next);
    return r;
}

static void say(unsigned node, bool failed, const char *text)
{
    watches[node].heard = true;
    watches[node].failed = failed;
    strcpy(watches[node].text, text);
}

static Pb__RolloutNodeState state_of(unsigned node)
{
    for (size_t i = 0; i < rollout.n_nodes; i++)
        if (strcmp(reached[i].id, ids[node]) == 0)
            return reached[i].state;
    CHECK(!"the node is reached");
    return 0;
}

static const char *text_of(unsigned node)
{
    for (size_t i = 0; i < rollout.n_nodes; i++)
        if (strcmp(reached[i].id, ids[node]) == 0)
            return reached[i].text;
    return "";
}

#define WORKING PB__ROLLOUT_NODE_STATE__WORKING
#define SUCCEEDED PB__ROLLOUT_NODE_STATE__SUCCEEDED
#define FAILED PB__ROLLOUT_NODE_STATE__FAILED

static void one_by_one(void)
{
    begin(3, 0); /* none is meant as one */
    for (unsigned i = 0; i < 3; i++) {
        CHECK(step() == 1 && rollout.n_nodes == i + 1 && state_of(i) == WORKING && rollout.state == PB__ROLLOUT_STATE__RUNNING);
        CHECK(step() == 0);
        say(i, false, "");
    }
    CHECK(step() == 1 && rollout.state == PB__ROLLOUT_STATE__DONE && rollout.n_nodes == 3);
    for (unsigned i = 0; i < 3; i++)
        CHECK(state_of(i) == SUCCEEDED);
}

static void several_at_once(void)
{
    begin(5, 2);
    CHECK(step() == 1 && rollout.n_nodes == 2);
    CHECK(step() == 0);
    say(1, false, "");
    CHECK(step() == 1 && rollout.n_nodes == 3 && state_of(0) == WORKING && state_of(1) == SUCCEEDED && state_of(2) == WORKING);
    say(0, false, "");
    say(2, false, "");
    CHECK(step() == 1 && rollout.n_nodes == 5);
    say(3, false, "");
    say(4, false, "");
    CHECK(step() == 1 && rollout.state == PB__ROLLOUT_STATE__DONE);
}

static void stops_at_the_first_failure(void)
{
    begin(5, 1);
    CHECK(step() == 1);
    say(0, false, "");
    CHECK(step() == 1);
    say(1, true, "web.service: it failed");
    CHECK(step() == 1 && rollout.state == PB__ROLLOUT_STATE__STOPPED && rollout.n_nodes == 2);
    CHECK(state_of(1) == FAILED && strcmp(text_of(1), "web.service: it failed") == 0);
}

/* Those that work with it are heard to the end, and nobody else begins. */
static void stops_when_the_others_have_ended(void)
{
    begin(5, 3);
    CHECK(step() == 1 && rollout.n_nodes == 3);
    say(1, true, "bad");
    CHECK(step() == 1 && rollout.state == PB__ROLLOUT_STATE__RUNNING && rollout.n_nodes == 3 && state_of(1) == FAILED);
    CHECK(step() == 0);
    say(0, false, "");
    CHECK(step() == 1 && rollout.state == PB__ROLLOUT_STATE__RUNNING && rollout.n_nodes == 3);
    say(2, false, "");
    CHECK(step() == 1 && rollout.state == PB__ROLLOUT_STATE__STOPPED && state_of(0) == SUCCEEDED && state_of(2) == SUCCEEDED);
}

static void results_of_others_do_not_count(void)
{
    begin(2, 1);
    CHECK(step() == 1);
    say(0, false, "");
    watches[0].number = 6;
    CHECK(step() == 0);
    watches[0].number = 7;
    watches[0].service_id[0] = 'x';
    CHECK(step() == 0);
    view.n_watches = 0; /* a new leader has heard nothing yet */
    CHECK(step() == 0);
}

static void nodes_that_are_down_are_passed_over(void)
{
    begin(3, 1);
    nodes[0].state = PB__NODE_STATE__DOWN;
    CHECK(step() == 1 && rollout.n_nodes == 1 && state_of(1) == WORKING);
    say(1, false, "");
    CHECK(step() == 1 && state_of(2) == WORKING);
    nodes[0].state = PB__NODE_STATE__READY; /* back before the end: its units may still run */
    say(2, false, "");
    CHECK(step() == 1 && rollout.n_nodes == 3 && state_of(0) == WORKING);
    say(0, false, "");
    CHECK(step() == 1 && rollout.state == PB__ROLLOUT_STATE__DONE);
    begin(2, 1);
    nodes[0].state = nodes[1].state = PB__NODE_STATE__DOWN;
    CHECK(step() == 1 && rollout.state == PB__ROLLOUT_STATE__DONE && rollout.n_nodes == 0);
}

static void nodes_that_go_down_fail_after_a_while(void)
{
    begin(2, 1);
    CHECK(step() == 1);
    nodes[0].state = PB__NODE_STATE__DOWN;
    nodes[0].state_since = NOW_USEC - ROLLOUT_DOWN_USEC + 1;
    CHECK(step() == 0);
    nodes[0].state_since--;
    say(0, false, ""); /* what it says counts, however late */
    CHECK(step() == 1 && state_of(0) == SUCCEEDED && state_of(1) == WORKING);
    nodes[1].state = PB__NODE_STATE__DOWN;
    CHECK(step() == 1 && state_of(1) == FAILED && strstr(text_of(1), "down") && rollout.state == PB__ROLLOUT_STATE__STOPPED);
}

static void nodes_that_say_nothing_fail(void)
{
    begin(2, 1);
    CHECK(step() == 1);
    view.now_ms = NOW_MS + ROLLOUT_LATE_MS - 1;
    CHECK(step() == 0);
    view.now_ms++;
    CHECK(step() == 1 && state_of(0) == FAILED && strstr(text_of(0), "in time") && rollout.state == PB__ROLLOUT_STATE__STOPPED);
}

static void nodes_that_are_gone_fail(void)
{
    static Pb__Constraint constraint = PB__CONSTRAINT__INIT;
    static Pb__Constraint *constraints[] = { &constraint };

    begin(3, 1);
    CHECK(step() == 1);
    view.nodes = node_pointers + 1; /* removed */
    view.n_nodes = 2;
    CHECK(step() == 1 && state_of(0) == FAILED && strstr(text_of(0), "removed") && rollout.state == PB__ROLLOUT_STATE__STOPPED);
    begin(3, 1);
    CHECK(step() == 1);
    constraint.key = (char *) "node.hostname";
    constraint.value = (char *) "elsewhere";
    service.constraints = constraints;
    service.n_constraints = 1;
    CHECK(step() == 1 && state_of(0) == FAILED && strstr(text_of(0), "no longer"));
}

static void only_nodes_of_the_service(void)
{
    static Pb__Constraint constraint = PB__CONSTRAINT__INIT;
    static Pb__Constraint *constraints[] = { &constraint };

    begin(3, 5);
    for (unsigned i = 0; i < 3; i++)
        nodes[i].hostname = (char *) (i == 1 ? "m2" : "other");
    constraint.key = (char *) "node.hostname";
    constraint.value = (char *) "m2";
    service.constraints = constraints;
    service.n_constraints = 1;
    CHECK(step() == 1 && rollout.n_nodes == 1 && state_of(1) == WORKING);
    say(1, false, "");
    CHECK(step() == 1 && rollout.state == PB__ROLLOUT_STATE__DONE);
}

int main(void)
{
    one_by_one();
    several_at_once();
    stops_at_the_first_failure();
    stops_when_the_others_have_ended();
    results_of_others_do_not_count();
    nodes_that_are_down_are_passed_over();
    nodes_that_go_down_fail_after_a_while();
    nodes_that_say_nothing_fail();
    nodes_that_are_gone_fail();
    only_nodes_of_the_service();
    return 0;
}
