#include "base/id.h"

#include <check.h>

Suite *suite_base_id(void);

static struct id_source source;

static void set_up(void)
{
    id_source_init(&source);
}

static bool is_before(const struct id *a, const struct id *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) < 0;
}

START_TEST(ids_of_one_millisecond_grow)
{
    struct id last = id_next(&source, 1785585600000);
    for (int i = 0; i < 10000; i++) {
        struct id next = id_next(&source, 1785585600000);
        ck_assert(is_before(&last, &next));
        last = next;
    }
}
END_TEST

START_TEST(ids_grow_while_the_clock_steps_back)
{
    static const int64_t times[] = {1000, 1001, 1001, 500, 499, 0, -5, 1001, 1002, 2000, 1999};
    struct id last = id_next(&source, times[0]);
    for (size_t i = 1; i < sizeof times / sizeof times[0]; i++) {
        struct id next = id_next(&source, times[i]);
        ck_assert(is_before(&last, &next));
        last = next;
    }
}
END_TEST

START_TEST(text_orders_as_bytes_do_and_begins_with_the_time)
{
    char a[ID_TEXT + 1] = {0}, b[ID_TEXT + 1] = {0};
    struct id first = id_next(&source, 1469918176385), second = id_next(&source, 1469918176386);
    id_format(&first, a);
    id_format(&second, b);
    ck_assert_int_lt(strcmp(a, b), 0);
    ck_assert_int_eq(strncmp(a, "01ARYZ6S41", 10), 0); /* the example of the ULID specification */
}
END_TEST

/* Bug: 1 + 0xFFFFFFFF was added in 32 bits, so that the id stood still but for its last byte. */
START_TEST(an_id_grows_also_by_the_largest_random_step)
{
    struct id last = id_next(&source, 1000);
    for (int i = 0; i < 32; i++) {
        memset(source.pool, i % 2 ? 0xFF : 0, sizeof source.pool);
        source.pool_left = sizeof source.pool;
        memset(source.pool + sizeof source.pool - 4, 0xFF, 4); /* the step; then the last byte */
        struct id next = id_next(&source, 1000);
        ck_assert(is_before(&last, &next));
        last = next;
    }
}
END_TEST

START_TEST(a_carry_into_the_time_still_grows)
{
    struct id last = id_next(&source, 1000);
    memset(source.last.bytes + 6, 0xFF, 10);
    last = source.last;
    for (int i = 0; i < 100; i++) {
        struct id next = id_next(&source, 1000 + i / 10);
        ck_assert(is_before(&last, &next));
        last = next;
    }
}
END_TEST

START_TEST(two_sources_do_not_agree)
{
    struct id_source other;
    id_source_init(&other);
    for (int i = 0; i < 100; i++) {
        struct id a = id_next(&source, 1000), b = id_next(&other, 1000);
        ck_assert(!id_eq(&a, &b));
    }
}
END_TEST

START_TEST(what_it_formats_it_parses_again)
{
    for (int i = 0; i < 1000; i++) {
        char text[40] = "run_";
        struct id id = id_next(&source, i * 7777777777), back;
        id_format(&id, text + 4);
        ck_assert(id_parse((struct str){text, 4 + ID_TEXT}, STR("run_"), &back));
        ck_assert(id_eq(&id, &back));
        ck_assert_uint_eq(id_hash(&id), id_hash(&back));
    }
    struct id all = {.bytes = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                               0xFF, 0xFF, 0xFF, 0xFF, 0xFF}};
    char text[ID_TEXT];
    id_format(&all, text);
    ck_assert_mem_eq(text, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", ID_TEXT);
}
END_TEST

START_TEST(parses_only_its_own_kind)
{
    static const char *const bad[] = {
        "",
        "run_",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV",     /* no prefix */
        "req_01ARZ3NDEKTSV4RRFFQ69G5FAV", /* another one */
        "RUN_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "run_01ARZ3NDEKTSV4RRFFQ69G5FA",   /* too short */
        "run_01ARZ3NDEKTSV4RRFFQ69G5FAVX", /* too long */
        "run_01ARZ3NDEKTSV4RRFFQ69G5FA ",
        "run_01arz3ndektsv4rrffq69g5fav", /* lower case */
        "run_01ARZ3NDEKTSV4RRFFQ69G5FAI", /* I, L, O, U are no digits */
        "run_01ARZ3NDEKTSV4RRFFQ69G5FAL",
        "run_01ARZ3NDEKTSV4RRFFQ69G5FAO",
        "run_01ARZ3NDEKTSV4RRFFQ69G5FAU",
        "run_81ARZ3NDEKTSV4RRFFQ69G5FAV", /* past 128 bits */
        "run_Z1ARZ3NDEKTSV4RRFFQ69G5FAV",
        "run_01ARZ3NDEKTSV4RRFFQ69G5FA-",
        "run_01ARZ3NDEKTSV4RRFFQ69G5F\xC3\xA9",
    };
    struct id id;
    ck_assert(id_parse(STR("run_01ARZ3NDEKTSV4RRFFQ69G5FAV"), STR("run_"), &id));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!id_parse(str_of(bad[i]), STR("run_"), &id), "%s", bad[i]);
    ck_assert(!id_parse(STR("run_01ARZ3NDEKTSV4RRFFQ69G5FA\0"), STR("run_"), &id));
    ck_assert(!id_parse(STR("run_\0001ARZ3NDEKTSV4RRFFQ69G5FAV"), STR("run_"), &id));
}
END_TEST

Suite *suite_base_id(void)
{
    Suite *s = suite_create("base/id");
    TCase *c = tcase_create("id");
    tcase_add_checked_fixture(c, set_up, NULL);
    tcase_add_test(c, ids_of_one_millisecond_grow);
    tcase_add_test(c, ids_grow_while_the_clock_steps_back);
    tcase_add_test(c, text_orders_as_bytes_do_and_begins_with_the_time);
    tcase_add_test(c, an_id_grows_also_by_the_largest_random_step);
    tcase_add_test(c, a_carry_into_the_time_still_grows);
    tcase_add_test(c, two_sources_do_not_agree);
    tcase_add_test(c, what_it_formats_it_parses_again);
    tcase_add_test(c, parses_only_its_own_kind);
    suite_add_tcase(s, c);
    return s;
}
