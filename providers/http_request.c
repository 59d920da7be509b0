/* The request of a call: the task's own, or the provider's template filled in.
 *
 * URL, headers and body are written into one buffer, which outlives the request; views are taken of
 * it once it does not grow any more. */
#include "providers/fill.h"
#include "providers/http.h"
#include "providers/request.h"

enum { MAX_OWN_HEADERS = 16, TEMPLATE_TEXT_MAX = 67108864 };

static const char default_request[] = "{\"method\":\"POST\",\"body\":\"{{input}}\"}";

/* Where a piece stands in the buffer. */
struct piece {
    size_t at, len;
};

struct writer {
    const struct provider *p;
    struct buf *b;
    struct json scope; /* JSON_NONE: the request is data, nothing is filled in */
    struct error *error;
    struct piece url, body;
    struct {
        struct piece name, value;
    } headers[MAX_OWN_HEADERS];
    uint32_t header_count;
    bool is_text; /* the body goes out as it is, not as JSON */
};

static enum err refuse(const struct writer *w, const char *why)
{
    return error_set(w->error, ERR_BAD_REQUEST, "%s", why);
}

static struct str view(const struct writer *w, struct piece piece)
{
    return (struct str){w->b->data + piece.at, piece.len};
}

/* Data is copied, a template filled in. */
static enum err add_text(struct writer *w, struct buf *out, struct json v, bool encode)
{
    struct arena arena;
    struct str s = json_raw(v);
    if (json_exists(w->scope))
        return fill_text(out, v, w->scope, encode, w->error);
    arena_init(&arena, TEMPLATE_TEXT_MAX);
    bool fine = !json_is(v, JSON_STRING) || json_string(v, &arena, &s);
    if (fine)
        buf_add_str(out, s);
    arena_fini(&arena);
    return fine ? OK : error_set(w->error, ERR_NOMEM, "out of memory");
}

/* The same as one part of a query, percent-encoded as a whole. */
static enum err add_encoded(struct writer *w, struct json v)
{
    struct buf text;
    buf_init(&text, REQUEST_URL_MAX);
    enum err e = add_text(w, &text, v, false);
    if (e == OK && buf_ok(&text) == ERR_LIMIT)
        e = refuse(w, "a part of the query is too long");
    else if (e == OK)
        e = buf_ok(&text);
    if (e == OK)
        http_add_encoded(w->b, buf_str(&text));
    buf_fini(&text);
    return e;
}

/* --- the scope of a template ------------------------------------------------------------------ */

static void add_param(void *ctx, struct json_member m)
{
    struct buf *b = ctx;
    json_add_comma(b);
    buf_add_str(b, json_raw(m.name));
    buf_add_char(b, ':');
    buf_add_str(b, json_raw(m.value));
}

/* {"input":..,"model":..,"instructions":..,"params":{..}} */
static enum err add_scope(struct buf *b, const struct call *call)
{
    buf_add_lit(b, "{\"input\":");
    buf_add_str(b, call->input);
    buf_add_lit(b, ",\"model\":");
    json_add_string(b, call->model);
    buf_add_lit(b, ",\"instructions\":");
    json_add_string(b, call->instructions);
    buf_add_lit(b, ",\"params\":{");
    if (!call_each_param(call, add_param, b))
        return ERR_NOMEM;
    buf_add_lit(b, "}}");
    return buf_ok(b);
}

/* --- the URL ---------------------------------------------------------------------------------- */

/* "." and ".." would lead out of base_url; also where their dots are encoded. */
static bool is_dots(struct str segment)
{
    size_t dots = 0;
    for (size_t i = 0; i < segment.len; dots++) {
        bool is_encoded = segment.len - i >= 3 && segment.at[i] == '%' &&
                          segment.at[i + 1] == '2' && (segment.at[i + 2] | 0x20) == 'e';
        if (!is_encoded && segment.at[i] != '.')
            return false;
        i += is_encoded ? 3 : 1;
    }
    return dots == 1 || dots == 2;
}

static bool is_good_path(struct str path)
{
    if (path.len > 0 && path.at[0] != '/' && path.at[0] != '?')
        return false;
    for (size_t i = 0; i < path.len; i++) {
        uint8_t c = (uint8_t)path.at[i];
        if (c <= ' ' || c >= 0x7F || c == '#' || c == '\\')
            return false;
    }
    struct str rest = str_cut(&path, '?');
    while (rest.at != NULL) {
        if (is_dots(str_cut(&rest, '/')))
            return false;
    }
    return true;
}

static enum err add_query_pair(struct writer *w, struct json_member m, char separator)
{
    buf_add_char(w->b, separator);
    enum err e = add_encoded(w, m.name);
    buf_add_char(w->b, '=');
    return e == OK ? add_encoded(w, m.value) : e;
}

static enum err add_query(struct writer *w, struct json query, bool *has_query)
{
    for (struct json_member m = json_first_member(query); json_exists(m.value);
         m = json_next_member(query, m)) {
        if (json_is(m.value, JSON_NULL))
            continue;
        enum err e = add_query_pair(w, m, *has_query ? '&' : '?');
        if (e != OK)
            return e;
        *has_query = true;
    }
    return OK;
}

static struct str base_of(const struct provider *p)
{
    struct str base = p->options.base_url;
    while (base.len > 0 && base.at[base.len - 1] == '/')
        base.len--;
    return base;
}

static enum err add_url(struct writer *w, struct json request)
{
    struct json path = json_get_lit(request, "path");
    w->url.at = w->b->len;
    buf_add_str(w->b, base_of(w->p));
    size_t path_at = w->b->len;
    enum err e = json_exists(path) ? add_text(w, w->b, path, true) : OK;
    if (e != OK || buf_ok(w->b) != OK)
        return e;
    struct str written = {w->b->data + path_at, w->b->len - path_at};
    if (!is_good_path(written))
        return refuse(w, "the path of the request is not valid");
    bool has_query = memchr(written.at, '?', written.len) != NULL;
    e = add_query(w, json_get_lit(request, "query"), &has_query);
    request_add_query(w->b, w->p, has_query ? '&' : '?');
    w->url.len = w->b->len - w->url.at;
    buf_add_char(w->b, '\0');
    if (e == OK && w->url.len > REQUEST_URL_MAX)
        return error_set(w->error, ERR_BAD_REQUEST, "the URL is longer than %d bytes",
                         REQUEST_URL_MAX);
    return e;
}

/* --- headers ---------------------------------------------------------------------------------- */

/* What frames a message is curl's business, not a caller's. */
static bool is_framing(struct str name)
{
    static const char *const names[] = {"host",       "content-length",     "transfer-encoding",
                                        "connection", "keep-alive",         "upgrade",
                                        "expect",     "accept-encoding",    "te",
                                        "trailer",    "proxy-authorization"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (str_eq_nocase(name, str_of(names[i])))
            return true;
    }
    return false;
}

static enum err add_header(struct writer *w, struct json_member m)
{
    if (w->header_count == MAX_OWN_HEADERS)
        return refuse(w, "the request has too many headers");
    struct piece name = {w->b->len, 0}, value;
    enum err e = add_text(w, w->b, m.name, false);
    name.len = w->b->len - name.at;
    value = (struct piece){w->b->len, 0};
    if (e == OK)
        e = add_text(w, w->b, m.value, false);
    value.len = w->b->len - value.at;
    if (e != OK || buf_ok(w->b) != OK)
        return e;
    struct str n = view(w, name), v = view(w, value);
    if (!http_name_is_valid(n) || !http_value_is_valid(v) || is_framing(n))
        return refuse(w, "a header of the request is not valid");
    w->is_text |= str_eq_nocase(n, STR("content-type")) && memmem(v.at, v.len, "json", 4) == NULL;
    w->headers[w->header_count].name = name;
    w->headers[w->header_count++].value = value;
    return OK;
}

static enum err add_headers(struct writer *w, struct json headers)
{
    for (struct json_member m = json_first_member(headers); json_exists(m.value);
         m = json_next_member(headers, m)) {
        enum err e = add_header(w, m);
        if (e != OK)
            return e;
    }
    return OK;
}

/* --- the whole -------------------------------------------------------------------------------- */

static enum err add_body(struct writer *w, struct json body)
{
    enum err e = OK;
    w->body.at = w->b->len;
    if (w->is_text && json_is(body, JSON_STRING))
        e = add_text(w, w->b, body, false);
    else if (json_exists(w->scope))
        e = fill_value(w->b, body, w->scope, w->error);
    else
        json_add_compact(w->b, body);
    w->body.len = w->b->len - w->body.at;
    return e;
}

static const char *method_of(struct json request)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
    struct json method = json_get_lit(request, "method");
    bool has_body = json_exists(json_get_lit(request, "body"));
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (json_string_is(method, str_of(methods[i])))
            return methods[i];
    }
    return json_exists(method) ? NULL : has_body ? "POST" : "GET";
}

static enum err write_all(struct writer *w, struct json request)
{
    struct json body = json_get_lit(request, "body");
    enum err e = add_url(w, request);
    if (e == OK)
        e = add_headers(w, json_get_lit(request, "headers"));
    if (e == OK && json_exists(body) && !json_is(body, JSON_NULL))
        e = add_body(w, body);
    if (e == OK && buf_ok(w->b) != OK)
        return error_set(w->error, ERR_LIMIT_EXCEEDED, "the request is too large");
    return e;
}

static bool has_header(const struct http_request *r, struct str name)
{
    for (uint32_t i = 0; i < r->header_count; i++) {
        if (str_eq_nocase(r->headers[i].name, name))
            return true;
    }
    return false;
}

/* What is configured wins over what a call brings. */
static enum err fill_request(const struct writer *w, uint32_t key, struct http_request *r)
{
    r->url = w->b->data + w->url.at;
    enum err e = request_add_headers(w->p, STR("Authorization"), key, r, w->error);
    bool fine = true;
    for (uint32_t i = 0; e == OK && fine && i < w->header_count; i++) {
        struct str name = view(w, w->headers[i].name);
        fine = has_header(r, name) || http_add_header(r, name, view(w, w->headers[i].value));
    }
    r->body = w->body.len > 0 ? view(w, w->body) : STR_NONE;
    if (r->body.at != NULL && !has_header(r, STR("Content-Type")))
        fine = fine && http_add_header(r, STR("Content-Type"), STR("application/json"));
    if (e == OK && !fine)
        e = refuse(w, "the request has too many headers");
    return e;
}

static enum err write_request(struct writer *w, struct json request, uint32_t key,
                              struct http_request *ret)
{
    ret->method = method_of(request);
    if (ret->method == NULL)
        return refuse(w, "the method of the request is none of GET, POST, PUT, PATCH, DELETE");
    enum err e = write_all(w, request);
    return e == OK ? fill_request(w, key, ret) : e;
}

/* The scope is a text of its own: references walk it as one document. */
static enum err build_from_template(struct writer *w, const struct call *call, uint32_t key,
                                    struct json_doc *scratch, struct http_request *ret)
{
    struct str template = w->p->options.http.request;
    struct json_doc doc;
    struct buf scope;
    json_doc_init(&doc);
    buf_init(&scope, w->b->max);
    enum err e = add_scope(&scope, call);
    if (e == OK)
        e = json_parse(scratch, buf_str(&scope), NULL);
    if (e == OK)
        e = json_parse(&doc, template.at != NULL ? template : str_of(default_request), NULL);
    if (e != OK) {
        error_set(w->error, e, "the request cannot be built");
    } else {
        w->scope = json_root(scratch);
        e = write_request(w, json_root(&doc), key, ret);
    }
    json_doc_fini(&doc);
    buf_fini(&scope);
    return e == ERR_INVALID_JSON ? ERR_BAD_REQUEST : e;
}

enum err http_kind_build(const struct provider *p, const struct call *call, uint32_t key,
                         struct buf *body, struct json_doc *scratch,
                         struct http_request *ret_request, struct error *ret_error)
{
    struct writer w = {.p = p, .b = body, .scope = JSON_NONE, .error = ret_error};
    if (call->request.at == NULL)
        return build_from_template(&w, call, key, scratch, ret_request);
    if (json_parse(scratch, call->request, NULL) != OK)
        return error_set(ret_error, ERR_BAD_REQUEST, "the request cannot be built");
    return write_request(&w, json_root(scratch), key, ret_request);
}
