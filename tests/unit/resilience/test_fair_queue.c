#include "resilience/fair_queue.h"

#include <check.h>

#include "base/mem.h"
#include "tests/unit/resilience/property.h"

Suite *suite_resilience_fair_queue(void);

enum { MANY = 2000 };

struct guest {
    struct fair_waiter waiter;
    uint64_t key;
    uint64_t number; /* order of arrival */
};

static struct fair_queue q;
static struct guest guests[MANY];

static void open_queue(size_t max)
{
    ck_assert_int_eq(fair_queue_init(&q, max), OK);
    for (int i = 0; i < MANY; i++) {
        guests[i] = (struct guest){.number = (uint64_t)i};
        fair_waiter_init(&guests[i].waiter);
    }
}

static void push(int i, uint64_t key, uint32_t weight)
{
    guests[i].key = key;
    ck_assert_int_eq(fair_queue_push(&q, &guests[i].waiter, key, weight), OK);
}

static struct guest *pop(void)
{
    struct fair_waiter *w = fair_queue_pop(&q);
    return w ? CONTAINER_OF(w, struct guest, waiter) : NULL;
}

/* Pops everything and compares the keys with `expected`, a digit each. */
static void assert_order(const char *expected)
{
    for (; *expected != '\0'; expected++) {
        struct guest *g = pop();
        ck_assert_ptr_nonnull(g);
        ck_assert_int_eq((char)('0' + g->key), *expected);
    }
    ck_assert_ptr_null(pop());
}

static bool is_odd(const struct fair_waiter *w, const void *ctx)
{
    (void)ctx;
    return CONTAINER_OF(w, const struct guest, waiter)->number % 2 == 1;
}

START_TEST(whoever_is_wanted_leaves_and_the_others_keep_their_places)
{
    struct list taken;
    open_queue(10);
    list_init(&taken);
    push(1, 7, 1); /* a key that loses everybody */
    push(0, 5, 1);
    push(3, 5, 1);
    push(2, 6, 1);
    push(4, 5, 1);
    fair_queue_take_if(&q, is_odd, NULL, &taken);
    ck_assert_uint_eq(fair_queue_count(&q), 3);
    for (uint64_t n = 1; n <= 3; n += 2) {
        struct list *link = list_pop_front(&taken);
        struct fair_waiter *w = CONTAINER_OF(link, struct fair_waiter, link);
        ck_assert_uint_eq(CONTAINER_OF(w, struct guest, waiter)->number, n);
        ck_assert(!fair_waiter_is_queued(w));
    }
    ck_assert(list_is_empty(&taken));
    assert_order("565");
    fair_queue_fini(&q);
}
END_TEST

START_TEST(nobody_waits_in_an_empty_queue)
{
    open_queue(10);
    ck_assert_ptr_null(fair_queue_first(&q));
    ck_assert_ptr_null(fair_queue_pop(&q));
    ck_assert_uint_eq(fair_queue_count(&q), 0);
    fair_queue_fini(&q);
}
END_TEST

START_TEST(one_key_is_served_in_the_order_of_arrival)
{
    open_queue(10);
    for (int i = 0; i < 5; i++)
        push(i, 1, 1);
    for (int i = 0; i < 5; i++)
        ck_assert_ptr_eq(pop(), &guests[i]);
    fair_queue_fini(&q);
}
END_TEST

START_TEST(keys_take_turns_however_many_of_one_wait)
{
    open_queue(MANY);
    for (int i = 0; i < 6; i++)
        push(i, 1, 1);
    for (int i = 6; i < 8; i++)
        push(i, 2, 1);
    push(8, 3, 1);
    assert_order("123121111");
    fair_queue_fini(&q);
}
END_TEST

START_TEST(a_turn_is_as_long_as_the_weight)
{
    open_queue(MANY);
    for (int i = 0; i < 6; i++)
        push(i, 1, 3);
    for (int i = 6; i < 10; i++)
        push(i, 2, 1);
    assert_order("1112111222");
    fair_queue_fini(&q);
}
END_TEST

START_TEST(a_weight_out_of_bounds_is_cut)
{
    open_queue(MANY);
    for (int i = 0; i < 3; i++)
        push(i, 1, 0);
    for (int i = 3; i < 3 + 1002; i++)
        push(i, 2, UINT32_MAX);
    ck_assert_uint_eq(pop()->key, 1);
    for (int i = 0; i < FAIR_QUEUE_MAX_WEIGHT; i++)
        ck_assert_uint_eq(pop()->key, 2);
    assert_order("1221");
    fair_queue_fini(&q);
}
END_TEST

START_TEST(whoever_leaves_the_middle_leaves_the_others_in_order)
{
    open_queue(10);
    for (int i = 0; i < 5; i++)
        push(i, 1, 1);
    fair_queue_remove(&q, &guests[2].waiter);
    ck_assert(!fair_waiter_is_queued(&guests[2].waiter));
    ck_assert(fair_waiter_is_queued(&guests[3].waiter));
    static const int left[] = {0, 1, 3, 4};
    for (size_t i = 0; i < 4; i++)
        ck_assert_ptr_eq(pop(), &guests[left[i]]);
    fair_queue_fini(&q);
}
END_TEST

START_TEST(the_last_of_a_key_may_leave_in_its_turn)
{
    open_queue(10);
    push(0, 1, 1);
    push(1, 2, 1);
    fair_queue_remove(&q, &guests[0].waiter);
    ck_assert_ptr_eq(fair_queue_first(&q), &guests[1].waiter);
    push(2, 1, 1);
    assert_order("21");
    fair_queue_fini(&q);
}
END_TEST

START_TEST(newcomers_never_change_who_is_first)
{
    open_queue(MANY);
    push(0, 7, 1);
    for (int i = 1; i < 100; i++) {
        push(i, (uint64_t)i % 10, (uint32_t)i);
        ck_assert_ptr_eq(fair_queue_first(&q), &guests[0].waiter);
    }
    while (pop() != NULL)
        continue;
    fair_queue_fini(&q);
}
END_TEST

START_TEST(is_bounded)
{
    open_queue(2);
    push(0, 1, 1);
    push(1, 2, 1);
    ck_assert_int_eq(fair_queue_push(&q, &guests[2].waiter, 1, 1), ERR_LIMIT);
    ck_assert(!fair_waiter_is_queued(&guests[2].waiter));
    fair_queue_remove(&q, &guests[0].waiter);
    push(2, 3, 1);
    assert_order("23");
    fair_queue_fini(&q);
}
END_TEST

START_TEST(without_memory_for_a_new_key_only_that_one_is_refused)
{
    open_queue(10);
    push(0, 1, 1);
    mem_fail_nth(1);
    ck_assert_int_eq(fair_queue_push(&q, &guests[1].waiter, 2, 1), ERR_NOMEM);
    mem_fail_nth(0);
    ck_assert_uint_eq(fair_queue_count(&q), 1);
    push(1, 2, 1);
    assert_order("12");
    fair_queue_fini(&q);
    mem_fail_nth(1);
    ck_assert_int_eq(fair_queue_init(&q, 10), ERR_NOMEM);
    mem_fail_nth(0);
}
END_TEST

START_TEST(keys_come_and_go_without_a_leak)
{
    long live = mem_live();
    open_queue(MANY);
    long empty = mem_live();
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 16; i++)
            push(i, (uint64_t)round * 1000 + (uint64_t)i, 1);
        ck_assert_int_eq(mem_live(), empty + 16);
        for (int i = 0; i < 16; i += 2)
            fair_queue_remove(&q, &guests[i].waiter);
        while (pop() != NULL)
            continue;
        ck_assert_int_eq(mem_live(), empty);
    }
    fair_queue_fini(&q);
    ck_assert_int_eq(mem_live(), live);
}
END_TEST

/* (sum x)^2 / (n * sum x^2): 1 if all are equal, 1/n if one gets everything. */
static double jain(const uint64_t *x, size_t n)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)x[i];
        squares += (double)x[i] * (double)x[i];
    }
    return sum * sum / ((double)n * squares);
}

enum { KEYS = 10 };

START_TEST(equal_keys_get_equal_shares_at_unequal_rates)
{
    uint64_t seed = property_seed();
    struct rng rng;
    rng_seed(&rng, seed);
    open_queue(MANY);
    enum { EACH = MANY / KEYS }; /* so many of a key wait at most */
    uint64_t served[KEYS] = {0}, sent[KEYS] = {0};
    for (int tick = 0; tick < 20000; tick++) {
        /* One is served; the first key sends a hundred times its share, the others a little more
         * than theirs, each at its own rate. */
        for (uint64_t key = 0; key < KEYS; key++) {
            uint64_t calls = key == 0 ? 10 : property_chance(&rng, 0.11 + 0.02 * (double)key);
            sent[key] += calls;
            for (uint64_t n = 0; n < calls; n++) {
                uint64_t i = key * EACH + rng_below(&rng, EACH);
                if (!fair_waiter_is_queued(&guests[i].waiter))
                    push((int)i, key, 1);
            }
        }
        served[pop()->key]++;
    }
    MUST(jain(sent, KEYS) < 0.2);
    MUST(jain(served, KEYS) >= 0.98);
    while (pop() != NULL)
        continue;
    fair_queue_fini(&q);
}
END_TEST

START_TEST(shares_follow_the_weights)
{
    open_queue(MANY);
    uint64_t served[4] = {0};
    for (int i = 0; i < MANY; i++) {
        uint64_t key = (uint64_t)i % 4;
        push(i, key, (uint32_t)key + 1);
    }
    for (int i = 0; i < 1000; i++)
        served[pop()->key]++;
    for (uint64_t key = 0; key < 4; key++)
        ck_assert_uint_eq(served[key], 100 * (key + 1));
    while (pop() != NULL)
        continue;
    fair_queue_fini(&q);
}
END_TEST

START_TEST(in_any_trace_nobody_is_lost_and_each_key_stays_in_order)
{
    uint64_t seed = property_seed();
    struct rng rng;
    rng_seed(&rng, seed);
    open_queue(MANY);
    uint64_t number = 0, last_served[KEYS] = {0};
    size_t queued = 0;
    for (int step = 0; step < 200000; step++) {
        struct guest *g = &guests[rng_below(&rng, 300)];
        double dice = rng_unit(&rng);
        if (!fair_waiter_is_queued(&g->waiter) && dice < 0.8) {
            g->number = ++number;
            push((int)(g - guests), rng_below(&rng, KEYS), (uint32_t)property_between(&rng, 1, 3));
            queued++;
        } else if (fair_waiter_is_queued(&g->waiter) && dice < 0.2) {
            fair_queue_remove(&q, &g->waiter);
            queued--;
        } else if ((g = pop()) != NULL) {
            MUST(g->number > last_served[g->key]);
            last_served[g->key] = g->number;
            MUST(!fair_waiter_is_queued(&g->waiter));
            queued--;
        }
        MUST(fair_queue_count(&q) == queued);
    }
    while (pop() != NULL)
        queued--;
    MUST(queued == 0);
    fair_queue_fini(&q);
}
END_TEST

Suite *suite_resilience_fair_queue(void)
{
    Suite *s = suite_create("resilience_fair_queue");
    TCase *t = tcase_create("fair_queue");
    tcase_add_test(t, nobody_waits_in_an_empty_queue);
    tcase_add_test(t, whoever_is_wanted_leaves_and_the_others_keep_their_places);
    tcase_add_test(t, one_key_is_served_in_the_order_of_arrival);
    tcase_add_test(t, keys_take_turns_however_many_of_one_wait);
    tcase_add_test(t, a_turn_is_as_long_as_the_weight);
    tcase_add_test(t, a_weight_out_of_bounds_is_cut);
    tcase_add_test(t, whoever_leaves_the_middle_leaves_the_others_in_order);
    tcase_add_test(t, the_last_of_a_key_may_leave_in_its_turn);
    tcase_add_test(t, newcomers_never_change_who_is_first);
    tcase_add_test(t, is_bounded);
    tcase_add_test(t, without_memory_for_a_new_key_only_that_one_is_refused);
    tcase_add_test(t, keys_come_and_go_without_a_leak);
    suite_add_tcase(s, t);
    TCase *laws = tcase_create("laws");
    tcase_set_timeout(laws, PROPERTY_TIMEOUT_S);
    tcase_add_test(laws, equal_keys_get_equal_shares_at_unequal_rates);
    tcase_add_test(laws, shares_follow_the_weights);
    tcase_add_test(laws, in_any_trace_nobody_is_lost_and_each_key_stays_in_order);
    suite_add_tcase(s, laws);
    return s;
}
