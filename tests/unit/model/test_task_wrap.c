/* Tasks around one task: map, circuit, shield (API §4). */
#include "tests/unit/model/tree.h"

Suite *suite_model_task_wrap(void);

START_TEST(a_map_has_one_task_for_all_elements)
{
    struct task_spec *t = tree_of(
        "{'type':'map','over':'{{input.items}}','task':{'type':'sequence','steps':[" V "," V "]},"
        "'limit':10,'errors':'settle'}");
    ck_assert_int_eq(t->type, TASK_MAP);
    ck_assert_uint_eq(t->over.count, 1);
    ck_assert_uint_eq(t->child_count, 1);
    ck_assert_uint_eq(t->limit, 10);
    ck_assert_int_eq(t->errors, ERRORS_SETTLE);
    ck_assert(str_eq(t->children[0].path, STR("*")));
    ck_assert(str_eq(t->children[0].children[1].path, STR("*/1")));
    ck_assert_uint_eq(t->children[0].children[1].depth, 3);
    t = tree_of("{'type':'map','over':[1,2.50],'task':" V "}");
    ck_assert_uint_eq(t->over.count, 0);
    ck_assert(str_eq(t->over.source, STR("[1,2.50]")));
}
END_TEST

START_TEST(a_circuit_has_the_apis_numbers_unless_told)
{
    struct task_spec *t = tree_of("{'type':'circuit','circuit':'billing','task':" V "}");
    ck_assert(str_eq(t->circuit, STR("billing")));
    ck_assert_int_eq(t->fail_max, 5);
    ck_assert_int_eq(t->reset_timeout_ms, 60000);
    ck_assert_int_eq(t->window_ms, 60000);
    ck_assert_int_eq(t->children[0].type, TASK_VALUE);
    t = tree_of(
        "{'type':'circuit','circuit':'b','fail_max':1,'reset_timeout_ms':2,'window_ms':3,'task':" V
        "}");
    ck_assert_int_eq(t->fail_max, 1);
    ck_assert_int_eq(t->reset_timeout_ms, 2);
    ck_assert_int_eq(t->window_ms, 3);
}
END_TEST

START_TEST(a_shield_has_a_bound)
{
    struct task_spec *t = tree_of("{'type':'shield','timeout_ms':30000,'task':" V "}");
    ck_assert_int_eq(t->timeout_ms, 30000);
    ck_assert_uint_eq(t->child_count, 1);
    ck_assert(str_eq(t->children[0].path, STR("0")));
}
END_TEST

START_TEST(what_is_wrong_is_found_at_its_place)
{
    static const struct tree_row rows[] = {
        {"{'type':'map'}", "/over missing, /task missing"},
        {"{'type':'map','over':5,'task':" V "}", "/over wrong_type"},
        {"{'type':'map','over':'abc','task':" V "}", "/over wrong_type"},
        {"{'type':'map','over':'a {{input}}','task':" V "}", "/over wrong_type"},
        {"{'type':'map','over':'{{\\'a\\'}}','task':" V "}", "/over wrong_type"},
        {"{'type':'map','over':{'a':'{{input}}'},'task':" V "}", "/over wrong_type"},
        {"{'type':'map','over':[{'a':['{{inputs}}']}],'task':" V "}", "/over/0/a/0 bad_reference"},
        {"{'type':'map','over':'{{item}}','task':" V "}", "/over bad_reference"},
        {"{'type':'map','over':[],'task':[]}", "/task wrong_type"},
        {"{'type':'map','over':[],'task':{'type':'x'}}", "/task/type unknown_type"},
        {"{'type':'map','over':[],'task':" V ",'limit':-1,'errors':'all','tasks':[]}",
         "/limit out_of_range, /errors not_in_enum, /tasks unknown_field"},
        {"{'type':'circuit'}", "/circuit missing, /task missing"},
        {"{'type':'circuit','circuit':'a b','fail_max':0,'reset_timeout_ms':'1','window_ms':86400001,'task':7}",
         "/circuit out_of_range, /fail_max out_of_range, /reset_timeout_ms wrong_type, /window_ms out_of_range, "
         "/task wrong_type"},
        {"{'type':'circuit','circuit':7,'fail_max':1000001,'reset_timeout_ms':0,'window_ms':0,'task':" V
         "}",
         "/circuit wrong_type, /fail_max out_of_range, /reset_timeout_ms out_of_range, /window_ms out_of_range"},
        {"{'type':'circuit','circuit':'b','fail_max':1000000,'reset_timeout_ms':86400000,'window_ms':86400000,"
         "'task':" V "}",
         "ok"},
        {"{'type':'shield','task':" V "}", "/timeout_ms missing"},
        {"{'type':'shield','timeout_ms':null}", "/task missing, /timeout_ms wrong_type"},
        {"{'type':'shield','timeout_ms':1,'task':null}", "/task wrong_type"},
    };
    TREE_CHECK_ROWS(rows);
}
END_TEST

Suite *suite_model_task_wrap(void)
{
    TCase *t;
    Suite *s = tree_suite("model_task_wrap", &t);
    tcase_add_test(t, a_map_has_one_task_for_all_elements);
    tcase_add_test(t, a_circuit_has_the_apis_numbers_unless_told);
    tcase_add_test(t, a_shield_has_a_bound);
    tcase_add_test(t, what_is_wrong_is_found_at_its_place);
    return s;
}
