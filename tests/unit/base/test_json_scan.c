/* What is JSON and what is not, and where it stops being it. */
#include "base/json.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "tests/unit/base/oom.h"

Suite *suite_base_json_scan(void);

/* A text that may hold NUL. */
#define T(literal) literal, sizeof(literal) - 1

static struct json_doc doc;

static void set_up(void)
{
    json_doc_init(&doc);
}

static void tear_down(void)
{
    json_doc_fini(&doc);
    ck_assert_int_eq(mem_live(), 0);
}

/* The text moves to a block of exactly its size, so that the sanitizer sees a look beyond its
 * end. */
static enum err parse(const char *text, size_t len, struct json_fault *fault)
{
    char *copy = malloc(len ? len : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, text, len);
    enum err e = json_parse(&doc, (struct str){copy, len}, fault);
    free(copy);
    return e;
}

static const struct {
    const char *text;
    size_t len;
} accepted[] = {
    /* the values */
    {T("null")},
    {T("true")},
    {T("false")},
    {T("0")},
    {T("\"\"")},
    {T("[]")},
    {T("{}")},
    {T(" null")},
    {T("null ")},
    {T("\t\r\n 1 \t\r\n")},
    {T("[ ]")},
    {T("{ }")},
    {T("[\n]")},
    {T("[null]")},
    {T("[1,2]")},
    {T("[1 , 2]")},
    {T("[[],[]]")},
    {T("[[[[[]]]]]")},
    {T("[{},{}]")},
    {T("[true,false,null]")},
    {T("[\"a\",1,{},[],null]")},
    {T("[1,\n2,\r\n3,\t4]")},
    {T("{\"a\":1}")},
    {T("{\"a\" : 1 , \"b\" : 2}")},
    {T("{\"a\":{\"b\":{\"c\":{}}}}")},
    {T("{\"a\":[{\"b\":[]}]}")},
    {T("{\"\":0}")},
    {T("{\"a\":{\"a\":{\"a\":1}}}")}, /* the same name, but never in one object */
    {T("[{\"a\":1},{\"a\":2}]")},
    {T("{\"a\":1,\"A\":2}")},
    {T("{\"a\":1,\"a \":2}")},
    {T("{\"a\":1,\"aa\":2,\"aaa\":3,\"\":4}")},
    {T("{\"\\u0000\":1,\"\\u0001\":2}")},
    {T("{\"a\\u0000b\":1,\"a\\u0000c\":2,\"a\":3}")},
    {T("{\"\xC3\xA9\":1,\"e\\u0301\":2}")}, /* equal only after normalisation, which nobody does */
    /* numbers */
    {T("-0")},
    {T("-1")},
    {T("10")},
    {T("1234567890")},
    {T("0.0")},
    {T("-0.0")},
    {T("0.1")},
    {T("1.25")},
    {T("1e1")},
    {T("1E1")},
    {T("1e+1")},
    {T("1e-1")},
    {T("0e0")},
    {T("0E+00")},
    {T("0.5e-3")},
    {T("1e00000000000000000001")},
    {T("-123.456e-78")},
    {T("9007199254740993")},
    {T("18446744073709551616")},
    {T("123456789012345678901234567890")},
    {T("0.00000000000000000000000000000000000000000000000000000000000000001")},
    {T("1.7976931348623157e308")},
    {T("179769313486231570e291")},
    {T("1.797693134862315807e308")}, /* above the largest double, but nearer to it than to 2^1024 */
    {T("-1.7976931348623157E+308")},
    {T("5e-324")},
    {T("1e-400")}, /* rounds to 0 */
    {T("0e400")},
    {T("0.0e999999999999999999999")},
    {T("1e-999999999999999999999")},
    {T("0.001e310")},
    {T("[0,-0,0.5,-0.5e5]")},
    /* strings */
    {T("\"a\"")},
    {T("\" \"")},
    {T("\"a b\"")},
    {T("\"exactly8\"")},
    {T("\"sixteen bytes it\"")},
    {T("\"longer than eight and than sixteen bytes, so that the fast path is taken\"")},
    {T("\"\\\"\"")},
    {T("\"\\\\\"")},
    {T("\"\\/\"")},
    {T("\"/\"")},
    {T("\"\\b\\f\\n\\r\\t\"")},
    {T("\"\\u0041\"")},
    {T("\"\\u0000\"")},
    {T("\"\\u001f\"")},
    {T("\"\\uFFFF\"")},
    {T("\"\\ufffe\"")},
    {T("\"\\uD7FF\\uE000\"")},
    {T("\"\\ud800\\udc00\"")},
    {T("\"\\uDBFF\\uDFFF\"")},
    {T("\"\\uD83D\\uDE00\"")},
    {T("\"\\\\u12\"")},
    {T("\"\\\\\\\"\"")},
    {T("\"\x7F\"")},
    {T("\"\xC2\x80\"")},
    {T("\"\xC3\xA9\"")},
    {T("\"\xDF\xBF\"")},
    {T("\"\xE0\xA0\x80\"")},
    {T("\"\xE2\x82\xAC\"")},
    {T("\"\xE2\x80\xA8\xE2\x80\xA9\"")},
    {T("\"\xED\x9F\xBF\"")},
    {T("\"\xEE\x80\x80\"")},
    {T("\"\xEF\xBB\xBF\"")}, /* a byte order mark is a character like others inside a string */
    {T("\"\xEF\xBF\xBF\"")},
    {T("\"\xF0\x90\x80\x80\"")},
    {T("\"\xF0\x9F\x98\x80\"")},
    {T("\"\xF4\x8F\xBF\xBF\"")},
    {T("\"mixed \xC3\xA4 and \xE6\x97\xA5\xE6\x9C\xAC and \\n and \xF0\x9F\x98\x80 to the end\"")},
    {T("\"[1,{,]:\"")},
    {T("\"// no comment\"")},
};

START_TEST(accepts_what_is_json)
{
    struct json_fault fault = {0};
    enum err e = parse(accepted[_i].text, accepted[_i].len, &fault);
    ck_assert_msg(e == OK, "%s: %s at %zu", accepted[_i].text, fault.what, fault.offset);
    ck_assert_uint_gt(doc.count, 0);
    ck_assert_uint_eq(doc.tokens[0].next, doc.count);
}
END_TEST

static const struct {
    const char *text;
    size_t len;
    size_t offset;
    uint32_t line, column;
} refused[] = {
    /* nothing, and sudden ends */
    {T(""), 0, 1, 1},
    {T(" "), 1, 1, 2},
    {T("\n"), 1, 2, 1},
    {T("\n\n  "), 4, 3, 3},
    {T("["), 1, 1, 2},
    {T("[1"), 2, 1, 3},
    {T("[1,"), 3, 1, 4},
    {T("[1,\n"), 4, 2, 1},
    {T("{"), 1, 1, 2},
    {T("{\"a"), 3, 1, 4},
    {T("{\"a\""), 4, 1, 5},
    {T("{\"a\":"), 5, 1, 6},
    {T("{\"a\":1"), 6, 1, 7},
    {T("{\"a\":1,"), 7, 1, 8},
    {T("[[[["), 4, 1, 5},
    {T("\""), 1, 1, 2},
    {T("\"abc"), 4, 1, 5},
    {T("\"exactly8"), 9, 1, 10},
    {T("\"\\"), 2, 1, 3},
    {T("\"\\\""), 3, 1, 4},
    {T("\"\\u"), 3, 1, 4},
    {T("\"\\u12"), 5, 1, 6},
    {T("\"\\ud800"), 7, 1, 8},
    {T("\"\\ud800\\"), 8, 1, 9},
    {T("\"\\ud800\\udc"), 11, 1, 12},
    {T("\"\xE2\x82"), 3, 1, 4},
    {T("\"\xE0"), 2, 1, 3},
    {T("\"\xED\x9F"), 3, 1, 4},
    {T("\"\xF0\x9F\x98"), 4, 1, 5},
    {T("\"\xF4\x8F"), 3, 1, 4},
    {T("-"), 1, 1, 2},
    {T("1."), 2, 1, 3},
    {T("1e"), 2, 1, 3},
    {T("1e+"), 3, 1, 4},
    {T("nul"), 3, 1, 4},
    {T("t"), 1, 1, 2},
    {T("fals"), 4, 1, 5},
    /* structure */
    {T("]"), 0, 1, 1},
    {T("}"), 0, 1, 1},
    {T(","), 0, 1, 1},
    {T(":"), 0, 1, 1},
    {T("[,]"), 1, 1, 2},
    {T("[1,]"), 3, 1, 4},
    {T("[1,,2]"), 3, 1, 4},
    {T("[1 2]"), 3, 1, 4},
    {T("[1:2]"), 2, 1, 3},
    {T("[1}"), 2, 1, 3},
    {T("[}"), 1, 1, 2},
    {T("{]"), 1, 1, 2},
    {T("{,}"), 1, 1, 2},
    {T("{\"a\":1,}"), 7, 1, 8},
    {T("{\"a\":1 \"b\":2}"), 7, 1, 8},
    {T("{\"a\":1]"), 6, 1, 7},
    {T("{\"a\"}"), 4, 1, 5},
    {T("{\"a\",1}"), 4, 1, 5},
    {T("{\"a\":}"), 5, 1, 6},
    {T("{\"a\"::1}"), 5, 1, 6},
    {T("{a:1}"), 1, 1, 2},
    {T("{1:1}"), 1, 1, 2},
    {T("{null:1}"), 1, 1, 2},
    {T("{[]:1}"), 1, 1, 2},
    {T("{'a':1}"), 1, 1, 2},
    {T("[[]"), 3, 1, 4},
    {T("[]]"), 2, 1, 3},
    {T("{}}"), 2, 1, 3},
    {T("1 2"), 2, 1, 3},
    {T("null null"), 5, 1, 6},
    {T("{} []"), 3, 1, 4},
    {T("{}\n\n x"), 5, 3, 2},
    {T("[1]\n,"), 4, 2, 1},
    {T("{\n  \"a\": 1,\n  \"b\" 2\n}"), 18, 3, 7},
    {T("[1,\r\n 2,\r\n x]"), 11, 3, 2},
    {T("// c\n1"), 0, 1, 1},
    {T("/* c */ 1"), 0, 1, 1},
    {T("[1 // c\n]"), 3, 1, 4},
    {T("#1"), 0, 1, 1},
    /* words */
    {T("nulL"), 3, 1, 4},
    {T("nullx"), 4, 1, 5},
    {T("Null"), 0, 1, 1},
    {T("TRUE"), 0, 1, 1},
    {T("tru e"), 3, 1, 4},
    {T("undefined"), 0, 1, 1},
    {T("NaN"), 0, 1, 1},
    {T("nan"), 1, 1, 2},
    {T("Infinity"), 0, 1, 1},
    {T("-Infinity"), 1, 1, 2},
    {T("inf"), 0, 1, 1},
    {T("'a'"), 0, 1, 1},
    /* numbers */
    {T("+1"), 0, 1, 1},
    {T("01"), 1, 1, 2},
    {T("00"), 1, 1, 2},
    {T("-01"), 2, 1, 3},
    {T("-00.5"), 2, 1, 3},
    {T(".5"), 0, 1, 1},
    {T("-.5"), 1, 1, 2},
    {T("1.e5"), 2, 1, 3},
    {T("1.2.3"), 3, 1, 4},
    {T("1e5.5"), 3, 1, 4},
    {T("1ee5"), 2, 1, 3},
    {T("1e+-5"), 3, 1, 4},
    {T("1e 5"), 2, 1, 3},
    {T("--1"), 1, 1, 2},
    {T("- 1"), 1, 1, 2},
    {T("1-2"), 1, 1, 2},
    {T("0x10"), 1, 1, 2},
    {T("1_000"), 1, 1, 2},
    {T("1,000"), 1, 1, 2},
    {T("1a"), 1, 1, 2},
    {T("1f"), 1, 1, 2},
    {T("\xEF\xBC\x91"), 0, 1, 1}, /* a full-width 1 */
    {T("1e400"), 0, 1, 1},
    {T("-1e400"), 0, 1, 1},
    {T("[1, 1e400]"), 4, 1, 5},
    {T("1.797693134862315808e308"), 0, 1, 1},
    {T("1.8e308"), 0, 1, 1},
    {T("1e309"), 0, 1, 1},
    {T("0.1e310"), 0, 1, 1},
    {T("1e999999999999999999999"), 0, 1, 1},
    {T("123456789e301"), 0, 1, 1},
    /* strings */
    {T("\"\n\""), 1, 1, 2},
    {T("\"\t\""), 1, 1, 2},
    {T("\"\x1F\""), 1, 1, 2},
    {T("\"a\0b\""), 2, 1, 3},
    {T("\"seven b\x01 and more text\""), 8, 1, 9},
    {T("\"\\x41\""), 2, 1, 3},
    {T("\"\\a\""), 2, 1, 3},
    {T("\"\\0\""), 2, 1, 3},
    {T("\"\\'\""), 2, 1, 3},
    {T("\"\\ \""), 2, 1, 3},
    {T("\"\\\n\""), 2, 1, 3},
    {T("\"\\\0\""), 2, 1, 3},
    {T("\"\\U0041\""), 2, 1, 3},
    {T("\"\\u\""), 3, 1, 4},
    {T("\"\\u004\""), 6, 1, 7},
    {T("\"\\u00G0\""), 5, 1, 6},
    {T("\"\\u+041\""), 3, 1, 4},
    {T("\"\\u 041\""), 3, 1, 4},
    {T("\"\\u{41}\""), 3, 1, 4},
    {T("\"\\ud800\""), 1, 1, 2},
    {T("\"\\udc00\""), 1, 1, 2},
    {T("\"ab\\uDFFFcd\""), 3, 1, 4},
    {T("\"\\ud800x\""), 1, 1, 2},
    {T("\"\\ud800\\n\""), 1, 1, 2},
    {T("\"\\ud800\\u0041\""), 1, 1, 2},
    {T("\"\\ud800\\ud800\""), 1, 1, 2},
    {T("\"\\udc00\\ud800\""), 1, 1, 2},
    {T("\"\\ud800\\udc0G\""), 12, 1, 13},
    {T("\"\x80\""), 1, 1, 2},
    {T("\"\xBF\""), 1, 1, 2},
    {T("\"\xC0\x80\""), 1, 1, 2},
    {T("\"\xC1\xBF\""), 1, 1, 2},
    {T("\"\xC3\""), 1, 1, 2},
    {T("\"\xC3(\""), 1, 1, 2},
    {T("\"\xE0\x80\x80\""), 1, 1, 2},
    {T("\"\xE0\x9F\xBF\""), 1, 1, 2},
    {T("\"\xE2\x28\xA1\""), 1, 1, 2},
    {T("\"\xE2\x82\""), 1, 1, 2},
    {T("\"\xED\xA0\x80\""), 1, 1, 2}, /* a surrogate */
    {T("\"\xED\xBF\xBF\""), 1, 1, 2},
    {T("\"\xF0\x80\x80\x80\""), 1, 1, 2},
    {T("\"\xF0\x9F\x98\""), 1, 1, 2},
    {T("\"\xF4\x90\x80\x80\""), 1, 1, 2}, /* beyond U+10FFFF */
    {T("\"\xF5\x80\x80\x80\""), 1, 1, 2},
    {T("\"\xF8\x88\x80\x80\x80\""), 1, 1, 2},
    {T("\"\xFE\""), 1, 1, 2},
    {T("\"\xFF\""), 1, 1, 2},
    {T("\"abc\xC3\xA9\xFF\""), 6, 1, 7},
    {T("\"\xE0\x80"), 1, 1, 2}, /* at the end, but no beginning of anything */
    {T("\"\xF4\x90\x80"), 1, 1, 2},
    {T("\"\xC3\xA9\n\""), 3, 1, 4},
    /* bytes that are nothing */
    {T("\0"), 0, 1, 1},
    {T("1\0"), 1, 1, 2},
    {T("[\0]"), 1, 1, 2},
    {T("{}\0"), 2, 1, 3},
    {T("\xEF\xBB\xBF{}"), 0, 1, 1}, /* a byte order mark */
    {T("\xFF\xFE"), 0, 1, 1},
    {T("{\0\"a\":1}"), 1, 1, 2},
    {T("\v1"), 0, 1, 1},
    {T("\f1"), 0, 1, 1},
    {T("\302\2401"), 0, 1, 1}, /* a no-break space */
    {T("[1\xE2\x80\xA8]"), 2, 1, 3},
    /* names that repeat */
    {T("{\"a\":1,\"a\":1}"), 7, 1, 8},
    {T("{\"a\":1,\"b\":2,\n \"a\":3}"), 15, 2, 2},
    {T("{\"\":1,\"\":1}"), 6, 1, 7},
    {T("{\"a\":1,\"\\u0061\":1}"), 7, 1, 8},
    {T("{\"\\u0061\":1,\"a\":1}"), 12, 1, 13},
    {T("{\"\\u0061\":1,\"\\u0061\":1}"), 12, 1, 13},
    {T("{\"\\n\":1,\"\\u000A\":1}"), 8, 1, 9},
    {T("{\"/\":1,\"\\/\":1}"), 7, 1, 8},
    {T("{\"\xC3\xA9\":1,\"\\u00e9\":1}"), 8, 1, 9},
    {T("{\"\xF0\x9F\x98\x80\":1,\"\\ud83d\\uDE00\":1}"), 10, 1, 11},
    {T("{\"\\u0000\":1,\"\\u0000\":1}"), 12, 1, 13},
    {T("{\"a\":{\"b\":1,\"b\":2},\"a\":3}"), 12, 1, 13},
    {T("{\"a\":{\"b\":1},\"a\":3}"), 13, 1, 14},
    {T("[{\"a\":[{\"a\":1}],\"a\":2}]"), 16, 1, 17},
    {T("{\"a\":1,\"a\""), 7, 1, 8}, /* known before the text ends too early */
    {T("{\"a\":1,\"a\" 1"), 7, 1, 8},
};

START_TEST(refuses_what_is_not_json_and_says_where)
{
    struct json_fault f = {0};
    enum err e = parse(refused[_i].text, refused[_i].len, &f);
    ck_assert_msg(e == ERR_INVALID_JSON, "accepted: %s", refused[_i].text);
    ck_assert_msg(f.offset == refused[_i].offset && f.line == refused[_i].line &&
                      f.column == refused[_i].column,
                  "%s: %s at %zu, line %u, column %u", refused[_i].text, f.what, f.offset, f.line,
                  f.column);
    ck_assert_ptr_nonnull(f.what);
    ck_assert_int_eq(json_exists(json_root(&doc)), false);
}
END_TEST

/* Every beginning of a text is refused at its end or before, and no byte behind it is looked at. */
START_TEST(refuses_every_beginning_of_a_text)
{
    static const char text[] =
        "{\"a\\u00e9\xC3\xA9\":[1.5e-3,true,null,\"\\ud83d\\ude00\xF0\x9F\x98\x80\"],\"b\":{}}";
    for (size_t n = 0; n < sizeof text - 1; n++) {
        struct json_fault f = {0};
        ck_assert_int_eq(parse(text, n, &f), ERR_INVALID_JSON);
        ck_assert_uint_eq(f.offset, n);
        ck_assert_str_eq(f.what, "the text ends too early");
    }
    ck_assert_int_eq(parse(text, sizeof text - 1, NULL), OK);
}
END_TEST

START_TEST(says_what_was_expected)
{
    static const struct {
        const char *text, *what;
    } rows[] = {
        {"{\"a\":1 x}", "a comma or } was expected"},
        {"[1 x]", "a comma or ] was expected"},
        {"{x}", "a member name was expected"},
        {"{\"a\" x}", "a colon was expected"},
        {"{\"a\":1,\"a\":2}", "the object has a member of that name already"},
        {"[x]", "a value was expected"},
        {"1 x", "nothing may follow the value"},
        {"01", "a number may not begin with 0"},
        {"1e999", "the number is beyond the range of a double"},
        {"\357\273\2771", "a byte order mark has no place here"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct json_fault f = {0};
        ck_assert_int_eq(parse(rows[i].text, strlen(rows[i].text), &f), ERR_INVALID_JSON);
        ck_assert_str_eq(f.what, rows[i].what);
    }
}
END_TEST

static struct buf nested(unsigned depth, const char *open, const char *close)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    for (unsigned i = 0; i < depth; i++)
        buf_add_str(&b, str_of(open));
    buf_add_char(&b, '1');
    for (unsigned i = 0; i < depth; i++)
        buf_add_str(&b, str_of(close));
    return b;
}

START_TEST(depth_64_is_fine_and_65_is_not)
{
    static const char *const brackets[][2] = {{"[", "]"}, {"{\"a\":", "}"}};
    for (int i = 0; i < 2; i++) {
        struct json_fault f = {0};
        struct buf b = nested(64, brackets[i][0], brackets[i][1]);
        ck_assert_int_eq(parse(b.data, b.len, &f), OK);
        buf_fini(&b);
        b = nested(65, brackets[i][0], brackets[i][1]);
        ck_assert_int_eq(parse(b.data, b.len, &f), ERR_INVALID_JSON);
        ck_assert_uint_eq(f.offset, 64 * strlen(brackets[i][0]));
        ck_assert_str_eq(f.what, "arrays and objects are nested too deeply");
        buf_fini(&b);
    }
}
END_TEST

START_TEST(a_hundred_thousand_open_brackets_cost_nothing)
{
    char *text = malloc(100000);
    ck_assert_ptr_nonnull(text);
    memset(text, '[', 100000);
    struct json_fault f = {0};
    ck_assert_int_eq(json_parse(&doc, (struct str){text, 100000}, &f), ERR_INVALID_JSON);
    ck_assert_uint_eq(f.offset, 64);
    doc.max_depth = 1000000; /* no stack grows with it */
    ck_assert_int_eq(json_parse(&doc, (struct str){text, 100000}, &f), ERR_INVALID_JSON);
    ck_assert_uint_eq(f.offset, 100000);
    free(text);
}
END_TEST

START_TEST(stops_at_the_token_limit)
{
    struct json_fault f = {0};
    doc.max_tokens = 4;
    ck_assert_int_eq(parse(T("[1,2,3]"), &f), OK);
    ck_assert_int_eq(parse(T("{\"a\":[1]}"), &f), OK);
    ck_assert_int_eq(parse(T("[1,2,3,4]"), &f), ERR_LIMIT);
    ck_assert_uint_eq(f.offset, 7);
    ck_assert_int_eq(json_exists(json_root(&doc)), false);
    doc.max_tokens = 200; /* grows on from what it has, and a smaller limit holds too */
    ck_assert_int_eq(parse(T("[1,2,3,4]"), NULL), OK);
    doc.max_tokens = 3;
    ck_assert_int_eq(parse(T("[1,2,3]"), NULL), ERR_LIMIT);
    doc.max_tokens = 0;
    ck_assert_int_eq(parse(T("1"), NULL), ERR_LIMIT);
}
END_TEST

START_TEST(refuses_a_text_of_two_gigabytes)
{
    struct json_fault f = {0};
    struct str text = {"1", (size_t)1 << 31}; /* is not looked at */
    ck_assert_int_eq(json_parse(&doc, text, &f), ERR_LIMIT);
    ck_assert_uint_eq(f.line, 1);
}
END_TEST

/* `n` members whose names are `prefix` and a number; the last repeats the one before where
 * `repeats`. */
static struct buf many_members(unsigned n, const char *prefix, bool repeats)
{
    struct buf b;
    buf_init(&b, 64 << 20);
    buf_add_char(&b, '{');
    for (unsigned i = 0; i < n; i++)
        buf_addf(&b, "%s\"%s%u\":%u", i ? "," : "", prefix, repeats && i == n - 1 ? i - 1 : i, i);
    buf_add_char(&b, '}');
    ck_assert_int_eq(buf_ok(&b), OK);
    return b;
}

START_TEST(finds_a_repeated_name_among_any_number)
{
    static const unsigned counts[] = {2,  3,   16,  31,  32,  33,  34,  64,
                                      65, 100, 127, 128, 129, 130, 1000};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct json_fault f = {0};
        struct buf b = many_members(counts[i], "n", false);
        ck_assert_int_eq(parse(b.data, b.len, NULL), OK);
        ck_assert_uint_eq(json_count(json_root(&doc)), counts[i]);
        buf_fini(&b);
        b = many_members(counts[i], "n", true);
        ck_assert_int_eq(parse(b.data, b.len, &f), ERR_INVALID_JSON);
        ck_assert_int_eq(b.data[f.offset - 1], ',');
        ck_assert_int_eq(b.data[f.offset], '"');
        ck_assert_ptr_null(memchr(b.data + f.offset, ',', b.len - f.offset));
        buf_fini(&b);
    }
}
END_TEST

START_TEST(every_name_of_a_large_object_may_be_the_one_that_repeats)
{
    for (unsigned repeated = 0; repeated < 50; repeated++) {
        struct json_fault f = {0};
        struct buf b = many_members(50, "x", false);
        b.len--;
        size_t offset = b.len + 1;
        buf_addf(&b, ",\"\\u0078%u\":0}", repeated); /* an x */
        ck_assert_int_eq(parse(b.data, b.len, &f), ERR_INVALID_JSON);
        ck_assert_uint_eq(f.offset, offset);
        buf_fini(&b);
    }
}
END_TEST

START_TEST(large_objects_inside_each_other_keep_their_names_apart)
{
    struct buf inner = many_members(40, "n", false), b;
    buf_init(&b, 1 << 20);
    buf_add_char(&b, '{');
    for (unsigned i = 0; i < 60; i++)
        buf_addf(&b, "%s\"n%u\":%.*s", i ? "," : "", i, (int)inner.len, inner.data);
    size_t len = b.len;
    buf_add_char(&b, '}');
    ck_assert_int_eq(parse(b.data, b.len, NULL), OK);
    b.len = len;
    buf_add_lit(&b, ",\"n0\":1}");
    struct json_fault f = {0};
    ck_assert_int_eq(parse(b.data, b.len, &f), ERR_INVALID_JSON);
    ck_assert_uint_eq(f.offset, len + 1);
    buf_fini(&b);
    buf_fini(&inner);
}
END_TEST

START_TEST(long_names_that_differ_only_at_their_end_are_told_apart)
{
    struct buf prefix, b;
    buf_init(&prefix, 1 << 16);
    for (int i = 0; i < 1000; i++)
        buf_add_lit(&prefix, "\\u0061bcdefg ");
    buf_add_char(&prefix, '\0');
    b = many_members(10, prefix.data, false);
    ck_assert_int_eq(parse(b.data, b.len, NULL), OK);
    buf_fini(&b);
    b = many_members(10, prefix.data, true);
    ck_assert_int_eq(parse(b.data, b.len, NULL), ERR_INVALID_JSON);
    buf_fini(&b);
    buf_fini(&prefix);
}
END_TEST

/* If looking for a repeated name were quadratic, the test would run into its time limit. */
START_TEST(half_a_million_members_are_scanned)
{
    enum { MEMBERS = 500000 };
    struct buf b = many_members(MEMBERS, "member-", false);
    ck_assert_int_eq(parse(b.data, b.len, NULL), OK);
    ck_assert_uint_eq(json_count(json_root(&doc)), MEMBERS);
    buf_fini(&b);
    b = many_members(MEMBERS, "member-", true);
    ck_assert_int_eq(parse(b.data, b.len, NULL), ERR_INVALID_JSON);
    buf_fini(&b);
}
END_TEST

START_TEST(knows_whether_there_is_white_space_inside)
{
    static const struct {
        const char *text;
        bool spaced;
    } rows[] = {
        {"[1,2]", false},  {" [1,2]\n", false},    {"[ 1,2]", true},     {"[1 ,2]", true},
        {"[1,2\n]", true}, {"{\"a b\":1}", false}, {"{\"a\": 1}", true}, {"{\"a\" :1}", true},
        {"[ ]", true},     {"\" \"", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_int_eq(parse(rows[i].text, strlen(rows[i].text), NULL), OK);
        ck_assert_msg(doc.spaced == rows[i].spaced, "%s", rows[i].text);
    }
}
END_TEST

START_TEST(the_tape_tells_where_everything_is)
{
    static const char text[] = "{\"a\":[1,{}],\"\\n\":null}";
    ck_assert_int_eq(json_parse(&doc, STR("{\"a\":[1,{}],\"\\n\":null}"), NULL), OK);
    static const struct {
        uint32_t start, len, next, count;
        enum json_type type;
        bool escaped;
    } tape[] = {
        {0, sizeof text - 1, 7, 2, JSON_OBJECT, false},
        {1, 3, 2, 0, JSON_STRING, false},
        {5, 6, 5, 2, JSON_ARRAY, false},
        {6, 1, 4, 0, JSON_NUMBER, false},
        {8, 2, 5, 0, JSON_OBJECT, false},
        {12, 4, 6, 0, JSON_STRING, true},
        {17, 4, 7, 0, JSON_NULL, false},
    };
    ck_assert_uint_eq(doc.count, sizeof tape / sizeof tape[0]);
    for (uint32_t i = 0; i < doc.count; i++) {
        const struct json_token *t = &doc.tokens[i];
        ck_assert_uint_eq(t->start, tape[i].start);
        ck_assert_uint_eq(t->len, tape[i].len);
        ck_assert_uint_eq(t->next, tape[i].next);
        ck_assert_uint_eq(t->count, tape[i].count);
        ck_assert_uint_eq(t->type, (unsigned)tape[i].type);
        ck_assert_int_eq(t->escaped, tape[i].escaped);
    }
}
END_TEST

START_TEST(a_later_parse_reuses_the_tape)
{
    struct buf b = many_members(500, "n", false);
    ck_assert_int_eq(parse(b.data, b.len, NULL), OK);
    const struct json_token *tokens = doc.tokens;
    mem_fail_nth(1); /* there is nothing to allocate */
    ck_assert_int_eq(json_parse(&doc, STR("[{\"a\":1},2]"), NULL), OK);
    mem_fail_nth(0);
    ck_assert_ptr_eq(doc.tokens, tokens);
    ck_assert_uint_eq(doc.count, 5);
    buf_fini(&b);
}
END_TEST

static enum err parse_fresh(void *arg)
{
    struct buf *b = arg;
    struct json_doc fresh;
    json_doc_init(&fresh);
    struct json_fault f = {0};
    enum err e = json_parse(&fresh, buf_str(b), &f);
    ck_assert_int_eq(json_exists(json_root(&fresh)), e == OK);
    json_doc_fini(&fresh);
    return e;
}

START_TEST(what_a_large_text_needed_is_not_kept_for_small_ones)
{
    struct json_doc kept;
    struct buf large;
    json_doc_init(&kept);
    buf_init(&large, 1 << 20);
    for (int i = 0; i < 20000; i++)
        buf_add_str(&large, i == 0 ? STR("[1") : STR(",1"));
    buf_add_char(&large, ']');
    ck_assert_int_eq(json_parse(&kept, buf_str(&large), NULL), OK);
    ck_assert_uint_gt(kept.cap, 20000);
    ck_assert_int_eq(json_parse(&kept, STR("[1, 2]"), NULL), OK);
    ck_assert_uint_eq(kept.count, 3);
    ck_assert_uint_lt(kept.cap, 1000);
    buf_fini(&large);
    json_doc_fini(&kept);
}
END_TEST

START_TEST(without_memory_it_says_so_and_leaks_nothing)
{
    struct buf b = many_members(300, "n", false);
    ck_assert_uint_gt(oom_rounds(parse_fresh, &b), 6);
    buf_fini(&b);
}
END_TEST

START_TEST(tells_the_line_and_column_of_any_byte)
{
    struct str text = STR("ab\n\ncd\n");
    static const uint32_t lines[] = {1, 1, 1, 2, 3, 3, 3, 4};
    static const uint32_t columns[] = {1, 2, 3, 1, 1, 2, 3, 1};
    for (size_t i = 0; i <= text.len; i++) {
        struct json_fault f = json_fault_at(text, i, "x");
        ck_assert_uint_eq(f.offset, i);
        ck_assert_uint_eq(f.line, lines[i]);
        ck_assert_uint_eq(f.column, columns[i]);
    }
}
END_TEST

Suite *suite_base_json_scan(void)
{
    Suite *s = suite_create("base/json_scan");
    TCase *c = tcase_create("scan");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, accepts_what_is_json, 0, sizeof accepted / sizeof accepted[0]);
    tcase_add_loop_test(c, refuses_what_is_not_json_and_says_where, 0,
                        sizeof refused / sizeof refused[0]);
    tcase_add_test(c, refuses_every_beginning_of_a_text);
    tcase_add_test(c, says_what_was_expected);
    tcase_add_test(c, depth_64_is_fine_and_65_is_not);
    tcase_add_test(c, a_hundred_thousand_open_brackets_cost_nothing);
    tcase_add_test(c, stops_at_the_token_limit);
    tcase_add_test(c, refuses_a_text_of_two_gigabytes);
    tcase_add_test(c, finds_a_repeated_name_among_any_number);
    tcase_add_test(c, every_name_of_a_large_object_may_be_the_one_that_repeats);
    tcase_add_test(c, large_objects_inside_each_other_keep_their_names_apart);
    tcase_add_test(c, long_names_that_differ_only_at_their_end_are_told_apart);
    tcase_add_test(c, half_a_million_members_are_scanned);
    tcase_add_test(c, knows_whether_there_is_white_space_inside);
    tcase_add_test(c, the_tape_tells_where_everything_is);
    tcase_add_test(c, a_later_parse_reuses_the_tape);
    tcase_add_test(c, what_a_large_text_needed_is_not_kept_for_small_ones);
    tcase_add_test(c, without_memory_it_says_so_and_leaks_nothing);
    tcase_add_test(c, tells_the_line_and_column_of_any_byte);
    suite_add_tcase(s, c);
    return s;
}
