#include "providers/http_form.h"

#include "net/http.h"

static const char *const words[] = {
    [HTTP_WORD_INPUT] = "input",
    [HTTP_WORD_MODEL] = "model",
    [HTTP_WORD_INSTRUCTIONS] = "instructions",
    [HTTP_WORD_PARAMS] = "params",
    NULL,
};

/* What is being filled while a request is walked. */
struct draft {
    struct http_form *form;
    struct reference_scope scope;
    enum http_form_kind kind;
};

bool http_form_may_set(struct str header)
{
    static const char *const framing[] = {"host",       "content-length",     "transfer-encoding",
                                          "connection", "keep-alive",         "upgrade",
                                          "expect",     "accept-encoding",    "te",
                                          "trailer",    "proxy-authorization"};
    for (size_t i = 0; i < sizeof framing / sizeof framing[0]; i++) {
        if (str_eq_nocase(header, str_of(framing[i])))
            return false;
    }
    return http_name_is_valid(header);
}

/* A string, or what has a text of its own. */
static void read_text(struct check *c, struct json v, const struct doc_path *at,
                      enum template_form form, struct draft *d, struct template *ret)
{
    struct str s = json_raw(v);
    if (json_is(v, JSON_STRING) && !json_string(v, c->arena, &s))
        c->no_memory = true;
    *ret = (struct template){.source = s, .form = form};
    if (d->kind == HTTP_FORM_TEMPLATE && json_is(v, JSON_STRING))
        (void)template_read_text(c, s, at, form, &d->scope, ret); /* findings are in the check */
}

static void on_method(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE", NULL};
    struct draft *d = out;
    d->form->method = NULL;
    for (size_t i = 0; methods[i] != NULL; i++) {
        if (json_string_is(v, str_of(methods[i])))
            d->form->method = methods[i];
    }
    if (d->form->method == NULL && d->kind == HTTP_FORM_TEMPLATE)
        problem_add(c->problem, at, FIELD_NOT_IN_ENUM,
                    "must be one of GET, POST, PUT, PATCH, DELETE");
}

static void on_path(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    read_text(c, v, at, TEMPLATE_PATH, d, &d->form->path);
    if (d->kind == HTTP_FORM_TEMPLATE && !json_is(v, JSON_STRING))
        problem_add(c->problem, at, FIELD_WRONG_TYPE, "must be a string");
}

/* The object's members, those that are null left out. */
static struct http_pair *read_pairs(struct check *c, struct json v, const struct doc_path *at,
                                    enum template_form form, struct draft *d, uint32_t *ret_count)
{
    if (json_is(v, JSON_NULL) || !check_object(c, v, at))
        return NULL;
    struct http_pair *pairs = arena_zalloc(c->arena, json_count(v) * sizeof *pairs);
    c->no_memory |= pairs == NULL;
    for (struct json_member m = json_first_member(v); pairs != NULL && json_exists(m.value);
         m = json_next_member(v, m)) {
        struct http_pair *pair = &pairs[*ret_count];
        if (json_is(m.value, JSON_NULL))
            continue;
        c->no_memory |= !json_string(m.name, c->arena, &pair->name);
        struct doc_path here = doc_path_name(at, pair->name);
        read_text(c, m.value, &here, form, d, &pair->value);
        ++*ret_count;
    }
    return pairs;
}

static void on_query(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    d->form->query = read_pairs(c, v, at, TEMPLATE_QUERY, d, &d->form->query_count);
}

static void on_headers(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    struct http_form *f = d->form;
    f->headers = read_pairs(c, v, at, TEMPLATE_HEADER, d, &f->header_count);
    if (f->header_count > HTTP_FORM_HEADERS)
        problem_add(c->problem, at, FIELD_TOO_LONG, "has too many headers");
    for (uint32_t i = 0; d->kind == HTTP_FORM_TEMPLATE && i < f->header_count; i++) {
        struct doc_path here = doc_path_name(at, f->headers[i].name);
        if (!http_form_may_set(f->headers[i].name))
            problem_add(c->problem, &here, FIELD_OUT_OF_RANGE,
                        "is no header that a request may set");
    }
}

static void on_body(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct draft *d = out;
    struct http_form *f = d->form;
    uint32_t before = c->problem->found;
    f->has_body = !json_is(v, JSON_NULL);
    f->has_plain = json_is(v, JSON_STRING);
    f->body = (struct template){.source = json_raw(v), .form = TEMPLATE_JSON};
    if (d->kind == HTTP_FORM_TEMPLATE)
        (void)template_read_json(c, v, at, &d->scope, &f->body); /* findings are in the check */
    if (f->has_plain && c->problem->found == before)
        read_text(c, v, at, TEMPLATE_TEXT, d, &f->plain);
}

bool http_form_read(struct check *c, struct json v, const struct doc_path *at,
                    enum http_form_kind kind, struct http_form *ret)
{
    static const struct check_rule rules[] = {{"method", on_method},
                                              {"path", on_path},
                                              {"query", on_query},
                                              {"headers", on_headers},
                                              {"body", on_body}};
    struct draft d = {
        .form = ret, .scope = {.words = words, .left = HTTP_FORM_REFERENCES}, .kind = kind};
    if (!check_object(c, v, at))
        return false;
    uint32_t before = c->problem->found;
    *ret = (struct http_form){.path.form = TEMPLATE_PATH};
    ret->method = json_exists(json_get_lit(v, "body")) ? "POST" : "GET";
    check_members(c, v, at, rules, sizeof rules / sizeof rules[0], &d);
    return c->problem->found == before && !c->no_memory;
}
