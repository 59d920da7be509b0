#ifndef SLUICE_CLI_AWAIT_H
#define SLUICE_CLI_AWAIT_H
/* Creating a run and waiting for its end without its events. */
#include "cli/creation.h"

/* Makes the run, waits, prints the finished run as JSON; returns the exit code. */
int await_run(struct session *s, const struct creation *creation);
#endif
