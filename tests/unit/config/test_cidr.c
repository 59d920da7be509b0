/* Blocks of addresses. */
#include "config/cidr.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <sys/un.h>

Suite *suite_config_cidr(void);

static struct cidr parsed(const char *text)
{
    struct cidr c;
    ck_assert_msg(cidr_parse(str_of(text), &c), "%s", text);
    return c;
}

/* Does the block hold the address, as the socket of its family shows it? */
static bool holds(const char *block, const char *address)
{
    struct cidr c = parsed(block);
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
        return cidr_holds(&c, (const struct sockaddr *)&v4);
    ck_assert_int_eq(inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
    return cidr_holds(&c, (const struct sockaddr *)&v6);
}

START_TEST(is_written_as_it_is_meant)
{
    static const struct {
        const char *text, *written;
    } rows[] = {
        {"127.0.0.1/32", "127.0.0.1/32"},
        {"127.0.0.1", "127.0.0.1/32"},
        {"10.0.0.0/8", "10.0.0.0/8"},
        {"0.0.0.0/0", "0.0.0.0/0"},
        {"::1", "::1/128"},
        {"fd00::/8", "fd00::/8"},
        {"::/0", "::/0"},
        {"10.1.2.128/25", "10.1.2.128/25"},
        {"FD00:0:0::/7", NULL},
        {"::ffff:10.0.0.0/104", "10.0.0.0/8"},
        {"2001:db8:8000::/33", "2001:db8:8000::/33"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct cidr c;
        ck_assert(cidr_parse(str_of(rows[i].text), &c) == (rows[i].written != NULL));
        if (rows[i].written == NULL)
            continue;
        struct buf b;
        buf_init(&b, 256);
        cidr_write(&b, &c);
        ck_assert_msg(str_eq(buf_str(&b), str_of(rows[i].written)), "%s", rows[i].text);
        buf_fini(&b);
    }
}
END_TEST

START_TEST(refuses_what_is_no_block)
{
    static const char *const rows[] = {
        "",
        "/",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0/8",
        "10.0.0.1/8",
        "localhost",
        "::/129",
        "::1/127",
        "10.0.0.0/8/8",
        "10.0.0.0/a",
        "[::1]",
        "::1%lo",
        "10.0.0.0/0x8",
        "10.0.0.0/0008",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999/64",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct cidr c;
        ck_assert_msg(!cidr_parse(str_of(rows[i]), &c), "%s", rows[i]);
    }
    struct cidr c;
    ck_assert(!cidr_parse(STR("10.0.0.1\0junk"), &c));
    ck_assert(!cidr_parse(STR_NONE, &c));
}
END_TEST

START_TEST(holds_its_addresses_and_no_others)
{
    ck_assert(holds("127.0.0.1/32", "127.0.0.1"));
    ck_assert(!holds("127.0.0.1/32", "127.0.0.2"));
    ck_assert(holds("10.0.0.0/8", "10.255.255.255"));
    ck_assert(!holds("10.0.0.0/8", "11.0.0.0"));
    ck_assert(holds("10.1.2.128/25", "10.1.2.129"));
    ck_assert(!holds("10.1.2.128/25", "10.1.2.127"));
    ck_assert(holds("fd00::/8", "fdff::1"));
    ck_assert(!holds("fd00::/8", "fc00::1"));
    ck_assert(holds("2001:db8:8000::/33", "2001:db8:ffff::1"));
    ck_assert(!holds("2001:db8:8000::/33", "2001:db8:7fff::1"));
    ck_assert(holds("0.0.0.0/0", "8.8.8.8"));
    ck_assert(holds("::/0", "2001:db8::1"));
}
END_TEST

START_TEST(ipv4_is_ipv4_also_on_a_socket_of_ipv6)
{
    ck_assert(holds("10.0.0.0/8", "::ffff:10.1.2.3"));
    ck_assert(!holds("10.0.0.0/8", "::ffff:11.1.2.3"));
    ck_assert(!holds("::/0", "::ffff:10.1.2.3"));
    ck_assert(!holds("::/0", "10.1.2.3"));
    ck_assert(!holds("0.0.0.0/0", "2001:db8::1"));
}
END_TEST

START_TEST(a_unix_socket_is_in_no_block)
{
    struct cidr c = parsed("0.0.0.0/0");
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    ck_assert(!cidr_holds(&c, (const struct sockaddr *)&un));
}
END_TEST

Suite *suite_config_cidr(void)
{
    Suite *s = suite_create("config_cidr");
    TCase *t = tcase_create("cidr");
    tcase_add_test(t, is_written_as_it_is_meant);
    tcase_add_test(t, refuses_what_is_no_block);
    tcase_add_test(t, holds_its_addresses_and_no_others);
    tcase_add_test(t, ipv4_is_ipv4_also_on_a_socket_of_ipv6);
    tcase_add_test(t, a_unix_socket_is_in_no_block);
    suite_add_tcase(s, t);
    return s;
}
