#include "resilience/retry_budget.h"

#include <check.h>

#include "tests/unit/resilience/property.h"

Suite *suite_resilience_retry_budget(void);

static unsigned take_all(struct retry_budget *b, uint64_t now)
{
    unsigned taken = 0;
    while (retry_budget_take(b, now))
        taken++;
    return taken;
}

START_TEST(the_reserve_is_ten_retries)
{
    struct retry_budget b;
    retry_budget_init(&b, 0.2);
    ck_assert_uint_eq(take_all(&b, 0), 10);
    ck_assert(!retry_budget_take(&b, 1000000)); /* time alone brings none back */
}
END_TEST

START_TEST(each_call_pays_in_its_share)
{
    struct retry_budget b;
    retry_budget_init(&b, 0.2);
    take_all(&b, 0);
    for (int i = 0; i < 4; i++)
        retry_budget_call(&b, 0);
    ck_assert(!retry_budget_take(&b, 0));
    retry_budget_call(&b, 0);
    ck_assert(retry_budget_take(&b, 0));
    ck_assert(!retry_budget_take(&b, 0));
}
END_TEST

START_TEST(what_is_saved_is_cut_to_the_last_ten_seconds)
{
    struct retry_budget b;
    retry_budget_init(&b, 0.2);
    for (int i = 0; i < 1000; i++)
        retry_budget_call(&b, 0);
    struct retry_budget later = b;
    ck_assert_uint_eq(take_all(&b, 9999), 210);
    ck_assert_uint_eq(take_all(&later, 10000), 10);
}
END_TEST

START_TEST(the_reserve_is_filled_again_by_calls)
{
    struct retry_budget b;
    retry_budget_init(&b, 0.2);
    take_all(&b, 0);
    for (uint64_t i = 1; i <= 100; i++)
        retry_budget_call(&b, i * 60000); /* one a minute: nothing is saved beyond the reserve */
    ck_assert_uint_eq(take_all(&b, 100 * 60000), 10);
}
END_TEST

START_TEST(without_a_ratio_there_is_only_the_reserve)
{
    static const double ratios[] = {0, -1};
    for (size_t i = 0; i < sizeof ratios / sizeof ratios[0]; i++) {
        struct retry_budget b;
        retry_budget_init(&b, ratios[i]);
        for (int n = 0; n < 1000; n++)
            retry_budget_call(&b, 0);
        ck_assert_uint_eq(take_all(&b, 0), 10);
    }
}
END_TEST

START_TEST(a_ratio_beyond_reason_is_cut)
{
    struct retry_budget b;
    retry_budget_init(&b, 1e300);
    retry_budget_call(&b, 0);
    ck_assert_uint_eq(take_all(&b, 0), 110);
}
END_TEST

START_TEST(a_new_ratio_keeps_the_balance)
{
    struct retry_budget b;
    retry_budget_init(&b, 0.2);
    for (int i = 0; i < 3; i++)
        ck_assert(retry_budget_take(&b, 0));
    retry_budget_configure(&b, 1.0);
    ck_assert_uint_eq(take_all(&b, 0), 7);
    retry_budget_call(&b, 0);
    ck_assert(retry_budget_take(&b, 0));
}
END_TEST

START_TEST(attempts_stay_below_calls_and_ratio_and_ten_whatever_fails)
{
    uint64_t seed = property_seed();
    struct rng rng;
    rng_seed(&rng, seed);
    for (int trace = 0; trace < 100; trace++) {
        uint64_t ratio_ppm = rng_below(&rng, 1000001);
        struct retry_budget b;
        retry_budget_init(&b, (double)ratio_ppm / 1e6);
        uint64_t now = 0, calls = 0, retries = 0;
        for (int step = 0; step < 3000; step++) {
            if (property_chance(&rng, 0.5)) {
                retry_budget_call(&b, now);
                calls++;
            } else if (retry_budget_take(&b, now)) {
                retries++;
            }
            if (property_chance(&rng, 0.2))
                now += rng_below(&rng, 5000);
            MUST(retries * 1000000 <= 10 * 1000000 + ratio_ppm * calls);
        }
    }
}
END_TEST

enum { STEPS = 3000, STRETCH = 400 };

START_TEST(no_stretch_of_time_has_more_retries_than_its_calls_pay_for)
{
    uint64_t seed = property_seed();
    struct rng rng;
    rng_seed(&rng, seed);
    static struct {
        uint64_t at;
        bool is_call, is_retry;
    } log[STEPS];
    struct retry_budget b;
    retry_budget_init(&b, 0.2);
    uint64_t now = 20000;
    for (int i = 0; i < STEPS; i++) {
        bool quiet = i / 300 % 2 == 0; /* saving up, then a storm of retries */
        log[i].at = now;
        log[i].is_call = property_chance(&rng, quiet ? 0.95 : 0.3);
        log[i].is_retry = !log[i].is_call && retry_budget_take(&b, now);
        if (log[i].is_call)
            retry_budget_call(&b, now);
        now += rng_below(&rng, 200);
    }
    for (int from = 0; from < STEPS - STRETCH; from += 7) {
        uint64_t calls = 0, retries = 0;
        for (int i = 0; i < from; i++)
            calls += log[i].is_call && log[i].at + 10000 >= log[from].at;
        for (int i = from; i < from + STRETCH; i++) {
            calls += log[i].is_call;
            retries += log[i].is_retry;
            MUST(retries * 5 <= 50 + calls);
        }
    }
}
END_TEST

Suite *suite_resilience_retry_budget(void)
{
    Suite *s = suite_create("resilience_retry_budget");
    TCase *t = tcase_create("retry_budget");
    tcase_add_test(t, the_reserve_is_ten_retries);
    tcase_add_test(t, each_call_pays_in_its_share);
    tcase_add_test(t, what_is_saved_is_cut_to_the_last_ten_seconds);
    tcase_add_test(t, the_reserve_is_filled_again_by_calls);
    tcase_add_test(t, without_a_ratio_there_is_only_the_reserve);
    tcase_add_test(t, a_ratio_beyond_reason_is_cut);
    tcase_add_test(t, a_new_ratio_keeps_the_balance);
    suite_add_tcase(s, t);
    TCase *laws = tcase_create("laws");
    tcase_set_timeout(laws, PROPERTY_TIMEOUT_S);
    tcase_add_test(laws, attempts_stay_below_calls_and_ratio_and_ten_whatever_fails);
    tcase_add_test(laws, no_stretch_of_time_has_more_retries_than_its_calls_pay_for);
    suite_add_tcase(s, laws);
    return s;
}
