#include "base/json_number.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"

/* Exponents are cut here: far beyond any double, and no sum with a digit count (< 2^31)
 * overflows. */
static const int64_t exponent_max = (int64_t)1 << 41;

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Zeros are held back until a digit follows them, so that none is left at the end. */
static void add_digit(struct json_decimal *d, char c, uint32_t *zeros)
{
    if (c == '0') {
        *zeros += d->count > 0;
        return;
    }
    if (d->cut || *zeros >= JSON_DECIMAL_DIGITS - d->count) {
        d->cut = true;
        return;
    }
    memset(d->digits + d->count, '0', *zeros);
    d->count += *zeros;
    d->digits[d->count++] = c;
    *zeros = 0;
}

static int64_t read_exponent(const char *p, const char *end)
{
    bool negative = *p == '-';
    if (*p == '-' || *p == '+')
        p++;
    int64_t value = 0;
    for (; p < end && value < exponent_max; p++)
        value = value * 10 + (*p - '0');
    if (value > exponent_max)
        value = exponent_max;
    return negative ? -value : value;
}

void json_decimal_read(struct str text, struct json_decimal *ret_decimal)
{
    struct json_decimal *d = ret_decimal;
    const char *p = text.at, *end = text.at + text.len;
    uint32_t zeros = 0;
    d->negative = *p == '-';
    d->cut = false;
    d->point = 0;
    d->count = 0;
    for (p += d->negative; p < end && is_digit(*p); p++) {
        add_digit(d, *p, &zeros);
        d->point += d->count > 0;
    }
    if (p < end && *p == '.') {
        for (p++; p < end && is_digit(*p); p++) {
            add_digit(d, *p, &zeros);
            d->point -= d->count == 0;
        }
    }
    if (p < end)
        d->point += read_exponent(p + 1, end);
    if (d->count == 0)
        d->point = 0;
}

bool json_decimal_eq(const struct json_decimal *a, const struct json_decimal *b)
{
    return a->negative == b->negative && !a->cut && !b->cut && a->point == b->point &&
           str_eq((struct str){a->digits, a->count}, (struct str){b->digits, b->count});
}

/* 2^1024 - 2^970, half-way between the largest double and the next power of two: rounds to
 * infinity. */
static const char first_infinite[] =
    "17976931348623158079372897140530341507993413271003782693617377898044496829276475"
    "09466490179775872070963302864166928879109465555478519404026306574886715058206819"
    "08902000708383676273854845817711531764475730270069855571366959622842914819860834"
    "936475292719074168444365510704342711559699508093042880177904174497792";

bool json_decimal_is_finite(const struct json_decimal *d)
{
    const int64_t digits = sizeof first_infinite - 1;
    if (d->point != digits)
        return d->point < digits;
    size_t n = d->count < digits ? d->count : (size_t)digits;
    int order = memcmp(d->digits, first_infinite, n);
    return order < 0 || (order == 0 && d->count < digits);
}

static uint64_t leading_digits(const struct json_decimal *d)
{
    uint64_t value = 0;
    for (uint32_t i = 0; i < d->count; i++)
        value = value * 10 + (uint64_t)(d->digits[i] - '0');
    return value;
}

/* A mantissa below 2^53 and a power of ten up to 10^22 are exact doubles, so that one operation
 * rounds once (Clinger, How to Read Floating Point Numbers Accurately, 1990). */
static bool to_double_at_once(const struct json_decimal *d, double *ret_value)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    int64_t exponent = d->point - (int64_t)d->count;
    if (d->cut || d->count > 15 || exponent < -22 || exponent > 22)
        return false;
    double mantissa = (double)leading_digits(d);
    *ret_value = exponent < 0 ? mantissa / powers[-exponent] : mantissa * powers[exponent];
    return true;
}

double json_decimal_to_double(const struct json_decimal *d)
{
    double value;
    if (!to_double_at_once(d, &value)) {
        /* Without a point in it the text means the same in every locale. A 1 stands for all digits
         * that were cut. */
        char text[JSON_DECIMAL_DIGITS + 32];
        int64_t exponent = d->point - (int64_t)d->count - d->cut;
        int64_t bounded = exponent > 9999 ? 9999 : exponent < -9999 ? -9999 : exponent;
        snprintf(text, sizeof text, "%.*s%se%d", (int)d->count, d->digits, d->cut ? "1" : "",
                 (int)bounded);
        value = strtod(text, NULL);
    }
    return d->negative ? -value : value;
}

/* Whatever the locale puts for the decimal point becomes one: it is all that is neither digit nor
 * sign nor exponent. */
static size_t with_point(const char *text, char *out)
{
    static const char number[] = "+-0123456789e";
    size_t whole = strspn(text, number);
    size_t point = strcspn(text + whole, number);
    size_t rest = strlen(text + whole + point);
    char *at = out;
    memcpy(at, text, whole);
    at += whole;
    if (point > 0)
        *at++ = '.';
    memcpy(at, text + whole + point, rest);
    return (size_t)(at - out) + rest;
}

size_t json_double_format(double value, char ret_text[JSON_DOUBLE_TEXT])
{
    /* 15 digits always survive, but numbers near zero may need fewer; 17 are always enough: at most
     * 24 characters. */
    char text[64];
    int digits = fabs(value) < DBL_MIN ? 1 : 15;
    do {
        snprintf(text, sizeof text, "%.*g", digits, value);
    } while (digits++ < 17 && strtod(text, NULL) != value);
    return with_point(text, ret_text);
}

/* --- cursors ---------------------------------------------------------------------------------- */

bool json_double(struct json v, double *ret_value)
{
    if (!json_is(v, JSON_NUMBER))
        return false;
    struct json_decimal d;
    json_decimal_read(json_raw(v), &d);
    *ret_value = json_decimal_to_double(&d);
    return true;
}

/* The common case: a few digits and nothing else. */
static bool read_short_int(struct str text, int64_t *ret_value)
{
    bool negative = text.at[0] == '-';
    if (text.len > 18)
        return false;
    int64_t value = 0;
    for (size_t i = negative; i < text.len; i++) {
        if (!is_digit(text.at[i]))
            return false;
        value = value * 10 + (text.at[i] - '0');
    }
    *ret_value = negative ? -value : value;
    return true;
}

/* ERR_INVALID_REQUEST for a fraction, ERR_LIMIT past int64. */
static enum err read_long_int(struct str text, int64_t *ret_value)
{
    struct json_decimal d;
    json_decimal_read(text, &d);
    if (d.cut || d.point < (int64_t)d.count) /* cut: below 10^309 it can only be a fraction */
        return ERR_INVALID_REQUEST;
    if (d.point > 19)
        return ERR_LIMIT;
    uint64_t value = leading_digits(&d); /* at most 19 digits: below 2^64 */
    for (int64_t i = d.count; i < d.point; i++)
        value *= 10;
    if (value > (uint64_t)INT64_MAX + d.negative)
        return ERR_LIMIT;
    *ret_value = d.negative ? (int64_t)(0 - value) : (int64_t)value;
    return OK;
}

enum err json_int(struct json v, int64_t min, int64_t max, int64_t *ret_value)
{
    if (!json_is(v, JSON_NUMBER))
        return ERR_INVALID_REQUEST;
    int64_t value;
    if (!read_short_int(json_raw(v), &value)) {
        enum err e = read_long_int(json_raw(v), &value);
        if (e != OK)
            return e;
    }
    if (value < min || value > max)
        return ERR_LIMIT;
    *ret_value = value;
    return OK;
}
