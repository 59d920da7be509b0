#ifndef SLUICE_CLI_RESULT_H
#define SLUICE_CLI_RESULT_H
/* How a run ended, in words and as an exit code. Stateless. */
#include "cli/session.h"

/* By the `state` of a run; CLI_FAILED where it has not ended, or cannot be read. */
int result_exit(struct json run);

/* Has it ended? */
bool result_is_final(struct json run);

/* Appends an `error` as lines that end: "provider_error: MESSAGE", and one for each entry of its
 * group. Nothing for null. */
void result_add_error(struct buf *b, struct json error);

/* The output of a run that succeeded, a text as it is, anything else as JSON; fetched where the run
 * only refers to it. */
bool result_print_output(struct session *s, struct json run, int *ret_exit);

/* What is left to say of a run whose events were shown, and the exit code. */
int result_show(struct session *s, struct json run, bool wants_output);
#endif
