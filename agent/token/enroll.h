/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "basic/error.h"
#include "basic/secret.h"
#include "token/enroll_request.h"

/* TOKEN_ENROLL: the reply's body. The errnos and texts of token/token_protocol.h. */
int token_enroll(const struct enroll_request *request, struct secret *ret_reply, struct error *e);
