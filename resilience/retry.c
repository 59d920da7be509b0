#include "resilience/retry.h"

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

struct retry_policy retry_policy_default(void)
{
    return (struct retry_policy){
        .attempts = 3,
        .backoff = {.base_ms = 1000, .factor = 2.0, .max_ms = 30000, .jitter = BACKOFF_FULL},
        .on = RETRY_ON_DEFAULT,
        .max_hint_ms = RETRY_MAX_HINT_MS,
    };
}

enum retry_verdict retry_decide(const struct retry_policy *policy,
                                const struct retry_failure *failure, uint64_t deadline_ms,
                                struct retry_budget *budget, uint64_t now_ms, struct rng *rng,
                                uint64_t *ret_at_ms)
{
    uint64_t is = RETRY_ON(failure->code) | (failure->passes ? RETRY_ON_PASSING : 0);
    if ((policy->on & is) == 0)
        return RETRY_NOT_RETRYABLE;
    if (failure->attempt >= policy->attempts)
        return RETRY_EXHAUSTED;

    const struct backoff_policy *backoff = &policy->backoff;
    uint32_t n = failure->attempt > 0 ? failure->attempt - 1 : 0;
    uint64_t hint_ms = min_u64(failure->hint_ms, policy->max_hint_ms);
    uint64_t left_ms = deadline_ms > now_ms ? deadline_ms - now_ms : 0;
    uint64_t floor_ms = backoff_floor_ms(backoff, n, hint_ms);
    if (floor_ms >= left_ms)
        return RETRY_PAST_DEADLINE;
    if (budget != NULL && !retry_budget_take(budget, now_ms))
        return RETRY_BUDGET_EMPTY;

    uint64_t delay_ms = backoff_delay_ms(backoff, n, hint_ms, rng);
    if (delay_ms >= left_ms)
        delay_ms = floor_ms + rng_below(rng, left_ms - floor_ms);
    *ret_at_ms = now_ms + delay_ms;
    return RETRY_AGAIN;
}
