/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "swarm/node_file.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "basic/file.h"

#define NODE_FILE_VERSION 1
#define NODE_FILE_MAX 16384
#define ROLE_MANAGER "manager"
#define ROLE_WORKER "worker"

static int take_string(const json_t *root, const char *key, size_t min, size_t size, char *ret)
{
    const char *value = json_string_value(json_object_get(root, key));

    if (!value || strlen(value) < min || strlen(value) >= size)
        return -EBADMSG;
    memcpy(ret, value, strlen(value) + 1);
    return 0;
}

static int take_managers(const json_t *list, struct node_file *file)
{
    size_t n = json_array_size(list);

    if (list && (!json_is_array(list) || n > NODE_FILE_MANAGERS_MAX))
        return -EBADMSG;
    for (; file->n_managers < n; file->n_managers++) {
        const char *address = json_string_value(json_array_get(list, file->n_managers));

        if (!address || *address == '\0' || strlen(address) >= NODE_FILE_ADDRESS_MAX)
            return -EBADMSG;
        (void) strcpy(file->managers[file->n_managers], address);
    }
    return 0;
}

static int parse(const json_t *root, struct node_file *ret)
{
    json_int_t raft_id = json_integer_value(json_object_get(root, "raft_id"));
    char role[sizeof(ROLE_MANAGER)];
    struct node_file file = { .raft_id = (uint64_t) raft_id, .has_log = json_is_true(json_object_get(root, "has_log")) };

    if (raft_id < 0 || take_string(root, "role", 1, sizeof(role), role) < 0 ||
        take_string(root, "node_id", STORE_ID_LEN, sizeof(file.node_id), file.node_id) < 0 ||
        take_string(root, "swarm_id", STORE_ID_LEN, sizeof(file.swarm_id), file.swarm_id) < 0 ||
        take_string(root, "advertise", 1, sizeof(file.advertise), file.advertise) < 0 ||
        take_string(root, "listen", 1, sizeof(file.listen), file.listen) < 0 ||
        take_managers(json_object_get(root, "managers"), &file) < 0)
        return -EBADMSG;
    file.role = strcmp(role, ROLE_MANAGER) == 0 ? PB__ROLE__MANAGER : PB__ROLE__WORKER;
    if ((file.role == PB__ROLE__WORKER && strcmp(role, ROLE_WORKER) != 0) || (file.role == PB__ROLE__MANAGER && raft_id == 0))
        return -EBADMSG;
    *ret = file;
    return 0;
}

int node_file_read(const char *path, struct node_file *ret, struct error *e)
{
    _cleanup_(secret_done) struct secret text = SECRET_NULL;
    _cleanup_(json_decrefp) json_t *root = NULL;
    json_int_t version;
    int r;

    r = file_read(path, NODE_FILE_MAX, &text, e);
    if (r == -EMSGSIZE)
        r = -EBADMSG;
    if (r < 0 && r != -EBADMSG)
        return r;
    if (r == 0)
        root = json_loadb((const char *) text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
    version = json_integer_value(json_object_get(root, "version"));
    if (version > NODE_FILE_VERSION)
        return error_set(e, -EPROTONOSUPPORT, "%s has version %lld, this program knows %d: install a newer swarm-manager", path,
                         (long long) version, NODE_FILE_VERSION);
    if (version != NODE_FILE_VERSION || parse(root, ret) < 0)
        return error_set(e, -EBADMSG, "%s is damaged: restore it from a backup, or give this node up with \"swarmctl leave --force\"", path);
    return 0;
}

static json_t *managers_to_json(const struct node_file *file)
{
    json_t *list = json_array();

    for (unsigned i = 0; list && i < file->n_managers; i++)
        if (json_array_append_new(list, json_string(file->managers[i])) < 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

int node_file_write(const char *path, const struct node_file *file, struct error *e)
{
    _cleanup_(json_decrefp) json_t *root = NULL;
    _cleanup_free_ char *text = NULL;

    root = json_pack("{s:i, s:s, s:s, s:s, s:I, s:b, s:s, s:s, s:o}", "version", NODE_FILE_VERSION, "node_id", file->node_id, "swarm_id",
                     file->swarm_id, "role", file->role == PB__ROLE__MANAGER ? ROLE_MANAGER : ROLE_WORKER, "raft_id",
                     (json_int_t) file->raft_id, "has_log", (int) file->has_log, "advertise", file->advertise, "listen", file->listen,
                     "managers", managers_to_json(file));
    text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
    if (!text)
        return error_set(e, -ENOMEM, "out of memory");
    return file_write(path, text, strlen(text), 0600, e);
}
