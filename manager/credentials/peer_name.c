/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "credentials/peer_name.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define NUMBER_MAX 16
#define PLACE "/unit/"

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_unit(const char *text, size_t size)
{
    const char *dot = memrchr(text, '.', size);

    if (!dot || dot == text || dot == text + size - 1)
        return false;
    for (size_t i = 0; i < size; i++)
        if (!is_letter(text[i]) && !memchr(":-_.\\@", text[i], 6))
            return false;
    return true;
}

static bool is_credential(const char *text, size_t size)
{
    if (size == 0 || (text[0] == '.' && (size == 1 || (size == 2 && text[1] == '.'))))
        return false;
    for (size_t i = 0; i < size; i++)
        if (text[i] < ' ' || text[i] > '~' || text[i] == '/' || text[i] == ':')
            return false;
    return true;
}

/* Past the leading zero byte and the number. */
static const char *skip_number(const char *at, const char *end)
{
    const char *start;

    if (at == end || *at != '\0')
        return NULL;
    start = ++at;
    while (at < end && ((*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'f')))
        at++;
    return at > start && at - start <= NUMBER_MAX ? at : NULL;
}

int peer_name_parse(const void *path, size_t size, struct peer_name *ret)
{
    const char *end = (const char *) path + size, *at = skip_number(path, end), *slash;
    size_t unit_size, credential_size;

    if (!at || (size_t) (end - at) < strlen(PLACE) || memcmp(at, PLACE, strlen(PLACE)) != 0)
        return -EINVAL;
    at += strlen(PLACE);
    slash = memchr(at, '/', (size_t) (end - at));
    if (!slash)
        return -EINVAL;
    unit_size = (size_t) (slash - at);
    credential_size = (size_t) (end - slash - 1);
    if (unit_size > PEER_UNIT_MAX || credential_size > PEER_CREDENTIAL_MAX)
        return -EMSGSIZE;
    if (!is_unit(at, unit_size) || !is_credential(slash + 1, credential_size))
        return -EINVAL;
    memset(ret, 0, sizeof(*ret));
    memcpy(ret->unit, at, unit_size);
    memcpy(ret->credential, slash + 1, credential_size);
    return 0;
}
