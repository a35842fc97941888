/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "units/drop_in.h"

struct drop_ins_failure {
    char service[UNIT_SERVICE_LEN + 1];
    char text[ERROR_TEXT_MAX];
};

/* What was done; what is beyond UNITS_NAMES_MAX is not told of. */
struct drop_ins_report {
    unsigned n_written, n_removed, n_failed;
    char written[UNITS_NAMES_MAX][UNIT_SERVICE_LEN + 1], removed[UNITS_NAMES_MAX][UNIT_SERVICE_LEN + 1];
    struct drop_ins_failure failed[UNITS_NAMES_MAX];
};

/* Makes the drop-ins of ours below folder (/etc/systemd/system) exactly these; whoever else calls this waits meanwhile. What cannot be made is
 * in the report and hinders no other. The file mark exists from before the first change on: process 1 has to read the folder again. */
int drop_ins_apply(const char *folder, const char *mark, const struct drop_in *list, size_t n, struct drop_ins_report *ret, struct error *e);
