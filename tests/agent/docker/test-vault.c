/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ways to open Docker's lock. argv[1]: the folder of the tokens. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "basic/file.h"
#include "docker/vault.h"
#include "keys/unlock_key.h"
#include "sealing.h"
#include "test.h"

static char folder[] = "/tmp/test-vault-XXXXXX";
static char creds[64], credentials[64], seal[64];
static struct vault vault;
static struct error e;

static struct method new_method(const char *tokens, const char *name)
{
    struct method m = METHOD_NULL;
    char path[PATH_MAX], text[8192];
    FILE *f;
    size_t n;

    CHECK_OK(path_join(path, tokens, name));
    f = fopen(path, "re");
    CHECK(f);
    n = fread(text, 1, sizeof(text), f);
    CHECK(n < sizeof(text) && fclose(f) == 0);
    m.token = strndup(text, n);
    CHECK(m.token);
    CHECK_OK(secret_copy("what the method gives", 21, &m.passphrase));
    return m;
}

static int slots_of(const char *kind)
{
    struct keyslot_report reports[KEYSLOTS_MAX];
    struct keyslot slots[KEYSLOTS_MAX];
    int n = vault_list(&vault, slots, reports, &e), found = 0;

    CHECK(n >= 0);
    for (int i = 0; i < n; i++)
        found += strcmp(slots[i].kind, kind) == 0;
    return found;
}

static int add(const char *tokens, const char *name, int replaces, struct keyslot *ret)
{
    _cleanup_(method_done) struct method m = new_method(tokens, name);

    return vault_add(&vault, &m, STRETCH_KEY, replaces, ret, &e);
}

/* The new one is there before the old one goes, and only one of the same kind goes. */
static void test_replace(const char *tokens)
{
    _cleanup_(secret_done) struct secret passphrase = SECRET_NULL;
    _cleanup_free_ char *token = NULL;
    struct keyslot first, next;

    CHECK_OK(add(tokens, "token-tang", -1, &first));
    CHECK(slots_of("tang") == 1 && strcmp(first.kind, "tang") == 0);
    CHECK(add(tokens, "token-sss", first.slot, &next) == -ENOENT);
    CHECK(slots_of("tang") == 1 && slots_of("sss") == 0);
    CHECK_OK(add(tokens, "token-tang", first.slot, &next));
    CHECK(slots_of("tang") == 1 && next.slot != first.slot);
    CHECK(vault_token(&vault, first.slot, &token, &e) == -ENOENT);
    CHECK_OK(vault_token(&vault, next.slot, &token, &e));
    CHECK(strstr(token, "clevis"));
    CHECK(add(tokens, "token-tang", first.slot, &next) == -ENOENT); /* it has gone */

    CHECK_OK(secret_copy("what the method gives", 21, &passphrase));
    vault_close(&vault);
    CHECK(vault_check_open(&vault, &e) == -ENOKEY && add(tokens, "token-tang", next.slot, &next) == -ENOKEY);
    CHECK_OK(vault_prove(&vault, next.slot, &passphrase, &first, &e));
    CHECK_OK(vault_open(&vault, &passphrase, &e));
    CHECK(first.slot == next.slot && vault_count(&vault) == 1 && vault_check_open(&vault, &e) == 0);
    CHECK_OK(vault_remove(&vault, next.slot, &e));
    CHECK(slots_of("tang") == 0 && slots_of("unlock-key") == 1 && vault_remove(&vault, next.slot, &e) == -ENOENT);
}

int main(int argc _unused_, char *argv[])
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL, text = SECRET_NULL;
    char command[64];

    CHECK_OK(secret_init());
    CHECK(mkdtemp(folder));
    (void) snprintf(creds, sizeof(creds), "%s/creds", folder);
    (void) snprintf(credentials, sizeof(credentials), "%s/credentials", folder);
    (void) snprintf(seal, sizeof(seal), "%s/seal.sock", folder);
    CHECK(mkdir(creds, 0700) == 0 && mkdir(credentials, 0700) == 0 && setenv("CREDENTIALS_DIRECTORY", credentials, 1) == 0);
    sealing_begin(seal);
    CHECK_OK(unlock_key_generate(&key));
    CHECK_OK(unlock_key_format(&key, &text));

    CHECK_OK(vault_load(&vault, folder, seal, &e));
    CHECK(vault_check_open(&vault, &e) == -ENOENT);
    CHECK_OK(vault_enroll(&vault, "/run/x.sock", &text, &e));
    test_replace(argv[1]);
    vault_done(&vault);
    sealing_end();
    (void) snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command) == 0 ? 0 : 1;
}
