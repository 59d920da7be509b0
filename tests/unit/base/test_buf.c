#include "base/buf.h"

#include <check.h>
#include <malloc.h>
#include <stdlib.h>

#include "base/mem.h"
#include "tests/unit/base/oom.h"

Suite *suite_base_buf(void);

static struct buf b;

static void set_up(void)
{
    buf_init(&b, 1000);
}

static void tear_down(void)
{
    buf_fini(&b);
    ck_assert_int_eq(mem_live(), 0);
}

static void assert_holds(const char *expected)
{
    ck_assert_int_eq(buf_ok(&b), OK);
    ck_assert_msg(str_eq(buf_str(&b), str_of(expected)), "%.*s", (int)b.len, b.data);
}

START_TEST(appends)
{
    assert_holds("");
    buf_add(&b, "ab", 2);
    buf_add(&b, NULL, 0);
    buf_add_char(&b, 'c');
    buf_add_str(&b, STR("de"));
    buf_add_str(&b, STR_NONE);
    buf_add_lit(&b, "f");
    buf_addf(&b, "%d-%s", 7, "g");
    assert_holds("abcdef7-g");
}
END_TEST

START_TEST(writes_integers)
{
    buf_add_u64(&b, 0);
    buf_add_char(&b, ' ');
    buf_add_u64(&b, UINT64_MAX);
    buf_add_char(&b, ' ');
    buf_add_i64(&b, INT64_MIN);
    buf_add_char(&b, ' ');
    buf_add_i64(&b, INT64_MAX);
    buf_add_char(&b, ' ');
    buf_add_i64(&b, -7);
    assert_holds("0 18446744073709551615 -9223372036854775808 9223372036854775807 -7");
}
END_TEST

START_TEST(grows_up_to_its_cap_and_not_a_byte_further)
{
    for (int i = 0; i < 1000; i++)
        buf_add_char(&b, 'x');
    ck_assert_int_eq(buf_ok(&b), OK);
    ck_assert_uint_eq(b.len, 1000);
    buf_add_char(&b, 'x');
    ck_assert_int_eq(buf_ok(&b), ERR_LIMIT);
    ck_assert_uint_le(b.len, 1000);
    buf_add_char(&b, 'x'); /* the failure sticks */
    ck_assert_int_eq(buf_ok(&b), ERR_LIMIT);
    ck_assert_ptr_null(buf_reserve(&b, 1));
    buf_clear(&b);
    buf_add_lit(&b, "again");
    assert_holds("again");
}
END_TEST

START_TEST(formats_more_than_fits_on_the_stack)
{
    buf_addf(&b, "%0600d", 7);
    ck_assert_int_eq(buf_ok(&b), OK);
    ck_assert_uint_eq(b.len, 600);
    ck_assert_int_eq(b.data[599], '7');
}
END_TEST

/* Bug: room for the NUL was asked for, so that a long text that fits was refused. */
START_TEST(a_long_format_may_fill_the_buffer_to_its_cap)
{
    buf_addf(&b, "%01000d", 7);
    ck_assert_int_eq(buf_ok(&b), OK);
    ck_assert_uint_eq(b.len, 1000);
    ck_assert_int_eq(b.data[999], '7');
    buf_clear(&b);
    buf_addf(&b, "%01001d", 7);
    ck_assert_int_eq(buf_ok(&b), ERR_LIMIT);
}
END_TEST

/* Bug: doubling went past SIZE_MAX to 0 and for ever on from there. */
START_TEST(a_request_for_half_the_address_space_is_no_endless_loop)
{
    struct buf huge;
    buf_init(&huge, SIZE_MAX);
    mem_fail_nth(1); /* a sanitizer's heap would rather abort */
    ck_assert_ptr_null(buf_reserve(&huge, SIZE_MAX - 1));
    ck_assert_int_eq(buf_ok(&huge), ERR_NOMEM);
    buf_clear(&huge);
    buf_add_char(&huge, 'x');
    mem_fail_nth(1);
    ck_assert_ptr_null(buf_reserve(&huge, SIZE_MAX)); /* len + n overflows */
    ck_assert_int_eq(buf_ok(&huge), ERR_NOMEM);
    mem_fail_nth(0);
    buf_fini(&huge);
}
END_TEST

/* Bug: after a failure at the cap, buf_clear left cap == max without memory, and the next failure
 * was told wrongly. */
START_TEST(no_memory_after_a_full_buffer_was_cleared_is_no_limit)
{
    for (int i = 0; i < 1001; i++)
        buf_add_char(&b, 'x');
    ck_assert_int_eq(buf_ok(&b), ERR_LIMIT);
    buf_clear(&b);
    mem_fail_nth(1);
    buf_add_char(&b, 'x');
    ck_assert_int_eq(buf_ok(&b), ERR_NOMEM);
    mem_fail_nth(0);
}
END_TEST

START_TEST(reserved_bytes_count_once_they_are_added)
{
    char *at = buf_reserve(&b, 10);
    ck_assert_ptr_nonnull(at);
    memcpy(at, "abc", 3);
    ck_assert_uint_eq(b.len, 0);
    buf_added(&b, 3);
    assert_holds("abc");
}
END_TEST

START_TEST(consumes_from_the_front)
{
    buf_add_lit(&b, "abcdef");
    buf_consume(&b, 0);
    buf_consume(&b, 2);
    assert_holds("cdef");
    buf_consume(&b, 4);
    assert_holds("");
    buf_consume(&b, 0);
}
END_TEST

START_TEST(gives_its_bytes_away)
{
    size_t len = 77;
    buf_add_lit(&b, "abc");
    char *data = buf_take(&b, &len);
    ck_assert_uint_eq(len, 3);
    ck_assert_mem_eq(data, "abc", 3);
    mem_free(data);
    buf_add_lit(&b, "d"); /* and starts anew */
    assert_holds("d");
}
END_TEST

START_TEST(taking_nothing_is_not_null_but_taking_a_failure_is)
{
    size_t len = 77;
    char *data = buf_take(&b, &len);
    ck_assert_ptr_nonnull(data);
    ck_assert_uint_eq(len, 0);
    mem_free(data);
    for (int i = 0; i < 1001; i++)
        buf_add_char(&b, 'x');
    ck_assert_ptr_null(buf_take(&b, &len));
}
END_TEST

START_TEST(what_is_taken_or_trimmed_keeps_no_room_to_spare)
{
    size_t len;
    buf_add_lit(&b, "abc");
    ck_assert_uint_gt(b.cap, 100);
    buf_trim(&b);
    ck_assert_uint_eq(b.cap, 3);
    buf_add_lit(&b, "d"); /* and grows again */
    assert_holds("abcd");
    buf_reserve(&b, 300);
    char *data = buf_take(&b, &len);
    ck_assert_uint_le(malloc_usable_size(data), 64);
    mem_free(data);
    buf_trim(&b); /* nothing */
    ck_assert_ptr_null(b.data);
    buf_add_lit(&b, "e");
    mem_fail_nth(1);
    buf_trim(&b); /* needs none */
    mem_fail_nth(0);
    ck_assert_uint_eq(b.cap, 1);
    assert_holds("e");
}
END_TEST

static enum err fill(void *arg)
{
    (void)arg;
    struct buf local;
    buf_init(&local, 100000);
    for (int i = 0; i < 100; i++)
        buf_addf(&local, "%0700d", i);
    enum err e = buf_ok(&local);
    buf_fini(&local);
    return e;
}

START_TEST(without_memory_it_says_so_and_leaks_nothing)
{
    ck_assert_uint_gt(oom_rounds(fill, NULL), 5);
}
END_TEST

Suite *suite_base_buf(void)
{
    Suite *s = suite_create("base/buf");
    TCase *c = tcase_create("buf");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, appends);
    tcase_add_test(c, writes_integers);
    tcase_add_test(c, grows_up_to_its_cap_and_not_a_byte_further);
    tcase_add_test(c, formats_more_than_fits_on_the_stack);
    tcase_add_test(c, a_long_format_may_fill_the_buffer_to_its_cap);
    tcase_add_test(c, a_request_for_half_the_address_space_is_no_endless_loop);
    tcase_add_test(c, no_memory_after_a_full_buffer_was_cleared_is_no_limit);
    tcase_add_test(c, reserved_bytes_count_once_they_are_added);
    tcase_add_test(c, consumes_from_the_front);
    tcase_add_test(c, gives_its_bytes_away);
    tcase_add_test(c, taking_nothing_is_not_null_but_taking_a_failure_is);
    tcase_add_test(c, what_is_taken_or_trimmed_keeps_no_room_to_spare);
    tcase_add_test(c, without_memory_it_says_so_and_leaks_nothing);
    suite_add_tcase(s, c);
    return s;
}
