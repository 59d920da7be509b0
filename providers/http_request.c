/* The request of a call: the task's own, or the provider's form filled in.
 *
 * URL, headers and body are written into one buffer, which outlives the request; views are taken of
 * it once it does not grow any more. */
#include "providers/http.h"
#include "providers/request.h"

enum { DATA_MAX = 67108864 /* bytes of a task's own request, unescaped */ };

/* Where a piece stands in the buffer. */
struct piece {
    size_t at, len;
};

struct writer {
    const struct provider *p;
    struct buf *b;
    const struct http_form *form;
    const struct template_values *values; /* NULL: the form is data */
    struct error *error;
    struct piece url, body;
    struct {
        struct piece name, value;
    } headers[HTTP_FORM_HEADERS];
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

static enum err add(struct writer *w, const struct template *t)
{
    return template_write(t, w->values, w->b, w->error);
}

/* --- what references lead to ------------------------------------------------------------------ */

/* Each value is read when the first reference asks for it. */
struct values {
    const struct call *call;
    struct json_doc input, params;
    struct buf params_text; /* of agent and run together */
    bool has_input, has_params;
};

static void values_init(struct values *v, const struct call *call)
{
    *v = (struct values){.call = call};
    json_doc_init(&v->input);
    json_doc_init(&v->params);
    buf_init(&v->params_text, SIZE_MAX / 2);
}

static void values_fini(struct values *v)
{
    json_doc_fini(&v->input);
    json_doc_fini(&v->params);
    buf_fini(&v->params_text);
}

static void add_param(void *ctx, struct json_member m)
{
    struct buf *b = ctx;
    json_add_name(b, m.name);
    buf_add_str(b, json_raw(m.value));
}

static enum err read_params(struct values *v)
{
    buf_add_char(&v->params_text, '{');
    if (!call_each_param(v->call, add_param, &v->params_text))
        return ERR_NOMEM;
    buf_add_char(&v->params_text, '}');
    enum err e = buf_ok(&v->params_text);
    return e == OK ? json_parse(&v->params, buf_str(&v->params_text), NULL) : e;
}

static enum err get_json(struct json_doc *doc, struct template_value *ret)
{
    *ret = (struct template_value){.kind = VALUE_JSON, .json = json_root(doc)};
    return OK;
}

static enum err get_input(struct values *v, struct template_value *ret)
{
    enum err e = v->has_input ? OK : json_parse(&v->input, v->call->input, NULL);
    v->has_input |= e == OK;
    return e == OK ? get_json(&v->input, ret) : e;
}

static enum err get_params(struct values *v, struct template_value *ret)
{
    enum err e = v->has_params ? OK : read_params(v);
    v->has_params |= e == OK;
    return e == OK ? get_json(&v->params, ret) : e;
}

/* Text has no members. */
static enum err get_text(const struct reference *r, struct str text, struct template_value *ret)
{
    if (r->path.len == 0)
        *ret = (struct template_value){.kind = VALUE_TEXT, .text = text};
    return OK;
}

static enum err get_value(void *ctx, const struct reference *r, struct template_value *ret)
{
    struct values *v = ctx;
    switch ((enum http_word)r->step) {
    case HTTP_WORD_INPUT: return get_input(v, ret);
    case HTTP_WORD_MODEL: return get_text(r, v->call->model, ret);
    case HTTP_WORD_INSTRUCTIONS: return get_text(r, v->call->instructions, ret);
    case HTTP_WORD_PARAMS: return get_params(v, ret);
    }
    return OK;
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

static enum err add_query(struct writer *w, bool *has_query)
{
    enum err e = OK;
    for (uint32_t i = 0; e == OK && i < w->form->query_count; i++) {
        buf_add_char(w->b, *has_query ? '&' : '?');
        *has_query = true;
        http_add_encoded(w->b, w->form->query[i].name);
        buf_add_char(w->b, '=');
        e = add(w, &w->form->query[i].value);
    }
    return e;
}

static struct str base_of(const struct provider *p)
{
    struct str base = p->options.base_url;
    while (base.len > 0 && base.at[base.len - 1] == '/')
        base.len--;
    return base;
}

static enum err add_url(struct writer *w)
{
    w->url.at = w->b->len;
    buf_add_str(w->b, base_of(w->p));
    size_t path_at = w->b->len;
    enum err e = add(w, &w->form->path);
    if (e != OK)
        return e;
    struct str written = {w->b->data + path_at, w->b->len - path_at};
    if (!is_good_path(written))
        return refuse(w, "the path of the request is not valid");
    bool has_query = memchr(written.at, '?', written.len) != NULL;
    e = add_query(w, &has_query);
    request_add_query(w->b, w->p, has_query ? '&' : '?');
    w->url.len = w->b->len - w->url.at;
    buf_add_char(w->b, '\0');
    if (e == OK && w->url.len > REQUEST_URL_MAX)
        return error_set(w->error, ERR_BAD_REQUEST, "the URL is longer than %d bytes",
                         REQUEST_URL_MAX);
    return e;
}

/* --- headers ---------------------------------------------------------------------------------- */

static enum err add_header(struct writer *w, const struct http_pair *pair)
{
    struct piece name = {w->b->len, 0}, value;
    buf_add_str(w->b, pair->name);
    name.len = w->b->len - name.at;
    value = (struct piece){w->b->len, 0};
    enum err e = add(w, &pair->value);
    if (e != OK)
        return e;
    value.len = w->b->len - value.at;
    struct str n = view(w, name), v = view(w, value);
    if (!http_form_may_set(n) || !http_value_is_valid(v))
        return refuse(w, "a header of the request is not valid");
    w->is_text |= str_eq_nocase(n, STR("content-type")) && memmem(v.at, v.len, "json", 4) == NULL;
    w->headers[w->header_count].name = name;
    w->headers[w->header_count++].value = value;
    return OK;
}

static enum err add_headers(struct writer *w)
{
    enum err e = OK;
    for (uint32_t i = 0; e == OK && i < w->form->header_count; i++)
        e = add_header(w, &w->form->headers[i]);
    return e;
}

/* --- the whole -------------------------------------------------------------------------------- */

static enum err add_body(struct writer *w)
{
    const struct http_form *f = w->form;
    if (!f->has_body)
        return OK;
    w->body.at = w->b->len;
    enum err e = add(w, w->is_text && f->has_plain ? &f->plain : &f->body);
    w->body.len = w->b->len - w->body.at;
    return e;
}

static enum err write_all(struct writer *w)
{
    enum err e = add_url(w);
    if (e == OK)
        e = add_headers(w);
    if (e == OK)
        e = add_body(w);
    if (e == ERR_LIMIT || (e == OK && buf_ok(w->b) != OK))
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

static enum err write_request(struct writer *w, uint32_t key, struct http_request *ret)
{
    ret->method = w->form->method;
    if (ret->method == NULL)
        return refuse(w, "the method of the request is none of GET, POST, PUT, PATCH, DELETE");
    enum err e = write_all(w);
    return e == OK ? fill_request(w, key, ret) : e;
}

static enum err build_from_form(struct writer *w, const struct call *call, uint32_t key,
                                struct json_doc *scratch, struct http_request *ret)
{
    struct values values;
    struct lookup lookup;
    struct template_values from = {.ctx = &values, .get = get_value, .lookup = &lookup};
    values_init(&values, call);
    lookup_init(&lookup, scratch);
    w->form = w->p->form;
    w->values = &from;
    enum err e = write_request(w, key, ret);
    w->values = NULL;
    lookup_fini(&lookup);
    values_fini(&values);
    return e;
}

static enum err refuse_form(const struct writer *w, const struct check *c)
{
    if (c->no_memory)
        return error_set(w->error, ERR_NOMEM, "out of memory");
    return error_set(w->error, ERR_BAD_REQUEST, "the request %s", c->problem->fields[0].detail);
}

static enum err build_from_data(struct writer *w, struct json request, uint32_t key,
                                struct http_request *ret)
{
    struct problem problem;
    struct arena arena;
    struct check c = {.problem = &problem, .arena = &arena};
    struct doc_path at = {.up = NULL};
    struct http_form form;
    problem_init(&problem);
    arena_init(&arena, DATA_MAX);
    w->form = &form;
    enum err e = http_form_read(&c, request, &at, HTTP_FORM_DATA, &form)
                     ? write_request(w, key, ret)
                     : refuse_form(w, &c);
    w->form = NULL;
    arena_fini(&arena);
    return e;
}

enum err http_kind_build(const struct provider *p, const struct call *call, uint32_t key,
                         struct buf *body, struct json_doc *scratch,
                         struct http_request *ret_request, struct error *ret_error)
{
    struct writer w = {.p = p, .b = body, .error = ret_error};
    if (call->request.at == NULL)
        return build_from_form(&w, call, key, scratch, ret_request);
    if (json_parse(scratch, call->request, NULL) != OK)
        return error_set(ret_error, ERR_BAD_REQUEST, "the request cannot be built");
    return build_from_data(&w, json_root(scratch), key, ret_request);
}
