#include "net/url_guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

enum { NAME_MAX_BYTES = 253, PORT_MAX = 65535 };

/* --- addresses -------------------------------------------------------------------------------- */

/* Not globally reachable: https://www.iana.org/assignments/iana-ipv4-special-registry */
static const struct block4 {
    uint32_t base;
    unsigned bits;
} forbidden4[] = {
    {0x00000000, 8},  /* this network */
    {0x0A000000, 8},  /* private */
    {0x64400000, 10}, /* carrier-grade NAT */
    {0x7F000000, 8},  /* loopback */
    {0xA9FE0000, 16}, /* link-local, with the metadata services */
    {0xAC100000, 12}, /* private */
    {0xC0000000, 24}, /* protocol assignments */
    {0xC0000200, 24}, /* documentation */
    {0xC0586300, 24}, /* 6to4 relays */
    {0xC0A80000, 16}, /* private */
    {0xC6120000, 15}, /* benchmarks */
    {0xC6336400, 24}, /* documentation */
    {0xCB007100, 24}, /* documentation */
    {0xE0000000, 3},  /* multicast, reserved, broadcast */
};

static bool is_public4(uint32_t address)
{
    for (size_t i = 0; i < sizeof forbidden4 / sizeof forbidden4[0]; i++) {
        if ((address ^ forbidden4[i].base) >> (32 - forbidden4[i].bits) == 0)
            return false;
    }
    return true;
}

static uint32_t word_at(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

struct block6 {
    uint8_t base[16];
    unsigned bits;
};

static bool is_in(const uint8_t *address, const struct block6 *block)
{
    unsigned whole = block->bits / 8, rest = block->bits % 8;
    if (memcmp(address, block->base, whole) != 0)
        return false;
    return rest == 0 || (address[whole] ^ block->base[whole]) >> (8 - rest) == 0;
}

/* Global unicast is 2000::/3 without what is reserved in it:
 * https://www.iana.org/assignments/iana-ipv6-special-registry */
static const struct block6 global6 = {{0x20}, 3};
static const struct block6 forbidden6[] = {
    {{0x20, 0x01, 0x00}, 23},             /* protocol assignments, Teredo among them */
    {{0x20, 0x01, 0x0D, 0xB8}, 32},       /* documentation */
    {{0x3F, 0xFF, 0x00}, 20},             /* documentation */
    {{0x26, 0x20, 0, 0x4F, 0x80, 0}, 48}, /* AS112 */
};

/* Those that stand for an IPv4 address, and where it is in them. */
static const struct carrier {
    struct block6 block;
    unsigned offset;
} carriers[] = {
    {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF}, 96}, 12}, /* mapped */
    {{{0x00, 0x64, 0xFF, 0x9B}, 96}, 12},                   /* NAT64 */
    {{{0x20, 0x02}, 16}, 2},                                /* 6to4 */
};

static bool is_public6(const uint8_t *address)
{
    for (size_t i = 0; i < sizeof carriers / sizeof carriers[0]; i++) {
        if (is_in(address, &carriers[i].block))
            return is_public4(word_at(address + carriers[i].offset));
    }
    for (size_t i = 0; i < sizeof forbidden6 / sizeof forbidden6[0]; i++) {
        if (is_in(address, &forbidden6[i]))
            return false;
    }
    return is_in(address, &global6);
}

bool url_guard_is_public(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        return is_public4(ntohl(in.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof in6);
        return is_public6(in6.sin6_addr.s6_addr);
    }
    return false;
}

/* --- the text --------------------------------------------------------------------------------- */

/* A URL taken apart. Views into it. */
struct parts {
    bool is_tls;
    struct str host; /* without brackets */
    bool is_v6;      /* it stood in brackets */
    struct str port; /* NULL: none */
};

/* Printable ASCII without what a reader could take for something else: a backslash is a slash to
 * some, and white space ends a URL for others. */
static bool is_plain(struct str url)
{
    for (size_t i = 0; i < url.len; i++) {
        char c = url.at[i];
        if (c <= ' ' || c > '~' || strchr("\\\"<>^`{|}#", c) != NULL)
            return false;
    }
    return true;
}

static bool take_prefix(struct str *s, struct str prefix)
{
    struct str start = {s->at, prefix.len};
    if (s->len < prefix.len || !str_eq_nocase(start, prefix))
        return false;
    s->at += prefix.len;
    s->len -= prefix.len;
    return true;
}

static bool take_scheme(struct str *rest, struct parts *p)
{
    p->is_tls = take_prefix(rest, STR("https://"));
    return p->is_tls || take_prefix(rest, STR("http://"));
}

/* What stands before the path or the query. */
static struct str authority_of(struct str rest)
{
    size_t n = 0;
    while (n < rest.len && rest.at[n] != '/' && rest.at[n] != '?')
        n++;
    return (struct str){rest.at, n};
}

static bool is_port(struct str port)
{
    uint64_t n;
    return port.at == NULL || (str_to_u64(port, &n) && n >= 1 && n <= PORT_MAX);
}

static bool split(struct str authority, struct parts *p)
{
    p->is_v6 = take_prefix(&authority, STR("["));
    if (!p->is_v6) {
        p->host = str_cut(&authority, ':');
        p->port = authority;
        return is_port(p->port);
    }
    p->host = str_cut(&authority, ']');
    bool has_port = authority.len > 0;
    p->port = STR_NONE;
    if (authority.at == NULL || (has_port && !take_prefix(&authority, STR(":"))))
        return false;
    if (has_port)
        p->port = authority;
    return is_port(p->port);
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

/* Labels of letters, digits, - and _; one dot may end it. */
static bool is_name(struct str host)
{
    if (host.len == 0 || host.len > NAME_MAX_BYTES || host.at[0] == '.')
        return false;
    for (size_t i = 0; i < host.len; i++) {
        if (!is_name_char(host.at[i]) || (host.at[i] == '.' && i > 0 && host.at[i - 1] == '.'))
            return false;
    }
    return true;
}

static struct str without_last_dot(struct str host)
{
    if (host.len > 0 && host.at[host.len - 1] == '.')
        host.len--;
    return host;
}

/* Could somebody take it for an IPv4 address? So if its last label begins with a digit. */
static bool looks_like_v4(struct str host)
{
    const char *dot = host.len > 0 ? memrchr(host.at, '.', host.len) : NULL;
    const char *last = dot != NULL ? dot + 1 : host.at;
    return last < host.at + host.len && *last >= '0' && *last <= '9';
}

static bool is_localhost(struct str host)
{
    static const struct str name = {"localhost", 9}, below = {".localhost", 10};
    if (str_eq_nocase(host, name))
        return true;
    struct str end = {host.at + host.len - below.len, below.len};
    return host.len > below.len && str_eq_nocase(end, below);
}

static const char *fault_of_name(struct str host, bool any_address)
{
    char text[NAME_MAX_BYTES + 1];
    struct in_addr v4;
    if (!is_name(host))
        return "names no host that can be told for sure";
    host = without_last_dot(host);
    str_copy(text, sizeof text, host);
    if (looks_like_v4(host)) {
        if (inet_aton(text, &v4) == 0) /* as curl reads it: hex, octal and short forms too */
            return "names no host that can be told for sure";
        return any_address || is_public4(ntohl(v4.s_addr))
                   ? NULL
                   : "leads to an address that is not public";
    }
    return any_address || !is_localhost(host) ? NULL : "leads to an address that is not public";
}

static const char *fault_of_v6(struct str host, bool any_address)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr v6;
    if (host.len >= sizeof text)
        return "holds no IPv6 address";
    str_copy(text, sizeof text, host);
    if (inet_pton(AF_INET6, text, &v6) != 1)
        return "holds no IPv6 address";
    return any_address || is_public6(v6.s6_addr) ? NULL : "leads to an address that is not public";
}

static const char *take_apart(struct str url, struct parts *ret)
{
    struct str rest = url;
    if (url.len > URL_MAX)
        return "is too long";
    if (!is_plain(url))
        return "holds a character that has to be percent-encoded, or a fragment";
    if (!take_scheme(&rest, ret))
        return "must begin with https:// or http://";
    struct str authority = authority_of(rest);
    if (authority.len > 0 && memchr(authority.at, '@', authority.len) != NULL)
        return "must not hold a user or a password";
    return split(authority, ret) ? NULL : "has no host, or no port that could be";
}

static const char *fault_of(struct str url, bool any_address, struct parts *ret)
{
    const char *fault = take_apart(url, ret);
    if (fault != NULL)
        return fault;
    return ret->is_v6 ? fault_of_v6(ret->host, any_address) : fault_of_name(ret->host, any_address);
}

const char *url_guard_fault(struct str url)
{
    struct parts p;
    return fault_of(url, false, &p);
}

const char *url_guard_fault_any_address(struct str url)
{
    struct parts p;
    return fault_of(url, true, &p);
}

bool url_guard_host(struct str url, char ret_host[URL_HOST_MAX])
{
    struct parts p;
    if (fault_of(url, true, &p) != NULL)
        return false;
    struct str port = p.port.at != NULL ? p.port : p.is_tls ? STR("443") : STR("80");
    const char *open = p.is_v6 ? "[" : "", *close = p.is_v6 ? "]" : "";
    snprintf(ret_host, URL_HOST_MAX, "%s%.*s%s:%.*s", open, STR_ARG(without_last_dot(p.host)),
             close, STR_ARG(port));
    for (char *c = ret_host; *c != '\0'; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    }
    return true;
}
