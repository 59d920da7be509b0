/* Numbers taken apart, as integers and as doubles. */
#include "base/json_number.h"

#include <check.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/rng.h"

Suite *suite_base_json_number(void);

static struct json_doc doc;

static void set_up(void)
{
    json_doc_init(&doc);
}

static void tear_down(void)
{
    json_doc_fini(&doc);
}

static struct json value_of(const char *text)
{
    ck_assert_int_eq(json_parse(&doc, str_of(text), NULL), OK);
    return json_root(&doc);
}

START_TEST(takes_a_number_apart)
{
    static const struct {
        const char *text, *digits;
        bool negative;
        int64_t point;
    } rows[] = {
        {"0", "", false, 0},        {"-0", "", true, 0},         {"0.000", "", false, 0},
        {"0e99", "", false, 0},     {"1", "1", false, 1},        {"10", "1", false, 2},
        {"100.00", "1", false, 3},  {"1.5", "15", false, 1},     {"-12.25", "1225", true, 2},
        {"0.5", "5", false, 0},     {"0.05", "5", false, -1},    {"0.0500", "5", false, -1},
        {"1e5", "1", false, 6},     {"1e-5", "1", false, -4},    {"12e+3", "12", false, 5},
        {"1001", "1001", false, 4}, {"100.1", "1001", false, 3}, {"1.0e2", "1", false, 3},
        {"0.001e3", "1", false, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct json_decimal d;
        json_decimal_read(str_of(rows[i].text), &d);
        ck_assert_msg(str_eq((struct str){d.digits, d.count}, str_of(rows[i].digits)), "%s",
                      rows[i].text);
        ck_assert_int_eq(d.negative, rows[i].negative);
        ck_assert_int_eq(d.point, rows[i].point);
        ck_assert_int_eq(d.cut, false);
    }
}
END_TEST

START_TEST(more_digits_than_fit_are_cut_and_told)
{
    char text[3000];
    struct json_decimal d;
    memset(text, '7', sizeof text);
    text[1] = '.';
    json_decimal_read((struct str){text, 801}, &d);
    ck_assert_int_eq(d.cut, false);
    ck_assert_uint_eq(d.count, 800);
    json_decimal_read((struct str){text, sizeof text}, &d);
    ck_assert_int_eq(d.cut, true);
    ck_assert_uint_eq(d.count, 800);
    ck_assert_int_eq(d.point, 1);
    memset(text + 2, '0', sizeof text - 2); /* zeros at the end are no digits */
    json_decimal_read((struct str){text, sizeof text}, &d);
    ck_assert_int_eq(d.cut, false);
    ck_assert_uint_eq(d.count, 1);
    text[sizeof text - 1] = '1'; /* but they are between two others */
    json_decimal_read((struct str){text, sizeof text}, &d);
    ck_assert_int_eq(d.cut, true);
}
END_TEST

START_TEST(equal_values_are_equal_however_they_are_written)
{
    static const struct {
        const char *a, *b;
        bool eq;
    } rows[] = {
        {"1", "1.0", true},    {"100", "1e2", true},
        {"0.1", "1e-1", true}, {"0", "0e7", true},
        {"1", "-1", false},    {"0", "-0", false},
        {"1", "10", false},    {"1", "1.1", false},
        {"1.10", "1.1", true}, {"9007199254740993", "9007199254740992", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct json_decimal a, b;
        json_decimal_read(str_of(rows[i].a), &a);
        json_decimal_read(str_of(rows[i].b), &b);
        ck_assert_msg(json_decimal_eq(&a, &b) == rows[i].eq, "%s %s", rows[i].a, rows[i].b);
    }
}
END_TEST

START_TEST(reads_integers_within_their_bounds)
{
    static const struct {
        const char *text;
        int64_t min, max;
        enum err err;
        int64_t value;
    } rows[] = {
        {"0", 0, 0, OK, 0},
        {"-0", 0, 0, OK, 0},
        {"1", 0, 10, OK, 1},
        {"10", 0, 10, OK, 10},
        {"11", 0, 10, ERR_LIMIT, 0},
        {"-1", 0, 10, ERR_LIMIT, 0},
        {"-1", -1, 10, OK, -1},
        {"1.0", 0, 10, OK, 1},
        {"1.000000000000000000000000", 0, 10, OK, 1},
        {"1e2", 0, 1000, OK, 100},
        {"1E+2", 0, 1000, OK, 100},
        {"1.5e1", 0, 1000, OK, 15},
        {"100e-2", 0, 1000, OK, 1},
        {"0e0", 0, 1000, OK, 0},
        {"0e-5", 0, 1000, OK, 0},
        {"0.0", 0, 1000, OK, 0},
        {"0e999999999", 0, 1000, OK, 0},
        {"1.5", 0, 10, ERR_INVALID_REQUEST, 0},
        {"0.1", 0, 10, ERR_INVALID_REQUEST, 0},
        {"15e-1", 0, 10, ERR_INVALID_REQUEST, 0},
        {"1e-999999", 0, 10, ERR_INVALID_REQUEST, 0},
        {"1000000000000000000000.5", 0, 10, ERR_INVALID_REQUEST, 0},
        {"9223372036854775807", INT64_MIN, INT64_MAX, OK, INT64_MAX},
        {"9223372036854775808", INT64_MIN, INT64_MAX, ERR_LIMIT, 0},
        {"-9223372036854775808", INT64_MIN, INT64_MAX, OK, INT64_MIN},
        {"-9223372036854775809", INT64_MIN, INT64_MAX, ERR_LIMIT, 0},
        {"922337203685477580.7e1", INT64_MIN, INT64_MAX, OK, INT64_MAX},
        {"9007199254740993", INT64_MIN, INT64_MAX, OK, 9007199254740993},
        {"999999999999999999", INT64_MIN, INT64_MAX, OK, 999999999999999999},
        {"-99999999999999999", INT64_MIN, INT64_MAX, OK, -99999999999999999},
        {"1e18", INT64_MIN, INT64_MAX, OK, 1000000000000000000},
        {"1e19", INT64_MIN, INT64_MAX, ERR_LIMIT, 0},
        {"18446744073709551616", INT64_MIN, INT64_MAX, ERR_LIMIT, 0},
        {"1e308", INT64_MIN, INT64_MAX, ERR_LIMIT, 0},
        {"\"1\"", 0, 10, ERR_INVALID_REQUEST, 0},
        {"null", 0, 10, ERR_INVALID_REQUEST, 0},
        {"[1]", 0, 10, ERR_INVALID_REQUEST, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t value = 77;
        enum err e = json_int(value_of(rows[i].text), rows[i].min, rows[i].max, &value);
        ck_assert_msg(e == rows[i].err, "%s: %s", rows[i].text, err_code(e));
        ck_assert_int_eq(value, e == OK ? rows[i].value : 77);
    }
    int64_t value;
    ck_assert_int_eq(json_int(JSON_NONE, 0, 1, &value), ERR_INVALID_REQUEST);
}
END_TEST

START_TEST(a_fraction_of_a_thousand_digits_is_no_integer)
{
    char text[1100];
    memset(text, '1', sizeof text);
    memcpy(text + 1080, "e-1075", 7);
    int64_t value;
    ck_assert_int_eq(json_int(value_of(text), 0, 1000000, &value), ERR_INVALID_REQUEST);
}
END_TEST

START_TEST(reads_the_nearest_double)
{
    static const struct {
        const char *text;
        double value;
    } rows[] = {
        {"0", 0.0},
        {"1", 1.0},
        {"-1.5", -1.5},
        {"0.1", 0.1},
        {"0.3", 0.3},
        {"1e22", 1e22},
        {"1e23", 1e23},
        {"123456789012345", 123456789012345.0},
        {"123456789012345678", 123456789012345678.0},
        {"9007199254740993", 9007199254740992.0},
        {"9007199254740993.00000000000000000000000001", 9007199254740994.0},
        {"2.2250738585072011e-308", 2.2250738585072011e-308},
        {"2.2250738585072014e-308", DBL_MIN},
        {"4.9e-324", 4.9406564584124654e-324},
        {"2e-324", 0.0},
        {"1e-999999999999", 0.0},
        {"1.7976931348623157e308", DBL_MAX},
        {"1.797693134862315807e308", DBL_MAX},
        {"3.14159265358979323846264338327950288419716939937510", 3.14159265358979323846},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double value = 77;
        ck_assert(json_double(value_of(rows[i].text), &value));
        ck_assert_msg(value == rows[i].value, "%s: %a", rows[i].text, value);
    }
    double value = 77;
    ck_assert(json_double(value_of("-0.0"), &value) && value == 0 && signbit(value));
    ck_assert(!json_double(value_of("\"1\""), &value));
    ck_assert(!json_double(JSON_NONE, &value));
}
END_TEST

/* The half-way point between 1 and the next double, and a digit far behind it that decides. */
START_TEST(a_digit_that_was_cut_still_rounds_up)
{
    char text[2000];
    int n = snprintf(text, sizeof text, "1.00000000000000011102230246251565404236316680908203125");
    double value;
    ck_assert(json_double(value_of(text), &value) && value == 1.0);
    memset(text + n, '0', sizeof text - (size_t)n);
    text[sizeof text - 2] = '1';
    text[sizeof text - 1] = '\0';
    ck_assert(json_double(value_of(text), &value) && value == 1.0000000000000002);
}
END_TEST

START_TEST(the_largest_number_is_known_to_the_last_digit)
{
    /* 2^1024 - 2^970 is the first that rounds to infinity. */
    static const char first[] = "1797693134862315807937289714053034150799341327100378269361737789"
                                "8044496829276475094664901797758720709633028641669288791094655554"
                                "7851940402630657488671505820681908902000708383676273854845817711"
                                "5317644757302700698555713669596228429148198608349364752927190741"
                                "68444365510704342711559699508093042880177904174497792";
    char text[400];
    struct json_fault f;
    ck_assert_uint_eq(strlen(first), 309);
    ck_assert_int_eq(json_parse(&doc, STR_NONE, &f), ERR_INVALID_JSON);
    ck_assert_int_eq(json_parse(&doc, str_of(first), &f), ERR_INVALID_JSON);
    ck_assert_uint_eq(f.offset, 0);
    snprintf(text, sizeof text, "%s.0", first);
    ck_assert_int_eq(json_parse(&doc, str_of(text), &f), ERR_INVALID_JSON);
    snprintf(text, sizeof text, "%.308s1.999", first);
    double value;
    ck_assert(json_double(value_of(text), &value) && value == DBL_MAX);
    snprintf(text, sizeof text, "-0.%.308s1999e309", first);
    ck_assert(json_double(value_of(text), &value) && value == -DBL_MAX);
}
END_TEST

static double random_double(struct rng *r)
{
    for (;;) {
        uint64_t bits = rng_next(r);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value))
            return value;
    }
}

START_TEST(doubles_survive_writing_and_reading)
{
    uint64_t seed;
    rng_system(&seed, sizeof seed);
    struct rng r;
    rng_seed(&r, seed);
    struct buf b;
    buf_init(&b, 64);
    for (int i = 0; i < 20000; i++) {
        double value = i % 2 ? random_double(&r) : (double)(int64_t)rng_next(&r) / 1024, back = 0;
        buf_clear(&b);
        json_add_double(&b, value);
        ck_assert_int_eq(json_parse(&doc, buf_str(&b), NULL), OK);
        ck_assert(json_double(json_root(&doc), &back));
        ck_assert_msg(back == value, "seed %llu: %a", (unsigned long long)seed, value);
        char text[64];
        snprintf(text, sizeof text, "%.*s", (int)b.len, b.data);
        ck_assert_msg(strtod(text, NULL) == value, "seed %llu: %a", (unsigned long long)seed,
                      value);
    }
    buf_fini(&b);
}
END_TEST

START_TEST(a_locale_with_a_comma_changes_nothing)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE", NULL};
    size_t i = 0;
    while (names[i] != NULL && setlocale(LC_NUMERIC, names[i]) == NULL)
        i++; /* where none is installed the test still holds, if only for the C locale */
    struct buf b;
    buf_init(&b, 64);
    json_add_double(&b, 0.1);
    ck_assert(str_eq(buf_str(&b), STR("0.1")));
    double value = 0;
    ck_assert(json_double(value_of("1234.56789012345678901"), &value));
    ck_assert(value > 1234.5 && value < 1234.6);
    buf_fini(&b);
}
END_TEST

Suite *suite_base_json_number(void)
{
    Suite *s = suite_create("base/json_number");
    TCase *c = tcase_create("number");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, takes_a_number_apart);
    tcase_add_test(c, more_digits_than_fit_are_cut_and_told);
    tcase_add_test(c, equal_values_are_equal_however_they_are_written);
    tcase_add_test(c, reads_integers_within_their_bounds);
    tcase_add_test(c, a_fraction_of_a_thousand_digits_is_no_integer);
    tcase_add_test(c, reads_the_nearest_double);
    tcase_add_test(c, a_digit_that_was_cut_still_rounds_up);
    tcase_add_test(c, the_largest_number_is_known_to_the_last_digit);
    tcase_add_test(c, doubles_survive_writing_and_reading);
    tcase_add_test(c, a_locale_with_a_comma_changes_nothing);
    suite_add_tcase(s, c);
    return s;
}
