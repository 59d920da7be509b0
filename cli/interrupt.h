#ifndef SLUICE_CLI_INTERRUPT_H
#define SLUICE_CLI_INTERRUPT_H
/* Ctrl-C as something that can be polled for, so that it wakes a client that waits for the network.
 *
 * The process has one: signals have no owner. Main thread. The third one ends the process at once,
 * whatever it hangs on. */
#include <stdint.h>

#include "base/err.h"

/* From now on SIGINT is counted and does not end the process. ERR_IO where there is no descriptor
 * left. */
enum err interrupt_catch(void) MUST_CHECK;

/* Readable while an interrupt is not taken; -1 before interrupt_catch. */
int interrupt_fd(void);

/* How many have come since the last call. */
uint32_t interrupt_take(void);
#endif
