/* sluice retry: a new run of what an old one has not finished. */
#include "cli/creation.h"

static const struct option_spec options[] = {
    CREATION_OPTIONS,
    {.name = NULL},
};

static int retry(struct session *s, const struct options *o)
{
    struct buf path;
    int code = CLI_FAILED;
    session_run_path(&path, o->arguments[0], "/retry");
    if (buf_ok(&path) == OK)
        code = creation_run(s, o, &(struct creation){.path = path.data});
    buf_fini(&path);
    return code;
}

static int run(const struct options *o)
{
    return session_run_on_id(o, retry);
}

const struct command command_retry = {
    .name = "retry",
    .arguments = "ID",
    .summary = "run again what a run has not finished",
    .notes =
        "Makes a new run of one that has failed, was cancelled or has timed out: what succeeded in it is\n"
        "taken over, the rest runs anew. Shown, left and waited for as \"sluice run\" does.",
    .options = options,
    .min_arguments = 1,
    .max_arguments = 1,
    .asks_server = true,
    .run = run,
};
