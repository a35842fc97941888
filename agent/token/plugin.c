/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "token/plugin.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>

#include "token/capture.h"
#include "token/refusal.h"
#include "token/token_protocol.h"
#include "token/tpm.h"

struct plugin {
    void *library;
    crypt_token_open_func open;
    crypt_token_buffer_free_func buffer_free;
};

static void plugin_done(struct plugin *p)
{
    if (p->library)
        (void) dlclose(p->library);
}

/* libcryptsetup would call the plugin itself, but keeps the passphrase to itself then. */
static int plugin_load(const char *type, struct plugin *ret, struct error *e)
{
    _cleanup_(plugin_done) struct plugin p = { NULL, NULL, NULL };
    const char *folder = crypt_token_external_path();
    char path[PATH_MAX];

    if (!folder || snprintf(path, sizeof(path), "%s/libcryptsetup-token-%s.so", folder, type) >= (int) sizeof(path))
        return error_set(e, -EOPNOTSUPP, "this libcryptsetup takes no plugins");
    p.library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!p.library)
        return error_set(e, -EOPNOTSUPP, "cannot load what opens %s tokens (%s): install systemd-cryptsetup", type, dlerror());
    *(void **) &p.open = dlvsym(p.library, CRYPT_TOKEN_ABI_OPEN, CRYPT_TOKEN_ABI_VERSION1);
    *(void **) &p.buffer_free = dlvsym(p.library, CRYPT_TOKEN_ABI_BUFFER_FREE, CRYPT_TOKEN_ABI_VERSION1);
    if (!p.open || !p.buffer_free)
        return error_set(e, -EOPNOTSUPP, "%s is of another version than libcryptsetup's", path);
    *ret = p;
    p.library = NULL;
    return 0;
}

/* What the TPM2 plugin takes as its parameters. systemd has only ever appended to this; all that is zero here is its default. */
struct tpm2_parameters {
    uint32_t pcr_mask;
    const char *device;
    const void *reserved[6];
};

static int take(struct plugin *p, char *buffer, size_t size, struct secret *ret)
{
    int r = size > 0 && size <= TOKEN_PASSPHRASE_MAX ? secret_copy(buffer, size, ret) : -EKEYREJECTED;

    p->buffer_free(buffer, size);
    return r;
}

int plugin_open(struct scratch *s, int id, const struct token *token, struct secret *ret_passphrase, struct error *e)
{
    _cleanup_(plugin_done) struct plugin p = { NULL, NULL, NULL };
    _cleanup_(capture_done) struct capture capture = CAPTURE_NULL;
    /* The variable is systemd's own; its plugin, unlike its programs, does not look at it. */
    struct tpm2_parameters parameters = { .pcr_mask = UINT32_MAX, .device = getenv(TPM_VARIABLE) };
    char said[CAPTURE_TEXT_MAX] = "", *buffer = NULL;
    size_t size = 0;
    int r = plugin_load(token_type(token->kind), &p, e);

    if (r != 0)
        return r;
    r = capture_begin(&capture);
    if (r < 0)
        return error_set(e, r, "cannot listen to the plugin: %s", strerror(-r));
    r = p.open(s->cd, id, &buffer, &size, token->kind == TOKEN_TPM2 && parameters.device ? &parameters : NULL);
    capture_end(&capture, said);
    if (r < 0)
        return refusal(token, r, said, e);
    r = take(&p, buffer, size, ret_passphrase);
    return r < 0 ? error_set(e, r, "the token's plugin returned no usable passphrase") : 0;
}
