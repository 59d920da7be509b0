#ifndef SLUICE_BASE_JSON_NUMBER_H
#define SLUICE_BASE_JSON_NUMBER_H
/* A number's text taken apart, without rounding and without the locale. Private to base/json*.c;
 * stateless.
 *
 * The value is 0.DIGITS * 10^point. Neither the first nor the last digit is 0, so equal values have
 * equal parts; zero has no digits. */
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* More than 767 digits never change how a double is rounded, but for being there at all. */
enum { JSON_DECIMAL_DIGITS = 800 };

struct json_decimal {
    bool negative;
    bool cut;      /* there are more digits than `digits` holds */
    int64_t point; /* within +-2^42 */
    uint32_t count;
    char digits[JSON_DECIMAL_DIGITS];
};

/* `text` is a number that follows JSON's grammar. */
void json_decimal_read(struct str text, struct json_decimal *ret_decimal);

bool json_decimal_eq(const struct json_decimal *a, const struct json_decimal *b);

/* Does it round to a finite double? */
bool json_decimal_is_finite(const struct json_decimal *d);

/* The nearest double; infinite where there is none. */
double json_decimal_to_double(const struct json_decimal *d);

enum { JSON_DOUBLE_TEXT = 32 };

/* The shortest form of a finite double that reads back the same. Returns its length; no NUL. */
size_t json_double_format(double value, char ret_text[JSON_DOUBLE_TEXT]);
#endif
