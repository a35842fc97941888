/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>

#include "ctl/args.h"
#include "ctl/help.h"
#include "ctl/json.h"
#include "ctl/output.h"
#include "ctl/report.h"
#include "ctl/status.h"

/* A descriptor that is closed would be given to the next thing opened, and keys would be written to the bus: there reading and writing fail
 * instead. */
static int guard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            return -1;
    return 0;
}

/* Keys and data pass through: no core dump, no debugger of the same user. Leak checkers work by ptrace. */
static void guard_memory(void)
{
#if !defined(__SANITIZE_ADDRESS__)
    (void) prctl(PR_SET_DUMPABLE, 0);
#endif
}

static int run(const struct args *args, struct error *e)
{
    _cleanup_(caller_done) struct caller caller = CALLER_NULL;
    struct error late;
    int r, f;

    if (args->on[OPTION_HELP])
        help_print(args);
    else if (args->on[OPTION_VERSION])
        output_print("swarmctl %s\n", PROJECT_VERSION);
    else {
        r = caller_open(&caller, args->command->service ? args->command->service : &service_manager, !args->on[OPTION_NO_ASK_PASSWORD], e);
        if (r == STATUS_OK)
            r = args->command->run(args, &caller, e);
        if (r != STATUS_OK) {
            (void) output_finish(NULL);
            return r;
        }
    }
    f = output_finish(&late);
    if (f != STATUS_OK)
        *e = late;
    return f;
}

int main(int argc, char *argv[])
{
    struct error e = { "" };
    struct args args;
    int r;

    if (guard_descriptors() < 0)
        return STATUS_FAILED;
    guard_memory();
    (void) signal(SIGPIPE, SIG_IGN); /* a reader gone is an error to handle: the key was not seen */
    json_init();
    if (secret_init() < 0 || output_init() < 0) {
        (void) fprintf(stderr, "Error: no memory for secrets\n");
        return STATUS_FAILED;
    }
    r = args_parse(argc, argv, &args, &e);
    if (r == STATUS_OK) {
        r = run(&args, &e);
        args_done(&args);
    }
    report_error(&e);
    return r;
}
