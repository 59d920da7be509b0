#include "cli/result.h"

#include <check.h>

Suite *suite_cli_result(void);

static struct json_doc doc;

static struct json parse(const char *text)
{
    ck_assert_int_eq(json_parse(&doc, str_of(text), NULL), OK);
    return json_root(&doc);
}

START_TEST(the_state_gives_the_exit_code)
{
    static const struct {
        const char *run;
        int exit;
        bool is_final;
    } rows[] = {
        {"{\"state\":\"succeeded\"}", CLI_SUCCEEDED, true},
        {"{\"state\":\"failed\"}", CLI_FAILED, true},
        {"{\"state\":\"cancelled\"}", CLI_CANCELLED, true},
        {"{\"state\":\"timed_out\"}", CLI_TIMED_OUT, true},
        {"{\"state\":\"running\"}", CLI_FAILED, false},
        {"{\"state\":\"cancelling\"}", CLI_FAILED, false},
        {"{\"state\":\"x\"}", CLI_FAILED, false},
        {"{\"state\":5}", CLI_FAILED, false},
        {"{}", CLI_FAILED, false},
        {"[]", CLI_FAILED, false},
    };
    json_doc_init(&doc);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct json run = parse(rows[i].run);
        ck_assert_msg(result_exit(run) == rows[i].exit, "%s", rows[i].run);
        ck_assert_msg(result_is_final(run) == rows[i].is_final, "%s", rows[i].run);
    }
    ck_assert_int_eq(result_exit(JSON_NONE), CLI_FAILED);
    json_doc_fini(&doc);
}
END_TEST

START_TEST(an_error_is_a_line_and_its_group_one_for_each)
{
    static const struct {
        const char *error, *text;
    } rows[] = {
        {"null", ""},
        {"{\"code\":\"provider_error\",\"message\":\"HTTP 500\",\"errors\":[]}",
         "provider_error: HTTP 500\n"},
        {"{\"code\":\"error_group\",\"message\":\"2 tasks failed\",\"errors\":["
         "{\"task\":\"0/1\",\"code\":\"provider_timeout\",\"message\":\"a\"},"
         "{\"task\":\"\",\"code\":\"crashed\",\"message\":\"b\"}]}",
         "error_group: 2 tasks failed\n  [0/1] provider_timeout: a\n  crashed: b\n"},
    };
    json_doc_init(&doc);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf b;
        buf_init(&b, 65536);
        result_add_error(&b, parse(rows[i].error));
        ck_assert_msg(str_eq(buf_str(&b), str_of(rows[i].text)), "%.*s", STR_ARG(buf_str(&b)));
        buf_fini(&b);
    }
    json_doc_fini(&doc);
}
END_TEST

Suite *suite_cli_result(void)
{
    Suite *s = suite_create("cli/result");
    TCase *t = tcase_create("how a run ended");
    tcase_add_test(t, the_state_gives_the_exit_code);
    tcase_add_test(t, an_error_is_a_line_and_its_group_one_for_each);
    suite_add_tcase(s, t);
    return s;
}
