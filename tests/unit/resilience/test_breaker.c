#include "resilience/breaker.h"

#include <check.h>

#include "tests/unit/resilience/property.h"

Suite *suite_resilience_breaker(void);

static const struct breaker_policy in_a_row = {
    .failures = 5, .window_ms = 30000, .reset_ms = 60000, .max_reset_ms = 600000};

static const struct breaker_policy by_ratio = {
    .ratio = 0.5, .min_calls = 20, .window_ms = 30000, .reset_ms = 60000, .max_reset_ms = 600000};

static struct rng rng = {.state = 1};
static struct breaker b;

static struct breaker_pass must_allow(uint64_t now)
{
    struct breaker_pass pass;
    struct breaker_change change;
    ck_assert(breaker_allow(&b, now, &pass, &change));
    return pass;
}

static bool allows(uint64_t now)
{
    struct breaker_pass pass;
    struct breaker_change change;
    return breaker_allow(&b, now, &pass, &change);
}

static struct breaker_change call_succeeds(uint64_t now)
{
    return breaker_success(&b, must_allow(now), now);
}

static struct breaker_change call_fails(uint64_t now)
{
    return breaker_failure(&b, must_allow(now), now, 0, &rng);
}

static void open_it(uint64_t now)
{
    breaker_init(&b, &in_a_row);
    for (int i = 0; i < 5; i++)
        call_fails(now);
    ck_assert_int_eq(breaker_state(&b), BREAKER_OPEN);
}

static void assert_change(struct breaker_change c, enum breaker_state from, enum breaker_state to)
{
    ck_assert_int_eq(c.from, from);
    ck_assert_int_eq(c.to, to);
    ck_assert_int_eq(breaker_has_changed(c), from != to);
}

START_TEST(starts_closed_and_lets_all_pass)
{
    breaker_init(&b, &in_a_row);
    ck_assert_int_eq(breaker_state(&b), BREAKER_CLOSED);
    ck_assert_uint_eq(breaker_wait_ms(&b, 0), 0);
    for (int i = 0; i < 1000; i++)
        ck_assert(!must_allow(0).is_probe);
}
END_TEST

START_TEST(opens_after_n_failures_in_a_row)
{
    breaker_init(&b, &in_a_row);
    for (int i = 0; i < 4; i++)
        assert_change(call_fails(100), BREAKER_CLOSED, BREAKER_CLOSED);
    assert_change(call_fails(100), BREAKER_CLOSED, BREAKER_OPEN);
    ck_assert(!allows(100));
    ck_assert_uint_eq(breaker_failures(&b, 100), 5);
}
END_TEST

START_TEST(a_success_in_between_starts_the_row_anew)
{
    breaker_init(&b, &in_a_row);
    for (int i = 0; i < 4; i++)
        call_fails(100);
    call_succeeds(100);
    ck_assert_uint_eq(breaker_failures(&b, 100), 0);
    for (int i = 0; i < 4; i++)
        call_fails(100);
    ck_assert_int_eq(breaker_state(&b), BREAKER_CLOSED);
}
END_TEST

START_TEST(failures_further_apart_than_the_window_do_not_add_up)
{
    breaker_init(&b, &in_a_row);
    for (int i = 0; i < 100; i++)
        call_fails((uint64_t)i * 7501); /* four in any 30 s */
    ck_assert_int_eq(breaker_state(&b), BREAKER_CLOSED);
    breaker_init(&b, &in_a_row);
    for (int i = 0; i < 5; i++)
        call_fails((uint64_t)i * 6000);
    ck_assert_int_eq(breaker_state(&b), BREAKER_OPEN);
}
END_TEST

START_TEST(opens_when_too_large_a_share_of_enough_calls_failed)
{
    static const struct {
        double ratio;
        uint32_t min_calls;
        int successes, failures;
        enum breaker_state state;
    } rows[] = {
        {0.5, 20, 10, 10, BREAKER_OPEN},   {0.5, 20, 11, 10, BREAKER_CLOSED},
        {0.5, 20, 9, 10, BREAKER_CLOSED},  {0.5, 20, 0, 19, BREAKER_CLOSED},
        {0.5, 20, 0, 20, BREAKER_OPEN},    {0.1, 20, 27, 3, BREAKER_OPEN},
        {0.1, 20, 28, 3, BREAKER_CLOSED},  {1.0, 10, 0, 10, BREAKER_OPEN},
        {1.0, 10, 1, 100, BREAKER_CLOSED}, {0.3, 0, 0, 1, BREAKER_OPEN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct breaker_policy policy = by_ratio;
        policy.ratio = rows[i].ratio;
        policy.min_calls = rows[i].min_calls;
        breaker_init(&b, &policy);
        for (int n = 0; n < rows[i].successes; n++)
            call_succeeds(1000);
        for (int n = 0; n < rows[i].failures; n++)
            call_fails(1000);
        ck_assert_int_eq(breaker_state(&b), rows[i].state);
    }
}
END_TEST

START_TEST(the_share_is_that_of_the_window)
{
    breaker_init(&b, &by_ratio);
    for (int n = 0; n < 1000; n++)
        call_succeeds(0);
    for (int n = 0; n < 20; n++)
        assert_change(call_fails(30000), BREAKER_CLOSED, n < 19 ? BREAKER_CLOSED : BREAKER_OPEN);
    ck_assert_int_eq(breaker_state(&b), BREAKER_OPEN);
}
END_TEST

START_TEST(a_success_never_opens_it)
{
    struct breaker_policy policy = by_ratio;
    policy.min_calls = 10;
    breaker_init(&b, &policy);
    for (int n = 0; n < 9; n++)
        call_fails(0);
    assert_change(call_succeeds(0), BREAKER_CLOSED, BREAKER_CLOSED);
}
END_TEST

START_TEST(either_rule_opens_it)
{
    struct breaker_policy both = by_ratio;
    both.failures = 30;
    breaker_init(&b, &both);
    for (int n = 0; n < 10; n++) {
        call_succeeds(0);
        call_fails(0);
    }
    ck_assert_int_eq(breaker_state(&b), BREAKER_OPEN);
    both.failures = 3;
    breaker_init(&b, &both);
    for (int n = 0; n < 3; n++)
        call_fails(0);
    ck_assert_int_eq(breaker_state(&b), BREAKER_OPEN);
}
END_TEST

START_TEST(without_a_rule_it_never_opens)
{
    struct breaker_policy none = {.window_ms = 1000, .reset_ms = 1000, .max_reset_ms = 1000};
    breaker_init(&b, &none);
    for (int n = 0; n < 1000; n++)
        assert_change(call_fails(0), BREAKER_CLOSED, BREAKER_CLOSED);
}
END_TEST

START_TEST(says_when_a_probe_may_go_to_the_ms)
{
    open_it(1000);
    uint64_t until = breaker_open_until_ms(&b);
    ck_assert_uint_eq(breaker_wait_ms(&b, 1000), until - 1000);
    ck_assert(!allows(until - 1));
    ck_assert_uint_eq(breaker_wait_ms(&b, until - 1), 1);
    ck_assert_uint_eq(breaker_wait_ms(&b, until), 0);
    ck_assert(allows(until));
}
END_TEST

START_TEST(one_probe_while_a_thousand_wait)
{
    open_it(0);
    uint64_t now = breaker_open_until_ms(&b);
    struct breaker_pass probe;
    struct breaker_change change;
    ck_assert(breaker_allow(&b, now, &probe, &change));
    assert_change(change, BREAKER_OPEN, BREAKER_HALF_OPEN);
    ck_assert(probe.is_probe);
    for (int i = 0; i < 1000; i++)
        ck_assert(!allows(now + (uint64_t)i * 1000));
    ck_assert_uint_eq(breaker_wait_ms(&b, now), BREAKER_UNTIL_REPORT);
}
END_TEST

START_TEST(a_probe_that_succeeds_closes_it)
{
    open_it(0);
    assert_change(call_succeeds(70000), BREAKER_HALF_OPEN, BREAKER_CLOSED);
    ck_assert_uint_eq(breaker_failures(&b, 70000), 0);
    for (int i = 0; i < 4; i++)
        assert_change(call_fails(70000), BREAKER_CLOSED, BREAKER_CLOSED);
}
END_TEST

START_TEST(a_probe_that_fails_opens_it_again)
{
    open_it(0);
    assert_change(call_fails(70000), BREAKER_HALF_OPEN, BREAKER_OPEN);
    ck_assert_uint_eq(breaker_failures(&b, 70000), 6);
    ck_assert(!allows(70000));
}
END_TEST

START_TEST(a_lost_probe_is_replaced)
{
    open_it(0);
    struct breaker_pass probe = must_allow(70000);
    breaker_forget(&b, probe);
    ck_assert_int_eq(breaker_state(&b), BREAKER_HALF_OPEN);
    ck_assert_uint_eq(breaker_wait_ms(&b, 70000), 0);
    struct breaker_pass second = must_allow(70000);
    ck_assert(second.is_probe);
    ck_assert(!allows(70000));
}
END_TEST

START_TEST(a_late_report_of_a_lost_probe_is_stale)
{
    open_it(0);
    struct breaker_pass lost = must_allow(70000);
    breaker_forget(&b, lost);
    struct breaker_pass second = must_allow(70000);
    assert_change(breaker_success(&b, lost, 70001), BREAKER_HALF_OPEN, BREAKER_HALF_OPEN);
    assert_change(breaker_failure(&b, lost, 70001, 0, &rng), BREAKER_HALF_OPEN, BREAKER_HALF_OPEN);
    breaker_forget(&b, lost); /* does not free the second one's place */
    ck_assert(!allows(70001));
    assert_change(breaker_success(&b, second, 70002), BREAKER_HALF_OPEN, BREAKER_CLOSED);
}
END_TEST

START_TEST(forgetting_an_ordinary_call_changes_nothing)
{
    breaker_init(&b, &in_a_row);
    struct breaker_pass pass = must_allow(0);
    breaker_forget(&b, pass);
    assert_change(breaker_failure(&b, pass, 0, 0, &rng), BREAKER_CLOSED, BREAKER_CLOSED);
    ck_assert_uint_eq(breaker_failures(&b, 0), 1);
}
END_TEST

START_TEST(results_of_calls_that_started_before_a_change_are_ignored)
{
    breaker_init(&b, &in_a_row);
    struct breaker_pass old = must_allow(0);
    for (int i = 0; i < 5; i++)
        call_fails(0);
    assert_change(breaker_success(&b, old, 1), BREAKER_OPEN, BREAKER_OPEN);
    assert_change(breaker_failure(&b, old, 1, 3600000, &rng), BREAKER_OPEN, BREAKER_OPEN);
    must_allow(70000);
    assert_change(breaker_success(&b, old, 70000), BREAKER_HALF_OPEN, BREAKER_HALF_OPEN);
    assert_change(breaker_failure(&b, old, 70000, 0, &rng), BREAKER_HALF_OPEN, BREAKER_HALF_OPEN);
    breaker_reset(&b);
    for (int i = 0; i < 10; i++)
        breaker_failure(&b, old, 70000, 0, &rng);
    ck_assert_uint_eq(breaker_failures(&b, 70000), 0);
}
END_TEST

START_TEST(the_open_time_doubles_to_its_cap_and_starts_over_once_closed)
{
    static const uint64_t nominal_ms[] = {60000, 120000, 240000, 480000, 600000, 600000, 600000};
    open_it(0);
    uint64_t now = 0;
    for (size_t i = 0; i < sizeof nominal_ms / sizeof nominal_ms[0]; i++) {
        uint64_t open_ms = breaker_wait_ms(&b, now);
        ck_assert_uint_ge(open_ms, nominal_ms[i] * 9 / 10);
        ck_assert_uint_le(open_ms, nominal_ms[i] * 11 / 10);
        now += open_ms;
        if (i + 1 < sizeof nominal_ms / sizeof nominal_ms[0])
            call_fails(now);
    }
    call_succeeds(now);
    for (int i = 0; i < 5; i++)
        call_fails(now);
    ck_assert_uint_le(breaker_wait_ms(&b, now), 66000);
}
END_TEST

START_TEST(a_cap_below_the_first_open_time_does_not_shorten_it)
{
    struct breaker_policy policy = in_a_row;
    policy.max_reset_ms = 10;
    breaker_init(&b, &policy);
    for (int i = 0; i < 5; i++)
        call_fails(0);
    call_fails(66000);
    ck_assert_uint_ge(breaker_wait_ms(&b, 66000), 54000);
    ck_assert_uint_le(breaker_wait_ms(&b, 66000), 66000);
}
END_TEST

START_TEST(open_times_are_spread_by_ten_percent)
{
    uint64_t seed = property_seed();
    rng_seed(&rng, seed);
    uint64_t shortest = UINT64_MAX, longest = 0;
    for (int i = 0; i < 1000; i++) {
        open_it(0);
        uint64_t open_ms = breaker_wait_ms(&b, 0);
        shortest = open_ms < shortest ? open_ms : shortest;
        longest = open_ms > longest ? open_ms : longest;
    }
    MUST(shortest >= 54000 && shortest < 55000);
    MUST(longest <= 66000 && longest > 65000);
}
END_TEST

START_TEST(retry_after_is_a_floor_not_a_ceiling)
{
    static const struct {
        uint64_t hint_ms, at_least_ms, at_most_ms;
    } rows[] = {{0, 54000, 66000},
                {1000, 54000, 66000},
                {90000, 90000, 90000},
                {UINT64_MAX, UINT64_MAX - 7, UINT64_MAX - 7}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        breaker_init(&b, &in_a_row);
        for (int n = 0; n < 4; n++)
            call_fails(7);
        breaker_failure(&b, must_allow(7), 7, rows[i].hint_ms, &rng);
        ck_assert_uint_ge(breaker_wait_ms(&b, 7), rows[i].at_least_ms);
        ck_assert_uint_le(breaker_wait_ms(&b, 7), rows[i].at_most_ms);
    }
}
END_TEST

START_TEST(a_reset_closes_it_from_any_state_and_clears_its_counts)
{
    breaker_init(&b, &in_a_row);
    call_fails(0);
    assert_change(breaker_reset(&b), BREAKER_CLOSED, BREAKER_CLOSED);
    ck_assert_uint_eq(breaker_failures(&b, 0), 0);
    open_it(0);
    assert_change(breaker_reset(&b), BREAKER_OPEN, BREAKER_CLOSED);
    ck_assert_uint_eq(breaker_open_until_ms(&b), 0);
    ck_assert(allows(0));
    open_it(0);
    struct breaker_pass probe = must_allow(70000);
    assert_change(breaker_reset(&b), BREAKER_HALF_OPEN, BREAKER_CLOSED);
    assert_change(breaker_failure(&b, probe, 70000, 0, &rng), BREAKER_CLOSED, BREAKER_CLOSED);
    ck_assert_uint_eq(breaker_failures(&b, 70000), 0);
}
END_TEST

START_TEST(new_numbers_count_from_the_next_failure_on)
{
    breaker_init(&b, &in_a_row);
    for (int i = 0; i < 3; i++)
        call_fails(0);
    struct breaker_policy stricter = in_a_row;
    stricter.failures = 4;
    stricter.window_ms = 60000;
    breaker_configure(&b, &stricter, 0);
    ck_assert_int_eq(breaker_state(&b), BREAKER_CLOSED);
    assert_change(call_fails(0), BREAKER_CLOSED, BREAKER_OPEN);
    uint64_t until = breaker_open_until_ms(&b);
    breaker_configure(&b, &in_a_row, 0);
    ck_assert_uint_eq(breaker_open_until_ms(&b), until);
}
END_TEST

START_TEST(state_has_the_names_of_the_api)
{
    ck_assert_str_eq(breaker_state_name(BREAKER_CLOSED), "closed");
    ck_assert_str_eq(breaker_state_name(BREAKER_OPEN), "open");
    ck_assert_str_eq(breaker_state_name(BREAKER_HALF_OPEN), "half_open");
}
END_TEST

/* As another process would: another clock, `elapsed_ms` later. */
static void restart(uint64_t now, uint64_t elapsed_ms, uint64_t new_now)
{
    struct breaker_saved saved = breaker_save(&b, now);
    breaker_init(&b, &in_a_row);
    breaker_restore(&b, &saved, elapsed_ms, new_now);
}

START_TEST(an_open_one_stays_open_over_a_restart_for_what_is_left)
{
    open_it(1000);
    uint64_t left_ms = breaker_wait_ms(&b, 11000);
    restart(11000, 5000, 77);
    ck_assert_int_eq(breaker_state(&b), BREAKER_OPEN);
    ck_assert_uint_eq(breaker_wait_ms(&b, 77), left_ms - 5000);
    ck_assert_uint_eq(breaker_failures(&b, 77), 5);
    restart(77, 600000, 99);
    ck_assert_int_eq(breaker_state(&b), BREAKER_OPEN);
    ck_assert_uint_eq(breaker_wait_ms(&b, 99), 0);
}
END_TEST

START_TEST(the_doubling_goes_on_after_a_restart)
{
    open_it(0);
    call_fails(66000);
    restart(66000, 0, 0);
    uint64_t now = breaker_open_until_ms(&b);
    call_fails(now);
    ck_assert_uint_ge(breaker_wait_ms(&b, now), 240000 * 9 / 10);
}
END_TEST

START_TEST(a_half_open_one_has_lost_its_probe_in_a_restart)
{
    open_it(0);
    must_allow(70000);
    restart(70000, 1000, 50);
    ck_assert_int_eq(breaker_state(&b), BREAKER_HALF_OPEN);
    ck_assert(must_allow(50).is_probe);
    ck_assert(!allows(50));
}
END_TEST

START_TEST(failures_outlive_a_restart_as_long_as_the_window)
{
    breaker_init(&b, &in_a_row);
    for (int i = 0; i < 4; i++)
        call_fails(0);
    restart(0, 29999, 500);
    ck_assert_uint_eq(breaker_failures(&b, 500), 4);
    assert_change(call_fails(500), BREAKER_CLOSED, BREAKER_OPEN);

    breaker_init(&b, &in_a_row);
    for (int i = 0; i < 4; i++)
        call_fails(0);
    restart(0, 30000, 500);
    ck_assert_uint_eq(breaker_failures(&b, 500), 0);
}
END_TEST

START_TEST(a_restart_does_not_bring_a_share_of_failures_without_its_successes)
{
    breaker_init(&b, &by_ratio);
    for (int i = 0; i < 19; i++)
        call_fails(0);
    struct breaker_saved saved = breaker_save(&b, 0);
    breaker_init(&b, &by_ratio);
    breaker_restore(&b, &saved, 0, 0);
    assert_change(call_fails(0), BREAKER_CLOSED, BREAKER_CLOSED);
}
END_TEST

START_TEST(what_makes_no_sense_does_no_harm)
{
    struct breaker_saved nonsense = {
        .state = (enum breaker_state)99, .failures = UINT32_MAX, .openings = UINT32_MAX};
    breaker_init(&b, &in_a_row);
    breaker_restore(&b, &nonsense, 0, 0);
    ck_assert_int_eq(breaker_state(&b), BREAKER_CLOSED);
    assert_change(call_fails(0), BREAKER_CLOSED, BREAKER_OPEN);
    breaker_init(&b, &in_a_row);
    nonsense.state = BREAKER_OPEN;
    nonsense.open_left_ms = UINT64_MAX;
    breaker_restore(&b, &nonsense, 0, 100);
    ck_assert(!allows(100));
    breaker_reset(&b);
    ck_assert(allows(100));
}
END_TEST

/* What a random trace keeps of a call in flight. */
struct call {
    struct breaker_pass pass;
    bool is_live;
};

START_TEST(keeps_its_invariants_in_any_trace)
{
    uint64_t seed = property_seed();
    rng_seed(&rng, seed);
    for (int trace = 0; trace < 300; trace++) {
        struct breaker_policy policy = {
            .failures = (uint32_t)rng_below(&rng, 6),
            .ratio = property_chance(&rng, 0.5) ? rng_unit(&rng) : 0,
            .min_calls = (uint32_t)rng_below(&rng, 20),
            .window_ms = (uint32_t)property_between(&rng, 1, 5000),
            .reset_ms = (uint32_t)property_between(&rng, 1, 5000),
            .max_reset_ms = (uint32_t)property_between(&rng, 5000, 50000),
        };
        breaker_init(&b, &policy);
        struct call calls[50] = {0};
        uint64_t now = 0;
        for (int step = 0; step < 2000; step++) {
            struct call *c = &calls[rng_below(&rng, 50)];
            enum breaker_state before = breaker_state(&b);
            uint64_t wait_ms = breaker_wait_ms(&b, now);
            struct breaker_change change = {before, before};
            if (!c->is_live) {
                bool did = breaker_allow(&b, now, &c->pass, &change);
                MUST(did == (wait_ms == 0));
                MUST(!did || c->pass.is_probe == (before != BREAKER_CLOSED));
                c->is_live = did;
            } else {
                double dice = rng_unit(&rng);
                if (dice < 0.3)
                    change = breaker_success(&b, c->pass, now);
                else if (dice < 0.8)
                    change = breaker_failure(&b, c->pass, now, rng_below(&rng, 9000), &rng);
                else
                    breaker_forget(&b, c->pass);
                c->is_live = false;
            }
            enum breaker_state after = breaker_state(&b);
            MUST(change.from == before && change.to == after);
            MUST(before != BREAKER_OPEN || after != BREAKER_CLOSED); /* only by a probe */
            if (after == BREAKER_HALF_OPEN) {
                int probes = 0;
                for (int i = 0; i < 50; i++)
                    probes += calls[i].is_live && calls[i].pass.is_probe &&
                              calls[i].pass.generation == b.generation;
                MUST(probes == (b.probe_is_out ? 1 : 0));
                MUST(breaker_wait_ms(&b, now) == (probes ? BREAKER_UNTIL_REPORT : 0));
            }
            if (property_chance(&rng, 0.3))
                now += rng_below(&rng, 2000);
        }
    }
}
END_TEST

Suite *suite_resilience_breaker(void)
{
    Suite *s = suite_create("resilience_breaker");
    TCase *t = tcase_create("breaker");
    tcase_add_test(t, starts_closed_and_lets_all_pass);
    tcase_add_test(t, opens_after_n_failures_in_a_row);
    tcase_add_test(t, a_success_in_between_starts_the_row_anew);
    tcase_add_test(t, failures_further_apart_than_the_window_do_not_add_up);
    tcase_add_test(t, opens_when_too_large_a_share_of_enough_calls_failed);
    tcase_add_test(t, the_share_is_that_of_the_window);
    tcase_add_test(t, a_success_never_opens_it);
    tcase_add_test(t, either_rule_opens_it);
    tcase_add_test(t, without_a_rule_it_never_opens);
    tcase_add_test(t, says_when_a_probe_may_go_to_the_ms);
    tcase_add_test(t, one_probe_while_a_thousand_wait);
    tcase_add_test(t, a_probe_that_succeeds_closes_it);
    tcase_add_test(t, a_probe_that_fails_opens_it_again);
    tcase_add_test(t, a_lost_probe_is_replaced);
    tcase_add_test(t, a_late_report_of_a_lost_probe_is_stale);
    tcase_add_test(t, forgetting_an_ordinary_call_changes_nothing);
    tcase_add_test(t, results_of_calls_that_started_before_a_change_are_ignored);
    tcase_add_test(t, the_open_time_doubles_to_its_cap_and_starts_over_once_closed);
    tcase_add_test(t, a_cap_below_the_first_open_time_does_not_shorten_it);
    tcase_add_test(t, open_times_are_spread_by_ten_percent);
    tcase_add_test(t, retry_after_is_a_floor_not_a_ceiling);
    tcase_add_test(t, a_reset_closes_it_from_any_state_and_clears_its_counts);
    tcase_add_test(t, new_numbers_count_from_the_next_failure_on);
    tcase_add_test(t, state_has_the_names_of_the_api);
    suite_add_tcase(s, t);
    TCase *restarts = tcase_create("restarts");
    tcase_add_test(restarts, an_open_one_stays_open_over_a_restart_for_what_is_left);
    tcase_add_test(restarts, the_doubling_goes_on_after_a_restart);
    tcase_add_test(restarts, a_half_open_one_has_lost_its_probe_in_a_restart);
    tcase_add_test(restarts, failures_outlive_a_restart_as_long_as_the_window);
    tcase_add_test(restarts, a_restart_does_not_bring_a_share_of_failures_without_its_successes);
    tcase_add_test(restarts, what_makes_no_sense_does_no_harm);
    suite_add_tcase(s, restarts);
    TCase *laws = tcase_create("laws");
    tcase_set_timeout(laws, PROPERTY_TIMEOUT_S);
    tcase_add_test(laws, keeps_its_invariants_in_any_trace);
    suite_add_tcase(s, laws);
    return s;
}
