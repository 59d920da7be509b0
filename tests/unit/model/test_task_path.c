/* Addresses of tasks (API §2). */
#include "model/task_path.h"

#include <check.h>

#include "base/mem.h"

Suite *suite_model_task_path(void);

START_TEST(a_path_is_indices_from_the_root)
{
    struct buf b;
    buf_init(&b, 64);
    task_path_add(&b, STR(""), 0);
    ck_assert(str_eq(buf_str(&b), STR("0")));
    buf_clear(&b);
    task_path_add(&b, STR("0/2"), 4294967295u);
    ck_assert(str_eq(buf_str(&b), STR("0/2/4294967295")));
    buf_fini(&b);
}
END_TEST

START_TEST(indices_are_taken_off_one_by_one)
{
    struct str path = STR("0/12/4294967295");
    uint32_t i;
    ck_assert(task_path_next(&path, &i));
    ck_assert_uint_eq(i, 0);
    ck_assert(task_path_next(&path, &i));
    ck_assert_uint_eq(i, 12);
    ck_assert(task_path_next(&path, &i));
    ck_assert_uint_eq(i, UINT32_MAX);
    ck_assert(!task_path_next(&path, &i));
    ck_assert_uint_eq(path.len, 0);
}
END_TEST

START_TEST(in_a_url_the_root_has_a_name)
{
    static const struct {
        const char *text, *path; /* NULL: it is none */
    } rows[] = {{"root", ""},        {"0", "0"},       {"0/2", "0/2"},   {"10/0", "10/0"},
                {"", NULL},          {"Root", NULL},   {"/0", NULL},     {"0/", NULL},
                {"0//1", NULL},      {"00", NULL},     {"0/01", NULL},   {"-1", NULL},
                {"1a", NULL},        {"root/0", NULL}, {"0/root", NULL}, {"*", NULL},
                {"4294967296", NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct str path = STR("before");
        ck_assert_msg(task_path_parse(str_of(rows[i].text), &path) == (rows[i].path != NULL), "%s",
                      rows[i].text);
        ck_assert(str_eq(path, rows[i].path != NULL ? str_of(rows[i].path) : STR("before")));
    }
}
END_TEST

Suite *suite_model_task_path(void)
{
    Suite *s = suite_create("model_task_path");
    TCase *t = tcase_create("task_path");
    tcase_add_test(t, a_path_is_indices_from_the_root);
    tcase_add_test(t, indices_are_taken_off_one_by_one);
    tcase_add_test(t, in_a_url_the_root_has_a_name);
    suite_add_tcase(s, t);
    return s;
}
