/* sluice help: the help page of a command, or of all. */
#include "cli/command.h"

static int run(const struct options *o)
{
    if (o->argument_count == 0) {
        cli_usage(stdout);
        return CLI_SUCCEEDED;
    }
    if (cli_help(o->arguments[0], stdout))
        return CLI_SUCCEEDED;
    fprintf(stderr, "sluice help: there is no command of that name\n");
    return CLI_USAGE;
}

const struct command command_help = {
    .name = "help",
    .arguments = "[COMMAND]",
    .summary = "explain a command",
    .max_arguments = 1,
    .run = run,
};
