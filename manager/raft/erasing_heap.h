/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libraft keeps commands and snapshots in its heap; from now on it erases them before it frees them. For the whole process, any number of
 * times. */
void erasing_heap_install(void);
