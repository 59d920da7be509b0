/* Writing JSON, and blanking comments. */
#include "base/json.h"

#include <check.h>
#include <float.h>
#include <math.h>

#include "base/mem.h"
#include "base/rng.h"

Suite *suite_base_json_write(void);

static struct buf out;

static void set_up(void)
{
    buf_init(&out, 1 << 20);
}

static void tear_down(void)
{
    buf_fini(&out);
    ck_assert_int_eq(mem_live(), 0);
}

static void assert_out(struct str expected)
{
    ck_assert_int_eq(buf_ok(&out), OK);
    ck_assert_msg(str_eq(buf_str(&out), expected), "%.*s is not %.*s", (int)out.len, out.data,
                  STR_ARG(expected));
}

START_TEST(escapes_only_what_must_be)
{
    static const struct {
        struct str value, text;
    } rows[] = {
        {{"", 0}, {"\"\"", 2}},
        {{NULL, 0}, {"\"\"", 2}},
        {{"plain text / with <&> and '", 27}, {"\"plain text / with <&> and '\"", 29}},
        {{"\"", 1}, {"\"\\\"\"", 4}},
        {{"\\", 1}, {"\"\\\\\"", 4}},
        {{"\b\f\n\r\t", 5}, {"\"\\b\\f\\n\\r\\t\"", 12}},
        {{"\0\x01\x1F", 3}, {"\"\\u0000\\u0001\\u001f\"", 20}},
        {{"\x7F", 1}, {"\"\x7F\"", 3}},
        {{"a\nb\nc", 5}, {"\"a\\nb\\nc\"", 9}},
        {{"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 9},
         {"\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"", 11}},
        {{"\xE2\x80\xA8", 3}, {"\"\xE2\x80\xA8\"", 5}},
        {{"0123456789\"0123456789", 21}, {"\"0123456789\\\"0123456789\"", 24}},
        /* each byte that is not UTF-8 becomes U+FFFD */
        {{"\xFF", 1}, {"\"\xEF\xBF\xBD\"", 5}},
        {{"a\xC3", 2}, {"\"a\xEF\xBF\xBD\"", 6}},
        {{"\xC3(", 2}, {"\"\xEF\xBF\xBD(\"", 6}},
        {{"\xED\xA0\x80", 3}, {"\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"", 11}},
        {{"\xC3\xA9\x80x", 4}, {"\"\xC3\xA9\xEF\xBF\xBDx\"", 8}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        buf_clear(&out);
        json_add_string(&out, rows[i].value);
        assert_out(rows[i].text);
    }
}
END_TEST

START_TEST(any_bytes_come_back_if_they_are_utf8)
{
    uint64_t seed;
    rng_system(&seed, sizeof seed);
    struct rng r;
    rng_seed(&r, seed);
    struct json_doc doc;
    json_doc_init(&doc);
    for (int round = 0; round < 5000; round++) {
        char bytes[40];
        size_t n = (size_t)rng_below(&r, sizeof bytes + 1);
        for (size_t i = 0; i < n; i++)
            bytes[i] = (char)rng_below(&r, round % 2 ? 256 : 128);
        struct str s = {bytes, n};
        buf_clear(&out);
        json_add_string(&out, s);
        ck_assert_msg(json_parse(&doc, buf_str(&out), NULL) == OK, "seed %llu",
                      (unsigned long long)seed);
        ck_assert_msg(json_string_is(json_root(&doc), s) == str_is_utf8(s), "seed %llu",
                      (unsigned long long)seed);
    }
    json_doc_fini(&doc);
}
END_TEST

START_TEST(writes_the_shortest_double)
{
    static const struct {
        double value;
        const char *text;
    } rows[] = {
        {0, "0"},
        {-0.0, "-0"},
        {1, "1"},
        {-1.5, "-1.5"},
        {100, "100"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {1e15, "1e+15"},
        {123456789012345678.0, "1.2345678901234568e+17"},
        {1e21, "1e+21"},
        {1e-7, "1e-07"},
        {DBL_MAX, "1.7976931348623157e+308"},
        {DBL_MIN, "2.2250738585072014e-308"},
        {4.9406564584124654e-324, "5e-324"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        buf_clear(&out);
        json_add_double(&out, rows[i].value);
        assert_out(str_of(rows[i].text));
    }
}
END_TEST

START_TEST(what_is_not_finite_is_null)
{
    json_add_double(&out, (double)NAN);
    json_add_double(&out, (double)INFINITY);
    json_add_double(&out, -(double)INFINITY);
    assert_out(STR("nullnullnull"));
}
END_TEST

START_TEST(commas_come_by_themselves)
{
    json_add_comma(&out); /* at the very start: none */
    buf_add_char(&out, '{');
    json_add_key(&out, "a");
    json_add_bool(&out, true);
    json_add_key(&out, "b");
    buf_add_char(&out, '[');
    for (int i = 0; i < 3; i++) {
        json_add_comma(&out);
        buf_add_i64(&out, i);
    }
    buf_add_lit(&out, "]");
    json_add_key(&out, "c");
    buf_add_char(&out, '{');
    json_add_key(&out, "[");
    json_add_string(&out, STR("{"));
    json_add_key(&out, "d");
    json_add_bool(&out, false);
    buf_add_lit(&out, "}}");
    assert_out(STR("{\"a\":true,\"b\":[0,1,2],\"c\":{\"[\":\"{\",\"d\":false}}"));
}
END_TEST

START_TEST(compacts_without_touching_a_byte_of_a_value)
{
    static const struct {
        const char *text, *compact;
    } rows[] = {
        {" { \"a\" : [ 1 , 2.50 , \" x \\n \" ] ,\r\n\t\"b\" : { } , \"c\" : [ ] } ",
         "{\"a\":[1,2.50,\" x \\n \"],\"b\":{},\"c\":[]}"},
        {"{\"a\":1}", "{\"a\":1}"},
        {" [ ]", "[]"},
        {" 1.0e+05 ", "1.0e+05"},
        {"[[ ],[ [] ,{ }],null ,true , false]", "[[],[[],{}],null,true,false]"},
    };
    struct json_doc doc;
    json_doc_init(&doc);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        buf_clear(&out);
        ck_assert_int_eq(json_parse(&doc, str_of(rows[i].text), NULL), OK);
        json_add_compact(&out, json_root(&doc));
        assert_out(str_of(rows[i].compact));
    }
    buf_clear(&out);
    ck_assert_int_eq(json_parse(&doc, STR("{ \"a\" : [ 1 , { \"b\" : 2 } ] , \"c\":3 }"), NULL),
                     OK);
    json_add_compact(&out, json_get_lit(json_root(&doc), "a")); /* a part of it */
    json_add_compact(&out, JSON_NONE);
    assert_out(STR("[1,{\"b\":2}]"));
    json_doc_fini(&doc);
}
END_TEST

START_TEST(a_full_buffer_fails_and_stays_failed)
{
    struct buf b;
    buf_init(&b, 10);
    buf_add_char(&b, '[');
    json_add_string(&b, STR("0123456"));
    ck_assert_int_eq(buf_ok(&b), OK);
    json_add_comma(&b);
    ck_assert_int_eq(buf_ok(&b), ERR_LIMIT);
    json_add_key(&b, "a");
    json_add_string(&b, STR("\n"));
    json_add_double(&b, 1);
    ck_assert_int_eq(buf_ok(&b), ERR_LIMIT);
    buf_fini(&b);
}
END_TEST

START_TEST(blanks_comments_and_moves_nothing)
{
    static const struct {
        const char *text, *blanked;
    } rows[] = {
        {"1", "1"},
        {"", ""},
        {"1 // one", "1       "},
        {"// a\n1", "    \n1"},
        {"// a\r\n1", "     \n1"},
        {"/* a */1", "       1"},
        {"/**/1", "    1"},
        {"/* a\n b */1", "    \n     1"},
        {"[1,/*2,*/3]", "[1,      3]"},
        {"/* // */1", "        1"},
        {"// /* \n1", "      \n1"},
        {"/* a /* b */1", "            1"},
        {"/***/1", "     1"},
        {"/*/*/1", "     1"},
        {"\"// no\"", "\"// no\""},
        {"\"/* no */\"", "\"/* no */\""},
        {"\"\\\"// no\"//yes", "\"\\\"// no\"     "},
        {"\"\\\\\"//yes", "\"\\\\\"     "},
        {"{\"a\":\"http://x\" // c\n}", "{\"a\":\"http://x\"     \n}"},
        {"/* open", "/* open"},
        {"/*/", "/*/"},
        {"1 /", "1 /"},
        {"/ / 1", "/ / 1"},
        {"\"open // string", "\"open // string"},
        {"\"open\\", "\"open\\"},
        {"// \xC3\xA9\n1", "     \n1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct str text = str_of(rows[i].text);
        char *copy = mem_strdup(text);
        ck_assert_ptr_nonnull(copy);
        json_blank_comments(copy, text.len);
        ck_assert_str_eq(copy, rows[i].blanked);
        mem_free(copy);
    }
}
END_TEST

START_TEST(a_fault_behind_a_comment_is_told_where_it_is)
{
    char text[] = "{ // first\n  /* second\n */ \"a\": x }";
    json_blank_comments(text, sizeof text - 1);
    struct json_doc doc;
    json_doc_init(&doc);
    struct json_fault f = {0};
    ck_assert_int_eq(json_parse(&doc, str_of(text), &f), ERR_INVALID_JSON);
    ck_assert_uint_eq(f.line, 3);
    ck_assert_uint_eq(f.column, 10);
    json_doc_fini(&doc);
}
END_TEST

START_TEST(names_stay_as_they_were_written)
{
    struct json_doc doc;
    json_doc_init(&doc);
    ck_assert_int_eq(json_parse(&doc, STR("{\"\\u0061\" : 1, \"b\" : 2}"), NULL), OK);
    struct json root = json_root(&doc);
    buf_add_char(&out, '{');
    for (struct json_member m = json_first_member(root); json_exists(m.value);
         m = json_next_member(root, m)) {
        json_add_name(&out, m.name);
        buf_add_str(&out, json_raw(m.value));
    }
    buf_add_char(&out, '}');
    assert_out(STR("{\"\\u0061\":1,\"b\":2}"));
    json_doc_fini(&doc);
}
END_TEST

START_TEST(what_is_not_there_is_null)
{
    buf_add_char(&out, '[');
    json_add_string_or_null(&out, STR("a\"")), buf_add_char(&out, ',');
    json_add_string_or_null(&out, STR("")), buf_add_char(&out, ',');
    json_add_string_or_null(&out, STR_NONE), buf_add_char(&out, ',');
    json_add_or_null(&out, STR("{}")), buf_add_char(&out, ',');
    json_add_or_null(&out, STR_NONE), buf_add_char(&out, ']');
    ck_assert(str_eq(buf_str(&out), STR("[\"a\\\"\",\"\",null,{},null]")));
}
END_TEST

Suite *suite_base_json_write(void)
{
    Suite *s = suite_create("base/json_write");
    TCase *c = tcase_create("write");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, escapes_only_what_must_be);
    tcase_add_test(c, any_bytes_come_back_if_they_are_utf8);
    tcase_add_test(c, writes_the_shortest_double);
    tcase_add_test(c, what_is_not_finite_is_null);
    tcase_add_test(c, commas_come_by_themselves);
    tcase_add_test(c, compacts_without_touching_a_byte_of_a_value);
    tcase_add_test(c, a_full_buffer_fails_and_stays_failed);
    tcase_add_test(c, blanks_comments_and_moves_nothing);
    tcase_add_test(c, a_fault_behind_a_comment_is_told_where_it_is);
    tcase_add_test(c, what_is_not_there_is_null);
    tcase_add_test(c, names_stay_as_they_were_written);
    suite_add_tcase(s, c);
    return s;
}
