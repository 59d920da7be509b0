#include "providers/request.h"

enum { KEY_MAX = 8192 };

void request_add_query(struct buf *url, const struct provider *p, char separator)
{
    const struct provider_options *o = &p->options;
    for (uint32_t i = 0; i < o->query_count; i++) {
        buf_add_char(url, i == 0 ? separator : '&');
        http_add_encoded(url, o->query[i].name);
        buf_add_char(url, '=');
        http_add_encoded(url, o->query[i].value);
    }
}

static enum err make_url(struct provider *p, struct str base, struct str path, struct error *error)
{
    struct buf url;
    if (!str_starts(base, STR("https://")) && !str_starts(base, STR("http://")))
        return error_set(error, ERR_CONFIG, "base_url must begin with https:// or http://");
    while (base.len > 0 && base.at[base.len - 1] == '/')
        base.len--;
    buf_init(&url, REQUEST_URL_MAX);
    buf_add_str(&url, base);
    buf_add_str(&url, path);
    request_add_query(&url, p, '?');
    enum err e = buf_ok(&url);
    p->url = e == OK ? arena_str(&p->arena, buf_str(&url)).at : NULL;
    buf_fini(&url);
    if (e == ERR_LIMIT)
        return error_set(error, ERR_CONFIG,
                         "base_url and query together make a URL of more than %d bytes",
                         REQUEST_URL_MAX);
    return p->url != NULL ? OK : error_set(error, ERR_NOMEM, "out of memory");
}

static enum err make_auth(struct provider *p, struct str prefix, struct error *error)
{
    const struct provider_options *o = &p->options;
    for (uint32_t i = 0; i < o->api_key_count; i++) {
        struct buf value;
        buf_init(&value, KEY_MAX);
        buf_add_str(&value, prefix);
        buf_add_str(&value, o->api_keys[i]);
        enum err e = buf_ok(&value);
        p->auth[i] = e == OK ? arena_str(&p->arena, buf_str(&value)) : STR_NONE;
        buf_fini(&value);
        if (e == ERR_LIMIT)
            return error_set(error, ERR_CONFIG, "an API key is longer than %d bytes", KEY_MAX);
        if (p->auth[i].at == NULL)
            return error_set(error, ERR_NOMEM, "out of memory");
    }
    return OK;
}

enum err request_prepare(struct provider *p, struct str base, struct str path, struct str prefix,
                         struct error *ret_error)
{
    const struct provider_options *o = &p->options;
    enum err e = make_url(p, o->base_url.at != NULL ? o->base_url : base, path, ret_error);
    if (e != OK)
        return e;
    return make_auth(p, o->auth_prefix.at != NULL ? o->auth_prefix : prefix, ret_error);
}

static bool is_configured(const struct provider *p, struct str name)
{
    for (uint32_t i = 0; i < p->options.header_count; i++) {
        if (str_eq_nocase(p->options.headers[i].name, name))
            return true;
    }
    return false;
}

bool request_add_default(const struct provider *p, struct str name, struct str value,
                         struct http_request *r)
{
    return is_configured(p, name) || http_add_header(r, name, value);
}

enum err request_add_headers(const struct provider *p, struct str header, uint32_t key,
                             struct http_request *r, struct error *ret_error)
{
    const struct provider_options *o = &p->options;
    bool fine = true;
    if (o->api_key_count > 0)
        fine = request_add_default(p, o->auth_header.at != NULL ? o->auth_header : header,
                                   p->auth[key], r);
    if (r->body.at != NULL)
        fine = fine && request_add_default(p, STR("Content-Type"), STR("application/json"), r);
    for (uint32_t i = 0; fine && i < o->header_count; i++)
        fine = http_add_header(r, o->headers[i].name, o->headers[i].value);
    return fine ? OK : error_set(ret_error, ERR_BAD_REQUEST, "the request has too many headers");
}
