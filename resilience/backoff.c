#include "resilience/backoff.h"

#include <math.h>

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

uint64_t backoff_ceiling_ms(const struct backoff_policy *policy, uint32_t n)
{
    if (policy->base_ms == 0)
        return 0; /* and not 0 * infinity */
    double ms = policy->base_ms * pow(policy->factor, n);
    return ms < policy->max_ms ? (uint64_t)ms : policy->max_ms;
}

uint64_t backoff_floor_ms(const struct backoff_policy *policy, uint32_t n, uint64_t hint_ms)
{
    if (policy->jitter == BACKOFF_NONE)
        return max_u64(backoff_ceiling_ms(policy, n), hint_ms);
    return hint_ms;
}

uint64_t backoff_delay_ms(const struct backoff_policy *policy, uint32_t n, uint64_t hint_ms,
                          struct rng *rng)
{
    if (policy->jitter == BACKOFF_NONE)
        return backoff_floor_ms(policy, n, hint_ms);
    uint64_t drawn_ms = rng_below(rng, backoff_ceiling_ms(policy, n) + 1);
    return max_u64(drawn_ms, hint_ms) + rng_below(rng, hint_ms / 10 + 1);
}
