/* Small files, whole. */
#include "config/small_file.h"

#include <errno.h>

#include "tests/unit/config/support.h"

Suite *suite_config_small_file(void);

static struct buf out;

START_TEST(is_read_whole)
{
    char text[10001];
    memset(text, 'x', 10000);
    text[10000] = '\0';
    support_write("f", text);
    buf_init(&out, 10000);
    ck_assert_int_eq(small_file_read("f", &out), OK);
    ck_assert_uint_eq(out.len, 10000);
    buf_fini(&out);
}
END_TEST

START_TEST(an_empty_one_is_fine)
{
    support_write("f", "");
    buf_init(&out, 10);
    ck_assert_int_eq(small_file_read("f", &out), OK);
    ck_assert_uint_eq(out.len, 0);
    buf_fini(&out);
}
END_TEST

START_TEST(one_byte_too_many_is_a_limit)
{
    support_write("f", "12345");
    buf_init(&out, 4);
    ck_assert_int_eq(small_file_read("f", &out), ERR_LIMIT);
    buf_fini(&out);
}
END_TEST

START_TEST(the_reason_is_in_errno)
{
    buf_init(&out, 10);
    ck_assert_int_eq(small_file_read("missing", &out), ERR_IO);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(small_file_read(".", &out), ERR_IO);
    ck_assert_int_eq(errno, EISDIR);
    buf_fini(&out);
}
END_TEST

START_TEST(no_memory_is_told)
{
    support_write("f", "12345");
    buf_init(&out, 10);
    mem_fail_nth(1);
    ck_assert_int_eq(small_file_read("f", &out), ERR_NOMEM);
    mem_fail_nth(0);
    buf_fini(&out);
}
END_TEST

Suite *suite_config_small_file(void)
{
    Suite *s = suite_create("config_small_file");
    TCase *t = tcase_create("small_file");
    tcase_add_checked_fixture(t, support_set_up, support_tear_down);
    tcase_add_test(t, is_read_whole);
    tcase_add_test(t, an_empty_one_is_fine);
    tcase_add_test(t, one_byte_too_many_is_a_limit);
    tcase_add_test(t, the_reason_is_in_errno);
    tcase_add_test(t, no_memory_is_told);
    suite_add_tcase(s, t);
    return s;
}
