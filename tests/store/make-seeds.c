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
    Pb__RemoveNode remove_node = PB__REMOVE_NODE__INIT;
    Pb__Command remove_command = PB__COMMAND__INIT;
    char id[STORE_ID_LEN + 1], id_b[STORE_ID_LEN + 1];
    Pb__Command commands[6];

    CHECK(argc == 8);
    (void) fixture_id('a', 1, id);
    (void) fixture_id('b', 2, id_b);
    commands[0] = fixture_put_cluster_command(fixture_cluster(id, 0, KEY, true));
    commands[1] = fixture_put_node_command(fixture_node(id, 0, "m1"));
    commands[2] = fixture_create_command(PB__KIND__SECRET, fixture_object(id, "secret", "data", 4));
    commands[3] = fixture_create_command(PB__KIND__CONFIG, fixture_object(id_b, "config", "data", 4));
    remove.id = remove_node.id = id;
    commands[4] = commands[5] = remove_command;
    commands[4].what_case = PB__COMMAND__WHAT_REMOVE_NODE;
    commands[4].remove_node = &remove_node;
    commands[5].what_case = PB__COMMAND__WHAT_REMOVE_OBJECT;
    commands[5].remove_object = &remove;
    for (unsigned i = 0; i < ELEMENTSOF(commands); i++) {
        save_command(argv[1 + i], &commands[i]);
        if (i < 4)
            CHECK_OK(fixture_apply(s, &commands[i]));
    }
    struct image image = fixture_image(s);
    save(argv[7], image.data, image.size);
    image_done(&image);
    return 0;
}
