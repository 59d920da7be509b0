#ifndef SLUICE_CLI_AWAIT_H
#define SLUICE_CLI_AWAIT_H
/* Creating a run and waiting for its end without its events. */
#include "cli/session.h"

/* Creates a run with that body, waits, prints the finished run as JSON; returns the exit code. */
int await_run(struct session *s, struct str create);
#endif
