/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes commands of every kind and then a snapshot into the files named in argv: what the fuzzers begin from. */
#include <stdio.h>

#include "../test.h"
#include "fixture.h"

#define KEY "0123456789abcdef0123456789abcdef"

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

int main(int argc, char *argv[])
{
    _cleanup_(store_freep) struct store *s = store_new();
    Pb__RemoveObject remove = PB__REMOVE_OBJECT__INIT;
    Pb__Command commands[9];
    char id[STORE_ID_LEN + 1], id_b[STORE_ID_LEN + 1];

    CHECK(argc == 1 + ELEMENTSOF(commands) + 1);
    (void) fixture_id('a', 1, id);
    (void) fixture_id('b', 2, id_b);
    commands[0] = fixture_put_cluster_command(fixture_cluster(id, 0, KEY, true));
    commands[0].put_cluster->cluster->retiring_unlock_key = commands[0].put_cluster->cluster->unlock_key;
    commands[0].put_cluster->cluster->retiring_until = 99;
    commands[0].put_cluster->cluster->old_ca_certificate = commands[0].put_cluster->cluster->ca_certificate;
    commands[0].put_cluster->cluster->rekey = 3;
    commands[0].put_cluster->cluster->next_rekeys = true;
    commands[1] = fixture_put_node_command(fixture_manager(id_b, 0, "m2", 2));
    commands[1].put_node->node->rekeyed = 2;
    commands[1].put_node->node->rekey_lost = "keyslot 3 (recovery): only a person has its secret";
    commands[2] = fixture_create_command(PB__KIND__SECRET, fixture_object(id, "secret", "data", 4));
    commands[3] = fixture_create_command(PB__KIND__CONFIG, fixture_object(id_b, "config", "data", 4));
    commands[4] = fixture_set_node_state_command(id_b, PB__NODE_STATE__DOWN, 1700000000000001);
    commands[5] = fixture_revoke_command(id, fixture_digest(1), 1700000000000009, 5);
    commands[6] = fixture_put_node_command(fixture_node(id, 0, "w1"));
    commands[7] = fixture_remove_node_command(id, 1700000000000009, 5);
    commands[8] = (Pb__Command) PB__COMMAND__INIT;
    commands[8].what_case = PB__COMMAND__WHAT_REMOVE_OBJECT;
    commands[8].remove_object = &remove;
    remove.id = id;
    for (unsigned i = 0; i < ELEMENTSOF(commands); i++) {
        save_command(argv[1 + i], &commands[i]);
        if (i < 8)
            CHECK_OK(fixture_apply(s, &commands[i]));
    }
    struct image image = fixture_image(s);
    save(argv[1 + ELEMENTSOF(commands)], image.data, image.size);
    image_done(&image);
    return 0;
}
