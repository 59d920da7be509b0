/* Values of tasks that are made of tasks (API §4). */
#include "model/task_result.h"

#include <check.h>

Suite *suite_model_task_result(void);

#define TEXT(literal)                                                                              \
    {                                                                                              \
        "" literal, sizeof(literal) - 1                                                            \
    }

static const struct task_outcome children[] = {
    {.name = TEXT("a"), .output = TEXT("1.00")},
    {.name = TEXT("b"), .error = TEXT("{\"code\":\"crashed\"}")},
    {.name = TEXT("c-1")}, /* skipped, or continued */
    {.name = TEXT("d"), .output = TEXT("[\"x\"]")},
};

typedef void write_fn(struct buf *b, const struct task_outcome *children, uint32_t count);

static void assert_written(write_fn *write, uint32_t count, const char *want)
{
    struct buf b;
    buf_init(&b, 4096);
    write(&b, children, count);
    ck_assert_int_eq(buf_ok(&b), OK);
    ck_assert_msg(str_eq(buf_str(&b), str_of(want)), "%.*s", STR_ARG(buf_str(&b)));
    buf_fini(&b);
}

START_TEST(a_list_has_a_place_for_each)
{
    assert_written(task_result_write_list, 4, "[1.00,null,null,[\"x\"]]");
    assert_written(task_result_write_list, 1, "[1.00]");
    assert_written(task_result_write_list, 0, "[]");
}
END_TEST

START_TEST(what_is_settled_says_how)
{
    assert_written(
        task_result_write_settled, 4,
        "[{\"status\":\"fulfilled\",\"value\":1.00},"
        "{\"status\":\"rejected\",\"error\":{\"code\":\"crashed\"}},"
        "{\"status\":\"fulfilled\",\"value\":null},{\"status\":\"fulfilled\",\"value\":[\"x\"]}]");
    assert_written(task_result_write_settled, 0, "[]");
}
END_TEST

START_TEST(a_dag_has_a_name_for_each)
{
    assert_written(task_result_write_named, 4,
                   "{\"a\":1.00,\"b\":null,\"c-1\":null,\"d\":[\"x\"]}");
    assert_written(task_result_write_named, 0, "{}");
}
END_TEST

START_TEST(ten_thousand_fit_and_one_byte_less_is_told)
{
    enum { MANY = 10000, LEN = 2 * MANY + 1 };
    static struct task_outcome many[MANY];
    struct buf b;
    for (int i = 0; i < MANY; i++)
        many[i].output = STR("7");
    buf_init(&b, LEN);
    task_result_write_list(&b, many, MANY);
    ck_assert_int_eq(buf_ok(&b), OK);
    ck_assert_uint_eq(b.len, LEN);
    buf_fini(&b);
    buf_init(&b, LEN - 1);
    task_result_write_list(&b, many, MANY);
    ck_assert_int_eq(buf_ok(&b), ERR_LIMIT);
    buf_fini(&b);
}
END_TEST

Suite *suite_model_task_result(void)
{
    Suite *s = suite_create("model_task_result");
    TCase *t = tcase_create("task_result");
    tcase_add_test(t, a_list_has_a_place_for_each);
    tcase_add_test(t, what_is_settled_says_how);
    tcase_add_test(t, a_dag_has_a_name_for_each);
    tcase_add_test(t, ten_thousand_fit_and_one_byte_less_is_told);
    suite_add_tcase(s, t);
    return s;
}
