#include "providers/fill.h"

#include "net/http.h"

enum { STRINGS_MAX = 67108864, VALUE_TEXT_MAX = 67108864 };

/* While one value is written. */
struct filler {
    struct buf *b;
    struct json scope;
    struct error *error;
    struct arena arena;  /* strings, unescaped */
    struct json_doc doc; /* a default, or a literal */
    bool encode;
    enum err failed; /* the first failure */
};

static void filler_init(struct filler *f, struct buf *b, struct json scope, struct error *error)
{
    *f = (struct filler){.b = b, .scope = scope, .error = error, .failed = OK};
    arena_init(&f->arena, STRINGS_MAX);
    json_doc_init(&f->doc);
}

static enum err filler_fini(struct filler *f)
{
    arena_fini(&f->arena);
    json_doc_fini(&f->doc);
    return f->failed;
}

static void fail(struct filler *f, struct str reference, const char *why)
{
    if (f->failed == OK)
        f->failed = error_set(f->error, ERR_TEMPLATE_ERROR, "{{%.*s}} %s", STR_ARG(reference), why);
}

static struct str text_of(struct filler *f, struct json v)
{
    struct str s;
    if (json_string(v, &f->arena, &s))
        return s;
    if (f->failed == OK)
        f->failed = error_set(f->error, ERR_NOMEM, "out of memory");
    return STR("");
}

/* --- references ------------------------------------------------------------------------------- */

/* Where `mark` stands outside of quotes; the length if nowhere. */
static size_t find(struct str s, const char *mark)
{
    size_t len = strlen(mark);
    bool in_quotes = false;
    for (size_t i = 0; i < s.len; i++) {
        if (in_quotes && s.at[i] == '\\')
            i++;
        else if (s.at[i] == '"')
            in_quotes = !in_quotes;
        else if (!in_quotes && s.len - i >= len && memcmp(s.at + i, mark, len) == 0)
            return i;
    }
    return s.len;
}

/* "a.b[0]": the next name, or the next index in `*ret_index`. */
static struct json step(struct json v, struct str *path)
{
    uint64_t index;
    if (path->at[0] == '[') {
        struct str rest = {path->at + 1, path->len - 1};
        struct str digits = str_cut(&rest, ']');
        *path = rest;
        if (!str_to_u64(digits, &index))
            return JSON_NONE;
        struct json e = json_first(v);
        while (json_exists(e) && index-- > 0)
            e = json_next(v, e);
        return e;
    }
    size_t n = 0;
    while (n < path->len && path->at[n] != '.' && path->at[n] != '[')
        n++;
    struct json next = json_get(v, (struct str){path->at, n});
    *path = (struct str){path->at + n, path->len - n};
    return next;
}

static struct json resolve(struct json scope, struct str path)
{
    struct json v = scope;
    while (path.len > 0 && json_exists(v)) {
        v = step(v, &path);
        if (path.len > 0 && path.at[0] == '.')
            path = (struct str){path.at + 1, path.len - 1};
    }
    return v;
}

static struct json parse_aside(struct filler *f, struct str text, struct str reference)
{
    enum err e = json_parse(&f->doc, text, NULL);
    if (e == OK)
        return json_root(&f->doc);
    if (e == ERR_NOMEM && f->failed == OK)
        f->failed = error_set(f->error, ERR_NOMEM, "out of memory");
    fail(f, reference, "is not valid");
    return JSON_NONE;
}

/* What stands between the braces. JSON_NONE: it has failed. */
static struct json evaluate(struct filler *f, struct str reference)
{
    struct str expression = str_trim(reference);
    if (expression.len > 0 && expression.at[0] == '"')
        return parse_aside(f, expression, reference);
    size_t bar = find(expression, "|");
    struct str path = str_trim((struct str){expression.at, bar});
    struct json v = path.len > 0 ? resolve(f->scope, path) : JSON_NONE;
    if (json_exists(v) && !json_is(v, JSON_NULL))
        return v;
    if (bar < expression.len)
        return parse_aside(
            f, str_trim((struct str){expression.at + bar + 1, expression.len - bar - 1}),
            reference);
    if (!json_exists(v))
        fail(f, reference, "points at nothing");
    return v;
}

/* --- strings ---------------------------------------------------------------------------------- */

static void add_text(struct filler *f, struct buf *out, struct json v)
{
    struct str s = json_is(v, JSON_STRING) ? text_of(f, v) : json_raw(v);
    if (json_is(v, JSON_NULL) || !json_exists(v))
        return;
    if (f->encode)
        http_add_encoded(out, s);
    else if (json_is(v, JSON_STRING))
        buf_add_str(out, s);
    else
        json_add_compact(out, v);
}

/* The text with every reference filled in. */
static void fill(struct filler *f, struct buf *out, struct str text)
{
    const char *open;
    while (text.len > 0 && (open = memmem(text.at, text.len, "{{", 2)) != NULL) {
        size_t before = (size_t)(open - text.at);
        struct str rest = {open + 2, text.len - before - 2};
        size_t len = find(rest, "}}");
        buf_add(out, text.at, before);
        if (len == rest.len) {
            fail(f, rest, "has no end");
            return;
        }
        add_text(f, out, evaluate(f, (struct str){rest.at, len}));
        text = (struct str){rest.at + len + 2, rest.len - len - 2};
    }
    buf_add_str(out, text);
}

/* Is it one reference and nothing else? */
static bool is_reference(struct str text, struct str *ret_reference)
{
    if (!str_starts(text, STR("{{")))
        return false;
    struct str rest = {text.at + 2, text.len - 2};
    size_t len = find(rest, "}}");
    *ret_reference = (struct str){rest.at, len};
    return len + 2 == rest.len;
}

static void write_string(struct filler *f, struct json v)
{
    struct str text = text_of(f, v), reference;
    if (memmem(text.at, text.len, "{{", 2) == NULL) {
        buf_add_str(f->b, json_raw(v));
    } else if (is_reference(text, &reference)) {
        json_add_compact(f->b, evaluate(f, reference));
    } else {
        struct buf filled;
        buf_init(&filled, VALUE_TEXT_MAX);
        fill(f, &filled, text);
        json_add_string(f->b, buf_str(&filled));
        f->b->failed |= buf_ok(&filled) != OK;
        buf_fini(&filled);
    }
}

/* --- values ----------------------------------------------------------------------------------- */

/* Nesting is bounded by json_parse. */
static void write_value(struct filler *f, struct json v)
{
    if (json_is(v, JSON_STRING)) {
        write_string(f, v);
    } else if (json_is(v, JSON_ARRAY)) {
        buf_add_char(f->b, '[');
        for (struct json e = json_first(v); json_exists(e); e = json_next(v, e)) {
            json_add_comma(f->b);
            write_value(f, e);
        }
        buf_add_char(f->b, ']');
    } else if (json_is(v, JSON_OBJECT)) {
        buf_add_char(f->b, '{');
        for (struct json_member m = json_first_member(v); json_exists(m.value);
             m = json_next_member(v, m)) {
            json_add_comma(f->b);
            buf_add_str(f->b, json_raw(m.name));
            buf_add_char(f->b, ':');
            write_value(f, m.value);
        }
        buf_add_char(f->b, '}');
    } else {
        buf_add_str(f->b, json_raw(v));
    }
}

enum err fill_value(struct buf *b, struct json template, struct json scope, struct error *ret_error)
{
    struct filler f;
    filler_init(&f, b, scope, ret_error);
    write_value(&f, template);
    return filler_fini(&f);
}

enum err fill_text(struct buf *b, struct json template, struct json scope, bool encode,
                   struct error *ret_error)
{
    struct filler f;
    filler_init(&f, b, scope, ret_error);
    f.encode = encode;
    if (json_is(template, JSON_STRING))
        fill(&f, b, text_of(&f, template));
    else if (!json_is(template, JSON_NULL))
        json_add_compact(b, template);
    return filler_fini(&f);
}
