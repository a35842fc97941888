/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A clevis token's JWE, from malloc: flattened JSON as it stands in the token, or joined to the compact form that clevis(1) reads. -EINVAL when
 * the token has none; -ENOMEM. */
int jwe_flattened(const char *token, char **ret);
int jwe_compact(const char *token, char **ret);
