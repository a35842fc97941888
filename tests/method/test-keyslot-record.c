/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "method/keyslot_record.h"

#include <errno.h>
#include <sys/stat.h>

#include "basic/file.h"
#include "test.h"

static char path[] = "/tmp/test-keyslot-record-XXXXXX";

static const char *area_of(unsigned n)
{
    static char area[KEYSLOT_AREA_LEN + 1];

    (void) snprintf(area, sizeof(area), "%064x", n);
    return area;
}

static void set(const char *text)
{
    CHECK_OK(file_write(path, text, strlen(text), 0600, NULL));
}

static unsigned count(const char *text)
{
    struct keyslot_records records;

    set(text);
    keyslot_records_read(path, &records);
    return records.n;
}

static void test_round_trip(void)
{
    struct keyslot_records records = { .n = 0 }, back;
    struct stat st;

    keyslot_record_of(&records, area_of(1))->report.worked = INT64_MAX;
    (void) strcpy(keyslot_record_of(&records, area_of(2))->report.note, "gr\xc3\xbcn \"quoted\" \\");
    CHECK(records.n == 2 && keyslot_record_of(&records, area_of(1)) == &records.r[0] && records.n == 2);
    CHECK(!keyslot_record_find(&records, area_of(3)));
    CHECK_OK(keyslot_records_write(path, &records));
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    keyslot_records_read(path, &back);
    CHECK(back.n == 2 && keyslot_record_find(&back, area_of(1))->report.worked == INT64_MAX);
    CHECK(strcmp(keyslot_record_find(&back, area_of(2))->report.note, "gr\xc3\xbcn \"quoted\" \\") == 0);
}

/* The largest that can be is read back. */
static void test_full(void)
{
    struct keyslot_records records = { .n = 0 }, back;

    for (unsigned i = 0; i < KEYSLOTS_MAX; i++) {
        struct keyslot_record *r = keyslot_record_of(&records, area_of(i));

        r->report.worked = INT64_MAX - i;
        memset(r->report.note, '"', KEYSLOT_NOTE_MAX - 1);
    }
    CHECK_OK(keyslot_records_write(path, &records));
    keyslot_records_read(path, &back);
    CHECK(back.n == KEYSLOTS_MAX);
    /* the one that worked longest ago makes room */
    CHECK(keyslot_record_of(&back, area_of(100)) == &back.r[KEYSLOTS_MAX - 1] && back.n == KEYSLOTS_MAX);
    CHECK(!keyslot_record_find(&back, area_of(KEYSLOTS_MAX - 1)) && keyslot_record_find(&back, area_of(100))->report.note[0] == '\0');
}

#define AREA "0000000000000000000000000000000000000000000000000000000000000001"
#define RECORD "{\"area\":\"" AREA "\",\"worked\":5,\"note\":\"\"}"

/* What cannot be read is as good as missing. */
static void test_damaged(void)
{
    struct keyslot_records records;

    CHECK(count("{\"version\":1,\"keyslots\":[" RECORD "]}") == 1);
    CHECK(count("{\"version\":1,\"keyslots\":[7," RECORD ",{}]}") == 1);
    CHECK(count("") == 0 && count("[]") == 0 && count("{") == 0 && count("{\"version\":1}") == 0);
    CHECK(count("{\"version\":2,\"keyslots\":[" RECORD "]}") == 0);
    CHECK(count("{\"version\":1,\"keyslots\":{\"a\":" RECORD "}}") == 0);
    CHECK(count("{\"version\":1,\"keyslots\":[{\"area\":\"short\",\"worked\":5,\"note\":\"\"}]}") == 0);
    CHECK(count("{\"version\":1,\"keyslots\":[{\"area\":\"" AREA "\",\"worked\":-5,\"note\":\"\"}]}") == 0);
    CHECK(count("{\"version\":1,\"keyslots\":[" RECORD "," RECORD "," RECORD "," RECORD "," RECORD "," RECORD "," RECORD "," RECORD
                "," RECORD "]}") == KEYSLOTS_MAX);
    CHECK(unlink(path) == 0);
    keyslot_records_read(path, &records);
    CHECK(records.n == 0);
}

int main(void)
{
    int fd = mkstemp(path);

    CHECK(fd >= 0 && close(fd) == 0);
    CHECK_OK(secret_init());
    test_round_trip();
    test_full();
    test_damaged();
    return 0;
}
