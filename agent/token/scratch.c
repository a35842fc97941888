/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "token/scratch.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define SECTOR 512
#define SIZE (1024 * 1024)
#define METADATA_SIZE (64 * 1024) /* a token of TOKEN_JSON_MAX finds room */
#define SLOTS_SIZE (6 * 128 * 1024)
#define KEY_SIZE 32
#define ITERATIONS 1000

/* Tells what a plugin has to say, where the capture finds it. */
static void tell(int level, const char *message, void *userdata)
{
    (void) userdata;
    if (level == CRYPT_LOG_ERROR)
        (void) fputs(message, stderr);
}

static int set_pbkdf(struct crypt_device *cd)
{
    const struct crypt_pbkdf_type pbkdf = {
        .type = CRYPT_KDF_PBKDF2,
        .hash = "sha256",
        .iterations = ITERATIONS,
        .flags = CRYPT_PBKDF_NO_BENCHMARK,
    };

    return crypt_set_pbkdf_type(cd, &pbkdf);
}

static int format(struct scratch *s)
{
    int r = crypt_init(&s->cd, s->path);

    if (r == 0)
        r = crypt_set_metadata_size(s->cd, METADATA_SIZE, SLOTS_SIZE);
    if (r == 0)
        r = crypt_set_data_offset(s->cd, SIZE / SECTOR);
    if (r == 0)
        r = set_pbkdf(s->cd);
    if (r == 0)
        r = crypt_format(s->cd, CRYPT_LUKS2, "aes", "xts-plain64", NULL, NULL, KEY_SIZE, NULL);
    return r;
}

int scratch_new(struct scratch *ret, struct error *e)
{
    _cleanup_(scratch_done) struct scratch s = SCRATCH_NULL;
    int r;

    crypt_set_log_callback(NULL, tell, NULL);
    s.fd = memfd_create("luks2", MFD_CLOEXEC);
    /* systemd-cryptenroll inherits it under the same number */
    if (s.fd < 0 || fchmod(s.fd, 0600) < 0 || ftruncate(s.fd, SIZE) < 0)
        return error_set(e, -errno, "cannot make a LUKS2 header in memory: %s", strerror(errno));
    (void) snprintf(s.path, sizeof(s.path), "/proc/self/fd/%d", s.fd);
    r = format(&s);
    if (r < 0)
        return error_set(e, r, "cannot make a LUKS2 header in memory: %s", strerror(-r));
    *ret = s;
    s = SCRATCH_NULL;
    return 0;
}

void scratch_done(struct scratch *s)
{
    if (s->cd)
        crypt_free(s->cd);
    closep(&s->fd);
    *s = SCRATCH_NULL;
}

int scratch_put_token(struct scratch *s, const char *json, struct error *e)
{
    int r = crypt_token_json_set(s->cd, CRYPT_ANY_TOKEN, json);

    return r < 0 ? error_set(e, -EINVAL, "the token has no valid form: %s", strerror(-r)) : r;
}

int scratch_add_key(struct scratch *s, const struct secret *key, struct error *e)
{
    int r = crypt_keyslot_add_by_volume_key(s->cd, 0, NULL, 0, (const char *) key->data, key->size);

    return r < 0 ? error_set(e, r, "cannot add a key to a LUKS2 header in memory: %s", strerror(-r)) : 0;
}

int scratch_reload(struct scratch *s, struct error *e)
{
    int r;

    crypt_free(s->cd);
    s->cd = NULL;
    r = crypt_init(&s->cd, s->path);
    if (r == 0)
        r = crypt_load(s->cd, CRYPT_LUKS2, NULL);
    return r < 0 ? error_set(e, r, "cannot read the LUKS2 header in memory: %s", strerror(-r)) : 0;
}

int scratch_find(struct scratch *s, const char *type, int *ret_slot)
{
    for (int id = 0; id < crypt_token_max(CRYPT_LUKS2); id++) {
        const char *t = NULL;

        (void) crypt_token_status(s->cd, id, &t);
        if (!t || strcmp(t, type) != 0)
            continue;
        for (int slot = 0; slot < crypt_keyslot_max(CRYPT_LUKS2); slot++)
            if (crypt_token_is_assigned(s->cd, id, slot) == 0) {
                *ret_slot = slot;
                return id;
            }
    }
    return -ENOENT;
}

int scratch_try(struct scratch *s, int slot, const struct secret *passphrase)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    size_t size = KEY_SIZE;
    int r = secret_new(KEY_SIZE, &key);

    if (r < 0)
        return r;
    r = crypt_volume_key_get(s->cd, slot, (char *) key.data, &size, (const char *) passphrase->data, passphrase->size);
    if (r < 0)
        return r == -EPERM ? -EKEYREJECTED : r;
    return 0;
}
