/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* Ids of swarms, nodes and objects: 25 base36 digits of 128 random bits. */
#define ID_LEN 25

void id_new(char ret[static ID_LEN + 1]);
bool id_is_valid(const char *text);
