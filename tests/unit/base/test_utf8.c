#include "base/utf8.h"

#include <check.h>
#include <stdbool.h>
#include <string.h>

Suite *suite_base_utf8(void);

static bool is_surrogate(uint32_t code)
{
    return code >= 0xD800 && code <= 0xDFFF;
}

START_TEST(every_character_comes_back)
{
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        char text[4];
        size_t n = utf8_encode(code, text);
        size_t expected = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
        ck_assert_uint_eq(n, expected);
        ck_assert_uint_eq(utf8_char_len((const uint8_t *)text, n), is_surrogate(code) ? 0 : n);
        for (size_t cut = 1; cut < n; cut++)
            ck_assert_uint_eq(utf8_char_len((const uint8_t *)text, cut), 0);
    }
}
END_TEST

/* All sequences of three bytes against RFC 3629's grammar, written down another way: decode, then
 * check the range. */
START_TEST(accepts_exactly_the_shortest_forms)
{
    for (uint32_t i = 0; i < 1u << 24; i++) {
        uint8_t p[3] = {(uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
        size_t n = 0;
        if (p[0] < 0x80)
            n = 1;
        else if ((p[0] & 0xE0) == 0xC0 && (p[1] & 0xC0) == 0x80)
            n = ((p[0] & 0x1Fu) << 6 | (p[1] & 0x3Fu)) >= 0x80 ? 2 : 0;
        else if ((p[0] & 0xF0) == 0xE0 && (p[1] & 0xC0) == 0x80 && (p[2] & 0xC0) == 0x80) {
            uint32_t code = (p[0] & 0x0Fu) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu);
            n = code >= 0x800 && !is_surrogate(code) ? 3 : 0;
        }
        if (utf8_char_len(p, 3) != n)
            ck_abort_msg("%02x %02x %02x", p[0], p[1], p[2]);
    }
}
END_TEST

START_TEST(accepts_four_bytes_up_to_the_last_code_point)
{
    static const struct {
        const char *text;
        size_t len;
    } rows[] = {
        {"\xF0\x90\x80\x80", 4}, {"\xF0\x8F\xBF\xBF", 0}, {"\xF3\xBF\xBF\xBF", 4},
        {"\xF4\x8F\xBF\xBF", 4}, {"\xF4\x90\x80\x80", 0}, {"\xF5\x80\x80\x80", 0},
        {"\xF0\x90\x80\x7F", 0}, {"\xF0\x90\xC0\x80", 0}, {"\xF0\x50\x80\x80", 0},
        {"\xFF\xBF\xBF\xBF", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_uint_eq(utf8_char_len((const uint8_t *)rows[i].text, 4), rows[i].len);
}
END_TEST

Suite *suite_base_utf8(void)
{
    Suite *s = suite_create("base/utf8");
    TCase *c = tcase_create("utf8");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, every_character_comes_back);
    tcase_add_test(c, accepts_exactly_the_shortest_forms);
    tcase_add_test(c, accepts_four_bytes_up_to_the_last_code_point);
    suite_add_tcase(s, c);
    return s;
}
