#include "resilience/backoff.h"

#include <check.h>
#include <math.h>

#include "tests/unit/resilience/property.h"

Suite *suite_resilience_backoff(void);

static const struct backoff_policy full = {1000, 2.0, 30000, BACKOFF_FULL};
static const struct backoff_policy none = {1000, 2.0, 30000, BACKOFF_NONE};

START_TEST(the_ceiling_grows_by_the_factor_up_to_the_cap)
{
    static const struct {
        struct backoff_policy policy;
        uint32_t n;
        uint64_t ceiling_ms;
    } rows[] = {
        {{1000, 2.0, 30000, BACKOFF_FULL}, 0, 1000},
        {{1000, 2.0, 30000, BACKOFF_FULL}, 1, 2000},
        {{1000, 2.0, 30000, BACKOFF_FULL}, 4, 16000},
        {{1000, 2.0, 30000, BACKOFF_FULL}, 5, 30000},
        {{1000, 2.0, 30000, BACKOFF_FULL}, UINT32_MAX, 30000},
        {{100, 1.5, 30000, BACKOFF_FULL}, 3, 337},
        {{100, 1.0, 30000, BACKOFF_FULL}, 1000000, 100},
        {{500, 3.0, 100, BACKOFF_FULL}, 0, 100},
        {{0, 2.0, 30000, BACKOFF_FULL}, UINT32_MAX, 0},
        {{1000, 2.0, 0, BACKOFF_FULL}, 3, 0},
        {{UINT32_MAX, 1e308, UINT32_MAX, BACKOFF_FULL}, 2, UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_uint_eq(backoff_ceiling_ms(&rows[i].policy, rows[i].n), rows[i].ceiling_ms);
}
END_TEST

START_TEST(without_jitter_the_delay_is_the_ceiling_or_the_hint)
{
    struct rng rng = {.state = 1};
    ck_assert_uint_eq(backoff_delay_ms(&none, 2, 0, &rng), 4000);
    ck_assert_uint_eq(backoff_delay_ms(&none, 2, 3000, &rng), 4000);
    ck_assert_uint_eq(backoff_delay_ms(&none, 2, 5000, &rng), 5000);
    ck_assert_uint_eq(rng.state, 1);
}
END_TEST

START_TEST(full_jitter_is_uniform_between_nothing_and_the_ceiling)
{
    uint64_t seed = property_seed();
    struct rng rng;
    rng_seed(&rng, seed);
    double sum = 0;
    int lowest_tenth = 0;
    const int draws = 20000;
    for (int i = 0; i < draws; i++) {
        uint64_t ms = backoff_delay_ms(&full, 3, 0, &rng);
        MUST(ms <= 8000);
        sum += (double)ms;
        lowest_tenth += ms < 800;
    }
    MUST(fabs(sum / draws - 4000) < 200); /* the standard error is 16 */
    MUST(abs(lowest_tenth - draws / 10) < 400);
}
END_TEST

START_TEST(the_hint_is_a_floor_with_up_to_a_tenth_on_top)
{
    uint64_t seed = property_seed();
    struct rng rng;
    rng_seed(&rng, seed);
    uint64_t longest = 0;
    for (int i = 0; i < 5000; i++) {
        uint64_t ms = backoff_delay_ms(&full, 0, 20000, &rng);
        MUST(ms >= 20000 && ms <= 22000);
        longest = ms > longest ? ms : longest;
    }
    MUST(longest > 21900);
}
END_TEST

START_TEST(any_delay_is_between_floor_and_ceiling)
{
    uint64_t seed = property_seed();
    struct rng rng;
    rng_seed(&rng, seed);
    for (int i = 0; i < 100000; i++) {
        struct backoff_policy policy = {
            .base_ms = (uint32_t)rng_below(&rng, 10000),
            .factor = 1 + 4 * rng_unit(&rng),
            .max_ms = (uint32_t)rng_below(&rng, 100000),
            .jitter = property_chance(&rng, 0.5) ? BACKOFF_FULL : BACKOFF_NONE,
        };
        uint32_t n = (uint32_t)rng_below(&rng, 40);
        uint64_t hint = property_chance(&rng, 0.5) ? rng_below(&rng, 100000) : 0;
        uint64_t ceiling = backoff_ceiling_ms(&policy, n);
        uint64_t ms = backoff_delay_ms(&policy, n, hint, &rng);
        MUST(ms >= backoff_floor_ms(&policy, n, hint));
        MUST(ms >= hint);
        MUST(ms <= (ceiling > hint ? ceiling : hint) + hint / 10);
        MUST(ceiling <= policy.max_ms);
    }
}
END_TEST

Suite *suite_resilience_backoff(void)
{
    Suite *s = suite_create("resilience_backoff");
    TCase *t = tcase_create("backoff");
    tcase_set_timeout(t, PROPERTY_TIMEOUT_S);
    tcase_add_test(t, the_ceiling_grows_by_the_factor_up_to_the_cap);
    tcase_add_test(t, without_jitter_the_delay_is_the_ceiling_or_the_hint);
    tcase_add_test(t, full_jitter_is_uniform_between_nothing_and_the_ceiling);
    tcase_add_test(t, the_hint_is_a_floor_with_up_to_a_tenth_on_top);
    tcase_add_test(t, any_delay_is_between_floor_and_ceiling);
    suite_add_tcase(s, t);
    return s;
}
