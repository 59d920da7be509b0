/* Looking values up: once each, and not without end. */
#include "model/lookup.h"

#include <check.h>
#include <stdio.h>

#include "tests/unit/base/oom.h"

Suite *suite_model_lookup(void);

enum { VALUES = 100 };

static struct json_doc tape;
static struct lookup lookup;

static void set_up(void)
{
    json_doc_init(&tape);
    lookup_init(&lookup, &tape);
}

static void tear_down(void)
{
    lookup_fini(&lookup);
    json_doc_fini(&tape);
    ck_assert_int_eq(mem_live(), 0);
}

START_TEST(each_of_many_values_is_parsed_once)
{
    char texts[VALUES][8];
    struct json v;
    for (int i = 0; i < VALUES; i++)
        snprintf(texts[i], sizeof texts[i], "[%d]", i);
    for (int i = 0; i < 3 * VALUES; i++) {
        struct str raw = str_of(texts[i % VALUES]);
        ck_assert_int_eq(lookup_open(&lookup, raw, &v), OK);
        ck_assert(str_eq(json_raw(v), raw));
    }
    ck_assert_uint_eq(lookup.parses, VALUES);
    ck_assert_uint_eq(lookup.tokens, 2 * VALUES);
}
END_TEST

START_TEST(all_values_together_have_so_many_tokens_at_most)
{
    struct json v;
    lookup.tokens = LOOKUP_TOKENS_MAX - 3;
    ck_assert_int_eq(lookup_open(&lookup, STR("[1,2]"), &v), OK);
    ck_assert_int_eq(lookup_open(&lookup, STR("3"), &v), ERR_LIMIT);
}
END_TEST

START_TEST(all_ways_together_have_so_many_steps_at_most)
{
    struct json v;
    ck_assert_int_eq(lookup_open(&lookup, STR("[1,2,3]"), &v), OK);
    lookup.steps = LOOKUP_STEPS_MAX - 2;
    ck_assert_int_eq(lookup_follow(&lookup, v, STR("[2]"), &v), OK);
    ck_assert(str_eq(json_raw(v), STR("3")));
    ck_assert_int_eq(lookup_open(&lookup, STR("[4,5]"), &v), OK);
    ck_assert_int_eq(lookup_follow(&lookup, v, STR("[1]"), &v), ERR_LIMIT);
}
END_TEST

START_TEST(what_is_too_deep_cannot_be_read)
{
    char deep[2 * (JSON_MAX_DEPTH + 1)];
    struct json v;
    memset(deep, '[', sizeof deep / 2);
    memset(deep + sizeof deep / 2, ']', sizeof deep / 2);
    ck_assert_int_eq(lookup_open(&lookup, STR("1"), &v), OK);
    ck_assert_int_eq(lookup_open(&lookup, (struct str){deep, sizeof deep}, &v), ERR_INVALID_JSON);
}
END_TEST

static enum err open_some(void *arg)
{
    static const char *const texts[] = {"1", "[2]", "[3]"};
    struct json_doc own;
    struct lookup l;
    enum err e = OK;
    (void)arg;
    json_doc_init(&own);
    lookup_init(&l, &own);
    for (size_t i = 0; e == OK && i < sizeof texts / sizeof texts[0]; i++) {
        struct json v;
        e = lookup_open(&l, str_of(texts[i]), &v);
    }
    lookup_fini(&l);
    json_doc_fini(&own);
    return e;
}

START_TEST(without_memory_nothing_is_left_behind)
{
    ck_assert_uint_gt(oom_rounds(open_some, NULL), 4);
}
END_TEST

Suite *suite_model_lookup(void)
{
    Suite *s = suite_create("model_lookup");
    TCase *t = tcase_create("lookup");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, each_of_many_values_is_parsed_once);
    tcase_add_test(t, all_values_together_have_so_many_tokens_at_most);
    tcase_add_test(t, all_ways_together_have_so_many_steps_at_most);
    tcase_add_test(t, what_is_too_deep_cannot_be_read);
    tcase_add_test(t, without_memory_nothing_is_left_behind);
    suite_add_tcase(s, t);
    return s;
}
