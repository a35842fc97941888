/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For bench-swarm.py, which runs it on the machine that it means; prints one number, per second. Run as root.
 *
 * rate sync                               writes to this disk
 * rate secrets PREFIX CALLERS EACH SIZE   secrets made through the manager here, by so many callers, so many each, of so many bytes */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rates.h"

int main(int argc, char **argv)
{
    double rate;

    if (argc == 2 && strcmp(argv[1], "sync") == 0)
        rate = sync_rate();
    else if (argc == 6 && strcmp(argv[1], "secrets") == 0)
        rate = secret_rate(PRIVATE, argv[2], (unsigned) atoi(argv[3]), (unsigned) atoi(argv[4]), (size_t) atoi(argv[5]));
    else
        fail("arguments", -EINVAL);
    (void) printf("%.1f\n", rate);
    return 0;
}
