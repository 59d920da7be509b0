#include "resilience/token_bucket.h"

#include <check.h>

#include "tests/unit/resilience/property.h"

Suite *suite_resilience_token_bucket(void);

static struct token_bucket bucket(uint64_t rate, uint32_t period_ms, uint64_t burst)
{
    struct token_bucket b;
    struct token_bucket_policy policy = {.rate = rate, .period_ms = period_ms, .burst = burst};
    token_bucket_init(&b, &policy, 0);
    return b;
}

START_TEST(starts_full)
{
    struct token_bucket b = bucket(60, 60000, 5);
    for (int i = 0; i < 5; i++)
        ck_assert(token_bucket_take(&b, 1, 0));
    ck_assert(!token_bucket_take(&b, 1, 0));
}
END_TEST

START_TEST(says_the_exact_ms_at_which_a_cost_could_pass)
{
    static const struct {
        uint64_t rate;
        uint32_t period_ms;
        uint64_t burst, cost, wait_ms;
    } rows[] = {
        {60, 60000, 60, 1, 1000},      {60, 60000, 60, 60, 60000},
        {100, 60000, 100, 1, 600},     {3, 1000, 3, 1, 334},
        {3, 1000, 3, 2, 667},          {3, 1000, 3, 3, 1000},
        {7, 60000, 7, 1, 8572},        {1, 1, 1, 1, 1},
        {1000, 1, 1000, 1, 1},         {200000, 60000, 1000, 7, 3},
        {1, 86400000, 1, 1, 86400000}, {1000000000, 86400000, 1000000000, 1000000000, 86400000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct token_bucket b = bucket(rows[i].rate, rows[i].period_ms, rows[i].burst);
        ck_assert(token_bucket_take(&b, rows[i].burst, 0));
        ck_assert_uint_eq(token_bucket_wait_ms(&b, rows[i].cost, 0), rows[i].wait_ms);
        ck_assert(!token_bucket_take(&b, rows[i].cost, rows[i].wait_ms - 1));
        ck_assert_uint_eq(token_bucket_wait_ms(&b, rows[i].cost, rows[i].wait_ms - 1), 1);
        ck_assert(token_bucket_take(&b, rows[i].cost, rows[i].wait_ms));
    }
}
END_TEST

START_TEST(refills_without_drift_for_days)
{
    struct token_bucket b = bucket(7, 60001, 3);
    uint64_t taken = 0, now = 0;
    const uint64_t days_ms = UINT64_C(2) * 86400000;
    while (now < days_ms) {
        now += token_bucket_wait_ms(&b, 1, now);
        ck_assert(token_bucket_take(&b, 1, now));
        taken++;
    }
    ck_assert_uint_eq(taken, 3 + (now * 7) / 60001);
}
END_TEST

START_TEST(more_than_the_burst_can_never_pass)
{
    struct token_bucket b = bucket(60, 60000, 5);
    ck_assert(token_bucket_fits(&b, 5));
    ck_assert(!token_bucket_fits(&b, 6));
    ck_assert_uint_eq(token_bucket_wait_ms(&b, 6, 0), TOKEN_BUCKET_NEVER);
    ck_assert(!token_bucket_take(&b, 6, UINT64_C(1) << 40));
}
END_TEST

START_TEST(a_burst_left_out_is_the_rate)
{
    struct token_bucket b = bucket(60, 60000, 0);
    ck_assert_uint_eq(token_bucket_burst(&b), 60);
    ck_assert_uint_eq(token_bucket_available(&b, 0), 60);
}
END_TEST

START_TEST(what_is_given_back_can_be_taken_again_but_never_overflows)
{
    struct token_bucket b = bucket(60, 60000, 5);
    ck_assert(token_bucket_take(&b, 5, 0));
    token_bucket_give_back(&b, 2, 0, 0);
    ck_assert_uint_eq(token_bucket_available(&b, 0), 2);
    token_bucket_give_back(&b, 100, 0, 0);
    ck_assert_uint_eq(token_bucket_available(&b, 0), 5);
}
END_TEST

START_TEST(what_is_given_back_late_was_refilled_in_part)
{
    static const struct {
        uint64_t after_ms, available;
    } rows[] = {{0, 5}, {1999, 5}, {2000, 5}, {4000, 5}, {5000, 5}, {6000, 6}, {20000, 10}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct token_bucket b = bucket(60, 60000, 10);
        ck_assert(token_bucket_take(&b, 5, 0)); /* was used */
        ck_assert(token_bucket_take(&b, 5, 0));
        token_bucket_give_back(&b, 5, 0, rows[i].after_ms);
        ck_assert_uint_eq(token_bucket_available(&b, rows[i].after_ms), rows[i].available);
    }
}
END_TEST

START_TEST(a_grant_given_back_late_does_not_double_the_burst)
{
    struct token_bucket b = bucket(10, 1000, 10);
    ck_assert(token_bucket_take(&b, 10, 0));    /* never used */
    ck_assert(token_bucket_take(&b, 10, 1000)); /* used, and so will be what comes back */
    token_bucket_give_back(&b, 10, 0, 1000);
    ck_assert(!token_bucket_take(&b, 1, 1000));
}
END_TEST

START_TEST(settling_charges_or_returns_the_difference)
{
    static const struct {
        uint64_t reserved, used;
        uint64_t available, wait_for_one_ms;
    } rows[] = {
        {50, 50, 50, 0},       {50, 20, 80, 0},
        {50, 0, 100, 0},       {50, 100, 0, 1000},
        {50, 99, 1, 0},        {50, 130, 0, 31000},
        {50, 200, 0, 101000},  {0, 10, 90, 0},
        {50, 5000, 0, 101000}, {50, UINT64_MAX - 1, 0, 101000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct token_bucket b = bucket(60, 60000, 100);
        ck_assert(token_bucket_take(&b, rows[i].reserved, 0));
        token_bucket_settle(&b, rows[i].reserved, rows[i].used, 0);
        ck_assert_uint_eq(token_bucket_available(&b, 0), rows[i].available);
        ck_assert_uint_eq(token_bucket_wait_ms(&b, 1, 0), rows[i].wait_for_one_ms);
    }
}
END_TEST

START_TEST(even_what_costs_nothing_waits_for_a_debt_to_be_paid)
{
    struct token_bucket b = bucket(60, 60000, 100);
    ck_assert(token_bucket_take(&b, 100, 0));
    token_bucket_settle(&b, 100, 110, 0);
    ck_assert_uint_eq(token_bucket_wait_ms(&b, 0, 0), 10000);
    ck_assert(!token_bucket_take(&b, 0, 9999));
    ck_assert(token_bucket_take(&b, 0, 10000));
}
END_TEST

START_TEST(nothing_passes_before_the_end_of_a_hold)
{
    struct token_bucket b = bucket(60, 60000, 100);
    token_bucket_hold(&b, 5000);
    ck_assert_uint_eq(token_bucket_wait_ms(&b, 1, 1000), 4000);
    ck_assert(!token_bucket_take(&b, 1, 4999));
    ck_assert(token_bucket_take(&b, 1, 5000));
}
END_TEST

START_TEST(the_later_of_two_holds_counts_and_of_hold_and_refill)
{
    struct token_bucket b = bucket(60, 60000, 10);
    token_bucket_hold(&b, 5000);
    token_bucket_hold(&b, 3000);
    ck_assert_uint_eq(token_bucket_held_until_ms(&b), 5000);
    ck_assert_uint_eq(token_bucket_wait_ms(&b, 1, 0), 5000);
    token_bucket_settle(&b, 0, 20, 0); /* a debt of 10 */
    ck_assert_uint_eq(token_bucket_wait_ms(&b, 1, 0), 11000);
    token_bucket_hold(&b, 20000);
    ck_assert_uint_eq(token_bucket_wait_ms(&b, 1, 0), 20000);
}
END_TEST

START_TEST(a_hold_can_be_released)
{
    struct token_bucket b = bucket(60, 60000, 10);
    token_bucket_hold(&b, 5000);
    token_bucket_release(&b);
    ck_assert(token_bucket_take(&b, 1, 0));
}
END_TEST

START_TEST(a_bucket_without_a_rate_lets_all_pass_but_for_a_hold)
{
    struct token_bucket b = bucket(0, 0, 0);
    ck_assert(!token_bucket_is_on(&b));
    ck_assert(token_bucket_fits(&b, UINT64_MAX));
    ck_assert(token_bucket_take(&b, UINT64_MAX, 0));
    token_bucket_settle(&b, 0, UINT64_MAX, 0);
    token_bucket_give_back(&b, 10, 0, 0);
    ck_assert(token_bucket_take(&b, 1000, 0));
    ck_assert_uint_eq(token_bucket_burst(&b), 0);
    ck_assert_uint_eq(token_bucket_available(&b, 0), 0);
    token_bucket_hold(&b, 50);
    ck_assert_uint_eq(token_bucket_wait_ms(&b, 0, 10), 40);
    ck_assert(token_bucket_take(&b, 1, 50));
}
END_TEST

START_TEST(a_clock_that_is_behind_refills_nothing)
{
    struct token_bucket b = bucket(1000, 1000, 10);
    ck_assert(token_bucket_take(&b, 10, 5000));
    ck_assert(!token_bucket_take(&b, 1, 4000));
    ck_assert_uint_eq(token_bucket_wait_ms(&b, 1, 4000), 1001);
    ck_assert(token_bucket_take(&b, 1, 5001));
}
END_TEST

START_TEST(numbers_out_of_bounds_are_cut)
{
    struct token_bucket b = bucket(UINT64_MAX, UINT32_MAX, UINT64_MAX);
    ck_assert_uint_eq(token_bucket_burst(&b), TOKEN_BUCKET_MAX_TOKENS);
    ck_assert(token_bucket_take(&b, TOKEN_BUCKET_MAX_TOKENS, 0));
    ck_assert_uint_eq(token_bucket_wait_ms(&b, TOKEN_BUCKET_MAX_TOKENS, 0),
                      TOKEN_BUCKET_MAX_PERIOD_MS);
    token_bucket_settle(&b, 0, UINT64_MAX, 0);
    ck_assert_uint_eq(token_bucket_available(&b, UINT64_MAX / 2), TOKEN_BUCKET_MAX_TOKENS);
}
END_TEST

START_TEST(a_reload_keeps_the_tokens_cut_to_the_new_burst)
{
    static const struct {
        struct token_bucket_policy before;
        uint64_t taken;
        struct token_bucket_policy after;
        uint64_t available;
    } rows[] = {
        {{60, 100, 60000}, 40, {60, 100, 60000}, 60},   /* nothing new */
        {{60, 100, 60000}, 40, {600, 100, 60000}, 60},  /* another rate */
        {{60, 100, 60000}, 40, {60, 1000, 60000}, 60},  /* a larger burst fills up */
        {{60, 100, 60000}, 40, {60, 50, 60000}, 50},    /* a smaller one is full */
        {{60, 100, 60000}, 40, {60, 100, 1000}, 60},    /* another period */
        {{60, 100, 1000}, 40, {60, 100, 86400000}, 60}, /* a much longer one */
        {{0, 0, 0}, 0, {60, 100, 60000}, 100},          /* it was off */
        {{60, 100, 60000}, 40, {0, 0, 0}, 0},           /* it goes off */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct token_bucket b;
        token_bucket_init(&b, &rows[i].before, 0);
        ck_assert(token_bucket_take(&b, rows[i].taken, 0));
        token_bucket_configure(&b, &rows[i].after, 0);
        ck_assert_uint_eq(token_bucket_available(&b, 0), rows[i].available);
    }
}
END_TEST

START_TEST(a_reload_forgives_neither_a_debt_nor_a_hold)
{
    struct token_bucket b = bucket(60, 60000, 100);
    struct token_bucket_policy faster = {.rate = 60, .period_ms = 6000, .burst = 100};
    token_bucket_settle(&b, 0, 110, 0);
    token_bucket_hold(&b, 500);
    token_bucket_configure(&b, &faster, 0);
    ck_assert_uint_eq(token_bucket_held_until_ms(&b), 500);
    ck_assert_uint_eq(token_bucket_wait_ms(&b, 0, 0), 1000); /* 10 tokens, one each 100 ms */
}
END_TEST

START_TEST(a_reload_rounds_a_part_of_a_token_down)
{
    struct token_bucket b = bucket(1, 3, 1);
    struct token_bucket_policy other = {.rate = 1, .period_ms = 2, .burst = 1};
    token_bucket_settle(&b, 0, 2, 0);      /* a debt of 1 */
    token_bucket_configure(&b, &other, 1); /* 2/3 are left, and no halves can say that */
    ck_assert_uint_eq(token_bucket_wait_ms(&b, 0, 1), 2);
}
END_TEST

/* Checks every window that begins and ends with an event, in one pass: what is in it is the
 * difference of two running sums, and only the smallest start matters. */
struct law {
    int64_t rate, period_ms, burst;
    int64_t sum;      /* tokens taken so far, less those given back */
    int64_t smallest; /* of sum * period - rate * t, before each take */
    bool broken;
};

static void law_take(struct law *law, uint64_t cost, uint64_t now)
{
    int64_t before = law->sum * law->period_ms - law->rate * (int64_t)now;
    if (before < law->smallest)
        law->smallest = before;
    law->sum += (int64_t)cost;
    int64_t after = law->sum * law->period_ms - law->rate * (int64_t)now;
    if (after - law->smallest > law->burst * law->period_ms)
        law->broken = true;
}

START_TEST(admits_at_most_burst_and_rate_in_every_window)
{
    uint64_t seed = property_seed();
    struct rng rng;
    rng_seed(&rng, seed);
    for (int trace = 0; trace < 200; trace++) {
        uint64_t rate = property_between(&rng, 1, 1000);
        uint32_t period_ms = (uint32_t)property_between(&rng, 1, 100000);
        uint64_t burst = property_between(&rng, 1, 2 * rate);
        struct token_bucket b = bucket(rate, period_ms, burst);
        struct law law = {.rate = (int64_t)rate,
                          .period_ms = period_ms,
                          .burst = (int64_t)burst,
                          .smallest = INT64_MAX};
        uint64_t now = 0, latest = 0; /* at which something was taken */
        for (int step = 0; step < 500; step++) {
            uint64_t cost = property_between(&rng, 0, burst);
            uint64_t wait_ms = token_bucket_wait_ms(&b, cost, now);
            bool patient = property_chance(&rng, 0.5);
            now += patient ? wait_ms : rng_below(&rng, period_ms);
            uint64_t seen = now - rng_below(&rng, now < 20 ? now + 1 : 20); /* a loop behind */
            bool could = token_bucket_wait_ms(&b, cost, seen) == 0;
            bool did = token_bucket_take(&b, cost, seen);
            MUST(could == did);
            MUST(did || !patient || seen < now);
            if (!did)
                continue;
            latest = seen > latest ? seen : latest;
            law_take(&law, cost, latest);
            uint64_t used = rng_below(&rng, cost + 1);
            if (property_chance(&rng, 0.2)) {
                token_bucket_settle(&b, cost, used, latest);
                law.sum -= (int64_t)(cost - used);
            }
            if (property_chance(&rng, 0.05))
                token_bucket_hold(&b, now + rng_below(&rng, period_ms));
        }
        MUST(!law.broken);
    }
}
END_TEST

START_TEST(lets_at_least_98_percent_of_its_rate_be_used)
{
    uint64_t seed = property_seed();
    struct rng rng;
    rng_seed(&rng, seed);
    for (int trace = 0; trace < 100; trace++) {
        uint64_t rate = property_between(&rng, 1, 5000);
        uint32_t period_ms = (uint32_t)property_between(&rng, 1000, 100000);
        uint64_t burst = property_between(&rng, 10, rate + 10);
        struct token_bucket b = bucket(rate, period_ms, burst);
        uint64_t now = 0, taken = 0;
        const uint64_t end = (uint64_t)period_ms * (1 + 4000 / rate) * 3;
        for (;;) {
            uint64_t cost = property_between(&rng, 1, 10);
            now += token_bucket_wait_ms(&b, cost, now);
            if (now >= end)
                break;
            MUST(token_bucket_take(&b, cost, now));
            taken += cost;
        }
        MUST(taken >= (burst + rate * end / period_ms) * 98 / 100);
        MUST(taken <= burst + rate * end / period_ms);
    }
}
END_TEST

START_TEST(keeps_its_law_from_a_reload_on)
{
    uint64_t seed = property_seed();
    struct rng rng;
    rng_seed(&rng, seed);
    struct token_bucket b = bucket(100, 1000, 100);
    uint64_t now = 0;
    for (int reload = 0; reload < 300; reload++) {
        struct token_bucket_policy policy = {
            .rate = property_between(&rng, 1, 1000),
            .burst = property_between(&rng, 1, 1000),
            .period_ms = (uint32_t)property_between(&rng, 1, 100000),
        };
        token_bucket_configure(&b, &policy, now);
        struct law law = {.rate = (int64_t)policy.rate,
                          .period_ms = policy.period_ms,
                          .burst = (int64_t)policy.burst,
                          .smallest = INT64_MAX};
        for (int step = 0; step < 100; step++) {
            uint64_t cost = property_between(&rng, 1, policy.burst);
            now += rng_below(&rng, policy.period_ms);
            if (token_bucket_take(&b, cost, now))
                law_take(&law, cost, now);
        }
        MUST(!law.broken);
    }
}
END_TEST

Suite *suite_resilience_token_bucket(void)
{
    Suite *s = suite_create("resilience_token_bucket");
    TCase *t = tcase_create("token_bucket");
    tcase_add_test(t, starts_full);
    tcase_add_test(t, says_the_exact_ms_at_which_a_cost_could_pass);
    tcase_add_test(t, refills_without_drift_for_days);
    tcase_add_test(t, more_than_the_burst_can_never_pass);
    tcase_add_test(t, a_burst_left_out_is_the_rate);
    tcase_add_test(t, what_is_given_back_can_be_taken_again_but_never_overflows);
    tcase_add_test(t, what_is_given_back_late_was_refilled_in_part);
    tcase_add_test(t, a_grant_given_back_late_does_not_double_the_burst);
    tcase_add_test(t, settling_charges_or_returns_the_difference);
    tcase_add_test(t, even_what_costs_nothing_waits_for_a_debt_to_be_paid);
    tcase_add_test(t, nothing_passes_before_the_end_of_a_hold);
    tcase_add_test(t, the_later_of_two_holds_counts_and_of_hold_and_refill);
    tcase_add_test(t, a_hold_can_be_released);
    tcase_add_test(t, a_bucket_without_a_rate_lets_all_pass_but_for_a_hold);
    tcase_add_test(t, a_clock_that_is_behind_refills_nothing);
    tcase_add_test(t, numbers_out_of_bounds_are_cut);
    tcase_add_test(t, a_reload_keeps_the_tokens_cut_to_the_new_burst);
    tcase_add_test(t, a_reload_forgives_neither_a_debt_nor_a_hold);
    tcase_add_test(t, a_reload_rounds_a_part_of_a_token_down);
    suite_add_tcase(s, t);
    TCase *laws = tcase_create("laws");
    tcase_set_timeout(laws, PROPERTY_TIMEOUT_S);
    tcase_add_test(laws, admits_at_most_burst_and_rate_in_every_window);
    tcase_add_test(laws, lets_at_least_98_percent_of_its_rate_be_used);
    tcase_add_test(laws, keeps_its_law_from_a_reload_on);
    suite_add_tcase(s, laws);
    return s;
}
