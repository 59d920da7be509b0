/* Which child has a name? */
#include "model/task_names.h"

#include <check.h>

#include "base/mem.h"

Suite *suite_model_task_names(void);

START_TEST(the_first_child_of_a_name_is_found)
{
    static const char *const names[] = {"b", "a", "", "b", "ab", "a"};
    struct arena arena;
    struct task_names n;
    uint32_t child = 99;
    arena_init(&arena, 4096);
    ck_assert(task_names_init(&n, &arena, 6));
    for (uint32_t i = 0; i < 6; i++)
        task_names_add(&n, str_of(names[i]), i);
    task_names_sort(&n);
    ck_assert(task_names_find(&n, STR("a"), &child));
    ck_assert_uint_eq(child, 1);
    ck_assert(task_names_find(&n, STR("b"), &child));
    ck_assert_uint_eq(child, 0);
    ck_assert(task_names_find(&n, STR(""), &child));
    ck_assert_uint_eq(child, 2);
    ck_assert(task_names_find(&n, STR("ab"), &child));
    ck_assert_uint_eq(child, 4);
    ck_assert(!task_names_find(&n, STR("abc"), &child));
    ck_assert(!task_names_find(&n, STR("c"), &child));
    arena_fini(&arena);
}
END_TEST

START_TEST(of_nobody_there_are_no_names)
{
    struct task_names n = {.rows = NULL};
    uint32_t child;
    task_names_sort(&n);
    ck_assert(!task_names_find(&n, STR("a"), &child));
}
END_TEST

Suite *suite_model_task_names(void)
{
    Suite *s = suite_create("model_task_names");
    TCase *t = tcase_create("task_names");
    tcase_add_test(t, the_first_child_of_a_name_is_found);
    tcase_add_test(t, of_nobody_there_are_no_names);
    suite_add_tcase(s, t);
    return s;
}
