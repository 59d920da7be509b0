/* A node of a task tree (API §4): what a call may say, and what is found where. */
#include "model/task_spec.h"

#include <check.h>

#include "base/mem.h"
#include "tests/unit/base/oom.h"
#include "tests/unit/model/findings.h"

Suite *suite_model_task_spec(void);

static struct json_doc doc;
static struct arena arena;
static struct problem problem;
static struct check c;
static const struct spec_limits limits = {.max_run_timeout_ms = 86400000,
                                          .default_run_timeout_ms = 3600000,
                                          .input_bytes = 64,
                                          .tree_depth = 32,
                                          .tree_nodes = 10000};

static void set_up(void)
{
    json_doc_init(&doc);
    arena_init(&arena, 1 << 24);
}

static void tear_down(void)
{
    json_doc_fini(&doc);
    arena_fini(&arena);
    ck_assert_int_eq(mem_live(), 0);
}

static struct task_spec *check(const char *text)
{
    struct doc_path root = {.up = NULL}, at = doc_path_name(&root, STR("task"));
    c = (struct check){.problem = &problem, .arena = &arena};
    problem_init(&problem);
    ck_assert_int_eq(json_parse(&doc, str_of(text), NULL), OK);
    return task_spec_check(&c, json_root(&doc), &at, &limits, &world);
}

START_TEST(a_call_of_an_agent)
{
    struct task_spec *t = check("{\"type\":\"call\",\"agent\":\"writer\"}");
    ck_assert_ptr_nonnull(t);
    ck_assert_int_eq(t->type, TASK_CALL);
    ck_assert_str_eq(task_type_name(t->type), "call");
    ck_assert(str_eq(t->agent, STR("writer")));
    ck_assert(str_eq(t->input, STR("null")));
    ck_assert_uint_eq(t->model_count, 0);
    ck_assert_ptr_null(t->name.at);
    ck_assert_ptr_null(t->params.at);
    ck_assert_int_eq(t->timeout_ms, 0);
    ck_assert(t->retry == NULL);
}
END_TEST

START_TEST(a_call_of_models_with_all_that_it_may_say)
{
    struct task_spec *t = check(
        "{\"name\":\"n-1\",\"input\":{\"a\":1.00},\"params\":{\"temperature\":0},\"instructions\":\"Be\\tbrief.\","
        "\"model\":[\"sim/a\",\"sim/b\"],\"retry\":{\"attempts\":9},\"timeout_ms\":5,\"type\":\"c\\u0061ll\"}");
    ck_assert_msg(t != NULL, "%s", findings_text(&problem));
    ck_assert(str_eq(t->name, STR("n-1")));
    ck_assert(str_eq(t->input, STR("{\"a\":1.00}")));
    ck_assert(str_eq(t->params, STR("{\"temperature\":0}")));
    ck_assert(str_eq(t->instructions, STR("Be\tbrief.")));
    ck_assert_uint_eq(t->model_count, 2);
    ck_assert(str_eq(t->models[1], STR("sim/b")));
    ck_assert_ptr_null(t->agent.at);
    ck_assert(t->retry != NULL);
    ck_assert_uint_eq(t->retry->attempts, 9);
    ck_assert_uint_eq(t->retry->base_ms, 1000);
    ck_assert_int_eq(t->timeout_ms, 5);
}
END_TEST

START_TEST(everything_wrong_is_found_in_the_apis_order)
{
    static const struct {
        const char *json, *findings;
    } rows[] = {
        {"[]", "invalid_request: /task wrong_type"},
        {"\"call\"", "invalid_request: /task wrong_type"},
        {"{}", "invalid_request: /task/type missing"},
        {"{\"type\":7}", "invalid_request: /task/type wrong_type"},
        {"{\"type\":\"Call\"}", "invalid_request: /task/type unknown_type"},
        {"{\"type\":\"emit\",\"agent\":7}", "invalid_request: /task/type unknown_type"},
        {"{\"type\":\"call\"}", "invalid_request: /task exclusive"},
        {"{\"x\":1,\"type\":\"call\",\"agent\":\"echo\",\"model\":\"sim/a\",\"name\":\"a b\"}",
         "invalid_request: /task exclusive, /task/x unknown_field, /task/name out_of_range"},
        {"{\"type\":\"call\",\"agent\":\"nobody\"}", "unknown_agent: /task/agent unknown_name"},
        {"{\"type\":\"call\",\"agent\":7}", "invalid_request: /task/agent wrong_type"},
        {"{\"type\":\"call\",\"model\":\"x\"}", "unknown_model: /task/model unknown_name"},
        {"{\"type\":\"call\",\"model\":\"nobody/x\"}",
         "unknown_provider: /task/model unknown_name"},
        {"{\"type\":\"call\",\"model\":[\"sim/a\",\"x\"],\"params\":1,\"instructions\":[]}",
         "invalid_request: /task/model/1 unknown_name, /task/params wrong_type, /task/instructions wrong_type"},
        {"{\"type\":\"call\",\"agent\":\"echo\",\"timeout_ms\":0}",
         "invalid_request: /task/timeout_ms out_of_range"},
        {"{\"type\":\"call\",\"agent\":\"echo\",\"timeout_ms\":86400000}", "ok"},
        {"{\"type\":\"call\",\"agent\":\"echo\",\"timeout_ms\":86400001}",
         "invalid_request: /task/timeout_ms out_of_range"},
        {"{\"type\":\"call\",\"agent\":\"echo\",\"timeout_ms\":2.5}",
         "invalid_request: /task/timeout_ms wrong_type"},
        {"{\"type\":\"call\",\"agent\":\"echo\",\"retry\":{\"on\":[\"x\"]}}",
         "invalid_request: /task/retry/on/0 not_in_enum"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct task_spec *t = check(rows[i].json);
        ck_assert_str_eq(findings_text(&problem), rows[i].findings);
        ck_assert_int_eq(t != NULL, problem.code == OK);
    }
}
END_TEST

START_TEST(its_input_may_be_as_long_as_allowed_and_no_longer)
{
    static const char at_limit[] =
        "{\"type\":\"call\",\"agent\":\"echo\",\"input\":"
        "\"012345678901234567890123456789012345678901234567890123456789--\"}";
    static const char past_it[] =
        "{\"type\":\"call\",\"agent\":\"echo\",\"input\":"
        "\"012345678901234567890123456789012345678901234567890123456789---\"}";
    struct task_spec *t = check(at_limit);
    ck_assert_ptr_nonnull(t);
    ck_assert_uint_eq(t->input.len, 64);
    ck_assert_ptr_null(check(past_it));
    ck_assert_str_eq(findings_text(&problem), "invalid_request: /task/input too_long");
}
END_TEST

START_TEST(findings_past_the_twentieth_are_findings_still)
{
    ck_assert_ptr_null(check(
        "{\"type\":\"call\",\"agent\":\"echo\",\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,"
        "\"h\":1,\"i\":1,\"j\":1,\"k\":1,\"l\":1,\"m\":1,\"n\":1,\"o\":1,\"p\":1,\"q\":1,\"r\":1,\"s\":1,"
        "\"t\":1,\"u\":1,\"v\":1}"));
    ck_assert_uint_eq(problem.found, 22);
    ck_assert_uint_eq(problem.field_count, 20);
    struct doc_path root = {.up = NULL};
    ck_assert_int_eq(json_parse(&doc, STR("{\"type\":\"call\",\"agent\":\"nobody\"}"), NULL), OK);
    ck_assert_ptr_null(task_spec_check(&c, json_root(&doc), &root, &limits, &world));
}
END_TEST

static enum err check_without_memory(void *arg)
{
    (void)arg;
    struct doc_path root = {.up = NULL};
    struct arena own;
    struct check k = {.problem = &problem, .arena = &own};
    arena_init(&own, 1 << 20);
    problem_init(&problem);
    struct task_spec *t = task_spec_check(&k, json_root(&doc), &root, &limits, &world);
    ck_assert_uint_eq(problem.found, 0);
    arena_fini(&own);
    return k.no_memory ? ERR_NOMEM : t != NULL ? OK : ERR_INTERNAL;
}

START_TEST(without_memory_there_is_no_finding)
{
    ck_assert_int_eq(
        json_parse(&doc,
                   STR("{\"type\":\"call\",\"model\":[\"sim/\\u0061\"],\"instructions\":\"\\n\"}"),
                   NULL),
        OK);
    ck_assert_uint_gt(oom_rounds(check_without_memory, NULL), 1);
}
END_TEST

Suite *suite_model_task_spec(void)
{
    Suite *s = suite_create("model_task_spec");
    TCase *t = tcase_create("task_spec");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_call_of_an_agent);
    tcase_add_test(t, a_call_of_models_with_all_that_it_may_say);
    tcase_add_test(t, everything_wrong_is_found_in_the_apis_order);
    tcase_add_test(t, its_input_may_be_as_long_as_allowed_and_no_longer);
    tcase_add_test(t, findings_past_the_twentieth_are_findings_still);
    tcase_add_test(t, without_memory_there_is_no_finding);
    suite_add_tcase(s, t);
    return s;
}
