/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"

#include <string.h>

#include "../test.h"

#define ARENA_SIZE 65536

unsigned fixture_changed;
#define CREATED 1700000000000000

static union {
    max_align_t align;
    unsigned char bytes[ARENA_SIZE];
} arena;
static size_t arena_used;

static void *arena_copy(const void *data, size_t size)
{
    void *p = arena.bytes + arena_used;

    arena_used += (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    CHECK(arena_used <= ARENA_SIZE);
    memcpy(p, data, size);
    return p;
}

void fixture_reset(void)
{
    explicit_bzero(arena.bytes, arena_used);
    arena_used = 0;
}

static ProtobufCBinaryData bytes(const char *text)
{
    return (ProtobufCBinaryData) { strlen(text), (uint8_t *) text };
}

const char *fixture_id(char series, unsigned n, char ret[static STORE_ID_LEN + 1])
{
    (void) snprintf(ret, STORE_ID_LEN + 1, "%c%024u", series, n);
    return ret;
}

Pb__Meta *fixture_meta(const char *id, uint64_t version, int64_t now)
{
    Pb__Meta meta = PB__META__INIT;

    meta.id = (char *) id;
    meta.version = version;
    meta.created = meta.updated = now;
    return arena_copy(&meta, sizeof(meta));
}

static Pb__Label **one_label(const char *key, const char *value)
{
    Pb__Label label = PB__LABEL__INIT, *p;

    label.key = (char *) key;
    label.value = (char *) value;
    p = arena_copy(&label, sizeof(label));
    return arena_copy(&p, sizeof(p));
}

Pb__Object *fixture_object(const char *id, const char *name, const void *data, size_t size)
{
    Pb__Object object = PB__OBJECT__INIT;

    object.meta = fixture_meta(id, 0, CREATED);
    object.name = (char *) name;
    object.labels = one_label("purpose", "of test");
    object.n_labels = 1;
    object.data = (ProtobufCBinaryData) { size, (uint8_t *) data };
    return arena_copy(&object, sizeof(object));
}

Pb__Node *fixture_node(const char *id, uint64_t version, const char *hostname)
{
    Pb__Node node = PB__NODE__INIT;

    node.meta = fixture_meta(id, version, CREATED + (int64_t) version);
    node.hostname = (char *) hostname;
    node.address = "m1.example:2377";
    node.role = PB__ROLE__WORKER;
    node.labels = one_label("rack", "7");
    node.n_labels = 1;
    node.certificate = bytes("-----BEGIN CERTIFICATE-----\n");
    return arena_copy(&node, sizeof(node));
}

Pb__Node *fixture_manager(const char *id, uint64_t version, const char *hostname, uint64_t raft_id)
{
    Pb__Node *node = fixture_node(id, version, hostname);

    node->role = PB__ROLE__MANAGER;
    node->raft_id = raft_id;
    return node;
}

const unsigned char *fixture_digest(unsigned n)
{
    static unsigned char digest[STORE_DIGEST_SIZE];

    memset(digest, 'D', sizeof(digest));
    for (unsigned i = 0; i < sizeof(n); i++)
        digest[i] = (unsigned char) (n >> 8 * i);
    return digest;
}

/* key: 32 characters, or "". */
Pb__Cluster *fixture_cluster(const char *id, uint64_t version, const char *key, bool autolock)
{
    Pb__Cluster cluster = PB__CLUSTER__INIT;

    cluster.meta = fixture_meta(id, version, CREATED + (int64_t) version);
    cluster.ca_key = bytes("the CA's key");
    cluster.ca_certificate = bytes("the CA's certificate");
    cluster.worker_secret = bytes("sixteen w bytes.");
    cluster.manager_secret = bytes("sixteen m bytes.");
    cluster.unlock_key = bytes(key);
    cluster.autolock = autolock;
    cluster.unlock_generation = 1;
    return arena_copy(&cluster, sizeof(cluster));
}

Pb__Service *fixture_service(const char *id, uint64_t version, const char *name, const char *unit)
{
    Pb__Service service = PB__SERVICE__INIT;

    service.meta = fixture_meta(id, version, CREATED + (int64_t) version);
    service.name = (char *) name;
    service.labels = one_label("tier", "db");
    service.n_labels = 1;
    service.unit = (char *) unit;
    service.on_update = PB__ON_UPDATE__RESTART;
    service.parallelism = 2;
    return arena_copy(&service, sizeof(service));
}

/* The array with one more, which is a copy of item. */
static void *append(void *array, size_t *n, const void *item, size_t size)
{
    void *pointers[STORE_GRANTS_MAX + 2];

    CHECK(*n + 1 < ELEMENTSOF(pointers));
    if (*n > 0)
        memcpy(pointers, array, *n * sizeof(*pointers));
    pointers[(*n)++] = arena_copy(item, size);
    return arena_copy(pointers, *n * sizeof(*pointers));
}

void fixture_grant(Pb__Service *service, Pb__Kind kind, const char *object_id, const char *credential)
{
    Pb__Grant grant = PB__GRANT__INIT;

    grant.kind = kind;
    grant.object_id = (char *) object_id;
    grant.credential = (char *) credential;
    service->grants = append(service->grants, &service->n_grants, &grant, sizeof(grant));
}

void fixture_constrain(Pb__Service *service, const char *key, bool differs, const char *value)
{
    Pb__Constraint constraint = PB__CONSTRAINT__INIT;

    constraint.key = (char *) key;
    constraint.differs = differs;
    constraint.value = (char *) value;
    service->constraints = append(service->constraints, &service->n_constraints, &constraint, sizeof(constraint));
}

Pb__Command fixture_put_service_command(Pb__Service *service)
{
    Pb__PutService put = PB__PUT_SERVICE__INIT;
    Pb__Command command = PB__COMMAND__INIT;

    put.service = service;
    command.what_case = PB__COMMAND__WHAT_PUT_SERVICE;
    command.put_service = arena_copy(&put, sizeof(put));
    return command;
}

Pb__Command fixture_remove_service_command(const char *id)
{
    Pb__RemoveService remove = PB__REMOVE_SERVICE__INIT;
    Pb__Command command = PB__COMMAND__INIT;

    remove.id = (char *) id;
    command.what_case = PB__COMMAND__WHAT_REMOVE_SERVICE;
    command.remove_service = arena_copy(&remove, sizeof(remove));
    return command;
}

Pb__Command fixture_update_command(Pb__Kind kind, const char *id, uint64_t version, const void *data, size_t size, int64_t now)
{
    Pb__UpdateObject update = PB__UPDATE_OBJECT__INIT;
    Pb__Command command = PB__COMMAND__INIT;

    update.kind = kind;
    update.id = (char *) id;
    update.version = version;
    update.data = (ProtobufCBinaryData) { size, (uint8_t *) data };
    update.now = now;
    command.what_case = PB__COMMAND__WHAT_UPDATE_OBJECT;
    command.update_object = arena_copy(&update, sizeof(update));
    return command;
}

Pb__Command fixture_prune_command(Pb__Kind kind, const char *id)
{
    Pb__PruneObject prune = PB__PRUNE_OBJECT__INIT;
    Pb__Command command = PB__COMMAND__INIT;

    prune.kind = kind;
    prune.id = (char *) id;
    command.what_case = PB__COMMAND__WHAT_PRUNE_OBJECT;
    command.prune_object = arena_copy(&prune, sizeof(prune));
    return command;
}

Pb__Command fixture_set_rollout_command(const char *service_id, uint64_t number, Pb__RolloutState state, int64_t now)
{
    Pb__SetRollout set = PB__SET_ROLLOUT__INIT;
    Pb__Command command = PB__COMMAND__INIT;

    set.service_id = (char *) service_id;
    set.number = number;
    set.state = state;
    set.now = now;
    command.what_case = PB__COMMAND__WHAT_SET_ROLLOUT;
    command.set_rollout = arena_copy(&set, sizeof(set));
    return command;
}

void fixture_reach(Pb__Command *set_rollout, const char *node_id, Pb__RolloutNodeState state, const char *text)
{
    Pb__RolloutNode node = PB__ROLLOUT_NODE__INIT;
    Pb__SetRollout *set = set_rollout->set_rollout;

    node.id = (char *) node_id;
    node.state = state;
    node.text = (char *) text;
    set->nodes = append(set->nodes, &set->n_nodes, &node, sizeof(node));
}

Pb__Command fixture_put_usage_command(const char *node_id)
{
    Pb__PutUsage put = PB__PUT_USAGE__INIT;
    Pb__Usage usage = PB__USAGE__INIT;
    Pb__Command command = PB__COMMAND__INIT;

    usage.node_id = (char *) node_id;
    put.usage = arena_copy(&usage, sizeof(usage));
    command.what_case = PB__COMMAND__WHAT_PUT_USAGE;
    command.put_usage = arena_copy(&put, sizeof(put));
    return command;
}

void fixture_use(Pb__Command *put_usage, const char *unit, const char *credential, Pb__Kind kind, const char *object_id, uint64_t revision)
{
    Pb__Usage *usage = put_usage->put_usage->usage;
    Pb__UnitUse use = PB__UNIT_USE__INIT;

    use.unit = (char *) unit;
    use.service_id = "0123456789abcdefghijklmno";
    use.credential = (char *) credential;
    use.kind = kind;
    use.object_id = (char *) object_id;
    use.revision = revision;
    use.loaded = CREATED;
    usage->uses = append(usage->uses, &usage->n_uses, &use, sizeof(use));
}

int fixture_propose(struct store *s, Pb__Command command)
{
    int r = fixture_apply(s, &command);

    fixture_reset();
    return r;
}

Pb__Command fixture_put_node_command(Pb__Node *node)
{
    Pb__PutNode put = PB__PUT_NODE__INIT;
    Pb__Command command = PB__COMMAND__INIT;

    put.node = node;
    command.what_case = PB__COMMAND__WHAT_PUT_NODE;
    command.put_node = arena_copy(&put, sizeof(put));
    return command;
}

Pb__Command fixture_put_cluster_command(Pb__Cluster *cluster)
{
    Pb__PutCluster put = PB__PUT_CLUSTER__INIT;
    Pb__Command command = PB__COMMAND__INIT;

    put.cluster = cluster;
    command.what_case = PB__COMMAND__WHAT_PUT_CLUSTER;
    command.put_cluster = arena_copy(&put, sizeof(put));
    return command;
}

Pb__Command fixture_create_command(Pb__Kind kind, Pb__Object *object)
{
    Pb__CreateObject create = PB__CREATE_OBJECT__INIT;
    Pb__Command command = PB__COMMAND__INIT;

    create.kind = kind;
    create.object = object;
    command.what_case = PB__COMMAND__WHAT_CREATE_OBJECT;
    command.create_object = arena_copy(&create, sizeof(create));
    return command;
}

Pb__Command fixture_remove_node_command(const char *id, int64_t until, int64_t now)
{
    Pb__RemoveNode remove = PB__REMOVE_NODE__INIT;
    Pb__Command command = PB__COMMAND__INIT;

    remove.id = (char *) id;
    remove.until = until;
    remove.now = now;
    command.what_case = PB__COMMAND__WHAT_REMOVE_NODE;
    command.remove_node = arena_copy(&remove, sizeof(remove));
    return command;
}

Pb__Command fixture_set_node_state_command(const char *id, Pb__NodeState state, int64_t since)
{
    Pb__SetNodeState set = PB__SET_NODE_STATE__INIT;
    Pb__Command command = PB__COMMAND__INIT;

    set.id = (char *) id;
    set.state = state;
    set.since = since;
    command.what_case = PB__COMMAND__WHAT_SET_NODE_STATE;
    command.set_node_state = arena_copy(&set, sizeof(set));
    return command;
}

Pb__Command fixture_revoke_command(const char *id, const unsigned char digest[static STORE_DIGEST_SIZE], int64_t until, int64_t now)
{
    Pb__Revoke revoke = PB__REVOKE__INIT;
    Pb__Command command = PB__COMMAND__INIT;

    revoke.id = (char *) id;
    revoke.certificate_digest = (ProtobufCBinaryData) { STORE_DIGEST_SIZE, arena_copy(digest, STORE_DIGEST_SIZE) };
    revoke.until = until;
    revoke.now = now;
    command.what_case = PB__COMMAND__WHAT_REVOKE;
    command.revoke = arena_copy(&revoke, sizeof(revoke));
    return command;
}

int fixture_apply(struct store *s, const Pb__Command *command)
{
    void *data;
    size_t size;
    int r;

    CHECK_OK(command_encode(command, &data, &size));
    CHECK(size % 8 == 0 && size <= COMMAND_MAX);
    fixture_changed = 0;
    r = store_apply(s, data, size, &fixture_changed);
    CHECK((r == 0) == (fixture_changed != 0));
    explicit_bzero(data, size);
    free(data);
    return r;
}

int fixture_create_object(struct store *s, Pb__Kind kind, const Pb__Object *object)
{
    Pb__Command command = fixture_create_command(kind, (Pb__Object *) object);
    int r = fixture_apply(s, &command);

    fixture_reset();
    return r;
}

int fixture_create(struct store *s, Pb__Kind kind, const char *id, const char *name, const void *data, size_t size)
{
    return fixture_create_object(s, kind, fixture_object(id, name, data, size));
}

int fixture_remove(struct store *s, Pb__Kind kind, const char *id)
{
    Pb__RemoveObject remove = PB__REMOVE_OBJECT__INIT;
    Pb__Command command = PB__COMMAND__INIT;

    remove.kind = kind;
    remove.id = (char *) id;
    command.what_case = PB__COMMAND__WHAT_REMOVE_OBJECT;
    command.remove_object = &remove;
    return fixture_apply(s, &command);
}

int fixture_put_node(struct store *s, const char *id, uint64_t version, const char *hostname)
{
    Pb__Command command = fixture_put_node_command(fixture_node(id, version, hostname));
    int r = fixture_apply(s, &command);

    fixture_reset();
    return r;
}

int fixture_remove_node(struct store *s, const char *id, int64_t until, int64_t now)
{
    Pb__Command command = fixture_remove_node_command(id, until, now);
    int r = fixture_apply(s, &command);

    fixture_reset();
    return r;
}

int fixture_set_node_state(struct store *s, const char *id, Pb__NodeState state, int64_t since)
{
    Pb__Command command = fixture_set_node_state_command(id, state, since);
    int r = fixture_apply(s, &command);

    fixture_reset();
    return r;
}

int fixture_revoke(struct store *s, const char *id, const unsigned char digest[static STORE_DIGEST_SIZE], int64_t until, int64_t now)
{
    Pb__Command command = fixture_revoke_command(id, digest, until, now);
    int r = fixture_apply(s, &command);

    fixture_reset();
    return r;
}

int fixture_put_cluster(struct store *s, const char *id, uint64_t version, const char *key, bool autolock)
{
    Pb__Command command = fixture_put_cluster_command(fixture_cluster(id, version, key, autolock));
    int r = fixture_apply(s, &command);

    fixture_reset();
    return r;
}

struct image fixture_image(const struct store *s)
{
    struct image image;

    CHECK_OK(store_snapshot(s, &image.data, &image.size));
    CHECK(image.size % 8 == 0);
    return image;
}

void image_done(struct image *image)
{
    if (image->data)
        explicit_bzero(image->data, image->size);
    free(image->data);
    *image = (struct image) {};
}

bool image_same(const struct image *a, const struct image *b)
{
    return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

bool fixture_is(const struct store *s, const struct image *image)
{
    _cleanup_(image_done) struct image now = fixture_image(s);

    return image_same(&now, image);
}
