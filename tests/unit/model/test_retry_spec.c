/* A retry policy as a client writes it (API §4). */
#include "model/retry_spec.h"

#include <check.h>

#include "base/mem.h"
#include "tests/unit/model/findings.h"

Suite *suite_model_retry_spec(void);

static struct json_doc doc;
static struct arena arena;
static struct problem problem;
static struct retry_spec spec;

static void set_up(void)
{
    json_doc_init(&doc);
    arena_init(&arena, 1 << 20);
}

static void tear_down(void)
{
    json_doc_fini(&doc);
    arena_fini(&arena);
    ck_assert_int_eq(mem_live(), 0);
}

/* Over what `spec` holds already. */
static bool check_over(const char *text)
{
    struct check c = {.problem = &problem, .arena = &arena};
    struct doc_path root = {.up = NULL}, at = doc_path_name(&root, STR("retry"));
    ck_assert_int_eq(json_parse(&doc, str_of(text), NULL), OK);
    problem_init(&problem);
    return retry_spec_check(&c, json_root(&doc), &at, &spec);
}

static bool check(const char *text)
{
    spec = retry_spec_default();
    return check_over(text);
}

START_TEST(left_out_members_are_the_apis_defaults)
{
    ck_assert(check("{}"));
    ck_assert_uint_eq(spec.attempts, 3);
    ck_assert_uint_eq(spec.base_ms, 1000);
    ck_assert_double_eq(spec.factor, 2.0);
    ck_assert_uint_eq(spec.max_ms, 30000);
    ck_assert(spec.full_jitter);
    ck_assert(!spec.has_on);
}
END_TEST

START_TEST(each_member_is_read)
{
    ck_assert(check("{\"attempts\":5,\"base_ms\":1,\"factor\":1.5,\"max_ms\":2,\"jitter\":\"none\","
                    "\"on\":[\"provider_error\",\"breaker_open\",\"provider_error\"]}"));
    ck_assert_uint_eq(spec.attempts, 5);
    ck_assert_uint_eq(spec.base_ms, 1);
    ck_assert_double_eq(spec.factor, 1.5);
    ck_assert_uint_eq(spec.max_ms, 2);
    ck_assert(!spec.full_jitter);
    ck_assert(spec.has_on);
    ck_assert_uint_eq(spec.on, (uint64_t)1 << ERR_PROVIDER_ERROR | (uint64_t)1 << ERR_BREAKER_OPEN);
}
END_TEST

START_TEST(members_lie_over_what_was_there_before)
{
    ck_assert(check("{\"attempts\":9,\"on\":[\"provider_auth\"]}"));
    ck_assert(check_over("{\"base_ms\":7}"));
    ck_assert_uint_eq(spec.attempts, 9);
    ck_assert_uint_eq(spec.base_ms, 7);
    ck_assert_uint_eq(spec.on, (uint64_t)1 << ERR_PROVIDER_AUTH);
    ck_assert(check_over("{\"on\":[\"crashed\"]}")); /* in place of the others, not beside them */
    ck_assert_uint_eq(spec.on, (uint64_t)1 << ERR_CRASHED);
}
END_TEST

START_TEST(an_empty_list_retries_on_nothing)
{
    ck_assert(check("{\"on\":[]}"));
    ck_assert(spec.has_on);
    ck_assert_uint_eq(spec.on, 0);
}
END_TEST

START_TEST(limits_are_met_and_not_passed)
{
    static const struct {
        const char *json, *findings;
    } rows[] = {
        {"{\"attempts\":1,\"base_ms\":0,\"factor\":1,\"max_ms\":0}", "ok"},
        {"{\"attempts\":100,\"base_ms\":3600000,\"factor\":100,\"max_ms\":86400000}", "ok"},
        {"{\"attempts\":0}", "invalid_request: /retry/attempts out_of_range"},
        {"{\"attempts\":101}", "invalid_request: /retry/attempts out_of_range"},
        {"{\"attempts\":1.5}", "invalid_request: /retry/attempts wrong_type"},
        {"{\"base_ms\":-1}", "invalid_request: /retry/base_ms out_of_range"},
        {"{\"base_ms\":3600001}", "invalid_request: /retry/base_ms out_of_range"},
        {"{\"factor\":0.99}", "invalid_request: /retry/factor out_of_range"},
        {"{\"factor\":100.01}", "invalid_request: /retry/factor out_of_range"},
        {"{\"max_ms\":86400001}", "invalid_request: /retry/max_ms out_of_range"},
        {"{\"jitter\":\"some\",\"on\":7,\"budget\":0.2}",
         "invalid_request: /retry/jitter not_in_enum, /retry/on wrong_type, /retry/budget unknown_field"},
        {"{\"on\":[\"ok\",1,\"nonsense\",\"\",\"provider_error\"]}",
         "invalid_request: /retry/on/0 not_in_enum, /retry/on/1 wrong_type, /retry/on/2 not_in_enum, "
         "/retry/on/3 not_in_enum"},
        {"[]", "invalid_request: /retry wrong_type"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool fine = check(rows[i].json);
        ck_assert_str_eq(findings_text(&problem), rows[i].findings);
        ck_assert_int_eq(fine, problem.code == OK);
    }
}
END_TEST

START_TEST(every_code_of_a_run_and_no_other_can_be_retried_on)
{
    static const char *const of_a_run[] = {"provider_unreachable",
                                           "provider_auth",
                                           "provider_rate_limited",
                                           "provider_overloaded",
                                           "provider_error",
                                           "provider_timeout",
                                           "provider_bad_response",
                                           "bad_request",
                                           "context_too_long",
                                           "content_refused",
                                           "breaker_open",
                                           "invalid_output",
                                           "template_error",
                                           "limit_exceeded",
                                           "unknown_agent",
                                           "unknown_workflow",
                                           "unknown_model",
                                           "error_group",
                                           "crashed",
                                           "cancelled",
                                           "task_timeout",
                                           "run_timeout"};
    unsigned accepted = 0;
    for (int e = 0; e < ERR_COUNT_; e++) {
        char text[80];
        snprintf(text, sizeof text, "{\"on\":[\"%s\"]}", err_code((enum err)e));
        bool is_listed = false;
        for (size_t i = 0; i < sizeof of_a_run / sizeof of_a_run[0]; i++)
            is_listed |= strcmp(of_a_run[i], err_code((enum err)e)) == 0;
        ck_assert_msg(check(text) == is_listed, "%s", text);
        accepted += is_listed;
    }
    ck_assert_uint_eq(accepted, sizeof of_a_run / sizeof of_a_run[0]);
}
END_TEST

START_TEST(findings_past_the_twentieth_are_findings_still)
{
    struct check c = {.problem = &problem, .arena = &arena};
    struct doc_path root = {.up = NULL};
    ck_assert_int_eq(json_parse(&doc, STR("{\"attempts\":0}"), NULL), OK);
    problem_init(&problem);
    for (int i = 0; i < PROBLEM_MAX_FIELDS; i++)
        problem_add(&problem, &root, FIELD_MISSING, NULL);
    spec = retry_spec_default();
    ck_assert(!retry_spec_check(&c, json_root(&doc), &root, &spec));
}
END_TEST

Suite *suite_model_retry_spec(void)
{
    Suite *s = suite_create("model_retry_spec");
    TCase *t = tcase_create("retry_spec");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, left_out_members_are_the_apis_defaults);
    tcase_add_test(t, each_member_is_read);
    tcase_add_test(t, members_lie_over_what_was_there_before);
    tcase_add_test(t, an_empty_list_retries_on_nothing);
    tcase_add_test(t, limits_are_met_and_not_passed);
    tcase_add_test(t, every_code_of_a_run_and_no_other_can_be_retried_on);
    tcase_add_test(t, findings_past_the_twentieth_are_findings_still);
    suite_add_tcase(s, t);
    return s;
}
