#include "model/template.h"

/* What a template grows from. Parts are gathered in a buffer and moved to the arena at the end. */
struct draft {
    struct check *c;
    struct reference_scope *scope;
    enum template_form form;
    struct buf parts; /* struct template_part, one behind the other */
    struct buf text;  /* since the last reference, as it will be copied */
    bool is_fine;
};

static void add_part(struct draft *d, struct template_part part)
{
    buf_add(&d->parts, &part, sizeof part);
}

static void run_out_of_memory(struct draft *d)
{
    d->c->no_memory = true;
    d->is_fine = false;
}

static void add_text_part(struct draft *d)
{
    if (d->text.len == 0)
        return;
    struct str text = arena_str(d->c->arena, buf_str(&d->text));
    if (text.at == NULL)
        run_out_of_memory(d);
    add_part(d, (struct template_part){.text = text});
    buf_clear(&d->text);
}

static void add_reference(struct draft *d, const struct reference *r, bool is_whole)
{
    struct reference *own = arena_alloc(d->c->arena, sizeof *own);
    if (own == NULL) {
        run_out_of_memory(d);
        return;
    }
    *own = *r;
    add_text_part(d);
    add_part(d, (struct template_part){.reference = own, .is_whole = is_whole});
}

/* The author's own text; within JSON it stands between quotes. */
static void add_literal(struct draft *d, struct str s)
{
    if (d->form != TEMPLATE_JSON) {
        buf_add_str(&d->text, s);
        return;
    }
    size_t start = d->text.len;
    json_add_string(&d->text, s);
    if (d->text.failed)
        return;
    size_t inside = d->text.len - start - 2;
    memmove(d->text.data + start, d->text.data + start + 1, inside);
    d->text.len = start + inside;
}

static void report(struct draft *d, const struct doc_path *at, enum field_code code,
                   const char *why)
{
    problem_add(d->c->problem, at, code, why);
    d->is_fine = false;
}

static bool read_reference(struct draft *d, struct str *ahead, const struct doc_path *at,
                           struct reference_reading *ret)
{
    if (d->scope->left == 0) {
        report(d, at, FIELD_TOO_LONG, "the tree has too many references");
        return false;
    }
    d->scope->left--;
    enum err e = reference_read(ahead, d->scope, d->c->arena, ret);
    if (e == ERR_NOMEM)
        run_out_of_memory(d);
    else if (e != OK)
        report(d, at, FIELD_BAD_REFERENCE, ret->why);
    return e == OK;
}

static const char *find_braces(struct str s)
{
    return s.len > 0 ? memmem(s.at, s.len, "{{", 2) : NULL;
}

static void add_reading(struct draft *d, const struct reference_reading *reading)
{
    if (reading->is_text)
        add_literal(d, reading->text);
    else
        add_reference(d, &reading->reference, false);
}

/* Text and references in turn. The first one that is wrong ends it: one finding for each string. */
static void add_mixed(struct draft *d, struct str s, const struct doc_path *at)
{
    const char *braces;
    while ((braces = find_braces(s)) != NULL) {
        struct reference_reading reading;
        size_t before = (size_t)(braces - s.at);
        add_literal(d, (struct str){s.at, before});
        s = (struct str){braces + 2, s.len - before - 2};
        if (!read_reference(d, &s, at, &reading))
            return;
        add_reading(d, &reading);
    }
    add_literal(d, s);
}

/* A string within JSON. */
static void add_string(struct draft *d, struct str s, const struct doc_path *at)
{
    struct reference_reading first;
    struct str ahead = s;
    if (!str_starts(s, STR("{{"))) {
        buf_add_char(&d->text, '"');
        add_mixed(d, s, at);
        buf_add_char(&d->text, '"');
        return;
    }
    ahead.at += 2, ahead.len -= 2;
    if (!read_reference(d, &ahead, at, &first))
        return;
    if (ahead.len == 0 && !first.is_text) {
        add_reference(d, &first.reference, true);
        return;
    }
    buf_add_char(&d->text, '"');
    add_reading(d, &first);
    add_mixed(d, ahead, at);
    buf_add_char(&d->text, '"');
}

/* Could there be braces in the string, or in one within the value? They may be escaped. */
static bool may_refer(struct str raw)
{
    return memmem(raw.at, raw.len, "{{", 2) != NULL || memmem(raw.at, raw.len, "\\u007", 5) != NULL;
}

static void add_json(struct draft *d, struct json v, const struct doc_path *at);

static void add_array(struct draft *d, struct json v, const struct doc_path *at)
{
    uint64_t i = 0;
    buf_add_char(&d->text, '[');
    for (struct json e = json_first(v); json_exists(e); e = json_next(v, e), i++) {
        struct doc_path here = doc_path_index(at, i);
        if (i > 0)
            buf_add_char(&d->text, ',');
        add_json(d, e, &here);
    }
    buf_add_char(&d->text, ']');
}

static void add_object(struct draft *d, struct json v, const struct doc_path *at)
{
    bool is_first = true;
    buf_add_char(&d->text, '{');
    for (struct json_member m = json_first_member(v); json_exists(m.value);
         m = json_next_member(v, m)) {
        struct str name;
        if (!json_string(m.name, d->c->arena, &name)) {
            run_out_of_memory(d);
            return;
        }
        struct doc_path here = doc_path_name(at, name);
        if (!is_first)
            buf_add_char(&d->text, ',');
        is_first = false;
        buf_add_str(&d->text, json_raw(m.name));
        buf_add_char(&d->text, ':');
        add_json(d, m.value, &here);
    }
    buf_add_char(&d->text, '}');
}

static void add_json_string(struct draft *d, struct json v, const struct doc_path *at)
{
    struct str s;
    if (!json_string(v, d->c->arena, &s))
        run_out_of_memory(d);
    else if (find_braces(s) == NULL)
        buf_add_str(&d->text, json_raw(v));
    else
        add_string(d, s, at);
}

/* As deep as JSON may be nested. */
static void add_json(struct draft *d, struct json v, const struct doc_path *at)
{
    if (!may_refer(json_raw(v)))
        json_add_compact(&d->text, v);
    else if (json_is(v, JSON_STRING))
        add_json_string(d, v, at);
    else if (json_is(v, JSON_ARRAY))
        add_array(d, v, at);
    else
        add_object(d, v, at);
}

/* Braces around nothing but text: what is left is text. */
static void fold(struct template *t)
{
    if (t->count > 1 || (t->count == 1 && t->parts[0].reference != NULL))
        return;
    t->source = t->count == 1 ? t->parts[0].text : STR("");
    t->count = 0;
}

static void keep_parts(struct draft *d, struct template *ret)
{
    add_text_part(d);
    if (d->parts.failed || d->text.failed)
        run_out_of_memory(d);
    if (!d->is_fine)
        return;
    struct str all = arena_str(d->c->arena, buf_str(&d->parts));
    if (all.at == NULL) {
        run_out_of_memory(d);
        return;
    }
    union { /* the arena's own copy, which is aligned for any type */
        const char *view;
        struct template_part *parts;
    } at = {.view = all.at};
    ret->parts = at.parts;
    ret->count = (uint32_t)(all.len / sizeof(struct template_part));
    fold(ret);
}

static void draft_init(struct draft *d, struct check *c, enum template_form form, size_t source,
                       struct reference_scope *scope)
{
    *d = (struct draft){.c = c, .scope = scope, .form = form, .is_fine = true};
    buf_init(&d->text, 6 * source + 64); /* at worst each byte becomes an escape of six */
    buf_init(&d->parts, (source + 1) * sizeof(struct template_part)); /* less than one a byte */
}

static bool draft_fini(struct draft *d)
{
    buf_fini(&d->parts);
    buf_fini(&d->text);
    return d->is_fine;
}

bool template_read_json(struct check *c, struct json v, const struct doc_path *at,
                        struct reference_scope *scope, struct template *ret)
{
    struct draft d;
    *ret = (struct template){.source = json_raw(v), .form = TEMPLATE_JSON};
    if (!may_refer(ret->source))
        return true;
    draft_init(&d, c, TEMPLATE_JSON, ret->source.len, scope);
    add_json(&d, v, at);
    keep_parts(&d, ret);
    return draft_fini(&d);
}

bool template_read_text(struct check *c, struct str text, const struct doc_path *at,
                        enum template_form form, struct reference_scope *scope,
                        struct template *ret)
{
    struct draft d;
    *ret = (struct template){.source = text, .form = form};
    if (find_braces(text) == NULL)
        return true;
    draft_init(&d, c, form, text.len, scope);
    add_mixed(&d, text, at);
    keep_parts(&d, ret);
    return draft_fini(&d);
}
