/* The vocabulary of checks: each finding with its place and code, and checking goes on. */
#include "model/check.h"

#include <check.h>

#include "base/mem.h"
#include "tests/unit/model/findings.h"

Suite *suite_model_check(void);

static struct json_doc doc;
static struct arena arena;
static struct problem problem;
static struct check c;
static const struct doc_path root = {.up = NULL};

static void set_up(void)
{
    json_doc_init(&doc);
    arena_init(&arena, 1 << 20);
    problem_init(&problem);
    c = (struct check){.problem = &problem, .arena = &arena};
}

static void tear_down(void)
{
    json_doc_fini(&doc);
    arena_fini(&arena);
    ck_assert_int_eq(mem_live(), 0);
}

static struct json parse(const char *text)
{
    ck_assert_int_eq(json_parse(&doc, str_of(text), NULL), OK);
    problem_init(&problem);
    return json_root(&doc);
}

/* Nothing was found, or one thing at the root with that code. */
static void assert_found(bool fine, const char *code)
{
    ck_assert_msg(fine == (code == NULL), "%s", findings_text(&problem));
    ck_assert_uint_eq(problem.field_count, code != NULL);
    if (code != NULL)
        ck_assert_str_eq(field_code_name(problem.fields[0].code), code);
}

START_TEST(strings_have_a_length_in_bytes_after_unescaping)
{
    static const struct {
        const char *json, *code, *value;
    } rows[] = {
        {"\"\"", NULL, ""},
        {"\"abcde\"", NULL, "abcde"},
        {"\"abcdef\"", "too_long", NULL},
        {"\"\\u0061\\u0062\\u0063\\u0064\\u0065\"", NULL, "abcde"},
        {"\"\\u0061\\u0062\\u0063\\u0064\\u0065f\"", "too_long", NULL},
        {"\"\xC3\xA4\xC3\xA4\xC3\xA4\"", "too_long", NULL},
        {"7", "wrong_type", NULL},
        {"null", "wrong_type", NULL},
        {"[\"a\"]", "wrong_type", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct str s = STR("before");
        struct json v = parse(rows[i].json);
        assert_found(check_string(&c, v, &root, 5, &s), rows[i].code);
        ck_assert(str_eq(s, rows[i].code ? STR("before") : str_of(rows[i].value)));
    }
}
END_TEST

START_TEST(names_are_of_the_apis_alphabet)
{
    static const struct {
        const char *json, *code;
    } rows[] = {
        {"\"A-z_09\"", NULL},
        {"\"\\u0061\"", NULL},
        {"\"0123456789012345678901234567890123456789012345678901234567890123\"", NULL},
        {"\"01234567890123456789012345678901234567890123456789012345678901234\"", "too_long"},
        {"\"\"", "out_of_range"},
        {"\"a b\"", "out_of_range"},
        {"\"a.b\"", "out_of_range"},
        {"\"a\\u0000\"", "out_of_range"},
        {"\"\xC3\xA4\"", "out_of_range"},
        {"1", "wrong_type"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct str s = STR("before");
        assert_found(check_name(&c, parse(rows[i].json), &root, &s), rows[i].code);
        ck_assert_int_eq(str_eq(s, STR("before")), rows[i].code != NULL);
    }
}
END_TEST

START_TEST(integers_have_bounds_and_no_fraction)
{
    static const struct {
        const char *json, *code;
        int64_t value;
    } rows[] = {
        {"1", NULL, 1},
        {"10", NULL, 10},
        {"1e1", NULL, 10},
        {"10.0", NULL, 10},
        {"0", "out_of_range", 0},
        {"11", "out_of_range", 0},
        {"-1", "out_of_range", 0},
        {"1e300", "out_of_range", 0},
        {"5.5", "wrong_type", 0},
        {"\"5\"", "wrong_type", 0},
        {"null", "wrong_type", 0},
        {"true", "wrong_type", 0},
        {"99999999999999999999", "out_of_range", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t n = -7;
        assert_found(check_int(&c, parse(rows[i].json), &root, 1, 10, &n), rows[i].code);
        ck_assert_int_eq(n, rows[i].code ? -7 : rows[i].value);
    }
    int64_t n;
    ck_assert(!check_int(&c, parse("0"), &root, 1, INT64_MAX, &n));
    ck_assert_str_eq(problem.fields[0].detail, "must be between 1 and 9223372036854775807");
}
END_TEST

START_TEST(doubles_have_bounds)
{
    static const struct {
        const char *json, *code;
        double value;
    } rows[] = {
        {"1", NULL, 1},
        {"2.5", NULL, 2.5},
        {"1.0000000001", NULL, 1.0000000001},
        {"0.999999", "out_of_range", 0},
        {"2.500001", "out_of_range", 0},
        {"\"2\"", "wrong_type", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double d = -7;
        assert_found(check_double(&c, parse(rows[i].json), &root, 1, 2.5, &d), rows[i].code);
        ck_assert_double_eq(d, rows[i].code ? -7 : rows[i].value);
    }
}
END_TEST

START_TEST(booleans_are_true_or_false)
{
    bool b = false;
    assert_found(check_bool(&c, parse("true"), &root, &b), NULL);
    ck_assert(b);
    assert_found(check_bool(&c, parse("1"), &root, &b), "wrong_type");
    assert_found(check_bool(&c, parse("\"true\""), &root, &b), "wrong_type");
    ck_assert(b);
    assert_found(check_bool(&c, parse("false"), &root, &b), NULL);
    ck_assert(!b);
}
END_TEST

START_TEST(an_enum_says_what_it_takes)
{
    static const char *const values[] = {"full", "none", NULL};
    int i = -7;
    assert_found(check_enum(&c, parse("\"n\\u006fne\""), &root, values, &i), NULL);
    ck_assert_int_eq(i, 1);
    assert_found(check_enum(&c, parse("\"None\""), &root, values, &i), "not_in_enum");
    ck_assert_str_eq(problem.fields[0].detail, "must be one of \"full\", \"none\"");
    assert_found(check_enum(&c, parse("null"), &root, values, &i), "wrong_type");
    ck_assert_int_eq(i, 1);
    static const char *const many[] = {
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
        "ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc", NULL};
    assert_found(check_enum(&c, parse("\"d\""), &root, many, &i), "not_in_enum");
    ck_assert_str_eq(problem.fields[0].detail, "is none of the allowed values");
}
END_TEST

/* --- objects ---------------------------------------------------------------------------------- */

struct pair {
    int64_t a, b;
};

static void on_a(struct check *check, struct json v, const struct doc_path *at, void *out)
{
    struct pair *p = out;
    (void)check_int(check, v, at, 0, 9, &p->a);
}

static void on_b(struct check *check, struct json v, const struct doc_path *at, void *out)
{
    struct pair *p = out;
    (void)check_int(check, v, at, 0, 9, &p->b);
}

static const struct check_rule rules[] = {{"a", on_a}, {"b", on_b}};

START_TEST(members_are_judged_in_document_order)
{
    static const struct {
        const char *json, *findings;
        int64_t a, b;
    } rows[] = {
        {"{}", "ok", 0, 0},
        {"{\"b\":2,\"a\":1}", "ok", 1, 2},
        {"{\"\\u0061\":1}", "ok", 1, 0},
        {"{\"b\":[],\"x\":1,\"a\":99}",
         "invalid_request: /b wrong_type, /x unknown_field, /a out_of_range", 0, 0},
        {"{\"A\":1,\"\":2,\"a/b\":3,\"t\\u00e4\":4}",
         "invalid_request: /A unknown_field, / unknown_field, /a~1b unknown_field, /t\xC3\xA4 unknown_field",
         0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pair p = {0};
        struct json v = parse(rows[i].json);
        ck_assert(check_object(&c, v, &root));
        check_members(&c, v, &root, rules, 2, &p);
        ck_assert_str_eq(findings_text(&problem), rows[i].findings);
        ck_assert(p.a == rows[i].a && p.b == rows[i].b);
    }
}
END_TEST

START_TEST(what_is_no_object_is_told_at_itself)
{
    static const char *const others[] = {"[]", "null", "1", "\"x\"", "true"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_found(check_object(&c, parse(others[i]), &root), "wrong_type");
}
END_TEST

START_TEST(a_missing_member_is_told_where_it_should_be)
{
    struct doc_path task = doc_path_name(&root, STR("task"));
    check_missing(&c, &task, "type");
    ck_assert_str_eq(findings_text(&problem), "invalid_request: /task/type missing");
}
END_TEST

START_TEST(no_memory_is_no_finding)
{
    struct str s = STR("before");
    struct json v = parse("\"\\u0061\"");
    arena_fini(&arena);
    arena_init(&arena, 0);
    ck_assert(!check_string(&c, v, &root, 5, &s));
    ck_assert(c.no_memory);
    ck_assert_uint_eq(problem.found, 0);
    ck_assert(str_eq(s, STR("before")));
}
END_TEST

START_TEST(a_body_that_is_no_json_is_told_with_its_place)
{
    ck_assert_int_eq(check_parse(&doc, STR("{\n \"a\": x}"), &problem), ERR_INVALID_JSON);
    ck_assert_int_eq(problem.code, ERR_INVALID_JSON);
    ck_assert_uint_eq(problem.line, 2);
    ck_assert_uint_eq(problem.column, 7);
    ck_assert_str_ne(problem.detail, "");
    problem_init(&problem);
    ck_assert_int_eq(check_parse(&doc, STR(" {} "), &problem), OK);
    ck_assert_int_eq(problem.code, OK);
}
END_TEST

START_TEST(a_body_of_too_many_values_is_too_large)
{
    doc.max_tokens = 3;
    ck_assert_int_eq(check_parse(&doc, STR("[1,2]"), &problem), OK);
    ck_assert_int_eq(check_parse(&doc, STR("[1,2,3]"), &problem), ERR_BODY_TOO_LARGE);
    ck_assert_int_eq(problem.code, ERR_BODY_TOO_LARGE);
    ck_assert_uint_eq(problem.line, 0);
}
END_TEST

START_TEST(a_body_for_which_there_is_no_memory_is_not_judged)
{
    mem_fail_nth(1);
    ck_assert_int_eq(check_parse(&doc, STR("[1"), &problem), ERR_NOMEM);
    mem_fail_nth(0);
    ck_assert_int_eq(problem.code, OK);
}
END_TEST

Suite *suite_model_check(void)
{
    Suite *s = suite_create("model_check");
    TCase *t = tcase_create("check");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, strings_have_a_length_in_bytes_after_unescaping);
    tcase_add_test(t, names_are_of_the_apis_alphabet);
    tcase_add_test(t, integers_have_bounds_and_no_fraction);
    tcase_add_test(t, doubles_have_bounds);
    tcase_add_test(t, booleans_are_true_or_false);
    tcase_add_test(t, an_enum_says_what_it_takes);
    tcase_add_test(t, members_are_judged_in_document_order);
    tcase_add_test(t, what_is_no_object_is_told_at_itself);
    tcase_add_test(t, a_missing_member_is_told_where_it_should_be);
    tcase_add_test(t, no_memory_is_no_finding);
    tcase_add_test(t, a_body_that_is_no_json_is_told_with_its_place);
    tcase_add_test(t, a_body_of_too_many_values_is_too_large);
    tcase_add_test(t, a_body_for_which_there_is_no_memory_is_not_judged);
    suite_add_tcase(s, t);
    return s;
}
