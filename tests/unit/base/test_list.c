#include "base/list.h"

#include <check.h>

Suite *suite_base_list(void);

struct item {
    int value;
    struct list link;
};

static struct list head;
static struct item items[5];

static void set_up(void)
{
    list_init(&head);
    for (int i = 0; i < 5; i++) {
        items[i].value = i;
        list_init(&items[i].link);
    }
}

static int value_of(struct list *l)
{
    return CONTAINER_OF(l, struct item, link)->value;
}

/* The members' values as one decimal number, read both ways round. */
static void assert_is(struct list *l, int forwards, int backwards)
{
    int there = 0, back = 0;
    LIST_EACH (it, l)
        there = there * 10 + value_of(it);
    for (struct list *it = l->prev; it != l; it = it->prev)
        back = back * 10 + value_of(it);
    ck_assert_int_eq(there, forwards);
    ck_assert_int_eq(back, backwards);
}

static void fill(void)
{
    for (int i = 1; i < 5; i++)
        list_push_back(&head, &items[i].link);
}

START_TEST(keeps_the_order_of_arrival)
{
    ck_assert(list_is_empty(&head));
    fill();
    assert_is(&head, 1234, 4321);
    ck_assert(!list_is_empty(&head));
    list_push_front(&head, &items[0].link);
    assert_is(&head, 1234, 43210);
    list_remove(&items[0].link);
    list_insert_before(&items[3].link, &items[0].link);
    assert_is(&head, 12034, 43021);
}
END_TEST

START_TEST(removing_is_always_legal)
{
    list_remove(&items[0].link);
    fill();
    ck_assert(list_is_linked(&items[2].link));
    list_remove(&items[2].link);
    ck_assert(!list_is_linked(&items[2].link));
    list_remove(&items[2].link);
    assert_is(&head, 134, 431);
}
END_TEST

START_TEST(takes_members_off_the_front)
{
    fill();
    for (int i = 1; i < 5; i++) {
        struct list *l = list_pop_front(&head);
        ck_assert_int_eq(value_of(l), i);
        ck_assert(!list_is_linked(l));
    }
    ck_assert_ptr_null(list_pop_front(&head));
}
END_TEST

START_TEST(moves_all_members_at_once)
{
    struct list other;
    list_init(&other);
    list_append_all(&other, &head); /* nothing */
    ck_assert(list_is_empty(&other));
    fill();
    list_append_all(&other, &head);
    assert_is(&other, 1234, 4321);
    ck_assert(list_is_empty(&head));
    list_push_back(&head, &items[0].link);
    list_append_all(&head, &other);
    assert_is(&head, 1234, 43210);
    list_append_all(&head, &other);
    assert_is(&head, 1234, 43210);
}
END_TEST

START_TEST(a_safe_walk_may_remove_what_it_stands_on)
{
    fill();
    LIST_EACH_SAFE (it, &head) {
        if (value_of(it) % 2 == 0)
            list_remove(it);
    }
    assert_is(&head, 13, 31);
    LIST_EACH_SAFE (it, &head)
        list_remove(it);
    ck_assert(list_is_empty(&head));
}
END_TEST

Suite *suite_base_list(void)
{
    Suite *s = suite_create("base/list");
    TCase *c = tcase_create("list");
    tcase_add_checked_fixture(c, set_up, NULL);
    tcase_add_test(c, keeps_the_order_of_arrival);
    tcase_add_test(c, removing_is_always_legal);
    tcase_add_test(c, takes_members_off_the_front);
    tcase_add_test(c, moves_all_members_at_once);
    tcase_add_test(c, a_safe_walk_may_remove_what_it_stands_on);
    suite_add_tcase(s, c);
    return s;
}
