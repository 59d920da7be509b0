/* What callers' URLs may lead to. */
#include "net/url_guard.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>

Suite *suite_net_url_guard(void);

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

START_TEST(public_addresses_and_names_pass)
{
    static const char *const fine[] = {
        "https://example.com/hook",
        "HTTP://EXAMPLE.com:8080",
        "https://example.com?a=b",
        "https://example.com./x",
        "https://a_b.example.com/x?y=%20@z:1",
        "https://8.8.8.8/",
        "https://134744072/",
        "https://172.32.0.1/",
        "https://100.128.0.1/",
        "https://[2606:4700::1111]:443/x",
        "https://[::ffff:8.8.8.8]/",
        "https://[64:ff9b::8.8.8.8]/",
        "https://[2002:808:808::]/",
        "https://localhost.example.com/",
        "https://notlocalhost/",
        "https://xn--bcher-kva.example/",
    };
    for (size_t i = 0; i < COUNT(fine); i++) {
        ck_assert_msg(url_guard_fault(str_of(fine[i])) == NULL, "%s", fine[i]);
        ck_assert_msg(url_guard_fault_any_address(str_of(fine[i])) == NULL, "%s", fine[i]);
    }
}
END_TEST

START_TEST(forbidden_addresses_are_seen_in_every_spelling)
{
    static const char *const private[] = {
        "http://localhost/",
        "http://LOCALHOST./",
        "http://a.localhost:80/",
        "http://127.0.0.1/",
        "http://127.0.0.1./",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0X7F000001/",
        "http://017700000001/",
        "http://0177.0.0.1/",
        "http://0/",
        "http://0.0.0.0/",
        "http://10.1.2.3/",
        "http://100.64.0.1/",
        "http://169.254.169.254/latest/meta-data",
        "http://0xa9fea9fe/",
        "http://172.16.0.1/",
        "http://172.31.255.255/",
        "http://192.0.0.1/",
        "http://192.0.2.1/",
        "http://192.168.1.1/",
        "http://198.19.0.1/",
        "http://198.51.100.1/",
        "http://203.0.113.9/",
        "http://224.0.0.1/",
        "http://240.0.0.1/",
        "http://255.255.255.255/",
        "http://[::]/",
        "http://[::1]:8080/",
        "http://[::127.0.0.1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://[64:ff9b::10.0.0.1]/",
        "http://[64:ff9b:1::1]/",
        "http://[2002:7f00:1::]/",
        "http://[2001::1]/",
        "http://[2001:db8::1]/",
        "http://[3fff::1]/",
        "http://[fc00::1]/",
        "http://[fd00:ec2::254]/",
        "http://[fe80::1]/",
        "http://[fec0::1]/",
        "http://[ff02::1]/",
        "http://[100::1]/",
        "http://[4000::1]/",
    };
    for (size_t i = 0; i < COUNT(private); i++) {
        ck_assert_msg(url_guard_fault(str_of(private[i])) != NULL, "%s", private[i]);
        ck_assert_msg(url_guard_fault_any_address(str_of(private[i])) == NULL, "%s", private[i]);
    }
}
END_TEST

START_TEST(what_could_be_read_in_two_ways_is_refused_wherever_it_leads)
{
    static const char *const bad[] = {
        "",
        "example.com",
        "//example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "https:/example.com/",
        "https:example.com",
        "https://",
        "https:///x",
        "https://:80/",
        "https://?x",
        "https://user@example.com/",
        "https://user:pw@example.com/",
        "https://example.com@127.0.0.1/",
        "https://example.com\\@127.0.0.1/",
        "https://example.com#@127.0.0.1/",
        "https://example.com/#fragment",
        "https://example.com /",
        " https://example.com/",
        "https://example.com/\n",
        "https://example.com/\t",
        "https://ex\xC3\xA4mple.com/",
        "https://127.0.0.1%2f/",
        "https://%31%32%37.0.0.1/",
        "https://example.com:0/",
        "https://example.com:65536/",
        "https://example.com:80:80/",
        "https://example.com:/",
        "https://example.com:+80/",
        "https://.example.com/",
        "https://a..b/",
        "https://1.2.3.4.5/",
        "https://256.1.1.1/",
        "https://0x/",
        "https://foo.1/",
        "https://1.2.3.4a/",
        "https://08.1.1.1/",
        "https://99999999999/",
        "https://[::1/",
        "https://[::1]x/",
        "https://[::1]:/",
        "https://[fe80::1%25eth0]/",
        "https://[1.2.3.4]/",
        "https://[]/",
        "https://::1/",
        "https://a!b/",
        "https://a,b/",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        ck_assert_msg(url_guard_fault(str_of(bad[i])) != NULL, "%s", bad[i]);
        ck_assert_msg(url_guard_fault_any_address(str_of(bad[i])) != NULL, "%s", bad[i]);
        char host[URL_HOST_MAX];
        ck_assert_msg(!url_guard_host(str_of(bad[i]), host), "%s", bad[i]);
    }
    ck_assert_ptr_nonnull(url_guard_fault(STR("https://example.com/\0")));
}
END_TEST

START_TEST(lengths_have_a_bound)
{
    char url[URL_MAX + 2];
    memset(url, 'a', sizeof url);
    memcpy(url, "https://a/", 10);
    ck_assert_ptr_null(url_guard_fault((struct str){url, URL_MAX}));
    ck_assert_ptr_nonnull(url_guard_fault((struct str){url, URL_MAX + 1}));
    url[9] = 'a';
    url[8 + 253] = '/';
    char host[URL_HOST_MAX];
    ck_assert(url_guard_host((struct str){url, URL_MAX}, host));
    ck_assert_uint_eq(strlen(host), 253 + 4);
    url[8 + 253] = 'a';
    url[8 + 254] = '/';
    ck_assert_ptr_nonnull(url_guard_fault((struct str){url, URL_MAX}));
}
END_TEST

START_TEST(a_host_has_one_spelling)
{
    static const struct {
        const char *url, *host;
    } rows[] = {
        {"https://Example.COM/x", "example.com:443"},
        {"http://example.com", "example.com:80"},
        {"http://example.com.:81?x", "example.com:81"},
        {"http://[FD00::1]:9/", "[fd00::1]:9"},
        {"http://[::1]", "[::1]:80"},
    };
    char host[URL_HOST_MAX];
    for (size_t i = 0; i < COUNT(rows); i++) {
        ck_assert(url_guard_host(str_of(rows[i].url), host));
        ck_assert_str_eq(host, rows[i].host);
    }
}
END_TEST

static bool is_public(const char *text)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
        return url_guard_is_public((const struct sockaddr *)&in);
    ck_assert_int_eq(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
    return url_guard_is_public((const struct sockaddr *)&in6);
}

START_TEST(an_address_is_judged_by_itself)
{
    static const char *const public[] = {"1.1.1.1",         "9.255.255.255",   "11.0.0.0",
                                         "172.15.255.255",  "172.32.0.0",      "192.167.255.255",
                                         "223.255.255.255", "2606:4700::1111", "::ffff:1.1.1.1"};
    static const char *const others[] = {
        "127.0.0.1",   "10.0.0.0", "10.255.255.255", "172.16.0.0",      "172.31.255.255",
        "169.254.0.1", "::1",      "fe80::1",        "::ffff:10.0.0.1", "64:ff9b::7f00:1"};
    for (size_t i = 0; i < COUNT(public); i++)
        ck_assert_msg(is_public(public[i]), "%s", public[i]);
    for (size_t i = 0; i < COUNT(others); i++)
        ck_assert_msg(!is_public(others[i]), "%s", others[i]);
    struct sockaddr unix_socket = {.sa_family = AF_UNIX};
    ck_assert(!url_guard_is_public(&unix_socket));
}
END_TEST

Suite *suite_net_url_guard(void)
{
    Suite *s = suite_create("net_url_guard");
    TCase *t = tcase_create("url_guard");
    tcase_add_test(t, public_addresses_and_names_pass);
    tcase_add_test(t, forbidden_addresses_are_seen_in_every_spelling);
    tcase_add_test(t, what_could_be_read_in_two_ways_is_refused_wherever_it_leads);
    tcase_add_test(t, lengths_have_a_bound);
    tcase_add_test(t, a_host_has_one_spelling);
    tcase_add_test(t, an_address_is_judged_by_itself);
    suite_add_tcase(s, t);
    return s;
}
