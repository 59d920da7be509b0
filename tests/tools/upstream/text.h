#ifndef UPSTREAM_TEXT_H
#define UPSTREAM_TEXT_H
/* Bytes for the scripted upstream: a growing buffer, slices, the clock, and as much JSON as it must
 * understand.
 *
 * A test tool: no memory or a broken assumption ends the program with a message, it never limps on.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

struct buf {
    char *data; /* one NUL beyond len whenever it is not NULL */
    size_t len;
    size_t cap;
};

struct slice {
    const char *at;
    size_t len;
};

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("upstream: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static void *must(void *memory)
{
    if (memory == NULL)
        die("out of memory");
    return memory;
}

/* CLOCK_MONOTONIC, as Python's time.monotonic(): a test may compare both. */
static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* --- buffer ----------------------------------------------------------------------------------- */

static char *buf_room(struct buf *b, size_t n)
{
    size_t need = b->len + n + 1;
    if (need > b->cap) {
        size_t cap = b->cap ? b->cap : 512;
        while (cap < need)
            cap *= 2;
        b->data = must(realloc(b->data, cap));
        b->cap = cap;
    }
    return b->data + b->len;
}

static void buf_add(struct buf *b, const void *bytes, size_t n)
{
    char *to = buf_room(b, n);
    if (n > 0)
        memcpy(to, bytes, n);
    b->len += n;
    b->data[b->len] = '\0';
}

static void buf_adds(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

static void buf_fill(struct buf *b, char c, size_t n)
{
    memset(buf_room(b, n), c, n);
    b->len += n;
    b->data[b->len] = '\0';
}

__attribute__((format(printf, 2, 3), nonnull(2))) static void buf_addf(struct buf *b,
                                                                       const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(buf_room(b, 255), 256, format, args);
    va_end(args);
    if (n > 255) {
        va_start(args, format);
        vsnprintf(buf_room(b, (size_t)n), (size_t)n + 1, format, args);
        va_end(args);
    }
    b->len += (size_t)n;
}

static void buf_free(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

static void buf_consume(struct buf *b, size_t n)
{
    b->len -= n;
    memmove(b->data, b->data + n, b->len);
    b->data[b->len] = '\0';
    if (b->len == 0 && b->cap > 65536)
        buf_free(b); /* thousands of idle connections must not each keep a big one */
}

/* --- slices ----------------------------------------------------------------------------------- */

static struct slice slice_of(const char *s)
{
    return (struct slice){s, strlen(s)};
}

static bool slice_is(struct slice s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.at, text, s.len) == 0;
}

static bool slice_is_nocase(struct slice s, const char *text)
{
    return s.len == strlen(text) && strncasecmp(s.at, text, s.len) == 0;
}

static bool slice_starts(struct slice s, const char *text)
{
    return s.len >= strlen(text) && memcmp(s.at, text, strlen(text)) == 0;
}

static struct slice slice_from(struct slice s, size_t n)
{
    return (struct slice){s.at + n, s.len - n};
}

/* Cuts s at the first `c`: what stood before it is returned, s keeps what stands after (empty if
 * there is no `c`). */
static struct slice slice_split(struct slice *s, char c)
{
    const char *hit = s->len ? memchr(s->at, c, s->len) : NULL;
    struct slice head = {s->at, hit ? (size_t)(hit - s->at) : s->len};
    *s = slice_from(*s, hit ? head.len + 1 : head.len);
    return head;
}

static char *slice_copy(struct slice s)
{
    char *copy = must(malloc(s.len + 1));
    if (s.len > 0)
        memcpy(copy, s.at, s.len);
    copy[s.len] = '\0';
    return copy;
}

static int64_t slice_int(struct slice s, bool *ret_ok)
{
    char digits[24];
    if (s.len == 0 || s.len >= sizeof digits) {
        *ret_ok = false;
        return 0;
    }
    memcpy(digits, s.at, s.len);
    digits[s.len] = '\0';
    char *end;
    int64_t n = strtoll(digits, &end, 10);
    *ret_ok = *end == '\0';
    return n;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void percent_decode(struct slice s, struct buf *out)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        if (c == '%' && i + 2 < s.len && hex_digit(s.at[i + 1]) >= 0 &&
            hex_digit(s.at[i + 2]) >= 0) {
            c = (char)(hex_digit(s.at[i + 1]) * 16 + hex_digit(s.at[i + 2]));
            i += 2;
        }
        buf_add(out, &c, 1);
    }
}

/* --- JSON ------------------------------------------------------------------------------------- */

/* Writes s as a JSON string. Bytes above 127 pass as they are: what comes in as UTF-8 goes out as
 * UTF-8. */
static void json_string(struct buf *b, struct slice s)
{
    buf_adds(b, "\"");
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];
        if (c == '"' || c == '\\')
            buf_addf(b, "\\%c", c);
        else if (c == '\n')
            buf_adds(b, "\\n");
        else if (c < 0x20 || c == 0x7f)
            buf_addf(b, "\\u%04x", c);
        else
            buf_add(b, &c, 1);
    }
    buf_adds(b, "\"");
}

static const char *json_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
        p++;
    return p;
}

/* One past the value at p, or NULL. Brackets are only counted: enough for what a well-behaved
 * client sends. */
static const char *json_skip(const char *p, const char *end)
{
    int depth = 0;
    for (p = json_space(p, end); p < end; p++) {
        if (*p == '"') {
            for (p++; p < end && *p != '"'; p++)
                p += *p == '\\';
            if (p >= end)
                return NULL;
        } else if (*p == '{' || *p == '[') {
            depth++;
            continue;
        } else if (*p == '}' || *p == ']') {
            depth--;
        } else if (depth == 0) {
            while (p < end && strchr(",]} \t\r\n", *p) == NULL)
                p++;
            return p;
        } else {
            continue;
        }
        if (depth == 0)
            return p + 1;
    }
    return NULL;
}

/* Steps through an object or array: call with *cursor = NULL first. False at its end. `ret_name` is
 * raw (escapes kept). */
static bool json_next(struct slice in, const char **cursor, struct slice *ret_name,
                      struct slice *ret_value)
{
    const char *end = in.at + in.len;
    const char *p = *cursor;
    if (p == NULL) {
        p = json_space(in.at, end);
        if (p >= end || (*p != '{' && *p != '['))
            return false;
        p++;
    }
    p = json_space(p, end);
    if (p < end && *p == ',')
        p = json_space(p + 1, end);
    if (p >= end || *p == '}' || *p == ']')
        return false;
    *ret_name = (struct slice){NULL, 0};
    const char *after = json_skip(p, end);
    if (after == NULL)
        return false;
    const char *colon = json_space(after, end);
    if (*p == '"' && colon < end && *colon == ':') {
        *ret_name = (struct slice){p + 1, (size_t)(after - p) - 2};
        p = json_space(colon + 1, end);
        after = json_skip(p, end);
        if (after == NULL)
            return false;
    }
    *ret_value = (struct slice){p, (size_t)(after - p)};
    *cursor = after;
    return true;
}

static struct slice json_member(struct slice object, const char *name)
{
    const char *cursor = NULL;
    struct slice key, value;
    while (json_next(object, &cursor, &key, &value)) {
        if (key.at != NULL && slice_is(key, name))
            return value;
    }
    return (struct slice){"", 0};
}

static void utf8_add(struct buf *b, unsigned c)
{
    unsigned char out[4];
    size_t n = 0;
    if (c < 0x80) {
        out[n++] = (unsigned char)c;
    } else if (c < 0x800) {
        out[n++] = (unsigned char)(0xc0 | c >> 6);
        out[n++] = (unsigned char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        out[n++] = (unsigned char)(0xe0 | c >> 12);
        out[n++] = (unsigned char)(0x80 | (c >> 6 & 63));
        out[n++] = (unsigned char)(0x80 | (c & 63));
    } else {
        out[n++] = (unsigned char)(0xf0 | c >> 18);
        out[n++] = (unsigned char)(0x80 | (c >> 12 & 63));
        out[n++] = (unsigned char)(0x80 | (c >> 6 & 63));
        out[n++] = (unsigned char)(0x80 | (c & 63));
    }
    buf_add(b, out, n);
}

static unsigned json_hex4(const char *p)
{
    unsigned c = 0;
    for (int i = 0; i < 4; i++)
        c = c * 16 + (unsigned)(hex_digit(p[i]) & 15);
    return c;
}

/* Appends what a JSON string (with its quotes) stands for; anything but a string adds nothing. */
static void json_text(struct slice value, struct buf *out)
{
    if (value.len < 2 || value.at[0] != '"')
        return;
    static const char plain[] = "bfnrt", means[] = "\b\f\n\r\t";
    const char *end = value.at + value.len - 1;
    for (const char *p = value.at + 1; p < end; p++) {
        if (*p != '\\') {
            buf_add(out, p, 1);
            continue;
        }
        p++;
        const char *hit = strchr(plain, *p);
        if (*p != 'u') {
            buf_add(out, hit ? &means[hit - plain] : p, 1);
        } else if (p + 4 < end) {
            unsigned c = json_hex4(p + 1);
            p += 4;
            if (c >= 0xd800 && c < 0xdc00 && p + 6 < end && p[1] == '\\' && p[2] == 'u') {
                c = 0x10000 + ((c - 0xd800) << 10) + (json_hex4(p + 3) - 0xdc00);
                p += 6;
            }
            utf8_add(out, c);
        }
    }
}
#endif
