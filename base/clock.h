#ifndef SLUICE_BASE_CLOCK_H
#define SLUICE_BASE_CLOCK_H
/* The times, and the seam through which a test owns them.
 *
 * Monotonic time drives every delay and deadline; wall time only stamps what is stored or told. It
 * may be set, so what has to outlive the process is measured with steady time (loop_wall_ms). Any
 * thread; a fake clock is moved by one test thread. */
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct clock_fake {
    uint64_t mono_ns;
    int64_t wall_ms;
};

/* NULL stands for the real clocks everywhere. */
uint64_t clock_mono_ns(const struct clock_fake *fake);
uint64_t clock_mono_ms(const struct clock_fake *fake);
int64_t clock_wall_ms(const struct clock_fake *fake); /* since 1970, UTC */

/* From no moment in particular; goes on while the machine sleeps, and cannot be set. */
int64_t clock_steady_ms(const struct clock_fake *fake);

enum { CLOCK_TEXT = 24 }; /* "2026-08-01T12:00:00.000Z", no NUL */

/* RFC 3339 in UTC with milliseconds; years 0 to 9999, others are clamped. */
void clock_format(int64_t wall_ms, char ret_text[CLOCK_TEXT]);

/* Reads RFC 3339 with any offset and up to nine fractional digits; false if it is not that. */
bool clock_parse(struct str text, int64_t *ret_wall_ms);
#endif
