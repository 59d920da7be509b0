#include "base/clock.h"

#include <check.h>
#include <stdio.h>

#include "base/rng.h"
#include "tests/support/set_clock.h"

Suite *suite_base_clock(void);

static void assert_formats(int64_t wall_ms, const char *expected)
{
    char text[CLOCK_TEXT + 1] = {0};
    clock_format(wall_ms, text);
    ck_assert_str_eq(text, expected);
}

START_TEST(formats_in_utc)
{
    assert_formats(0, "1970-01-01T00:00:00.000Z");
    assert_formats(1, "1970-01-01T00:00:00.001Z");
    assert_formats(-1, "1969-12-31T23:59:59.999Z");
    assert_formats(-86400000, "1969-12-31T00:00:00.000Z");
    assert_formats(1785585600123, "2026-08-01T12:00:00.123Z");
    assert_formats(951782400000, "2000-02-29T00:00:00.000Z");
    assert_formats(951868799999, "2000-02-29T23:59:59.999Z");
    assert_formats(4107542400000, "2100-03-01T00:00:00.000Z"); /* 2100 has no leap day */
    assert_formats(2147483648000, "2038-01-19T03:14:08.000Z");
}
END_TEST

START_TEST(clamps_to_four_digit_years)
{
    assert_formats(INT64_MIN, "0000-01-01T00:00:00.000Z");
    assert_formats(-62167219200000, "0000-01-01T00:00:00.000Z");
    assert_formats(253402300799999, "9999-12-31T23:59:59.999Z");
    assert_formats(253402300800000, "9999-12-31T23:59:59.999Z");
    assert_formats(INT64_MAX, "9999-12-31T23:59:59.999Z");
}
END_TEST

START_TEST(parses_rfc_3339)
{
    static const struct {
        const char *text;
        int64_t wall_ms;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01t00:00:00z", 0},
        {"1970-01-01T00:00:00.5Z", 500},
        {"1970-01-01T00:00:00.05Z", 50},
        {"1970-01-01T00:00:00.123456789Z", 123},
        {"1970-01-01T00:00:00.9999Z", 999},
        {"1970-01-01T01:30:00+01:30", 0},
        {"1969-12-31T16:00:00-08:00", 0},
        {"1970-01-01T00:00:00-00:00", 0},
        {"1970-01-02T23:59:00+23:59", 86400000},
        {"2000-02-29T12:00:00Z", 951825600000},
        {"2024-02-29T00:00:00Z", 1709164800000},
        {"2016-12-31T23:59:60Z", 1483228800000}, /* a leap second is the next one */
        {"0000-01-01T00:00:00Z", -62167219200000},
        {"0000-02-29T00:00:00Z", -62162121600000},
        {"9999-12-31T23:59:59.999Z", 253402300799999},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t wall_ms = 77;
        ck_assert_msg(clock_parse(str_of(rows[i].text), &wall_ms), "%s", rows[i].text);
        ck_assert_msg(wall_ms == rows[i].wall_ms, "%s: %lld", rows[i].text, (long long)wall_ms);
    }
}
END_TEST

START_TEST(refuses_everything_else)
{
    static const char *const rows[] = {
        "",
        "1970-01-01",
        "1970-01-01T00:00:00",
        "1970-01-01 00:00:00Z",
        "1970-01-01T00:00Z",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00,5Z",
        "1970-01-01T00:00:00.1234567890Z",
        "1970-01-01T00:00:00+0130",
        "1970-01-01T00:00:00+01",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00+01:60",
        "1970-01-01T00:00:00ZZ",
        "1970-01-01T00:00:00Z ",
        " 1970-01-01T00:00:00Z",
        "1970-00-01T00:00:00Z",
        "1970-13-01T00:00:00Z",
        "1970-01-00T00:00:00Z",
        "1970-01-32T00:00:00Z",
        "1970-04-31T00:00:00Z",
        "1970-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2024-02-30T00:00:00Z",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:60:00Z",
        "1970-01-01T00:00:61Z",
        "70-01-01T00:00:00Z",
        "+1970-01-01T00:00:00Z",
        "-970-01-01T00:00:00Z",
        "1970-1-1T0:0:0Z",
        "1970-01-0\xC2\xB2T00:00:00Z",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t wall_ms = 77;
        ck_assert_msg(!clock_parse(str_of(rows[i]), &wall_ms), "%s", rows[i]);
        ck_assert_int_eq(wall_ms, 77);
    }
}
END_TEST

/* Bug: case was folded for all characters, and a carriage return with bit 5 set is a hyphen. */
START_TEST(a_control_character_is_no_separator)
{
    static const char *const rows[] = {
        "1970\r01-01T00:00:00Z",   "1970-01\r01T00:00:00Z",     "1970-01-01T00\03200:00Z",
        "1970-01-01T00:00\03200Z", "1970-01-01T00:00:00\0165Z", "1970-01-01T00:00:00+01\03200",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t wall_ms;
        ck_assert_msg(!clock_parse(str_of(rows[i]), &wall_ms), "row %zu", i);
    }
}
END_TEST

START_TEST(what_it_formats_it_parses_again)
{
    struct rng r;
    uint64_t seed;
    rng_system(&seed, sizeof seed);
    rng_seed(&r, seed);
    for (int i = 0; i < 100000; i++) {
        int64_t wall_ms = (int64_t)rng_below(&r, 62167219200000 + 253402300800000) - 62167219200000;
        char text[CLOCK_TEXT];
        int64_t back = 0;
        clock_format(wall_ms, text);
        ck_assert_msg(clock_parse((struct str){text, CLOCK_TEXT}, &back) && back == wall_ms,
                      "seed %llu: %.24s", (unsigned long long)seed, text);
    }
}
END_TEST

START_TEST(each_day_of_four_hundred_years_has_its_date)
{
    static const unsigned lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t wall_ms = 946684800000; /* 2000-01-01 */
    for (unsigned year = 2000; year < 2400; year++) {
        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        for (unsigned month = 1; month <= 12; month++) {
            for (unsigned day = 1; day <= lengths[month - 1] + (month == 2 && leap); day++) {
                char expected[64];
                snprintf(expected, sizeof expected, "%04u-%02u-%02uT00:00:00.000Z", year, month,
                         day);
                assert_formats(wall_ms, expected);
                wall_ms += 86400000;
            }
        }
    }
}
END_TEST

START_TEST(a_fake_clock_stands_still)
{
    struct clock_fake fake = {.mono_ns = 1234567890, .wall_ms = 42};
    ck_assert_uint_eq(clock_mono_ns(&fake), 1234567890);
    ck_assert_uint_eq(clock_mono_ms(&fake), 1234);
    ck_assert_int_eq(clock_wall_ms(&fake), 42);
}
END_TEST

START_TEST(the_real_clocks_run)
{
    uint64_t before = clock_mono_ns(NULL);
    ck_assert_uint_ge(clock_mono_ns(NULL), before);
    ck_assert_uint_ge(clock_mono_ms(NULL), before / 1000000);
    ck_assert_int_gt(clock_wall_ms(NULL), 1600000000000);
}
END_TEST

/* Retention read the clock that was set, and took what had ended a moment before for old. */
START_TEST(stamps_do_not_follow_a_clock_that_is_set)
{
    static const int64_t year_ms = 31536000000;
    int64_t before_ms = clock_stamp_ms();
    set_clock_ahead(year_ms);
    ck_assert_int_gt(clock_wall_ms(NULL), before_ms + year_ms - 60000);
    ck_assert_int_ge(clock_stamp_ms(), before_ms);
    ck_assert_int_lt(clock_stamp_ms(), before_ms + 60000);
    set_clock_ahead(0);
}
END_TEST

Suite *suite_base_clock(void)
{
    Suite *s = suite_create("base/clock");
    TCase *c = tcase_create("clock");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, formats_in_utc);
    tcase_add_test(c, clamps_to_four_digit_years);
    tcase_add_test(c, parses_rfc_3339);
    tcase_add_test(c, refuses_everything_else);
    tcase_add_test(c, a_control_character_is_no_separator);
    tcase_add_test(c, what_it_formats_it_parses_again);
    tcase_add_test(c, each_day_of_four_hundred_years_has_its_date);
    tcase_add_test(c, a_fake_clock_stands_still);
    tcase_add_test(c, the_real_clocks_run);
    tcase_add_test(c, stamps_do_not_follow_a_clock_that_is_set);
    suite_add_tcase(s, c);
    return s;
}
