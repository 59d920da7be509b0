#include "server/client_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

/* --- one hop ---------------------------------------------------------------------------------- */

static bool read_v4(const char *text, struct sockaddr_storage *ret)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    if (inet_pton(AF_INET, text, &a.sin_addr) != 1)
        return false;
    memcpy(ret, &a, sizeof a);
    return true;
}

static bool read_v6(const char *text, struct sockaddr_storage *ret)
{
    struct sockaddr_in6 a = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET6, text, &a.sin6_addr) != 1)
        return false;
    memcpy(ret, &a, sizeof a);
    return true;
}

/* Of V4, V4:PORT, V6, [V6] or [V6]:PORT. */
static struct str host_of(struct str s)
{
    struct str rest = s;
    if (str_starts(s, STR("["))) {
        rest = (struct str){s.at + 1, s.len - 1};
        return str_cut(&rest, ']');
    }
    struct str host = str_cut(&rest, ':');
    bool has_port = rest.len > 0 && memchr(rest.at, ':', rest.len) == NULL;
    return has_port ? host : s;
}

/* False: it is no address ("unknown", "_hidden"). */
static bool read_address(struct str s, struct sockaddr_storage *ret)
{
    char text[CLIENT_ADDRESS_TEXT];
    struct str host = host_of(s);
    if (host.len == 0 || host.len >= sizeof text)
        return false;
    str_copy(text, sizeof text, host);
    return read_v4(text, ret) || read_v6(text, ret);
}

static struct str unquote(struct str s)
{
    if (s.len < 2 || s.at[0] != '"' || s.at[s.len - 1] != '"')
        return s;
    return (struct str){s.at + 1, s.len - 2};
}

/* Up to `mark`, which does not count within quotes. */
static struct str cut_unquoted(struct str *rest, char mark)
{
    bool in_quotes = false;
    for (size_t i = 0; i < rest->len; i++) {
        char c = rest->at[i];
        if (in_quotes && c == '\\') {
            i++;
        } else if (c == '"') {
            in_quotes = !in_quotes;
        } else if (c == mark && !in_quotes) {
            struct str before = {rest->at, i};
            *rest = (struct str){rest->at + i + 1, rest->len - i - 1};
            return before;
        }
    }
    struct str all = *rest;
    *rest = STR_NONE;
    return all;
}

/* "for=192.0.2.60;proto=http;by=203.0.113.43" */
static struct str for_of(struct str element)
{
    while (element.at != NULL) {
        struct str value = str_trim(cut_unquoted(&element, ';'));
        struct str name = str_cut(&value, '=');
        if (str_eq_nocase(str_trim(name), STR("for")))
            return unquote(str_trim(value));
    }
    return STR("");
}

/* --- all of them ------------------------------------------------------------------------------ */

/* The last ones, in a ring. */
struct hops {
    struct str at[CLIENT_ADDRESS_HOPS];
    uint32_t count;
};

static void split(struct str list, struct hops *ret)
{
    ret->count = 0;
    while (list.at != NULL)
        ret->at[ret->count++ % CLIENT_ADDRESS_HOPS] = str_trim(cut_unquoted(&list, ','));
}

static void write_address(const struct sockaddr_storage *a, char ret_text[CLIENT_ADDRESS_TEXT])
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)a;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)a;
    const void *bytes = &v4->sin_addr;
    int family = a->ss_family;
    if (family == AF_INET6) {
        bytes = &v6->sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
            bytes = v6->sin6_addr.s6_addr + 12;
            family = AF_INET;
        }
    }
    if (family == AF_UNIX || inet_ntop(family, bytes, ret_text, CLIENT_ADDRESS_TEXT) == NULL)
        str_copy(ret_text, CLIENT_ADDRESS_TEXT, STR("unix"));
}

static size_t size_of(const struct sockaddr *a)
{
    return a->sa_family == AF_INET    ? sizeof(struct sockaddr_in)
           : a->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                      : sizeof a->sa_family;
}

void client_address(const struct settings *s, const struct sockaddr *peer,
                    struct str x_forwarded_for, struct str forwarded,
                    char ret_text[CLIENT_ADDRESS_TEXT])
{
    struct sockaddr_storage client = {.ss_family = AF_UNSPEC};
    bool is_plain = x_forwarded_for.at != NULL;
    struct hops hops;
    memcpy(&client, peer, size_of(peer));
    split(is_plain ? x_forwarded_for : forwarded, &hops);
    uint32_t left = hops.count < CLIENT_ADDRESS_HOPS ? hops.count : CLIENT_ADDRESS_HOPS;
    while (left-- > 0 && settings_trust(s, (const struct sockaddr *)&client)) {
        struct str hop = hops.at[--hops.count % CLIENT_ADDRESS_HOPS];
        if (!read_address(is_plain ? hop : for_of(hop), &client))
            break;
    }
    write_address(&client, ret_text);
}
