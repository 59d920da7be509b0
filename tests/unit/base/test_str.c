#include "base/str.h"

#include <check.h>

Suite *suite_base_str(void);

START_TEST(hashes_as_fnv_1a_does)
{
    ck_assert(str_hash(STR("")) == 0xCBF29CE484222325u);
    ck_assert(str_hash(STR("a")) == 0xAF63DC4C8601EC8Cu);
    ck_assert(str_hash(STR("foobar")) == 0x85944171F73967E8u);
}
END_TEST

START_TEST(compares)
{
    ck_assert(str_eq(STR("a"), STR("a")));
    ck_assert(!str_eq(STR("a"), STR("b")));
    ck_assert(!str_eq(STR("a"), STR("aa")));
    ck_assert(str_eq(STR(""), STR_NONE));
    ck_assert(str_eq(STR_NONE, STR_NONE));
    ck_assert(!str_eq(STR("a\0b"), STR("a\0c")));
    ck_assert(str_eq_nocase(STR("Content-TYPE"), STR("content-type")));
    ck_assert(!str_eq_nocase(STR("a["), STR("A{"))); /* letters only */
    ck_assert(!str_eq_nocase(STR("a"), STR("ab")));
    ck_assert(!str_eq_nocase(STR("\xC3\x84"), STR("\xC3\xA4")));
    ck_assert_int_lt(str_cmp(STR("a"), STR("b")), 0);
    ck_assert_int_gt(str_cmp(STR("b"), STR("a")), 0);
    ck_assert_int_lt(str_cmp(STR("a"), STR("ab")), 0);
    ck_assert_int_gt(str_cmp(STR("ab"), STR("a")), 0);
    ck_assert_int_eq(str_cmp(STR("ab"), STR("ab")), 0);
    ck_assert_int_eq(str_cmp(STR_NONE, STR("")), 0);
    ck_assert_int_lt(str_cmp(STR_NONE, STR("a")), 0);
    ck_assert_int_gt(str_cmp(STR("\xFF"), STR("a")), 0); /* bytes are unsigned */
}
END_TEST

START_TEST(knows_a_prefix)
{
    ck_assert(str_starts(STR("run_1"), STR("run_")));
    ck_assert(str_starts(STR("run_"), STR("run_")));
    ck_assert(str_starts(STR("x"), STR("")));
    ck_assert(!str_starts(STR("run"), STR("run_")));
    ck_assert(!str_starts(STR("Run_"), STR("run_")));
}
END_TEST

/* Bug: memcmp was called with a null pointer, which is undefined also for no bytes. */
START_TEST(nothing_starts_with_nothing)
{
    ck_assert(str_starts(STR_NONE, STR_NONE));
    ck_assert(str_starts(STR("a"), STR_NONE));
    ck_assert(!str_starts(STR_NONE, STR("a")));
}
END_TEST

START_TEST(makes_a_view_of_a_c_string)
{
    ck_assert(str_eq(str_of("abc"), STR("abc")));
    ck_assert_ptr_null(str_of(NULL).at);
    ck_assert_uint_eq(str_of(NULL).len, 0);
    ck_assert_uint_eq(STR("a\0b").len, 3);
}
END_TEST

START_TEST(trims_spaces_and_tabs_only)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"", ""},         {" ", ""},        {"a", "a"},     {" a ", "a"},
        {"\t a\t ", "a"}, {" a b ", "a b"}, {"\na", "\na"}, {"a\r", "a\r"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert(str_eq(str_trim(str_of(rows[i].in)), str_of(rows[i].out)));
    ck_assert_uint_eq(str_trim(STR_NONE).len, 0);
}
END_TEST

START_TEST(cuts_at_a_character)
{
    struct str rest = STR("a,,b");
    ck_assert(str_eq(str_cut(&rest, ','), STR("a")));
    ck_assert(str_eq(rest, STR(",b")));
    ck_assert(str_eq(str_cut(&rest, ','), STR("")));
    ck_assert(str_eq(str_cut(&rest, ','), STR("b")));
    ck_assert_ptr_null(rest.at);
    ck_assert_uint_eq(str_cut(&rest, ',').len, 0);
    rest = STR("a,");
    ck_assert(str_eq(str_cut(&rest, ','), STR("a")));
    ck_assert_ptr_nonnull(rest.at); /* an empty last part is not the same as none */
    ck_assert_uint_eq(rest.len, 0);
}
END_TEST

START_TEST(reads_digits_and_nothing_else)
{
    static const struct {
        const char *text;
        bool fine;
        uint64_t value;
    } rows[] = {
        {"0", true, 0},
        {"007", true, 7},
        {"18446744073709551615", true, UINT64_MAX},
        {"18446744073709551616", false, 0},
        {"99999999999999999999", false, 0},
        {"184467440737095516150", false, 0},
        {"", false, 0},
        {"-1", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1.0", false, 0},
        {"0x1", false, 0},
        {"1e2", false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t value = 77;
        ck_assert_msg(str_to_u64(str_of(rows[i].text), &value) == rows[i].fine, "%s", rows[i].text);
        ck_assert_uint_eq(value, rows[i].fine ? rows[i].value : 77);
    }
}
END_TEST

START_TEST(caps_what_is_too_large)
{
    static const struct {
        const char *text;
        bool fine;
        uint64_t value;
    } rows[] = {
        {"0", true, 0},
        {"9", true, 9},
        {"10", true, 10},
        {"11", true, 10},
        {"18446744073709551616", true, 10},
        {"", false, 77},
        {"-1", false, 77},
        {"1.5", false, 77},
        {"99999999999999999999x", false, 77},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t value = 77;
        ck_assert_msg(str_to_u64_capped(str_of(rows[i].text), 10, &value) == rows[i].fine, "%s",
                      rows[i].text);
        ck_assert_uint_eq(value, rows[i].value);
    }
}
END_TEST

START_TEST(knows_a_name)
{
    static const char *const good[] = {"a", "Z", "0", "_", "-", "my-agent_2"};
    static const char *const bad[] = {"", " ", "a b", "a.b", "a/b", "\xC3\xA9", "a\n"};
    char longest[65];
    memset(longest, 'a', sizeof longest);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        ck_assert(str_is_name(str_of(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert(!str_is_name(str_of(bad[i])));
    ck_assert(!str_is_name(STR("a\0")));
    ck_assert(str_is_name((struct str){longest, 64}));
    ck_assert(!str_is_name((struct str){longest, 65}));
}
END_TEST

START_TEST(knows_utf8)
{
    ck_assert(str_is_utf8(STR_NONE));
    ck_assert(str_is_utf8(STR("plain")));
    ck_assert(str_is_utf8(STR("a\0b")));
    ck_assert(str_is_utf8(STR("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80")));
    ck_assert(!str_is_utf8(STR("a\xC3")));
    ck_assert(!str_is_utf8(STR("\xA9")));
    ck_assert(!str_is_utf8(STR("\xED\xA0\x80")));
}
END_TEST

/* Each place of a text of characters of one to four bytes: the cut is where the last whole
 * character ends. */
START_TEST(cuts_between_characters)
{
    static const char text[] = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z";
    static const size_t floors[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11};
    for (size_t n = 0; n < sizeof floors / sizeof floors[0]; n++)
        ck_assert_uint_eq(str_utf8_floor(text, n), floors[n]);
    /* No UTF-8: any cut is as good. */
    ck_assert_uint_eq(str_utf8_floor("\x80\x80\x80\x80\x80", 5), 5);
}
END_TEST

START_TEST(reads_hex)
{
    uint8_t bytes[3] = {7, 7, 7};
    ck_assert(str_from_hex(STR("00fFA5"), bytes, 3));
    ck_assert(bytes[0] == 0 && bytes[1] == 0xFF && bytes[2] == 0xA5);
    ck_assert(str_from_hex(STR_NONE, bytes, 0));
    ck_assert(!str_from_hex(STR("00ff"), bytes, 3));
    ck_assert(!str_from_hex(STR("00ffa"), bytes, 3));
    ck_assert(!str_from_hex(STR("00ffa5a"), bytes, 3));
    ck_assert(!str_from_hex(STR("00ffg5"), bytes, 3));
    ck_assert(!str_from_hex(STR(" 0ffa5"), bytes, 3));
}
END_TEST

START_TEST(copies_as_much_as_fits)
{
    char dst[6];
    str_copy(dst, sizeof dst, STR("abc"));
    ck_assert_str_eq(dst, "abc");
    str_copy(dst, sizeof dst, STR("abcde"));
    ck_assert_str_eq(dst, "abcde");
    str_copy(dst, sizeof dst, STR("abcdef"));
    ck_assert_str_eq(dst, "abcde");
    str_copy(dst, sizeof dst, STR("abcd\xC3\xA9"));
    ck_assert_str_eq(dst, "abcd");
    str_copy(dst, sizeof dst, STR_NONE);
    ck_assert_str_eq(dst, "");
    str_copy(dst, 1, STR("abc"));
    ck_assert_str_eq(dst, "");
}
END_TEST

Suite *suite_base_str(void)
{
    Suite *s = suite_create("base/str");
    TCase *c = tcase_create("str");
    tcase_add_test(c, hashes_as_fnv_1a_does);
    tcase_add_test(c, compares);
    tcase_add_test(c, knows_a_prefix);
    tcase_add_test(c, nothing_starts_with_nothing);
    tcase_add_test(c, makes_a_view_of_a_c_string);
    tcase_add_test(c, trims_spaces_and_tabs_only);
    tcase_add_test(c, cuts_at_a_character);
    tcase_add_test(c, reads_digits_and_nothing_else);
    tcase_add_test(c, caps_what_is_too_large);
    tcase_add_test(c, knows_a_name);
    tcase_add_test(c, knows_utf8);
    tcase_add_test(c, cuts_between_characters);
    tcase_add_test(c, reads_hex);
    tcase_add_test(c, copies_as_much_as_fits);
    suite_add_tcase(s, c);
    return s;
}
