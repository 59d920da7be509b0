#ifndef SLUICE_RESILIENCE_RETRY_BUDGET_H
#define SLUICE_RESILIENCE_RETRY_BUDGET_H
/* How many retries a provider's calls may cause together, so that an outage is not multiplied.
 *
 * An account: it starts with a reserve of 10 retries, every call (its first attempt, once it was
 * made) pays in `ratio` of a retry, every retry takes out a whole one, and what is in it is cut to
 * the reserve and what the calls of the last 10 s paid in, so that a quiet night does not save up
 * for a storm. Two laws follow, whatever fails:
 *   - in its life, attempts <= calls + ratio * calls + 10;
 *   - in any stretch of time, retries <= 10 + ratio * calls of that stretch and the 10 s before it.
 * The reserve is not topped up by time, only by calls. A retry that is cancelled before it starts
 * stays paid. Compare Finagle's RetryBudget.
 *
 * Pure data, embedded by its owner and guarded by the owner's lock. Time is monotonic ms. Life:
 * retry_budget_init, any calls, no end. */
#include <stdbool.h>
#include <stdint.h>

#include "resilience/window.h"

enum { RETRY_BUDGET_RESERVE = 10, RETRY_BUDGET_WINDOW_MS = 10000 };

struct retry_budget {
    uint64_t deposit; /* a call's, in millionths of a retry */
    uint64_t balance; /* likewise */
    struct window calls;
};

/* `ratio`: retries per call, 0 to 100 (cut to that); kept to a millionth. */
void retry_budget_init(struct retry_budget *b, double ratio);
void retry_budget_configure(struct retry_budget *b, double ratio); /* the balance stays */

/* A call's first attempt was made. */
void retry_budget_call(struct retry_budget *b, uint64_t now_ms);

/* Pays for a retry; false: there is not enough for one. */
bool retry_budget_take(struct retry_budget *b, uint64_t now_ms);
#endif
