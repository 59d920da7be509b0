/* What may go into an outbound request's head, and how. */
#include "net/http.h"

#include <check.h>

#include "base/buf.h"

Suite *suite_net_http(void);

#define T(literal)                                                                                 \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

START_TEST(a_name_is_a_token)
{
    static const struct {
        struct str name;
        bool fine;
    } rows[] = {
        {T("X"), true},       {T("Content-Type"), true}, {T("!#$%&'*+-.^_`|~09azAZ"), true},
        {T(""), false},       {T("X Y"), false},         {T("X:"), false},
        {T("X\r\nY"), false}, {T("X\0"), false},         {T("\xC3\xA4"), false},
        {T("X\t"), false},    {T("(X)"), false},         {T("\"X\""), false},
        {T("X\x7F"), false},  {T("a/b"), false},         {T("a=b"), false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_msg(http_name_is_valid(rows[i].name) == rows[i].fine, "%zu", i);
    ck_assert(!http_name_is_valid(STR_NONE));
}
END_TEST

START_TEST(a_value_holds_no_control_byte_but_a_tab)
{
    ck_assert(http_value_is_valid(STR_NONE));
    ck_assert(http_value_is_valid(STR("")));
    for (int c = 0; c < 256; c++) {
        char text[3] = {'a', (char)c, 'b'};
        bool fine = c == '\t' || (c >= 0x20 && c != 0x7F);
        ck_assert_msg(http_value_is_valid((struct str){text, 3}) == fine, "byte %d", c);
    }
}
END_TEST

START_TEST(headers_are_added_up_to_the_bound)
{
    struct http_request r = {.method = "GET"};
    for (unsigned i = 0; i < HTTP_MAX_HEADERS; i++)
        ck_assert(http_add_header(&r, STR("X-N"), STR("v")));
    ck_assert(!http_add_header(&r, STR("X-N"), STR("v")));
    ck_assert_uint_eq(r.header_count, HTTP_MAX_HEADERS);
}
END_TEST

START_TEST(a_header_that_would_smuggle_another_is_not_added)
{
    struct http_request r = {.method = "GET"};
    ck_assert(!http_add_header(&r, STR("X"), STR("a\r\nEvil: 1")));
    ck_assert(!http_add_header(&r, STR("X"), STR("a\nEvil: 1")));
    ck_assert(!http_add_header(&r, STR("X\r\nEvil"), STR("1")));
    ck_assert(!http_add_header(&r, STR(""), STR("1")));
    ck_assert_uint_eq(r.header_count, 0);
    ck_assert(http_add_header(&r, STR("X"), STR("a")));
    ck_assert(str_eq(r.headers[0].name, STR("X")) && str_eq(r.headers[0].value, STR("a")));
}
END_TEST

START_TEST(only_unreserved_characters_stay_unencoded)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    static const char hex[] = "0123456789ABCDEF";
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        char want[3] = {'%', hex[c >> 4], hex[c & 15]};
        bool stays = c != 0 && strchr(plain, byte) != NULL;
        struct buf b;
        buf_init(&b, 16);
        http_add_encoded(&b, (struct str){&byte, 1});
        ck_assert(str_eq(buf_str(&b), stays ? (struct str){&byte, 1} : (struct str){want, 3}));
        buf_fini(&b);
    }
}
END_TEST

START_TEST(text_is_encoded_byte_by_byte)
{
    struct buf b;
    buf_init(&b, 256);
    http_add_encoded(&b, STR("a b/c?d=e&f+g%20\xC3\xA4"));
    ck_assert(str_eq(buf_str(&b), STR("a%20b%2Fc%3Fd%3De%26f%2Bg%2520%C3%A4")));
    buf_fini(&b);
}
END_TEST

Suite *suite_net_http(void)
{
    Suite *s = suite_create("net_http");
    TCase *t = tcase_create("http");
    tcase_add_test(t, a_name_is_a_token);
    tcase_add_test(t, a_value_holds_no_control_byte_but_a_tab);
    tcase_add_test(t, headers_are_added_up_to_the_bound);
    tcase_add_test(t, a_header_that_would_smuggle_another_is_not_added);
    tcase_add_test(t, only_unreserved_characters_stay_unencoded);
    tcase_add_test(t, text_is_encoded_byte_by_byte);
    suite_add_tcase(s, t);
    return s;
}
