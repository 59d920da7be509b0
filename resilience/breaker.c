#include "resilience/breaker.h"

enum { CALLS, FAILURES, FAILURES_IN_A_ROW };

enum { MOST_DOUBLINGS = 31 };

const char *breaker_state_name(enum breaker_state state)
{
    static const char *const names[] = {
        [BREAKER_CLOSED] = "closed",
        [BREAKER_OPEN] = "open",
        [BREAKER_HALF_OPEN] = "half_open",
    };
    return names[state];
}

/* The only writer of `state`. What started before is stale from now on. */
static struct breaker_change enter(struct breaker *b, enum breaker_state state)
{
    struct breaker_change change = {b->state, state};
    b->state = state;
    b->generation++;
    b->probe_is_out = false;
    return change;
}

static struct breaker_change unchanged(const struct breaker *b)
{
    return (struct breaker_change){b->state, b->state};
}

void breaker_init(struct breaker *b, const struct breaker_policy *policy)
{
    *b = (struct breaker){.policy = *policy, .state = BREAKER_CLOSED};
    window_init(&b->window, policy->window_ms);
}

void breaker_configure(struct breaker *b, const struct breaker_policy *policy, uint64_t now_ms)
{
    b->policy = *policy;
    window_resize(&b->window, policy->window_ms, now_ms);
}

bool breaker_allow(struct breaker *b, uint64_t now_ms, struct breaker_pass *ret_pass,
                   struct breaker_change *ret_change)
{
    if (breaker_wait_ms(b, now_ms) > 0)
        return false;
    *ret_change = b->state == BREAKER_OPEN ? enter(b, BREAKER_HALF_OPEN) : unchanged(b);
    b->probe_is_out = b->state == BREAKER_HALF_OPEN;
    *ret_pass = (struct breaker_pass){b->generation, b->probe_is_out};
    return true;
}

uint64_t breaker_wait_ms(const struct breaker *b, uint64_t now_ms)
{
    switch (b->state) {
    case BREAKER_CLOSED: return 0;
    case BREAKER_OPEN: return b->open_until_ms > now_ms ? b->open_until_ms - now_ms : 0;
    case BREAKER_HALF_OPEN: break;
    }
    return b->probe_is_out ? BREAKER_UNTIL_REPORT : 0;
}

/* Closed, with nothing counted. */
static struct breaker_change close_anew(struct breaker *b)
{
    window_init(&b->window, b->policy.window_ms);
    b->openings = 0;
    return enter(b, BREAKER_CLOSED);
}

struct breaker_change breaker_success(struct breaker *b, struct breaker_pass pass, uint64_t now_ms)
{
    if (pass.generation != b->generation)
        return unchanged(b);
    if (b->state == BREAKER_HALF_OPEN)
        return close_anew(b);
    window_add(&b->window, CALLS, 1, now_ms);
    window_forget(&b->window, FAILURES_IN_A_ROW);
    return unchanged(b);
}

static bool has_failed_in_a_row(const struct breaker *b, uint64_t now_ms)
{
    uint32_t limit = b->policy.failures;
    return limit > 0 && window_sum(&b->window, FAILURES_IN_A_ROW, now_ms) >= limit;
}

/* In millionths, because 3 of 30 are not 0.1 * 30 in binary. */
static bool has_failed_too_often(const struct breaker *b, uint64_t now_ms)
{
    const struct breaker_policy *p = &b->policy;
    uint64_t calls = window_sum(&b->window, CALLS, now_ms);
    uint64_t failures = window_sum(&b->window, FAILURES, now_ms);
    if (!(p->ratio > 0) || calls < p->min_calls)
        return false;
    return failures * 1000000 >= (uint64_t)(p->ratio * 1000000 + 0.5) * calls;
}

/* Doubled as often as it has opened since it was closed, cut to the cap, give or take 10 %. */
static uint64_t open_time_ms(const struct breaker *b, struct rng *rng)
{
    const struct breaker_policy *p = &b->policy;
    uint64_t cap_ms = p->max_reset_ms > p->reset_ms ? p->max_reset_ms : p->reset_ms;
    uint64_t ms = (uint64_t)p->reset_ms << b->openings;
    if (ms > cap_ms)
        ms = cap_ms;
    return ms - ms / 10 + rng_below(rng, ms / 10 * 2 + 1);
}

static struct breaker_change open_again(struct breaker *b, uint64_t now_ms, uint64_t hint_ms,
                                        struct rng *rng)
{
    uint64_t ms = open_time_ms(b, rng);
    if (ms < hint_ms)
        ms = hint_ms;
    b->open_until_ms = ms < UINT64_MAX - now_ms ? now_ms + ms : UINT64_MAX;
    if (b->openings < MOST_DOUBLINGS)
        b->openings++;
    return enter(b, BREAKER_OPEN);
}

struct breaker_change breaker_failure(struct breaker *b, struct breaker_pass pass, uint64_t now_ms,
                                      uint64_t hint_ms, struct rng *rng)
{
    if (pass.generation != b->generation)
        return unchanged(b);
    if (b->state == BREAKER_HALF_OPEN) {
        b->failures++;
        return open_again(b, now_ms, hint_ms, rng);
    }
    window_add(&b->window, CALLS, 1, now_ms);
    window_add(&b->window, FAILURES, 1, now_ms);
    window_add(&b->window, FAILURES_IN_A_ROW, 1, now_ms);
    if (!has_failed_in_a_row(b, now_ms) && !has_failed_too_often(b, now_ms))
        return unchanged(b);
    b->failures = window_sum(&b->window, FAILURES_IN_A_ROW, now_ms);
    return open_again(b, now_ms, hint_ms, rng);
}

void breaker_forget(struct breaker *b, struct breaker_pass pass)
{
    if (!pass.is_probe || pass.generation != b->generation)
        return;
    enter(b, BREAKER_HALF_OPEN); /* anew: a late report of the forgotten probe is stale */
}

struct breaker_change breaker_reset(struct breaker *b)
{
    return close_anew(b);
}

enum breaker_state breaker_state(const struct breaker *b)
{
    return b->state;
}

uint32_t breaker_failures(const struct breaker *b, uint64_t now_ms)
{
    if (b->state != BREAKER_CLOSED)
        return b->failures;
    return window_sum(&b->window, FAILURES_IN_A_ROW, now_ms);
}

uint64_t breaker_open_until_ms(const struct breaker *b)
{
    return b->state == BREAKER_OPEN ? b->open_until_ms : 0;
}

struct breaker_saved breaker_save(const struct breaker *b, uint64_t now_ms)
{
    return (struct breaker_saved){
        .state = b->state,
        .failures = breaker_failures(b, now_ms),
        .openings = b->openings,
        .open_left_ms = b->state == BREAKER_OPEN ? breaker_wait_ms(b, now_ms) : 0,
    };
}

/* Not the share: without the calls that went well it would be too bad. */
static void restore_closed(struct breaker *b, uint32_t failures, uint64_t elapsed_ms,
                           uint64_t now_ms)
{
    uint32_t most = b->policy.failures;
    if (elapsed_ms < b->policy.window_ms)
        window_add(&b->window, FAILURES_IN_A_ROW, failures < most ? failures : most, now_ms);
}

void breaker_restore(struct breaker *b, const struct breaker_saved *saved, uint64_t elapsed_ms,
                     uint64_t now_ms)
{
    if (saved->state != BREAKER_OPEN && saved->state != BREAKER_HALF_OPEN) {
        restore_closed(b, saved->failures, elapsed_ms, now_ms);
        return;
    }
    uint64_t left_ms = saved->open_left_ms > elapsed_ms ? saved->open_left_ms - elapsed_ms : 0;
    b->failures = saved->failures;
    b->openings = saved->openings < MOST_DOUBLINGS ? saved->openings : MOST_DOUBLINGS;
    b->open_until_ms = left_ms < UINT64_MAX - now_ms ? now_ms + left_ms : UINT64_MAX;
    enter(b, saved->state);
}
