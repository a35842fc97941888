/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/service.h"

#include <string.h>

#include "basic/cleanup.h"
#include "basic/utf8.h"

#define LABEL_PREFIX "node.labels."

/* systemd's own, and the star */
#define PATTERN_CHARACTERS "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ:-_.\\@*"

/* After a mismatch only the last star takes one character more: those before it had the earliest place already. So there is no text that
 * makes this try more than the pattern's length times the unit's. */
bool service_unit_matches(const char *pattern, const char *unit)
{
    const char *star = NULL, *taken = NULL;

    while (*unit) {
        if (*pattern == '*') {
            star = pattern++;
            taken = unit;
        } else if (*pattern == *unit) {
            pattern++;
            unit++;
        } else if (star) {
            pattern = star + 1;
            unit = ++taken;
        } else
            return false;
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

static bool has_credentials(const char *suffix)
{
    static const char *const types[] = { ".service", ".socket", ".mount", ".swap" };

    for (size_t i = 0; i < ELEMENTSOF(types); i++)
        if (strcmp(suffix, types[i]) == 0)
            return true;
    return false;
}

bool service_unit_is_valid(const char *pattern)
{
    const char *dot, *at;
    size_t n = strnlen(pattern, STORE_UNIT_MAX + 1);

    if (n > STORE_UNIT_MAX || strspn(pattern, PATTERN_CHARACTERS) != n)
        return false;
    dot = strrchr(pattern, '.');
    if (!dot || dot == pattern || !has_credentials(dot))
        return false;
    /* neither begins a unit's name with it, nor does a template run */
    at = strchr(pattern, '@');
    return at != pattern && (!at || at + 1 != dot);
}

/* systemd itself refuses / and :. Blanks and backslashes it takes, but loses them between its manager and the process that it starts: such a
 * unit fails. */
bool service_credential_is_valid(const char *credential)
{
    size_t n = strnlen(credential, STORE_CREDENTIAL_MAX + 1);

    if (n == 0 || n > STORE_CREDENTIAL_MAX || strcmp(credential, ".") == 0 || strcmp(credential, "..") == 0)
        return false;
    for (size_t i = 0; i < n; i++)
        if (credential[i] <= ' ' || credential[i] > '~' || strchr("/:\\", credential[i]))
            return false;
    return true;
}

bool service_credential_fits(const char *pattern, const char *credential)
{
    size_t n = strlen(credential);

    for (const char *c = pattern; *c; c++)
        n += *c != '*';
    return n <= SERVICE_UNIT_AND_CREDENTIAL_MAX;
}

static const char *label_key(const char *key)
{
    return strncmp(key, LABEL_PREFIX, strlen(LABEL_PREFIX)) == 0 ? key + strlen(LABEL_PREFIX) : NULL;
}

bool service_constraint_is_valid(const Pb__Constraint *c)
{
    const char *label = label_key(c->key);

    if (strnlen(c->value, STORE_LABEL_MAX + 1) > STORE_LABEL_MAX || !utf8_is_valid(c->value))
        return false;
    if (label)
        return *label && strnlen(label, STORE_LABEL_MAX + 1) <= STORE_LABEL_MAX && utf8_is_valid(label);
    if (strcmp(c->key, "node.role") == 0)
        return strcmp(c->value, "manager") == 0 || strcmp(c->value, "worker") == 0;
    return strcmp(c->key, "node.id") == 0 || strcmp(c->key, "node.hostname") == 0;
}

static const char *value_of_label(const Pb__Node *node, const char *key)
{
    for (size_t i = 0; i < node->n_labels; i++)
        if (strcmp(node->labels[i]->key, key) == 0)
            return node->labels[i]->value;
    return NULL;
}

/* A node without the label differs from every value. What cannot be understood does not hold. */
static bool constraint_holds(const Pb__Constraint *c, const Pb__Node *node)
{
    const char *label = label_key(c->key), *value;

    if (label)
        value = value_of_label(node, label);
    else if (strcmp(c->key, "node.role") == 0)
        value = node->role == PB__ROLE__MANAGER ? "manager" : "worker";
    else if (strcmp(c->key, "node.id") == 0)
        value = node->meta->id;
    else if (strcmp(c->key, "node.hostname") == 0)
        value = node->hostname;
    else
        return false;
    return (value && strcmp(value, c->value) == 0) != c->differs;
}

bool service_is_on(const Pb__Service *service, const Pb__Node *node)
{
    for (size_t i = 0; i < service->n_constraints; i++)
        if (!constraint_holds(service->constraints[i], node))
            return false;
    return true;
}

bool service_grants(const Pb__Service *service, Pb__Kind kind, const char *object_id)
{
    for (size_t i = 0; i < service->n_grants; i++)
        if (service->grants[i]->kind == kind && strcmp(service->grants[i]->object_id, object_id) == 0)
            return true;
    return false;
}

static bool is_reached(const Pb__Rollout *rollout, const char *node_id)
{
    size_t low = 0, high = rollout->n_nodes;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = strcmp(rollout->nodes[middle]->id, node_id);

        if (c == 0)
            return true;
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* Ids are random, so that no secret has the id of a config; were it so, the other one's revision is not held here. */
uint64_t service_revision(const Pb__Service *service, const Pb__Object *object, const char *node_id)
{
    const Pb__Rollout *rollout = service->rollout;

    if (!rollout || rollout->state == PB__ROLLOUT_STATE__DONE)
        return object->revision;
    for (size_t i = 0; i < rollout->n_held; i++) {
        const Pb__Held *held = rollout->held[i];

        if (strcmp(held->object_id, object->meta->id) == 0 && store_object_data(object, held->revision))
            return is_reached(rollout, node_id) ? object->revision : held->revision;
    }
    return object->revision;
}
