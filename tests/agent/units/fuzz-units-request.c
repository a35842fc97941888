/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A request as the manager's user may send it: the operation, then the body. What is taken has names that are safe, and drop-ins stay what
 * they are: one section, and lines that load our credentials. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "basic/cleanup.h"
#include "units/units_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const struct drop_in *d, const char *text)
{
    size_t lines = 0;

    for (const char *line = text; *line; line = strchr(line, '\n') + 1, lines++) {
        if (!strchr(line, '\n'))
            abort();
        if (lines > 1 && (strncmp(line, "LoadCredential=", 15) != 0 || strcspn(line, "%\\\"' \t") < strcspn(line, "\n")))
            abort();
    }
    if (!drop_in_is_ours(text, strlen(text)) || lines != d->n + 2)
        abort();
}

static void check_drop_in(const struct drop_in *d)
{
    _cleanup_free_ char *text = NULL;
    char folder[UNIT_FOLDER_SIZE], name[DROP_IN_NAME_SIZE], service[UNIT_SERVICE_LEN + 1];
    size_t size;

    drop_in_name(d, name);
    if (strchr(name, '/') || !drop_in_is_name(name, service) || strcmp(service, d->service) != 0)
        abort();
    if (unit_drop_in_folder(d->unit, folder, NULL) == 0 && (strchr(folder, '/') || folder[0] == '.' || strcmp(folder + strlen(folder) - 2, ".d") != 0))
        abort();
    if (drop_in_text(d, &text, &size, NULL) == 0)
        check_text(d, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(units_request_done) struct units_request q = UNITS_REQUEST_NULL;
    struct error e = { "" };

    if (size == 0)
        return 0;
    if (units_request_parse((char) data[0], data + 1, size - 1, &q, &e) < 0) {
        if (e.text[0] == '\0')
            abort();
        return 0;
    }
    for (size_t i = 0; q.drop_ins && i < q.n; i++)
        check_drop_in(&q.drop_ins[i]);
    for (size_t i = 0; q.units && i < q.n; i++)
        if (strchr(q.units[i], '/') || strchr(q.units[i], '*'))
            abort();
    return 0;
}
