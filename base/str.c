#include "base/str.h"

#include "base/utf8.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.at[i]) != lower(b.at[i]))
            return false;
    }
    return true;
}

bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq((struct str){s.at, prefix.len}, prefix);
}

int str_cmp(struct str a, struct str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.at, b.at, n) : 0;
    if (c != 0)
        return c;
    return a.len < b.len ? -1 : a.len > b.len;
}

uint64_t str_hash(struct str s)
{
    uint64_t h = 0xCBF29CE484222325u;
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (uint8_t)s.at[i]) * 0x100000001B3u;
    return h;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct str str_trim(struct str s)
{
    while (s.len > 0 && is_blank(s.at[0])) {
        s.at++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.at[s.len - 1]))
        s.len--;
    return s;
}

struct str str_cut(struct str *s, char c)
{
    const char *hit = s->len ? memchr(s->at, c, s->len) : NULL;
    struct str head = *s;
    if (hit == NULL) {
        *s = STR_NONE;
        return head;
    }
    head.len = (size_t)(hit - s->at);
    *s = (struct str){hit + 1, s->len - head.len - 1};
    return head;
}

bool str_to_u64(struct str s, uint64_t *ret_value)
{
    if (s.len == 0)
        return false;
    uint64_t v = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        if (c < '0' || c > '9')
            return false;
        if (__builtin_mul_overflow(v, 10u, &v) ||
            __builtin_add_overflow(v, (uint64_t)(c - '0'), &v))
            return false;
    }
    *ret_value = v;
    return true;
}

bool str_to_u64_capped(struct str s, uint64_t most, uint64_t *ret_value)
{
    uint64_t v;
    bool is_number = s.len > 0;
    for (size_t i = 0; i < s.len; i++)
        is_number &= s.at[i] >= '0' && s.at[i] <= '9';
    if (is_number)
        *ret_value = str_to_u64(s, &v) && v < most ? v : most;
    return is_number;
}

bool str_is_name(struct str s)
{
    if (s.len == 0 || s.len > 64)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '_' || c == '-';
        if (!fine)
            return false;
    }
    return true;
}

bool str_is_utf8(struct str s)
{
    for (size_t i = 0; i < s.len;) {
        size_t n = utf8_char_len((const uint8_t *)s.at + i, s.len - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

size_t str_utf8_floor(const char *text, size_t len)
{
    size_t start = len;
    while (start > 0 && len - start < 3 && ((uint8_t)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start == 0)
        return len;
    uint8_t lead = (uint8_t)text[start - 1];
    size_t need = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    return len - (start - 1) >= need ? len : start - 1;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool str_from_hex(struct str hex, uint8_t *ret_bytes, size_t n)
{
    if (hex.len != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int high = hex_digit(hex.at[2 * i]);
        int low = hex_digit(hex.at[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        ret_bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

void str_copy(char *dst, size_t size, struct str s)
{
    size_t n = s.len < size ? s.len : str_utf8_floor(s.at, size - 1);
    if (n > 0)
        memcpy(dst, s.at, n);
    dst[n] = '\0';
}
