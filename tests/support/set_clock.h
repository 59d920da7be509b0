#ifndef SLUICE_TESTS_SUPPORT_SET_CLOCK_H
#define SLUICE_TESTS_SUPPORT_SET_CLOCK_H
/* Somebody sets the machine's wall clock, as far as this process can see: clock_gettime is this
 * file's in the whole test program, and moves CLOCK_REALTIME only. */
#include <stdint.h>

void set_clock_ahead(int64_t ms); /* of the true time from now on; 0 at the start. Any thread. */
#endif
