#ifndef SLUICE_BASE_JSON_H
#define SLUICE_BASE_JSON_H
/* Reading JSON (RFC 8259), strictly and without a tree; and writing it.
 *
 * json_parse walks the bytes once, refuses everything that is not exactly JSON, and leaves a tape:
 * one token for each value and member name, in document order, that points into the text. A cursor,
 * `struct json`, stands on that tape. Nothing is copied or converted until it is asked for, so
 * numbers keep every digit and unknown parts pass through byte for byte.
 *
 * Stricter than the grammar, because other readers differ there (RFC 7493, I-JSON): a member name
 * may not repeat within its object (compared after unescaping), strings are valid UTF-8 and hold no
 * lone surrogates, numbers are within a double's range, nesting is at most `max_depth` (the root is
 * 1), and nothing but white space surrounds the root.
 *
 * Life: json_doc_init, json_parse (again and again: the tape's memory is reused, but what a large
 * text needed is given back when a small one comes), json_doc_fini. The text is borrowed and must
 * outlive every cursor; a cursor lives until the next json_parse. One thread at a time. Bounds:
 * text < 2^31 bytes, tokens (16 bytes each) at most `max_tokens`; time is linear in the text,
 * whatever is in it. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum json_type {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

enum { JSON_MAX_DEPTH = 64 };

struct json_token {
    uint32_t start;       /* first byte; of a string: its opening quote */
    uint32_t len;         /* bytes, quotes included */
    uint32_t next;        /* the token after this value and all that is in it */
    uint32_t count : 28;  /* elements of an array, members of an object */
    uint32_t type : 3;    /* enum json_type; a member's name is a string before its value */
    uint32_t escaped : 1; /* a string with a backslash in it */
};

struct json_doc {
    const char *text;
    struct json_token *tokens;
    uint32_t count; /* 0 unless the last json_parse was OK */
    uint32_t cap;
    uint32_t max_depth;  /* JSON_MAX_DEPTH unless changed after init */
    uint32_t max_tokens; /* 1 << 20 unless changed after init; below 2^28 */
    bool spaced;         /* there is white space inside the root: json_add_compact has work to do */
};

/* Where and why a text is not JSON. Line and column count from 1, in bytes, at the first offending
 * byte: one past the last where the text ends too early, the opening quote of the second name where
 * a name repeats, the first byte of a character that is not UTF-8, the backslash of a lone
 * surrogate, the first digit (or minus) of a number that is too large. */
struct json_fault {
    size_t offset;
    uint32_t line;
    uint32_t column;
    const char *what; /* static text: "a comma or } was expected" */
};

/* The same for any byte of a text: for who finds that it is JSON, but not what was asked for. */
struct json_fault json_fault_at(struct str text, size_t offset, const char *what);

void json_doc_init(struct json_doc *doc);
void json_doc_fini(struct json_doc *doc);

/* OK; ERR_INVALID_JSON; ERR_LIMIT past a bound; ERR_NOMEM. All but OK fill `ret_fault`, which may
 * be NULL. */
enum err json_parse(struct json_doc *doc, struct str text, struct json_fault *ret_fault) MUST_CHECK;

/* --- cursors ---------------------------------------------------------------------------------- */

/* Two words; passed by value. */
struct json {
    const struct json_doc *doc; /* NULL: there is no such value */
    uint32_t at;
};

#define JSON_NONE ((struct json){NULL, 0})

static inline bool json_exists(struct json v)
{
    return v.doc != NULL;
}

struct json json_root(const struct json_doc *doc);
enum json_type json_type(struct json v);         /* `v` exists */
const char *json_type_name(enum json_type type); /* "string", with "boolean" for both of them */
static inline bool json_is(struct json v, enum json_type type)
{
    return json_exists(v) && json_type(v) == type;
}
static inline bool json_is_bool(struct json v)
{
    return json_is(v, JSON_TRUE) || json_is(v, JSON_FALSE);
}

/* The bytes of the value as they stand in the text, with quotes or brackets. STR_NONE for
 * JSON_NONE. */
struct str json_raw(struct json v);

/* How many elements or members; 0 for everything else. */
uint32_t json_count(struct json v);

/* The member of that name, case-sensitive; JSON_NONE if there is none or `object` is not an object
 * (or does not exist), so that look-ups can be chained. Names are compared unescaped. Walks the
 * members: O(their number). */
struct json json_get(struct json object, struct str name);
#define json_get_lit(object, literal) json_get((object), STR(literal))

/* Elements in order, none where it is not an array:
 *     for (struct json e = json_first(array); json_exists(e); e = json_next(array, e)) */
struct json json_first(struct json array);
struct json json_next(struct json array, struct json element);

/* Members in order, none where it is not an object:
 *     for (struct json_member m = json_first_member(o); json_exists(m.value);
 *          m = json_next_member(o, m)) */
struct json_member {
    struct json name; /* a string */
    struct json value;
};
struct json_member json_first_member(struct json object);
struct json_member json_next_member(struct json object, struct json_member member);

/* The string's characters: a view into the text, or unescaped into `arena` where there are escapes.
 * May hold NUL; is not terminated. False: not a string, or no memory. */
bool json_string(struct json v, struct arena *arena, struct str *ret_value) MUST_CHECK;

/* Compares a string value with `s`, unescaped; false where `v` is not a string. */
bool json_string_is(struct json v, struct str s);

/* An integer within [min, max]; 1.0 and 1e2 are integers. OK; ERR_INVALID_REQUEST where it is not a
 * number or has a fraction; ERR_LIMIT where it is beyond the bounds. */
enum err json_int(struct json v, int64_t min, int64_t max, int64_t *ret_value) MUST_CHECK;

/* The nearest double, always finite. False where it is not a number. */
bool json_double(struct json v, double *ret_value) MUST_CHECK;

/* --- pointers (RFC 6901) ---------------------------------------------------------------------- */

/* The value at `pointer` ("/a/0/b~1c", "" is `v` itself); JSON_NONE if there is none or the pointer
 * is not one. */
struct json json_pointer(struct json v, struct str pointer);

/* Appends "/NAME" or "/INDEX", with ~ and / escaped. */
void json_pointer_add_name(struct buf *b, struct str name);
void json_pointer_add_index(struct buf *b, uint64_t index);

/* --- writing ---------------------------------------------------------------------------------- */

/* A quoted, escaped string; each byte that is not UTF-8 becomes U+FFFD. Escapes only what JSON
 * demands. */
void json_add_string(struct buf *b, struct str s);
void json_add_string_or_null(struct buf *b, struct str s); /* null where s.at is NULL */
void json_add_or_null(struct buf *b, struct str json);     /* JSON text as it is; likewise */
void json_add_bool(struct buf *b, bool value);

/* The shortest form that reads back the same, in any locale; null where it is not finite. */
void json_add_double(struct buf *b, double value);

/* The comma between elements: nothing at the start of `b` or directly behind an opening bracket. */
void json_add_comma(struct buf *b);

/* The comma, if one is due, and "name": behind it. `name` needs no escaping. */
void json_add_key(struct buf *b, const char *name);

/* The same with a member's name, as it was written. */
void json_add_name(struct buf *b, struct json name);

/* The value without the white space between its tokens, otherwise byte for byte; nothing for
 * JSON_NONE. */
void json_add_compact(struct buf *b, struct json v);

/* Removes comments, from // to the end of the line and block comments, by blanking them in place,
 * so that offsets, lines and columns stay. A comment mark inside a string is left alone, an
 * unclosed block comment is left for json_parse to refuse. */
void json_blank_comments(char *text, size_t len);
#endif
