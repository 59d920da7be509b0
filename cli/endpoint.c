#include "cli/endpoint.h"

#include <stdlib.h>

static const char default_url[] = "http://127.0.0.1:8080";

static struct str behind(struct str s, struct str prefix)
{
    return (struct str){s.at + prefix.len, s.len - prefix.len};
}

/* Nothing that would end up in another part of the URL than the host, the port and the base path: a
 * user (who would be sent as credentials), a query, a fragment, or what no URL holds. */
static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = (uint8_t)s.at[i];
        if (c <= ' ' || c >= 0x7F || strchr("?#@\\\"<>", c) != NULL)
            return false;
    }
    return s.len > 0 && s.at[0] != '/';
}

static enum err parse_socket(struct str path, struct endpoint *ret, struct error *ret_error)
{
    if (path.len == 0 || path.len >= sizeof ret->socket || memchr(path.at, '\0', path.len) != NULL)
        return error_set(ret_error, ERR_INVALID_REQUEST, "a unix socket's path has 1 to %d bytes",
                         ENDPOINT_SOCKET_BYTES - 1);
    str_copy(ret->socket, sizeof ret->socket, path);
    str_copy(ret->url, sizeof ret->url, STR("http://localhost"));
    return OK;
}

static enum err refuse(struct str text, struct error *ret_error)
{
    return error_set(ret_error, ERR_INVALID_REQUEST,
                     "\"%.*s\" is no address: http://HOST:PORT or unix:/PATH is", STR_ARG(text));
}

enum err endpoint_parse(struct str text, struct endpoint *ret, struct error *ret_error)
{
    const struct str http = STR("http://"), https = STR("https://"), local = STR("unix:");
    ret->socket[0] = '\0';
    if (str_starts(text, local))
        return parse_socket(behind(text, local), ret, ret_error);
    struct str scheme = str_starts(text, https) ? https : http;
    struct str rest = str_starts(text, scheme) ? behind(text, scheme) : text;
    while (rest.len > 0 && rest.at[rest.len - 1] == '/')
        rest.len--;
    if (!is_plain(rest) || memmem(rest.at, rest.len, "://", 3) != NULL ||
        scheme.len + rest.len >= sizeof ret->url)
        return refuse(text, ret_error);
    str_copy(ret->url, sizeof ret->url, scheme);
    str_copy(ret->url + scheme.len, sizeof ret->url - scheme.len, rest);
    return OK;
}

enum err endpoint_choose(const char *server, struct endpoint *ret, struct error *ret_error)
{
    const char *environment = getenv("SLUICE_URL");
    if (server == NULL)
        server = environment != NULL && environment[0] != '\0' ? environment : default_url;
    return endpoint_parse(str_of(server), ret, ret_error);
}

const char *endpoint_name(const struct endpoint *e)
{
    return e->socket[0] != '\0' ? e->socket : e->url;
}
