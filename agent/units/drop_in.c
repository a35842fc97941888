/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "units/drop_in.h"

#include <errno.h>
#include <string.h>

#include "basic/cleanup.h"

static int check(const struct drop_in *d, struct error *e)
{
    for (size_t i = 0; i < d->n; i++)
        if (!unit_credential_is_plain(d->credentials[i]))
            return error_set(e, -EOPNOTSUPP,
                             "a credential's name with other characters than letters, digits and ._-@+=, can be in no drop-in (\"%s\"): give it "
                             "another one, or write LoadCredential= into the unit by hand",
                             d->credentials[i]);
    return d->n > 0 ? 0 : error_set(e, -EOPNOTSUPP, "the service grants nothing: no drop-in is made for it");
}

int drop_in_text(const struct drop_in *d, char **ret, size_t *ret_size, struct error *e)
{
    _cleanup_fclose_ FILE *f = NULL;
    _cleanup_free_ char *text = NULL;
    const char *section = unit_section(d->unit);
    size_t size = 0;
    int r = check(d, e);

    if (r < 0)
        return r;
    if (!section)
        return error_set(e, -EOPNOTSUPP, "units of this type load no credentials");
    f = open_memstream(&text, &size);
    if (!f)
        return -ENOMEM;
    (void) fprintf(f, DROP_IN_MARK "%s, made and removed by swarm-units(8): changes are lost.\n[%s]\n", d->service, section);
    for (size_t i = 0; i < d->n; i++)
        (void) fprintf(f, "LoadCredential=%s:" DROP_IN_CREDENTIALS_SOCKET "\n", d->credentials[i]);
    r = fflush(f) != 0 || ferror(f);
    fclosep(&f);
    f = NULL;
    if (r)
        return -ENOMEM;
    *ret = TAKE_PTR(text);
    *ret_size = size;
    return 0;
}

void drop_in_name(const struct drop_in *d, char ret[static DROP_IN_NAME_SIZE])
{
    (void) snprintf(ret, DROP_IN_NAME_SIZE, DROP_IN_PREFIX "%s" DROP_IN_SUFFIX, d->service);
}

bool drop_in_is_name(const char *name, char ret_service[static UNIT_SERVICE_LEN + 1])
{
    char service[UNIT_SERVICE_LEN + 1];
    size_t n = strlen(name), prefix = strlen(DROP_IN_PREFIX), suffix = strlen(DROP_IN_SUFFIX);

    if (n <= prefix + suffix || n - prefix - suffix > UNIT_SERVICE_LEN || strncmp(name, DROP_IN_PREFIX, prefix) != 0 ||
        strcmp(name + n - suffix, DROP_IN_SUFFIX) != 0)
        return false;
    memcpy(service, name + prefix, n - prefix - suffix);
    service[n - prefix - suffix] = '\0';
    if (!unit_service_is_valid(service))
        return false;
    (void) strcpy(ret_service, service);
    return true;
}

bool drop_in_is_ours(const void *text, size_t size)
{
    return size >= strlen(DROP_IN_MARK) && memcmp(text, DROP_IN_MARK, strlen(DROP_IN_MARK)) == 0;
}
