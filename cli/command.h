#ifndef SLUICE_CLI_COMMAND_H
#define SLUICE_CLI_COMMAND_H
/* A command as a row: what help, completion and the option parser know of it, and the function that
 * runs it.
 *
 * Each command is a file, cmd_NAME.c, that defines its row; cli.c lists the rows. Immutable. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/options.h"

struct command {
    const char *name;
    const char *arguments; /* as help shows them: "ID"; "" for none */
    const char *actions;   /* words between blanks that its first argument may be; NULL: any */
    const char *summary;   /* one line */
    const char *notes;     /* the rest of its help; NULL: nothing */
    const struct option_spec *options;
    uint32_t min_arguments, max_arguments;
    bool asks_server;                          /* takes --server */
    int (*run)(const struct options *options); /* NULL: one of the server's own */
};

extern const struct command command_run;
extern const struct command command_watch;
extern const struct command command_ls;
extern const struct command command_show;
extern const struct command command_cancel;
extern const struct command command_retry;
extern const struct command command_agents;
extern const struct command command_workflows;
extern const struct command command_providers;
extern const struct command command_backup;
extern const struct command command_completion;
extern const struct command command_help;

/* All commands in the order of the help page; NULL behind the last. */
const struct command *command_at(uint32_t i);
const struct command *command_find(const char *name);

/* The states that `--state` takes, in the words of the API. */
extern const char command_states[];
#endif
