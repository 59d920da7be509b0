/* Addresses to listen on. */
#include "config/listen.h"

#include <check.h>

#include "base/mem.h"

Suite *suite_config_listen(void);

static struct arena arena;

static void set_up(void)
{
    arena_init(&arena, 1 << 20);
}

static void tear_down(void)
{
    arena_fini(&arena);
    ck_assert_int_eq(mem_live(), 0);
}

START_TEST(reads_host_and_port)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
        bool is_loopback;
    } rows[] = {
        {"127.0.0.1:8080", "127.0.0.1", 8080, true},
        {"127.255.0.9:1", "127.255.0.9", 1, true},
        {"0.0.0.0:65535", "0.0.0.0", 65535, false},
        {"10.0.0.1:80", "10.0.0.1", 80, false},
        {"localhost:0", "localhost", 0, true},
        {"LocalHost:80", "LocalHost", 80, true},
        {"gate-1.example.com:80", "gate-1.example.com", 80, false},
        {"localhost.example.com:80", "localhost.example.com", 80, false},
        {"[::1]:80", "::1", 80, true},
        {"[::]:80", "::", 80, false},
        {"[fd00::7]:80", "fd00::7", 80, false},
        {"[::ffff:127.0.0.1]:80", "::ffff:127.0.0.1", 80, true},
        {"[::ffff:10.0.0.1]:80", "::ffff:10.0.0.1", 80, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct listen_address a;
        ck_assert_msg(listen_parse(str_of(rows[i].text), &arena, &a) == OK, "%s", rows[i].text);
        ck_assert_int_eq(a.kind, LISTEN_TCP);
        ck_assert_str_eq(a.text, rows[i].text);
        ck_assert_str_eq(a.host, rows[i].host);
        ck_assert_uint_eq(a.port, rows[i].port);
        ck_assert_msg(a.is_loopback == rows[i].is_loopback, "%s", rows[i].text);
    }
}
END_TEST

START_TEST(reads_the_path_of_a_unix_socket)
{
    struct listen_address a;
    ck_assert_int_eq(listen_parse(STR("unix:/run/sluice.sock"), &arena, &a), OK);
    ck_assert_int_eq(a.kind, LISTEN_UNIX);
    ck_assert_str_eq(a.path, "/run/sluice.sock");
    ck_assert_str_eq(a.text, "unix:/run/sluice.sock");
    ck_assert(a.is_loopback);
}
END_TEST

START_TEST(a_socket_path_may_have_107_bytes)
{
    char text[5 + 108 + 1] = "unix:/";
    memset(text + 6, 'a', 107);
    struct listen_address a;
    ck_assert_int_eq(listen_parse((struct str){text, 5 + 107}, &arena, &a), OK);
    ck_assert_uint_eq(strlen(a.path), 107);
    ck_assert_int_eq(listen_parse((struct str){text, 5 + 108}, &arena, &a), ERR_CONFIG);
}
END_TEST

START_TEST(refuses_everything_else)
{
    static const char *const rows[] = {
        "",
        "nonsense",
        ":80",
        "127.0.0.1",
        "127.0.0.1:",
        "a:65536",
        "a:-1",
        "a:+1",
        "a: 1",
        "a:1 ",
        "a:000001",
        "1.2.3:80",
        "1.2.3.256:80",
        "300:80",
        "a b:80",
        "a/b:80",
        "::1:80",
        "[::1]",
        "[::1]80",
        "[::1:80",
        "[]:80",
        "[127.0.0.1]:1",
        "[::g]:80",
        "[fe80::1%lo]:80",
        "unix:",
        "unix:x",
        "unix:./x",
        "http://a:80",
        "tcp:80/x",
        "*:80",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct listen_address a = {.port = 7};
        ck_assert_msg(listen_parse(str_of(rows[i]), &arena, &a) == ERR_CONFIG, "%s", rows[i]);
        ck_assert_uint_eq(a.port, 7);
    }
    struct listen_address a;
    ck_assert_int_eq(listen_parse(STR("localhost\0.example:80"), &arena, &a), ERR_CONFIG);
    ck_assert_int_eq(listen_parse(STR("unix:/a\0b"), &arena, &a), ERR_CONFIG);
    ck_assert_int_eq(listen_parse(STR_NONE, &arena, &a), ERR_CONFIG);
}
END_TEST

START_TEST(a_host_name_has_at_most_253_bytes)
{
    char text[260];
    struct listen_address a;
    memset(text, 'a', sizeof text);
    memcpy(text + 253, ":1", 2);
    ck_assert_int_eq(listen_parse((struct str){text, 255}, &arena, &a), OK);
    memset(text, 'a', sizeof text);
    memcpy(text + 254, ":1", 2);
    ck_assert_int_eq(listen_parse((struct str){text, 256}, &arena, &a), ERR_CONFIG);
}
END_TEST

Suite *suite_config_listen(void)
{
    Suite *s = suite_create("config_listen");
    TCase *t = tcase_create("listen");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, reads_host_and_port);
    tcase_add_test(t, reads_the_path_of_a_unix_socket);
    tcase_add_test(t, a_socket_path_may_have_107_bytes);
    tcase_add_test(t, refuses_everything_else);
    tcase_add_test(t, a_host_name_has_at_most_253_bytes);
    suite_add_tcase(s, t);
    return s;
}
