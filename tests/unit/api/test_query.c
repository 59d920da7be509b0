/* The query of a URI: what is taken, how it is decoded, what is refused and with which words. */
#include "api/query.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

Suite *suite_api_query(void);

static struct query q;
static struct error error;

static const char *const allowed[] = {"a", "b", "limit", "follow", "metadata.", NULL};

static enum err parse(const char *text)
{
    return query_parse(&q, str_of(text), allowed, &error);
}

static void finish(void)
{
    query_fini(&q);
    ck_assert_int_eq(mem_live(), 0);
}

/* --- decoding --------------------------------------------------------------------------------- */

static const struct {
    const char *text, *name, *value;
} taken[] = {
    {"a=x", "a", "x"},
    {"a=", "a", ""},
    {"a", "a", ""},
    {"a=b=c", "a", "b=c"},
    {"a=%3D%26%25%2B", "a", "=&%+"},
    {"%61=x", "a", "x"},
    {"a=x%20y", "a", "x y"},
    {"a=x+y+", "a", "x y "}, /* nothing was found by a key or value with a space in it */
    {"metadata.team=blue", "metadata.team", "blue"},
    {"metadata.%74eam=blue", "metadata.team", "blue"},
    {"metadata%2Eteam=blue", "metadata.team", "blue"},
    {"metadata.odd+key%2F%C3%A9=a%3Db%26c+d", "metadata.odd key/\u00e9", "a=b&c d"},
    {"metadata.odd%20key=%C3%BC", "metadata.odd key", "\u00fc"},
    {"metadata.\u00e9=\u00fc", "metadata.\u00e9", "\u00fc"},
    {"metadata.a%2Bb=1", "metadata.a+b", "1"},
    {"metadata..=1", "metadata..", "1"},
    {"&&a=x&", "a", "x"},
    {"a=%f0%9f%98%80", "a", "\xf0\x9f\x98\x80"},
    {"a=%7e%7E", "a", "~~"},
};

START_TEST(names_and_values_are_decoded)
{
    ck_assert_msg(parse(taken[_i].text) == OK, "%s", taken[_i].text);
    ck_assert_uint_eq(q.count, 1);
    struct str value = query_get(&q, taken[_i].name);
    ck_assert_ptr_nonnull(value.at);
    ck_assert_msg(str_eq(value, str_of(taken[_i].value)), "%s: %.*s", taken[_i].text,
                  STR_ARG(value));
    finish();
}
END_TEST

static const char *const refused[] = {
    "c=1",         /* not known here */
    "A=1",         /* names have their case */
    "=1",          /* no name */
    "metadata.=1", /* no key */
    "metadata=1",  "a=1&a=1",    "a=1&%61=2", "metadata.k=1&metadata.%6b=2",
    "a=%",         "a=%4",       "a=%zz",     "a=%4z",
    "a=%00",       "a%00=1",     "a=%ff",     "a=%C3",
    "a=%C0%80",    "a=%ED%A0%80" /* what is no UTF-8 */
};

START_TEST(what_is_unknown_repeated_or_badly_encoded_is_refused)
{
    error.message[0] = '\0';
    ck_assert_msg(parse(refused[_i]) == ERR_INVALID_QUERY, "%s", refused[_i]);
    ck_assert_uint_gt(strlen(error.message), 0);
    finish();
}
END_TEST

START_TEST(where_no_name_is_allowed_none_is_taken)
{
    ck_assert_int_eq(query_parse(&q, STR(""), NULL, &error), OK);
    query_fini(&q);
    ck_assert_int_eq(query_parse(&q, STR("&"), NULL, &error), OK);
    query_fini(&q);
    ck_assert_int_eq(query_parse(&q, STR("a=1"), NULL, &error), ERR_INVALID_QUERY);
    finish();
}
END_TEST

START_TEST(so_many_parameters_and_no_more)
{
    char text[QUERY_MAX * 24 + 24];
    size_t n = 0;
    for (int i = 0; i < QUERY_MAX; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "metadata.%d=1&", i);
    ck_assert_int_eq(parse(text), OK);
    ck_assert_uint_eq(q.count, QUERY_MAX);
    query_fini(&q);
    snprintf(text + n, sizeof text - n, "a=1");
    ck_assert_int_eq(parse(text), ERR_INVALID_QUERY);
    finish();
}
END_TEST

START_TEST(what_was_not_given_is_none)
{
    ck_assert_int_eq(parse("a="), OK);
    ck_assert_ptr_null(query_get(&q, "b").at);
    ck_assert_ptr_null(query_get(&q, "").at);
    ck_assert_uint_eq(query_get(&q, "a").len, 0);
    finish();
}
END_TEST

/* --- numbers and truths ----------------------------------------------------------------------- */

static const struct {
    const char *text;
    bool is_fine;
    uint64_t value;
} numbers[] = {
    {"", true, 50},
    {"limit=1", true, 1},
    {"limit=200", true, 200},
    {"limit=0", false, 0},
    {"limit=201", false, 0},
    {"limit=", false, 0},
    {"limit=x", false, 0},
    {"limit=1.0", false, 0},
    {"limit=-1", false, 0},
    {"limit=%2B1", false, 0},
    {"limit=+1", false, 0},
    {"limit=1%20", false, 0},
    {"limit=18446744073709551617", false, 0},
    {"limit=0x10", false, 0},
};

START_TEST(a_number_is_within_its_bounds)
{
    uint64_t value = 0;
    ck_assert_int_eq(parse(numbers[_i].text), OK);
    enum err e = query_int(&q, "limit", 1, 200, 50, &value, &error);
    ck_assert_msg((e == OK) == numbers[_i].is_fine, "%s", numbers[_i].text);
    if (e == OK)
        ck_assert_uint_eq(value, numbers[_i].value);
    else
        ck_assert_int_eq(e, ERR_INVALID_QUERY);
    finish();
}
END_TEST

static const struct {
    const char *text;
    bool is_fine, value;
} truths[] = {
    {"", true, true},
    {"follow=true", true, true},
    {"follow=false", true, false},
    {"follow=", false, false},
    {"follow", false, false},
    {"follow=1", false, false},
    {"follow=True", false, false},
};

START_TEST(a_truth_is_true_or_false)
{
    bool value = false;
    ck_assert_int_eq(parse(truths[_i].text), OK);
    enum err e = query_bool(&q, "follow", true, &value, &error);
    ck_assert_msg((e == OK) == truths[_i].is_fine, "%s", truths[_i].text);
    if (e == OK)
        ck_assert(value == truths[_i].value);
    finish();
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

Suite *suite_api_query(void)
{
    Suite *s = suite_create("api/query");
    TCase *t = tcase_create("query");
    tcase_add_loop_test(t, names_and_values_are_decoded, 0, COUNT(taken));
    tcase_add_loop_test(t, what_is_unknown_repeated_or_badly_encoded_is_refused, 0, COUNT(refused));
    tcase_add_test(t, where_no_name_is_allowed_none_is_taken);
    tcase_add_test(t, so_many_parameters_and_no_more);
    tcase_add_test(t, what_was_not_given_is_none);
    tcase_add_loop_test(t, a_number_is_within_its_bounds, 0, COUNT(numbers));
    tcase_add_loop_test(t, a_truth_is_true_or_false, 0, COUNT(truths));
    suite_add_tcase(s, t);
    return s;
}
