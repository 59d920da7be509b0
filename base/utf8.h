#ifndef SLUICE_BASE_UTF8_H
#define SLUICE_BASE_UTF8_H
/* One UTF-8 character at a time (RFC 3629): shared by the JSON scanner and the string checks.
 * Stateless. */
#include <stddef.h>
#include <stdint.h>

/* Length of the valid character at `p` (n > 0 bytes are there), 0 if it is not one: a stray or
 * missing continuation byte, an overlong form, a surrogate, or beyond U+10FFFF. */
static inline size_t utf8_char_len(const uint8_t *p, size_t n)
{
    uint8_t a = p[0];
    if (a < 0x80)
        return 1;
    if (a < 0xC2 || a > 0xF4)
        return 0;
    size_t need = a < 0xE0 ? 2 : a < 0xF0 ? 3 : 4;
    if (n < need || (p[1] & 0xC0) != 0x80)
        return 0;
    if ((a == 0xE0 && p[1] < 0xA0) || (a == 0xED && p[1] > 0x9F) || (a == 0xF0 && p[1] < 0x90) ||
        (a == 0xF4 && p[1] > 0x8F))
        return 0;
    for (size_t i = 2; i < need; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    }
    return need;
}

/* Writes `code` (at most U+10FFFF) and returns how many of the 4 bytes it took. */
static inline size_t utf8_encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = n - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    out[0] = (char)(lead[n] | code);
    return n;
}
#endif
