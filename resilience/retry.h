#ifndef SLUICE_RESILIENCE_RETRY_H
#define SLUICE_RESILIENCE_RETRY_H
/* After a failed attempt: try again, and when, or give up, and why.
 *
 * The caller has ruled out what it alone knows (output was published and may not be restarted, the
 * run is being cancelled). Pure: time and randomness are passed in; a budget is changed only by a
 * RETRY_AGAIN. */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rng.h"
#include "resilience/backoff.h"
#include "resilience/retry_budget.h"

/* A set of error codes, one bit each. */
#define RETRY_ON(code) (UINT64_C(1) << (code))
_Static_assert(ERR_COUNT_ < 64, "the set of errors to retry on is one word, with a bit to spare");

/* Beside the codes: a failure of whatever code that passes by itself (409, 425). No policy that
 * names its codes has it. */
#define RETRY_ON_PASSING (UINT64_C(1) << 63)

/* Failures of the provider that another attempt may not meet: all provider_* but provider_auth, and
 * what passes. */
#define RETRY_ON_DEFAULT                                                                           \
    (RETRY_ON(ERR_PROVIDER_UNREACHABLE) | RETRY_ON(ERR_PROVIDER_RATE_LIMITED) |                    \
     RETRY_ON(ERR_PROVIDER_OVERLOADED) | RETRY_ON(ERR_PROVIDER_ERROR) |                            \
     RETRY_ON(ERR_PROVIDER_TIMEOUT) | RETRY_ON(ERR_PROVIDER_BAD_RESPONSE) | RETRY_ON_PASSING)

enum { RETRY_MAX_HINT_MS = 3600000 };

struct retry_policy {
    uint32_t attempts; /* the first one included; 0 is taken as 1 */
    struct backoff_policy backoff;
    uint64_t on;          /* a set of RETRY_ON, and RETRY_ON_PASSING */
    uint64_t max_hint_ms; /* a server that asks for more is taken to ask for this */
};

/* API section 7: three attempts, 1 s doubling to 30 s, full jitter. */
struct retry_policy retry_policy_default(void);

/* What an attempt left behind. */
struct retry_failure {
    enum err code;
    uint32_t attempt; /* of its call, from 1 */
    uint64_t hint_ms; /* what the server asked for (Retry-After), 0 if nothing */
    bool passes;      /* its code does not say so, but its status does */
};

enum retry_verdict {
    RETRY_AGAIN,         /* at *ret_at_ms */
    RETRY_NOT_RETRYABLE, /* another attempt would fail the same way */
    RETRY_EXHAUSTED,     /* that was the last attempt */
    RETRY_PAST_DEADLINE, /* it could only start at or past the deadline */
    RETRY_BUDGET_EMPTY,  /* the provider's calls have caused enough retries */
};

/* A draw that falls past the deadline is repeated within what the deadline leaves. `deadline_ms` is
 * monotonic, UINT64_MAX if none. `budget` may be NULL: none. */
enum retry_verdict retry_decide(const struct retry_policy *policy,
                                const struct retry_failure *failure, uint64_t deadline_ms,
                                struct retry_budget *budget, uint64_t now_ms, struct rng *rng,
                                uint64_t *ret_at_ms);
#endif
