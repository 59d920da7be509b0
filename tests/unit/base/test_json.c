/* Cursors: finding things in what was parsed, and pointers. */
#include "base/json.h"

#include <check.h>

#include "base/mem.h"

Suite *suite_base_json(void);

static struct json_doc doc;
static struct arena arena;

static void set_up(void)
{
    json_doc_init(&doc);
    arena_init(&arena, 1 << 20);
}

static void tear_down(void)
{
    arena_fini(&arena);
    json_doc_fini(&doc);
    ck_assert_int_eq(mem_live(), 0);
}

static struct json parsed(const char *text)
{
    struct json_fault f = {0};
    enum err e = json_parse(&doc, str_of(text), &f);
    ck_assert_msg(e == OK, "%s: %s at %zu", text, f.what, f.offset);
    return json_root(&doc);
}

static void assert_str(struct str s, const char *expected)
{
    ck_assert_msg(str_eq(s, str_of(expected)), "\"%.*s\" is not \"%s\"", STR_ARG(s), expected);
}

START_TEST(knows_the_type_of_everything)
{
    static const struct {
        const char *text, *name;
        enum json_type type;
    } rows[] = {
        {"null", "null", JSON_NULL},      {"true", "boolean", JSON_TRUE},
        {"false", "boolean", JSON_FALSE}, {"1", "number", JSON_NUMBER},
        {"\"\"", "string", JSON_STRING},  {"[]", "array", JSON_ARRAY},
        {"{}", "object", JSON_OBJECT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct json v = parsed(rows[i].text);
        ck_assert_int_eq(json_type(v), rows[i].type);
        ck_assert_str_eq(json_type_name(json_type(v)), rows[i].name);
        ck_assert_int_eq(json_is(v, rows[i].type), true);
        ck_assert_int_eq(json_is_bool(v), rows[i].type == JSON_TRUE || rows[i].type == JSON_FALSE);
    }
}
END_TEST

START_TEST(nothing_comes_of_nothing)
{
    struct str s;
    double number;
    struct json none = JSON_NONE;
    ck_assert_int_eq(json_exists(json_root(&doc)), false);
    ck_assert_int_eq(json_exists(none), false);
    ck_assert_int_eq(json_is(none, JSON_NULL), false);
    ck_assert_int_eq(json_is_bool(none), false);
    ck_assert_ptr_null(json_raw(none).at);
    ck_assert_uint_eq(json_count(none), 0);
    ck_assert_int_eq(json_exists(json_get_lit(none, "a")), false);
    ck_assert_int_eq(json_exists(json_first(none)), false);
    ck_assert_int_eq(json_exists(json_first_member(none).value), false);
    ck_assert_int_eq(json_exists(json_pointer(none, STR(""))), false);
    ck_assert_int_eq(json_string(none, &arena, &s), false);
    ck_assert_int_eq(json_string_is(none, STR("")), false);
    ck_assert_int_eq(json_double(none, &number), false);
}
END_TEST

START_TEST(finds_a_member_by_its_name)
{
    struct json v = parsed("{\"a\":1,\"b\":{\"a\":2,\"\":3},\"long name\":4,\"A\":5,\"e\":[6]}");
    assert_str(json_raw(json_get_lit(v, "a")), "1");
    assert_str(json_raw(json_get_lit(v, "A")), "5");
    assert_str(json_raw(json_get_lit(v, "long name")), "4");
    assert_str(json_raw(json_get_lit(v, "e")), "[6]");
    assert_str(json_raw(json_get_lit(json_get_lit(v, "b"), "a")), "2");
    assert_str(json_raw(json_get(json_get_lit(v, "b"), STR_NONE)), "3");
    ck_assert_int_eq(json_exists(json_get_lit(v, "c")), false);
    ck_assert_int_eq(json_exists(json_get_lit(v, "aa")), false);
    ck_assert_int_eq(json_exists(json_get_lit(v, "")), false);
    ck_assert_int_eq(json_exists(json_get_lit(json_get_lit(v, "a"), "a")), false);
    ck_assert_int_eq(json_exists(json_get_lit(json_get_lit(v, "e"), "a")), false);
    ck_assert_int_eq(json_exists(json_get_lit(parsed("{}"), "a")), false);
}
END_TEST

START_TEST(finds_a_member_whose_name_is_escaped)
{
    struct json v =
        parsed("{\"\\u0061b\":1,\"q\\\"\":2,\"\\u0000\":3,\"\\ud83d\\ude00\":4,\"x\\n\":5}");
    assert_str(json_raw(json_get_lit(v, "ab")), "1");
    assert_str(json_raw(json_get_lit(v, "q\"")), "2");
    assert_str(json_raw(json_get_lit(v, "\0")), "3");
    assert_str(json_raw(json_get_lit(v, "\xF0\x9F\x98\x80")), "4");
    ck_assert_int_eq(json_exists(json_get_lit(v, "a")), false);
    ck_assert_int_eq(json_exists(json_get_lit(v, "abc")), false);
    ck_assert_int_eq(json_exists(json_get_lit(v, "\\u0061b")), false);
    ck_assert_int_eq(json_exists(json_get_lit(v, "x")), false);
    ck_assert_int_eq(json_exists(json_get_lit(v, "x\n\n")), false);
}
END_TEST

START_TEST(walks_elements_in_order)
{
    struct json v = parsed("[1, [2, 3], {\"a\": [4]}, \"5\"]");
    static const char *const expected[] = {"1", "[2, 3]", "{\"a\": [4]}", "\"5\""};
    uint32_t n = 0;
    for (struct json e = json_first(v); json_exists(e); e = json_next(v, e))
        assert_str(json_raw(e), expected[n++]);
    ck_assert_uint_eq(n, 4);
    ck_assert_uint_eq(json_count(v), 4);
    ck_assert_int_eq(json_exists(json_first(parsed("[]"))), false);
    ck_assert_int_eq(json_exists(json_first(parsed("{\"a\":1}"))), false);
    ck_assert_int_eq(json_exists(json_first(parsed("\"a\""))), false);
}
END_TEST

START_TEST(walks_members_in_order)
{
    struct json v = parsed("{\"z\":1,\"a\":{\"b\":2,\"c\":[]},\"m\":[1,2]}");
    static const char *const names[] = {"\"z\"", "\"a\"", "\"m\""};
    static const char *const values[] = {"1", "{\"b\":2,\"c\":[]}", "[1,2]"};
    uint32_t n = 0;
    for (struct json_member m = json_first_member(v); json_exists(m.value);
         m = json_next_member(v, m), n++) {
        assert_str(json_raw(m.name), names[n]);
        assert_str(json_raw(m.value), values[n]);
    }
    ck_assert_uint_eq(n, 3);
    ck_assert_uint_eq(json_count(v), 3);
    ck_assert_int_eq(json_exists(json_first_member(parsed("{}")).value), false);
    ck_assert_int_eq(json_exists(json_first_member(parsed("[1]")).value), false);
}
END_TEST

START_TEST(unescapes_a_string)
{
    static const struct {
        const char *text;
        struct str value;
    } rows[] = {
        {"\"\"", {"", 0}},
        {"\"plain\"", {"plain", 5}},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", {"\"\\/\b\f\n\r\t", 8}},
        {"\"a\\u0000b\"", {"a\0b", 3}},
        {"\"\\u00e9\\u20AC\"", {"\xC3\xA9\xE2\x82\xAC", 5}},
        {"\"<\\uD83D\\uDE00>\"", {"<\xF0\x9F\x98\x80>", 6}},
        {"\"\\ud800\\udc00\\uDBFF\\uDFFF\"", {"\xF0\x90\x80\x80\xF4\x8F\xBF\xBF", 8}},
        {"\"long runs before \\n and after it \\u0041 here\"",
         {"long runs before \n and after it A here", 38}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct json v = parsed(rows[i].text);
        struct str s = STR_NONE;
        ck_assert(json_string(v, &arena, &s));
        ck_assert_msg(str_eq(s, rows[i].value), "%s", rows[i].text);
        ck_assert(json_string_is(v, rows[i].value));
        ck_assert(!json_string_is(v, STR("something else")));
        if (s.len > 0)
            ck_assert(!json_string_is(v, (struct str){s.at, s.len - 1}));
    }
    struct str s;
    ck_assert(!json_string(parsed("1"), &arena, &s));
    ck_assert(!json_string_is(parsed("1"), STR("1")));
}
END_TEST

START_TEST(a_string_without_escapes_is_a_view_into_the_text)
{
    static const char text[] = "[\"view\"]";
    struct json v = json_first(parsed(text));
    struct str s = STR_NONE;
    ck_assert(json_string(v, NULL, &s));
    ck_assert_ptr_eq(s.at, text + 2);
    ck_assert_uint_eq(s.len, 4);
}
END_TEST

START_TEST(unescaping_without_memory_fails)
{
    struct str s;
    struct json v = parsed("\"\\n\"");
    mem_fail_nth(1);
    ck_assert(!json_string(v, &arena, &s));
    mem_fail_nth(0);
    ck_assert(json_string(v, &arena, &s));
}
END_TEST

START_TEST(follows_a_pointer)
{
    /* RFC 6901, section 5, and what is not said there. */
    static const char text[] =
        "{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"c%d\":2,\"e^f\":3,\"g|h\":4,\"i\\\\j\":5,"
        "\"k\\\"l\":6,\" \":7,\"m~n\":8,\"~1\":9,\"0\":10,\"o\":{\"\\u002f~\":{\"\":11}}}";
    static const struct {
        const char *pointer, *raw; /* NULL: there is none */
    } rows[] = {
        {"/foo", "[\"bar\",\"baz\"]"},
        {"/foo/0", "\"bar\""},
        {"/foo/1", "\"baz\""},
        {"/", "0"},
        {"/a~1b", "1"},
        {"/c%d", "2"},
        {"/e^f", "3"},
        {"/g|h", "4"},
        {"/i\\j", "5"},
        {"/k\"l", "6"},
        {"/ ", "7"},
        {"/m~0n", "8"},
        {"/~01", "9"},
        {"/0", "10"},
        {"/o/~1~0/", "11"},
        {"/foo/2", NULL},
        {"/foo/-", NULL},
        {"/foo/00", NULL},
        {"/foo/01", NULL},
        {"/foo/+1", NULL},
        {"/foo/1.0", NULL},
        {"/foo/", NULL},
        {"/foo/4294967296", NULL},
        {"/foo/18446744073709551616", NULL},
        {"/foo/0/0", NULL},
        {"/nothing", NULL},
        {"/nothing/0", NULL},
        {"/m~n", NULL},
        {"/m~2n", NULL},
        {"/m~", NULL},
        {"foo", NULL},
        {"0", NULL},
        {"#/foo", NULL},
    };
    struct json v = parsed(text);
    assert_str(json_raw(json_pointer(v, STR(""))), text);
    assert_str(json_raw(json_pointer(v, STR_NONE)), text);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct json hit = json_pointer(v, str_of(rows[i].pointer));
        ck_assert_msg(json_exists(hit) == (rows[i].raw != NULL), "%s", rows[i].pointer);
        if (rows[i].raw != NULL)
            assert_str(json_raw(hit), rows[i].raw);
    }
}
END_TEST

START_TEST(writes_a_pointer_that_leads_back)
{
    static const char *const names[] = {"a", "", "a/b", "m~n", "~1", "/", "~", "~~//", "0"};
    struct buf b;
    buf_init(&b, 1000);
    json_pointer_add_name(&b, STR("a~/b"));
    json_pointer_add_index(&b, 12);
    json_pointer_add_name(&b, STR_NONE);
    assert_str(buf_str(&b), "/a~0~1b/12/");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct buf text;
        buf_init(&text, 1000);
        buf_addf(&text, "{\"x\":[0,{\"%s\":\"here\"}]}", names[i]);
        ck_assert_int_eq(json_parse(&doc, buf_str(&text), NULL), OK);
        buf_clear(&b);
        json_pointer_add_name(&b, STR("x"));
        json_pointer_add_index(&b, 1);
        json_pointer_add_name(&b, str_of(names[i]));
        ck_assert(json_string_is(json_pointer(json_root(&doc), buf_str(&b)), STR("here")));
        buf_fini(&text);
    }
    buf_fini(&b);
}
END_TEST

Suite *suite_base_json(void)
{
    Suite *s = suite_create("base/json");
    TCase *c = tcase_create("cursors");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, knows_the_type_of_everything);
    tcase_add_test(c, nothing_comes_of_nothing);
    tcase_add_test(c, finds_a_member_by_its_name);
    tcase_add_test(c, finds_a_member_whose_name_is_escaped);
    tcase_add_test(c, walks_elements_in_order);
    tcase_add_test(c, walks_members_in_order);
    tcase_add_test(c, unescapes_a_string);
    tcase_add_test(c, a_string_without_escapes_is_a_view_into_the_text);
    tcase_add_test(c, unescaping_without_memory_fails);
    tcase_add_test(c, follows_a_pointer);
    tcase_add_test(c, writes_a_pointer_that_leads_back);
    suite_add_tcase(s, c);
    return s;
}
