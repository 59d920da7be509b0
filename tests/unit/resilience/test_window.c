#include "resilience/window.h"

#include <check.h>

#include "tests/unit/resilience/property.h"

Suite *suite_resilience_window(void);

enum { APPLES, PEARS };

START_TEST(counts_each_kind_on_its_own)
{
    struct window w;
    window_init(&w, 1000);
    window_add(&w, APPLES, 1, 10);
    window_add(&w, APPLES, 2, 20);
    window_add(&w, PEARS, 7, 20);
    ck_assert_uint_eq(window_sum(&w, APPLES, 30), 3);
    ck_assert_uint_eq(window_sum(&w, PEARS, 30), 7);
}
END_TEST

START_TEST(forgets_a_step_at_a_time)
{
    struct window w;
    window_init(&w, 1000);
    window_add(&w, APPLES, 1, 0);
    window_add(&w, APPLES, 1, 100);
    ck_assert_uint_eq(window_sum(&w, APPLES, 999), 2);
    ck_assert_uint_eq(window_sum(&w, APPLES, 1000), 1);
    ck_assert_uint_eq(window_sum(&w, APPLES, 1099), 1);
    ck_assert_uint_eq(window_sum(&w, APPLES, 1100), 0);
}
END_TEST

START_TEST(a_long_silence_empties_it)
{
    struct window w;
    window_init(&w, 1000);
    window_add(&w, APPLES, 5, 500);
    ck_assert_uint_eq(window_sum(&w, APPLES, 1000000), 0);
    window_add(&w, APPLES, 1, 1000000);
    ck_assert_uint_eq(window_sum(&w, APPLES, 1000000), 1);
}
END_TEST

START_TEST(a_kind_can_be_forgotten_without_the_others)
{
    struct window w;
    window_init(&w, 1000);
    window_add(&w, APPLES, 5, 500);
    window_add(&w, PEARS, 5, 500);
    window_forget(&w, APPLES);
    ck_assert_uint_eq(window_sum(&w, APPLES, 500), 0);
    ck_assert_uint_eq(window_sum(&w, PEARS, 500), 5);
}
END_TEST

START_TEST(a_clock_that_is_behind_counts_into_the_newest_step)
{
    struct window w;
    window_init(&w, 1000);
    window_add(&w, APPLES, 1, 5000);
    window_add(&w, APPLES, 1, 3000);
    ck_assert_uint_eq(window_sum(&w, APPLES, 3000), 2);
    ck_assert_uint_eq(window_sum(&w, APPLES, 5999), 2);
}
END_TEST

START_TEST(a_new_length_keeps_what_was_counted)
{
    struct window w;
    window_init(&w, 1000);
    window_add(&w, APPLES, 3, 500);
    window_resize(&w, 60000, 900);
    ck_assert_uint_eq(window_sum(&w, APPLES, 54000), 3);
    window_resize(&w, 100, 54000);
    ck_assert_uint_eq(window_sum(&w, APPLES, 54050), 3);
    ck_assert_uint_eq(window_sum(&w, APPLES, 54100), 0);
}
END_TEST

START_TEST(remembers_between_nine_tenths_and_all_of_its_length)
{
    uint64_t seed = property_seed();
    struct rng rng;
    rng_seed(&rng, seed);
    for (int round = 0; round < 20000; round++) {
        uint32_t length = (uint32_t)property_between(&rng, 10, 100000) / 10 * 10;
        uint64_t start = rng_below(&rng, 1000000);
        uint64_t age = rng_below(&rng, (uint64_t)length * 2);
        struct window w;
        window_init(&w, length);
        window_add(&w, APPLES, 1, start);
        uint32_t sum = window_sum(&w, APPLES, start + age);
        MUST(sum == 1 || age > length / 10 * 9);
        MUST(sum == 0 || age < length);
    }
}
END_TEST

START_TEST(no_length_is_the_shortest)
{
    struct window w;
    window_init(&w, 0);
    window_add(&w, APPLES, 1, 5);
    ck_assert_uint_eq(window_sum(&w, APPLES, 14), 1);
    ck_assert_uint_eq(window_sum(&w, APPLES, 15), 0);
}
END_TEST

Suite *suite_resilience_window(void)
{
    Suite *s = suite_create("resilience_window");
    TCase *t = tcase_create("window");
    tcase_set_timeout(t, PROPERTY_TIMEOUT_S);
    tcase_add_test(t, counts_each_kind_on_its_own);
    tcase_add_test(t, forgets_a_step_at_a_time);
    tcase_add_test(t, a_long_silence_empties_it);
    tcase_add_test(t, a_kind_can_be_forgotten_without_the_others);
    tcase_add_test(t, a_clock_that_is_behind_counts_into_the_newest_step);
    tcase_add_test(t, a_new_length_keeps_what_was_counted);
    tcase_add_test(t, remembers_between_nine_tenths_and_all_of_its_length);
    tcase_add_test(t, no_length_is_the_shortest);
    suite_add_tcase(s, t);
    return s;
}
