/* Filling a template in (model/template.h). */
#include "model/template.h"

struct writer {
    const struct template *t;
    const struct template_values *values;
    struct buf *b;
    struct error *ret_error;
};

static enum err has_no_value(const struct writer *w, const struct reference *r)
{
    return error_set(w->ret_error, ERR_TEMPLATE_ERROR, "{{%.*s}} has no value", STR_ARG(r->text));
}

/* --- text, as its place wants it -------------------------------------------------------------- */

static bool is_unreserved(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~", c) != NULL);
}

/* RFC 3986, 2.1 */
static void add_percent(struct buf *b, struct str s)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = (uint8_t)s.at[i];
        const char escape[3] = {'%', hex[c >> 4], hex[c & 15]};
        if (is_unreserved(c))
            buf_add_char(b, (char)c);
        else
            buf_add(b, escape, sizeof escape);
    }
}

/* Within the quotes that the template has already. */
static void add_inside_string(struct buf *b, struct str s)
{
    size_t start = b->len;
    json_add_string(b, s);
    if (b->failed)
        return;
    size_t inside = b->len - start - 2;
    memmove(b->data + start, b->data + start + 1, inside);
    b->len = start + inside;
}

static bool breaks_header(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] == '\r' || s.at[i] == '\n' || s.at[i] == '\0')
            return true;
    }
    return false;
}

static enum err add_text(const struct writer *w, const struct reference *r, struct str s)
{
    switch (w->t->form) {
    case TEMPLATE_JSON: add_inside_string(w->b, s); break;
    case TEMPLATE_TEXT: buf_add_str(w->b, s); break;
    case TEMPLATE_PATH:
    case TEMPLATE_QUERY: add_percent(w->b, s); break;
    case TEMPLATE_HEADER:
        if (breaks_header(s))
            return error_set(w->ret_error, ERR_TEMPLATE_ERROR,
                             "{{%.*s}} has a line break, which a header must not have",
                             STR_ARG(r->text));
        buf_add_str(w->b, s);
        break;
    }
    return OK;
}

/* --- values ----------------------------------------------------------------------------------- */

static enum err leads_too_far(const struct writer *w, const struct reference *r)
{
    return error_set(w->ret_error, ERR_LIMIT_EXCEEDED,
                     "references may read values of %d tokens for one task, and pass over %d "
                     "elements and members: {{%.*s}} leads past that",
                     LOOKUP_TOKENS_MAX, LOOKUP_STEPS_MAX, STR_ARG(r->text));
}

/* What cannot be read was nested too deeply by those who made it. */
static enum err cannot_be_read(const struct writer *w, const struct reference *r)
{
    return error_set(w->ret_error, ERR_TEMPLATE_ERROR,
                     "{{%.*s}} cannot be read: it is nested too deeply or too large",
                     STR_ARG(r->text));
}

/* Turns raw JSON into a cursor. */
static enum err open_raw(const struct writer *w, const struct reference *r, struct str raw,
                         struct json *ret)
{
    enum err e = lookup_open(w->values->lookup, raw, ret);
    if (e == ERR_LIMIT)
        return leads_too_far(w, r);
    return e == OK || e == ERR_NOMEM ? e : cannot_be_read(w, r);
}

static enum err add_compact_text(const struct writer *w, const struct reference *r, struct json v)
{
    if (!v.doc->spaced)
        return add_text(w, r, json_raw(v));
    struct buf compact;
    buf_init(&compact, json_raw(v).len);
    json_add_compact(&compact, v);
    enum err e = buf_ok(&compact);
    if (e == OK)
        e = add_text(w, r, buf_str(&compact));
    buf_fini(&compact);
    return e;
}

static enum err add_string_text(const struct writer *w, const struct reference *r, struct json v)
{
    struct arena arena;
    struct str s;
    arena_init(&arena, json_raw(v).len + 64);
    enum err e = json_string(v, &arena, &s) ? add_text(w, r, s) : ERR_NOMEM;
    arena_fini(&arena);
    return e;
}

static enum err add_json_as_text(const struct writer *w, const struct reference *r, struct json v)
{
    if (json_is(v, JSON_NULL))
        return OK;
    return json_is(v, JSON_STRING) ? add_string_text(w, r, v) : add_compact_text(w, r, v);
}

static enum err add_cursor(const struct writer *w, const struct template_part *part, struct json v)
{
    if (!part->is_whole)
        return add_json_as_text(w, part->reference, v);
    json_add_compact(w->b, v);
    return OK;
}

/* A default in text. It is short, and every reference has its own: no matter for the lookup. */
static enum err add_fallback_text(const struct writer *w, const struct reference *r)
{
    struct json_doc doc;
    json_doc_init(&doc);
    enum err e = json_parse(&doc, r->fallback, NULL);
    if (e == OK)
        e = add_json_as_text(w, r, json_root(&doc));
    else if (e != ERR_NOMEM)
        e = cannot_be_read(w, r);
    json_doc_fini(&doc);
    return e;
}

static enum err add_fallback(const struct writer *w, const struct template_part *part)
{
    if (!part->is_whole)
        return add_fallback_text(w, part->reference);
    buf_add_str(w->b, part->reference->fallback);
    return OK;
}

/* A missing or null value takes the default; a missing one must have one. */
static enum err add_json_value(const struct writer *w, const struct template_part *part,
                               struct json v)
{
    const struct reference *r = part->reference;
    if (lookup_follow(w->values->lookup, v, r->path, &v) != OK)
        return leads_too_far(w, r);
    bool is_empty = !json_exists(v) || json_is(v, JSON_NULL);
    if (is_empty && r->fallback.at != NULL)
        return add_fallback(w, part);
    return json_exists(v) ? add_cursor(w, part, v) : has_no_value(w, r);
}

static enum err add_raw_value(const struct writer *w, const struct template_part *part,
                              struct str raw)
{
    const struct reference *r = part->reference;
    if (part->is_whole && r->path.len == 0 && !str_eq(raw, STR("null"))) {
        buf_add_str(w->b, raw);
        return OK;
    }
    struct json v = JSON_NONE;
    enum err e = open_raw(w, r, raw, &v);
    return e == OK ? add_json_value(w, part, v) : e;
}

static enum err add_plain_text(const struct writer *w, const struct template_part *part,
                               struct str text)
{
    if (!part->is_whole)
        return add_text(w, part->reference, text);
    json_add_string(w->b, text);
    return OK;
}

static enum err add_value(const struct writer *w, const struct template_part *part)
{
    const struct reference *r = part->reference;
    struct template_value v = {.kind = VALUE_MISSING};
    enum err e = w->values->get(w->values->ctx, r, &v);
    if (e != OK)
        return e;
    switch (v.kind) {
    case VALUE_MISSING: return add_json_value(w, part, JSON_NONE);
    case VALUE_JSON: return add_json_value(w, part, v.json);
    case VALUE_RAW: return add_raw_value(w, part, v.text);
    case VALUE_TEXT: return add_plain_text(w, part, v.text);
    case VALUE_INTEGER: buf_add_u64(w->b, v.integer); break;
    }
    return OK;
}

static void add_literal(const struct writer *w, struct str text)
{
    if (w->t->form == TEMPLATE_QUERY)
        add_percent(w->b, text);
    else
        buf_add_str(w->b, text);
}

enum err template_write(const struct template *t, const struct template_values *values,
                        struct buf *b, struct error *ret_error)
{
    struct writer w = {.t = t, .values = values, .b = b, .ret_error = ret_error};
    if (t->count == 0)
        add_literal(&w, t->source);
    for (uint32_t i = 0; i < t->count && !b->failed; i++) {
        const struct template_part *part = &t->parts[i];
        enum err e = OK;
        if (part->reference != NULL)
            e = add_value(&w, part);
        else
            add_literal(&w, part->text);
        if (e != OK)
            return e;
    }
    return buf_ok(b);
}
