/* The elements that a map goes over. */
#include "model/item_list.h"

#include <check.h>

#include "base/mem.h"
#include "tests/unit/base/oom.h"

Suite *suite_model_item_list(void);

static enum err read(struct item_list *l, const char *text, uint32_t most)
{
    item_list_init(l);
    char *own = mem_strdup(str_of(text));
    return own != NULL ? item_list_read(l, own, strlen(text), most) : ERR_NOMEM;
}

START_TEST(each_element_is_at_hand)
{
    struct item_list l;
    ck_assert_int_eq(read(&l, "[1.00,{\"a\":[2,3]},\"x\",[]]", 4), OK);
    ck_assert_uint_eq(l.count, 4);
    ck_assert(str_eq(json_raw(item_list_get(&l, 0)), STR("1.00")));
    ck_assert(str_eq(json_raw(item_list_get(&l, 3)), STR("[]")));
    ck_assert(str_eq(json_raw(item_list_get(&l, 2)), STR("\"x\"")));
    ck_assert(str_eq(json_raw(json_get_lit(item_list_get(&l, 1), "a")), STR("[2,3]")));
    item_list_fini(&l);
    ck_assert_int_eq(read(&l, "[]", 0), OK);
    ck_assert_uint_eq(l.count, 0);
    ck_assert_uint_ge(item_list_bytes(&l), 2 + sizeof(struct json_token));
    item_list_fini(&l);
    ck_assert_uint_eq(item_list_bytes(&l), 0);
    ck_assert_int_eq(mem_live(), 0);
}
END_TEST

START_TEST(what_is_no_array_is_refused)
{
    static const char *const rows[] = {"5", "null", "{}", "\"[1]\"", "[", ""};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct item_list l;
        ck_assert_int_eq(read(&l, rows[i], 10), ERR_TEMPLATE_ERROR);
        item_list_fini(&l);
    }
}
END_TEST

START_TEST(there_are_so_many_and_no_more)
{
    struct item_list l;
    ck_assert_int_eq(read(&l, "[1,2,3]", 3), OK);
    item_list_fini(&l);
    ck_assert_int_eq(read(&l, "[1,2,3]", 2), ERR_LIMIT_EXCEEDED);
    item_list_fini(&l);
    ck_assert_int_eq(mem_live(), 0);
}
END_TEST

static enum err read_some(void *arg)
{
    struct item_list l;
    (void)arg;
    enum err e = read(&l, "[1,2,3]", 3);
    item_list_fini(&l);
    return e;
}

START_TEST(without_memory_it_says_so)
{
    ck_assert_uint_gt(oom_rounds(read_some, NULL), 3);
}
END_TEST

Suite *suite_model_item_list(void)
{
    Suite *s = suite_create("model_item_list");
    TCase *t = tcase_create("item_list");
    tcase_add_test(t, each_element_is_at_hand);
    tcase_add_test(t, what_is_no_array_is_refused);
    tcase_add_test(t, there_are_so_many_and_no_more);
    tcase_add_test(t, without_memory_it_says_so);
    suite_add_tcase(s, t);
    return s;
}
