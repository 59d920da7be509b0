#include "cli/render.h"

#include <check.h>
#include <stdlib.h>
#include <time.h>

Suite *suite_cli_render(void);

static struct buf b;

static void is(const char *text)
{
    ck_assert_msg(str_eq(buf_str(&b), str_of(text)), "\"%.*s\" is not \"%s\"", STR_ARG(buf_str(&b)),
                  text);
    buf_fini(&b);
    buf_init(&b, 65536);
}

static void set_up(void)
{
    buf_init(&b, 65536);
}

static void tear_down(void)
{
    buf_fini(&b);
}

START_TEST(text_for_a_terminal_is_harmless)
{
    static const struct {
        struct str text;
        const char *safe;
    } rows[] = {
        {{"plain \xC3\xA4\xE2\x82\xAC\xF0\x9F\x8C\x8A\n\tx", 18},
         "plain \xC3\xA4\xE2\x82\xAC\xF0\x9F\x8C\x8A\n\tx"},
        {{"a\x1B[31mb\x1B]0;title\x07", 18}, "a[31mb]0;title"},
        {{"a\0b", 3}, "ab"},
        {{"over\rwritten\r\n", 14}, "overwritten\n"},
        {{"del\x7F\x08", 5}, "del"},
        {{"c1 \xC2\x9B"
          "31m",
          8},
         "c1 31m"}, /* U+009B is an escape sequence by itself */
        {{"raw \x9B"
          "31m",
          8},
         "raw \xEF\xBF\xBD"
         "31m"}, /* so it is as a byte, for some terminals */
        {{"a\xE2\x80\xAE"
          "b\xE2\x81\xA6"
          "c\xE2\x80\x8F",
          12},
         "abc"}, /* U+202E, U+2066, U+200F */
        {{"a\xE2\x80\xA8"
          "b",
          5},
         "ab"}, /* U+2028, a line separator */
        {{"cut \xE2\x82", 6}, "cut \xEF\xBF\xBD\xEF\xBF\xBD"},
        {{"", 0}, ""},
        {{NULL, 0}, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        render_safe(&b, rows[i].text);
        is(rows[i].safe);
    }
}
END_TEST

START_TEST(a_line_stays_one_line)
{
    render_line(&b, STR("a\nb\tc\r\n\x1B[2J"));
    is("a b c [2J");
}
END_TEST

START_TEST(columns_are_counted_not_bytes)
{
    ck_assert_uint_eq(render_width(STR("")), 0);
    ck_assert_uint_eq(render_width(STR("abc")), 3);
    ck_assert_uint_eq(render_width(STR("\xC3\xA4\xE2\x82\xAC")), 2);
    ck_assert_uint_eq(render_width(STR("\xE6\x97\xA5\xE6\x9C\xAC")), 4); /* two wide ones */
    ck_assert_uint_eq(render_width(STR("e\xCC\x81")), 1); /* an accent that combines */
}
END_TEST

START_TEST(text_is_cut_at_a_column)
{
    ck_assert_uint_eq(render_fit(STR("abc"), 2), 2);
    ck_assert_uint_eq(render_fit(STR("abc"), 3), 3);
    ck_assert_uint_eq(render_fit(STR("abc"), 9), 3);
    ck_assert_uint_eq(render_fit(STR("\xC3\xA4"
                                     "b"),
                                 1),
                      2);
    ck_assert_uint_eq(render_fit(STR("\xE6\x97\xA5\xE6\x9C\xAC"), 3),
                      3); /* half of the second does not fit */
    ck_assert_uint_eq(render_fit(STR(""), 3), 0);
}
END_TEST

START_TEST(durations_have_two_digits_that_matter)
{
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {0, "0 ms"},         {999, "999 ms"},       {1000, "1.0 s"},      {1999, "1.9 s"},
        {59999, "59.9 s"},   {60000, "1m 00s"},     {185000, "3m 05s"},   {3599999, "59m 59s"},
        {3600000, "1h 00m"}, {86399999, "23h 59m"}, {86400000, "1d 00h"}, {-5, "0 ms"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        render_duration(&b, rows[i].ms);
        is(rows[i].text);
    }
}
END_TEST

START_TEST(times_are_local)
{
    setenv("TZ", "XXX-2", 1); /* two hours east */
    tzset();
    render_time(&b, 1785585600123);
    is("2026-08-01 14:00:00");
}
END_TEST

/* --- values ----------------------------------------------------------------------------------- */

static struct json_doc doc;

static struct json parse(const char *text)
{
    ck_assert_int_eq(json_parse(&doc, str_of(text), NULL), OK);
    return json_root(&doc);
}

START_TEST(values_are_text_or_json)
{
    json_doc_init(&doc);
    render_value(&b, parse("\"a\\n\\\"b\\\"\""));
    is("a\n\"b\"");
    render_value(&b, parse("{ \"a\" : [1, 2] }"));
    is("{\"a\":[1,2]}");
    render_value(&b, parse("12345678901234567890"));
    is("12345678901234567890");
    render_value(&b, JSON_NONE);
    is("");
    json_doc_fini(&doc);
}
END_TEST

START_TEST(json_is_spread_out)
{
    json_doc_init(&doc);
    render_json(&b, parse("{\"a\":[1],\"b\":{}}"));
    is("{\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}");
    render_json(&b, parse("{\"a\\u0000\":1}")); /* a tree cannot hold that */
    is("{\"a\\u0000\":1}");
    json_doc_fini(&doc);
}
END_TEST

START_TEST(a_reason_is_said_in_words)
{
    static const struct {
        const char *reason;
        int64_t at_ms;
        const char *text;
    } rows[] = {
        {"null", 1, ""},
        {"{\"code\":\"timer\",\"blocked_on\":null,\"until\":null}", 1, "timer"},
        {"{\"code\":\"no_free_slot\",\"blocked_on\":\"provider:openai\",\"until\":null}", 1,
         "no free slot at provider:openai"},
        {"{\"code\":\"rate_limited\",\"blocked_on\":\"provider:x_y\",\"until\":\"1970-01-01T00:00:12.500Z\"}",
         500, "rate limited at provider:x_y (for 12.0 s)"},
        {"{\"code\":\"rate_limited\",\"until\":\"1970-01-01T00:00:12.500Z\"}", 0, "rate limited"},
        {"{\"code\":\"rate_limited\",\"until\":\"1970-01-01T00:00:12.500Z\"}", 20000,
         "rate limited"},
    };
    json_doc_init(&doc);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        render_reason(&b, parse(rows[i].reason), rows[i].at_ms);
        is(rows[i].text);
    }
    json_doc_fini(&doc);
}
END_TEST

Suite *suite_cli_render(void)
{
    Suite *s = suite_create("cli/render");
    TCase *t = tcase_create("what a person reads");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, text_for_a_terminal_is_harmless);
    tcase_add_test(t, a_line_stays_one_line);
    tcase_add_test(t, columns_are_counted_not_bytes);
    tcase_add_test(t, text_is_cut_at_a_column);
    tcase_add_test(t, durations_have_two_digits_that_matter);
    tcase_add_test(t, times_are_local);
    tcase_add_test(t, values_are_text_or_json);
    tcase_add_test(t, json_is_spread_out);
    tcase_add_test(t, a_reason_is_said_in_words);
    suite_add_tcase(s, t);
    return s;
}
