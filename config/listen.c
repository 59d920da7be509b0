#include "config/listen.h"

#include <arpa/inet.h>
#include <sys/un.h>

enum { HOST_MAX = 253 /* RFC 1035: a name */ };

static enum err copy_text(struct arena *arena, struct str s, const char **ret_text)
{
    *ret_text = arena_str(arena, s).at;
    return *ret_text != NULL ? OK : ERR_NOMEM;
}

static bool holds_nul(struct str s)
{
    return s.len > 0 && memchr(s.at, '\0', s.len) != NULL;
}

/* --- unix:/PATH ------------------------------------------------------------------------------- */

static enum err parse_unix(struct str path, struct arena *arena, struct listen_address *a)
{
    size_t room = sizeof((struct sockaddr_un *)NULL)->sun_path;
    if (path.len == 0 || path.at[0] != '/' || path.len >= room)
        return ERR_CONFIG;
    a->kind = LISTEN_UNIX;
    a->is_loopback = true;
    return copy_text(arena, path, &a->path);
}

/* --- HOST:PORT -------------------------------------------------------------------------------- */

/* A name's or an IPv4 address's characters; which of the two shows in the last one: no top-level
 * domain is a number (RFC 3696), so "1.2.3" is a bad address, not a name. */
static bool is_host(struct str host)
{
    if (host.len == 0 || host.len > HOST_MAX)
        return false;
    for (size_t i = 0; i < host.len; i++) {
        char c = host.at[i];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '-' || c == '_' || c == '.';
        if (!fine)
            return false;
    }
    return true;
}

static bool looks_like_ipv4(struct str host)
{
    char last = host.at[host.len - 1];
    return last >= '0' && last <= '9';
}

static bool is_loopback_name(struct str host)
{
    return str_eq_nocase(host, STR("localhost"));
}

static enum err parse_host(struct str host, struct arena *arena, struct listen_address *a)
{
    if (!is_host(host))
        return ERR_CONFIG;
    enum err e = copy_text(arena, host, &a->host);
    if (e != OK)
        return e;
    struct in_addr v4;
    bool is_v4 = inet_pton(AF_INET, a->host, &v4) == 1;
    if (!is_v4 && looks_like_ipv4(host))
        return ERR_CONFIG;
    a->is_loopback = is_v4 ? ntohl(v4.s_addr) >> 24 == 127 : is_loopback_name(host);
    return OK;
}

static bool is_loopback_v6(const struct in6_addr *v6)
{
    return IN6_IS_ADDR_LOOPBACK(v6) || (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == 127);
}

static enum err parse_v6(struct str host, struct arena *arena, struct listen_address *a)
{
    enum err e = copy_text(arena, host, &a->host);
    if (e != OK)
        return e;
    struct in6_addr v6;
    if (inet_pton(AF_INET6, a->host, &v6) != 1)
        return ERR_CONFIG;
    a->is_loopback = is_loopback_v6(&v6);
    return OK;
}

/* Where the host ends: the last colon, or NULL. */
static const char *port_colon(struct str text)
{
    return text.len > 0 ? memrchr(text.at, ':', text.len) : NULL;
}

static enum err parse_tcp(struct str text, struct arena *arena, struct listen_address *a)
{
    const char *colon = port_colon(text);
    if (colon == NULL)
        return ERR_CONFIG;
    struct str host = {text.at, (size_t)(colon - text.at)};
    struct str port = {colon + 1, text.len - host.len - 1};
    uint64_t number;
    if (port.len > 5 || !str_to_u64(port, &number) || number > UINT16_MAX)
        return ERR_CONFIG;
    a->kind = LISTEN_TCP;
    a->port = (uint16_t)number;
    bool in_brackets = host.len >= 2 && host.at[0] == '[' && host.at[host.len - 1] == ']';
    if (in_brackets)
        return parse_v6((struct str){host.at + 1, host.len - 2}, arena, a);
    return parse_host(host, arena, a);
}

enum err listen_parse(struct str text, struct arena *arena, struct listen_address *ret_address)
{
    static const struct str unix_prefix = {"unix:", 5};
    if (holds_nul(text))
        return ERR_CONFIG;
    struct listen_address a = {.kind = LISTEN_TCP};
    enum err e;
    if (str_starts(text, unix_prefix))
        e = parse_unix((struct str){text.at + 5, text.len - 5}, arena, &a);
    else
        e = parse_tcp(text, arena, &a);
    if (e == OK)
        e = copy_text(arena, text, &a.text);
    if (e == OK)
        *ret_address = a;
    return e;
}
