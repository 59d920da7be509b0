/* sluice watch: follows a run that exists, from its first event or from a later one. */
#include "cli/stream.h"

static const struct option_spec options[] = {
    {"after", OPTION_AFTER, OPTION_NUMBER, "N", "only what comes after event number N", NULL},
    {"json", OPTION_JSON, OPTION_FLAG, NULL, "print the events as they are, one a line", NULL},
    {.name = NULL},
};

static int watch(struct session *s, const struct options *o)
{
    struct stream_options stream = {.run_id = o->arguments[0],
                                    .after = o->number[OPTION_AFTER],
                                    .as_json = o->given[OPTION_JSON]};
    return stream_run(s, &stream);
}

static int run(const struct options *o)
{
    return session_run_on_id(o, watch);
}

const struct command command_watch = {
    .name = "watch",
    .arguments = "ID",
    .summary = "follow a run, from the start or from where you left it",
    .notes = "Exits as \"sluice run\" does. Ctrl-C leaves the run as it is (exit code 130).",
    .options = options,
    .min_arguments = 1,
    .max_arguments = 1,
    .asks_server = true,
    .run = run,
};
