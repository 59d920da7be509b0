/* Work that goes on at a provider: when it is asked after again. */
#include "runs/poll.h"

#include <check.h>

#include "base/mem.h"

Suite *suite_runs_poll(void);

START_TEST(it_goes_on_once_it_has_a_handle)
{
    struct poll p;
    poll_init(&p);
    ck_assert(!poll_goes_on(&p));
    ck_assert(!poll_miss(&p));
    ck_assert_int_eq(poll_take(&p, STR("{\"url\":\"/a\"}")), OK);
    ck_assert(poll_goes_on(&p));
    ck_assert_int_eq(poll_take(&p, STR("{}")), OK);
    ck_assert(str_eq(buf_str(&p.handle), STR("{}")));
    poll_fini(&p);
    ck_assert_int_eq(mem_live(), 0);
}
END_TEST

START_TEST(five_misses_in_a_row_are_too_many)
{
    struct poll p;
    poll_init(&p);
    ck_assert_int_eq(poll_take(&p, STR("{}")), OK);
    for (int i = 0; i < POLL_MISSES_MAX; i++)
        ck_assert(poll_miss(&p));
    ck_assert(!poll_miss(&p));
    ck_assert_int_eq(poll_take(&p, STR("{}")), OK); /* an answer makes them good */
    ck_assert(poll_miss(&p));
    poll_fini(&p);
}
END_TEST

START_TEST(misses_make_the_pause_longer_and_retry_after_is_its_floor)
{
    struct poll p;
    poll_init(&p);
    ck_assert_int_eq(poll_take(&p, STR("{}")), OK);
    ck_assert_uint_eq(poll_wait_ms(&p, 500, 0), 500);
    ck_assert_uint_eq(poll_wait_ms(&p, 500, 499), 500);
    ck_assert_uint_eq(poll_wait_ms(&p, 500, 90000), 90000);
    ck_assert(poll_miss(&p) && poll_miss(&p));
    ck_assert_uint_eq(poll_wait_ms(&p, 500, 0), 2000);
    ck_assert_uint_eq(poll_wait_ms(&p, 20000, 0), POLL_MISS_MAX_MS);
    ck_assert_uint_eq(poll_wait_ms(&p, 3600000, 0), 3600000);
    poll_fini(&p);
}
END_TEST

START_TEST(a_handle_has_a_bound)
{
    static char big[POLL_HANDLE_MAX + 1];
    struct poll p;
    poll_init(&p);
    ck_assert_int_eq(poll_take(&p, (struct str){big, POLL_HANDLE_MAX}), OK);
    ck_assert_int_eq(poll_take(&p, (struct str){big, sizeof big}), ERR_LIMIT);
    poll_fini(&p);
}
END_TEST

Suite *suite_runs_poll(void)
{
    Suite *s = suite_create("runs_poll");
    TCase *t = tcase_create("poll");
    tcase_add_test(t, it_goes_on_once_it_has_a_handle);
    tcase_add_test(t, five_misses_in_a_row_are_too_many);
    tcase_add_test(t, misses_make_the_pause_longer_and_retry_after_is_its_floor);
    tcase_add_test(t, a_handle_has_a_bound);
    suite_add_tcase(s, t);
    return s;
}
