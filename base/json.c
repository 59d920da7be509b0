#include "base/json.h"

#include <assert.h>

#include "base/json_text.h"

static const struct json_token *token_of(struct json v)
{
    assert(v.doc != NULL && v.at < v.doc->count);
    return &v.doc->tokens[v.at];
}

static struct json at_token(const struct json_doc *doc, uint32_t at)
{
    return (struct json){doc, at};
}

struct json json_root(const struct json_doc *doc)
{
    return doc->count > 0 ? at_token(doc, 0) : JSON_NONE;
}

enum json_type json_type(struct json v)
{
    return (enum json_type)token_of(v)->type;
}

const char *json_type_name(enum json_type type)
{
    static const char *const names[] = {"null",   "boolean", "boolean", "number",
                                        "string", "array",   "object"};
    return names[type];
}

struct str json_raw(struct json v)
{
    if (!json_exists(v))
        return STR_NONE;
    const struct json_token *t = token_of(v);
    return (struct str){v.doc->text + t->start, t->len};
}

uint32_t json_count(struct json v)
{
    return json_exists(v) ? token_of(v)->count : 0;
}

/* --- strings ---------------------------------------------------------------------------------- */

static bool is_unescaped(const char *text, const struct json_token *t, struct str s)
{
    struct json_chars c = json_chars_of(text, t);
    for (size_t i = 0; i < s.len; i++) {
        if (json_chars_next(&c) != (uint8_t)s.at[i])
            return false;
    }
    return json_chars_next(&c) < 0;
}

static inline bool token_is(const char *text, const struct json_token *t, struct str s)
{
    if (t->escaped)
        return is_unescaped(text, t, s);
    return str_eq(json_inside(text, t), s);
}

bool json_string_is(struct json v, struct str s)
{
    return json_is(v, JSON_STRING) && token_is(v.doc->text, token_of(v), s);
}

/* Whole runs between the escapes. Returns how many bytes it wrote: never more than there are. */
static size_t unescape(struct str s, char *out)
{
    const uint8_t *p = (const uint8_t *)s.at, *end = p + s.len;
    char *at = out;
    while (p < end) {
        const uint8_t *escape = memchr(p, '\\', (size_t)(end - p));
        size_t run = (size_t)((escape ? escape : end) - p);
        memcpy(at, p, run);
        at += run;
        p += run;
        if (escape != NULL) {
            char decoded[4];
            size_t n = json_unescape(&p, decoded);
            memcpy(at, decoded, n);
            at += n;
        }
    }
    return (size_t)(at - out);
}

bool json_string(struct json v, struct arena *arena, struct str *ret_value)
{
    if (!json_is(v, JSON_STRING))
        return false;
    const struct json_token *t = token_of(v);
    struct str inside = json_inside(v.doc->text, t);
    if (!t->escaped) {
        *ret_value = inside;
        return true;
    }
    char *copy = arena_alloc(arena, inside.len);
    if (copy == NULL)
        return false;
    *ret_value = (struct str){copy, unescape(inside, copy)};
    return true;
}

/* --- arrays and objects ----------------------------------------------------------------------- */

struct json json_get(struct json object, struct str name)
{
    if (!json_is(object, JSON_OBJECT))
        return JSON_NONE;
    const struct json_doc *doc = object.doc;
    const struct json_token *tokens = doc->tokens;
    uint32_t end = tokens[object.at].next;
    for (uint32_t i = object.at + 1; i < end; i = tokens[i + 1].next) {
        if (token_is(doc->text, &tokens[i], name))
            return at_token(doc, i + 1);
    }
    return JSON_NONE;
}

struct json json_first(struct json array)
{
    if (!json_is(array, JSON_ARRAY) || json_count(array) == 0)
        return JSON_NONE;
    return at_token(array.doc, array.at + 1);
}

struct json json_next(struct json array, struct json element)
{
    uint32_t next = token_of(element)->next;
    return next < token_of(array)->next ? at_token(array.doc, next) : JSON_NONE;
}

static struct json_member member_at(const struct json_doc *doc, uint32_t name, uint32_t end)
{
    if (name >= end)
        return (struct json_member){JSON_NONE, JSON_NONE};
    return (struct json_member){at_token(doc, name), at_token(doc, name + 1)};
}

struct json_member json_first_member(struct json object)
{
    if (!json_is(object, JSON_OBJECT))
        return (struct json_member){JSON_NONE, JSON_NONE};
    return member_at(object.doc, object.at + 1, token_of(object)->next);
}

struct json_member json_next_member(struct json object, struct json_member member)
{
    return member_at(object.doc, token_of(member.value)->next, token_of(object)->next);
}

/* --- pointers --------------------------------------------------------------------------------- */

/* The next byte that a pointer's segment stands for, -1 at its end, -2 for a ~ that is neither ~0
 * nor ~1. */
static int take_byte(struct str *segment)
{
    if (segment->len == 0)
        return -1;
    size_t n = segment->at[0] == '~' ? 2 : 1;
    uint8_t byte = (uint8_t)segment->at[0];
    if (n == 2) {
        if (segment->len < 2 || (segment->at[1] != '0' && segment->at[1] != '1'))
            return -2;
        byte = segment->at[1] == '0' ? '~' : '/';
    }
    segment->at += n;
    segment->len -= n;
    return byte;
}

static bool is_segment(const char *text, const struct json_token *name, struct str segment)
{
    struct json_chars c = json_chars_of(text, name);
    for (;;) {
        int byte = take_byte(&segment);
        if (byte != json_chars_next(&c))
            return false;
        if (byte < 0)
            return true;
    }
}

static struct json member_of(struct json object, struct str segment)
{
    if (segment.len == 0 || memchr(segment.at, '~', segment.len) == NULL)
        return json_get(object, segment);
    for (struct json_member m = json_first_member(object); json_exists(m.value);
         m = json_next_member(object, m)) {
        if (is_segment(object.doc->text, token_of(m.name), segment))
            return m.value;
    }
    return JSON_NONE;
}

static struct json element_of(struct json array, struct str segment)
{
    uint64_t index;
    bool padded = segment.len > 1 && segment.at[0] == '0';
    if (padded || !str_to_u64(segment, &index) || index >= json_count(array))
        return JSON_NONE;
    struct json e = json_first(array);
    for (; index > 0; index--)
        e = json_next(array, e);
    return e;
}

struct json json_pointer(struct json v, struct str pointer)
{
    while (json_exists(v) && pointer.len > 0) {
        if (pointer.at[0] != '/')
            return JSON_NONE;
        const char *from = pointer.at + 1, *end = pointer.at + pointer.len;
        const char *slash = memchr(from, '/', pointer.len - 1);
        struct str segment = {from, (size_t)((slash ? slash : end) - from)};
        pointer = (struct str){from + segment.len, pointer.len - 1 - segment.len};
        v = json_is(v, JSON_ARRAY) ? element_of(v, segment) : member_of(v, segment);
    }
    return v;
}

void json_pointer_add_name(struct buf *b, struct str name)
{
    buf_add_char(b, '/');
    while (name.len > 0) {
        size_t run = 0;
        while (run < name.len && name.at[run] != '~' && name.at[run] != '/')
            run++;
        buf_add(b, name.at, run);
        if (run == name.len)
            return;
        buf_add(b, name.at[run] == '~' ? "~0" : "~1", 2);
        name = (struct str){name.at + run + 1, name.len - run - 1};
    }
}

void json_pointer_add_index(struct buf *b, uint64_t index)
{
    buf_add_char(b, '/');
    buf_add_u64(b, index);
}
