#ifndef SLUICE_BASE_CLOCK_H
#define SLUICE_BASE_CLOCK_H
/* The times, and the seam through which a test owns them.
 *
 * Monotonic time drives every delay and deadline; wall time only stamps what is stored or told. It
 * may be set, so what has to outlive the process is measured with steady time (clock_stamp_ms). Any
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

/* The first moment of 2025: this program is younger. A wall clock that says less is wrong, and what
 * was stamped by it tells no age. */
#define CLOCK_FLOOR_MS INT64_C(1735689600000)

/* From no moment in particular; goes on while the machine sleeps, and cannot be set. */
int64_t clock_steady_ms(const struct clock_fake *fake);

/* How far wall time is ahead of steady time: of the real clocks as the process found it when it
 * first asked, so that all that is stamped in one process agrees; of a fake as it is now. */
int64_t clock_wall_ahead_ms(const struct clock_fake *fake);

/* Now, as this process stamps what it stores (loop_wall_ms is the same for a loop): what is
 * compared with a stamp is compared with this, never with a clock that somebody may have set
 * meanwhile. */
int64_t clock_stamp_ms(void);

enum { CLOCK_TEXT = 24 }; /* "2026-08-01T12:00:00.000Z", no NUL */

/* RFC 3339 in UTC with milliseconds; years 0 to 9999, others are clamped. */
void clock_format(int64_t wall_ms, char ret_text[CLOCK_TEXT]);

/* Reads RFC 3339 with any offset and up to nine fractional digits; false if it is not that. */
bool clock_parse(struct str text, int64_t *ret_wall_ms);
#endif
