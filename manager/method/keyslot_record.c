/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "method/keyslot_record.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "basic/file.h"

#define VERSION 1
#define FILE_MAX_SIZE 8192

static void read_record(json_t *object, struct keyslot_records *ret)
{
    struct keyslot_record *record = &ret->r[ret->n];
    const char *area, *note;
    json_int_t worked;

    if (ret->n == KEYSLOTS_MAX || json_unpack(object, "{s:s,s:I,s:s}", "area", &area, "worked", &worked, "note", &note) < 0)
        return;
    if (strlen(area) != KEYSLOT_AREA_LEN || strlen(note) >= KEYSLOT_NOTE_MAX || worked < 0)
        return;
    (void) strcpy(record->area, area);
    (void) strcpy(record->report.note, note);
    record->report.worked = worked;
    ret->n++;
}

void keyslot_records_read(const char *path, struct keyslot_records *ret)
{
    _cleanup_(secret_done) struct secret text = SECRET_NULL;
    _cleanup_(json_decrefp) json_t *object = NULL;
    json_t *record;
    size_t i;

    *ret = (struct keyslot_records) { .n = 0 };
    if (file_read(path, FILE_MAX_SIZE, &text, NULL) < 0)
        return;
    object = json_loadb((const char *) text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
    if (json_integer_value(json_object_get(object, "version")) != VERSION)
        return;
    json_array_foreach(json_object_get(object, "keyslots"), i, record)
        read_record(record, ret);
}

int keyslot_records_write(const char *path, const struct keyslot_records *records)
{
    _cleanup_(json_decrefp) json_t *list = json_array();
    _cleanup_(json_decrefp) json_t *object = NULL;
    _cleanup_free_ char *text = NULL;

    for (unsigned i = 0; i < records->n; i++)
        (void) json_array_append_new(list, json_pack("{s:s,s:I,s:s}", "area", records->r[i].area, "worked",
                                                     (json_int_t) records->r[i].report.worked, "note", records->r[i].report.note));
    object = json_pack("{s:i,s:O}", "version", VERSION, "keyslots", list);
    text = json_dumps(object, JSON_COMPACT);
    return text ? file_write(path, text, strlen(text), 0600, NULL) : -ENOMEM;
}

struct keyslot_record *keyslot_record_find(struct keyslot_records *records, const char *area)
{
    for (unsigned i = 0; i < records->n; i++)
        if (strcmp(records->r[i].area, area) == 0)
            return &records->r[i];
    return NULL;
}

struct keyslot_record *keyslot_record_of(struct keyslot_records *records, const char *area)
{
    struct keyslot_record *record = keyslot_record_find(records, area);

    if (record)
        return record;
    if (records->n == KEYSLOTS_MAX) {
        record = &records->r[0];
        for (unsigned i = 1; i < records->n; i++)
            if (records->r[i].report.worked < record->report.worked)
                record = &records->r[i];
    } else
        record = &records->r[records->n++];
    *record = (struct keyslot_record) { .area = "" };
    (void) snprintf(record->area, sizeof(record->area), "%s", area);
    return record;
}
