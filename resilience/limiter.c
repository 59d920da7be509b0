/* One call through the limiter, in the order of its life: it asks, it may wait, it is let go, it
 * reports. What is in the way is worked out in one place, look_ahead, without changing anything;
 * taking happens in one other, grant. */
#include "resilience/limiter.h"

#include <assert.h>

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Loops read their clocks at different moments: time never runs backwards for a limiter. */
static uint64_t latest(const struct limiter *l, uint64_t now_ms)
{
    return max_u64(l->now_ms, now_ms);
}

static uint64_t advance(struct limiter *l, uint64_t now_ms)
{
    return l->now_ms = latest(l, now_ms);
}

struct limiter_policy limiter_policy_default(void)
{
    return (struct limiter_policy){
        .concurrency = 100,
        .queue = 1000,
        .breaker = {.failures = 5,
                    .min_calls = 20,
                    .window_ms = 30000,
                    .reset_ms = 60000,
                    .max_reset_ms = 600000},
        .on_open = LIMITER_ON_OPEN_WAIT,
        .retry_budget = 0.2,
        .max_hint_ms = RETRY_MAX_HINT_MS,
    };
}

enum err limiter_init(struct limiter *l, const struct limiter_policy *policy, uint64_t now_ms)
{
    *l = (struct limiter){.policy = *policy, .now_ms = now_ms};
    breaker_init(&l->breaker, &policy->breaker);
    slots_init(&l->slots, policy->concurrency);
    token_bucket_init(&l->requests, &policy->requests, now_ms);
    token_bucket_init(&l->tokens, &policy->tokens, now_ms);
    retry_budget_init(&l->budget, policy->retry_budget);
    list_init(&l->refused);
    return fair_queue_init(&l->queue, LIMITER_MAX_WAITERS);
}

void limiter_fini(struct limiter *l)
{
    assert(l->slots.borrowed == 0 && list_is_empty(&l->refused));
    fair_queue_fini(&l->queue);
}

void limiter_configure(struct limiter *l, const struct limiter_policy *policy, uint64_t now_ms)
{
    uint64_t now = advance(l, now_ms);
    l->policy = *policy;
    breaker_configure(&l->breaker, &policy->breaker, now);
    slots_resize(&l->slots, policy->concurrency);
    token_bucket_configure(&l->requests, &policy->requests, now);
    token_bucket_configure(&l->tokens, &policy->tokens, now);
    retry_budget_configure(&l->budget, policy->retry_budget);
}

/* --- what is in the way ----------------------------------------------------------------------- */

/* `until_ms`: the latest of all times that are known; `needs_return`: there is an unknown one. */
struct outlook {
    enum limiter_reason reason;
    uint64_t until_ms;
    bool needs_return;
};

/* Several things may be in the way at once: all of them count for the time, the last one noted here
 * is the one that is told. */
static struct outlook look_ahead(const struct limiter *l, uint64_t cost_tokens, uint64_t now)
{
    struct outlook o = {LIMITER_FREE, 0, false};
    if (!token_bucket_fits(&l->tokens, cost_tokens))
        return (struct outlook){LIMITER_TOO_COSTLY, 0, false};

    uint64_t rate_ms = max_u64(token_bucket_wait_ms(&l->requests, 1, now),
                               token_bucket_wait_ms(&l->tokens, cost_tokens, now));
    if (rate_ms > 0)
        o = (struct outlook){LIMITER_RATE_LIMITED, now + rate_ms, false};

    if (!slots_has_free(&l->slots)) {
        o.reason = LIMITER_NO_FREE_SLOT;
        o.needs_return = true;
    }

    uint64_t breaker_ms = breaker_wait_ms(&l->breaker, now);
    if (breaker_ms > 0)
        o.reason = LIMITER_BREAKER_OPEN;
    if (breaker_ms == BREAKER_UNTIL_REPORT)
        o.needs_return = true;
    else if (breaker_ms > 0)
        o.until_ms = max_u64(o.until_ms, now + breaker_ms);
    return o;
}

static enum limiter_verdict verdict_of(const struct limiter *l, enum limiter_reason reason)
{
    if (reason == LIMITER_FREE)
        return LIMITER_GO;
    if (reason == LIMITER_NO_FREE_SLOT || reason == LIMITER_RATE_LIMITED)
        return LIMITER_WAIT;
    if (reason == LIMITER_BREAKER_OPEN && l->policy.on_open == LIMITER_ON_OPEN_WAIT)
        return LIMITER_WAIT;
    return LIMITER_REFUSE;
}

/* What `cost_tokens` would be told if nobody waited. */
static struct limiter_answer judge(const struct limiter *l, uint64_t cost_tokens, uint64_t now)
{
    struct outlook o = look_ahead(l, cost_tokens, now);
    return (struct limiter_answer){
        .verdict = verdict_of(l, o.reason),
        .reason = o.reason,
        .until_ms = o.until_ms,
    };
}

static struct limiter_answer refuse(enum limiter_reason reason, uint64_t until_ms)
{
    return (struct limiter_answer){LIMITER_REFUSE, reason, until_ms, {0}};
}

/* Nothing can go before the breaker's open time ends, and that is too late for this one. */
static bool is_hopeless(const struct limiter *l, const struct limiter_ticket *t, uint64_t now)
{
    uint64_t open_until_ms = breaker_open_until_ms(&l->breaker);
    return open_until_ms > now && open_until_ms >= t->give_up_ms;
}

/* NULL if nobody waits. */
static struct limiter_ticket *first_in_line(const struct limiter *l)
{
    struct fair_waiter *w = fair_queue_first(&l->queue);
    return w ? CONTAINER_OF(w, struct limiter_ticket, waiter) : NULL;
}

/* What those in the queue, which is not empty, are told. The first in line may be about to go: then
 * only limiter_next is awaited. */
static struct limiter_answer why_in_line(const struct limiter *l, uint64_t now)
{
    struct limiter_answer answer = judge(l, first_in_line(l)->cost_tokens, now);
    if (answer.verdict == LIMITER_WAIT)
        return answer;
    return (struct limiter_answer){LIMITER_WAIT, LIMITER_RATE_LIMITED, now, {0}};
}

/* --- asking and waiting ----------------------------------------------------------------------- */

void limiter_ticket_init(struct limiter_ticket *t, uint64_t tenant, uint64_t cost_tokens)
{
    *t = (struct limiter_ticket){
        .tenant = tenant, .weight = 1, .cost_tokens = cost_tokens, .give_up_ms = UINT64_MAX};
    fair_waiter_init(&t->waiter);
}

static bool take(struct token_bucket *b, uint64_t cost, uint64_t now, uint64_t *ret_reserved)
{
    *ret_reserved = token_bucket_is_on(b) ? cost : 0;
    return token_bucket_take(b, cost, now);
}

/* Takes everything; judge has said that everything is there. */
static void grant(struct limiter *l, struct limiter_ticket *t, uint64_t now,
                  struct breaker_change *ret_change)
{
    bool has_all = breaker_allow(&l->breaker, now, &t->pass, ret_change) && slots_take(&l->slots) &&
                   take(&l->requests, 1, now, &t->reserved_requests) &&
                   take(&l->tokens, t->cost_tokens, now, &t->reserved_tokens);
    assert(has_all);
    (void)has_all; /* where asserts are off */
    t->state = LIMITER_GRANTED;
    t->granted_ms = now;
}

static struct limiter_answer stand_in_line(struct limiter *l, struct limiter_ticket *t,
                                           struct limiter_answer why)
{
    if (t->is_bounded && fair_queue_count(&l->queue) >= l->policy.queue)
        return refuse(LIMITER_QUEUE_FULL, why.until_ms);
    enum err err = fair_queue_push(&l->queue, &t->waiter, t->tenant, t->weight);
    if (err != OK)
        return refuse(err == ERR_NOMEM ? LIMITER_NO_MEMORY : LIMITER_QUEUE_FULL, why.until_ms);
    t->state = LIMITER_WAITING;
    return why;
}

struct limiter_answer limiter_ask(struct limiter *l, struct limiter_ticket *t, uint64_t now_ms)
{
    assert(t->state == LIMITER_IDLE);
    uint64_t now = advance(l, now_ms);
    struct limiter_answer answer = judge(l, t->cost_tokens, now);
    if (answer.verdict == LIMITER_REFUSE)
        return answer;
    if (is_hopeless(l, t, now))
        return refuse(LIMITER_BREAKER_OPEN, answer.until_ms);
    if (fair_queue_count(&l->queue) > 0)
        return stand_in_line(l, t, why_in_line(l, now)); /* nobody overtakes */
    if (answer.verdict == LIMITER_WAIT)
        return stand_in_line(l, t, answer);
    grant(l, t, now, &answer.change);
    return answer;
}

struct moment {
    const struct limiter *limiter;
    uint64_t now_ms;
};

static bool is_hopeless_waiter(const struct fair_waiter *w, const void *ctx)
{
    const struct moment *at = ctx;
    return is_hopeless(at->limiter, CONTAINER_OF(w, const struct limiter_ticket, waiter),
                       at->now_ms);
}

/* The breaker has opened: who cannot wait for its end is not kept in the line. */
static void sort_out(struct limiter *l, struct breaker_change change, uint64_t now)
{
    struct moment at = {l, now};
    if (breaker_has_changed(change) && change.to == BREAKER_OPEN)
        fair_queue_take_if(&l->queue, is_hopeless_waiter, &at, &l->refused);
}

static bool next_refused(struct limiter *l, struct limiter_ticket **ret_ticket,
                         struct limiter_answer *ret_answer)
{
    struct list *link = list_pop_front(&l->refused);
    if (link == NULL)
        return false;
    struct fair_waiter *w = CONTAINER_OF(link, struct fair_waiter, link);
    *ret_ticket = CONTAINER_OF(w, struct limiter_ticket, waiter);
    (*ret_ticket)->state = LIMITER_IDLE;
    *ret_answer = refuse(LIMITER_BREAKER_OPEN, breaker_open_until_ms(&l->breaker));
    return true;
}

bool limiter_next(struct limiter *l, uint64_t now_ms, struct limiter_ticket **ret_ticket,
                  struct limiter_answer *ret_answer)
{
    uint64_t now = advance(l, now_ms);
    if (next_refused(l, ret_ticket, ret_answer))
        return true;
    struct limiter_ticket *t = first_in_line(l);
    if (t == NULL)
        return false;
    struct limiter_answer answer = judge(l, t->cost_tokens, now);
    if (answer.verdict == LIMITER_WAIT)
        return false;
    fair_queue_pop(&l->queue);
    t->state = LIMITER_IDLE;
    if (answer.verdict == LIMITER_GO)
        grant(l, t, now, &answer.change);
    *ret_ticket = t;
    *ret_answer = answer;
    return true;
}

uint64_t limiter_wake_ms(const struct limiter *l, uint64_t now_ms)
{
    uint64_t now = latest(l, now_ms);
    const struct limiter_ticket *t = first_in_line(l);
    if (!list_is_empty(&l->refused))
        return now_ms;
    if (t == NULL)
        return UINT64_MAX;
    struct outlook o = look_ahead(l, t->cost_tokens, now);
    if (verdict_of(l, o.reason) != LIMITER_WAIT)
        return now_ms;
    return o.needs_return ? UINT64_MAX : o.until_ms;
}

struct limiter_answer limiter_reason(const struct limiter *l, const struct limiter_ticket *t,
                                     uint64_t now_ms)
{
    assert(t->state == LIMITER_WAITING);
    (void)t; /* all wait for what the first in line waits for */
    return why_in_line(l, latest(l, now_ms));
}

/* --- the end of a call ------------------------------------------------------------------------ */

static struct breaker_change nothing_changed(const struct limiter *l)
{
    enum breaker_state state = breaker_state(&l->breaker);
    return (struct breaker_change){state, state};
}

static struct breaker_change tell_breaker(struct limiter *l, const struct limiter_ticket *t,
                                          enum limiter_outcome outcome, uint64_t hint_ms,
                                          uint64_t now, struct rng *rng)
{
    if (outcome == LIMITER_SUCCESS)
        return breaker_success(&l->breaker, t->pass, now);
    if (outcome == LIMITER_FAILURE)
        return breaker_failure(&l->breaker, t->pass, now, hint_ms, rng);
    breaker_forget(&l->breaker, t->pass);
    return nothing_changed(l);
}

struct breaker_change limiter_done(struct limiter *l, struct limiter_ticket *t,
                                   const struct limiter_report *report, uint64_t now_ms,
                                   struct rng *rng)
{
    assert(t->state == LIMITER_GRANTED);
    uint64_t now = advance(l, now_ms);
    uint64_t hint_ms = report->hint_ms;
    if (hint_ms > l->policy.max_hint_ms)
        hint_ms = l->policy.max_hint_ms;

    t->state = LIMITER_IDLE;
    slots_give(&l->slots);
    if (report->used_tokens != LIMITER_TOKENS_UNKNOWN)
        token_bucket_settle(&l->tokens, t->reserved_tokens, report->used_tokens, now);
    if (report->hold)
        token_bucket_hold(&l->requests, now + hint_ms);
    if (!t->is_retry)
        retry_budget_call(&l->budget, now);
    struct breaker_change change = tell_breaker(l, t, report->outcome, hint_ms, now, rng);
    sort_out(l, change, now);
    return change;
}

struct breaker_change limiter_answered(struct limiter *l, struct limiter_ticket *t, uint64_t now_ms)
{
    assert(t->state == LIMITER_GRANTED);
    uint64_t now = advance(l, now_ms);
    if (!t->pass.is_probe)
        return nothing_changed(l);
    struct breaker_change change = breaker_success(&l->breaker, t->pass, now), none;
    if (breaker_has_changed(change))
        breaker_allow(&l->breaker, now, &t->pass, &none); /* from here on a call like any other */
    return change;
}

/* The opposite of grant. */
static void take_back(struct limiter *l, struct limiter_ticket *t, uint64_t now)
{
    breaker_forget(&l->breaker, t->pass);
    slots_give(&l->slots);
    token_bucket_give_back(&l->requests, t->reserved_requests, t->granted_ms, now);
    token_bucket_give_back(&l->tokens, t->reserved_tokens, t->granted_ms, now);
}

void limiter_cancel(struct limiter *l, struct limiter_ticket *t, uint64_t now_ms)
{
    uint64_t now = advance(l, now_ms);
    switch (t->state) {
    case LIMITER_IDLE: break;
    case LIMITER_WAITING:
        if (fair_waiter_is_queued(&t->waiter))
            fair_queue_remove(&l->queue, &t->waiter);
        else
            list_remove(&t->waiter.link); /* it is about to be refused */
        break;
    case LIMITER_GRANTED: take_back(l, t, now); break;
    }
    t->state = LIMITER_IDLE;
}

enum retry_verdict limiter_retry(struct limiter *l, const struct retry_policy *policy,
                                 const struct retry_failure *failure, uint64_t deadline_ms,
                                 uint64_t now_ms, struct rng *rng, uint64_t *ret_at_ms)
{
    uint64_t now = advance(l, now_ms);
    return retry_decide(policy, failure, deadline_ms, &l->budget, now, rng, ret_at_ms);
}

/* --- the provider ----------------------------------------------------------------------------- */

bool limiter_is_full(const struct limiter *l, uint64_t now_ms)
{
    if (fair_queue_count(&l->queue) < l->policy.queue)
        return false;
    return fair_queue_count(&l->queue) > 0 ||
           judge(l, 0, latest(l, now_ms)).verdict == LIMITER_WAIT;
}

struct breaker_change limiter_reset(struct limiter *l)
{
    token_bucket_release(&l->requests);
    return breaker_reset(&l->breaker);
}

struct breaker_saved limiter_save(const struct limiter *l, uint64_t now_ms)
{
    return breaker_save(&l->breaker, latest(l, now_ms));
}

void limiter_restore(struct limiter *l, const struct breaker_saved *saved, uint64_t elapsed_ms,
                     uint64_t now_ms)
{
    breaker_restore(&l->breaker, saved, elapsed_ms, advance(l, now_ms));
}

static struct limiter_bucket_status bucket_status(const struct token_bucket *b, uint64_t now)
{
    return (struct limiter_bucket_status){
        .is_on = token_bucket_is_on(b),
        .available = token_bucket_available(b, now),
        .burst = token_bucket_burst(b),
    };
}

struct limiter_status limiter_status(const struct limiter *l, uint64_t now_ms)
{
    uint64_t now = latest(l, now_ms);
    uint64_t held_until_ms = token_bucket_held_until_ms(&l->requests);
    return (struct limiter_status){
        .state = breaker_state(&l->breaker),
        .failures = breaker_failures(&l->breaker, now),
        .opens_until_ms = breaker_open_until_ms(&l->breaker),
        .held_until_ms = held_until_ms > now ? held_until_ms : 0,
        .borrowed = l->slots.borrowed,
        .total = l->slots.total,
        .waiting = fair_queue_count(&l->queue),
        .requests = bucket_status(&l->requests, now),
        .tokens = bucket_status(&l->tokens, now),
    };
}
