#ifndef SLUICE_CLI_CREATION_H
#define SLUICE_CLI_CREATION_H
/* Making a run, and what is done with it then: it is left alone (--detach), waited for (--json), or
 * followed. */
#include "cli/session.h"

/* A request that the gateway answers with a new run. Borrowed. */
struct creation {
    const char *path;
    struct str body; /* JSON; NULL: none */
};

/* --detach and --json as a command's options have them; both is a usage error. Returns the exit
 * code. */
int creation_run(struct session *s, const struct options *options, const struct creation *creation);

#define CREATION_OPTIONS                                                                           \
    {"detach", OPTION_DETACH, OPTION_FLAG, NULL, "print the run's id and leave", NULL},            \
    {                                                                                              \
        "json", OPTION_JSON, OPTION_FLAG, NULL, "wait, and print the finished run as JSON", NULL   \
    }
#endif
