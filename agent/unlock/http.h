/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

#include "basic/error.h"

/* HTTP requests that run at once, within the limits of unlock_protocol.h for the whole of them. Proxies and CA certificates come from the
 * environment, as for curl(1). */
struct http;
struct http_transfer;

struct http_answer {
    int status;       /* of HTTP, or -EHOSTUNREACH when there is no answer of use */
    const char *body; /* status > 0 */
    size_t size;
    const char *why; /* status < 0 */
};

/* May start, cancel and stop transfers. The answer is gone when it returns. */
typedef void (*http_handler)(const struct http_answer *answer, void *data);

/* An absolute http or https URL of at most UNLOCK_URL_MAX bytes, without query and fragment. -EINVAL; -EOPNOTSUPP when it names a user. */
int http_check_url(const char *url, struct error *e);

/* peer: whose hanging up ends it all, or -1. The time runs from here. */
int http_new(int peer, struct http **ret);
void http_free(struct http *h);

/* GET, or POST of a JWK. The strings are copied. The transfer is gone once the handler was called. -ENOMEM, -ETIMEDOUT. */
int http_start(struct http *h, const char *url, const char *post, http_handler handler, void *data, struct http_transfer **ret);
/* Without a call of the handler. */
void http_cancel(struct http_transfer *t);

/* Until no transfer is left, or http_stop(). What has not answered in time ends with -EHOSTUNREACH. 0, or -ECANCELED: the peer hung up. */
int http_run(struct http *h);
void http_stop(struct http *h);
