/* The task `call` within trees (API §4); test_task_spec has what it says where trees are not
 * served. */
#include "tests/unit/model/tree.h"

Suite *suite_model_task_call(void);

START_TEST(each_kind_of_call_is_read)
{
    struct task_spec *t =
        tree_of("{'type':'call','agent':'writer','input':'{{input.topic}}','params':{'a':1}}");
    ck_assert_int_eq(t->call, CALL_AGENT);
    ck_assert(str_eq(t->agent, STR("writer")));
    ck_assert_uint_eq(t->input_template.count, 1);
    ck_assert(str_eq(t->params, STR("{\"a\":1}")));
    t = tree_of(
        "{'type':'call','model':['sim/a','sim/b'],'instructions':'Be {{input}}.','input':{'x':1.0}}");
    ck_assert_int_eq(t->call, CALL_MODEL);
    ck_assert_uint_eq(t->model_count, 2);
    ck_assert_uint_eq(t->instructions_template.count, 3);
    ck_assert_uint_eq(t->input_template.count, 0);
    ck_assert(str_eq(t->input, STR("{\"x\":1.0}")));
    ck_assert(str_eq(t->input_template.source, t->input));
    t = tree_of(
        "{'type':'call','provider':'weather','request':{'path':'/v1/now'},'result':'/current/temp'}");
    ck_assert_int_eq(t->call, CALL_PROVIDER);
    ck_assert(str_eq(t->provider, STR("weather")));
    ck_assert(str_eq(t->result, STR("/current/temp")));
    ck_assert(str_eq(t->request->method.source, STR("GET")));
    t = tree_of("{'type':'call','workflow':'flow','input':['{{run.id}}']}");
    ck_assert_int_eq(t->call, CALL_WORKFLOW);
    ck_assert(str_eq(t->workflow, STR("flow")));
    ck_assert_uint_eq(t->input_template.count, 3);
}
END_TEST

START_TEST(what_is_left_out_is_empty)
{
    struct task_spec *t = tree_of("{'type':'call','agent':'echo'}");
    ck_assert(str_eq(t->input, STR("null")));
    ck_assert(str_eq(t->input_template.source, STR("null")));
    ck_assert_uint_eq(t->instructions.len, 0);
    ck_assert_ptr_null(t->params.at);
    ck_assert_ptr_null(t->result.at);
    ck_assert_ptr_null(t->request);
}
END_TEST

START_TEST(an_agent_may_be_found_when_the_task_begins)
{
    struct task_spec *t = tree_of("{'type':'call','agent':'{{input.agent}}'}");
    ck_assert_ptr_null(t->agent.at);
    ck_assert_uint_eq(t->agent_template.count, 1);
    t = tree_of("{'type':'call','agent':'{{\\'echo\\'}}'}"); /* text, after all */
    ck_assert(str_eq(t->agent, STR("echo")));
}
END_TEST

START_TEST(what_is_wrong_is_found_at_its_place)
{
    static const struct tree_row rows[] = {
        {"{'type':'call'}", " exclusive"},
        {"{'type':'call','agent':'echo','workflow':'flow'}", " exclusive"},
        {"{'type':'call','agent':'x','model':'y','provider':'z','workflow':'w','request':7,'result':7}",
         " exclusive, /agent unknown_name, /model unknown_name, /provider unknown_name, /workflow unknown_name, "
         "/request wrong_type, /result wrong_type"},
        {"{'type':'call','agent':'x'}", "unknown_agent: /agent unknown_name"},
        {"{'type':'call','agent':'{{inputs}}'}", "/agent bad_reference"},
        {"{'type':'call','agent':['echo']}", "/agent wrong_type"},
        {"{'type':'call','model':'gone'}", "unknown_model: /model unknown_name"},
        {"{'type':'call','model':'{{input}}'}", "unknown_model: /model unknown_name"},
        {"{'type':'call','workflow':'x'}", "unknown_workflow: /workflow unknown_name"},
        {"{'type':'call','workflow':{}}", "/workflow wrong_type"},
        {"{'type':'call','provider':'sim','request':{'path':'/'}}",
         "unknown_provider: /provider unknown_name"},
        {"{'type':'call','provider':null}", "/request missing, /provider wrong_type"},
        {"{'type':'call','workflow':'flow','params':{},'instructions':'x','request':{},'result':''}",
         "/params exclusive, /instructions exclusive, /request exclusive, /result exclusive"},
        {"{'type':'call','provider':'weather','request':{'path':'/'},'input':1,'params':{},'instructions':''}",
         "/input exclusive, /params exclusive, /instructions exclusive"},
        {"{'type':'call','agent':'echo','request':{},'result':'/a'}",
         "/request exclusive, /result exclusive"},
        {"{'type':'call','agent':'echo','params':[],'instructions':7}",
         "/params wrong_type, /instructions wrong_type"},
        {"{'type':'call','agent':'echo','params':{'a':'{{nothing}}'}}", "ok"},
        {"{'type':'call','agent':'echo','instructions':'{{prev}}','input':{'a':['{{prev}}','{{x}}']}}",
         "/instructions bad_reference, /input/a/0 bad_reference, /input/a/1 bad_reference"},
        {"{'type':'call','provider':'weather','request':{'path':'/'},'result':'a'}",
         "/result out_of_range"},
        {"{'type':'call','provider':'weather','request':{'path':'/'},'result':'/a~2'}",
         "/result out_of_range"},
        {"{'type':'call','provider':'weather','request':{'path':'/'},'result':'/a~'}",
         "/result out_of_range"},
        {"{'type':'call','provider':'weather','request':{'path':'/'},'result':'/a~01/~1'}", "ok"},
    };
    TREE_CHECK_ROWS(rows);
}
END_TEST

START_TEST(an_input_may_be_as_long_as_allowed)
{
    tree_limits.input_bytes = 8;
    ck_assert_ptr_nonnull(tree_check("{'type':'call','workflow':'flow','input':'123456'}"));
    ck_assert_ptr_null(tree_check("{'type':'call','workflow':'flow','input':'1234567'}"));
    ck_assert_str_eq(findings_text(&tree_problem), "invalid_request: /input too_long");
}
END_TEST

Suite *suite_model_task_call(void)
{
    TCase *t;
    Suite *s = tree_suite("model_task_call", &t);
    tcase_add_test(t, each_kind_of_call_is_read);
    tcase_add_test(t, what_is_left_out_is_empty);
    tcase_add_test(t, an_agent_may_be_found_when_the_task_begins);
    tcase_add_test(t, what_is_wrong_is_found_at_its_place);
    tcase_add_test(t, an_input_may_be_as_long_as_allowed);
    return s;
}
