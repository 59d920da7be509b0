/* Any bytes to json_parse. What it refuses must be told at a place within the text; what it accepts
 * must hold together: a walk over the tape, look-ups by name and by pointer, and the compact form,
 * which is JSON again with the same tape. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

static struct str inside_of(const struct json_doc *doc, uint32_t token)
{
    const struct json_token *t = &doc->tokens[token];
    REQUIRE(t->len >= 2);
    return (struct str){doc->text + t->start + 1, t->len - 2};
}

static void check_fault(struct str text, const struct json_fault *f)
{
    struct json_fault again = json_fault_at(text, f->offset, f->what);
    REQUIRE(f->what != NULL && f->offset <= text.len);
    REQUIRE(again.line == f->line && again.column == f->column);
    REQUIRE(f->line >= 1 && f->column >= 1);
}

static void check_string(struct json v, struct arena *arena)
{
    struct str s = STR_NONE;
    struct buf b;
    struct json_doc doc;
    REQUIRE(json_string(v, arena, &s));
    REQUIRE(str_is_utf8(s) && json_string_is(v, s));
    buf_init(&b, 8 * s.len + 2);
    json_add_string(&b, s);
    REQUIRE(buf_ok(&b) == OK);
    json_doc_init(&doc);
    REQUIRE(json_parse(&doc, buf_str(&b), NULL) == OK);
    REQUIRE(json_string_is(json_root(&doc), s));
    json_doc_fini(&doc);
    buf_fini(&b);
}

static void check_number(struct json v)
{
    double value = NAN, again = NAN;
    int64_t integer;
    struct buf b;
    struct json_doc doc;
    REQUIRE(json_double(v, &value) && isfinite(value));
    if (json_int(v, INT64_MIN, INT64_MAX, &integer) == OK)
        REQUIRE((double)integer == value);
    buf_init(&b, 64);
    json_add_double(&b, value);
    json_doc_init(&doc);
    REQUIRE(json_parse(&doc, buf_str(&b), NULL) == OK);
    REQUIRE(json_double(json_root(&doc), &again) && again == value);
    json_doc_fini(&doc);
    buf_fini(&b);
}

/* Every child is found by what it is called, and its pointer leads to it. */
static void check_child(struct json parent, struct json child, struct buf *step)
{
    struct json hit = json_pointer(parent, buf_str(step));
    REQUIRE(json_exists(hit) && hit.at == child.at);
    buf_clear(step);
}

static void check_array(struct json v, struct buf *step)
{
    uint32_t n = 0;
    for (struct json e = json_first(v); json_exists(e); e = json_next(v, e), n++) {
        if (n >= 64)
            continue; /* pointers to elements are walked to: quadratic */
        json_pointer_add_index(step, n);
        check_child(v, e, step);
    }
    REQUIRE(n == json_count(v));
}

static void check_object(struct json v, struct arena *arena, struct buf *step)
{
    uint32_t n = 0;
    for (struct json_member m = json_first_member(v); json_exists(m.value);
         m = json_next_member(v, m), n++) {
        struct str name = STR_NONE;
        if (n >= 64)
            continue;
        REQUIRE(json_string(m.name, arena, &name));
        REQUIRE(json_get(v, name).at == m.value.at);
        json_pointer_add_name(step, name);
        check_child(v, m.value, step);
    }
    REQUIRE(n == json_count(v));
}

static void check_token(const struct json_doc *doc, uint32_t i)
{
    struct json v = {doc, i};
    struct arena arena;
    struct buf step;
    const struct json_token *t = &doc->tokens[i];
    REQUIRE(t->next > i && t->next <= doc->count);
    arena_init(&arena, SIZE_MAX);
    buf_init(&step, SIZE_MAX);
    switch (json_type(v)) {
    case JSON_STRING:
        REQUIRE(t->escaped == (memchr(inside_of(doc, i).at, '\\', inside_of(doc, i).len) != NULL));
        check_string(v, &arena);
        break;
    case JSON_NUMBER: check_number(v); break;
    case JSON_ARRAY: check_array(v, &step); break;
    case JSON_OBJECT: check_object(v, &arena, &step); break;
    default: REQUIRE(t->next == i + 1 && json_count(v) == 0); break;
    }
    buf_fini(&step);
    arena_fini(&arena);
}

/* The same tokens, in the same order, with the same text. */
static void check_same(const struct json_doc *a, const struct json_doc *b)
{
    REQUIRE(a->count == b->count);
    for (uint32_t i = 0; i < a->count; i++) {
        const struct json_token *x = &a->tokens[i], *y = &b->tokens[i];
        REQUIRE(x->type == y->type && x->next == y->next && x->count == y->count);
        if (x->type != JSON_ARRAY && x->type != JSON_OBJECT)
            REQUIRE(str_eq(json_raw((struct json){a, i}), json_raw((struct json){b, i})));
    }
}

static void check_compact(const struct json_doc *doc, size_t size)
{
    struct buf b;
    struct json_doc again;
    buf_init(&b, size);
    json_add_compact(&b, json_root(doc));
    REQUIRE(buf_ok(&b) == OK);
    json_doc_init(&again);
    REQUIRE(json_parse(&again, buf_str(&b), NULL) == OK);
    REQUIRE(!again.spaced);
    check_same(doc, &again);
    json_doc_fini(&again);
    buf_fini(&b);
}

static void check_comments(struct str text)
{
    char *copy = mem_strdup(text);
    REQUIRE(copy != NULL);
    json_blank_comments(copy, text.len);
    for (size_t i = 0; i < text.len; i++)
        REQUIRE(copy[i] == text.at[i] || (copy[i] == ' ' && text.at[i] != '\n'));
    mem_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct json_doc doc;
    struct json_fault fault = {0};
    json_doc_init(&doc);
    if (json_parse(&doc, text, &fault) == OK) {
        for (uint32_t i = 0; i < doc.count; i++)
            check_token(&doc, i);
        check_compact(&doc, size);
    } else {
        check_fault(text, &fault);
    }
    json_doc_fini(&doc);
    check_comments(text);
    return 0;
}
