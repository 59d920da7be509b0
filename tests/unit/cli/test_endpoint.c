#include "cli/endpoint.h"

#include <check.h>
#include <stdlib.h>

Suite *suite_cli_endpoint(void);

START_TEST(reads_addresses)
{
    static const struct {
        const char *text, *url, *socket;
    } rows[] = {
        {"http://127.0.0.1:8080", "http://127.0.0.1:8080", ""},
        {"http://127.0.0.1:8080/", "http://127.0.0.1:8080", ""},
        {"https://gateway.example/base/", "https://gateway.example/base", ""},
        {"localhost:99", "http://localhost:99", ""},
        {"http://[::1]:8080", "http://[::1]:8080", ""},
        {"unix:/run/sluice.sock", "http://localhost", "/run/sluice.sock"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct endpoint e;
        ck_assert_int_eq(endpoint_parse(str_of(rows[i].text), &e, NULL), OK);
        ck_assert_str_eq(e.url, rows[i].url);
        ck_assert_str_eq(e.socket, rows[i].socket);
    }
}
END_TEST

START_TEST(refuses_what_is_no_address)
{
    static const char *const rows[] = {
        "",          "http://",         "https:///x",      "ftp://host", "unix:",
        "http://a?", "http://user@a:1", "http://a#b",      "http://a b", "http://a\nb",
        "/run/sock", "http://\x80",     "http://a\\@evil",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct endpoint e;
        struct error error;
        ck_assert_msg(endpoint_parse(str_of(rows[i]), &e, &error) == ERR_INVALID_REQUEST, "\"%s\"",
                      rows[i]);
        ck_assert_uint_gt(strlen(error.message), 0);
    }
}
END_TEST

START_TEST(takes_as_much_as_fits)
{
    struct endpoint e;
    char text[ENDPOINT_URL_BYTES + 1];
    memset(text, 'a', sizeof text);
    memcpy(text, "http://", 7);
    ck_assert_int_eq(endpoint_parse((struct str){text, ENDPOINT_URL_BYTES - 1}, &e, NULL), OK);
    ck_assert_uint_eq(strlen(e.url), ENDPOINT_URL_BYTES - 1);
    ck_assert_int_ne(endpoint_parse((struct str){text, ENDPOINT_URL_BYTES}, &e, NULL), OK);
    memcpy(text, "unix:/", 6);
    ck_assert_int_eq(endpoint_parse((struct str){text, 5 + ENDPOINT_SOCKET_BYTES - 1}, &e, NULL),
                     OK);
    ck_assert_uint_eq(strlen(e.socket), ENDPOINT_SOCKET_BYTES - 1);
    ck_assert_int_ne(endpoint_parse((struct str){text, 5 + ENDPOINT_SOCKET_BYTES}, &e, NULL), OK);
}
END_TEST

START_TEST(the_option_beats_the_environment_beats_the_default)
{
    struct endpoint e;
    setenv("SLUICE_URL", "http://environment:1", 1);
    ck_assert_int_eq(endpoint_choose("http://option:1", &e, NULL), OK);
    ck_assert_str_eq(endpoint_name(&e), "http://option:1");
    ck_assert_int_eq(endpoint_choose(NULL, &e, NULL), OK);
    ck_assert_str_eq(endpoint_name(&e), "http://environment:1");
    setenv("SLUICE_URL", "", 1);
    ck_assert_int_eq(endpoint_choose(NULL, &e, NULL), OK);
    ck_assert_str_eq(endpoint_name(&e), "http://127.0.0.1:8080");
    ck_assert_int_eq(endpoint_choose("unix:/s", &e, NULL), OK);
    ck_assert_str_eq(endpoint_name(&e), "/s");
}
END_TEST

Suite *suite_cli_endpoint(void)
{
    Suite *s = suite_create("cli/endpoint");
    TCase *t = tcase_create("addresses");
    tcase_add_test(t, reads_addresses);
    tcase_add_test(t, refuses_what_is_no_address);
    tcase_add_test(t, takes_as_much_as_fits);
    tcase_add_test(t, the_option_beats_the_environment_beats_the_default);
    suite_add_tcase(s, t);
    return s;
}
