#include "cli/body.h"

#include <check.h>
#include <stdio.h>

Suite *suite_cli_body(void);

static struct body body;

static void start(const char *json)
{
    body_init(&body);
    if (json != NULL)
        ck_assert_int_eq(body_load(&body, str_of(json), NULL), OK);
}

static void is(const char *json)
{
    ck_assert_msg(str_eq(buf_str(&body.text), str_of(json)), "%.*s is not %s",
                  STR_ARG(buf_str(&body.text)), json);
    body_fini(&body);
}

START_TEST(begins_as_an_empty_object)
{
    start(NULL);
    is("{}");
}
END_TEST

START_TEST(members_are_set_in_order_and_replaced_in_place)
{
    start(NULL);
    ck_assert_int_eq(body_set_text(&body, "agent", STR("echo"), NULL), OK);
    ck_assert_int_eq(body_set_text(&body, "input", STR("a \"b\"\n"), NULL), OK);
    ck_assert_int_eq(body_set_number(&body, "timeout_ms", 5000, NULL), OK);
    ck_assert_int_eq(body_set_text(&body, "agent", STR("story"), NULL), OK);
    is("{\"agent\":\"story\",\"input\":\"a \\\"b\\\"\\n\",\"timeout_ms\":5000}");
}
END_TEST

START_TEST(what_is_not_touched_keeps_its_digits)
{
    start("{ \"task\" : {\"n\": 12345678901234567890.10, \"s\": \"a  \\u00e4\"} }");
    ck_assert_int_eq(body_set_text(&body, "name", STR("n"), NULL), OK);
    is("{\"task\":{\"n\":12345678901234567890.10,\"s\":\"a  \\u00e4\"},\"name\":\"n\"}");
}
END_TEST

START_TEST(a_file_is_laid_under_the_command_line)
{
    start(
        "{ \"agent\": \"writer\", \"params\": {\"t\": 1.50, \"sim\": {\"seed\": 1}},\n \"input\": null }");
    ck_assert_int_eq(body_set_param(&body, STR("sim.gap_ms"), STR("40"), NULL), OK);
    ck_assert_int_eq(body_set_json(&body, "input", STR("{\"a\": [1]}"), NULL), OK);
    is("{\"agent\":\"writer\",\"params\":{\"t\":1.50,\"sim\":{\"seed\":1,\"gap_ms\":40}},\"input\":{\"a\": [1]}}");
}
END_TEST

START_TEST(a_parameter_is_json_or_text)
{
    static const struct {
        const char *value, *json;
    } rows[] = {
        {"5", "5"},
        {"0.5", "0.5"},
        {"true", "true"},
        {"null", "null"},
        {"[1,2]", "[1,2]"},
        {"{\"a\":1}", "{\"a\":1}"},
        {"\"5\"", "\"5\""},
        {"me", "\"me\""},
        {"", "\"\""},
        {" 5", "\" 5\""},
        {"05", "\"05\""},
        {"1,2", "\"1,2\""},
        {"12345678901234567890", "12345678901234567890"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char expected[128];
        start(NULL);
        ck_assert_int_eq(body_set_param(&body, STR("k"), str_of(rows[i].value), NULL), OK);
        snprintf(expected, sizeof expected, "{\"params\":{\"k\":%s}}", rows[i].json);
        is(expected);
    }
}
END_TEST

START_TEST(dots_make_objects)
{
    start(NULL);
    ck_assert_int_eq(body_set_param(&body, STR("a.b.c"), STR("1"), NULL), OK);
    ck_assert_int_eq(body_set_param(&body, STR("a.d"), STR("2"), NULL), OK);
    ck_assert_int_eq(body_set_param(&body, STR("a.b.c"), STR("3"), NULL), OK);
    is("{\"params\":{\"a\":{\"b\":{\"c\":3},\"d\":2}}}");
}
END_TEST

START_TEST(an_object_can_be_given_whole_and_then_in_parts)
{
    start(NULL);
    ck_assert_int_eq(body_set_param(&body, STR("sim"), STR("{\"tokens\":5}"), NULL), OK);
    ck_assert_int_eq(body_set_param(&body, STR("sim.gap_ms"), STR("1"), NULL), OK);
    is("{\"params\":{\"sim\":{\"tokens\":5,\"gap_ms\":1}}}");
}
END_TEST

START_TEST(what_is_no_object_gives_way_to_one)
{
    start(NULL);
    ck_assert_int_eq(body_set_param(&body, STR("a"), STR("5"), NULL), OK);
    ck_assert_int_eq(body_set_param(&body, STR("a.b"), STR("1"), NULL), OK);
    is("{\"params\":{\"a\":{\"b\":1}}}");
}
END_TEST

START_TEST(metadata_is_text_and_its_keys_stay_whole)
{
    start(NULL);
    ck_assert_int_eq(body_set_metadata(&body, STR("team.name"), STR("5"), NULL), OK);
    ck_assert_int_eq(body_set_metadata(&body, STR("b"), STR("x"), NULL), OK);
    is("{\"metadata\":{\"team.name\":\"5\",\"b\":\"x\"}}");
}
END_TEST

START_TEST(names_are_compared_unescaped)
{
    start("{\"in\\u0070ut\":1}");
    ck_assert_int_eq(body_set_text(&body, "input", STR("x"), NULL), OK);
    is("{\"in\\u0070ut\":\"x\"}");
}
END_TEST

START_TEST(a_bad_key_is_refused)
{
    static const char *const keys[] = {".a", "a.",   "a..b",
                                       ".",  "\x80", "1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16"};
    start(NULL);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct error error = {.code = OK};
        ck_assert_int_eq(body_set_param(&body, str_of(keys[i]), STR("1"), &error),
                         ERR_INVALID_REQUEST);
        ck_assert_uint_gt(strlen(error.message), 0);
    }
    ck_assert_int_eq(
        body_set_param(&body, STR("1.2.3.4.5.6.7.8.9.10.11.12.13.14.15"), STR("1"), NULL), OK);
    body_fini(&body);
}
END_TEST

START_TEST(text_that_is_not_utf8_is_refused)
{
    struct error error;
    start(NULL);
    ck_assert_int_eq(body_set_text(&body, "input", STR("a\xFF"), &error), ERR_INVALID_REQUEST);
    ck_assert_str_eq(error.message, "input: the text is not UTF-8");
    ck_assert_int_eq(body_set_metadata(&body, STR("\xFF"), STR("a"), &error), ERR_INVALID_REQUEST);
    is("{}");
}
END_TEST

START_TEST(a_file_that_is_no_object_is_refused_with_its_place)
{
    struct error error;
    start(NULL);
    ck_assert_int_eq(body_load(&body, STR("{\n  \"agent\" \"echo\"\n}"), &error),
                     ERR_INVALID_REQUEST);
    ck_assert_str_eq(error.message, "line 2, column 11: a colon was expected");
    ck_assert_int_eq(body_load(&body, STR("[]"), &error), ERR_INVALID_REQUEST);
    ck_assert_str_eq(error.message, "it is no JSON object");
    ck_assert_int_eq(body_set_json(&body, "input", STR("{\"a\":}"), &error), ERR_INVALID_REQUEST);
    ck_assert_str_eq(error.message, "line 1, column 6: a value was expected");
    is("{}");
}
END_TEST

START_TEST(a_tree_alone_is_the_task_of_a_run)
{
    static const struct {
        const char *file, *body;
    } rows[] = {
        {"{ \"type\": \"value\", \"value\": 1.50 }",
         "{\"task\":{\"type\":\"value\",\"value\":1.50}}"},
        {"{\"name\":\"w\",\"description\":\"d\",\"task\":{\"type\":\"x\",\"description\":1}}",
         "{\"name\":\"w\",\"task\":{\"type\":\"x\",\"description\":1}}"},
        {"{\"task\":{\"type\":\"x\"},\"input\":1}", "{\"task\":{\"type\":\"x\"},\"input\":1}"},
        {"{\"type\":\"call\",\"agent\":\"a\"}", "{\"task\":{\"type\":\"call\",\"agent\":\"a\"}}"},
        {"{\"task\":{},\"type\":1}", "{\"task\":{},\"type\":1}"},
        {"{\"agent\":\"a\",\"description\":1}", "{\"agent\":\"a\",\"description\":1}"},
        {"{}", "{}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct body b;
        body_init(&b);
        ck_assert_int_eq(body_load(&b, str_of(rows[i].file), NULL), OK);
        ck_assert_int_eq(body_take_tree(&b, NULL), OK);
        ck_assert_msg(str_eq(buf_str(&b.text), str_of(rows[i].body)), "%.*s",
                      STR_ARG(buf_str(&b.text)));
        body_fini(&b);
    }
}
END_TEST

Suite *suite_cli_body(void)
{
    Suite *s = suite_create("cli/body");
    TCase *t = tcase_create("create requests");
    tcase_add_test(t, begins_as_an_empty_object);
    tcase_add_test(t, members_are_set_in_order_and_replaced_in_place);
    tcase_add_test(t, what_is_not_touched_keeps_its_digits);
    tcase_add_test(t, a_file_is_laid_under_the_command_line);
    tcase_add_test(t, a_parameter_is_json_or_text);
    tcase_add_test(t, dots_make_objects);
    tcase_add_test(t, an_object_can_be_given_whole_and_then_in_parts);
    tcase_add_test(t, what_is_no_object_gives_way_to_one);
    tcase_add_test(t, metadata_is_text_and_its_keys_stay_whole);
    tcase_add_test(t, names_are_compared_unescaped);
    tcase_add_test(t, a_bad_key_is_refused);
    tcase_add_test(t, text_that_is_not_utf8_is_refused);
    tcase_add_test(t, a_file_that_is_no_object_is_refused_with_its_place);
    tcase_add_test(t, a_tree_alone_is_the_task_of_a_run);
    suite_add_tcase(s, t);
    return s;
}
