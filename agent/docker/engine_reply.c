/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "docker/engine_reply.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "basic/cleanup.h"
#include "basic/text.h"
#include "keys/unlock_key.h"

static const char *const states[] = {
    [ENGINE_INACTIVE] = "inactive", [ENGINE_PENDING] = "pending", [ENGINE_ACTIVE] = "active",
    [ENGINE_ERROR] = "error",       [ENGINE_LOCKED] = "locked",
};

const char *engine_state_to_string(enum engine_state state)
{
    return states[state];
}

static int read_state(const char *text, enum engine_state *ret)
{
    for (unsigned i = 0; text && i < ELEMENTSOF(states); i++)
        if (strcmp(states[i], text) == 0) {
            *ret = i;
            return 0;
        }
    return -EPROTO;
}

int engine_reply_info(const void *body, size_t size, struct engine_info *ret)
{
    _cleanup_(json_decrefp) json_t *object = json_loadb(body, size, 0, NULL);
    const json_t *swarm = json_object_get(object, "Swarm");
    const char *root = json_string_value(json_object_get(object, "DockerRootDir"));
    struct engine_info info = { .is_manager = json_is_true(json_object_get(swarm, "ControlAvailable")) };
    int r = read_state(json_string_value(json_object_get(swarm, "LocalNodeState")), &info.state);

    if (r < 0)
        return r;
    if (root && root[0] == '/' && strlen(root) < sizeof(info.root))
        (void) strcpy(info.root, root);
    *ret = info;
    return 0;
}

int engine_reply_key(const void *body, size_t size, struct secret *ret_text)
{
    _cleanup_(json_decrefp) json_t *object = json_loadb(body, size, 0, NULL);
    const char *text = json_string_value(json_object_get(object, "UnlockKey"));
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    int r;

    if (text && text[0] == '\0')
        return -ENODATA;
    r = text ? unlock_key_parse(text, strlen(text), &key) : -EPROTO;
    if (r == -EINVAL)
        return -EPROTO;
    return r < 0 ? r : unlock_key_format(&key, ret_text);
}

void engine_reply_message(const void *body, size_t size, char ret[static ENGINE_MESSAGE_MAX])
{
    _cleanup_(json_decrefp) json_t *object = json_loadb(body, size, 0, NULL);
    const char *message = json_string_value(json_object_get(object, "message"));

    text_copy(ret, ENGINE_MESSAGE_MAX, message ? message : "it does not say why");
}
