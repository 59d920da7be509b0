/* Mutable documents: what goes in comes out, exactly. */
#include "base/json_tree.h"

#include <check.h>

#include "base/mem.h"
#include "tests/unit/base/oom.h"

Suite *suite_base_json_tree(void);

static struct buf out;

static void set_up(void)
{
    buf_init(&out, 1 << 16);
}

static void tear_down(void)
{
    buf_fini(&out);
    ck_assert_int_eq(mem_live(), 0);
}

static void assert_printed(struct json_tree *t, unsigned indent, const char *expected)
{
    buf_clear(&out);
    ck_assert_int_eq(json_tree_print(t, indent, &out), OK);
    ck_assert_msg(str_eq(buf_str(&out), str_of(expected)), "%.*s", (int)out.len, out.data);
}

static struct json_tree *parsed(const char *text)
{
    struct json_tree *t = NULL;
    struct json_fault f = {0};
    enum err e = json_tree_parse(str_of(text), &f, &t);
    ck_assert_msg(e == OK, "%s: %s at %zu", text, f.what, f.offset);
    return t;
}

START_TEST(prints_what_it_parsed)
{
    static const char *const rows[] = {
        "null",
        "true",
        "false",
        "0",
        "\"\"",
        "[]",
        "{}",
        "[1,2,[3,{}],null]",
        "{\"a\":{\"b\":[true,false,\"c\\n\\\"\"]},\"\":\"\xC3\xA9\"}",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct json_tree *t = parsed(rows[i]);
        assert_printed(t, 0, rows[i]);
        json_tree_destroy(t);
    }
}
END_TEST

START_TEST(numbers_keep_their_value)
{
    static const struct {
        const char *text, *printed;
    } rows[] = {
        {"1", "1"},
        {"-0", "-0"},
        {"1.0", "1"},
        {"1e2", "100"},
        {"0.1", "0.1"},
        {"9007199254740992", "9007199254740992"},
        {"9007199254740993", "9007199254740993"},
        {"18446744073709551615", "18446744073709551615"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"123456789012345678901234567890", "123456789012345678901234567890"},
        {"0.1234567890123456789", "0.1234567890123456789"},
        {"1e-400", "1e-400"},
        {"3.0e300", "3e+300"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct json_tree *t = parsed(rows[i].text);
        assert_printed(t, 0, rows[i].printed);
        json_tree_destroy(t);
    }
}
END_TEST

START_TEST(indents)
{
    struct json_tree *t = parsed("{\"a\":[1,{\"b\":null}],\"c\":{},\"d\":[],\"e\":\"x\"}");
    assert_printed(t, 2,
                   "{\n"
                   "  \"a\": [\n"
                   "    1,\n"
                   "    {\n"
                   "      \"b\": null\n"
                   "    }\n"
                   "  ],\n"
                   "  \"c\": {},\n"
                   "  \"d\": [],\n"
                   "  \"e\": \"x\"\n"
                   "}");
    json_tree_destroy(t);
}
END_TEST

START_TEST(builds_with_every_kind_of_value)
{
    struct json_tree *t = json_tree_object(), *list = json_tree_array();
    json_tree_add_str(t, "str", STR("a\"b"));
    json_tree_add_str(t, "none", STR_NONE);
    json_tree_add_int(t, "small", -7);
    json_tree_add_int(t, "min", INT64_MIN);
    json_tree_add_int(t, "max", INT64_MAX);
    json_tree_add_int(t, "odd", 9007199254740993);
    json_tree_add_double(t, "double", 0.25);
    json_tree_add_bool(t, "yes", true);
    json_tree_add_bool(t, "no", false);
    json_tree_add_null(t, "null");
    json_tree_append_str(list, STR("x"));
    json_tree_append(list, json_tree_object());
    json_tree_add(t, "list", list);
    assert_printed(t, 0,
                   "{\"str\":\"a\\\"b\",\"none\":\"\",\"small\":-7,\"min\":-9223372036854775808,"
                   "\"max\":9223372036854775807,\"odd\":9007199254740993,\"double\":0.25,"
                   "\"yes\":true,\"no\":false,\"null\":null,\"list\":[\"x\",{}]}");
    json_tree_destroy(t);
}
END_TEST

START_TEST(finds_a_member_case_sensitively)
{
    struct json_tree *t = parsed("{\"A\":1,\"a\":{\"b\":2},\"l\":[1]}");
    assert_printed(json_tree_get(t, "A"), 0, "1");
    assert_printed(json_tree_get(json_tree_get(t, "a"), "b"), 0, "2");
    ck_assert_ptr_null(json_tree_get(t, "L"));
    ck_assert_ptr_null(json_tree_get(json_tree_get(t, "l"), "0"));
    ck_assert_ptr_null(json_tree_get(json_tree_get(t, "A"), "a"));
    ck_assert_ptr_null(json_tree_get(NULL, "a"));
    json_tree_add_bool(json_tree_get(t, "a"), "c", true);
    assert_printed(t, 0, "{\"A\":1,\"a\":{\"b\":2,\"c\":true},\"l\":[1]}");
    json_tree_destroy(t);
}
END_TEST

START_TEST(refuses_what_the_scanner_refuses)
{
    static const char *const rows[] = {"", "{\"a\":1,\"a\":2}", "[1,]", "1e400", "\"\xFF\"", "nul"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct json_tree *t = NULL;
        ck_assert_int_eq(json_tree_parse(str_of(rows[i]), NULL, &t), ERR_INVALID_JSON);
        ck_assert_ptr_null(t);
    }
}
END_TEST

START_TEST(refuses_a_string_with_a_nul_instead_of_cutting_it)
{
    static const struct {
        const char *text;
        uint32_t line, column;
    } rows[] = {
        {"\"a\\u0000b\"", 1, 1},
        {"{\"x\":\"\\n\",\n\"a\\u0000b\":1}", 2, 1},
        {"[\"\\u0001\", \"\\u0000\"]", 1, 12},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct json_tree *t = NULL;
        struct json_fault f = {0};
        ck_assert_int_eq(json_tree_parse(str_of(rows[i].text), &f, &t), ERR_INVALID_JSON);
        ck_assert_uint_eq(f.line, rows[i].line);
        ck_assert_uint_eq(f.column, rows[i].column);
        ck_assert_int_eq(json_tree_parse(str_of(rows[i].text), NULL, &t), ERR_INVALID_JSON);
    }
}
END_TEST

START_TEST(a_nul_in_a_value_that_is_added_is_kept)
{
    struct json_tree *t = json_tree_object();
    json_tree_add_str(t, "a", STR("x\0y"));
    assert_printed(t, 0, "{\"a\":\"x\\u0000y\"}");
    json_tree_destroy(t);
}
END_TEST

START_TEST(bytes_that_are_not_utf8_print_as_the_replacement_character)
{
    struct json_tree *t = json_tree_array();
    json_tree_append_str(t, STR("a\xFF"));
    assert_printed(t, 0, "[\"a\xEF\xBF\xBD\"]");
    json_tree_destroy(t);
}
END_TEST

START_TEST(copies_a_part_of_a_parsed_text)
{
    struct json_doc doc;
    json_doc_init(&doc);
    ck_assert_int_eq(
        json_parse(&doc, STR("{\"a\": {\"b\\u0041\": [1, 12345678901234567890]}}"), NULL), OK);
    struct json_tree *t = json_tree_copy_of(json_get_lit(json_root(&doc), "a"));
    json_doc_fini(&doc); /* the copy needs neither tape nor text */
    assert_printed(t, 0, "{\"bA\":[1,12345678901234567890]}");
    json_tree_destroy(t);
    ck_assert_ptr_null(json_tree_copy_of(JSON_NONE));
}
END_TEST

START_TEST(what_could_not_be_added_is_told_when_printing)
{
    struct json_tree *t = json_tree_object(), *inner = json_tree_array();
    json_tree_append(inner, NULL);
    json_tree_add(t, "inner", inner);
    json_tree_add_bool(t, "more", true); /* and the rest goes on */
    ck_assert_int_eq(json_tree_print(t, 0, &out), ERR_NOMEM);
    json_tree_destroy(t);
    ck_assert_int_eq(json_tree_print(NULL, 0, &out), ERR_NOMEM);
    json_tree_destroy(NULL);
}
END_TEST

START_TEST(a_child_of_a_parent_that_could_not_be_made_is_not_leaked)
{
    json_tree_add(NULL, "a", json_tree_object());
    json_tree_append(NULL, json_tree_array());
    json_tree_add_str(NULL, "a", STR("x"));
}
END_TEST

START_TEST(a_full_buffer_is_a_limit)
{
    struct json_tree *t = parsed("[\"more than ten bytes\"]");
    struct buf small;
    buf_init(&small, 10);
    ck_assert_int_eq(json_tree_print(t, 0, &small), ERR_LIMIT);
    buf_fini(&small);
    json_tree_destroy(t);
}
END_TEST

static enum err build_and_print(void *arg)
{
    (void)arg;
    struct buf b;
    buf_init(&b, 1000);
    struct json_tree *t = json_tree_object(), *list = json_tree_array();
    json_tree_append_str(list, STR("a"));
    json_tree_append_str(list, STR("b\0c"));
    json_tree_add(t, "list", list);
    json_tree_add_int(t, "int", INT64_MAX);
    json_tree_add_double(t, "double", 1.5);
    json_tree_add_null(t, "null");
    enum err e = json_tree_print(t, 2, &b);
    json_tree_destroy(t);
    buf_fini(&b);
    return e;
}

static enum err parse_one(void *arg)
{
    (void)arg;
    struct json_tree *t = NULL;
    enum err e = json_tree_parse(
        STR("{\"a\":[1,1.5,\"x\\n\"],\"\\u0062\":{\"c\":12345678901234567890}}"), NULL, &t);
    json_tree_destroy(t);
    return e;
}

START_TEST(without_memory_it_says_so_and_leaks_nothing)
{
    ck_assert_uint_gt(oom_rounds(build_and_print, NULL), 10);
    ck_assert_uint_gt(oom_rounds(parse_one, NULL), 10);
}
END_TEST

Suite *suite_base_json_tree(void)
{
    Suite *s = suite_create("base/json_tree");
    TCase *c = tcase_create("tree");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, prints_what_it_parsed);
    tcase_add_test(c, numbers_keep_their_value);
    tcase_add_test(c, indents);
    tcase_add_test(c, builds_with_every_kind_of_value);
    tcase_add_test(c, finds_a_member_case_sensitively);
    tcase_add_test(c, refuses_what_the_scanner_refuses);
    tcase_add_test(c, refuses_a_string_with_a_nul_instead_of_cutting_it);
    tcase_add_test(c, a_nul_in_a_value_that_is_added_is_kept);
    tcase_add_test(c, bytes_that_are_not_utf8_print_as_the_replacement_character);
    tcase_add_test(c, copies_a_part_of_a_parsed_text);
    tcase_add_test(c, what_could_not_be_added_is_told_when_printing);
    tcase_add_test(c, a_child_of_a_parent_that_could_not_be_made_is_not_leaked);
    tcase_add_test(c, a_full_buffer_is_a_limit);
    tcase_add_test(c, without_memory_it_says_so_and_leaks_nothing);
    suite_add_tcase(s, c);
    return s;
}
