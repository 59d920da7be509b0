#include "model/request_spec.h"

/* What is being filled while a request is walked. */
struct draft {
    struct request_spec *r;
    struct reference_scope *scope;
};

/* Those that a provider is asked with (providers/http_request.c). */
static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE", NULL};

bool request_method_is_known(struct str method)
{
    for (size_t i = 0; methods[i] != NULL; i++) {
        if (str_eq(method, str_of(methods[i])))
            return true;
    }
    return false;
}

/* --- what may stand where --------------------------------------------------------------------- */

/* RFC 9110, 5.6.2 */
static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = (uint8_t)s.at[i];
        bool is_alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_alnum && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
            return false;
    }
    return s.len > 0;
}

/* Those that carry the message itself are the gateway's. */
static bool is_ours(struct str name)
{
    static const char *const names[] = {"Host",       "Content-Length", "Transfer-Encoding",
                                        "Connection", "Upgrade",        "TE",
                                        "Trailer",    "Keep-Alive",     "Expect"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (str_eq_nocase(name, str_of(names[i])))
            return true;
    }
    return false;
}

static bool is_path_byte(uint8_t c)
{
    return c > ' ' && c < 0x7F && c != '#' && c != '\\';
}

static bool is_header_byte(uint8_t c)
{
    return c == '\t' || (c >= ' ' && c != 0x7F);
}

static bool consists_of(struct str s, bool (*is_fine)(uint8_t))
{
    for (size_t i = 0; i < s.len; i++) {
        if (!is_fine((uint8_t)s.at[i]))
            return false;
    }
    return true;
}

/* Of the author's own text in a template. */
static bool template_consists_of(const struct template *t, bool (*is_fine)(uint8_t))
{
    if (t->count == 0)
        return consists_of(t->source, is_fine);
    for (uint32_t i = 0; i < t->count; i++) {
        if (t->parts[i].reference == NULL && !consists_of(t->parts[i].text, is_fine))
            return false;
    }
    return true;
}

/* --- members ---------------------------------------------------------------------------------- */

static bool read_text(struct check *c, struct json v, const struct doc_path *at,
                      enum template_form form, struct draft *d, struct template *ret)
{
    struct str s;
    return check_string(c, v, at, SIZE_MAX, &s) &&
           template_read_text(c, s, at, form, d->scope, ret);
}

static void on_method(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    int i;
    if (read_text(c, v, at, TEMPLATE_TEXT, d, &d->r->method) && d->r->method.count == 0)
        (void)check_enum(c, v, at, methods, &i); /* reported by the check */
}

static void on_path(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    struct template *path = &d->r->path;
    if (!read_text(c, v, at, TEMPLATE_PATH, d, path))
        return;
    struct str start = path->count > 0 ? path->parts[0].text : path->source;
    if (!str_starts(start, STR("/")) || !template_consists_of(path, is_path_byte))
        problem_add(c->problem, at, FIELD_OUT_OF_RANGE,
                    "must begin with a slash and hold only what a URL's path may");
}

/* A string, or what has a text of its own; null leaves the member out. */
static bool read_query_value(struct check *c, struct json v, const struct doc_path *at,
                             struct draft *d, struct template *ret)
{
    if (json_is(v, JSON_STRING))
        return read_text(c, v, at, TEMPLATE_QUERY, d, ret);
    *ret = (struct template){.source = json_raw(v), .form = TEMPLATE_QUERY};
    if (json_is_bool(v) || json_is(v, JSON_NUMBER))
        return true;
    problem_add(c->problem, at, FIELD_WRONG_TYPE, "must be a string, a number, a boolean or null");
    return false;
}

static struct request_pair *make_pairs(struct check *c, struct json v, const struct doc_path *at,
                                       uint32_t most)
{
    if (!check_object(c, v, at))
        return NULL;
    if (json_count(v) > most) {
        problem_add(c->problem, at, FIELD_TOO_LONG, "has too many members");
        return NULL;
    }
    struct request_pair *pairs = arena_zalloc(c->arena, json_count(v) * sizeof *pairs);
    if (pairs == NULL)
        c->no_memory = true;
    return pairs;
}

static bool read_pair_name(struct check *c, struct json name, struct request_pair *ret)
{
    if (json_string(name, c->arena, &ret->name))
        return true;
    c->no_memory = true;
    return false;
}

static void on_query(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    struct request_pair *pairs = make_pairs(c, v, at, REQUEST_QUERY_MAX);
    if (pairs == NULL)
        return;
    d->r->query = pairs;
    for (struct json_member m = json_first_member(v); json_exists(m.value);
         m = json_next_member(v, m)) {
        struct request_pair *pair = &pairs[d->r->query_count];
        if (json_is(m.value, JSON_NULL) || !read_pair_name(c, m.name, pair))
            continue;
        struct doc_path here = doc_path_name(at, pair->name);
        if (read_query_value(c, m.value, &here, d, &pair->value))
            d->r->query_count++;
    }
}

static bool read_header(struct check *c, struct json v, const struct doc_path *at, struct draft *d,
                        struct request_pair *pair)
{
    if (!is_token(pair->name) || is_ours(pair->name)) {
        problem_add(c->problem, at, FIELD_OUT_OF_RANGE, "is no header that a request may set");
        return false;
    }
    if (!read_text(c, v, at, TEMPLATE_HEADER, d, &pair->value))
        return false;
    if (template_consists_of(&pair->value, is_header_byte))
        return true;
    problem_add(c->problem, at, FIELD_OUT_OF_RANGE, "must not hold control characters");
    return false;
}

static void on_headers(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    struct request_pair *pairs = make_pairs(c, v, at, REQUEST_HEADERS_MAX);
    if (pairs == NULL)
        return;
    d->r->headers = pairs;
    for (struct json_member m = json_first_member(v); json_exists(m.value);
         m = json_next_member(v, m)) {
        struct request_pair *pair = &pairs[d->r->header_count];
        if (!read_pair_name(c, m.name, pair))
            continue;
        struct doc_path here = doc_path_name(at, pair->name);
        if (read_header(c, m.value, &here, d, pair))
            d->r->header_count++;
    }
}

static void on_body(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    d->r->has_body = !json_is(v, JSON_NULL);
    (void)template_read_json(c, v, at, d->scope, &d->r->body); /* reported by it */
}

struct request_spec *request_spec_check(struct check *c, struct json v, const struct doc_path *at,
                                        struct reference_scope *scope)
{
    static const struct check_rule rules[] = {{"method", on_method},
                                              {"path", on_path},
                                              {"query", on_query},
                                              {"headers", on_headers},
                                              {"body", on_body}};
    struct request_spec *r = arena_zalloc(c->arena, sizeof *r);
    if (r == NULL) {
        c->no_memory = true;
        return NULL;
    }
    if (!check_object(c, v, at))
        return NULL;
    uint32_t before = c->problem->found;
    r->method = (struct template){.source = STR("GET"), .form = TEMPLATE_TEXT};
    if (!json_exists(json_get_lit(v, "path")))
        check_missing(c, at, "path");
    check_members(c, v, at, rules, sizeof rules / sizeof rules[0],
                  &(struct draft){.r = r, .scope = scope});
    return c->problem->found == before && !c->no_memory ? r : NULL;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* A path in which a segment is "." or "..": what the author wrote so is the author's business. */
static bool leads_elsewhere(struct str path)
{
    struct str rest = path;
    if (memchr(path.at, '?', path.len) != NULL)
        rest = str_cut(&path, '?');
    while (rest.at != NULL) {
        struct str segment = str_cut(&rest, '/');
        if (str_eq(segment, STR(".")) || str_eq(segment, STR("..")))
            return true;
    }
    return false;
}

static enum err write_path(const struct request_spec *r, const struct template_values *values,
                           struct buf *b, struct error *ret_error)
{
    size_t start = b->len;
    enum err e = template_write(&r->path, values, b, ret_error);
    if (e != OK || r->path.count == 0)
        return e;
    struct str path = {b->data + start, b->len - start};
    if (leads_elsewhere(path))
        return error_set(ret_error, ERR_TEMPLATE_ERROR,
                         "a value in the path is a dot segment, which would lead elsewhere");
    return OK;
}

static void add_percent_name(struct buf *b, struct str name)
{
    const struct template plain = {.source = name, .form = TEMPLATE_QUERY};
    IGNORE_RESULT(template_write(&plain, NULL, b, NULL)); /* the buffer keeps its failure */
}

enum err request_spec_write_target(const struct request_spec *r,
                                   const struct template_values *values, struct buf *b,
                                   struct error *ret_error)
{
    size_t start = b->len;
    enum err e = write_path(r, values, b, ret_error);
    bool has_query = e == OK && memchr(b->data + start, '?', b->len - start) != NULL;
    for (uint32_t i = 0; i < r->query_count && e == OK; i++) {
        buf_add_char(b, has_query ? '&' : '?');
        has_query = true;
        add_percent_name(b, r->query[i].name);
        buf_add_char(b, '=');
        e = template_write(&r->query[i].value, values, b, ret_error);
    }
    return e;
}
