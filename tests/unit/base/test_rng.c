#include "base/rng.h"

#include <check.h>
#include <string.h>

Suite *suite_base_rng(void);

START_TEST(one_seed_one_sequence)
{
    struct rng a, b, c;
    rng_seed(&a, 1);
    rng_seed(&b, 1);
    rng_seed(&c, 2);
    int differ = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t n = rng_next(&a);
        ck_assert_uint_eq(n, rng_next(&b));
        differ += n != rng_next(&c);
    }
    ck_assert_int_eq(differ, 100);
}
END_TEST

START_TEST(is_splitmix64)
{
    struct rng r;
    rng_seed(&r, 1234567); /* the reference values of Vigna's splitmix64.c */
    ck_assert_uint_eq(rng_next(&r), 6457827717110365317u);
    ck_assert_uint_eq(rng_next(&r), 3203168211198807973u);
    ck_assert_uint_eq(rng_next(&r), 9817491932198370423u);
}
END_TEST

START_TEST(stays_below_its_limit_and_reaches_all_of_it)
{
    struct rng r;
    rng_seed(&r, 7);
    ck_assert_uint_eq(rng_below(&r, 0), 0);
    ck_assert_uint_eq(rng_below(&r, 1), 0);
    int seen[6] = {0};
    for (int i = 0; i < 60000; i++) {
        uint64_t n = rng_below(&r, 6);
        ck_assert_uint_lt(n, 6);
        seen[n]++;
    }
    for (int i = 0; i < 6; i++)
        ck_assert_msg(seen[i] > 9000 && seen[i] < 11000, "%d: %d", i, seen[i]);
    for (int i = 0; i < 100; i++)
        ck_assert_uint_lt(rng_below(&r, UINT64_MAX), UINT64_MAX);
}
END_TEST

START_TEST(a_unit_is_below_one)
{
    struct rng r;
    rng_seed(&r, 7);
    double sum = 0;
    for (int i = 0; i < 10000; i++) {
        double u = rng_unit(&r);
        ck_assert(u >= 0 && u < 1);
        sum += u;
    }
    ck_assert(sum > 4800 && sum < 5200);
}
END_TEST

START_TEST(the_system_fills_all_bytes_and_no_more)
{
    uint8_t bytes[600];
    int zeros = 0;
    memset(bytes, 0, sizeof bytes);
    rng_system(bytes, 500); /* more than the kernel gives at once without a loop */
    for (int i = 0; i < 500; i++)
        zeros += bytes[i] == 0;
    ck_assert_int_lt(zeros, 50);
    for (int i = 500; i < 600; i++)
        ck_assert_uint_eq(bytes[i], 0);
    rng_system(bytes, 0);
}
END_TEST

Suite *suite_base_rng(void)
{
    Suite *s = suite_create("base/rng");
    TCase *c = tcase_create("rng");
    tcase_add_test(c, one_seed_one_sequence);
    tcase_add_test(c, is_splitmix64);
    tcase_add_test(c, stays_below_its_limit_and_reaches_all_of_it);
    tcase_add_test(c, a_unit_is_below_one);
    tcase_add_test(c, the_system_fills_all_bytes_and_no_more);
    suite_add_tcase(s, c);
    return s;
}
