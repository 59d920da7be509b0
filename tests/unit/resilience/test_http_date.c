#include "resilience/http_date.h"

#include <check.h>

#include "tests/unit/resilience/property.h"

Suite *suite_resilience_http_date(void);

#define NOV_1994 INT64_C(784111777000) /* 1994-11-06T08:49:37Z */
#define NOW_2026 INT64_C(1785585600000)

START_TEST(reads_the_three_forms_of_the_rfc)
{
    static const char *const texts[] = {
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int64_t wall_ms;
        ck_assert(http_date_parse(str_of(texts[i]), NOW_2026, &wall_ms));
        ck_assert_int_eq(wall_ms, NOV_1994);
    }
}
END_TEST

START_TEST(reads_dates_at_the_borders)
{
    static const struct {
        const char *text;
        int64_t wall_ms;
    } rows[] = {
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Wed, 31 Dec 1969 23:59:59 GMT", -1000},
        {"Thu, 29 Feb 2024 23:59:59 GMT", 1709251199000},
        {"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800000}, /* a leap second */
        {"Thu Dec 31 23:59:59 2026", 1798761599000},
        {"Fri, 31 Dec 9999 23:59:59 GMT", 253402300799000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t wall_ms;
        ck_assert_msg(http_date_parse(str_of(rows[i].text), NOW_2026, &wall_ms), "%s",
                      rows[i].text);
        ck_assert_int_eq(wall_ms, rows[i].wall_ms);
    }
}
END_TEST

START_TEST(two_digits_of_a_year_are_at_most_fifty_years_ahead)
{
    static const struct {
        const char *text;
        int64_t now_ms, wall_ms;
    } rows[] = {
        {"Monday, 01-Jan-26 00:00:00 GMT", NOW_2026, 1767225600000},
        {"Monday, 01-Jan-76 00:00:00 GMT", NOW_2026, 3345062400000}, /* 2076 */
        {"Monday, 01-Jan-77 00:00:00 GMT", NOW_2026, 220924800000},  /* 1977 */
        {"Monday, 01-Jan-05 00:00:00 GMT", NOV_1994, 1104537600000}, /* 2005, from 1994 */
        {"Monday, 01-Jan-99 00:00:00 GMT", NOV_1994, 915148800000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t wall_ms;
        ck_assert(http_date_parse(str_of(rows[i].text), rows[i].now_ms, &wall_ms));
        ck_assert_int_eq(wall_ms, rows[i].wall_ms);
    }
}
END_TEST

START_TEST(anything_else_is_not_a_date)
{
    static const char *const texts[] = {
        "",
        "x",
        "Sun",
        "Sun, ",
        "0",
        "2024-02-29T00:00:00Z",
        "sun, 06 nov 1994 08:49:37 gmt",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun,06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT",
        "Xxx, 06 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 29 Feb 2023 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, -6 Nov 1994 08:49:37 GMT",
        "Sunday, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 94",
        "Sun Nov  6 08:49:37 1994 GMT",
        "Sun Nov 06 08:49:37 19940",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int64_t wall_ms;
        ck_assert_msg(!http_date_parse(str_of(texts[i]), NOW_2026, &wall_ms), "%s", texts[i]);
    }
}
END_TEST

START_TEST(a_date_that_is_cut_or_has_a_byte_changed_is_read_within_its_bounds)
{
    uint64_t seed = property_seed();
    struct rng rng;
    rng_seed(&rng, seed);
    static const char *const texts[] = {
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    };
    for (int i = 0; i < 50000; i++) {
        struct str s = str_of(texts[rng_below(&rng, 3)]);
        size_t len = rng_below(&rng, s.len + 1);
        char *copy = malloc(len + 1); /* exactly as long: ASan sees one byte too far */
        ck_assert_ptr_nonnull(copy);
        memcpy(copy, s.at, len);
        if (len > 0 && property_chance(&rng, 0.5))
            copy[rng_below(&rng, len)] = (char)rng_next(&rng);
        int64_t wall_ms;
        bool is_date = http_date_parse((struct str){copy, len}, NOW_2026, &wall_ms);
        MUST(!is_date || len == s.len);
        free(copy);
    }
}
END_TEST

Suite *suite_resilience_http_date(void)
{
    Suite *s = suite_create("resilience_http_date");
    TCase *t = tcase_create("http_date");
    tcase_set_timeout(t, PROPERTY_TIMEOUT_S);
    tcase_add_test(t, reads_the_three_forms_of_the_rfc);
    tcase_add_test(t, reads_dates_at_the_borders);
    tcase_add_test(t, two_digits_of_a_year_are_at_most_fifty_years_ahead);
    tcase_add_test(t, anything_else_is_not_a_date);
    tcase_add_test(t, a_date_that_is_cut_or_has_a_byte_changed_is_read_within_its_bounds);
    suite_add_tcase(s, t);
    return s;
}
