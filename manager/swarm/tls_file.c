/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "swarm/tls_file.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "basic/cleanup.h"
#include "basic/file.h"
#include "pki/certificate.h"
#include "pki/pkey.h"

#define ROOTS "roots.pem"
#define DIGEST_SIZE 16
#define NAME_SIZE (2 * DIGEST_SIZE + sizeof(".pem"))

/* BLAKE2b of the public key's DER, hexadecimal. */
static int name_of(const EVP_PKEY *key, char ret[static NAME_SIZE])
{
    unsigned char *der = NULL, digest[DIGEST_SIZE];
    int size = i2d_PUBKEY(key, &der);

    if (size <= 0)
        return -EBADMSG;
    (void) crypto_generichash(digest, sizeof(digest), der, (size_t) size, NULL, 0);
    OPENSSL_free(der);
    (void) sodium_bin2hex(ret, NAME_SIZE, digest, sizeof(digest));
    (void) strcat(ret, ".pem");
    return 0;
}

static int chain_path(const char *folder, const struct secret *key_der, char ret[static PATH_MAX])
{
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
    char name[NAME_SIZE];
    int r = pkey_from_der(key_der, &key);

    if (r == 0)
        r = name_of(key, name);
    ERR_clear_error();
    return r < 0 ? r : path_join(ret, folder, name);
}

static int write_pem(const char *folder, const char *path, const char *pem, struct error *e)
{
    if (strlen(pem) > TLS_PEM_MAX)
        return error_set(e, -EMSGSIZE, "%s: the certificates are too large", path);
    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return error_set(e, -errno, "cannot create %s: %s", folder, strerror(errno));
    return file_write(path, pem, strlen(pem), 0600, e);
}

static int read_pem(const char *path, char **ret_pem, struct error *e)
{
    _cleanup_(secret_done) struct secret text = SECRET_NULL;
    char *pem;
    int r = file_read(path, TLS_PEM_MAX, &text, e);

    if (r < 0)
        return r;
    pem = strndup((const char *) text.data, text.size);
    if (!pem)
        return -ENOMEM;
    *ret_pem = pem;
    return 0;
}

int tls_file_write_chain(const char *folder, const char *chain_pem, struct error *e)
{
    STACK_OF(X509) *chain = NULL;
    char path[PATH_MAX], name[NAME_SIZE];
    int r = certificate_list_from_pem(chain_pem, 4, &chain);

    if (r == 0)
        r = name_of(X509_get0_pubkey(sk_X509_value(chain, 0)), name);
    certificate_list_free(chain);
    ERR_clear_error();
    if (r == 0)
        r = path_join(path, folder, name);
    if (r < 0)
        return error_set(e, r, "the node's certificate cannot be stored: %s", strerror(-r));
    return write_pem(folder, path, chain_pem, e);
}

int tls_file_read_chain(const char *folder, const struct secret *key_der, char **ret_pem, struct error *e)
{
    char path[PATH_MAX];
    int r = chain_path(folder, key_der, path);

    return r < 0 ? error_set(e, r, "the node's TLS key cannot be used: %s", strerror(-r)) : read_pem(path, ret_pem, e);
}

void tls_file_keep_only(const char *folder, const struct secret *key_der)
{
    char keep[PATH_MAX], path[PATH_MAX];
    const struct dirent *entry;
    DIR *d;

    if (chain_path(folder, key_der, keep) < 0 || !(d = opendir(folder)))
        return;
    while ((entry = readdir(d)))
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, ROOTS) != 0 && path_join(path, folder, entry->d_name) == 0 &&
            strcmp(path, keep) != 0)
            (void) unlink(path);
    (void) closedir(d);
}

int tls_file_write_roots(const char *folder, const char *roots_pem, struct error *e)
{
    char path[PATH_MAX];
    int r = path_join(path, folder, ROOTS);

    return r < 0 ? r : write_pem(folder, path, roots_pem, e);
}

int tls_file_read_roots(const char *folder, char **ret_pem, struct error *e)
{
    char path[PATH_MAX];
    int r = path_join(path, folder, ROOTS);

    return r < 0 ? r : read_pem(path, ret_pem, e);
}
