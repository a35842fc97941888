/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stddef.h>

/* How systemd introduces the unit for which it loads a credential: by the abstract address of its end of the connection, a random number in
 * hexadecimal, "/unit/", the unit's name, "/" and the credential's name (systemd.exec(5), LoadCredential=). */

#define PEER_UNIT_MAX 255
#define PEER_CREDENTIAL_MAX 255

struct peer_name {
    char unit[PEER_UNIT_MAX + 1], credential[PEER_CREDENTIAL_MAX + 1];
};

/* path: the bytes of sun_path that the kernel gave. -EINVAL: that is no unit's address; -EMSGSIZE: a name is longer than any. */
int peer_name_parse(const void *path, size_t size, struct peer_name *ret);
