#include "base/heap.h"

#include <check.h>
#include <string.h>

#include "base/rng.h"

Suite *suite_base_heap(void);

enum { NODES = 300 };

START_TEST(gives_the_smallest_first_and_equal_ones_as_they_came)
{
    static const uint64_t keys[] = {5, 1, 3, 1, 5, 0, 3, UINT64_MAX, 1};
    static const size_t order[] = {5, 1, 3, 8, 2, 6, 0, 4, 7};
    struct heap_node nodes[9] = {0};
    struct heap h;
    heap_init(&h);
    ck_assert_ptr_null(heap_first(&h));
    for (size_t i = 0; i < 9; i++)
        heap_insert(&h, &nodes[i], keys[i]);
    for (size_t i = 0; i < 9; i++) {
        ck_assert_ptr_eq(heap_first(&h), &nodes[order[i]]);
        heap_remove(&h, heap_first(&h));
    }
    ck_assert_ptr_null(heap_first(&h));
}
END_TEST

START_TEST(removing_what_is_not_there_does_nothing)
{
    struct heap_node a = {0}, b = {0};
    struct heap h;
    heap_init(&h);
    heap_remove(&h, &a);
    heap_insert(&h, &a, 1);
    heap_remove(&h, &b);
    ck_assert_ptr_eq(heap_first(&h), &a);
    heap_remove(&h, &a);
    heap_remove(&h, &a);
    ck_assert_ptr_null(heap_first(&h));
    heap_insert(&h, &a, 2); /* and it can be inserted again */
    ck_assert_ptr_eq(heap_first(&h), &a);
}
END_TEST

/* The model: an array of nodes in the order in which the heap must give them. */
struct model {
    struct heap heap;
    struct heap_node nodes[NODES];
    struct heap_node *sorted[NODES];
    size_t count;
};

static void model_insert(struct model *m, struct heap_node *n, uint64_t key)
{
    heap_insert(&m->heap, n, key);
    size_t at = m->count++;
    for (; at > 0 && m->sorted[at - 1]->key > key; at--)
        m->sorted[at] = m->sorted[at - 1];
    m->sorted[at] = n;
}

static void model_remove(struct model *m, struct heap_node *n)
{
    heap_remove(&m->heap, n);
    size_t at = 0;
    while (m->sorted[at] != n)
        at++;
    m->count--;
    memmove(&m->sorted[at], &m->sorted[at + 1], (m->count - at) * sizeof m->sorted[0]);
}

START_TEST(agrees_with_a_sorted_array_whatever_is_done)
{
    static struct model m;
    struct rng r;
    uint64_t seed;
    rng_system(&seed, sizeof seed);
    rng_seed(&r, seed);
    heap_init(&m.heap);
    for (int step = 0; step < 100000; step++) {
        struct heap_node *n = &m.nodes[rng_below(&r, NODES)];
        uint64_t key = rng_below(&r, step % 1000 < 500 ? 10 : 1000000);
        if (rng_below(&r, 4) == 0 && m.count > 0)
            n = m.sorted[0];
        if (n->linked)
            model_remove(&m, n);
        else
            model_insert(&m, n, key);
        ck_assert_msg(heap_first(&m.heap) == (m.count ? m.sorted[0] : NULL), "seed %llu, step %d",
                      (unsigned long long)seed, step);
    }
}
END_TEST

START_TEST(a_long_chain_needs_no_deep_stack)
{
    enum { MANY = 200000 };
    static struct heap_node nodes[MANY];
    struct heap h;
    heap_init(&h);
    for (uint64_t i = 0; i < MANY; i++)
        heap_insert(&h, &nodes[i], MANY - i); /* each becomes the parent of the one before */
    for (uint64_t i = 0; i < MANY; i++) {
        ck_assert_ptr_eq(heap_first(&h), &nodes[MANY - 1 - i]);
        heap_remove(&h, heap_first(&h));
    }
}
END_TEST

Suite *suite_base_heap(void)
{
    Suite *s = suite_create("base/heap");
    TCase *c = tcase_create("heap");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, gives_the_smallest_first_and_equal_ones_as_they_came);
    tcase_add_test(c, removing_what_is_not_there_does_nothing);
    tcase_add_test(c, agrees_with_a_sorted_array_whatever_is_done);
    tcase_add_test(c, a_long_chain_needs_no_deep_stack);
    suite_add_tcase(s, c);
    return s;
}
