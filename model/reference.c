#include "model/reference.h"

enum { PATH_STEPS_MAX = JSON_MAX_DEPTH, INDEX_DIGITS = 9 };

/* What has been read so far, and what is ahead. */
struct reader {
    struct str ahead;
    const struct reference_scope *scope;
    struct arena *arena;
    struct reference_reading *ret;
    bool no_memory;
};

static bool refuse(struct reader *r, const char *why)
{
    if (r->ret->why == NULL)
        r->ret->why = why;
    return false;
}

static bool refuse_memory(struct reader *r)
{
    r->no_memory = true;
    return false;
}

static int peek(const struct reader *r)
{
    return r->ahead.len > 0 ? (uint8_t)r->ahead.at[0] : -1;
}

static struct str take(struct reader *r, size_t n)
{
    struct str s = {r->ahead.at, n};
    r->ahead.at += n;
    r->ahead.len -= n;
    return s;
}

static bool take_lit(struct reader *r, struct str literal)
{
    if (!str_starts(r->ahead, literal))
        return false;
    take(r, literal.len);
    return true;
}

static void skip_space(struct reader *r)
{
    int c;
    while ((c = peek(r)) == ' ' || c == '\t' || c == '\r' || c == '\n')
        take(r, 1);
}

/* Everything that does not mean something here may be part of a name. */
static bool is_name_byte(int c)
{
    return c > ' ' && c != 0x7F && strchr(".[]{}|\"", c) == NULL;
}

static struct str take_name(struct reader *r)
{
    size_t n = 0;
    while (n < r->ahead.len && is_name_byte((uint8_t)r->ahead.at[n]))
        n++;
    return take(r, n);
}

/* --- JSON between the braces ------------------------------------------------------------------ */

/* How long is the JSON value ahead? A guess that json_parse judges: it ends where nothing is open
 * any more, so that the braces of an object are not taken for the end of the reference. */
static size_t json_extent(struct str s)
{
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        if (in_string) {
            i += c == '\\';
            in_string = c != '"';
        } else if (depth == 0 && (c == '}' || c == ' ' || c == '\t' || c == '\r' || c == '\n')) {
            return i;
        } else {
            in_string = c == '"';
            depth += c == '[' || c == '{';
            depth -= depth > 0 && (c == ']' || c == '}');
        }
        if (depth == 0 && !in_string && (c == '"' || c == ']' || c == '}'))
            return i + 1;
    }
    return s.len;
}

/* Takes a JSON value and keeps it: a string's characters where `as_text`, else compact JSON. */
static bool keep_json(struct reader *r, struct json v, bool as_text, struct str *ret)
{
    if (as_text) {
        struct str s;
        if (!json_string(v, r->arena, &s))
            return refuse_memory(r);
        *ret = s;
        return true;
    }
    struct buf b;
    buf_init(&b, json_raw(v).len + 1);
    json_add_compact(&b, v);
    *ret = buf_ok(&b) == OK ? arena_str(r->arena, buf_str(&b)) : STR_NONE;
    buf_fini(&b);
    return ret->at != NULL || refuse_memory(r);
}

static bool read_json(struct reader *r, bool as_text, struct str *ret)
{
    struct str raw = take(r, json_extent(r->ahead));
    struct json_doc doc;
    json_doc_init(&doc);
    enum err e = json_parse(&doc, raw, NULL);
    bool fine = e == OK ? keep_json(r, json_root(&doc), as_text, ret)
                : e == ERR_NOMEM
                    ? refuse_memory(r)
                    : refuse(r, "what stands in the braces is not valid JSON where it should be");
    json_doc_fini(&doc);
    return fine;
}

/* --- the parts of a reference ----------------------------------------------------------------- */

static bool read_member(struct reader *r)
{
    take(r, 1);
    return take_name(r).len > 0 || refuse(r, "a name is missing behind a dot");
}

static bool read_index(struct reader *r)
{
    take(r, 1);
    size_t n = 0;
    while (n < r->ahead.len && r->ahead.at[n] >= '0' && r->ahead.at[n] <= '9')
        n++;
    bool fine = n > 0 && n <= INDEX_DIGITS && (n == 1 || r->ahead.at[0] != '0');
    take(r, n);
    return (fine && take_lit(r, STR("]"))) ||
           refuse(r, "an index is digits in brackets, without a leading zero");
}

/* ".a.b[0]" */
static bool read_path(struct reader *r)
{
    const char *from = r->ahead.at;
    for (int n = 0; peek(r) == '.' || peek(r) == '['; n++) {
        if (n == PATH_STEPS_MAX)
            return refuse(r, "leads deeper than JSON may be nested");
        if (peek(r) == '.' ? !read_member(r) : !read_index(r))
            return false;
    }
    r->ret->reference.path = (struct str){from, (size_t)(r->ahead.at - from)};
    return true;
}

static bool resolve(struct reader *r, enum reference_root root, struct str name)
{
    const char *why = r->scope->resolve(r->scope->ctx, root, name, &r->ret->reference);
    return why == NULL || refuse(r, why);
}

/* ".NAME.output" and what else a step has. */
static bool read_step(struct reader *r)
{
    struct reference *f = &r->ret->reference;
    if (!take_lit(r, STR(".")))
        return refuse(r, "steps is followed by a step's name");
    struct str name = take_name(r);
    if (!resolve(r, ROOT_STEP, name))
        return false;
    struct str field = take_lit(r, STR(".")) ? take_name(r) : STR("");
    if (str_eq(field, STR("state"))) {
        f->source = REFERENCE_STATE;
        return true;
    }
    f->source = str_eq(field, STR("error")) ? REFERENCE_ERROR : REFERENCE_OUTPUT;
    if (f->source == REFERENCE_OUTPUT && !str_eq(field, STR("output")))
        return refuse(r, "of a step there are output, error and state");
    return read_path(r);
}

/* Of these there is nothing but themselves: "run" of "run.id". */
static bool read_fixed(struct reader *r, struct str rest, enum reference_source source)
{
    r->ret->reference.source = source;
    return take_lit(r, rest) || refuse(r, "refers to nothing that there is");
}

/* One of the words that the scope has, and where it leads. */
static bool read_word(struct reader *r, struct str root)
{
    struct reference *f = &r->ret->reference;
    const char *const *words = r->scope->words;
    f->source = REFERENCE_WORD;
    for (f->step = 0; words[f->step] != NULL; f->step++) {
        if (str_eq(root, str_of(words[f->step])))
            return read_path(r);
    }
    return refuse(r, "refers to nothing that there is");
}

static bool read_value(struct reader *r)
{
    struct reference *f = &r->ret->reference;
    struct str root = take_name(r);
    if (r->scope->words != NULL)
        return read_word(r, root);
    if (str_eq(root, STR("steps")))
        return read_step(r);
    if (str_eq(root, STR("run")))
        return read_fixed(r, STR(".id"), REFERENCE_RUN_ID);
    if (str_eq(root, STR("task")))
        return read_fixed(r, STR(".path"), REFERENCE_TASK_PATH);
    if (str_eq(root, STR("index"))) {
        f->source = REFERENCE_INDEX;
        return resolve(r, ROOT_ELEMENT, root);
    }
    if (str_eq(root, STR("item")))
        f->source = REFERENCE_ITEM;
    else if (str_eq(root, STR("prev")))
        f->source = REFERENCE_OUTPUT;
    else if (!str_eq(root, STR("input")))
        return refuse(r, "refers to nothing that there is");
    if (f->source == REFERENCE_ITEM && !resolve(r, ROOT_ELEMENT, root))
        return false;
    if (f->source == REFERENCE_OUTPUT && !resolve(r, ROOT_PREV, root))
        return false;
    return read_path(r);
}

static bool read_fallback(struct reader *r)
{
    if (!take_lit(r, STR("|")))
        return true;
    skip_space(r);
    return read_json(r, false, &r->ret->reference.fallback);
}

static bool read_inside(struct reader *r)
{
    skip_space(r);
    if (peek(r) == '"') {
        r->ret->is_text = true;
        if (!read_json(r, true, &r->ret->text))
            return false;
        skip_space(r);
        return true;
    }
    const char *from = r->ahead.at;
    if (!read_value(r))
        return false;
    r->ret->reference.text = (struct str){from, (size_t)(r->ahead.at - from)};
    skip_space(r);
    if (!read_fallback(r))
        return false;
    skip_space(r);
    return true;
}

enum err reference_read(struct str *text, const struct reference_scope *scope, struct arena *arena,
                        struct reference_reading *ret)
{
    struct reader r = {.ahead = *text, .scope = scope, .arena = arena, .ret = ret};
    *ret = (struct reference_reading){.reference.source = REFERENCE_INPUT};
    bool fine = read_inside(&r);
    if (fine && !take_lit(&r, STR("}}")))
        fine = refuse(&r, "a reference ends with }}");
    if (!fine)
        return r.no_memory ? ERR_NOMEM : ERR_INVALID_REQUEST;
    *text = r.ahead;
    return OK;
}

/* --- following one ---------------------------------------------------------------------------- */

/* A longer name takes longer to compare: for so many bytes of it, a member counts once more. */
enum { NAME_BYTES_A_STEP = 16 };

static struct json element_at(struct json array, uint64_t index, uint64_t *steps)
{
    if (index >= json_count(array))
        return JSON_NONE;
    *steps += index;
    struct json e = json_first(array);
    for (; index > 0 && json_exists(e); index--)
        e = json_next(array, e);
    return e;
}

static struct json member_named(struct json object, struct str name, uint64_t *steps)
{
    struct json_member m = json_first_member(object);
    for (; json_exists(m.value) && !json_string_is(m.name, name); m = json_next_member(object, m))
        *steps += 1 + name.len / NAME_BYTES_A_STEP;
    return m.value;
}

/* One ".name" or "[0]" of a path that reference_read has passed. */
static struct json follow_one(struct json v, struct reader *r, uint64_t *steps)
{
    if (take_lit(r, STR(".")))
        return member_named(v, take_name(r), steps);
    take(r, 1);
    struct str digits = str_cut(&r->ahead, ']');
    uint64_t index;
    return str_to_u64(digits, &index) ? element_at(v, index, steps) : JSON_NONE;
}

struct json reference_follow(struct json v, struct str path, uint64_t *steps)
{
    struct reader r = {.ahead = path};
    while (r.ahead.len > 0 && json_exists(v))
        v = follow_one(v, &r, steps);
    return v;
}
