#include "resilience/latency.h"

#include <check.h>

#include "tests/unit/resilience/property.h"

Suite *suite_resilience_latency(void);

static struct latency l;

static uint64_t quantile(unsigned permille, uint64_t now)
{
    uint64_t ms;
    ck_assert(latency_quantile(&l, permille, now, &ms));
    return ms;
}

START_TEST(without_calls_there_is_no_quantile)
{
    uint64_t ms;
    latency_init(&l);
    ck_assert(!latency_quantile(&l, 500, 0, &ms));
    ck_assert(!latency_quantile(&l, 500, 1000000, &ms));
}
END_TEST

START_TEST(short_times_are_exact)
{
    for (uint64_t ms = 0; ms < 16; ms++) {
        latency_init(&l);
        latency_add(&l, ms, 0);
        ck_assert_uint_eq(quantile(500, 0), ms);
    }
}
END_TEST

START_TEST(any_time_is_within_a_sixteenth)
{
    for (uint64_t ms = 1; ms <= LATENCY_MAX_MS; ms += 1 + ms / 100) {
        latency_init(&l);
        latency_add(&l, ms, 0);
        uint64_t estimate = quantile(990, 0);
        uint64_t off = estimate > ms ? estimate - ms : ms - estimate;
        ck_assert_uint_le(off, ms / 16);
    }
}
END_TEST

START_TEST(what_took_longer_than_it_can_say_counts_as_that)
{
    latency_init(&l);
    latency_add(&l, UINT64_MAX, 0);
    ck_assert_uint_ge(quantile(500, 0), LATENCY_MAX_MS / 16 * 15);
    ck_assert_uint_le(quantile(500, 0), LATENCY_MAX_MS);
}
END_TEST

START_TEST(median_and_tail_are_told_apart)
{
    latency_init(&l);
    for (int i = 0; i < 98; i++)
        latency_add(&l, 10, 0);
    latency_add(&l, 1000, 0);
    latency_add(&l, 1000, 0);
    ck_assert_uint_eq(quantile(500, 0), 10);
    ck_assert_uint_eq(quantile(980, 0), 10);
    ck_assert_uint_ge(quantile(990, 0), 960);
    ck_assert_uint_eq(quantile(0, 0), 10);
    ck_assert_uint_ge(quantile(1000, 0), 960);
}
END_TEST

START_TEST(the_past_fades_after_one_to_two_windows)
{
    uint64_t ms;
    latency_init(&l);
    latency_add(&l, 5, 1000);
    ck_assert_uint_eq(quantile(500, 119999), 5);
    ck_assert(!latency_quantile(&l, 500, 120000, &ms));
    latency_add(&l, 7, 61000);
    ck_assert_uint_eq(quantile(1, 61000), 5); /* both windows count */
    ck_assert_uint_eq(quantile(1000, 61000), 7);
    ck_assert_uint_eq(quantile(1, 121000), 7);
    latency_add(&l, 9, 600000);
    ck_assert_uint_eq(quantile(1, 600000), 9);
}
END_TEST

START_TEST(a_clock_that_is_behind_counts_into_the_newest_window)
{
    latency_init(&l);
    latency_add(&l, 5, 120000);
    latency_add(&l, 5, 60000);
    ck_assert_uint_eq(quantile(500, 119000), 5);
    ck_assert_uint_eq(quantile(500, 239999), 5);
}
END_TEST

START_TEST(quantiles_of_random_times_are_within_a_sixteenth)
{
    uint64_t seed = property_seed();
    struct rng rng;
    rng_seed(&rng, seed);
    for (int trace = 0; trace < 50; trace++) {
        uint64_t top = property_between(&rng, 10, 100000);
        latency_init(&l);
        for (uint64_t i = 1; i <= 1000; i++) /* i/1000 of them take at most top * i / 1000 */
            latency_add(&l, top * i / 1000, 0);
        for (unsigned permille = 1; permille <= 1000; permille += 37) {
            uint64_t exact = top * permille / 1000, estimate = quantile(permille, 0);
            MUST(estimate <= exact + exact / 16 + 1);
            MUST(estimate + exact / 16 + 1 >= exact);
        }
    }
}
END_TEST

Suite *suite_resilience_latency(void)
{
    Suite *s = suite_create("resilience_latency");
    TCase *t = tcase_create("latency");
    tcase_set_timeout(t, PROPERTY_TIMEOUT_S);
    tcase_add_test(t, without_calls_there_is_no_quantile);
    tcase_add_test(t, short_times_are_exact);
    tcase_add_test(t, any_time_is_within_a_sixteenth);
    tcase_add_test(t, what_took_longer_than_it_can_say_counts_as_that);
    tcase_add_test(t, median_and_tail_are_told_apart);
    tcase_add_test(t, the_past_fades_after_one_to_two_windows);
    tcase_add_test(t, a_clock_that_is_behind_counts_into_the_newest_window);
    tcase_add_test(t, quantiles_of_random_times_are_within_a_sixteenth);
    suite_add_tcase(s, t);
    return s;
}
