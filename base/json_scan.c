/* The scanner: one walk over the bytes, one token for each value and name.
 *
 * A loop of steps: each looks at what stands after the white space, takes it, and names the step
 * that must follow. There is no recursion and no stack beside the tape: while a container is open,
 * its token's `next` is its parent and its `len` tells where its names are looked for. Both get
 * their meaning when it closes. */
#include "base/json.h"

#include <string.h>

#include "base/json_lex.h"
#include "base/json_names.h"
#include "base/mem.h"

enum {
    FIRST_TOKENS = 64,
    KEEP_TOKENS = 4096,        /* of a tape, for a text that does not need them */
    MAX_TOKENS = (1 << 28) - 1 /* json_token.count */
};

static const uint32_t no_token = UINT32_MAX;

/* An object's names are compared one by one while they are few, short and without escapes; from
 * then on they are hashed. */
enum { FEW_NAMES = 32, SHORT_NAME = 256 };
enum { NAMES_LISTED, NAMES_HASHED };

enum step {
    STEP_VALUE,
    STEP_FIRST_ELEMENT, /* a value, or the array's end */
    STEP_NAME,
    STEP_FIRST_NAME, /* a name, or the object's end */
    STEP_AFTER_VALUE,
    STEP_DONE,
    STEP_FAILED,
};

struct scan {
    struct json_doc *doc;
    const uint8_t *text;
    const uint8_t *at;
    uint32_t open; /* the innermost open container, no_token at the root */
    uint32_t depth;
    uint32_t room; /* tokens that fit without growing */
    struct json_names names;
    struct json_lex lex; /* where the text ends, and what is wrong with it */
    enum err err;
};

void json_doc_init(struct json_doc *doc)
{
    *doc = (struct json_doc){.max_depth = JSON_MAX_DEPTH, .max_tokens = 1 << 20};
}

void json_doc_fini(struct json_doc *doc)
{
    mem_free(doc->tokens);
    json_doc_init(doc);
}

static enum step fail(struct scan *s, const uint8_t *at, const char *what)
{
    json_lex_fail(&s->lex, at, what);
    return STEP_FAILED;
}

/* Not the text's fault. */
static enum step give_up(struct scan *s, enum err e, const char *what)
{
    s->err = e;
    return fail(s, s->at, what);
}

/* --- the tape --------------------------------------------------------------------------------- */

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static enum err grow(struct json_doc *doc, uint32_t max)
{
    uint32_t cap = doc->cap ? smaller(doc->cap * 2, max) : smaller(FIRST_TOKENS, max);
    struct json_token *tokens = mem_realloc(doc->tokens, cap * sizeof *tokens);
    if (tokens == NULL)
        return ERR_NOMEM;
    doc->tokens = tokens;
    doc->cap = cap;
    return OK;
}

/* Documents are used again and again for as long as a thread lives: what a large text needed is not
 * kept for small ones. A text has fewer tokens than bytes. */
static void shrink(struct json_doc *doc, size_t text_len)
{
    if (doc->cap <= KEEP_TOKENS || text_len >= doc->cap)
        return;
    mem_free(doc->tokens);
    doc->tokens = NULL;
    doc->cap = 0;
}

static bool make_room(struct scan *s)
{
    uint32_t max = smaller(s->doc->max_tokens, MAX_TOKENS);
    enum err e = s->doc->count < max ? grow(s->doc, max) : ERR_LIMIT;
    if (e != OK)
        give_up(s, e, "there are too many values");
    s->room = s->doc->cap;
    return e == OK;
}

/* Adds what lies between `at` and `end`, and goes there. */
static inline bool add_token(struct scan *s, enum json_type type, const uint8_t *end, bool escaped)
{
    struct json_doc *doc = s->doc;
    if (doc->count == s->room && !make_room(s))
        return false;
    uint32_t i = doc->count++;
    doc->tokens[i] = (struct json_token){
        .start = (uint32_t)(s->at - s->text),
        .len = (uint32_t)(end - s->at),
        .next = i + 1,
        .type = type & 7u,
        .escaped = escaped,
    };
    s->at = end;
    return true;
}

/* --- containers ------------------------------------------------------------------------------- */

static enum step open_container(struct scan *s, enum json_type type)
{
    if (s->depth >= s->doc->max_depth)
        return fail(s, s->at, "arrays and objects are nested too deeply");
    if (!add_token(s, type, s->at + 1, false))
        return STEP_FAILED;
    uint32_t i = s->doc->count - 1;
    s->doc->tokens[i].next = s->open;
    s->doc->tokens[i].len = NAMES_LISTED;
    s->open = i;
    s->depth++;
    return type == JSON_ARRAY ? STEP_FIRST_ELEMENT : STEP_FIRST_NAME;
}

/* `at` stands on the closing bracket. */
static enum step close_container(struct scan *s)
{
    struct json_token *t = &s->doc->tokens[s->open];
    if (t->len == NAMES_HASHED)
        json_names_drop(&s->names, s->open);
    s->open = t->next;
    s->depth--;
    s->at++;
    t->len = (uint32_t)(s->at - s->text) - t->start;
    t->next = s->doc->count;
    return STEP_AFTER_VALUE;
}

/* --- names ------------------------------------------------------------------------------------ */

/* Calls for the hash: moves the names that `object` has so far into it. They are all different. */
static enum err hash_names(struct scan *s, uint32_t object, uint32_t last)
{
    struct json_token *tokens = s->doc->tokens;
    tokens[object].len = NAMES_HASHED;
    bool repeats;
    enum err e = OK;
    for (uint32_t name = object + 1; name < last && e == OK; name = tokens[name + 1].next)
        e = json_names_add(&s->names, s->doc, object, name, &repeats);
    return e;
}

static enum err is_in_hash(struct scan *s, uint32_t object, uint32_t name, bool *ret_repeats)
{
    enum err e = OK;
    if (s->doc->tokens[object].len == NAMES_LISTED)
        e = hash_names(s, object, name);
    if (e == OK)
        e = json_names_add(&s->names, s->doc, object, name, ret_repeats);
    return e;
}

/* Names mostly differ in their length or their first byte already. */
static inline bool is_same(const char *text, const struct json_token *a, const struct json_token *b)
{
    return a->len == b->len && text[a->start + 1] == text[b->start + 1] &&
           json_names_eq(text, a, b);
}

static bool is_in_list(const struct json_doc *doc, uint32_t object, uint32_t name)
{
    const struct json_token *tokens = doc->tokens;
    for (uint32_t i = object + 1; i < name; i = tokens[i + 1].next) {
        if (is_same(doc->text, &tokens[i], &tokens[name]))
            return true;
    }
    return false;
}

/* The newest token is a name: has its object that one already? */
static bool check_name(struct scan *s)
{
    uint32_t name = s->doc->count - 1;
    const struct json_token *object = &s->doc->tokens[s->open], *t = &s->doc->tokens[name];
    bool listed = object->len == NAMES_LISTED && object->count < FEW_NAMES &&
                  t->len <= SHORT_NAME && !t->escaped;
    bool repeats = false;
    enum err e = OK;
    if (listed)
        repeats = is_in_list(s->doc, s->open, name);
    else
        e = is_in_hash(s, s->open, name, &repeats);
    if (e != OK)
        give_up(s, e, "there is no memory for its names");
    else if (repeats)
        fail(s, s->text + t->start, "the object has a member of that name already");
    return e == OK && !repeats;
}

/* --- steps ------------------------------------------------------------------------------------ */

static inline void skip_space(struct scan *s)
{
    const uint8_t *p = s->at;
    if (p != s->lex.end && *p > ' ')
        return;
    while (p < s->lex.end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    if (p > s->at && s->depth > 0)
        s->doc->spaced = true;
    s->at = p;
}

static bool scan_string(struct scan *s)
{
    bool escaped;
    const uint8_t *end = json_lex_string(&s->lex, s->at, &escaped);
    return end != NULL && add_token(s, JSON_STRING, end, escaped);
}

/* `end` is what the lexer answered: NULL after a fault. */
static enum step add_scalar(struct scan *s, enum json_type type, const uint8_t *end)
{
    return end != NULL && add_token(s, type, end, false) ? STEP_AFTER_VALUE : STEP_FAILED;
}

static enum step scan_value(struct scan *s)
{
    if (s->at == s->lex.end)
        return fail(s, s->at, NULL);
    switch (*s->at) {
    case '"': return scan_string(s) ? STEP_AFTER_VALUE : STEP_FAILED;
    case '{': return open_container(s, JSON_OBJECT);
    case '[': return open_container(s, JSON_ARRAY);
    case 't': return add_scalar(s, JSON_TRUE, json_lex_word(&s->lex, s->at, "true"));
    case 'f': return add_scalar(s, JSON_FALSE, json_lex_word(&s->lex, s->at, "false"));
    case 'n': return add_scalar(s, JSON_NULL, json_lex_word(&s->lex, s->at, "null"));
    case 0xEF: return fail(s, s->at, "a byte order mark has no place here");
    default: break;
    }
    if (*s->at == '-' || (*s->at >= '0' && *s->at <= '9'))
        return add_scalar(s, JSON_NUMBER, json_lex_number(&s->lex, s->at));
    return fail(s, s->at, "a value was expected");
}

static enum step scan_first_element(struct scan *s)
{
    if (s->at < s->lex.end && *s->at == ']')
        return close_container(s);
    return scan_value(s);
}

static enum step scan_name(struct scan *s)
{
    if (s->at == s->lex.end || *s->at != '"')
        return fail(s, s->at, "a member name was expected");
    if (!scan_string(s) || !check_name(s))
        return STEP_FAILED;
    skip_space(s);
    if (s->at == s->lex.end || *s->at != ':')
        return fail(s, s->at, "a colon was expected");
    s->at++;
    return STEP_VALUE;
}

static enum step scan_first_name(struct scan *s)
{
    if (s->at < s->lex.end && *s->at == '}')
        return close_container(s);
    return scan_name(s);
}

static enum step scan_after_value(struct scan *s)
{
    if (s->open == no_token)
        return s->at == s->lex.end ? STEP_DONE : fail(s, s->at, "nothing may follow the value");
    struct json_token *parent = &s->doc->tokens[s->open];
    bool is_object = parent->type == JSON_OBJECT;
    parent->count++;
    uint8_t c = s->at < s->lex.end ? *s->at : '\0';
    if (c == ',') {
        s->at++;
        return is_object ? STEP_NAME : STEP_VALUE;
    }
    if (c == (is_object ? '}' : ']'))
        return close_container(s);
    return fail(s, s->at, is_object ? "a comma or } was expected" : "a comma or ] was expected");
}

static bool scan_text(struct scan *s)
{
    enum step step = STEP_VALUE;
    s->err = ERR_INVALID_JSON; /* unless it is something else: give_up */
    json_names_init(&s->names);
    while (step != STEP_DONE && step != STEP_FAILED) {
        skip_space(s);
        switch (step) {
        case STEP_VALUE: step = scan_value(s); break;
        case STEP_FIRST_ELEMENT: step = scan_first_element(s); break;
        case STEP_NAME: step = scan_name(s); break;
        case STEP_FIRST_NAME: step = scan_first_name(s); break;
        case STEP_AFTER_VALUE: step = scan_after_value(s); break;
        case STEP_DONE:
        case STEP_FAILED: break;
        }
    }
    json_names_fini(&s->names);
    return step == STEP_DONE;
}

struct json_fault json_fault_at(struct str text, size_t offset, const char *what)
{
    struct json_fault f = {
        .offset = offset, .line = 1, .column = (uint32_t)offset + 1, .what = what};
    const char *p = text.at ? text.at : "", *end = p + offset;
    while (p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        p++;
        f.line++;
        f.column = (uint32_t)(end - p) + 1;
    }
    return f;
}

enum err json_parse(struct json_doc *doc, struct str text, struct json_fault *ret_fault)
{
    shrink(doc, text.len);
    doc->text = text.len > 0 ? text.at : "";
    doc->count = 0;
    doc->spaced = false;
    struct scan s = {
        .doc = doc,
        .text = (const uint8_t *)doc->text,
        .at = (const uint8_t *)doc->text,
        .open = no_token,
        .room = smaller(doc->cap, doc->max_tokens),
        .lex.end = (const uint8_t *)doc->text + text.len,
    };
    if (text.len > INT32_MAX)
        give_up(&s, ERR_LIMIT, "the text is too long");
    else if (scan_text(&s))
        return OK;
    doc->count = 0;
    if (ret_fault != NULL)
        *ret_fault = json_fault_at(text, (size_t)(s.lex.fault_at - s.text), s.lex.what);
    return s.err;
}
