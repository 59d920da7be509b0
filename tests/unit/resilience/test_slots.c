#include "resilience/slots.h"

#include <check.h>

Suite *suite_resilience_slots(void);

START_TEST(lends_as_many_as_there_are)
{
    struct slots s;
    slots_init(&s, 2);
    ck_assert(slots_take(&s));
    ck_assert(slots_take(&s));
    ck_assert(!slots_has_free(&s));
    ck_assert(!slots_take(&s));
    ck_assert_uint_eq(s.borrowed, 2);
}
END_TEST

START_TEST(what_comes_back_can_be_lent_again)
{
    struct slots s;
    slots_init(&s, 1);
    ck_assert(slots_take(&s));
    slots_give(&s);
    ck_assert_uint_eq(s.borrowed, 0);
    ck_assert(slots_take(&s));
}
END_TEST

START_TEST(more_slots_are_there_at_once)
{
    struct slots s;
    slots_init(&s, 1);
    ck_assert(slots_take(&s));
    slots_resize(&s, 2);
    ck_assert(slots_take(&s));
    ck_assert(!slots_take(&s));
}
END_TEST

START_TEST(fewer_slots_lend_nothing_until_enough_came_back)
{
    struct slots s;
    slots_init(&s, 3);
    for (int i = 0; i < 3; i++)
        ck_assert(slots_take(&s));
    slots_resize(&s, 1);
    ck_assert_uint_eq(s.borrowed, 3);
    slots_give(&s);
    slots_give(&s);
    ck_assert(!slots_take(&s));
    slots_give(&s);
    ck_assert(slots_take(&s));
}
END_TEST

Suite *suite_resilience_slots(void)
{
    Suite *s = suite_create("resilience_slots");
    TCase *t = tcase_create("slots");
    tcase_add_test(t, lends_as_many_as_there_are);
    tcase_add_test(t, what_comes_back_can_be_lent_again);
    tcase_add_test(t, more_slots_are_there_at_once);
    tcase_add_test(t, fewer_slots_lend_nothing_until_enough_came_back);
    suite_add_tcase(s, t);
    return s;
}
