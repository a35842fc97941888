/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is taken as a request leads to a certificate that says what the swarm said; the rest to nothing. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "../test.h"
#include "basic/cleanup.h"
#include "pki/ca.h"
#include "pki/certificate.h"

#define NOW INT64_C(1767225600) /* 2026 */
#define SWARM "swarm00000000000000000000"
#define NODE "node000000000000000000001"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_certificate(const char *pem)
{
    _cleanup_(X509_freep) X509 *c = NULL;
    struct certificate_info info;

    CHECK_OK(certificate_from_pem(pem, &c));
    CHECK_OK(certificate_info(c, &info));
    CHECK(strcmp(info.node_id, NODE) == 0 && strcmp(info.swarm_id, SWARM) == 0 && strcmp(info.role, CA_ROLE_WORKER) == 0);
    CHECK(X509_get_ext_count(c) == 6);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct secret key;
    static char *ca;
    char *pem = NULL;
    struct error e = {};
    int r;

    CHECK_OK(secret_init());
    if (!ca)
        CHECK_OK(ca_create(SWARM, NOW, &key, &ca, NULL));
    r = ca_issue_request(&key, ca, data, size, NODE, CA_ROLE_WORKER, SWARM, NOW, &pem, &e);
    CHECK(r == 0 ? pem && !e.text[0] : r == -EBADMSG && !pem && e.text[0]);
    if (r == 0)
        expect_certificate(pem);
    free(pem);
    return 0;
}
