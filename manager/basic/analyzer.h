/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Around a statement where gcc's analyzer sees a leak that is none: it loses a pointer that goes to its new owner inside a struct, or of which
 * only a member's address is kept. What really leaks, the tests with LeakSanitizer show. */
#ifdef __clang__
#define OWNER_UNSEEN_BEGIN
#define OWNER_UNSEEN_END
#else
#define OWNER_UNSEEN_BEGIN _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wanalyzer-malloc-leak\"")
#define OWNER_UNSEEN_END _Pragma("GCC diagnostic pop")
#endif
