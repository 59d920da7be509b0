#ifndef SLUICE_BASE_JSON_TEXT_H
#define SLUICE_BASE_JSON_TEXT_H
/* The characters between two quotes, as the JSON files see them. Private to base/json*.c;
 * stateless.
 *
 * What works on tokens relies on the scanner: every escape is whole and every surrogate has its
 * other half. */
#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"

static inline bool json_is_plain(uint8_t c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* The first byte that cannot just be passed on: a quote, a backslash, a control character, or one
 * that is not ASCII.
 *
 * Eight bytes at a time. Of the high bits in `hits`, the lowest marks the first such byte: the
 * subtractions borrow only from bytes behind one that is marked itself. */
static inline const uint8_t *json_skip_plain(const uint8_t *p, const uint8_t *end)
{
    const uint64_t each = 0x0101010101010101u;
    for (; end - p >= 8; p += 8) {
        uint64_t w;
        memcpy(&w, p, sizeof w);
        w = le64toh(w);
        uint64_t quotes = (w ^ each * '"') - each;
        uint64_t backslashes = (w ^ each * '\\') - each;
        uint64_t controls = w - each * 0x20;
        uint64_t hits = (quotes | backslashes | controls | w) & each * 0x80;
        if (hits != 0)
            return p + (__builtin_ctzll(hits) >> 3);
    }
    while (p < end && json_is_plain(*p))
        p++;
    return p;
}

/* 0 to 15, -1 if it is no hex digit. */
static inline int json_hex_digit(uint8_t c)
{
    uint8_t letter = c | 0x20;
    if (c >= '0' && c <= '9')
        return c - '0';
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/* Four hex digits; UINT32_MAX if they are not. */
static inline uint32_t json_hex4(const uint8_t *p)
{
    int a = json_hex_digit(p[0]), b = json_hex_digit(p[1]);
    int c = json_hex_digit(p[2]), d = json_hex_digit(p[3]);
    if ((a | b | c | d) < 0)
        return UINT32_MAX;
    return (uint32_t)(a << 12 | b << 8 | c << 4 | d);
}

/* Decodes the escape at `*p`, which stands on its backslash and is moved behind it. Returns how
 * many bytes it wrote. */
static inline size_t json_unescape(const uint8_t **p, char out[4])
{
    uint8_t c = (*p)[1];
    *p += 2;
    switch (c) {
    case 'b': out[0] = '\b'; return 1;
    case 'f': out[0] = '\f'; return 1;
    case 'n': out[0] = '\n'; return 1;
    case 'r': out[0] = '\r'; return 1;
    case 't': out[0] = '\t'; return 1;
    case 'u': break;
    default: out[0] = (char)c; return 1;
    }
    uint32_t code = json_hex4(*p);
    *p += 4;
    if (code >= 0xD800 && code <= 0xDBFF) {
        uint32_t low = json_hex4(*p + 2);
        *p += 6;
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    return utf8_encode(code, out);
}

/* The unescaped bytes of a string token, one after the other. */
struct json_chars {
    const uint8_t *at, *end;
    char decoded[4]; /* what the last escape stands for */
    size_t count, taken;
};

static inline struct json_chars json_chars_of(const char *text, const struct json_token *t)
{
    const uint8_t *quote = (const uint8_t *)text + t->start;
    return (struct json_chars){.at = quote + 1, .end = quote + t->len - 1};
}

/* The next byte, -1 behind the last. */
static inline int json_chars_next(struct json_chars *c)
{
    if (c->taken < c->count)
        return (uint8_t)c->decoded[c->taken++];
    if (c->at == c->end)
        return -1;
    if (*c->at != '\\')
        return *c->at++;
    c->count = json_unescape(&c->at, c->decoded);
    c->taken = 1;
    return (uint8_t)c->decoded[0];
}

/* The bytes between the quotes, as they stand in the text. */
static inline struct str json_inside(const char *text, const struct json_token *t)
{
    return (struct str){text + t->start + 1, t->len - 2};
}
#endif
