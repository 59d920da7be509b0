/* What stands between braces, and following it (API §4); test_template has the many ways to write
 * it wrong. */
#include "model/reference.h"

#include <check.h>

#include "base/mem.h"

Suite *suite_model_reference(void);

static const char *resolve(void *ctx, enum reference_root root, struct str name,
                           struct reference *ret)
{
    (void)ctx;
    ret->up = 3;
    ret->step = root == ROOT_PREV ? 1 : (uint32_t)name.len;
    return str_eq(name, STR("no")) ? "says no" : NULL;
}

static const struct reference_scope scope = {.resolve = resolve};

START_TEST(a_reference_is_read_with_all_that_it_has)
{
    struct arena arena;
    struct reference_reading r;
    struct str text = STR(" steps.draft.output.a[12].b_-\xC3\xA4 | [1, 2] }} and {{more}}");
    arena_init(&arena, 4096);
    ck_assert_int_eq(reference_read(&text, &scope, &arena, &r), OK);
    ck_assert(str_eq(text, STR(" and {{more}}")));
    ck_assert(!r.is_text);
    ck_assert_int_eq(r.reference.source, REFERENCE_OUTPUT);
    ck_assert_uint_eq(r.reference.up, 3);
    ck_assert_uint_eq(r.reference.step, 5);
    ck_assert(str_eq(r.reference.path, STR(".a[12].b_-\xC3\xA4")));
    ck_assert(str_eq(r.reference.fallback, STR("[1,2]")));
    ck_assert(str_eq(r.reference.text, STR("steps.draft.output.a[12].b_-\xC3\xA4")));
    arena_fini(&arena);
}
END_TEST

START_TEST(text_in_quotes_is_text)
{
    struct arena arena;
    struct reference_reading r;
    struct str text = STR("\"a\\u0041}}\"}}b");
    arena_init(&arena, 4096);
    ck_assert_int_eq(reference_read(&text, &scope, &arena, &r), OK);
    ck_assert(r.is_text);
    ck_assert(str_eq(r.text, STR("aA}}")));
    ck_assert(str_eq(text, STR("b")));
    arena_fini(&arena);
}
END_TEST

START_TEST(who_refuses_says_why_and_takes_nothing)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"steps.no.output}}", "says no"},
        {"input", "a reference ends with }}"},
        {"input.}}", "a name is missing behind a dot"},
        {"steps}}", "steps is followed by a step's name"},
        {"steps.a.all}}", "of a step there are output, error and state"},
        {"outputs}}", "refers to nothing that there is"},
        {"input[07]}}", "an index is digits in brackets, without a leading zero"},
        {"input|x}}", "what stands in the braces is not valid JSON where it should be"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena arena;
        struct reference_reading r;
        struct str text = str_of(rows[i].text);
        arena_init(&arena, 4096);
        ck_assert_int_eq(reference_read(&text, &scope, &arena, &r), ERR_INVALID_REQUEST);
        ck_assert_str_eq(r.why, rows[i].why);
        ck_assert(str_eq(text, str_of(rows[i].text)));
        arena_fini(&arena);
    }
    ck_assert_int_eq(mem_live(), 0);
}
END_TEST

START_TEST(a_path_leads_to_a_value_or_nowhere)
{
    static const struct {
        const char *path, *value; /* NULL: nowhere */
        uint64_t steps;
    } rows[] = {{"", "{\"a\":[1,{\"b\":2.0}],\"\xC3\xA4-_\":null,\"7\":7}", 0},
                {".a", "[1,{\"b\":2.0}]", 0},
                {".a[1].b", "2.0", 1},
                {".\xC3\xA4-_", "null", 1},
                {".7", "7", 2},
                {"[7]", NULL, 0},
                {".a[2]", NULL, 0},
                {".a.b", NULL, 0},
                {".a[0].b", NULL, 0},
                {".a[0][0]", NULL, 0},
                {".A", NULL, 3},
                {".as_long_as_sixteen_bytes_and_more", NULL, 9}};
    struct json_doc doc;
    json_doc_init(&doc);
    ck_assert_int_eq(json_parse(&doc, str_of(rows[0].value), NULL), OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t steps = 0;
        struct json v = reference_follow(json_root(&doc), str_of(rows[i].path), &steps);
        ck_assert_uint_eq(steps, rows[i].steps);
        ck_assert_msg(str_eq(json_raw(v), str_of(rows[i].value)), "%s", rows[i].path);
    }
    uint64_t steps = 0;
    ck_assert(!json_exists(reference_follow(JSON_NONE, STR(".a"), &steps)));
    json_doc_fini(&doc);
}
END_TEST

Suite *suite_model_reference(void)
{
    Suite *s = suite_create("model_reference");
    TCase *t = tcase_create("reference");
    tcase_add_test(t, a_reference_is_read_with_all_that_it_has);
    tcase_add_test(t, text_in_quotes_is_text);
    tcase_add_test(t, who_refuses_says_why_and_takes_nothing);
    tcase_add_test(t, a_path_leads_to_a_value_or_nowhere);
    suite_add_tcase(s, t);
    return s;
}
