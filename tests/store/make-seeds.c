/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes commands of every kind, and a snapshot of what they make, into the files named in argv: what the fuzzers begin from. */
#include <stdio.h>

#include "../test.h"
#include "fixture.h"

#define KEY "0123456789abcdef0123456789abcdef"
#define COMMANDS 16

static void save(const char *path, const void *data, size_t size)
{
    _cleanup_fclose_ FILE *f = fopen(path, "we");

    CHECK(f && fwrite(data, 1, size, f) == size);
}

static void save_command(const char *path, const Pb__Command *command)
{
    void *data;
    size_t size;

    CHECK_OK(command_encode(command, &data, &size));
    save(path, data, size);
    free(data);
}

/* What the seeds are about, in an order in which they all succeed; the store is saved before the last three take things away again. */
static unsigned make(Pb__Command ret[static COMMANDS], const char *id, const char *id_b)
{
    Pb__Service *service = fixture_service(id, 0, "web", "web@*.service");
    unsigned n = 0;

    ret[n++] = fixture_put_cluster_command(fixture_cluster(id, 0, KEY, true));
    ret[0].put_cluster->cluster->retiring_unlock_key = ret[0].put_cluster->cluster->unlock_key;
    ret[0].put_cluster->cluster->retiring_until = 99;
    ret[0].put_cluster->cluster->old_ca_certificate = ret[0].put_cluster->cluster->ca_certificate;
    ret[n++] = fixture_put_node_command(fixture_manager(id_b, 0, "m2", 2));
    ret[n++] = fixture_create_command(PB__KIND__SECRET, fixture_object(id, "secret", "data", 4));
    ret[n++] = fixture_create_command(PB__KIND__CONFIG, fixture_object(id_b, "config", "data", 4));
    ret[n++] = fixture_set_node_state_command(id_b, PB__NODE_STATE__DOWN, 1700000000000001);
    ret[n++] = fixture_revoke_command(id, fixture_digest(1), 1700000000000009, 5);
    ret[n++] = fixture_put_node_command(fixture_node(id, 0, "w1"));
    ret[n++] = fixture_remove_node_command(id, 1700000000000009, 5);
    fixture_constrain(service, "node.role", false, "manager");
    fixture_constrain(service, "node.labels.zone", true, "8");
    fixture_grant(service, PB__KIND__SECRET, id, "password");
    fixture_grant(service, PB__KIND__CONFIG, id_b, "settings");
    service->max_age = 3600;
    service->offline = service->enabled = true;
    ret[n++] = fixture_put_service_command(service);
    ret[n++] = fixture_update_command(PB__KIND__SECRET, id, 3, "new", 3, 1700000000000002); /* made by the third command */
    ret[n] = fixture_set_rollout_command(id, 10, PB__ROLLOUT_STATE__STOPPED, 1700000000000003);
    fixture_reach(&ret[n++], id_b, PB__ROLLOUT_NODE_STATE__FAILED, "it did not start");
    ret[n] = fixture_put_usage_command(id_b);
    fixture_use(&ret[n], "web@1.service", "password", PB__KIND__SECRET, id, 1);
    fixture_use(&ret[n++], "web@2.service", "password", PB__KIND__SECRET, id, 0);
    ret[n++] = fixture_prune_command(PB__KIND__CONFIG, id_b);
    ret[n++] = fixture_put_service_command(fixture_service(id, 9, "web", "web.service")); /* made by the ninth */
    ret[n++] = fixture_remove_service_command(id);
    return n;
}

int main(int argc, char *argv[])
{
    _cleanup_(store_freep) struct store *s = store_new();
    Pb__RemoveObject remove = PB__REMOVE_OBJECT__INIT;
    Pb__Command commands[COMMANDS];
    char id[STORE_ID_LEN + 1], id_b[STORE_ID_LEN + 1];

    CHECK(argc == 1 + COMMANDS + 1);
    CHECK(make(commands, fixture_id('a', 1, id), fixture_id('b', 2, id_b)) == COMMANDS - 1);
    commands[COMMANDS - 1] = (Pb__Command) PB__COMMAND__INIT;
    commands[COMMANDS - 1].what_case = PB__COMMAND__WHAT_REMOVE_OBJECT;
    commands[COMMANDS - 1].remove_object = &remove;
    remove.id = id;
    for (unsigned i = 0; i < COMMANDS; i++) {
        save_command(argv[1 + i], &commands[i]);
        CHECK_OK(fixture_apply(s, &commands[i]));
        if (i == COMMANDS - 4) {
            _cleanup_(image_done) struct image image = fixture_image(s);

            save(argv[1 + COMMANDS], image.data, image.size);
        }
    }
    return 0;
}
