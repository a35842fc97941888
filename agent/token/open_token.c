/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "token/open_token.h"

#include "token/plugin.h"
#include "token/scratch.h"
#include "token/token_json.h"

int token_open(const void *json, size_t size, struct secret *ret_passphrase, struct error *e)
{
    _cleanup_(token_done) struct token token = TOKEN_NULL;
    _cleanup_(scratch_done) struct scratch scratch = SCRATCH_NULL;
    int r = token_parse(json, size, &token, e);

    if (r < 0)
        return r;
    r = scratch_new(&scratch, e);
    if (r < 0)
        return r;
    r = scratch_put_token(&scratch, token.json, e);
    if (r < 0)
        return r;
    return plugin_open(&scratch, r, &token, ret_passphrase, e);
}
