/* sleep and value (API §4). */
#include "tests/unit/model/tree.h"

Suite *suite_model_task_leaf(void);

START_TEST(a_value_is_any_json_as_it_was_written)
{
    static const char *const values[] = {"null", "1.00", "12345678901234567890", "'a'",
                                         "[{'b':[]}]"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char text[128];
        snprintf(text, sizeof text, "{'type':'value','value':%s}", values[i]);
        struct task_spec *t = tree_of(text);
        ck_assert_uint_eq(t->value.count, 0);
        ck_assert(str_eq(t->value.source, tree_text(values[i])));
    }
}
END_TEST

START_TEST(what_is_wrong_is_found_at_its_place)
{
    static const struct tree_row rows[] = {
        {"{'type':'value'}", "/value missing"},
        {"{'type':'value','value':1,'input':1}", "/input unknown_field"},
        {"{'type':'value','value':{'a':['x',{'b~/':'{{prev}}'}]}}",
         "/value/a/1/b~0~1 bad_reference"},
        {"{'type':'sleep'}", "/duration_ms missing"},
        {"{'type':'sleep','duration_ms':0}", "ok"},
        {"{'type':'sleep','duration_ms':86400000}", "ok"},
        {"{'type':'sleep','duration_ms':86400001}", "/duration_ms out_of_range"},
        {"{'type':'sleep','duration_ms':-1}", "/duration_ms out_of_range"},
        {"{'type':'sleep','duration_ms':0.5}", "/duration_ms wrong_type"},
        {"{'type':'sleep','duration_ms':'{{input}}'}", "/duration_ms wrong_type"},
    };
    TREE_CHECK_ROWS(rows);
}
END_TEST

START_TEST(a_value_may_be_as_long_as_an_input)
{
    tree_limits.input_bytes = 8;
    ck_assert_ptr_nonnull(tree_check("{'type':'value','value':'123456'}"));
    ck_assert_ptr_null(tree_check("{'type':'value','value':'1234567'}"));
    ck_assert_str_eq(findings_text(&tree_problem), "invalid_request: /value too_long");
}
END_TEST

Suite *suite_model_task_leaf(void)
{
    TCase *t;
    Suite *s = tree_suite("model_task_leaf", &t);
    tcase_add_test(t, a_value_is_any_json_as_it_was_written);
    tcase_add_test(t, what_is_wrong_is_found_at_its_place);
    tcase_add_test(t, a_value_may_be_as_long_as_an_input);
    return s;
}
