/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "basic/error.h"

#define SERVE_REQUEST_MS 10000

/* Answers the one request on the connection peer (open_protocol.h). A refusal that the other side was told is no error here. */
int serve(int peer, const char *path, const char *helpers, int timeout_ms, struct error *e);
