/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* Whether docker.service is stopped, or stops, so that whoever connects to docker.socket would start it again. Asks process 1. */
bool docker_is_stopped(void);
