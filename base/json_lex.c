#include "base/json_lex.h"

#include "base/json_number.h"
#include "base/json_text.h"

const uint8_t *json_lex_fail(struct json_lex *x, const uint8_t *at, const char *what)
{
    x->fault_at = at;
    x->what = at == x->end ? "the text ends too early" : what;
    return NULL;
}

/* --- strings ---------------------------------------------------------------------------------- */

/* The four digits of a \u escape. */
static const uint8_t *read_hex4(struct json_lex *x, const uint8_t *p, uint32_t *ret_code)
{
    *ret_code = x->end - p >= 4 ? json_hex4(p) : UINT32_MAX;
    if (*ret_code != UINT32_MAX)
        return p + 4;
    while (p < x->end && json_hex_digit(*p) >= 0)
        p++;
    return json_lex_fail(x, p, "four hex digits were expected");
}

/* `p` is behind the high half of a surrogate pair, whose backslash is at `start`. */
static const uint8_t *read_low_half(struct json_lex *x, const uint8_t *start, const uint8_t *p)
{
    static const char what[] = "half of a surrogate pair stands alone";
    for (const char *mark = "\\u"; *mark != '\0'; mark++, p++) {
        if (p == x->end)
            return json_lex_fail(x, p, what);
        if (*p != (uint8_t)*mark)
            return json_lex_fail(x, start, what);
    }
    uint32_t code;
    p = read_hex4(x, p, &code);
    if (p != NULL && (code < 0xDC00 || code > 0xDFFF))
        return json_lex_fail(x, start, what);
    return p;
}

static const uint8_t *skip_unicode_escape(struct json_lex *x, const uint8_t *start)
{
    uint32_t code;
    const uint8_t *p = read_hex4(x, start + 2, &code);
    if (p == NULL || code < 0xD800 || code > 0xDFFF)
        return p;
    if (code <= 0xDBFF)
        return read_low_half(x, start, p);
    return json_lex_fail(x, start, "half of a surrogate pair stands alone");
}

static const uint8_t *skip_escape(struct json_lex *x, const uint8_t *backslash)
{
    const uint8_t *p = backslash + 1;
    switch (p < x->end ? *p : 0) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't': return p + 1;
    case 'u': return skip_unicode_escape(x, backslash);
    default: return json_lex_fail(x, p, "there is no such escape");
    }
}

/* Could the last `n` bytes of the text be the beginning of a character? */
static bool is_cut_char(const uint8_t *p, size_t n)
{
    uint8_t lowest[4] = {0x80, 0x80, 0x80, 0x80}, highest[4] = {0xBF, 0xBF, 0xBF, 0xBF};
    if (n >= sizeof lowest)
        return false;
    memcpy(lowest, p, n);
    memcpy(highest, p, n);
    return utf8_char_len(lowest, 4) > n || utf8_char_len(highest, 4) > n;
}

/* Characters that are not ASCII. */
static const uint8_t *skip_wide(struct json_lex *x, const uint8_t *p)
{
    while (p < x->end && *p >= 0x80) {
        size_t left = (size_t)(x->end - p);
        size_t n = utf8_char_len(p, left);
        if (n == 0)
            return json_lex_fail(x, is_cut_char(p, left) ? x->end : p, "this is not UTF-8");
        p += n;
    }
    return p;
}

const uint8_t *json_lex_string(struct json_lex *x, const uint8_t *quote, bool *ret_escaped)
{
    bool escaped = false;
    const uint8_t *p = json_skip_plain(quote + 1, x->end);
    while (p < x->end && *p != '"') {
        if (*p < 0x20)
            return json_lex_fail(x, p, "a control character in a string must be escaped");
        if (*p == '\\') {
            escaped = true;
            p = skip_escape(x, p);
        } else {
            p = skip_wide(x, p);
        }
        if (p == NULL)
            return NULL;
        p = json_skip_plain(p, x->end);
    }
    if (p == x->end)
        return json_lex_fail(x, p, NULL);
    *ret_escaped = escaped;
    return p + 1;
}

/* --- numbers and words ------------------------------------------------------------------------ */

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* At least one digit. */
static const uint8_t *skip_digits(struct json_lex *x, const uint8_t *p)
{
    if (p == x->end || !is_digit(*p))
        return json_lex_fail(x, p, "a digit was expected");
    while (p < x->end && is_digit(*p))
        p++;
    return p;
}

static const uint8_t *skip_integer(struct json_lex *x, const uint8_t *p)
{
    if (*p == '-')
        p++;
    const uint8_t *first = p;
    p = skip_digits(x, p);
    if (p != NULL && *first == '0' && p > first + 1)
        return json_lex_fail(x, first + 1, "a number may not begin with 0");
    return p;
}

static const uint8_t *skip_exponent(struct json_lex *x, const uint8_t *p)
{
    p++;
    if (p < x->end && (*p == '+' || *p == '-'))
        p++;
    return skip_digits(x, p);
}

static bool is_in_range(const uint8_t *start, const uint8_t *end)
{
    struct json_decimal d;
    json_decimal_read((struct str){(const char *)start, (size_t)(end - start)}, &d);
    return json_decimal_is_finite(&d);
}

const uint8_t *json_lex_number(struct json_lex *x, const uint8_t *start)
{
    const uint8_t *p = skip_integer(x, start);
    bool suspect = p != NULL && p - start > 300; /* fewer digits are below 10^308 */
    if (p != NULL && p < x->end && *p == '.')
        p = skip_digits(x, p + 1);
    if (p != NULL && p < x->end && (*p == 'e' || *p == 'E')) {
        suspect = true;
        p = skip_exponent(x, p);
    }
    if (p != NULL && suspect && !is_in_range(start, p))
        return json_lex_fail(x, start, "the number is beyond the range of a double");
    return p;
}

const uint8_t *json_lex_word(struct json_lex *x, const uint8_t *start, const char *word)
{
    const uint8_t *p = start;
    for (; *word != '\0'; word++, p++) {
        if (p == x->end || *p != (uint8_t)*word)
            return json_lex_fail(x, p, "a value was expected");
    }
    return p;
}
