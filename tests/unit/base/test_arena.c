#include "base/arena.h"

#include <check.h>
#include <stdint.h>

#include "base/mem.h"

Suite *suite_base_arena(void);

static struct arena arena;

static void set_up(void)
{
    arena_init(&arena, 1 << 20);
}

static void tear_down(void)
{
    arena_fini(&arena);
    ck_assert_int_eq(mem_live(), 0);
}

START_TEST(pieces_are_aligned_and_stay_apart)
{
    char *pieces[200];
    for (size_t i = 0; i < 200; i++) {
        pieces[i] = arena_alloc(&arena, i * 7);
        ck_assert_ptr_nonnull(pieces[i]);
        ck_assert_uint_eq((uintptr_t)pieces[i] % 16, 0);
        memset(pieces[i], (int)i, i * 7);
    }
    for (size_t i = 0; i < 200; i++) {
        for (size_t k = 0; k < i * 7; k++)
            ck_assert_int_eq((uint8_t)pieces[i][k], (uint8_t)i);
    }
}
END_TEST

START_TEST(zeroes_where_asked)
{
    memset(arena_alloc(&arena, 500), 0xFF, 500);
    arena_fini(&arena);
    const char *piece = arena_zalloc(&arena, 1000);
    ck_assert_ptr_nonnull(piece);
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(piece[i], 0);
}
END_TEST

START_TEST(copies_a_string)
{
    struct str s = arena_str(&arena, STR("a\0b"));
    ck_assert_uint_eq(s.len, 3);
    ck_assert_mem_eq(s.at, "a\0b\0", 4);
    ck_assert_str_eq(arena_str(&arena, STR_NONE).at, "");
}
END_TEST

START_TEST(never_takes_more_than_its_bound)
{
    arena_init(&arena, 4096);
    size_t given = 0;
    while (arena_alloc(&arena, 64) != NULL)
        given += 64;
    ck_assert_uint_le(arena.bytes, 4096);
    ck_assert_uint_ge(given, 4096 - 1024);
    ck_assert_ptr_null(arena_alloc(&arena, 64)); /* again */
    ck_assert_ptr_null(arena_str(&arena, STR("x")).at);
    arena_fini(&arena);
    ck_assert_ptr_nonnull(arena_alloc(&arena, 4096)); /* all of it in one piece */
    ck_assert_ptr_null(arena_alloc(&arena, 1));
    arena_fini(&arena);
    ck_assert_ptr_null(arena_alloc(&arena, 4097));
}
END_TEST

START_TEST(an_absurd_size_is_refused)
{
    arena_init(&arena, SIZE_MAX);
    ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX));
    ck_assert_ptr_null(arena_alloc(&arena, SIZE_MAX - 15));
}
END_TEST

START_TEST(a_large_piece_gets_a_block_of_its_own)
{
    char *large = arena_alloc(&arena, 500000);
    ck_assert_ptr_nonnull(large);
    memset(large, 1, 500000);
    ck_assert_ptr_nonnull(arena_alloc(&arena, 10));
    ck_assert_uint_lt(arena.bytes, 500000 + 100000);
}
END_TEST

START_TEST(without_memory_it_says_so_and_goes_on_later)
{
    mem_fail_nth(1);
    ck_assert_ptr_null(arena_alloc(&arena, 10));
    ck_assert_ptr_nonnull(arena_alloc(&arena, 10));
    mem_fail_nth(1);
    ck_assert_ptr_null(arena_zalloc(&arena, 10000));
    ck_assert_ptr_nonnull(arena_alloc(&arena, 10)); /* the old block still has room */
    mem_fail_nth(0);
}
END_TEST

Suite *suite_base_arena(void)
{
    Suite *s = suite_create("base/arena");
    TCase *c = tcase_create("arena");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, pieces_are_aligned_and_stay_apart);
    tcase_add_test(c, zeroes_where_asked);
    tcase_add_test(c, copies_a_string);
    tcase_add_test(c, never_takes_more_than_its_bound);
    tcase_add_test(c, an_absurd_size_is_refused);
    tcase_add_test(c, a_large_piece_gets_a_block_of_its_own);
    tcase_add_test(c, without_memory_it_says_so_and_goes_on_later);
    suite_add_tcase(s, c);
    return s;
}
