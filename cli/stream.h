#ifndef SLUICE_CLI_STREAM_H
#define SLUICE_CLI_STREAM_H
/* Following a run over its event stream, from its creation or from some event on, to its end. */
#include "cli/creation.h"

struct stream_options {
    const struct creation *creation; /* NULL: the run exists */
    const char *run_id;              /* of one that exists */
    uint64_t after;                  /* the last event that is not wanted */
    bool as_json;                    /* NDJSON in place of text */
};

/* Returns the exit code. */
int stream_run(struct session *s, const struct stream_options *options);
#endif
