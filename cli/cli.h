#ifndef SLUICE_CLI_CLI_H
#define SLUICE_CLI_CLI_H
/* The command-line client: every command but those that are the server's own.
 *
 * server/main.c runs `serve`, `check`, `doctor` and `version` itself and hands every other word to
 * cli_main. The table behind these functions holds those too, so that help and shell completion are
 * made in one place.
 *
 * One command per process, on the main thread. It sets the disposition of SIGPIPE, and of SIGINT
 * where a run is followed. */
#include <stdbool.h>
#include <stdio.h>

/* What the process exits with (API §9). */
enum cli_exit {
    CLI_SUCCEEDED = 0,
    CLI_FAILED = 1, /* the run failed; the answer was refused or cannot be read */
    CLI_USAGE = 2,  /* the command line, or what the gateway says of the request made from it */
    CLI_NO_SERVER = 3,
    CLI_CANCELLED = 4,
    CLI_TIMED_OUT = 5,
    CLI_LEFT =
        130, /* the client went away from a run that goes on: Ctrl-C twice, or a closed pipe */
};

/* Runs one client command; `argv` is what follows its name. An unknown command is a usage error. */
int cli_main(const char *command, int argc, char **argv);

/* Is it a command of cli_main? False for the server's own. */
bool cli_knows(const char *command);

/* `sluice --help`: all commands, the server's own included. */
void cli_usage(FILE *out);

/* `sluice COMMAND --help`, also for the server's own. False: there is no such command. */
bool cli_help(const char *command, FILE *out);
#endif
