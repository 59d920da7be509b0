/* Slips of the pen. */
#include "config/nearest.h"

#include <check.h>
#include <stdint.h>

Suite *suite_config_nearest(void);

START_TEST(counts_what_must_be_changed)
{
    static const struct {
        const char *a, *b;
        size_t distance;
    } rows[] = {
        {"", "", 0},         {"a", "", 1},        {"keys", "keys", 0},
        {"kyes", "keys", 1}, {"key", "keys", 1},  {"keyss", "keys", 1},
        {"kexs", "keys", 1}, {"log", "loops", 3}, {"bodybytes", "body_bytes", 1},
        {"abcd", "dcba", 3}, {"ca", "abc", 3},    {"conect_ms", "connect_ms", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct str a = str_of(rows[i].a), b = str_of(rows[i].b);
        ck_assert_msg(nearest_distance(a, b) == rows[i].distance, "%s %s", rows[i].a, rows[i].b);
        ck_assert_uint_eq(nearest_distance(b, a), rows[i].distance);
    }
}
END_TEST

START_TEST(a_long_name_is_far_from_everything)
{
    char name[NEAREST_MAX + 1];
    memset(name, 'a', sizeof name);
    struct str longest = {name, NEAREST_MAX}, longer = {name, NEAREST_MAX + 1};
    ck_assert_uint_eq(nearest_distance(longest, longest), 0);
    ck_assert_uint_eq(nearest_distance(longer, longest), SIZE_MAX);
    ck_assert_uint_eq(nearest_distance(longest, longer), SIZE_MAX);
}
END_TEST

START_TEST(a_short_name_bears_one_wrong_letter_and_a_long_one_three)
{
    size_t distance;
    ck_assert(nearest_is_slip(STR("kyes"), STR("keys"), &distance));
    ck_assert(!nearest_is_slip(STR("leys_"), STR("keys"), &distance));
    ck_assert(nearest_is_slip(STR("hedrs"), STR("headers"), &distance));
    ck_assert(nearest_is_slip(STR("defaulwaittms"), STR("default_wait_ms"), &distance));
    ck_assert_uint_eq(distance, 3);
    ck_assert(!nearest_is_slip(STR("defaultwaitms_x"), STR("default_wait_ms"), &distance));
}
END_TEST

Suite *suite_config_nearest(void)
{
    Suite *s = suite_create("config_nearest");
    TCase *t = tcase_create("nearest");
    tcase_add_test(t, counts_what_must_be_changed);
    tcase_add_test(t, a_long_name_is_far_from_everything);
    tcase_add_test(t, a_short_name_bears_one_wrong_letter_and_a_long_one_three);
    suite_add_tcase(s, t);
    return s;
}
