#include "base/mem.h"

#include <check.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

Suite *suite_base_mem(void);

START_TEST(gives_and_takes_back)
{
    char *a = mem_alloc(0), *z = mem_zalloc(100);
    ck_assert_ptr_nonnull(a);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(z[i], 0);
    char *r = mem_realloc(NULL, 10);
    memcpy(r, "123456789", 10);
    r = mem_realloc(r, 10000);
    ck_assert_str_eq(r, "123456789");
    r = mem_realloc(r, 0);
    ck_assert_ptr_nonnull(r);
    ck_assert_int_eq(mem_live(), 3);
    mem_free(a);
    mem_free(z);
    mem_free(r);
    mem_free(NULL);
    ck_assert_int_eq(mem_live(), 0);
}
END_TEST

START_TEST(copies_a_string_with_a_nul_at_its_end)
{
    char *s = mem_strdup(STR("abc")), *none = mem_strdup(STR_NONE);
    ck_assert_str_eq(s, "abc");
    ck_assert_str_eq(none, "");
    mem_free(s);
    mem_free(none);
}
END_TEST

START_TEST(the_nth_allocation_fails_and_only_that_one)
{
    mem_fail_nth(3);
    void *first = mem_alloc(1), *second = mem_zalloc(1);
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_nonnull(second);
    ck_assert_ptr_null(mem_realloc(first, 2)); /* and `first` is as it was */
    void *fourth = mem_strdup(STR("x"));
    ck_assert_ptr_nonnull(fourth);
    mem_fail_nth(1);
    ck_assert_ptr_null(mem_strdup(STR("x")));
    mem_fail_nth(1);
    mem_fail_nth(0);
    void *last = mem_alloc(1);
    ck_assert_ptr_nonnull(last);
    ck_assert_int_eq(mem_live(), 4);
    mem_free(first);
    mem_free(second);
    mem_free(fourth);
    mem_free(last);
}
END_TEST

START_TEST(pages_of_zeros_go_back_and_read_as_zeros)
{
    enum { PAGES = 5 };
    size_t page = (size_t)getpagesize();
    char *at = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned char is_there[PAGES];
    ck_assert_ptr_ne(at, MAP_FAILED);
    memset(at, 'x', PAGES * page);
    memset(at + 16, 0, 3 * page - 16);  /* two whole pages; the first begins with something else */
    memset(at + 4 * page, 0, page - 1); /* the last one ends with something else */
    mem_drop_zeros(at + 8, PAGES * page - 8);
    ck_assert_int_eq(mincore(at, PAGES * page, is_there), 0);
    for (size_t i = 0; i < PAGES; i++)
        ck_assert_int_eq(is_there[i] & 1, i != 1 && i != 2);
    ck_assert_int_eq(at[15], 'x');
    ck_assert_int_eq(at[page], 0);
    ck_assert_int_eq(at[3 * page - 1], 0);
    ck_assert_int_eq(at[3 * page], 'x');
    ck_assert_int_eq(at[5 * page - 1], 'x');
    at[page] = 'y';
    ck_assert_int_eq(at[page], 'y');
    munmap(at, PAGES * page);
}
END_TEST

START_TEST(less_than_a_page_of_zeros_stays)
{
    char few[64] = {0};
    mem_drop_zeros(few, sizeof few);
    mem_drop_zeros(few, 0);
    ck_assert_int_eq(few[63], 0);
}
END_TEST

Suite *suite_base_mem(void)
{
    Suite *s = suite_create("base/mem");
    TCase *c = tcase_create("mem");
    tcase_add_test(c, gives_and_takes_back);
    tcase_add_test(c, copies_a_string_with_a_nul_at_its_end);
    tcase_add_test(c, the_nth_allocation_fails_and_only_that_one);
    tcase_add_test(c, pages_of_zeros_go_back_and_read_as_zeros);
    tcase_add_test(c, less_than_a_page_of_zeros_stays);
    suite_add_tcase(s, c);
    return s;
}
