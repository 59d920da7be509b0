#ifndef SLUICE_CLI_RESTORE_H
#define SLUICE_CLI_RESTORE_H
/* While lines are drawn on a terminal its cursor rests at the first of them: a signal that ends or
 * stops the process must not leave it there, for the shell to write over the lines.
 *
 * The process has one: signals have no owner. Takes SIGTERM, SIGHUP, SIGQUIT and SIGTSTP from the
 * first restore_arm on; each does what it always did, after the cursor was moved. Main thread; only
 * restore_now may be called by a signal's handler. */
#include <stdbool.h>
#include <stdint.h>

/* `rows` lines are drawn on `fd`; 0: as restore_disarm. */
void restore_arm(int fd, uint32_t rows);
void restore_disarm(void);

/* Moves the cursor below the lines, if any are drawn. */
void restore_now(void);

/* Has it been moved since the last call, in a process that was stopped and goes on? The lines are
 * not where they were then. */
bool restore_was_used(void);
#endif
