#include "base/map.h"

#include <check.h>

#include "base/list.h"
#include "base/mem.h"

Suite *suite_base_map(void);

enum { ITEMS = 5000 };

struct item {
    struct map_node node;
    uint64_t key;
    bool seen;
};

static struct map map;
static struct item items[ITEMS];

static struct item *item_of(struct map_node *node)
{
    return CONTAINER_OF(node, struct item, node);
}

static bool has_key(const struct map_node *node, const void *key)
{
    const struct item *item = CONTAINER_OF(node, const struct item, node);
    return item->key == *(const uint64_t *)key;
}

static uint64_t good_hash(uint64_t key)
{
    return key * 0x9E3779B97F4A7C15u >> 7;
}

static struct item *find(uint64_t key, uint64_t hash)
{
    struct map_node *node = map_find(&map, hash, &key, has_key);
    return node ? item_of(node) : NULL;
}

static void set_up(void)
{
    ck_assert_int_eq(map_init(&map), OK);
    for (uint64_t i = 0; i < ITEMS; i++)
        items[i] = (struct item){.key = i};
}

static void tear_down(void)
{
    map_fini(&map);
    ck_assert_int_eq(mem_live(), 0);
}

START_TEST(finds_what_was_inserted_and_nothing_else)
{
    for (uint64_t i = 0; i < ITEMS; i++) {
        ck_assert_ptr_null(find(i, good_hash(i)));
        map_insert(&map, &items[i].node, good_hash(i));
    }
    ck_assert_uint_eq(map.count, ITEMS);
    ck_assert_uint_ge(map.bucket_count, ITEMS);
    for (uint64_t i = 0; i < ITEMS; i++)
        ck_assert_ptr_eq(find(i, good_hash(i)), &items[i]);
    ck_assert_ptr_null(find(ITEMS, good_hash(ITEMS)));
}
END_TEST

START_TEST(forgets_what_was_removed)
{
    for (uint64_t i = 0; i < ITEMS; i++)
        map_insert(&map, &items[i].node, good_hash(i));
    for (uint64_t i = 0; i < ITEMS; i += 2)
        map_remove(&map, &items[i].node);
    ck_assert_uint_eq(map.count, ITEMS / 2);
    for (uint64_t i = 0; i < ITEMS; i++)
        ck_assert_ptr_eq(find(i, good_hash(i)), i % 2 ? &items[i] : NULL);
    map_insert(&map, &items[0].node, good_hash(0)); /* and takes it again */
    ck_assert_ptr_eq(find(0, good_hash(0)), &items[0]);
}
END_TEST

START_TEST(one_hash_for_all_is_slow_but_right)
{
    for (uint64_t i = 0; i < 100; i++)
        map_insert(&map, &items[i].node, 42);
    for (uint64_t i = 0; i < 100; i++)
        ck_assert_ptr_eq(find(i, 42), &items[i]);
    map_remove(&map, &items[50].node);
    ck_assert_ptr_null(find(50, 42));
    ck_assert_ptr_eq(find(51, 42), &items[51]);
}
END_TEST

START_TEST(walks_each_node_once)
{
    ck_assert_ptr_null(map_next(&map, NULL));
    for (uint64_t i = 0; i < 1000; i++)
        map_insert(&map, &items[i].node, good_hash(i) % 64); /* some chains are long */
    size_t n = 0;
    for (struct map_node *node = map_next(&map, NULL); node != NULL;
         node = map_next(&map, node), n++) {
        ck_assert(!item_of(node)->seen);
        item_of(node)->seen = true;
    }
    ck_assert_uint_eq(n, 1000);
}
END_TEST

START_TEST(a_walk_may_remove_a_node_whose_successor_it_has)
{
    for (uint64_t i = 0; i < 1000; i++)
        map_insert(&map, &items[i].node, good_hash(i));
    struct map_node *node = map_next(&map, NULL);
    while (node != NULL) {
        struct map_node *next = map_next(&map, node);
        map_remove(&map, node);
        node = next;
    }
    ck_assert_uint_eq(map.count, 0);
    ck_assert_ptr_null(map_next(&map, NULL));
}
END_TEST

START_TEST(without_memory_it_grows_no_further_but_works)
{
    for (uint64_t i = 0; i < 200; i++) {
        mem_fail_nth(1);
        map_insert(&map, &items[i].node, good_hash(i));
    }
    mem_fail_nth(0);
    for (uint64_t i = 0; i < 200; i++)
        ck_assert_ptr_eq(find(i, good_hash(i)), &items[i]);
    struct map other;
    mem_fail_nth(1);
    ck_assert_int_eq(map_init(&other), ERR_NOMEM);
    mem_fail_nth(0);
    map_fini(&other); /* half-built is fine */
}
END_TEST

Suite *suite_base_map(void)
{
    Suite *s = suite_create("base/map");
    TCase *c = tcase_create("map");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, finds_what_was_inserted_and_nothing_else);
    tcase_add_test(c, forgets_what_was_removed);
    tcase_add_test(c, one_hash_for_all_is_slow_but_right);
    tcase_add_test(c, walks_each_node_once);
    tcase_add_test(c, a_walk_may_remove_a_node_whose_successor_it_has);
    tcase_add_test(c, without_memory_it_grows_no_further_but_works);
    suite_add_tcase(s, c);
    return s;
}
