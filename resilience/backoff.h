#ifndef SLUICE_RESILIENCE_BACKOFF_H
#define SLUICE_RESILIENCE_BACKOFF_H
/* How long to wait before trying again: exponential, with full jitter, never less than the server
 * asked for.
 *
 *     ceiling(n) = min(max, base * factor^n)           n = 0 before the first retry
 *     delay(n)   = max(U(0, ceiling(n)), hint) + U(0, hint / 10)
 *
 * Without jitter both draws are replaced: by the ceiling itself, and by nothing. The draw above the
 * hint is there because everybody was told the same hint. Brooker, Exponential Backoff And Jitter,
 * AWS, 2015. Pure functions; any thread with its own rng. */
#include <stdint.h>

#include "base/rng.h"

enum backoff_jitter { BACKOFF_FULL, BACKOFF_NONE };

struct backoff_policy {
    uint32_t base_ms;
    double factor; /* >= 1 */
    uint32_t max_ms;
    enum backoff_jitter jitter;
};

/* The longest delay before retry `n` where the server asked for none. */
uint64_t backoff_ceiling_ms(const struct backoff_policy *policy, uint32_t n);

/* The shortest: what the server asked for, and all of the ceiling where there is no jitter. */
uint64_t backoff_floor_ms(const struct backoff_policy *policy, uint32_t n, uint64_t hint_ms);

/* `hint_ms`: what the server asked for, clamped by the caller; 0 if nothing. */
uint64_t backoff_delay_ms(const struct backoff_policy *policy, uint32_t n, uint64_t hint_ms,
                          struct rng *rng);
#endif
