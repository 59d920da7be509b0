/* Writing JSON into a buffer, and blanking the comments of what is nearly JSON. */
#include <math.h>

#include "base/json.h"
#include "base/json_number.h"
#include "base/json_text.h"

/* --- strings ---------------------------------------------------------------------------------- */

static void add_control(struct buf *b, uint8_t c)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[] = "\b\f\n\r\t", names[] = "bfnrt";
    const char *hit = c ? strchr(letters, c) : NULL;
    if (hit != NULL) {
        const char escape[2] = {'\\', names[hit - letters]};
        buf_add(b, escape, sizeof escape);
        return;
    }
    const char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    buf_add(b, escape, sizeof escape);
}

/* The first byte from `p` on that cannot be copied as it is. */
static const uint8_t *skip_valid(const uint8_t *p, const uint8_t *end)
{
    for (;;) {
        p = json_skip_plain(p, end);
        if (p == end || *p < 0x80)
            return p;
        while (p < end && *p >= 0x80) {
            size_t n = utf8_char_len(p, (size_t)(end - p));
            if (n == 0)
                return p;
            p += n;
        }
    }
}

/* A byte at which skip_valid stopped. */
static void add_escaped(struct buf *b, uint8_t c)
{
    if (c == '"')
        buf_add_lit(b, "\\\"");
    else if (c == '\\')
        buf_add_lit(b, "\\\\");
    else if (c < 0x20)
        add_control(b, c);
    else
        buf_add_lit(b, "\xEF\xBF\xBD"); /* U+FFFD */
}

static void add_with_escapes(struct buf *b, const uint8_t *p, const uint8_t *end)
{
    buf_add_char(b, '"');
    for (;;) {
        const uint8_t *stop = skip_valid(p, end);
        buf_add(b, p, (size_t)(stop - p));
        if (stop == end)
            break;
        add_escaped(b, *stop);
        p = stop + 1;
    }
    buf_add_char(b, '"');
}

void json_add_string(struct buf *b, struct str s)
{
    const uint8_t *p = (const uint8_t *)(s.len > 0 ? s.at : ""), *end = p + s.len;
    char *at = buf_reserve(b, s.len + 2);
    if (at == NULL)
        return;
    if (skip_valid(p, end) != end) {
        add_with_escapes(b, p, end);
        return;
    }
    at[0] = '"';
    memcpy(at + 1, p, s.len);
    at[s.len + 1] = '"';
    buf_added(b, s.len + 2);
}

/* --- other values ----------------------------------------------------------------------------- */

void json_add_string_or_null(struct buf *b, struct str s)
{
    if (s.at != NULL)
        json_add_string(b, s);
    else
        buf_add_lit(b, "null");
}

void json_add_or_null(struct buf *b, struct str json)
{
    buf_add_str(b, json.at != NULL ? json : STR("null"));
}

void json_add_bool(struct buf *b, bool value)
{
    if (value)
        buf_add_lit(b, "true");
    else
        buf_add_lit(b, "false");
}

void json_add_double(struct buf *b, double value)
{
    char text[JSON_DOUBLE_TEXT];
    if (isfinite(value))
        buf_add(b, text, json_double_format(value, text));
    else
        buf_add_lit(b, "null");
}

static bool wants_comma(const struct buf *b)
{
    char last = b->len > 0 ? b->data[b->len - 1] : '[';
    return last != '[' && last != '{';
}

void json_add_comma(struct buf *b)
{
    if (wants_comma(b))
        buf_add_char(b, ',');
}

void json_add_key(struct buf *b, const char *name)
{
    json_add_comma(b);
    buf_add_char(b, '"');
    buf_add_str(b, str_of(name));
    buf_add_lit(b, "\":");
}

void json_add_name(struct buf *b, struct json name)
{
    json_add_comma(b);
    buf_add_str(b, json_raw(name));
    buf_add_char(b, ':');
}

/* What stands between two tokens: brackets, commas and colons stay. */
static void add_marks(struct buf *b, const char *from, const char *to)
{
    for (; from < to; from++) {
        if ((uint8_t)*from > ' ')
            buf_add_char(b, *from);
    }
}

void json_add_compact(struct buf *b, struct json v)
{
    struct str raw = json_raw(v);
    if (!json_exists(v) || !v.doc->spaced) {
        buf_add_str(b, raw);
        return;
    }
    const char *at = raw.at;
    const struct json_token *tokens = v.doc->tokens;
    for (uint32_t i = v.at; i < tokens[v.at].next; i++) {
        if (tokens[i].type == JSON_ARRAY || tokens[i].type == JSON_OBJECT)
            continue;
        const char *start = v.doc->text + tokens[i].start;
        add_marks(b, at, start);
        buf_add(b, start, tokens[i].len);
        at = start + tokens[i].len;
    }
    add_marks(b, at, raw.at + raw.len);
}

/* --- comments --------------------------------------------------------------------------------- */

/* Behind the string whose opening quote is at `p`. */
static char *skip_string(char *p, const char *end)
{
    for (p++; p < end && *p != '"'; p++) {
        if (*p == '\\' && p + 1 < end)
            p++;
    }
    return p < end ? p + 1 : p;
}

/* Behind the comment at `p`; NULL if there is none or it has no end. */
static char *comment_end(char *p, const char *end)
{
    size_t left = (size_t)(end - p);
    if (left < 2 || p[0] != '/')
        return NULL;
    if (p[1] == '/') {
        char *newline = memchr(p, '\n', left);
        return newline ? newline : p + left;
    }
    char *close = p[1] == '*' ? memmem(p + 2, left - 2, "*/", 2) : NULL;
    return close ? close + 2 : NULL;
}

static void blank(char *from, const char *to)
{
    for (; from < to; from++) {
        if (*from != '\n')
            *from = ' ';
    }
}

static char *blank_comment(char *p, const char *end)
{
    char *after = comment_end(p, end);
    if (after == NULL)
        return p + 1;
    blank(p, after);
    return after;
}

void json_blank_comments(char *text, size_t len)
{
    const char *end = text + len;
    for (char *p = text; p < end;)
        p = *p == '"' ? skip_string(p, end) : blank_comment(p, end);
}
