/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The input as a text with certificates, and as the bytes of one. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "../test.h"
#include "basic/cleanup.h"
#include "pki/ca.h"
#include "pki/certificate.h"

#define CERTIFICATES_MAX 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const X509 *c)
{
    struct certificate_info info;
    int r = certificate_info(c, &info);

    CHECK(r == 0 || r == -EBADMSG);
    if (r == 0)
        CHECK(id_is_valid(info.node_id) && id_is_valid(info.swarm_id) && ca_role_is_valid(info.role));
}

/* One alone is taken where it is the only one; all that is taken can be written and read again. */
static void as_text(const char *text)
{
    _cleanup_(X509_freep) X509 *alone = NULL;
    STACK_OF(X509) *list = NULL;
    int r = certificate_list_from_pem(text, CERTIFICATES_MAX, &list), n = list ? sk_X509_num(list) : 0;

    CHECK((r == 0 && n >= 1 && n <= CERTIFICATES_MAX) || (r == -EBADMSG && !list));
    CHECK((certificate_from_pem(text, &alone) == 0) == (n == 1));
    for (int i = 0; i < n; i++) {
        _cleanup_(X509_freep) X509 *again = NULL;
        _cleanup_free_ char *pem = NULL;

        CHECK_OK(certificate_to_pem(sk_X509_value(list, i), &pem));
        CHECK_OK(certificate_from_pem(pem, &again));
        CHECK(X509_cmp(again, sk_X509_value(list, i)) == 0);
        look(again);
    }
    certificate_list_free(list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = strndup((const char *) data, size);
    _cleanup_(X509_freep) X509 *c = NULL;

    CHECK(text);
    as_text(text);
    c = d2i_X509(NULL, &(const unsigned char *) { data }, (long) size);
    if (c)
        look(c);
    return 0;
}
