/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/args.h"
#include "ctl/status.h"
#include "test.h"

#define WORDS_MAX 400

/* Of "swarmctl" and line, split at spaces. */
static int parse(const char *line, struct args *ret, struct error *e)
{
    static char copies[8][4096]; /* what args point into */
    static unsigned next;
    char *copy = copies[next++ % ELEMENTSOF(copies)], *argv[WORDS_MAX] = { (char *) "swarmctl" };
    int argc = 1;

    (void) snprintf(copy, sizeof(copies[0]), "%s", line);
    for (char *p = strtok(copy, " "); p; p = strtok(NULL, " ")) {
        CHECK(argc < WORDS_MAX - 1);
        argv[argc++] = p;
    }
    return args_parse(argc, argv, ret, e);
}

static void refused(const char *line, const char *wanted)
{
    struct args a = { .n_labels = 77 };
    struct error e = { "" };

    if (parse(line, &a, &e) != STATUS_USAGE || !strstr(e.text, wanted)) {
        (void) fprintf(stderr, "%s: %s\n", line, e.text);
        exit(1);
    }
    CHECK(a.n_labels == 77); /* untouched */
}

static struct args taken(const char *line)
{
    struct args a;
    struct error e = { "" };

    if (parse(line, &a, &e) != STATUS_OK) {
        (void) fprintf(stderr, "%s: %s\n", line, e.text);
        exit(1);
    }
    return a;
}

static void test_switches(void)
{
    static const struct {
        const char *line;
        bool set, on;
    } cases[] = {
        { "init", false, false },
        { "init --autolock", true, true },
        { "init --autolock=true", true, true },
        { "init --autolock=0", true, false },
        { "update --autolock=false", true, false },
        { "update --autolock=F", true, false },
        { "update --autolock=false --autolock", true, true },
        { "--json update --autolock", true, true },
    };

    for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
        _cleanup_(args_done) struct args a = taken(cases[i].line);

        CHECK(a.is_set[OPTION_AUTOLOCK] == cases[i].set && a.on[OPTION_AUTOLOCK] == cases[i].on);
    }
    refused("update --autolock=maybe", "true or false");
    refused("update --autolock=", "true or false");
    refused("update --autolock true", "no arguments");
    refused("unlock --autolock", "unknown option");
    refused("--autolock update", "unknown option");
    refused("unlock-key -qx", "unknown option");
}

static void test_values(void)
{
    _cleanup_(args_done) struct args a = taken("init --advertise-addr eth0 --listen-addr=[::]:2377");
    _cleanup_(args_done) struct args b = taken("secret create -l a=1 -lb=x=y -l=c --label d= name -");
    _cleanup_(args_done) struct args c = taken("config inspect -- -q --json");

    CHECK(strcmp(a.value[OPTION_ADVERTISE_ADDR], "eth0") == 0 && strcmp(a.value[OPTION_LISTEN_ADDR], "[::]:2377") == 0);
    CHECK(b.n_labels == 4 && strcmp(b.labels[1], "b=x=y") == 0 && strcmp(b.labels[2], "c") == 0 && strcmp(b.labels[3], "d=") == 0);
    CHECK(b.n_operands == 2 && strcmp(b.operands[1], "-") == 0);
    CHECK(c.n_operands == 2 && !c.on[OPTION_QUIET] && !c.on[OPTION_JSON] && strcmp(c.operands[0], "-q") == 0);
    refused("secret create name -l", "needs a value");
    refused("init --listen-addr", "needs a value");
    refused("secret create -l =v name", "no KEY");
    refused("secret create -l= name", "no KEY");
}

static void test_too_many_labels(void)
{
    char line[4096] = "secret create name";

    for (int i = 0; i < ARGS_LABELS_MAX; i++)
        (void) snprintf(line + strlen(line), sizeof(line) - strlen(line), " -l k%d=v", i);
    {
        _cleanup_(args_done) struct args a = taken(line);

        CHECK(a.n_labels == ARGS_LABELS_MAX);
    }
    strcat(line, " -l more=v");
    refused(line, "too many labels");
}

static void test_thumbprints(void)
{
    char line[1024] = "keyslot add tang http://t1 --threshold=1";

    for (int i = 0; i < ARGS_THUMBPRINTS_MAX; i++)
        (void) snprintf(line + strlen(line), sizeof(line) - strlen(line), " --thumbprint t%d", i);
    {
        _cleanup_(args_done) struct args a = taken(line);

        CHECK(a.n_thumbprints == ARGS_THUMBPRINTS_MAX && strcmp(a.thumbprints[1], "t1") == 0 && !a.thumbprints[ARGS_THUMBPRINTS_MAX]);
        CHECK(a.n_operands == 2 && strcmp(a.value[OPTION_THRESHOLD], "1") == 0);
    }
    strcat(line, " --thumbprint more");
    refused(line, "too many thumbprints");
}

static void test_repeated(void)
{
    _cleanup_(args_done) struct args a = taken("service create --secret a --config=b --secret c:d web --constraint e==f --unit=g.service");
    const char *texts[ARGS_TEXTS_MAX];
    char line[4096] = "service update web";

    CHECK(args_texts(&a, OPTION_SECRET, texts) == 2 && strcmp(texts[0], "a") == 0 && strcmp(texts[1], "c:d") == 0);
    CHECK(args_texts(&a, OPTION_CONFIG, texts) == 1 && args_texts(&a, OPTION_CONSTRAINT, texts) == 1 && strcmp(texts[0], "e==f") == 0);
    CHECK(args_texts(&a, OPTION_SECRET_ADD, texts) == 0 && strcmp(a.value[OPTION_UNIT], "g.service") == 0);
    for (int i = 0; i < ARGS_TEXTS_MAX; i++)
        (void) snprintf(line + strlen(line), sizeof(line) - strlen(line), " --secret-%s s", i % 2 == 0 ? "add" : "rm");
    {
        _cleanup_(args_done) struct args b = taken(line);

        CHECK(args_texts(&b, OPTION_SECRET_ADD, texts) == ARGS_TEXTS_MAX / 2 && args_texts(&b, OPTION_SECRET_RM, texts) == ARGS_TEXTS_MAX / 2);
    }
    strcat(line, " --config-add more");
    refused(line, "too many options");
    refused("service create web --secret", "needs a value");
}

static void test_commands(void)
{
    _cleanup_(args_done) struct args list = taken("secret list -q");
    _cleanup_(args_done) struct args ls = taken("secret ls --quiet");
    _cleanup_(args_done) struct args help = taken("help config rm");
    _cleanup_(args_done) struct args group_help = taken("node --help");
    _cleanup_(args_done) struct args version = taken("--version");

    CHECK(list.command && list.command == ls.command && list.on[OPTION_QUIET] && ls.on[OPTION_QUIET]);
    CHECK(help.on[OPTION_HELP] && help.command && strcmp(help.command->name, "rm") == 0);
    CHECK(group_help.on[OPTION_HELP] && !group_help.command && strcmp(group_help.group, "node") == 0);
    CHECK(version.on[OPTION_VERSION]);
    refused("", "a command is missing");
    refused("secret", "a command is missing");
    refused("secret destroy x", "unknown command: swarmctl secret destroy");
    refused("ls", "unknown command");
    refused("secret create", "NAME [FILE|-]");
    refused("secret create a b c", "NAME [FILE|-]");
    refused("secret inspect", "NAME|ID");
    refused("join-token", "worker|manager");
    refused("info x", "no arguments");
}

int main(void)
{
    test_switches();
    test_values();
    test_too_many_labels();
    test_thumbprints();
    test_repeated();
    test_commands();
    return 0;
}
