/* Whose request it is: proxies that are trusted, those that are not, and clients that lie. */
#include "server/client_address.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>

Suite *suite_server_client_address(void);

static struct cidr trusted[3];
static struct settings settings = {.trusted_proxies = trusted, .trusted_proxy_count = 3};

static void set_up(void)
{
    ck_assert(cidr_parse(STR("127.0.0.1"), &trusted[0]));
    ck_assert(cidr_parse(STR("10.0.0.0/8"), &trusted[1]));
    ck_assert(cidr_parse(STR("fd00::/8"), &trusted[2]));
}

static void peer_of(const char *text, struct sockaddr_storage *ret)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
    *ret = (struct sockaddr_storage){.ss_family = AF_UNIX};
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
        ret->ss_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
        ret->ss_family = AF_INET6;
}

static const struct {
    const char *peer, *x_forwarded_for, *forwarded, *client;
} rows[] = {
    {"127.0.0.1", NULL, NULL, "127.0.0.1"},
    {"127.0.0.1", "192.0.2.1", NULL, "192.0.2.1"},
    {"127.0.0.1", " 192.0.2.1 ", NULL, "192.0.2.1"},
    {"127.0.0.1", "192.0.2.1:4711", NULL, "192.0.2.1"},
    {"127.0.0.1", "2001:db8::1", NULL, "2001:db8::1"},
    {"127.0.0.1", "[2001:db8::1]:4711", NULL, "2001:db8::1"},
    {"127.0.0.1", "::ffff:192.0.2.1", NULL, "192.0.2.1"},
    /* a peer that nobody trusts may say what it likes */
    {"192.0.2.9", "198.51.100.1", "for=198.51.100.1", "192.0.2.9"},
    {"2001:db8::9", "198.51.100.1", NULL, "2001:db8::9"},
    /* from the right, through those that are trusted, to the first that is not */
    {"127.0.0.1", "203.0.113.5, 192.0.2.1", NULL, "192.0.2.1"},
    {"127.0.0.1", "6.6.6.6, 192.0.2.1, 10.1.2.3", NULL, "192.0.2.1"},
    {"127.0.0.1", "192.0.2.1, 10.1.2.3, fd00::5", NULL, "192.0.2.1"},
    {"::ffff:127.0.0.1", "192.0.2.1", NULL, "192.0.2.1"},
    {"127.0.0.1", "10.9.9.9, 10.1.2.3", NULL, "10.9.9.9"},
    /* what is no address ends the walk */
    {"127.0.0.1", "unknown", NULL, "127.0.0.1"},
    {"127.0.0.1", "192.0.2.1, nonsense, 10.1.2.3", NULL, "10.1.2.3"},
    {"127.0.0.1", "192.0.2.1,", NULL, "127.0.0.1"},
    {"127.0.0.1", "", NULL, "127.0.0.1"},
    {"127.0.0.1", "1.2.3.4.5", NULL, "127.0.0.1"},
    {"127.0.0.1", "[", NULL, "127.0.0.1"},
    {"127.0.0.1", "[]", NULL, "127.0.0.1"},
    {"127.0.0.1", "999999999999999999999999999999999999999999999999999999999", NULL, "127.0.0.1"},
    /* RFC 7239 */
    {"127.0.0.1", NULL, "for=192.0.2.1", "192.0.2.1"},
    {"127.0.0.1", NULL, "proto=http; For=\"192.0.2.1:80\" ;by=203.0.113.43", "192.0.2.1"},
    {"127.0.0.1", NULL, "for=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"},
    {"127.0.0.1", NULL, "for=6.6.6.6;host=\"a,b;for=7.7.7.7\", for=192.0.2.1", "192.0.2.1"},
    {"127.0.0.1", NULL, "for=192.0.2.1, for=10.0.0.7;by=x", "192.0.2.1"},
    {"127.0.0.1", NULL, "for=_hidden, for=10.0.0.7", "10.0.0.7"},
    {"127.0.0.1", NULL, "proto=https", "127.0.0.1"},
    {"127.0.0.1", NULL, "for=\"192.0.2.1", "127.0.0.1"},
    /* the one that common proxies write counts, the other may be the client's own */
    {"127.0.0.1", "192.0.2.1", "for=6.6.6.6", "192.0.2.1"},
    {"unix", NULL, NULL, "unix"},
    {"unix", "192.0.2.1", NULL, "192.0.2.1"},
};

START_TEST(is_the_last_address_that_somebody_trusted_has_seen)
{
    struct sockaddr_storage peer;
    char text[CLIENT_ADDRESS_TEXT];
    peer_of(rows[_i].peer, &peer);
    client_address(&settings, (const struct sockaddr *)&peer, str_of(rows[_i].x_forwarded_for),
                   str_of(rows[_i].forwarded), text);
    ck_assert_msg(strcmp(text, rows[_i].client) == 0, "%s, %s: %s, not %s", rows[_i].peer,
                  rows[_i].x_forwarded_for != NULL ? rows[_i].x_forwarded_for : rows[_i].forwarded,
                  text, rows[_i].client);
}
END_TEST

START_TEST(a_long_row_of_proxies_has_a_bound)
{
    struct sockaddr_storage peer;
    char text[CLIENT_ADDRESS_TEXT], list[4096] = "192.0.2.1";
    peer_of("127.0.0.1", &peer);
    for (int i = 0; i < CLIENT_ADDRESS_HOPS - 1; i++)
        strcat(list, ", 10.0.0.1");
    client_address(&settings, (const struct sockaddr *)&peer, str_of(list), STR_NONE, text);
    ck_assert_str_eq(text, "192.0.2.1");
    strcat(list, ", 10.0.0.2");
    client_address(&settings, (const struct sockaddr *)&peer, str_of(list), STR_NONE, text);
    ck_assert_str_eq(text, "10.0.0.1");
}
END_TEST

Suite *suite_server_client_address(void)
{
    Suite *s = suite_create("server/client_address");
    TCase *t = tcase_create("client_address");
    tcase_add_checked_fixture(t, set_up, NULL);
    tcase_add_loop_test(t, is_the_last_address_that_somebody_trusted_has_seen, 0,
                        sizeof rows / sizeof rows[0]);
    tcase_add_test(t, a_long_row_of_proxies_has_a_bound);
    suite_add_tcase(s, t);
    return s;
}
