/* The task `dag`: steps that wait for one another (API §4). */
#include "tests/unit/model/tree.h"

Suite *suite_model_task_dag(void);

#define S(needs) "{'type':'value','value':1,'depends_on':[" needs "]}"

START_TEST(steps_know_whom_they_wait_for_and_who_waits_for_them)
{
    struct task_spec *t = tree_of("{'type':'dag','steps':{'d':" S("'b','c'") ",'a':" V ",'b':" S(
        "'a'") ",'c':{'type':'value','value':1,'depends_on':['a'],'when':'all_done'}}}");
    ck_assert_uint_eq(t->child_count, 4);
    ck_assert(str_eq(t->children[0].name, STR("d")));
    ck_assert(str_eq(t->children[3].path, STR("3")));
    ck_assert_uint_eq(t->steps[0].need_count, 2);
    ck_assert_uint_eq(t->steps[0].needs[0], 2);
    ck_assert_uint_eq(t->steps[0].needs[1], 3);
    ck_assert_uint_eq(t->steps[0].needed_by_count, 0);
    ck_assert_uint_eq(t->steps[1].need_count, 0);
    ck_assert_uint_eq(t->steps[1].needed_by_count, 2);
    ck_assert_uint_eq(t->steps[1].needed_by[0], 2);
    ck_assert_uint_eq(t->steps[1].needed_by[1], 3);
    ck_assert_uint_eq(t->steps[3].needed_by[0], 0);
    ck_assert_int_eq(t->steps[2].when, WHEN_ALL_SUCCEEDED);
    ck_assert_int_eq(t->steps[3].when, WHEN_ALL_DONE);
}
END_TEST

START_TEST(what_is_wrong_is_found_at_its_place)
{
    static const struct tree_row rows[] = {
        {"{'type':'dag'}", "/steps missing"},
        {"{'type':'dag','steps':[]}", "/steps wrong_type"},
        {"{'type':'dag','steps':{}}", "ok"},
        {"{'type':'dag','steps':{'a b':" V ",'':" V ",'c/~':5}}",
         "/steps/a b out_of_range, /steps/ out_of_range, /steps/c~1~0 out_of_range, /steps/c~1~0 wrong_type"},
        {"{'type':'dag','steps':{'a':{'type':'value','value':1,'name':'a'}}}", "ok"},
        {"{'type':'dag','steps':{'a':{'type':'value','value':1,'name':'b'}}}",
         "/steps/a/name exclusive"},
        {"{'type':'dag','steps':{'a':{'type':'value','value':1,'depends_on':'b','when':'never'}}}",
         "/steps/a/depends_on wrong_type, /steps/a/when not_in_enum"},
        {"{'type':'dag','steps':{'a':{'type':'value','value':1,'when':7}}}",
         "/steps/a/when wrong_type"},
        {"{'type':'dag','steps':{'a':" V ",'b':" S("'a','c',7,'\\u0061'") "}}",
         "/steps/b/depends_on/1 unknown_name, /steps/b/depends_on/2 wrong_type, "
         "/steps/b/depends_on/3 duplicate_name"},
        {"{'type':'dag','steps':{'a':{'type':'sequence','steps':[" S("'b'") "]},'b':" V "}}",
         "/steps/a/steps/0/depends_on unknown_field"},
        {"{'type':'dag','steps':{'a':{'type':'value','value':1,'finally':{'type':'value','value':1,"
         "'timeout_ms':1,'depends_on':['a']}}}}",
         "/steps/a/finally/depends_on unknown_field"},
    };
    TREE_CHECK_ROWS(rows);
}
END_TEST

START_TEST(a_cycle_is_told_where_it_closes)
{
    static const struct tree_row rows[] = {
        {"{'type':'dag','steps':{'a':" S("'a'") "}}", "/steps/a/depends_on/0 cycle"},
        {"{'type':'dag','steps':{'a':" S("'b'") ",'b':" S("'a'") "}}",
         "/steps/b/depends_on/0 cycle"},
        {"{'type':'dag','steps':{'x':" V
         ",'a':" S("'x','b'") ",'b':" S("'x','c'") ",'c':" S("'x','a'") "}}",
         "/steps/c/depends_on/1 cycle"},
        {"{'type':'dag','steps':{'a':" S("'b'") ",'b':" S("'a'") ",'c':" S("'d'") ",'d':" S(
             "'c','q'") "}}",
         "/steps/b/depends_on/0 cycle, /steps/d/depends_on/0 cycle, /steps/d/depends_on/1 unknown_name"},
        {"{'type':'dag','steps':{'a':" S("'b','c'") ",'b':" S("'d'") ",'c':" S("'d'") ",'d':" V
                                                                                      "}}",
         "ok"},
    };
    TREE_CHECK_ROWS(rows);
}
END_TEST

/* Each step waits for the one behind it, so that a walk goes all the way down, and takes the value
 * of the last one, whose dependencies are `last`. */
static struct str chain(unsigned steps, const char *last)
{
    struct buf b;
    buf_init(&b, 1 << 22);
    buf_add_lit(&b, "{\"type\":\"dag\",\"steps\":{");
    for (unsigned i = 0; i + 1 < steps; i++)
        buf_addf(&b,
                 "\"s%u\":{\"type\":\"value\",\"value\":\"{{steps.s%u.output}}\","
                 "\"depends_on\":[\"s%u\"]},",
                 i, steps - 1, i + 1);
    buf_addf(&b, "\"s%u\":{\"type\":\"value\",\"value\":1,\"depends_on\":[%s]}}}", steps - 1, last);
    struct str text = arena_str(&tree_arena, buf_str(&b));
    buf_fini(&b);
    return text;
}

START_TEST(ten_thousand_steps_may_wait_in_a_row)
{
    tree_limits.tree_nodes = 10001;
    struct task_spec *t = tree_check_str(chain(10000, ""));
    ck_assert_msg(t != NULL, "%s", findings_text(&tree_problem));
    ck_assert_uint_eq(t->child_count, 10000);
    ck_assert_uint_eq(t->steps[9999].needed_by[0], 9998);
    ck_assert_uint_eq(t->children[0].value.parts[0].reference->step, 9999);
    ck_assert_ptr_null(tree_check_str(chain(10000, "\"s0\"")));
    ck_assert_str_eq(findings_text(&tree_problem),
                     "invalid_request: /steps/s9999/depends_on/0 cycle");
}
END_TEST

START_TEST(one_more_is_too_long)
{
    tree_limits.tree_nodes = 100000;
    ck_assert_ptr_null(tree_check_str(chain(10001, "")));
    ck_assert_str_eq(findings_text(&tree_problem), "invalid_request: /steps too_long");
}
END_TEST

Suite *suite_model_task_dag(void)
{
    TCase *t;
    Suite *s = tree_suite("model_task_dag", &t);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, steps_know_whom_they_wait_for_and_who_waits_for_them);
    tcase_add_test(t, what_is_wrong_is_found_at_its_place);
    tcase_add_test(t, a_cycle_is_told_where_it_closes);
    tcase_add_test(t, ten_thousand_steps_may_wait_in_a_row);
    tcase_add_test(t, one_more_is_too_long);
    return s;
}
