/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* malloc and free are wrapped by the linker: each allocation in turn is refused, and each block that is freed is searched for the
 * secret. */
#include <errno.h>
#include <malloc.h>
#include <string.h>

#include "../test.h"
#include "fixture.h"

#define SECRET "SeCrEt-marker-in-32-bytes-of-it!"
#define SECRET_LEN 32
#define COMMANDS_MAX 24

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
void __wrap_free(void *p);

static long countdown = -1; /* allocations until one is refused; negative: never */
static unsigned leaks, freed;

static bool refuse(void)
{
    return countdown >= 0 && countdown-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return refuse() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return refuse() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return refuse() ? NULL : __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
    return refuse() ? NULL : __real_reallocarray(p, n, size);
}

void __wrap_free(void *p)
{
    if (p) {
        freed++;
        if (memmem(p, malloc_usable_size(p), SECRET, SECRET_LEN))
            leaks++;
    }
    __real_free(p);
}

static char id_a[STORE_ID_LEN + 1], id_b[STORE_ID_LEN + 1];

static uint64_t version_of(const struct store *s, const char *id)
{
    return store_object(s, PB__KIND__SECRET, id)->meta->version;
}

static Pb__Command update_command(const struct store *s, const char *id)
{
    return fixture_update_command(PB__KIND__SECRET, id, version_of(s, id), SECRET, SECRET_LEN, 5);
}

static Pb__Service *service(unsigned n, uint64_t version)
{
    static char id[STORE_ID_LEN + 1], object_id[2][STORE_ID_LEN + 1], name[16];
    Pb__Service *new;

    (void) snprintf(name, sizeof(name), "s%u", n);
    new = fixture_service(fixture_id('s', n, id), version, name, "web.service");
    fixture_grant(new, PB__KIND__SECRET, fixture_id('k', 0, object_id[0]), "x");
    fixture_grant(new, PB__KIND__SECRET, fixture_id('k', 1, object_id[1]), SECRET);
    return new;
}

/* Services of two objects, in the midst of a rollout, and one with all the former revisions that it can have. */
static void fill_services(struct store *s)
{
    char id[STORE_ID_LEN + 1];
    Pb__Command command;

    for (unsigned i = 0; i < 8; i++) {
        CHECK_OK(fixture_propose(s, fixture_put_service_command(service(i, 0))));
        command = fixture_put_usage_command(fixture_id('k', i, id));
        fixture_use(&command, "web.service", SECRET, PB__KIND__SECRET, id, i);
        CHECK_OK(fixture_propose(s, command));
    }
    for (unsigned i = 0; i < STORE_FORMER_MAX; i++)
        CHECK_OK(fixture_propose(s, update_command(s, fixture_id('k', 0, id))));
    CHECK_OK(fixture_propose(s, update_command(s, fixture_id('k', 2, id))));
}

static const Pb__Service *find_service(const struct store *s, const char *name)
{
    const Pb__Service *found;

    CHECK_OK(store_find_service(s, name, &found));
    return found;
}

/* A store in which every kind of thing holds the secret. */
static struct store *filled(void)
{
    struct store *s = store_new();
    char id[STORE_ID_LEN + 1], name[16];

    CHECK(s);
    Pb__Cluster *cluster = fixture_cluster(id_a, 0, SECRET, true);
    cluster->next_unlock_key = cluster->retiring_unlock_key = cluster->old_ca_key = cluster->unlock_key;
    Pb__Command command = fixture_put_cluster_command(cluster);
    CHECK_OK(fixture_apply(s, &command));
    fixture_reset();
    CHECK_OK(fixture_put_node(s, id_a, 0, SECRET));
    for (unsigned i = 0; i < 8; i++) { /* so that the next one needs more room */
        (void) snprintf(name, sizeof(name), "s%u", i);
        CHECK_OK(fixture_create(s, PB__KIND__SECRET, fixture_id('k', i, id), name, SECRET, SECRET_LEN));
        CHECK_OK(fixture_create(s, PB__KIND__CONFIG, fixture_id('k', i, id), name, SECRET, SECRET_LEN));
        CHECK_OK(fixture_put_node(s, fixture_id('k', i, id), 0, SECRET));
        CHECK_OK(fixture_revoke(s, fixture_id('v', i, id), (const unsigned char *) SECRET, 10 + i, 1));
    }
    fill_services(s);
    return s;
}

static struct image encoded(const Pb__Command *command)
{
    struct image image;

    CHECK_OK(command_encode(command, &image.data, &image.size));
    return image;
}

static unsigned n_service_commands(struct image *ret)
{
    _cleanup_(store_freep) struct store *s = filled();
    const Pb__Service *first = find_service(s, "s0");
    Pb__Service *renamed = fixture_service(first->meta->id, first->meta->version, "renamed", "web.service");
    Pb__Command commands[] = {
        update_command(s, fixture_id('k', 0, (char[STORE_ID_LEN + 1]) {})), /* drops former ones, begins rollouts that hold the oldest on */
        update_command(s, fixture_id('k', 1, (char[STORE_ID_LEN + 1]) {})), /* of two objects */
        update_command(s, fixture_id('k', 2, (char[STORE_ID_LEN + 1]) {})),
        fixture_prune_command(PB__KIND__SECRET, fixture_id('k', 2, (char[STORE_ID_LEN + 1]) {})),
        fixture_put_service_command(service(8, 0)),
        fixture_put_service_command(renamed),
        fixture_remove_service_command(first->meta->id),
        fixture_set_rollout_command(first->meta->id, first->rollout->number, PB__ROLLOUT_STATE__DONE, 5),
        fixture_put_usage_command(id_a),
        fixture_put_usage_command(fixture_id('k', 3, (char[STORE_ID_LEN + 1]) {})),
    };

    renamed->labels[0]->value = SECRET;
    fixture_reach(&commands[7], id_a, PB__ROLLOUT_NODE_STATE__FAILED, SECRET);
    fixture_use(&commands[8], "web.service", SECRET, PB__KIND__SECRET, id_a, 0);
    for (unsigned i = 0; i < ELEMENTSOF(commands); i++)
        ret[i] = encoded(&commands[i]);
    fixture_reset();
    return ELEMENTSOF(commands);
}

static unsigned n_commands(struct image ret[static COMMANDS_MAX])
{
    Pb__RemoveObject remove = PB__REMOVE_OBJECT__INIT;
    Pb__Command command;
    char id[STORE_ID_LEN + 1];
    unsigned n = 0;

    command = fixture_put_cluster_command(fixture_cluster(id_a, 1, SECRET, false));
    ret[n++] = encoded(&command);
    command = fixture_put_node_command(fixture_node(id_a, 2, SECRET));
    ret[n++] = encoded(&command);
    command = fixture_put_node_command(fixture_node(id_b, 0, SECRET));
    ret[n++] = encoded(&command);
    command = fixture_create_command(PB__KIND__SECRET, fixture_object(id_b, "new", SECRET, SECRET_LEN));
    ret[n++] = encoded(&command);
    command = fixture_create_command(PB__KIND__CONFIG, fixture_object(id_b, "new", SECRET, SECRET_LEN));
    ret[n++] = encoded(&command);
    command = fixture_remove_node_command(id_a, 0, 0);
    ret[n++] = encoded(&command);
    command = fixture_remove_node_command(id_a, 100, 12); /* some of the revocations go */
    ret[n++] = encoded(&command);
    command = fixture_set_node_state_command(id_a, PB__NODE_STATE__READY, 7);
    ret[n++] = encoded(&command);
    command = fixture_revoke_command(id_b, (const unsigned char *) SECRET, 100, 1);
    ret[n++] = encoded(&command);
    command = fixture_revoke_command(id_b, (const unsigned char *) SECRET, 5, 20); /* it has ended itself */
    ret[n++] = encoded(&command);
    command = (Pb__Command) PB__COMMAND__INIT;
    command.what_case = PB__COMMAND__WHAT_REMOVE_OBJECT;
    remove.id = (char *) fixture_id('k', 3, id);
    command.remove_object = &remove;
    ret[n++] = encoded(&command);
    fixture_reset();
    n += n_service_commands(ret + n);
    CHECK(n < COMMANDS_MAX);
    return n;
}

static void test_apply(const struct image *command)
{
    _cleanup_(store_freep) struct store *s = filled(), *t = filled();
    _cleanup_(image_done) struct image before = fixture_image(s);
    unsigned n = 0;
    int r;

    CHECK_OK(store_apply(t, command->data, command->size, NULL));
    for (;; n++) {
        countdown = n;
        r = store_apply(s, command->data, command->size, NULL);
        bool reached = countdown < 0;
        countdown = -1;
        if (!reached)
            break;
        CHECK(r == -ENOMEM && fixture_is(s, &before));
    }
    CHECK_OK(r);
    CHECK(n >= 3);
    image_done(&before);
    before = fixture_image(t);
    CHECK(fixture_is(s, &before));
}

static void test_snapshot(void)
{
    _cleanup_(store_freep) struct store *s = filled();
    struct image image = {};

    countdown = 0;
    CHECK(store_snapshot(s, &image.data, &image.size) == -ENOMEM && !image.data && image.size == 0);
    CHECK(countdown < 0);
    countdown = 0;
    CHECK(!store_new());
}

static void test_restore(void)
{
    _cleanup_(store_freep) struct store *s = filled(), *t = store_new();
    _cleanup_(image_done) struct image image = fixture_image(s), before = {};
    unsigned n = 0;
    int r;

    CHECK_OK(fixture_create(t, PB__KIND__SECRET, id_b, "old", SECRET, SECRET_LEN));
    before = fixture_image(t);
    for (;; n++) {
        countdown = n;
        r = store_restore(t, image.data, image.size);
        bool reached = countdown < 0;
        countdown = -1;
        if (!reached)
            break;
        CHECK(r == -ENOMEM && fixture_is(t, &before));
    }
    CHECK_OK(r);
    CHECK(n > 100 && fixture_is(t, &image));
}

/* The ways on which objects leave memory other than by success. */
static void test_refused(void)
{
    _cleanup_(store_freep) struct store *s = filled();
    _cleanup_(image_done) struct image image = fixture_image(s);
    char id[STORE_ID_LEN + 1];

    CHECK(fixture_create(s, PB__KIND__SECRET, id_b, "s1", SECRET, SECRET_LEN) == -EEXIST);
    CHECK(fixture_put_cluster(s, id_a, 77, SECRET, true) == -ESTALE);
    CHECK(fixture_put_node(s, id_a, 77, SECRET) == -ESTALE);
    CHECK_OK(fixture_remove_node(s, id_a, 100, 1));
    CHECK(fixture_put_node(s, id_a, 0, SECRET) == -EEXIST);
    CHECK(fixture_create(s, PB__KIND__SECRET, id_b, "-", SECRET, SECRET_LEN) == -EINVAL);
    CHECK(fixture_propose(s, fixture_update_command(PB__KIND__SECRET, fixture_id('k', 0, id), 1, SECRET, SECRET_LEN, 5)) == -ESTALE);
    CHECK(fixture_propose(s, fixture_update_command(PB__KIND__SECRET, id, 1, SECRET, SECRET_LEN, -5)) == -EINVAL);
    ((uint8_t *) image.data)[9] = 1; /* the version: then nearly all objects are newer than the store */
    CHECK(store_restore(s, image.data, image.size) == -EBADMSG);
    CHECK_OK(fixture_remove(s, PB__KIND__SECRET, fixture_id('k', 2, id)));
}

static void test_detector(void)
{
    char *p = malloc(100);

    CHECK(p);
    memcpy(p + 40, SECRET, SECRET_LEN);
    __asm__ volatile("" ::"r"(p) : "memory"); /* or the compiler leaves the copy out: nobody reads it */
    free(p);
    CHECK(leaks == 1 && freed > 0);
    leaks = 0;
}

int main(void)
{
    struct image commands[COMMANDS_MAX];
    unsigned n;

    (void) fixture_id('a', 1, id_a);
    (void) fixture_id('b', 2, id_b);
    test_detector();
    n = n_commands(commands);
    for (unsigned i = 0; i < n; i++) {
        test_apply(&commands[i]);
        image_done(&commands[i]);
    }
    test_snapshot();
    test_restore();
    test_refused();
    CHECK(leaks == 0);
    return 0;
}
