#include "resilience/token_bucket.h"

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static struct token_bucket_policy within_bounds(const struct token_bucket_policy *policy)
{
    struct token_bucket_policy p = *policy;
    p.rate = min_u64(p.rate, TOKEN_BUCKET_MAX_TOKENS);
    p.burst = p.burst == 0 ? p.rate : min_u64(p.burst, TOKEN_BUCKET_MAX_TOKENS);
    p.period_ms = p.period_ms == 0 ? 1 : (uint32_t)min_u64(p.period_ms, TOKEN_BUCKET_MAX_PERIOD_MS);
    return p;
}

/* Tokens in the unit of the level. */
static int64_t units(const struct token_bucket *b, uint64_t tokens)
{
    return (int64_t)(min_u64(tokens, TOKEN_BUCKET_MAX_TOKENS) * b->policy.period_ms);
}

static int64_t full(const struct token_bucket *b)
{
    return units(b, b->policy.burst);
}

static int64_t level_at(const struct token_bucket *b, uint64_t now_ms)
{
    if (now_ms <= b->at_ms || !token_bucket_is_on(b))
        return b->level;
    uint64_t elapsed_ms = now_ms - b->at_ms;
    uint64_t missing = (uint64_t)(full(b) - b->level);
    if (elapsed_ms > missing / b->policy.rate)
        return full(b);
    return b->level + (int64_t)(elapsed_ms * b->policy.rate);
}

static void refill(struct token_bucket *b, uint64_t now_ms)
{
    if (now_ms <= b->at_ms)
        return;
    b->level = level_at(b, now_ms);
    b->at_ms = now_ms;
}

/* The only writer of `level` but for the refill. */
static void set_level(struct token_bucket *b, int64_t level)
{
    int64_t most = full(b);
    b->level = level > most ? most : level < -most ? -most : level;
}

void token_bucket_init(struct token_bucket *b, const struct token_bucket_policy *policy,
                       uint64_t now_ms)
{
    *b = (struct token_bucket){.policy = within_bounds(policy), .at_ms = now_ms};
    set_level(b, full(b));
}

/* The same tokens in the unit of another period, rounded down. */
static int64_t convert(int64_t level, int64_t old_period_ms, int64_t new_period_ms)
{
    int64_t whole = level / old_period_ms;
    int64_t rest = level % old_period_ms;
    if (rest < 0) {
        whole--;
        rest += old_period_ms;
    }
    return whole * new_period_ms + rest * new_period_ms / old_period_ms;
}

void token_bucket_configure(struct token_bucket *b, const struct token_bucket_policy *policy,
                            uint64_t now_ms)
{
    bool was_on = token_bucket_is_on(b);
    uint32_t old_period_ms = b->policy.period_ms;
    refill(b, now_ms);
    b->policy = within_bounds(policy);
    set_level(b, was_on ? convert(b->level, old_period_ms, b->policy.period_ms) : full(b));
}

bool token_bucket_is_on(const struct token_bucket *b)
{
    return b->policy.rate > 0;
}

uint64_t token_bucket_burst(const struct token_bucket *b)
{
    return token_bucket_is_on(b) ? b->policy.burst : 0;
}

bool token_bucket_fits(const struct token_bucket *b, uint64_t cost)
{
    return !token_bucket_is_on(b) || cost <= b->policy.burst;
}

static uint64_t refilled_at_ms(const struct token_bucket *b, uint64_t cost)
{
    int64_t missing = units(b, cost) - b->level;
    if (missing <= 0 || !token_bucket_is_on(b))
        return 0;
    uint64_t rate = b->policy.rate;
    return b->at_ms + ((uint64_t)missing + rate - 1) / rate;
}

uint64_t token_bucket_wait_ms(const struct token_bucket *b, uint64_t cost, uint64_t now_ms)
{
    if (!token_bucket_fits(b, cost))
        return TOKEN_BUCKET_NEVER;
    uint64_t at_ms = refilled_at_ms(b, cost);
    if (at_ms < b->held_until_ms)
        at_ms = b->held_until_ms;
    return at_ms > now_ms ? at_ms - now_ms : 0;
}

bool token_bucket_take(struct token_bucket *b, uint64_t cost, uint64_t now_ms)
{
    if (token_bucket_wait_ms(b, cost, now_ms) > 0)
        return false;
    if (!token_bucket_is_on(b))
        return true;
    refill(b, now_ms);
    set_level(b, b->level - units(b, cost));
    return true;
}

void token_bucket_give_back(struct token_bucket *b, uint64_t cost, uint64_t taken_ms,
                            uint64_t now_ms)
{
    if (!token_bucket_is_on(b))
        return;
    refill(b, now_ms);
    uint64_t taken = (uint64_t)units(b, cost);
    uint64_t elapsed_ms = b->at_ms > taken_ms ? b->at_ms - taken_ms : 0;
    if (elapsed_ms <= taken / b->policy.rate)
        set_level(b, b->level + (int64_t)(taken - elapsed_ms * b->policy.rate));
}

void token_bucket_settle(struct token_bucket *b, uint64_t reserved, uint64_t used, uint64_t now_ms)
{
    refill(b, now_ms);
    if (used <= reserved)
        set_level(b, b->level + units(b, reserved - used));
    else
        set_level(b, b->level - units(b, used - reserved));
}

void token_bucket_hold(struct token_bucket *b, uint64_t until_ms)
{
    if (until_ms > b->held_until_ms)
        b->held_until_ms = until_ms;
}

void token_bucket_release(struct token_bucket *b)
{
    b->held_until_ms = 0;
}

uint64_t token_bucket_held_until_ms(const struct token_bucket *b)
{
    return b->held_until_ms;
}

uint64_t token_bucket_available(const struct token_bucket *b, uint64_t now_ms)
{
    if (!token_bucket_is_on(b))
        return 0;
    int64_t level = level_at(b, now_ms);
    return level > 0 ? (uint64_t)level / b->policy.period_ms : 0;
}
