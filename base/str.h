#ifndef SLUICE_BASE_STR_H
#define SLUICE_BASE_STR_H
/* Views of bytes that somebody else owns, and the strict little parsers that work on them.
 *
 * A `struct str` is borrowed: valid as long as its owner says. It may hold NUL bytes and is not
 * terminated. No function here allocates or looks at the locale. Any thread. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *at;
    size_t len;
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_NONE     ((struct str){NULL, 0})
#define STR_ARG(s)   (int)(s).len, (s).at /* for "%.*s" */

static inline struct str str_of(const char *text)
{
    return text ? (struct str){text, strlen(text)} : STR_NONE;
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

bool str_eq_nocase(struct str a, struct str b); /* ASCII only */
bool str_starts(struct str s, struct str prefix);
int str_cmp(struct str a, struct str b); /* bytewise, shorter first */
uint64_t str_hash(struct str s);         /* FNV-1a: no defence against keys that are to collide */
struct str str_trim(struct str s);       /* without spaces and tabs at both ends (RFC 9110 OWS) */

/* Cuts `s` at the first `c`: returns what is before it and moves `s` behind it; all of it, and
 * STR_NONE left, if none. */
struct str str_cut(struct str *s, char c);

/* Decimal digits only, no sign, no blanks; false on overflow or anything else. */
bool str_to_u64(struct str s, uint64_t *ret_value);

/* Likewise, but what is above `most`, however many digits it has, is taken as `most`. */
bool str_to_u64_capped(struct str s, uint64_t most, uint64_t *ret_value);

/* The names of API: [A-Za-z0-9_-]{1,64}. */
bool str_is_name(struct str s);

/* Is it valid UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF)? */
bool str_is_utf8(struct str s);

/* The largest n <= len at which `text` can be cut without splitting a UTF-8 character. */
size_t str_utf8_floor(const char *text, size_t len);

/* Hex digits to bytes; false unless exactly 2 * n digits. */
bool str_from_hex(struct str hex, uint8_t *ret_bytes, size_t n);

/* Copies into a buffer of `size` > 0 bytes with a NUL at its end, cut at a character's border where
 * it does not fit. */
void str_copy(char *dst, size_t size, struct str s);
#endif
