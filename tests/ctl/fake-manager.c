/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.swarm.Manager1 for the tests of swarmctl. In the folder named by argv[1] the test says how to answer, and finds what was asked:
 *   fail   lines of "METHOD ERROR-NAME TEXT"; the name DIE ends the service instead of answering
 *   state  what Info calls State, and a second line its Error; active when missing
 *   unlocked  there: what state becomes when it is unlocked
 *   nodes  lines of "HOSTNAME ROLE STATUS MANAGER-STATUS TLS-STATUS GENERATION", - for an empty word; two managers when missing
 *   services  lines of "NAME NUMBER STATE HOSTNAME=STATE=TEXT ...", of its rollout: number 0 for none, _ for a blank; "web" and "idle" when missing.
 *          Each grants web.key as key.
 *   calls  written: one line per call, METHOD, i or - (interactive authorisation allowed), arguments
 *   data   written: the last memfd received
 *   confirmed  written: the generation of the last ConfirmUnlockKey, which the first of the two managers has from then on
 *   enrolled  there: ListKeyslots has one more keyslot
 *   failing   there: RefreshKeyslots tells of one that failed */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "basic/cleanup.h"
#include "basic/memfd.h"
#include "test.h"

#define KEY "SWMKEY-1-AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define NEXT_KEY "SWMKEY-1-HxwdGhsYGRYXFBUSExARDg8MDQoLCAkGBwQFAgMAAQE"
#define TOKEN "SWMTKN-1-0123456789abcdefghijklmnopqrstuvwxyz0123456789abcd-0123456789abcdefghijklmno"
#define RECOVERY_KEY "cbdefghi-jklnrtuv-cbdefghi-jklnrtuv-cbdefghi-jklnrtuv-cbdefghi-jklnrtuv"
#define PEM "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID "abcdefghijklmnopqrstuvwx1"

static const char *folder;

static FILE *open_file(const char *name, const char *mode)
{
    char path[4096];

    (void) snprintf(path, sizeof(path), "%s/%s", folder, name);
    return fopen(path, mode);
}

/* Keeps its fd open until the process ends: the messages have copies. */
static int text_fd(const char *text)
{
    int fd = memfd_new(text, strlen(text));

    CHECK_OK(fd);
    return fd;
}

static void log_call(sd_bus_message *m, const char *arguments)
{
    _cleanup_fclose_ FILE *f = open_file("calls", "ae");

    CHECK(f);
    (void) fprintf(f, "%s %s%s%s\n", sd_bus_message_get_member(m), sd_bus_message_get_allow_interactive_authorization(m) > 0 ? "i" : "-",
                   *arguments ? " " : "", arguments);
}

static void save_data(const struct secret *data)
{
    _cleanup_fclose_ FILE *f = open_file("data", "we");

    CHECK(f && fwrite(data->data, 1, data->size, f) == data->size);
}

static int wanted_failure(sd_bus_message *m)
{
    _cleanup_fclose_ FILE *f = open_file("fail", "re");
    char line[1024], name[256];
    int skip;

    while (f && fgets(line, sizeof(line), f)) {
        size_t n = strlen(sd_bus_message_get_member(m));

        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, sd_bus_message_get_member(m), n) != 0 || line[n] != ' ' || sscanf(line + n, " %255s %n", name, &skip) != 1)
            continue;
        if (strcmp(name, "DIE") == 0)
            _exit(0);
        return sd_bus_reply_method_errorf(m, name, "%s", line + n + skip);
    }
    return 0;
}

/* Two lines of at most 256 bytes. */
static void state_text(char ret_state[static 256], char ret_why[static 256])
{
    _cleanup_fclose_ FILE *f = open_file("state", "re");

    (void) snprintf(ret_state, 256, "active");
    *ret_why = '\0';
    if (f && fgets(ret_state, 256, f))
        ret_state[strcspn(ret_state, "\n")] = '\0';
    if (f && fgets(ret_why, 256, f))
        ret_why[strcspn(ret_why, "\n")] = '\0';
}

static int info(sd_bus_message *m)
{
    char state[256], why[256];

    state_text(state, why);
    /* the last four are missing unless active */
    return sd_bus_reply_method_return(m, "a{sv}", strcmp(state, "active") == 0 ? 15 : 11, "State", "s", state, "Error", "s",
                                      strcmp(state, "error") == 0 ? "raft/ is damaged" : why, "NodeID", "s", ID, "SwarmID", "s", "swarm", "NodeAddr", "s",
                                      "10.0.0.1:2377", "ControlAvailable", "b", strcmp(state, "active") == 0, "Role", "s", "manager", "Autolock", "s", "on",
                                      "KeyGeneration", "u", 3, "Hostname", "s", "m1", "Version", "s", "0.1", "Nodes", "u", 1, "Managers", "u", 1, "Secrets",
                                      "u", 2, "Configs", "u", 1);
}

static void read_options(sd_bus_message *m, char *ret, size_t size);

static int init(sd_bus_message *m)
{
    char arguments[4096] = "";
    const char *options = arguments + 1;

    read_options(m, arguments, sizeof(arguments));
    log_call(m, options);
    if (strstr(options, "ForceNewCluster=1"))
        return sd_bus_reply_method_return(m, "a{sv}", 1, "NodeID", "s", ID);
    if (!strstr(options, "Autolock=1"))
        return sd_bus_reply_method_return(m, "a{sv}", 3, "NodeID", "s", ID, "Address", "s", "10.0.0.1:2377", "WorkerToken", "h", text_fd(TOKEN));
    return sd_bus_reply_method_return(m, "a{sv}", 5, "NodeID", "s", ID, "Address", "s", "10.0.0.1:2377", "WorkerToken", "h", text_fd(TOKEN),
                                      "KeyGeneration", "u", 1, "UnlockKey", "h", text_fd(KEY));
}

static void become_unlocked(void)
{
    char from[4096], to[4096];

    (void) snprintf(from, sizeof(from), "%s/unlocked", folder);
    (void) snprintf(to, sizeof(to), "%s/state", folder);
    (void) rename(from, to);
}

static int unlock(sd_bus_message *m)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    int fd;

    CHECK_OK(sd_bus_message_read(m, "h", &fd));
    CHECK_OK(memfd_read(fd, 4096, &key));
    log_call(m, "");
    save_data(&key);
    if (key.size != strlen(KEY) || memcmp(key.data, KEY, key.size) != 0)
        return sd_bus_reply_method_errorf(m, "org.swarm.Error.WrongKey", "swarm could not be unlocked: invalid key provided");
    become_unlocked();
    return sd_bus_reply_method_return(m, "a{sv}", 2, "Keyslot", "i", 1, "Kind", "s", "unlock-key");
}

static bool is_there(const char *name)
{
    _cleanup_fclose_ FILE *f = open_file(name, "re");

    return f;
}

/* Of an a{sv}: " KEY=VALUE" each, a memfd's being kept in the file. */
static void read_options(sd_bus_message *m, char *ret, size_t size)
{
    CHECK(sd_bus_message_enter_container(m, 'a', "{sv}") > 0);
    while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
        _cleanup_(secret_done) struct secret data = SECRET_NULL;
        const char *key, *type, *text;
        union {
            int i;
            uint64_t t;
        } number = { .t = 0 };
        size_t n;

        CHECK_OK(sd_bus_message_read(m, "s", &key));
        CHECK_OK(sd_bus_message_peek_type(m, NULL, &type));
        CHECK_OK(sd_bus_message_enter_container(m, 'v', type));
        n = strlen(ret);
        (void) snprintf(ret + n, size - n, " %s=", key);
        n = strlen(ret);
        if (strcmp(type, "as") == 0) {
            CHECK_OK(sd_bus_message_enter_container(m, 'a', "s"));
            for (; sd_bus_message_read(m, "s", &text) > 0; n = strlen(ret))
                (void) snprintf(ret + n, size - n, "%s,", text);
            CHECK_OK(sd_bus_message_exit_container(m));
        } else if (strcmp(type, "s") == 0) {
            CHECK_OK(sd_bus_message_read(m, "s", &text));
            (void) snprintf(ret + n, size - n, "%s", text);
        } else {
            CHECK_OK(sd_bus_message_read_basic(m, *type, &number));
            if (*type == 'h') {
                CHECK_OK(memfd_read(number.i, 4096, &data));
                save_data(&data);
            }
            (void) snprintf(ret + n, size - n, "%llu", *type == 'h' ? data.size : (unsigned long long) number.t);
        }
        CHECK_OK(sd_bus_message_exit_container(m));
        CHECK_OK(sd_bus_message_exit_container(m));
    }
    CHECK_OK(sd_bus_message_exit_container(m));
}

static int add_keyslot(sd_bus_message *m)
{
    char arguments[4096];
    const char *kind;

    CHECK_OK(sd_bus_message_read(m, "s", &kind));
    (void) snprintf(arguments, sizeof(arguments), "%s", kind);
    read_options(m, arguments, sizeof(arguments));
    log_call(m, arguments);
    if (strcmp(kind, "recovery") == 0)
        return sd_bus_reply_method_return(m, "a{sv}", 3, "Keyslot", "i", 5, "Kind", "s", kind, "RecoveryKey", "h", text_fd(RECOVERY_KEY));
    return sd_bus_reply_method_return(m, "a{sv}", 2, "Keyslot", "i", 5, "Kind", "s", kind);
}

static int test_keyslot(sd_bus_message *m)
{
    char arguments[4096];
    int slot;

    CHECK_OK(sd_bus_message_read(m, "i", &slot));
    (void) snprintf(arguments, sizeof(arguments), "%d", slot);
    read_options(m, arguments, sizeof(arguments));
    log_call(m, arguments);
    return sd_bus_reply_method_return(m, "a{sv}", 2, "Keyslot", "i", slot, "Kind", "s", "kind");
}

static int refresh_keyslots(sd_bus_message *m)
{
    char arguments[4096] = "";
    bool failing = is_there("failing");

    read_options(m, arguments, sizeof(arguments));
    log_call(m, *arguments ? arguments + 1 : "");
    return sd_bus_reply_method_return(m, "aa{sv}", 2,
                                      5, "Slot", "i", 2, "Kind", "s", "recovery", "Result", "s", "skipped", "NewSlot", "i", -1, "Text", "s", "",
                                      5, "Slot", "i", 3, "Kind", "s", "tang", "Result", "s", failing ? "failed" : "refreshed", "NewSlot", "i",
                                      failing ? -1 : 4, "Text", "s", failing ? "http://t1: no answer" : "http://t1: has rotated its keys");
}

static void append_keyslot(sd_bus_message *m, int slot, const char *kind, unsigned generation, const char *binding, uint64_t worked, const char *note)
{
    CHECK_OK(sd_bus_message_append(m, "a{sv}", 7, "Slot", "i", slot, "Kind", "s", kind, "Generation", "u", generation, "State", "s",
                                   generation > 0 ? "active" : "foreign", "Binding", "s", binding, "Worked", "t", worked, "Note", "s", note));
}

static void append_keyslots(sd_bus_message *m)
{
    append_keyslot(m, 0, "unlock-key", 3, "", UINT64_C(1700000000123456), "");
    append_keyslot(m, 2, "recovery", 0, "", 0, "");
    append_keyslot(m, 3, "tang", 0, "http://t1", UINT64_C(1700000000123456), "http://t1: has rotated its keys");
    if (is_there("enrolled"))
        append_keyslot(m, 4, "fido2", 0, "PIN", 0, "");
}

static int create(sd_bus_message *m)
{
    _cleanup_(secret_done) struct secret data = SECRET_NULL;
    char arguments[8192];
    const char *name, *key, *value;
    size_t n;
    int fd, r;

    CHECK_OK(sd_bus_message_read(m, "s", &name));
    (void) snprintf(arguments, sizeof(arguments), "%s", name);
    CHECK(sd_bus_message_enter_container(m, 'a', "{ss}") > 0);
    while ((r = sd_bus_message_read(m, "{ss}", &key, &value)) > 0) {
        n = strlen(arguments);
        (void) snprintf(arguments + n, sizeof(arguments) - n, " %s=%s", key, value);
    }
    CHECK_OK(sd_bus_message_exit_container(m));
    CHECK_OK(sd_bus_message_read(m, "h", &fd));
    CHECK_OK(memfd_read(fd, SECRET_MAX, &data));
    save_data(&data);
    log_call(m, arguments);
    return sd_bus_reply_method_return(m, "s", ID);
}

static void append_object(sd_bus_message *m, const char *id, const char *name, const char *data)
{
    CHECK_OK(sd_bus_message_open_container(m, 'a', "{sv}"));
    CHECK_OK(sd_bus_message_append(m, "{sv}{sv}{sv}{sv}{sv}", "ID", "s", id, "Name", "s", name, "Labels", "a{ss}", 1, "who", "\x1b[31m\xc2\x9b" "x",
                                   "Version", "t", UINT64_C(42), "CreatedAt", "t", UINT64_C(1700000000123456)));
    CHECK_OK(sd_bus_message_append(m, "{sv}{sv}{sv}", "UpdatedAt", "t", UINT64_C(1700000001000000), "Revision", "t", UINT64_C(3), "Former", "aa{sv}", 1,
                                   2, "Revision", "t", UINT64_C(2), "CreatedAt", "t", UINT64_C(1700000000123456)));
    if (data)
        CHECK_OK(sd_bus_message_append(m, "{sv}", "Data", "h", text_fd(data)));
    CHECK_OK(sd_bus_message_close_container(m));
}

static int update(sd_bus_message *m)
{
    _cleanup_(secret_done) struct secret data = SECRET_NULL;
    const char *name;
    int fd;

    CHECK_OK(sd_bus_message_read(m, "sh", &name, &fd));
    CHECK_OK(memfd_read(fd, SECRET_MAX, &data));
    save_data(&data);
    log_call(m, name);
    if (strcmp(name, "missing") == 0)
        return sd_bus_reply_method_errorf(m, "org.swarm.Error.NotFound", "missing not found");
    return sd_bus_reply_method_return(m, "t", UINT64_C(3));
}

static int change_service(sd_bus_message *m)
{
    char arguments[65536];
    const char *name;

    CHECK_OK(sd_bus_message_read(m, "s", &name));
    (void) snprintf(arguments, sizeof(arguments), "%s", name);
    read_options(m, arguments, sizeof(arguments));
    log_call(m, arguments);
    if (strcmp(name, "missing") == 0)
        return sd_bus_reply_method_errorf(m, "org.swarm.Error.NotFound", "missing not found");
    if (strcmp(sd_bus_message_get_member(m), "CreateService") == 0)
        return sd_bus_reply_method_return(m, "s", ID);
    return sd_bus_reply_method_return(m, NULL);
}

static void blank(char *text)
{
    for (; *text; text++)
        if (*text == '_')
            *text = ' ';
}

static void append_rollout(sd_bus_message *m, unsigned number, const char *state, char *nodes)
{
    CHECK_OK(sd_bus_message_open_container(m, 'e', "sv"));
    CHECK_OK(sd_bus_message_append(m, "s", "Rollout"));
    CHECK_OK(sd_bus_message_open_container(m, 'v', "a{sv}"));
    CHECK_OK(sd_bus_message_open_container(m, 'a', "{sv}"));
    CHECK_OK(sd_bus_message_append(m, "{sv}{sv}{sv}", "Number", "t", (uint64_t) number, "State", "s", state, "Since", "t", UINT64_C(1700000000123456)));
    CHECK_OK(sd_bus_message_open_container(m, 'e', "sv"));
    CHECK_OK(sd_bus_message_append(m, "s", "Nodes"));
    CHECK_OK(sd_bus_message_open_container(m, 'v', "aa{sv}"));
    CHECK_OK(sd_bus_message_open_container(m, 'a', "a{sv}"));
    for (char *node = strtok(nodes, " "); node; node = strtok(NULL, " ")) {
        char host[64], word_of[64], text[256] = "";

        CHECK(sscanf(node, "%63[^=]=%63[^=]=%255s", host, word_of, text) >= 2);
        blank(text);
        CHECK_OK(sd_bus_message_append(m, "a{sv}", 4, "ID", "s", host, "Hostname", "s", host, "State", "s", word_of, "Text", "s", text));
    }
    for (int i = 0; i < 6; i++)
        CHECK_OK(sd_bus_message_close_container(m));
}

static void append_service(sd_bus_message *m, const char *line)
{
    char name[64], state[64], id[80], copy[512];
    unsigned number;
    int nodes = 0;

    CHECK(sscanf(line, "%63s %u %63s %n", name, &number, state, &nodes) >= 3);
    (void) snprintf(id, sizeof(id), "id-of-%s", name);
    (void) snprintf(copy, sizeof(copy), "%s", line + nodes);
    copy[strcspn(copy, "\n")] = '\0';
    CHECK_OK(sd_bus_message_open_container(m, 'a', "{sv}"));
    CHECK_OK(sd_bus_message_append(m, "{sv}{sv}{sv}{sv}{sv}{sv}", "ID", "s", id, "Name", "s", name, "Labels", "a{ss}", 1, "a", "1", "Version", "t",
                                   UINT64_C(7), "CreatedAt", "t", UINT64_C(1700000000123456), "UpdatedAt", "t", UINT64_C(1700000001000000)));
    CHECK_OK(sd_bus_message_append(m, "{sv}{sv}{sv}{sv}", "Unit", "s", "web@*.service", "Constraints", "as", 1, "node.role==worker", "Secrets", "as", 1,
                                   "web.key:key", "Configs", "as", 0));
    CHECK_OK(sd_bus_message_append(m, "{sv}{sv}{sv}{sv}{sv}", "OnUpdate", "s", "restart", "Parallelism", "u", 2, "MaxAge", "t", UINT64_C(90), "Offline",
                                   "b", 0, "Enabled", "b", 1));
    CHECK_OK(sd_bus_message_append(m, "{sv}", "Grants", "aa{sv}", 1, 5, "Kind", "s", "secret", "ObjectID", "s", ID, "Name", "s", "web.key", "Credential",
                                   "s", "key", "Revision", "t", UINT64_C(3)));
    if (number > 0)
        append_rollout(m, number, state, copy);
    CHECK_OK(sd_bus_message_close_container(m));
}

/* All, or the one with that name or id; none that is not there. */
static bool append_services(sd_bus_message *m, const char *name)
{
    _cleanup_fclose_ FILE *f = open_file("services", "re");
    char lines[8][512] = { "web 42 done m1=succeeded=", "idle 0 -" };
    unsigned n = 2;
    bool any = false;

    if (name && strncmp(name, "id-of-", 6) == 0)
        name += 6;
    if (f)
        for (n = 0; n < ELEMENTSOF(lines) && fgets(lines[n], sizeof(lines[n]), f);)
            n++;
    for (unsigned i = 0; i < n; i++)
        if (!name || (strncmp(lines[i], name, strlen(name)) == 0 && lines[i][strlen(name)] == ' ')) {
            append_service(m, lines[i]);
            any = true;
        }
    return any;
}

static int services(sd_bus_message *m, const char *name)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

    CHECK_OK(sd_bus_message_new_method_return(m, &reply));
    if (!name)
        CHECK_OK(sd_bus_message_open_container(reply, 'a', "a{sv}"));
    if (!append_services(reply, name) && name)
        return sd_bus_reply_method_errorf(m, "org.swarm.Error.NotFound", "service %s not found", name);
    if (!name)
        CHECK_OK(sd_bus_message_close_container(reply));
    return sd_bus_message_send(reply);
}

static int uses(sd_bus_message *m)
{
    return sd_bus_reply_method_return(m, "aa{sv}", 3,
                                      11, "NodeID", "s", ID, "Hostname", "s", "m1", "Granted", "b", 1, "Unit", "s", "web@1.service", "Credential", "s",
                                      "key", "Kind", "s", "secret", "ObjectID", "s", ID, "Name", "s", "web.key", "Revision", "t", UINT64_C(2), "Newest",
                                      "b", 0, "LoadedAt", "t", UINT64_C(1700000000123456),
                                      11, "NodeID", "s", ID, "Hostname", "s", "m1", "Granted", "b", 1, "Unit", "s", "web@2\x1b.service", "Credential",
                                      "s", "key", "Kind", "s", "secret", "ObjectID", "s", ID, "Name", "s", "web.key", "Revision", "t", UINT64_C(3),
                                      "Newest", "b", 1, "LoadedAt", "t", UINT64_C(1700000000123456),
                                      3, "NodeID", "s", "zbcdefghijklmnopqrstuvwx2", "Hostname", "s", "m2", "Granted", "b", 1);
}

static unsigned confirmed_generation(void)
{
    _cleanup_fclose_ FILE *f = open_file("confirmed", "re");
    unsigned generation = 3;

    return f && fscanf(f, "%u", &generation) == 1 ? generation : 3;
}

static const char *word(const char *text)
{
    return strcmp(text, "-") == 0 ? "" : text;
}

static void append_node(sd_bus_message *m, unsigned i, const char *line)
{
    char id[32], w[5][64], lost[256] = "";
    unsigned generation, rekeyed = 0;

    CHECK(sscanf(line, "%63s %63s %63s %63s %63s %u %u %255[^\n]", w[0], w[1], w[2], w[3], w[4], &generation, &rekeyed, lost) >= 6);
    (void) snprintf(id, sizeof(id), "%cbcdefghijklmnopqrstuvwx%u", i == 0 ? 'a' : (int) ('z' + 1 - i), i + 1);
    CHECK_OK(sd_bus_message_append(m, "a{sv}", 16, "ID", "s", id, "Hostname", "s", w[0], "Address", "s", "[fe80::1]:2377", "Role", "s", w[1],
                                   "Availability", "s", "active", "Status", "s", w[2], "ManagerStatus", "s", word(w[3]), "TLSStatus", "s", w[4],
                                   "Self", "b", i == 0, "KeyGeneration", "u", generation, "Rekeyed", "u", rekeyed, "RekeyLost", "s", lost, "Labels", "a{ss}", 0, "Version", "t", UINT64_C(7),
                                   "CreatedAt", "t", UINT64_C(1700000000123456), "UpdatedAt", "t", UINT64_C(1700000001000000)));
}

/* All, or the one with that hostname; the first where there is none. */
static void append_nodes(sd_bus_message *m, const char *hostname)
{
    _cleanup_fclose_ FILE *f = open_file("nodes", "re");
    char lines[8][512] = { "m1 manager ready leader ready", "m2 manager down unreachable needs-rotation 3" };
    unsigned n = 2, chosen = 0;

    (void) snprintf(lines[0] + strlen(lines[0]), 16, " %u", confirmed_generation());
    if (f)
        for (n = 0; n < ELEMENTSOF(lines) && fgets(lines[n], sizeof(lines[n]), f);)
            n++;
    for (unsigned i = 0; i < n; i++)
        if (!hostname)
            append_node(m, i, lines[i]);
        else if (strncmp(lines[i], hostname, strlen(hostname)) == 0)
            chosen = i;
    if (hostname)
        append_node(m, chosen, lines[chosen]);
}

/* The methods that give an array, or one element of it. */
static int objects(sd_bus_message *m, const char *member, const char *name)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    bool list = strncmp(member, "List", 4) == 0;
    const char *data = strcmp(member, "InspectConfig") == 0 ? "hello\nworld" : NULL;

    CHECK_OK(sd_bus_message_new_method_return(m, &reply));
    if (list)
        CHECK_OK(sd_bus_message_open_container(reply, 'a', "a{sv}"));
    if (strstr(member, "Node"))
        append_nodes(reply, name);
    else if (strstr(member, "Keyslot"))
        append_keyslots(reply);
    else {
        append_object(reply, ID, "web.key", data);
        if (list)
            append_object(reply, "zbcdefghijklmnopqrstuvwx2", "b\x1b]0;owned\x07", data);
    }
    if (list)
        CHECK_OK(sd_bus_message_close_container(reply));
    return sd_bus_message_send(reply);
}

static int with_text_argument(sd_bus_message *m)
{
    const char *member = sd_bus_message_get_member(m), *text;

    CHECK_OK(sd_bus_message_read(m, "s", &text));
    log_call(m, text);
    if (strcmp(text, "missing") == 0)
        return sd_bus_reply_method_errorf(m, "org.swarm.Error.NotFound", "missing not found");
    if (strcmp(member, "FetchAdvertisement") == 0)
        return sd_bus_reply_method_return(m, "a{sv}", 2, "URL", "s", text, "Thumbprints", "as", 2, strcmp(text, "http://t1") == 0 ? "one" : "two",
                                          "more\x1b[2J");
    if (strncmp(member, "Remove", 6) == 0)
        return sd_bus_reply_method_return(m, "s", ID);
    if (strstr(member, "JoinToken"))
        return sd_bus_reply_method_return(m, "hs", text_fd(TOKEN), "10.0.0.1:2377");
    if (strcmp(member, "InspectService") == 0)
        return services(m, text);
    if (strcmp(member, "ListServiceUses") == 0)
        return uses(m);
    if (strcmp(member, "RetryRollout") == 0)
        return sd_bus_reply_method_return(m, NULL);
    return objects(m, member, text);
}

static int with_other_argument(sd_bus_message *m, char type)
{
    char text[16];
    uint32_t number;

    CHECK_OK(sd_bus_message_read_basic(m, type, &number));
    (void) snprintf(text, sizeof(text), "%u", number);
    log_call(m, text);
    return sd_bus_reply_method_return(m, NULL);
}

static int confirm_unlock_key(sd_bus_message *m)
{
    char arguments[64];
    uint32_t generation;
    uint64_t expires;
    FILE *f;

    CHECK_OK(sd_bus_message_read(m, "ut", &generation, &expires));
    (void) snprintf(arguments, sizeof(arguments), "%u %llu", generation, (unsigned long long) expires);
    log_call(m, arguments);
    f = open_file("confirmed", "we");
    CHECK(f && fprintf(f, "%u\n", generation) > 0 && fclose(f) == 0);
    return sd_bus_reply_method_return(m, NULL);
}

static int join(sd_bus_message *m)
{
    _cleanup_(secret_done) struct secret token = SECRET_NULL;
    char arguments[4096];
    const char *remote;
    int fd;

    CHECK_OK(sd_bus_message_read(m, "hs", &fd, &remote));
    CHECK_OK(memfd_read(fd, 4096, &token)); /* sealed */
    save_data(&token);
    (void) snprintf(arguments, sizeof(arguments), "%s", remote);
    read_options(m, arguments, sizeof(arguments));
    log_call(m, arguments);
    if (token.size != strlen(TOKEN) || memcmp(token.data, TOKEN, token.size) != 0)
        return sd_bus_reply_method_errorf(m, "org.swarm.Error.Invalid", "invalid join token");
    return sd_bus_reply_method_return(m, "a{sv}", 2, "NodeID", "s", ID, "Role", "s", "worker");
}

static int change_node(sd_bus_message *m)
{
    char arguments[8192];
    const char *node;
    int force;

    CHECK_OK(sd_bus_message_read(m, "s", &node));
    (void) snprintf(arguments, sizeof(arguments), "%s", node);
    if (strcmp(sd_bus_message_get_member(m), "RemoveNode") == 0) {
        CHECK_OK(sd_bus_message_read(m, "b", &force));
        (void) snprintf(arguments, sizeof(arguments), "%s %d", node, force);
    } else
        read_options(m, arguments, sizeof(arguments));
    log_call(m, arguments);
    if (strcmp(node, "missing") == 0)
        return sd_bus_reply_method_errorf(m, "org.swarm.Error.NotFound", "missing not found");
    return sd_bus_reply_method_return(m, "s", ID);
}

static int rekey(sd_bus_message *m)
{
    uint32_t generation;
    char text[16];

    CHECK_OK(sd_bus_message_read(m, "u", &generation));
    (void) snprintf(text, sizeof(text), "%u", generation);
    log_call(m, text);
    return sd_bus_reply_method_return(m, "u", 2);
}

static int backup(sd_bus_message *m)
{
    int fd;

    CHECK_OK(sd_bus_message_read(m, "h", &fd));
    CHECK(write(fd, "the backup", 10) == 10);
    log_call(m, "");
    return sd_bus_reply_method_return(m, "u", 3);
}

static int restore(sd_bus_message *m)
{
    _cleanup_(secret_done) struct secret key = SECRET_NULL;
    char arguments[4096] = "", text[64] = "";
    int file, fd;

    CHECK_OK(sd_bus_message_read(m, "hh", &file, &fd));
    CHECK_OK(memfd_read(fd, 4096, &key));
    save_data(&key);
    CHECK(read(file, text, sizeof(text) - 1) >= 0 && lseek(file, 0, SEEK_SET) == 0);
    (void) snprintf(arguments, sizeof(arguments), "\"%s\"", text);
    read_options(m, arguments, sizeof(arguments));
    log_call(m, arguments);
    return sd_bus_reply_method_return(m, "s", ID);
}

static const struct {
    const char *member;
    int (*run)(sd_bus_message *m);
} of_their_own[] = {
    { "Init", init }, { "Unlock", unlock }, { "ConfirmUnlockKey", confirm_unlock_key },
    { "CreateSecret", create }, { "CreateConfig", create }, { "UpdateSecret", update }, { "UpdateConfig", update },
    { "CreateService", change_service }, { "UpdateService", change_service },
    { "AddKeyslot", add_keyslot }, { "TestKeyslot", test_keyslot }, { "RefreshKeyslots", refresh_keyslots },
    { "Join", join }, { "UpdateNode", change_node }, { "RemoveNode", change_node }, { "Backup", backup }, { "Restore", restore },
    { "Rekey", rekey },
};

static int on_call(sd_bus_message *m, void *data _unused_, sd_bus_error *error _unused_)
{
    const char *member = sd_bus_message_get_member(m), *signature = sd_bus_message_get_signature(m, 1);
    int r = wanted_failure(m);

    if (r != 0) {
        log_call(m, "failed");
        return r;
    }
    for (size_t i = 0; i < ELEMENTSOF(of_their_own); i++)
        if (strcmp(member, of_their_own[i].member) == 0)
            return of_their_own[i].run(m);
    if (strcmp(signature, "s") == 0)
        return with_text_argument(m);
    if (*signature)
        return with_other_argument(m, *signature);
    log_call(m, "");
    if (strcmp(member, "Info") == 0)
        return info(m);
    if (strcmp(member, "ListServices") == 0)
        return services(m, NULL);
    if (strncmp(member, "List", 4) == 0)
        return objects(m, member, NULL);
    if (strcmp(member, "DisableAutolock") == 0)
        return sd_bus_reply_method_return(m, NULL);
    if (strcmp(member, "GetCA") == 0)
        return sd_bus_reply_method_return(m, "s", PEM);
    if (strcmp(member, "RotateCA") == 0)
        return sd_bus_reply_method_return(m, "s", DIGEST);
    if (strcmp(member, "GetUnlockKey") == 0)
        return sd_bus_reply_method_return(m, "uh", 3, text_fd(KEY));
    return sd_bus_reply_method_return(m, "uh", 4, text_fd(NEXT_KEY));
}

#define METHOD(name, in, out) SD_BUS_METHOD(name, in, out, on_call, SD_BUS_VTABLE_UNPRIVILEGED)

static const sd_bus_vtable vtable[] = {
    SD_BUS_VTABLE_START(0),
    METHOD("Info", NULL, "a{sv}"),
    METHOD("Init", "a{sv}", "a{sv}"),
    METHOD("Unlock", "h", "a{sv}"),
    METHOD("GetUnlockKey", NULL, "uh"),
    METHOD("RotateUnlockKey", NULL, "uh"),
    METHOD("ConfirmUnlockKey", "ut", NULL),
    METHOD("Rekey", "u", "u"),
    METHOD("EnableAutolock", NULL, "uh"),
    METHOD("DisableAutolock", NULL, NULL),
    METHOD("GetJoinToken", "s", "hs"),
    METHOD("RotateJoinToken", "s", "hs"),
    METHOD("Join", "hsa{sv}", "a{sv}"),
    METHOD("Leave", "b", NULL),
    METHOD("UpdateNode", "sa{sv}", "s"),
    METHOD("RemoveNode", "sb", "s"),
    METHOD("GetCA", NULL, "s"),
    METHOD("RotateCA", NULL, "s"),
    METHOD("Backup", "h", "u"),
    METHOD("Restore", "hha{sv}", "s"),
    METHOD("CreateSecret", "sa{ss}h", "s"),
    METHOD("ListSecrets", NULL, "aa{sv}"),
    METHOD("InspectSecret", "s", "a{sv}"),
    METHOD("RemoveSecret", "s", "s"),
    METHOD("CreateConfig", "sa{ss}h", "s"),
    METHOD("ListConfigs", NULL, "aa{sv}"),
    METHOD("InspectConfig", "s", "a{sv}"),
    METHOD("RemoveConfig", "s", "s"),
    METHOD("UpdateSecret", "sh", "t"),
    METHOD("UpdateConfig", "sh", "t"),
    METHOD("CreateService", "sa{sv}", "s"),
    METHOD("UpdateService", "sa{sv}", NULL),
    METHOD("ListServices", NULL, "aa{sv}"),
    METHOD("InspectService", "s", "a{sv}"),
    METHOD("RemoveService", "s", "s"),
    METHOD("RetryRollout", "s", NULL),
    METHOD("ListServiceUses", "s", "aa{sv}"),
    METHOD("ListNodes", NULL, "aa{sv}"),
    METHOD("InspectNode", "s", "a{sv}"),
    METHOD("ListKeyslots", NULL, "aa{sv}"),
    METHOD("FetchAdvertisement", "s", "a{sv}"),
    METHOD("AddKeyslot", "sa{sv}", "a{sv}"),
    METHOD("TestKeyslot", "ia{sv}", "a{sv}"),
    METHOD("RemoveKeyslot", "i", NULL),
    METHOD("RefreshKeyslots", "a{sv}", "aa{sv}"),
    SD_BUS_VTABLE_END,
};

int main(int argc, char *argv[])
{
    sd_bus *bus;

    CHECK(argc == 2);
    folder = argv[1];
    CHECK_OK(secret_init());
    CHECK_OK(sd_bus_open_system(&bus));
    CHECK_OK(sd_bus_add_object_vtable(bus, NULL, "/org/swarm/Manager1", "org.swarm.Manager1", vtable, NULL));
    CHECK_OK(sd_bus_request_name(bus, "org.swarm.Manager1", 0));
    (void) printf("ready\n");
    (void) fflush(stdout);
    for (;;) {
        CHECK_OK(sd_bus_process(bus, NULL));
        CHECK_OK(sd_bus_wait(bus, UINT64_MAX));
    }
}
