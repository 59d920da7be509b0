/* Lists of tasks: sequence, parallel, settle, race, first_success (API §4). */
#include "tests/unit/model/tree.h"

Suite *suite_model_task_group(void);

START_TEST(every_list_keeps_its_order)
{
    static const struct {
        const char *type, *member;
        enum task_type want;
    } rows[] = {{"sequence", "steps", TASK_SEQUENCE},
                {"parallel", "tasks", TASK_PARALLEL},
                {"settle", "tasks", TASK_SETTLE},
                {"race", "tasks", TASK_RACE},
                {"first_success", "tasks", TASK_FIRST_SUCCESS}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[256];
        snprintf(text, sizeof text, "{'type':'%s','%s':[%s,{'type':'sleep','duration_ms':5},%s]}",
                 rows[i].type, rows[i].member, V, V);
        struct task_spec *t = tree_of(text);
        ck_assert_int_eq(t->type, rows[i].want);
        ck_assert_str_eq(task_type_name(t->type), rows[i].type);
        ck_assert_uint_eq(t->child_count, 3);
        ck_assert_int_eq(t->children[1].type, TASK_SLEEP);
        ck_assert_int_eq(t->children[1].duration_ms, 5);
        ck_assert_uint_eq(t->children[2].index, 2);
        ck_assert_ptr_eq(t->children[2].parent, t);
        ck_assert(str_eq(t->children[2].path, STR("2")));
        ck_assert_int_eq(t->errors, ERRORS_CANCEL);
        ck_assert_uint_eq(t->limit, 0);
    }
}
END_TEST

START_TEST(limit_and_errors_are_read)
{
    struct task_spec *t = tree_of("{'type':'parallel','tasks':[],'limit':5,'errors':'collect'}");
    ck_assert_uint_eq(t->limit, 5);
    ck_assert_int_eq(t->errors, ERRORS_COLLECT);
    ck_assert_uint_eq(tree_of("{'type':'settle','tasks':[],'limit':2147483647}")->limit, INT32_MAX);
}
END_TEST

START_TEST(nothing_can_be_done_in_sequence_but_not_raced)
{
    static const struct tree_row rows[] = {
        {"{'type':'sequence','steps':[]}", "ok"},
        {"{'type':'parallel','tasks':[]}", "ok"},
        {"{'type':'settle','tasks':[]}", "ok"},
        {"{'type':'race','tasks':[]}", "/tasks out_of_range"},
        {"{'type':'first_success','tasks':[]}", "/tasks out_of_range"},
    };
    TREE_CHECK_ROWS(rows);
}
END_TEST

START_TEST(what_is_wrong_is_found_at_its_place)
{
    static const struct tree_row rows[] = {
        {"{'type':'sequence'}", "/steps missing"},
        {"{'type':'parallel'}", "/tasks missing"},
        {"{'type':'settle'}", "/tasks missing"},
        {"{'type':'race'}", "/tasks missing"},
        {"{'type':'first_success'}", "/tasks missing"},
        {"{'type':'sequence','steps':{}}", "/steps wrong_type"},
        {"{'type':'parallel','tasks':null}", "/tasks wrong_type"},
        {"{'type':'race','tasks':'x'}", "/tasks wrong_type"},
        {"{'type':'sequence','tasks':[],'steps':[]}", "/tasks unknown_field"},
        {"{'type':'sequence','steps':[],'limit':1}", "/limit unknown_field"},
        {"{'type':'race','tasks':[" V "],'limit':1}", "/limit unknown_field"},
        {"{'type':'settle','tasks':[],'errors':'collect'}", "/errors unknown_field"},
        {"{'type':'parallel','tasks':[],'limit':0}", "/limit out_of_range"},
        {"{'type':'parallel','tasks':[],'limit':2147483648}", "/limit out_of_range"},
        {"{'type':'parallel','tasks':[],'limit':1.5}", "/limit wrong_type"},
        {"{'type':'parallel','tasks':[],'limit':'5'}", "/limit wrong_type"},
        {"{'type':'parallel','tasks':[],'errors':'settle'}", "/errors not_in_enum"},
        {"{'type':'parallel','tasks':[],'errors':true}", "/errors wrong_type"},
        {"{'type':'sequence','steps':[1," V ",{}]}", "/steps/0 wrong_type, /steps/2/type missing"},
        {"{'type':'parallel','tasks':[{'type':'emit'},{'type':'sequence','steps':[{'type':7}]}]}",
         "/tasks/0/type unknown_type, /tasks/1/steps/0/type wrong_type"},
        {"{'type':'sequence','steps':[" V "],'depends_on':[],'when':'all_done'}",
         "/depends_on unknown_field, /when unknown_field"},
    };
    TREE_CHECK_ROWS(rows);
}
END_TEST

START_TEST(the_second_of_two_siblings_with_a_name_is_a_twin)
{
    static const struct tree_row rows[] = {
        {"{'type':'parallel','tasks':[{'type':'value','value':1,'name':'a'},{'type':'value','value':1,'name':'b'},"
         "{'type':'value','value':1,'name':'\\u0061'},{'name':'a','type':'value','value':1}]}",
         "/tasks/2/name duplicate_name, /tasks/3/name duplicate_name"},
        {"{'type':'sequence','name':'a','steps':[{'type':'sequence','name':'a','steps':[{'type':'value','value':1,"
         "'name':'a'}]}]}",
         "ok"},
        {"{'type':'race','tasks':[{'type':'value','value':1,'name':7},{'type':'value','value':1,'name':'a b'},"
         "{'type':'value','value':1,'name':'a b'}]}",
         "/tasks/0/name wrong_type, /tasks/1/name out_of_range, /tasks/2/name out_of_range"},
    };
    TREE_CHECK_ROWS(rows);
}
END_TEST

Suite *suite_model_task_group(void)
{
    TCase *t;
    Suite *s = tree_suite("model_task_group", &t);
    tcase_add_test(t, every_list_keeps_its_order);
    tcase_add_test(t, limit_and_errors_are_read);
    tcase_add_test(t, nothing_can_be_done_in_sequence_but_not_raced);
    tcase_add_test(t, what_is_wrong_is_found_at_its_place);
    tcase_add_test(t, the_second_of_two_siblings_with_a_name_is_a_twin);
    return s;
}
