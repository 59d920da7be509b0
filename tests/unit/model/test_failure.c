/* The `error` of a run or task, member by member (API §2). */
#include "model/failure.h"

#include <check.h>

#include "base/json.h"

Suite *suite_model_failure(void);

static void assert_written(const struct failure *f, const char *want)
{
    struct buf b;
    struct json_doc doc;
    buf_init(&b, 4096);
    json_doc_init(&doc);
    failure_write(&b, f);
    ck_assert_int_eq(json_parse(&doc, buf_str(&b), NULL), OK);
    ck_assert_msg(str_eq(buf_str(&b), str_of(want)), "%.*s", STR_ARG(buf_str(&b)));
    json_doc_fini(&doc);
    buf_fini(&b);
}

START_TEST(a_plain_failure_has_every_member_but_partial)
{
    assert_written(
        &(struct failure){.code = ERR_PROVIDER_TIMEOUT,
                          .message = STR("no answer came in time"),
                          .task = STR("0/2"),
                          .provider = STR("openai"),
                          .attempts = 3},
        "{\"code\":\"provider_timeout\",\"message\":\"no answer came in time\",\"retryable\":true,"
        "\"task\":\"0/2\",\"provider\":\"openai\",\"attempts\":3,\"errors\":[]}");
}
END_TEST

START_TEST(without_words_of_its_own_it_says_what_the_code_means)
{
    assert_written(
        &(struct failure){.code = ERR_CANCELLED},
        "{\"code\":\"cancelled\",\"message\":\"It was cancelled\",\"retryable\":false,\"task\":null,"
        "\"provider\":null,\"attempts\":0,\"errors\":[]}");
}
END_TEST

START_TEST(the_root_has_a_path_too)
{
    assert_written(
        &(struct failure){.code = ERR_CRASHED, .task = STR("")},
        "{\"code\":\"crashed\",\"message\":\"The gateway stopped during the call\",\"retryable\":true,"
        "\"task\":\"\",\"provider\":null,\"attempts\":0,\"errors\":[]}");
}
END_TEST

START_TEST(a_group_and_what_was_finished_are_told)
{
    assert_written(
        &(struct failure){.code = ERR_ERROR_GROUP,
                          .message = STR("a \"b\""),
                          .task = STR(""),
                          .errors = STR("[{\"code\":\"bad_request\"}]"),
                          .partial = STR("[1,2]")},
        "{\"code\":\"error_group\",\"message\":\"a \\\"b\\\"\",\"retryable\":false,\"task\":\"\","
        "\"provider\":null,\"attempts\":0,\"errors\":[{\"code\":\"bad_request\"}],\"partial\":[1,2]}");
}
END_TEST

Suite *suite_model_failure(void)
{
    Suite *s = suite_create("model_failure");
    TCase *t = tcase_create("failure");
    tcase_add_test(t, a_plain_failure_has_every_member_but_partial);
    tcase_add_test(t, without_words_of_its_own_it_says_what_the_code_means);
    tcase_add_test(t, the_root_has_a_path_too);
    tcase_add_test(t, a_group_and_what_was_finished_are_told);
    suite_add_tcase(s, t);
    return s;
}
