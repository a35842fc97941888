/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <unistd.h>

#include "basic/file.h"
#include "swarm/node_file.h"
#include "test.h"

static char path[] = "/tmp/test-node-file-XXXXXX";
static const struct node_file file = {
    .node_id = "1111111111111111111111111",
    .swarm_id = "2222222222222222222222222",
    .role = PB__ROLE__MANAGER,
    .raft_id = 77,
    .has_log = true,
    .advertise = "10.0.0.1:2377",
    .listen = "0.0.0.0:2377",
    .n_managers = 2,
    .managers = { "m1:2377", "m2:2377" },
};
static const struct node_file worker = {
    .node_id = "1111111111111111111111111",
    .swarm_id = "2222222222222222222222222",
    .advertise = "10.0.0.1:2377",
    .listen = "0.0.0.0:2377",
};

static int read_text(const char *text, struct error *e)
{
    struct node_file got;

    CHECK_OK(file_write(path, text, strlen(text), 0600, NULL));
    return node_file_read(path, &got, e);
}

static void test_round_trip(void)
{
    struct node_file got;
    struct error e;

    CHECK_OK(node_file_write(path, &file, &e));
    CHECK_OK(node_file_read(path, &got, &e));
    CHECK(memcmp(&got, &file, sizeof(file)) == 0);
    CHECK_OK(node_file_write(path, &worker, &e));
    CHECK_OK(node_file_read(path, &got, &e));
    CHECK(memcmp(&got, &worker, sizeof(worker)) == 0);
    CHECK(node_file_read("/nonexistent/node.json", &got, &e) == -ENOENT);
}

static void test_refused(void)
{
    static const char *const damaged[] = {
        "", "{", "[]", "null", "{}", "{\"version\": 0}", "{\"version\": \"1\"}", "{\"version\": 1}",
        "{\"version\":1,\"node_id\":\"short\",\"swarm_id\":\"2222222222222222222222222\",\"raft_id\":1,\"advertise\":\"a\",\"listen\":\"b\"}",
        "{\"version\":1,\"node_id\":\"1111111111111111111111111\",\"swarm_id\":\"2222222222222222222222222\",\"raft_id\":0,"
        "\"advertise\":\"a\",\"listen\":\"b\"}",
        "{\"version\":1,\"node_id\":\"1111111111111111111111111\",\"swarm_id\":\"2222222222222222222222222\",\"raft_id\":1,"
        "\"advertise\":\"\",\"listen\":\"b\"}",
        "{\"version\":1,\"node_id\":\"1111111111111111111111111\",\"swarm_id\":\"2222222222222222222222222\",\"role\":\"manager\",\"raft_id\":0,"
        "\"advertise\":\"a\",\"listen\":\"b\"}",
        "{\"version\":1,\"node_id\":\"1111111111111111111111111\",\"swarm_id\":\"2222222222222222222222222\",\"role\":\"king\",\"raft_id\":1,"
        "\"advertise\":\"a\",\"listen\":\"b\"}",
        "{\"version\":1,\"node_id\":\"1111111111111111111111111\",\"swarm_id\":\"2222222222222222222222222\",\"role\":\"worker\",\"raft_id\":0,"
        "\"advertise\":\"a\",\"listen\":\"b\",\"managers\":[\"\"]}",
        "{\"version\":1,\"version\":1}",
    };
    struct error e;

    for (unsigned i = 0; i < ELEMENTSOF(damaged); i++) {
        CHECK(read_text(damaged[i], &e) == -EBADMSG);
        CHECK(strstr(e.text, path) && strstr(e.text, "backup"));
    }
    CHECK(read_text("{\"version\": 2, \"new\": true}", &e) == -EPROTONOSUPPORT);
    CHECK(strstr(e.text, path) && strstr(e.text, "newer"));
}

static void test_bits(void)
{
    _cleanup_(secret_done) struct secret text = SECRET_NULL;
    struct node_file got;

    CHECK_OK(node_file_write(path, &file, NULL));
    CHECK_OK(file_read(path, 4096, &text, NULL));
    for (size_t i = 0; i < text.size; i++) {
        int r;

        text.data[i] ^= 0x10;
        CHECK_OK(file_write(path, text.data, text.size, 0600, NULL));
        r = node_file_read(path, &got, NULL);
        CHECK(r == 0 || r == -EBADMSG || r == -EPROTONOSUPPORT);
        text.data[i] ^= 0x10;
    }
}

int main(void)
{
    CHECK_OK(secret_init());
    CHECK(mkstemp(path) >= 0);
    test_round_trip();
    test_refused();
    test_bits();
    CHECK_OK(unlink(path));
    return 0;
}
