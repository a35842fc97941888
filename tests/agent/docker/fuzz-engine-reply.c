/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What stands at the Engine's socket may answer anything: every reader gets the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "basic/cleanup.h"
#include "basic/utf8.h"
#include "docker/engine_reply.h"
#include "keys/unlock_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_info(const struct engine_info *info)
{
    if (!engine_state_to_string(info->state) || (info->root[0] != '\0' && info->root[0] != '/') || strlen(info->root) >= sizeof(info->root))
        abort();
}

/* It is put into JSON as it is. */
static void check_key(const struct secret *text)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;

    if (text->size != UNLOCK_KEY_TEXT_LEN || unlock_key_parse(text->data, text->size, &key) < 0 || memchr(text->data, '"', text->size))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(secret_done) struct secret text = SECRET_NULL;
    char message[ENGINE_MESSAGE_MAX];
    struct engine_info info;

    if (secret_init() < 0)
        abort();
    if (engine_reply_info(data, size, &info) == 0)
        check_info(&info);
    if (engine_reply_key(data, size, &text) == 0)
        check_key(&text);
    engine_reply_message(data, size, message);
    if (!utf8_is_valid(message) || strchr(message, '\n') || strchr(message, '\x1b'))
        abort();
    return 0;
}
