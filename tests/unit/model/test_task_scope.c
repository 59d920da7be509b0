/* What a string of a tree may refer to where it stands (API §4): every rule, and what a reference
 * becomes. */
#include "tests/unit/model/tree.h"

Suite *suite_model_task_scope(void);

#define A           "{'type':'value','name':'a','value':1}"
#define VALUE(text) "{'type':'value','value':'" text "'}"
#define SEQ(steps)  "{'type':'sequence','steps':[" steps "]}"
#define LAST(a, b)  a ",'finally':{'type':'value','timeout_ms':9,'value':'" b "'}}"

static const struct reference *reference_of(const struct task_spec *t)
{
    ck_assert_int_eq(t->type, TASK_VALUE);
    ck_assert_uint_eq(t->value.count, 1);
    return t->value.parts[0].reference;
}

static void assert_step(const struct task_spec *t, enum reference_source source, uint32_t up,
                        uint32_t step)
{
    const struct reference *r = reference_of(t);
    ck_assert_int_eq(r->source, source);
    ck_assert_uint_eq(r->up, up);
    ck_assert_uint_eq(r->step, step);
}

START_TEST(earlier_steps_are_seen_from_any_depth)
{
    struct task_spec *t = tree_of(SEQ(A "," VALUE("{{steps.a.state}}") ",{'type':'parallel','tasks':[" VALUE(
        "{{steps.a.output}}") ",{'type':'shield','timeout_ms':1,'task':" VALUE("{{steps.a.error}}") "}]}"));
    assert_step(&t->children[1], REFERENCE_STATE, 1, 0);
    assert_step(&t->children[2].children[0], REFERENCE_OUTPUT, 2, 0);
    assert_step(&t->children[2].children[1].children[0], REFERENCE_ERROR, 3, 0);
}
END_TEST

START_TEST(prev_is_the_step_before_in_the_nearest_sequence)
{
    struct task_spec *t = tree_of(SEQ(V "," V ",{'type':'parallel','tasks':[" VALUE(
        "{{prev}}") ",{'type':'map','over':"
                    "'{{prev}}','task':" VALUE("{{prev}}") "}]}," SEQ(V "," VALUE("{{prev}}"))));
    assert_step(&t->children[2].children[0], REFERENCE_OUTPUT, 2, 1);
    const struct task_spec *map = &t->children[2].children[1];
    ck_assert_uint_eq(map->over.parts[0].reference->up, 2);
    ck_assert_uint_eq(map->over.parts[0].reference->step, 1);
    assert_step(&map->children[0], REFERENCE_OUTPUT, 3, 1);
    assert_step(&t->children[3].children[1], REFERENCE_OUTPUT, 1, 0);
}
END_TEST

START_TEST(the_nearest_name_wins)
{
    struct task_spec *t = tree_of(SEQ(V "," A "," SEQ(A "," VALUE("{{steps.a.output}}"))));
    assert_step(&t->children[2].children[1], REFERENCE_OUTPUT, 1, 0);
}
END_TEST

START_TEST(an_element_belongs_to_the_nearest_map)
{
    struct task_spec *t = tree_of(
        "{'type':'map','over':[[1]],'task':" SEQ("{'type':'map','over':'{{item}}','task':" VALUE(
            "{{item}}") "}," VALUE("{{index}}") "," VALUE("{{item}}")) "}");
    const struct task_spec *sequence = &t->children[0], *inner = &sequence->children[0];
    ck_assert_uint_eq(inner->over.parts[0].reference->up, 1);
    assert_step(&inner->children[0], REFERENCE_ITEM, 0, 0);
    assert_step(&sequence->children[1], REFERENCE_INDEX, 1, 0);
    t = tree_of("{'type':'map','over':[],'task':" VALUE("{{index}}") "}");
    assert_step(&t->children[0], REFERENCE_INDEX, 0, 0);
}
END_TEST

START_TEST(a_step_of_a_dag_sees_all_that_it_waits_for)
{
    struct task_spec *t =
        tree_of("{'type':'dag','steps':{'c':{'depends_on':['b'],'type':'parallel','tasks':[" VALUE(
            "{{steps.a.output}}") "]},'b':{'type':'value','value':'{{steps.a.output}}','depends_on':['a']},'a':" V
                                  "}}");
    assert_step(&t->children[0].children[0], REFERENCE_OUTPUT, 2, 2);
    assert_step(&t->children[1], REFERENCE_OUTPUT, 1, 2);
}
END_TEST

START_TEST(a_finally_sees_what_its_task_sees_and_its_steps)
{
    struct task_spec *t = tree_of(
        SEQ(A "," LAST("{'type':'sequence','steps':[" V ",{'type':'value','name':'b','value':1}]",
                       "{{steps.b.output}}") "," LAST("{'type':'value','value':1", "{{prev}}")));
    assert_step(t->children[1].finally, REFERENCE_OUTPUT, 1, 1);
    assert_step(t->children[2].finally, REFERENCE_OUTPUT, 2, 1);
    t = tree_of(LAST("{'type':'dag','steps':{'a':" V "}", "{{steps.a.output}}"));
    assert_step(t->finally, REFERENCE_OUTPUT, 1, 0);
    t = tree_of(
        "{'type':'map','over':[],'task':" LAST("{'type':'value','value':1", "{{item}}") "}");
    assert_step(t->children[0].finally, REFERENCE_ITEM, 1, 0);
}
END_TEST

START_TEST(what_cannot_be_seen_is_refused_at_its_string)
{
    static const struct tree_row rows[] = {
        {VALUE("{{prev}}"), "/value bad_reference"},
        {VALUE("{{item}}"), "/value bad_reference"},
        {VALUE("{{index}}"), "/value bad_reference"},
        {VALUE("{{steps.a.output}}"), "/value bad_reference"},
        /* in a first step, also where an outer sequence has a step before */
        {SEQ(VALUE("{{prev}}")), "/steps/0/value bad_reference"},
        {SEQ(V "," SEQ(VALUE("{{prev}}"))), "/steps/1/steps/0/value bad_reference"},
        /* unknown, itself, later */
        {SEQ(A "," VALUE("{{steps.b.output}}")), "/steps/1/value bad_reference"},
        {SEQ("{'type':'value','name':'a','value':'{{steps.a.output}}'}"),
         "/steps/0/value bad_reference"},
        {SEQ(VALUE("{{steps.a.output}}") "," A), "/steps/0/value bad_reference"},
        {SEQ("{'type':'race','tasks':[" VALUE("{{steps.a.output}}") "]}," A),
         "/steps/0/tasks/0/value bad_reference"},
        {SEQ(A "," SEQ(VALUE("{{steps.a.output}}") "," A)), "/steps/1/steps/0/value bad_reference"},
        /* in another branch */
        {SEQ("{'type':'parallel','tasks':[" A
             "," VALUE("{{steps.a.output}}") "]}," VALUE("{{steps.a.output}}")),
         "/steps/0/tasks/1/value bad_reference, /steps/1/value bad_reference"},
        {SEQ(SEQ(A) "," VALUE("{{steps.a.output}}")), "/steps/1/value bad_reference"},
        {"{'type':'parallel','tasks':[" SEQ(A) "," SEQ(V "," VALUE("{{steps.a.output}}")) "]}",
         "/tasks/1/steps/1/value bad_reference"},
        /* of a dag: what is not waited for, itself */
        {"{'type':'dag','steps':{'a':" V ",'b':" VALUE("{{steps.a.output}}") "}}",
         "/steps/b/value bad_reference"},
        {"{'type':'dag','steps':{'a':" VALUE("{{steps.a.output}}") "}}",
         "/steps/a/value bad_reference"},
        {"{'type':'dag','steps':{'a':{'type':'value','value':'{{steps.b.output}}'},'b':{'type':'value','value':1,"
         "'depends_on':['a']}}}",
         "/steps/a/value bad_reference"},
        {"{'type':'dag','steps':{'a':" V
         ",'b':{'type':'value','depends_on':['a'],'value':'{{prev}}'}}}",
         "/steps/b/value bad_reference"},
        /* a map's own members are not its element's */
        {"{'type':'map','over':'{{item}}','task':" V "}", "/over bad_reference"},
        {LAST("{'type':'map','over':[],'task':" V, "{{index}}"), "/finally/value bad_reference"},
        /* a finally is no step: nobody sees it, and it has no prev of its own sequence */
        {LAST("{'type':'sequence','steps':[" V "," V "]", "{{prev}}"),
         "/finally/value bad_reference"},
        /* names are text */
        {"{'type':'sleep','duration_ms':1,'name':'{{input}}'}", "/name out_of_range"},
    };
    TREE_CHECK_ROWS(rows);
}
END_TEST

START_TEST(members_may_follow_some_and_not_others)
{
    static const struct tree_row rows[] = {
        {SEQ(A "," VALUE("{{prev.a[0].b}}{{steps.a.output.x}}{{steps.a.error.code}}{{input[0]}}")),
         "ok"},
        {"{'type':'map','over':[],'task':" VALUE("{{item.a[1]}}") "}", "ok"},
        {SEQ(A "," VALUE("{{steps.a.state.x}}")), "/steps/1/value bad_reference"},
        {SEQ(A "," VALUE("{{steps.a}}")), "/steps/1/value bad_reference"},
        {SEQ(A "," VALUE("{{steps.a.input}}")), "/steps/1/value bad_reference"},
    };
    TREE_CHECK_ROWS(rows);
}
END_TEST

Suite *suite_model_task_scope(void)
{
    TCase *t;
    Suite *s = tree_suite("model_task_scope", &t);
    tcase_add_test(t, earlier_steps_are_seen_from_any_depth);
    tcase_add_test(t, prev_is_the_step_before_in_the_nearest_sequence);
    tcase_add_test(t, the_nearest_name_wins);
    tcase_add_test(t, an_element_belongs_to_the_nearest_map);
    tcase_add_test(t, a_step_of_a_dag_sees_all_that_it_waits_for);
    tcase_add_test(t, a_finally_sees_what_its_task_sees_and_its_steps);
    tcase_add_test(t, what_cannot_be_seen_is_refused_at_its_string);
    tcase_add_test(t, members_may_follow_some_and_not_others);
    return s;
}
