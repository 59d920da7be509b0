#include "resilience/limiter.h"

#include <check.h>

#include "base/mem.h"
#include "tests/unit/resilience/property.h"

Suite *suite_resilience_limiter(void);

enum { MANY = 1200 };

static struct limiter l;
static struct limiter_ticket tickets[MANY];
static struct rng rng = {.state = 1};

static const struct limiter_report success = {LIMITER_SUCCESS,
                                              .used_tokens = LIMITER_TOKENS_UNKNOWN};
static const struct limiter_report failure = {LIMITER_FAILURE, .used_tokens = 0};
static const struct limiter_report neutral = {LIMITER_NEUTRAL, .used_tokens = 0};

static void open_limiter(struct limiter_policy policy)
{
    ck_assert_int_eq(limiter_init(&l, &policy, 0), OK);
    for (int i = 0; i < MANY; i++)
        limiter_ticket_init(&tickets[i], 1, 0);
}

/* Everything off but for `concurrency` slots. */
static struct limiter_policy slots_only(uint32_t concurrency)
{
    struct limiter_policy p = limiter_policy_default();
    p.concurrency = concurrency;
    p.breaker.failures = 0;
    return p;
}

static struct limiter_policy with_requests(uint64_t rate, uint32_t period_ms, uint64_t burst)
{
    struct limiter_policy p = slots_only(100);
    p.requests = (struct token_bucket_policy){rate, burst, period_ms};
    return p;
}

static struct limiter_policy with_tokens(uint64_t rate, uint32_t period_ms, uint64_t burst)
{
    struct limiter_policy p = slots_only(100);
    p.tokens = (struct token_bucket_policy){rate, burst, period_ms};
    return p;
}

/* One failure opens the breaker for about a second. */
static struct limiter_policy fragile(enum limiter_on_open on_open)
{
    struct limiter_policy p = slots_only(100);
    p.breaker.failures = 1;
    p.breaker.reset_ms = 1000;
    p.on_open = on_open;
    return p;
}

static struct limiter_answer ask(int i, uint64_t now)
{
    return limiter_ask(&l, &tickets[i], now);
}

static void must_go(int i, uint64_t now)
{
    ck_assert_int_eq(ask(i, now).verdict, LIMITER_GO);
    ck_assert_int_eq(tickets[i].state, LIMITER_GRANTED);
}

static void must_wait(int i, uint64_t now, enum limiter_reason reason, uint64_t until_ms)
{
    struct limiter_answer a = ask(i, now);
    ck_assert_int_eq(a.verdict, LIMITER_WAIT);
    ck_assert_int_eq(a.reason, reason);
    ck_assert_uint_eq(a.until_ms, until_ms);
    ck_assert_int_eq(tickets[i].state, LIMITER_WAITING);
}

static void must_refuse(int i, uint64_t now, enum limiter_reason reason)
{
    struct limiter_answer a = ask(i, now);
    ck_assert_int_eq(a.verdict, LIMITER_REFUSE);
    ck_assert_int_eq(a.reason, reason);
    ck_assert_int_eq(tickets[i].state, LIMITER_IDLE);
}

/* The number of the ticket that limiter_next lets go (or refuses), -1 if none. */
static int next(uint64_t now, enum limiter_verdict verdict)
{
    struct limiter_ticket *t;
    struct limiter_answer a;
    if (!limiter_next(&l, now, &t, &a))
        return -1;
    ck_assert_int_eq(a.verdict, verdict);
    ck_assert_int_eq(t->state, verdict == LIMITER_GO ? LIMITER_GRANTED : LIMITER_IDLE);
    return (int)(t - tickets);
}

static struct breaker_change done(int i, const struct limiter_report *report, uint64_t now)
{
    return limiter_done(&l, &tickets[i], report, now, &rng);
}

static struct limiter_status status(uint64_t now)
{
    return limiter_status(&l, now);
}

/* Ends what is still out, so that limiter_fini may be called. */
static void close_limiter(void)
{
    for (int i = 0; i < MANY; i++)
        limiter_cancel(&l, &tickets[i], UINT64_C(1) << 40);
    ck_assert_uint_eq(status(0).borrowed, 0);
    ck_assert_uint_eq(status(0).waiting, 0);
    limiter_fini(&l);
}

/* --- going ------------------------------------------------------------------------------------ */

START_TEST(the_defaults_are_those_of_the_api)
{
    struct limiter_policy p = limiter_policy_default();
    ck_assert_uint_eq(p.concurrency, 100);
    ck_assert_uint_eq(p.queue, 1000);
    ck_assert_uint_eq(p.requests.rate, 0);
    ck_assert_uint_eq(p.tokens.rate, 0);
    ck_assert_uint_eq(p.breaker.failures, 5);
    ck_assert_uint_eq(p.breaker.window_ms, 30000);
    ck_assert(p.breaker.ratio == 0);
    ck_assert_uint_eq(p.breaker.min_calls, 20);
    ck_assert_uint_eq(p.breaker.reset_ms, 60000);
    ck_assert_uint_eq(p.breaker.max_reset_ms, 600000);
    ck_assert_int_eq(p.on_open, LIMITER_ON_OPEN_WAIT);
    ck_assert(p.retry_budget == 0.2);
}
END_TEST

START_TEST(a_call_that_goes_takes_all_that_it_needs)
{
    struct limiter_policy p = with_tokens(1000, 60000, 1000);
    p.requests = (struct token_bucket_policy){10, 10, 60000};
    open_limiter(p);
    tickets[0].cost_tokens = 300;
    must_go(0, 0);
    ck_assert_uint_eq(status(0).borrowed, 1);
    ck_assert_uint_eq(status(0).requests.available, 9);
    ck_assert_uint_eq(status(0).tokens.available, 700);
    close_limiter();
}
END_TEST

START_TEST(a_call_that_waits_takes_nothing)
{
    struct limiter_policy p = with_tokens(1000, 1000, 1000);
    p.requests = (struct token_bucket_policy){10, 10, 60000};
    open_limiter(p);
    tickets[0].cost_tokens = 900;
    tickets[1].cost_tokens = 200;
    must_go(0, 0);
    must_wait(1, 0, LIMITER_RATE_LIMITED, 100);
    ck_assert_uint_eq(status(0).borrowed, 1);
    ck_assert_uint_eq(status(0).requests.available, 9);
    ck_assert_uint_eq(status(0).tokens.available, 100);
    ck_assert_uint_eq(status(0).waiting, 1);
    close_limiter();
}
END_TEST

START_TEST(more_tokens_than_the_burst_are_refused_at_once)
{
    open_limiter(with_tokens(1000, 60000, 500));
    tickets[0].cost_tokens = 501;
    tickets[1].cost_tokens = 500;
    must_refuse(0, 0, LIMITER_TOO_COSTLY);
    must_go(1, 0);
    close_limiter();
}
END_TEST

/* --- waiting ---------------------------------------------------------------------------------- */

START_TEST(a_slot_is_awaited_until_one_comes_back)
{
    open_limiter(slots_only(1));
    must_go(0, 0);
    must_wait(1, 0, LIMITER_NO_FREE_SLOT, 0);
    ck_assert_uint_eq(limiter_wake_ms(&l, 0), UINT64_MAX);
    ck_assert_int_eq(next(1000000, LIMITER_GO), -1);
    done(0, &success, 1000000);
    ck_assert_uint_eq(limiter_wake_ms(&l, 1000000), 1000000);
    ck_assert_int_eq(next(1000000, LIMITER_GO), 1);
    ck_assert_uint_eq(status(0).borrowed, 1);
    close_limiter();
}
END_TEST

START_TEST(a_bucket_is_awaited_to_the_ms)
{
    open_limiter(with_requests(7, 1000, 1));
    must_go(0, 0);
    must_wait(1, 0, LIMITER_RATE_LIMITED, 143);
    must_wait(2, 0, LIMITER_RATE_LIMITED, 143); /* not before, and after the first */
    ck_assert_uint_eq(limiter_wake_ms(&l, 0), 143);
    ck_assert_int_eq(next(142, LIMITER_GO), -1);
    ck_assert_int_eq(next(143, LIMITER_GO), 1);
    ck_assert_int_eq(next(143, LIMITER_GO), -1);
    ck_assert_uint_eq(limiter_wake_ms(&l, 143), 286);
    ck_assert_int_eq(next(286, LIMITER_GO), 2);
    ck_assert_uint_eq(limiter_wake_ms(&l, 286), UINT64_MAX); /* nobody waits */
    close_limiter();
}
END_TEST

START_TEST(a_newcomer_never_overtakes)
{
    open_limiter(with_tokens(1000, 1000, 1000));
    tickets[0].cost_tokens = 500;
    tickets[1].cost_tokens = 1000; /* waits for a full bucket */
    tickets[2].cost_tokens = 1;    /* would fit beside it */
    must_go(0, 0);
    must_wait(1, 0, LIMITER_RATE_LIMITED, 500);
    must_wait(2, 0, LIMITER_RATE_LIMITED, 500);
    ck_assert_int_eq(next(499, LIMITER_GO), -1);
    ck_assert_int_eq(next(500, LIMITER_GO), 1);
    ck_assert_int_eq(next(500, LIMITER_GO), -1);
    ck_assert_uint_eq(limiter_wake_ms(&l, 500), 501);
    ck_assert_int_eq(next(501, LIMITER_GO), 2);
    close_limiter();
}
END_TEST

START_TEST(a_newcomer_waits_even_if_the_first_in_line_is_about_to_go)
{
    open_limiter(with_requests(1, 1000, 1));
    must_go(0, 0);
    must_wait(1, 0, LIMITER_RATE_LIMITED, 1000);
    must_wait(2, 5000, LIMITER_RATE_LIMITED, 5000); /* the timer is late */
    ck_assert_uint_eq(limiter_wake_ms(&l, 5000), 5000);
    ck_assert_int_eq(next(5000, LIMITER_GO), 1);
    close_limiter();
}
END_TEST

START_TEST(several_obstacles_are_told_by_the_weightiest_and_awaited_together)
{
    static const struct {
        bool breaker, slot, rate;
        enum limiter_reason reason;
        bool is_known;
    } rows[] = {
        {false, false, true, LIMITER_RATE_LIMITED, true},
        {false, true, false, LIMITER_NO_FREE_SLOT, false},
        {false, true, true, LIMITER_NO_FREE_SLOT, false},
        {true, false, false, LIMITER_BREAKER_OPEN, true},
        {true, false, true, LIMITER_BREAKER_OPEN, true},
        {true, true, false, LIMITER_BREAKER_OPEN, false},
        {true, true, true, LIMITER_BREAKER_OPEN, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct limiter_policy p = fragile(LIMITER_ON_OPEN_WAIT);
        p.concurrency = 2;
        open_limiter(p);
        must_go(0, 0);
        must_go(1, 0);
        done(0, rows[i].breaker ? &failure : &success, 0);
        uint64_t breaker_ms = status(0).opens_until_ms;
        if (!rows[i].slot)
            done(1, &success, 0);
        else
            slots_resize(&l.slots, 1);
        if (rows[i].rate)
            token_bucket_hold(&l.requests, 5000);
        uint64_t until_ms = rows[i].rate ? 5000 : breaker_ms;
        must_wait(2, 0, rows[i].reason, until_ms);
        ck_assert_uint_eq(limiter_wake_ms(&l, 0), rows[i].is_known ? until_ms : UINT64_MAX);
        close_limiter();
    }
}
END_TEST

START_TEST(all_who_wait_are_told_why)
{
    open_limiter(with_requests(1, 1000, 1));
    must_go(0, 0);
    for (int i = 1; i < 5; i++)
        must_wait(i, 0, LIMITER_RATE_LIMITED, 1000);
    token_bucket_hold(&l.requests, 7000);
    for (int i = 1; i < 5; i++) {
        struct limiter_answer a = limiter_reason(&l, &tickets[i], 100);
        ck_assert_int_eq(a.verdict, LIMITER_WAIT);
        ck_assert_int_eq(a.reason, LIMITER_RATE_LIMITED);
        ck_assert_uint_eq(a.until_ms, 7000);
    }
    close_limiter();
}
END_TEST

START_TEST(tenants_take_turns)
{
    open_limiter(slots_only(1));
    must_go(0, 0);
    for (int i = 1; i < 10; i++) {
        tickets[i].tenant = i < 8 ? 1 : 2;
        must_wait(i, 0, LIMITER_NO_FREE_SLOT, 0);
    }
    static const int order[] = {1, 8, 2, 9, 3, 4, 5, 6, 7};
    for (int i = 0, last = 0; i < 9; i++) {
        done(last, &success, 0);
        last = next(0, LIMITER_GO);
        ck_assert_int_eq(last, order[i]);
    }
    close_limiter();
}
END_TEST

START_TEST(a_weight_lengthens_the_turn_of_its_tenant)
{
    open_limiter(slots_only(1));
    must_go(0, 0);
    for (int i = 1; i < 9; i++) {
        tickets[i].tenant = i < 5 ? 1 : 2;
        tickets[i].weight = i < 5 ? 2 : 1;
        must_wait(i, 0, LIMITER_NO_FREE_SLOT, 0);
    }
    static const int order[] = {1, 2, 5, 3, 4, 6, 7, 8};
    for (int i = 0, last = 0; i < 8; i++) {
        done(last, &success, 0);
        last = next(0, LIMITER_GO);
        ck_assert_int_eq(last, order[i]);
    }
    close_limiter();
}
END_TEST

START_TEST(only_bounded_tickets_are_refused_by_a_full_queue)
{
    struct limiter_policy p = slots_only(1);
    p.queue = 2;
    open_limiter(p);
    must_go(0, 0);
    ck_assert(!limiter_is_full(&l, 0));
    for (int i = 1; i < 5; i++)
        tickets[i].is_bounded = i != 4;
    must_wait(1, 0, LIMITER_NO_FREE_SLOT, 0);
    must_wait(2, 0, LIMITER_NO_FREE_SLOT, 0);
    ck_assert(limiter_is_full(&l, 0));
    must_refuse(3, 0, LIMITER_QUEUE_FULL);
    must_wait(4, 0, LIMITER_NO_FREE_SLOT, 0); /* of an accepted run */
    limiter_cancel(&l, &tickets[1], 0);
    ck_assert(limiter_is_full(&l, 0));
    limiter_cancel(&l, &tickets[2], 0);
    ck_assert(!limiter_is_full(&l, 0));
    must_wait(3, 0, LIMITER_NO_FREE_SLOT, 0);
    close_limiter();
}
END_TEST

START_TEST(a_queue_of_nobody_refuses_only_who_would_wait)
{
    struct limiter_policy p = slots_only(1);
    p.queue = 0;
    open_limiter(p);
    tickets[0].is_bounded = tickets[1].is_bounded = true;
    ck_assert(!limiter_is_full(&l, 0));
    must_go(0, 0);
    ck_assert(limiter_is_full(&l, 0));
    must_refuse(1, 0, LIMITER_QUEUE_FULL);
    close_limiter();
}
END_TEST

START_TEST(a_refusal_for_a_full_queue_says_when_to_come_back)
{
    struct limiter_policy p = with_requests(1, 1000, 1);
    p.queue = 0;
    open_limiter(p);
    tickets[1].is_bounded = true;
    must_go(0, 0);
    struct limiter_answer a = ask(1, 0);
    ck_assert_int_eq(a.reason, LIMITER_QUEUE_FULL);
    ck_assert_uint_eq(a.until_ms, 1000);
    close_limiter();
}
END_TEST

START_TEST(without_memory_to_wait_a_call_is_refused)
{
    open_limiter(slots_only(1));
    must_go(0, 0);
    mem_fail_nth(1);
    must_refuse(1, 0, LIMITER_NO_MEMORY);
    mem_fail_nth(0);
    must_wait(1, 0, LIMITER_NO_FREE_SLOT, 0);
    close_limiter();
}
END_TEST

START_TEST(a_loop_whose_clock_is_behind_is_taken_to_be_at_the_latest_time)
{
    open_limiter(with_requests(1, 1000, 1));
    must_go(0, 10000);
    must_wait(1, 9000, LIMITER_RATE_LIMITED, 11000);
    ck_assert_uint_eq(limiter_wake_ms(&l, 9000), 11000);
    ck_assert_int_eq(next(11000, LIMITER_GO), 1);
    token_bucket_hold(&l.requests, 12000);
    must_wait(2, 11000, LIMITER_RATE_LIMITED, 12000);
    must_wait(3, 12000, LIMITER_RATE_LIMITED, 12000); /* by another loop */
    ck_assert_int_eq(next(11500, LIMITER_GO), 2);
    close_limiter();
}
END_TEST

/* --- ending ----------------------------------------------------------------------------------- */

START_TEST(tokens_are_settled_by_what_was_used)
{
    static const struct {
        uint64_t used, available;
    } rows[] = {{300, 700}, {100, 900}, {0, 1000}, {450, 550}, {LIMITER_TOKENS_UNKNOWN, 700}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        open_limiter(with_tokens(1000, 60000, 1000));
        tickets[0].cost_tokens = 300;
        must_go(0, 0);
        struct limiter_report report = {LIMITER_NEUTRAL, .used_tokens = rows[i].used};
        done(0, &report, 0);
        ck_assert_uint_eq(status(0).tokens.available, rows[i].available);
        close_limiter();
    }
}
END_TEST

START_TEST(a_call_that_was_made_stays_counted)
{
    open_limiter(with_requests(60, 60000, 10));
    must_go(0, 0);
    done(0, &failure, 0);
    ck_assert_uint_eq(status(0).requests.available, 9);
    ck_assert_uint_eq(status(0).borrowed, 0);
    close_limiter();
}
END_TEST

START_TEST(a_grant_that_was_never_used_goes_on_at_once)
{
    struct limiter_policy p = with_requests(1, 60000, 1);
    p.tokens = (struct token_bucket_policy){100, 100, 60000};
    p.concurrency = 1;
    open_limiter(p);
    tickets[0].cost_tokens = tickets[1].cost_tokens = 100;
    must_go(0, 0);
    must_wait(1, 0, LIMITER_NO_FREE_SLOT, 60000);
    limiter_cancel(&l, &tickets[0], 5);
    ck_assert_uint_eq(limiter_wake_ms(&l, 5), 5);
    ck_assert_int_eq(next(5, LIMITER_GO), 1);
    close_limiter();
}
END_TEST

START_TEST(whoever_leaves_the_queue_makes_room_for_the_next)
{
    open_limiter(with_tokens(1000, 1000, 1000));
    tickets[0].cost_tokens = tickets[1].cost_tokens = 1000;
    tickets[2].cost_tokens = 10;
    must_go(0, 0);
    must_wait(1, 0, LIMITER_RATE_LIMITED, 1000);
    must_wait(2, 0, LIMITER_RATE_LIMITED, 1000);
    limiter_cancel(&l, &tickets[1], 3);
    ck_assert_uint_eq(limiter_wake_ms(&l, 3), 10);
    ck_assert_int_eq(next(10, LIMITER_GO), 2);
    close_limiter();
}
END_TEST

START_TEST(cancelling_what_is_idle_does_nothing)
{
    open_limiter(slots_only(1));
    limiter_cancel(&l, &tickets[0], 0);
    must_go(0, 0);
    limiter_cancel(&l, &tickets[0], 0);
    limiter_cancel(&l, &tickets[0], 0);
    must_go(0, 0);
    close_limiter();
}
END_TEST

START_TEST(a_hold_stops_everybody_until_its_end)
{
    open_limiter(slots_only(100));
    struct limiter_report told_to_wait = {LIMITER_NEUTRAL, .hint_ms = 3000, .hold = true,
                                          .used_tokens = 0};
    must_go(0, 0);
    done(0, &told_to_wait, 1000);
    ck_assert_uint_eq(status(1000).held_until_ms, 4000);
    must_wait(0, 1000, LIMITER_RATE_LIMITED, 4000);
    must_wait(1, 1000, LIMITER_RATE_LIMITED, 4000);
    ck_assert_uint_eq(limiter_wake_ms(&l, 1000), 4000);
    ck_assert_int_eq(next(3999, LIMITER_GO), -1);
    ck_assert_int_eq(next(4000, LIMITER_GO), 0);
    ck_assert_int_eq(next(4000, LIMITER_GO), 1);
    ck_assert_uint_eq(status(4000).held_until_ms, 0);
    close_limiter();
}
END_TEST

START_TEST(a_hint_without_a_hold_stops_nobody)
{
    open_limiter(slots_only(100));
    struct limiter_report hint = {LIMITER_FAILURE, .hint_ms = 3000, .used_tokens = 0};
    must_go(0, 0);
    done(0, &hint, 0);
    must_go(1, 0);
    close_limiter();
}
END_TEST

START_TEST(an_absurd_hint_is_cut_to_the_policy)
{
    open_limiter(fragile(LIMITER_ON_OPEN_WAIT));
    struct limiter_report absurd = {LIMITER_FAILURE, .hint_ms = UINT64_MAX, .hold = true,
                                    .used_tokens = 0};
    must_go(0, 0);
    done(0, &absurd, 0);
    ck_assert_uint_eq(status(0).held_until_ms, 3600000);
    ck_assert_uint_eq(status(0).opens_until_ms, 3600000);
    close_limiter();
}
END_TEST

/* --- the breaker ------------------------------------------------------------------------------ */

START_TEST(only_what_speaks_of_the_providers_health_opens_the_breaker)
{
    struct limiter_policy p = limiter_policy_default();
    open_limiter(p);
    for (int i = 0; i < 4; i++) {
        must_go(i, 0);
        done(i, &failure, 0);
        must_go(i, 0);
        done(i, &neutral, 0); /* neither counts nor forgives */
    }
    ck_assert_int_eq(status(0).state, BREAKER_CLOSED);
    ck_assert_uint_eq(status(0).failures, 4);
    must_go(5, 0);
    struct breaker_change change = done(5, &failure, 0);
    ck_assert_int_eq(change.from, BREAKER_CLOSED);
    ck_assert_int_eq(change.to, BREAKER_OPEN);
    ck_assert_int_eq(status(0).state, BREAKER_OPEN);
    close_limiter();
}
END_TEST

START_TEST(one_waiter_becomes_the_probe_and_a_thousand_stay)
{
    open_limiter(fragile(LIMITER_ON_OPEN_WAIT));
    must_go(0, 0);
    done(0, &failure, 0);
    uint64_t until = status(0).opens_until_ms;
    for (int i = 1; i <= 1001; i++)
        must_wait(i, 0, LIMITER_BREAKER_OPEN, until);
    ck_assert_uint_eq(limiter_wake_ms(&l, 0), until);
    ck_assert_int_eq(next(until - 1, LIMITER_GO), -1);

    struct limiter_ticket *probe;
    struct limiter_answer answer;
    ck_assert(limiter_next(&l, until, &probe, &answer));
    ck_assert_int_eq(answer.change.from, BREAKER_OPEN);
    ck_assert_int_eq(answer.change.to, BREAKER_HALF_OPEN);
    ck_assert_int_eq(next(until, LIMITER_GO), -1);
    ck_assert_int_eq(next(until * 100, LIMITER_GO), -1);
    ck_assert_uint_eq(limiter_wake_ms(&l, until), UINT64_MAX);
    ck_assert_uint_eq(status(until).borrowed, 1);

    struct breaker_change change = done((int)(probe - tickets), &success, until * 100);
    ck_assert_int_eq(change.to, BREAKER_CLOSED);
    for (int i = 2; i <= 101; i++)
        ck_assert_int_eq(next(until * 100, LIMITER_GO), i);
    ck_assert_int_eq(next(until * 100, LIMITER_GO), -1); /* a hundred slots */
    close_limiter();
}
END_TEST

START_TEST(a_probe_that_fails_leaves_them_waiting_for_longer)
{
    open_limiter(fragile(LIMITER_ON_OPEN_WAIT));
    must_go(0, 0);
    done(0, &failure, 0);
    must_wait(1, 0, LIMITER_BREAKER_OPEN, status(0).opens_until_ms);
    must_wait(2, 0, LIMITER_BREAKER_OPEN, status(0).opens_until_ms);
    ck_assert_int_eq(next(2000, LIMITER_GO), 1);
    struct breaker_change change = done(1, &failure, 2000);
    ck_assert_int_eq(change.from, BREAKER_HALF_OPEN);
    ck_assert_int_eq(change.to, BREAKER_OPEN);
    ck_assert_uint_ge(limiter_wake_ms(&l, 2000), 2000 + 1800);
    ck_assert_int_eq(next(2000, LIMITER_GO), -1);
    close_limiter();
}
END_TEST

START_TEST(a_lost_probe_is_replaced_at_once)
{
    for (int way = 0; way < 2; way++) {
        open_limiter(fragile(LIMITER_ON_OPEN_WAIT));
        must_go(0, 0);
        done(0, &failure, 0);
        must_wait(1, 0, LIMITER_BREAKER_OPEN, status(0).opens_until_ms);
        must_wait(2, 0, LIMITER_BREAKER_OPEN, status(0).opens_until_ms);
        ck_assert_int_eq(next(2000, LIMITER_GO), 1);
        if (way == 0)
            limiter_cancel(&l, &tickets[1], 2500);
        else
            done(1, &neutral, 2500);
        ck_assert_uint_eq(limiter_wake_ms(&l, 2500), 2500);
        ck_assert_int_eq(next(2500, LIMITER_GO), 2);
        ck_assert_int_eq(status(2500).state, BREAKER_HALF_OPEN);
        close_limiter();
    }
}
END_TEST

START_TEST(a_probe_that_begins_to_answer_lets_the_others_go)
{
    open_limiter(fragile(LIMITER_ON_OPEN_WAIT));
    must_go(0, 0);
    done(0, &failure, 0);
    must_wait(1, 0, LIMITER_BREAKER_OPEN, status(0).opens_until_ms);
    must_wait(2, 0, LIMITER_BREAKER_OPEN, status(0).opens_until_ms);
    ck_assert_int_eq(next(2000, LIMITER_GO), 1);
    struct breaker_change change = limiter_answered(&l, &tickets[1], 2100);
    ck_assert_int_eq(change.from, BREAKER_HALF_OPEN);
    ck_assert_int_eq(change.to, BREAKER_CLOSED);
    ck_assert_int_eq(next(2100, LIMITER_GO), 2);
    ck_assert(!breaker_has_changed(limiter_answered(&l, &tickets[1], 2200)));
    ck_assert(!breaker_has_changed(limiter_answered(&l, &tickets[2], 2200)));
    change = done(1, &failure, 3000); /* it broke off: counts like any other call's failure */
    ck_assert_int_eq(change.from, BREAKER_CLOSED);
    ck_assert_int_eq(change.to, BREAKER_OPEN);
    close_limiter();
}
END_TEST

START_TEST(an_ordinary_call_that_begins_to_answer_says_nothing_yet)
{
    open_limiter(limiter_policy_default());
    must_go(0, 0);
    must_go(1, 0);
    done(0, &failure, 0);
    ck_assert(!breaker_has_changed(limiter_answered(&l, &tickets[1], 0)));
    ck_assert_uint_eq(status(0).failures, 1);
    done(1, &success, 0);
    ck_assert_uint_eq(status(0).failures, 0);
    close_limiter();
}
END_TEST

START_TEST(calls_of_before_say_nothing_about_a_breaker_that_has_opened_since)
{
    open_limiter(fragile(LIMITER_ON_OPEN_WAIT));
    for (int i = 0; i < 5; i++)
        must_go(i, 0);
    done(0, &failure, 0);
    uint64_t until = status(0).opens_until_ms;
    ck_assert(!breaker_has_changed(done(1, &failure, 10)));
    ck_assert(!breaker_has_changed(done(2, &success, 10)));
    ck_assert_uint_eq(status(10).opens_until_ms, until);
    must_wait(0, 20, LIMITER_BREAKER_OPEN, until);
    ck_assert_int_eq(next(until, LIMITER_GO), 0);
    ck_assert(!breaker_has_changed(done(3, &success, until)));
    limiter_cancel(&l, &tickets[4], until); /* no probe, so it frees no probe's place */
    must_wait(5, until, LIMITER_BREAKER_OPEN, 0);
    close_limiter();
}
END_TEST

START_TEST(where_open_means_fail_calls_are_refused_at_once)
{
    open_limiter(fragile(LIMITER_ON_OPEN_FAIL));
    must_go(0, 0);
    done(0, &failure, 0);
    uint64_t until = status(0).opens_until_ms;
    struct limiter_answer a = ask(1, 0);
    ck_assert_int_eq(a.verdict, LIMITER_REFUSE);
    ck_assert_int_eq(a.reason, LIMITER_BREAKER_OPEN);
    ck_assert_uint_eq(a.until_ms, until);
    ck_assert_int_eq(ask(1, until).change.to, BREAKER_HALF_OPEN); /* the probe */
    must_refuse(2, until, LIMITER_BREAKER_OPEN);
    done(1, &success, until);
    must_go(2, until);
    close_limiter();
}
END_TEST

START_TEST(where_open_means_fail_those_who_wait_already_are_refused_too)
{
    struct limiter_policy p = fragile(LIMITER_ON_OPEN_FAIL);
    p.concurrency = 1;
    open_limiter(p);
    must_go(0, 0);
    must_wait(1, 0, LIMITER_NO_FREE_SLOT, 0);
    must_wait(2, 0, LIMITER_NO_FREE_SLOT, 0);
    done(0, &failure, 0);
    ck_assert_uint_eq(limiter_wake_ms(&l, 0), 0);
    ck_assert_int_eq(next(0, LIMITER_REFUSE), 1);
    ck_assert_int_eq(next(0, LIMITER_REFUSE), 2);
    ck_assert_int_eq(next(0, LIMITER_REFUSE), -1);
    close_limiter();
}
END_TEST

START_TEST(who_gives_up_before_the_breaker_can_close_is_refused_at_once)
{
    open_limiter(fragile(LIMITER_ON_OPEN_WAIT));
    must_go(0, 0);
    done(0, &failure, 0);
    uint64_t until = status(0).opens_until_ms;
    tickets[1].give_up_ms = until;
    must_refuse(1, 0, LIMITER_BREAKER_OPEN);
    tickets[2].give_up_ms = until + 1;
    must_wait(2, 0, LIMITER_BREAKER_OPEN, until);
    must_refuse(1, 0, LIMITER_BREAKER_OPEN); /* also behind one that waits */
    ck_assert_int_eq(next(until, LIMITER_GO), 2);
    must_wait(1, until, LIMITER_BREAKER_OPEN, 0); /* the probe may well be back in time */
    close_limiter();
}
END_TEST

START_TEST(who_gives_up_before_the_breaker_can_close_leaves_the_line_when_it_opens)
{
    struct limiter_policy p = fragile(LIMITER_ON_OPEN_WAIT);
    p.concurrency = 1;
    open_limiter(p);
    must_go(0, 0);
    for (int i = 1; i <= 5; i++) {
        tickets[i].give_up_ms = i % 2 == 0 ? 500 : 5000;
        must_wait(i, 0, LIMITER_NO_FREE_SLOT, 0);
    }
    tickets[6].give_up_ms = 500;
    must_wait(6, 0, LIMITER_NO_FREE_SLOT, 0);
    done(0, &failure, 0);
    uint64_t until = status(0).opens_until_ms;
    ck_assert_uint_eq(limiter_wake_ms(&l, 0), 0);
    ck_assert_uint_eq(status(0).waiting, 3);
    limiter_cancel(&l, &tickets[6], 0); /* gone before it is told */
    ck_assert_int_eq(next(0, LIMITER_REFUSE), 2);
    ck_assert_int_eq(next(0, LIMITER_REFUSE), 4);
    ck_assert_int_eq(next(0, LIMITER_REFUSE), -1);
    ck_assert_uint_eq(limiter_wake_ms(&l, 0), until);
    ck_assert_int_eq(next(until, LIMITER_GO), 1);
    done(1, &failure, until); /* a failed probe opens it again, for longer */
    tickets[7].give_up_ms = until + 1000;
    must_refuse(7, until, LIMITER_BREAKER_OPEN);
    close_limiter();
}
END_TEST

START_TEST(a_retry_after_is_a_floor_for_the_open_time)
{
    open_limiter(fragile(LIMITER_ON_OPEN_WAIT));
    struct limiter_report hint = {LIMITER_FAILURE, .hint_ms = 30000, .used_tokens = 0};
    must_go(0, 0);
    done(0, &hint, 0);
    ck_assert_uint_eq(status(0).opens_until_ms, 30000);
    close_limiter();
}
END_TEST

START_TEST(a_reset_closes_the_breaker_and_ends_a_hold)
{
    open_limiter(fragile(LIMITER_ON_OPEN_WAIT));
    struct limiter_report hint = {LIMITER_FAILURE, .hint_ms = 30000, .hold = true,
                                  .used_tokens = 0};
    must_go(0, 0);
    done(0, &hint, 0);
    must_wait(1, 0, LIMITER_BREAKER_OPEN, 30000);
    struct breaker_change change = limiter_reset(&l);
    ck_assert_int_eq(change.from, BREAKER_OPEN);
    ck_assert_int_eq(change.to, BREAKER_CLOSED);
    ck_assert_uint_eq(limiter_wake_ms(&l, 5), 5);
    ck_assert_int_eq(next(5, LIMITER_GO), 1);
    close_limiter();
}
END_TEST

START_TEST(an_open_breaker_outlives_a_restart)
{
    open_limiter(fragile(LIMITER_ON_OPEN_WAIT));
    must_go(0, 0);
    done(0, &failure, 0);
    uint64_t until = status(0).opens_until_ms;
    struct breaker_saved saved = limiter_save(&l, 100);
    close_limiter();
    open_limiter(fragile(LIMITER_ON_OPEN_WAIT));
    limiter_restore(&l, &saved, 200, 5000);
    ck_assert_int_eq(status(5000).state, BREAKER_OPEN);
    must_wait(1, 5000, LIMITER_BREAKER_OPEN, 5000 + until - 300);
    close_limiter();
}
END_TEST

/* --- reload and status ------------------------------------------------------------------------ */

START_TEST(a_reload_lets_go_who_now_can)
{
    open_limiter(slots_only(1));
    must_go(0, 0);
    must_wait(1, 0, LIMITER_NO_FREE_SLOT, 0);
    must_wait(2, 0, LIMITER_NO_FREE_SLOT, 0);
    struct limiter_policy more = slots_only(2);
    limiter_configure(&l, &more, 0);
    ck_assert_int_eq(next(0, LIMITER_GO), 1);
    ck_assert_int_eq(next(0, LIMITER_GO), -1);
    struct limiter_policy fewer = slots_only(1);
    limiter_configure(&l, &fewer, 0);
    ck_assert_uint_eq(status(0).borrowed, 2);
    done(0, &success, 0);
    ck_assert_int_eq(next(0, LIMITER_GO), -1);
    done(1, &success, 0);
    ck_assert_int_eq(next(0, LIMITER_GO), 2);
    close_limiter();
}
END_TEST

START_TEST(a_reload_refuses_who_now_never_could)
{
    open_limiter(with_tokens(1000, 60000, 1000));
    tickets[0].cost_tokens = tickets[1].cost_tokens = 800;
    tickets[2].cost_tokens = 100;
    must_go(0, 0);
    must_wait(1, 0, LIMITER_RATE_LIMITED, 36000);
    must_wait(2, 0, LIMITER_RATE_LIMITED, 36000);
    struct limiter_policy smaller = with_tokens(1000, 60000, 500);
    limiter_configure(&l, &smaller, 0);
    ck_assert_int_eq(next(0, LIMITER_REFUSE), 1);
    ck_assert_int_eq(next(0, LIMITER_GO), 2);
    close_limiter();
}
END_TEST

START_TEST(a_reload_that_turns_waiting_into_failing_refuses_who_waits_for_the_breaker)
{
    open_limiter(fragile(LIMITER_ON_OPEN_WAIT));
    must_go(0, 0);
    done(0, &failure, 0);
    must_wait(1, 0, LIMITER_BREAKER_OPEN, status(0).opens_until_ms);
    struct limiter_policy p = fragile(LIMITER_ON_OPEN_FAIL);
    limiter_configure(&l, &p, 0);
    ck_assert_int_eq(next(0, LIMITER_REFUSE), 1);
    close_limiter();
}
END_TEST

START_TEST(a_bucket_that_a_reload_brings_is_not_owed_what_was_never_taken_from_it)
{
    open_limiter(slots_only(100));
    tickets[0].cost_tokens = tickets[1].cost_tokens = 300;
    must_go(0, 0);
    must_go(1, 0);
    struct limiter_policy p = with_tokens(1000, 60000, 1000);
    p.requests = (struct token_bucket_policy){10, 10, 60000};
    limiter_configure(&l, &p, 0);
    must_go(2, 0);
    limiter_cancel(&l, &tickets[0], 0);
    ck_assert_uint_eq(status(0).requests.available, 9);
    struct limiter_report report = {LIMITER_SUCCESS, .used_tokens = 100};
    done(1, &report, 0);
    ck_assert_uint_eq(status(0).tokens.available, 900);
    close_limiter();
}
END_TEST

START_TEST(the_status_shows_all_of_it)
{
    struct limiter_policy p = with_requests(60, 60000, 10);
    open_limiter(p);
    for (int i = 0; i < 12; i++)
        ask(i, 0);
    struct limiter_status s = status(0);
    ck_assert_int_eq(s.state, BREAKER_CLOSED);
    ck_assert_uint_eq(s.failures, 0);
    ck_assert_uint_eq(s.opens_until_ms, 0);
    ck_assert_uint_eq(s.held_until_ms, 0);
    ck_assert_uint_eq(s.borrowed, 10);
    ck_assert_uint_eq(s.total, 100);
    ck_assert_uint_eq(s.waiting, 2);
    ck_assert(s.requests.is_on);
    ck_assert_uint_eq(s.requests.burst, 10);
    ck_assert_uint_eq(s.requests.available, 0);
    ck_assert_uint_eq(status(2500).requests.available, 2);
    ck_assert(!s.tokens.is_on);
    close_limiter();
}
END_TEST

START_TEST(first_attempts_pay_for_retries)
{
    struct limiter_policy p = slots_only(100);
    p.retry_budget = 0.5;
    open_limiter(p);
    struct retry_policy retry = retry_policy_default();
    struct retry_failure f = {ERR_PROVIDER_ERROR, 1, 0, false};
    uint64_t at_ms;
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(limiter_retry(&l, &retry, &f, UINT64_MAX, 0, &rng, &at_ms), RETRY_AGAIN);
    ck_assert_int_eq(limiter_retry(&l, &retry, &f, UINT64_MAX, 0, &rng, &at_ms),
                     RETRY_BUDGET_EMPTY);
    for (int i = 0; i < 4; i++) {
        tickets[i].is_retry = i >= 2;
        must_go(i, 0);
        done(i, &failure, 0);
    }
    must_go(4, 0);
    limiter_cancel(&l, &tickets[4], 0); /* was never made: pays nothing */
    ck_assert_int_eq(limiter_retry(&l, &retry, &f, UINT64_MAX, 0, &rng, &at_ms), RETRY_AGAIN);
    ck_assert_int_eq(limiter_retry(&l, &retry, &f, UINT64_MAX, 0, &rng, &at_ms),
                     RETRY_BUDGET_EMPTY);
    close_limiter();
}
END_TEST

/* --- laws ------------------------------------------------------------------------------------- */

/* A gateway with tickets that live random lives, and what it must be able to say at any time. */
enum { LIVES = 120, TENANTS = 5, GRANTS = 20000 };

/* A grant that was used: when, and for how many tokens. */
struct call {
    uint64_t at, tokens;
};

struct world {
    uint64_t seed, now;
    uint64_t asked[LIVES]; /* when, in order of asking; for FIFO */
    uint64_t asks;
    uint64_t last_granted[TENANTS]; /* of the tenant's waiters, in order of asking */
    uint64_t waited, let_go, refused, cancelled;
    struct call calls[GRANTS]; /* those that were made */
    size_t call_count;
    uint64_t granted_at[LIVES];
};

static struct world w;

static struct limiter_policy random_policy(void)
{
    struct limiter_policy p = limiter_policy_default();
    p.concurrency = (uint32_t)property_between(&rng, 1, 20);
    p.queue = (uint32_t)property_between(&rng, 0, 50);
    if (property_chance(&rng, 0.7))
        p.requests = (struct token_bucket_policy){property_between(&rng, 1, 50),
                                                  property_between(&rng, 1, 20),
                                                  (uint32_t)property_between(&rng, 1, 5000)};
    if (property_chance(&rng, 0.7))
        p.tokens = (struct token_bucket_policy){property_between(&rng, 1, 5000),
                                                property_between(&rng, 100, 5000),
                                                (uint32_t)property_between(&rng, 1, 5000)};
    p.breaker.failures = (uint32_t)rng_below(&rng, 10);
    p.breaker.ratio = property_chance(&rng, 0.3) ? 0.7 : 0;
    p.breaker.reset_ms = (uint32_t)property_between(&rng, 1, 3000);
    p.on_open = property_chance(&rng, 0.8) ? LIMITER_ON_OPEN_WAIT : LIMITER_ON_OPEN_FAIL;
    return p;
}

static int count_in(enum limiter_ticket_state state)
{
    int n = 0;
    for (int i = 0; i < LIVES; i++)
        n += tickets[i].state == state;
    return n;
}

static int probes_out(void)
{
    int n = 0;
    for (int i = 0; i < LIVES; i++)
        n += tickets[i].state == LIMITER_GRANTED && tickets[i].pass.is_probe &&
             tickets[i].pass.generation == l.breaker.generation;
    return n;
}

static void check_world(void)
{
    uint64_t seed = w.seed;
    struct limiter_status s = status(w.now);
    MUST(s.borrowed == (uint32_t)count_in(LIMITER_GRANTED)); /* conservation */
    MUST(s.waiting == (size_t)count_in(LIMITER_WAITING));
    MUST(w.waited == w.let_go + w.refused + w.cancelled + s.waiting); /* nobody is lost */
    MUST(probes_out() <= 1);
    MUST(s.state == BREAKER_HALF_OPEN || probes_out() == 0);
}

static void note_grant(int i)
{
    w.granted_at[i] = w.now;
}

/* A grant that was not cancelled was a call, made when it was granted. */
static void note_call(int i)
{
    if (w.call_count < GRANTS)
        w.calls[w.call_count++] = (struct call){w.granted_at[i], tickets[i].reserved_tokens};
}

static void live_ask(int i)
{
    uint64_t seed = w.seed;
    struct limiter_ticket *t = &tickets[i];
    limiter_ticket_init(t, rng_below(&rng, TENANTS), rng_below(&rng, 200));
    t->weight = (uint32_t)(1 + t->tenant % 2);
    t->is_bounded = property_chance(&rng, 0.3);
    bool others_wait = status(w.now).waiting > 0;
    bool was_full = status(w.now).waiting >= l.policy.queue;
    int probes = probes_out();
    struct limiter_answer a = limiter_ask(&l, t, w.now);
    w.asked[i] = ++w.asks;
    MUST((a.verdict == LIMITER_GO) == (t->state == LIMITER_GRANTED));
    MUST((a.verdict == LIMITER_WAIT) == (t->state == LIMITER_WAITING));
    MUST(a.verdict != LIMITER_GO || !others_wait); /* nobody overtakes */
    MUST(a.verdict != LIMITER_GO || probes == 0);
    MUST(a.verdict != LIMITER_WAIT || !t->is_bounded || !was_full);
    MUST(a.reason != LIMITER_QUEUE_FULL || (t->is_bounded && was_full));
    w.waited += a.verdict == LIMITER_WAIT;
    if (a.verdict == LIMITER_GO)
        note_grant(i);
}

static void live_done(int i)
{
    struct limiter_report report = {
        .outcome = (enum limiter_outcome)rng_below(&rng, 3),
        .hint_ms = property_chance(&rng, 0.1) ? rng_below(&rng, 2000) : 0,
        .hold = property_chance(&rng, 0.3),
        .used_tokens =
            property_chance(&rng, 0.5) ? LIMITER_TOKENS_UNKNOWN : tickets[i].reserved_tokens,
    };
    note_call(i);
    limiter_done(&l, &tickets[i], &report, w.now, &rng);
}

static void live_cancel(int i)
{
    w.cancelled += tickets[i].state == LIMITER_WAITING;
    limiter_cancel(&l, &tickets[i], w.now);
}

/* What the owner does after every change. */
static void serve(void)
{
    uint64_t seed = w.seed;
    struct limiter_ticket *t;
    struct limiter_answer a;
    while (limiter_next(&l, w.now, &t, &a)) {
        int i = (int)(t - tickets);
        MUST(a.verdict != LIMITER_WAIT);
        MUST(w.asked[i] > w.last_granted[t->tenant]); /* in order within a tenant */
        w.last_granted[t->tenant] = w.asked[i];
        w.let_go += a.verdict == LIMITER_GO;
        w.refused += a.verdict == LIMITER_REFUSE;
        if (a.verdict == LIMITER_GO)
            note_grant(i);
    }
    MUST(limiter_wake_ms(&l, w.now) > w.now); /* whoever could go has gone */
}

/* Time passes. Where it passes the wake-up time, nobody can go a ms earlier, and somebody then. */
static void sleep_a_while(void)
{
    uint64_t seed = w.seed;
    uint64_t wake = limiter_wake_ms(&l, w.now);
    uint64_t until = w.now + rng_below(&rng, 300);
    if (wake > until) {
        w.now = until;
        return;
    }
    struct limiter_ticket *t;
    struct limiter_answer a;
    w.now = wake - 1;
    MUST(!limiter_next(&l, w.now, &t, &a));
    w.now = wake;
    MUST(limiter_wake_ms(&l, w.now) == w.now);
    uint64_t before = w.let_go + w.refused;
    serve();
    MUST(w.let_go + w.refused > before);
}

static void live(int steps)
{
    for (int step = 0; step < steps; step++) {
        int i = (int)rng_below(&rng, LIVES);
        double dice = rng_unit(&rng);
        if (tickets[i].state == LIMITER_IDLE)
            live_ask(i);
        else if (dice < 0.1)
            live_cancel(i);
        else if (tickets[i].state == LIMITER_GRANTED && dice < 0.7)
            live_done(i);
        else if (tickets[i].state == LIMITER_GRANTED && dice < 0.8)
            limiter_answered(&l, &tickets[i], w.now);
        if (property_chance(&rng, 0.002))
            limiter_reset(&l);
        serve();
        check_world();
        if (property_chance(&rng, 0.3))
            sleep_a_while();
    }
}

/* Everything that is granted succeeds, and time is as long as needed. */
static void drain(void)
{
    uint64_t seed = w.seed;
    for (int rounds = 0; count_in(LIMITER_IDLE) < LIVES; rounds++) {
        MUST(rounds < 100000);
        for (int i = 0; i < LIVES; i++) {
            if (tickets[i].state == LIMITER_GRANTED) {
                note_call(i);
                done(i, &success, w.now);
            }
        }
        serve();
        if (count_in(LIMITER_GRANTED) == 0 && count_in(LIMITER_WAITING) > 0) {
            MUST(limiter_wake_ms(&l, w.now) != UINT64_MAX); /* nobody waits for ever */
            w.now = limiter_wake_ms(&l, w.now);
            serve();
        }
    }
    check_world();
}

static void begin_world(uint64_t seed)
{
    w = (struct world){.seed = seed};
    open_limiter(random_policy());
}

static int by_time(const void *a, const void *b)
{
    const struct call *x = a, *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* In no window, from any call to any later one, is there more than burst + rate * window. */
static void check_law(const struct token_bucket_policy *policy, bool in_tokens)
{
    uint64_t seed = w.seed;
    if (policy->rate == 0)
        return;
    int64_t period = policy->period_ms, rate = (int64_t)policy->rate;
    int64_t sum = 0, smallest = INT64_MAX;
    for (size_t i = 0; i < w.call_count; i++) {
        int64_t refilled = rate * (int64_t)w.calls[i].at;
        if (sum * period - refilled < smallest)
            smallest = sum * period - refilled;
        sum += in_tokens ? (int64_t)w.calls[i].tokens : 1;
        MUST(sum * period - refilled - smallest <= (int64_t)policy->burst * period);
    }
}

START_TEST(in_any_trace_it_keeps_its_invariants_and_the_law_of_its_buckets)
{
    uint64_t seed = property_seed();
    rng_seed(&rng, seed);
    for (int trace = 0; trace < 60; trace++) {
        begin_world(seed);
        struct limiter_policy policy = l.policy;
        live(3000);
        drain();
        qsort(w.calls, w.call_count, sizeof w.calls[0], by_time);
        check_law(&policy.requests, false);
        check_law(&policy.tokens, true);
        close_limiter();
    }
}
END_TEST

START_TEST(in_any_trace_with_reloads_it_keeps_its_invariants)
{
    uint64_t seed = property_seed();
    rng_seed(&rng, seed);
    for (int trace = 0; trace < 20; trace++) {
        begin_world(seed);
        for (int reload = 0; reload < 20; reload++) {
            live(200);
            struct limiter_policy policy = random_policy();
            limiter_configure(&l, &policy, w.now);
            serve();
            check_world();
        }
        drain();
        close_limiter();
    }
}
END_TEST

START_TEST(a_saturated_limiter_uses_98_percent_of_its_rate)
{
    uint64_t seed = property_seed();
    rng_seed(&rng, seed);
    open_limiter(with_tokens(200000, 60000, 200000));
    for (int i = 0; i < 90; i++) {
        limiter_ticket_init(&tickets[i], (uint64_t)i % 7, property_between(&rng, 1, 20000));
        ask(i, 0);
    }
    uint64_t now = 0, used = 0;
    const uint64_t end = 30 * 60000;
    while (now < end) {
        int again[90], count = 0;
        for (int i = 0; i < 90; i++) {
            if (tickets[i].state == LIMITER_GRANTED) {
                used += tickets[i].cost_tokens;
                done(i, &success, now);
                again[count++] = i;
            }
        }
        for (int i = 0; i < count; i++) {
            limiter_ticket_init(&tickets[again[i]], (uint64_t)again[i] % 7,
                                property_between(&rng, 1, 20000));
            ask(again[i], now);
        }
        while (next(now, LIMITER_GO) >= 0)
            continue;
        if (limiter_wake_ms(&l, now) != UINT64_MAX)
            now = limiter_wake_ms(&l, now);
        while (next(now, LIMITER_GO) >= 0)
            continue;
    }
    MUST(used <= 200000 + 200000 * now / 60000);
    MUST(used + 20000 >= (200000 + 200000 * end / 60000) * 98 / 100);
    close_limiter();
}
END_TEST

START_TEST(equal_tenants_get_equal_shares_however_much_they_send)
{
    uint64_t seed = property_seed();
    rng_seed(&rng, seed);
    open_limiter(with_requests(100, 1000, 1));
    uint64_t served[10] = {0};
    for (uint64_t now = 0; now < 60000; now++) {
        for (uint64_t tenant = 0; tenant < 10; tenant++) { /* 10 a second is the share */
            if (!property_chance(&rng, tenant == 0 ? 1.0 : 0.012 + 0.002 * (double)tenant))
                continue;
            int i = (int)(tenant * 100 + rng_below(&rng, 100));
            if (tickets[i].state != LIMITER_IDLE)
                continue;
            limiter_ticket_init(&tickets[i], tenant, 0);
            if (ask(i, now).verdict == LIMITER_GO)
                done(i, &success, now);
        }
        int i;
        while ((i = next(now, LIMITER_GO)) >= 0) {
            served[tickets[i].tenant]++;
            done(i, &success, now);
        }
    }
    double sum = 0, squares = 0;
    for (int i = 0; i < 10; i++) {
        sum += (double)served[i];
        squares += (double)served[i] * (double)served[i];
    }
    MUST(sum * sum / (10 * squares) >= 0.98);
    close_limiter();
}
END_TEST

START_TEST(an_outage_costs_at_most_a_fifth_more_calls_and_ten)
{
    uint64_t seed = property_seed();
    rng_seed(&rng, seed);
    struct limiter_policy p = slots_only(1000);
    open_limiter(p);
    struct retry_policy retry = retry_policy_default();
    uint64_t calls = 0, attempts = 0, now = 0;
    struct {
        uint64_t at_ms; /* when its next attempt starts, 0: none */
        uint32_t attempt;
    } waiting[200] = {{0, 0}};
    for (; now < 100000; now += 5) {
        for (int i = 0; i < 200; i++) {
            if (waiting[i].at_ms == 0 && property_chance(&rng, 0.01)) {
                waiting[i].at_ms = now;
                waiting[i].attempt = 1;
                calls++;
            }
            if (waiting[i].at_ms == 0 || waiting[i].at_ms > now)
                continue;
            limiter_ticket_init(&tickets[i], 1, 0);
            tickets[i].is_retry = waiting[i].attempt > 1;
            must_go(i, now);
            attempts++;
            done(i, &failure, now);
            struct retry_failure f = {ERR_PROVIDER_OVERLOADED, waiting[i].attempt++, 0, false};
            if (limiter_retry(&l, &retry, &f, UINT64_MAX, now, &rng, &waiting[i].at_ms) !=
                RETRY_AGAIN)
                waiting[i].at_ms = 0;
        }
        MUST(attempts <= calls + calls / 5 + 10);
    }
    MUST(attempts > calls + calls / 10);
    close_limiter();
}
END_TEST

Suite *suite_resilience_limiter(void)
{
    Suite *s = suite_create("resilience_limiter");
    TCase *going = tcase_create("going");
    tcase_add_test(going, the_defaults_are_those_of_the_api);
    tcase_add_test(going, a_call_that_goes_takes_all_that_it_needs);
    tcase_add_test(going, a_call_that_waits_takes_nothing);
    tcase_add_test(going, more_tokens_than_the_burst_are_refused_at_once);
    suite_add_tcase(s, going);
    TCase *waiting = tcase_create("waiting");
    tcase_add_test(waiting, a_slot_is_awaited_until_one_comes_back);
    tcase_add_test(waiting, a_bucket_is_awaited_to_the_ms);
    tcase_add_test(waiting, a_newcomer_never_overtakes);
    tcase_add_test(waiting, a_newcomer_waits_even_if_the_first_in_line_is_about_to_go);
    tcase_add_test(waiting, several_obstacles_are_told_by_the_weightiest_and_awaited_together);
    tcase_add_test(waiting, all_who_wait_are_told_why);
    tcase_add_test(waiting, tenants_take_turns);
    tcase_add_test(waiting, a_weight_lengthens_the_turn_of_its_tenant);
    tcase_add_test(waiting, only_bounded_tickets_are_refused_by_a_full_queue);
    tcase_add_test(waiting, a_queue_of_nobody_refuses_only_who_would_wait);
    tcase_add_test(waiting, a_refusal_for_a_full_queue_says_when_to_come_back);
    tcase_add_test(waiting, without_memory_to_wait_a_call_is_refused);
    tcase_add_test(waiting, a_loop_whose_clock_is_behind_is_taken_to_be_at_the_latest_time);
    suite_add_tcase(s, waiting);
    TCase *ending = tcase_create("ending");
    tcase_add_test(ending, tokens_are_settled_by_what_was_used);
    tcase_add_test(ending, a_call_that_was_made_stays_counted);
    tcase_add_test(ending, a_grant_that_was_never_used_goes_on_at_once);
    tcase_add_test(ending, whoever_leaves_the_queue_makes_room_for_the_next);
    tcase_add_test(ending, cancelling_what_is_idle_does_nothing);
    tcase_add_test(ending, a_hold_stops_everybody_until_its_end);
    tcase_add_test(ending, a_hint_without_a_hold_stops_nobody);
    tcase_add_test(ending, an_absurd_hint_is_cut_to_the_policy);
    suite_add_tcase(s, ending);
    TCase *broken = tcase_create("breaker");
    tcase_add_test(broken, only_what_speaks_of_the_providers_health_opens_the_breaker);
    tcase_add_test(broken, one_waiter_becomes_the_probe_and_a_thousand_stay);
    tcase_add_test(broken, a_probe_that_fails_leaves_them_waiting_for_longer);
    tcase_add_test(broken, a_lost_probe_is_replaced_at_once);
    tcase_add_test(broken, a_probe_that_begins_to_answer_lets_the_others_go);
    tcase_add_test(broken, an_ordinary_call_that_begins_to_answer_says_nothing_yet);
    tcase_add_test(broken, calls_of_before_say_nothing_about_a_breaker_that_has_opened_since);
    tcase_add_test(broken, where_open_means_fail_calls_are_refused_at_once);
    tcase_add_test(broken, where_open_means_fail_those_who_wait_already_are_refused_too);
    tcase_add_test(broken, a_retry_after_is_a_floor_for_the_open_time);
    tcase_add_test(broken, a_reset_closes_the_breaker_and_ends_a_hold);
    tcase_add_test(broken, who_gives_up_before_the_breaker_can_close_is_refused_at_once);
    tcase_add_test(broken, who_gives_up_before_the_breaker_can_close_leaves_the_line_when_it_opens);
    tcase_add_test(broken, an_open_breaker_outlives_a_restart);
    suite_add_tcase(s, broken);
    TCase *operating = tcase_create("operating");
    tcase_add_test(operating, a_reload_lets_go_who_now_can);
    tcase_add_test(operating, a_reload_refuses_who_now_never_could);
    tcase_add_test(operating,
                   a_reload_that_turns_waiting_into_failing_refuses_who_waits_for_the_breaker);
    tcase_add_test(operating,
                   a_bucket_that_a_reload_brings_is_not_owed_what_was_never_taken_from_it);
    tcase_add_test(operating, the_status_shows_all_of_it);
    tcase_add_test(operating, first_attempts_pay_for_retries);
    suite_add_tcase(s, operating);
    TCase *laws = tcase_create("laws");
    tcase_set_timeout(laws, PROPERTY_TIMEOUT_S);
    tcase_add_test(laws, in_any_trace_it_keeps_its_invariants_and_the_law_of_its_buckets);
    tcase_add_test(laws, in_any_trace_with_reloads_it_keeps_its_invariants);
    tcase_add_test(laws, a_saturated_limiter_uses_98_percent_of_its_rate);
    tcase_add_test(laws, equal_tenants_get_equal_shares_however_much_they_send);
    tcase_add_test(laws, an_outage_costs_at_most_a_fifth_more_calls_and_ten);
    suite_add_tcase(s, laws);
    return s;
}
