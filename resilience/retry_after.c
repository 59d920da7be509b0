#include "resilience/retry_after.h"

#include "base/clock.h"
#include "resilience/http_date.h"

/* A number as it is written, in millionths; further digits only say that there is a bit more. */
struct decimal {
    uint64_t whole; /* UINT64_MAX: that, or more */
    uint64_t millionths;
    bool has_fraction;
};

static bool is_digit(struct str s)
{
    return s.len > 0 && s.at[0] >= '0' && s.at[0] <= '9';
}

static uint64_t take_digit(struct str *s)
{
    uint64_t digit = (uint64_t)(s->at[0] - '0');
    s->at++;
    s->len--;
    return digit;
}

static uint64_t add_capped(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t mul_capped(uint64_t a, uint64_t b)
{
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static bool take_whole(struct str *s, uint64_t *ret_whole)
{
    if (!is_digit(*s))
        return false;
    uint64_t whole = 0;
    while (is_digit(*s))
        whole = add_capped(mul_capped(whole, 10), take_digit(s));
    *ret_whole = whole;
    return true;
}

static bool take_fraction(struct str *s, uint64_t *ret_millionths)
{
    if (!is_digit(*s))
        return false;
    uint64_t millionths = 0, more = 0;
    for (uint64_t scale = 100000; is_digit(*s); scale /= 10) {
        uint64_t digit = take_digit(s);
        millionths += digit * scale;
        more |= scale == 0 ? digit : 0;
    }
    *ret_millionths = millionths + (more != 0);
    return true;
}

static bool take_decimal(struct str *s, struct decimal *ret)
{
    *ret = (struct decimal){0};
    if (!take_whole(s, &ret->whole))
        return false;
    if (s->len == 0 || s->at[0] != '.')
        return true;
    s->at++;
    s->len--;
    ret->has_fraction = true;
    return take_fraction(s, &ret->millionths);
}

static uint64_t clamp(uint64_t ms)
{
    return ms < RETRY_AFTER_MAX_MS ? ms : RETRY_AFTER_MAX_MS;
}

static uint64_t from_now(int64_t wall_ms, int64_t now_ms)
{
    return wall_ms > now_ms ? clamp((uint64_t)wall_ms - (uint64_t)now_ms) : 0;
}

bool retry_after_parse(struct str value, int64_t now_ms, uint64_t *ret_ms)
{
    struct str s = str_trim(value), rest = s;
    uint64_t seconds;
    if (take_whole(&rest, &seconds) && rest.len == 0) {
        *ret_ms = clamp(mul_capped(seconds, 1000));
        return true;
    }
    int64_t wall_ms;
    if (!http_date_parse(s, now_ms, &wall_ms))
        return false;
    *ret_ms = from_now(wall_ms, now_ms);
    return true;
}

bool retry_after_parse_ms(struct str value, uint64_t *ret_ms)
{
    struct str s = str_trim(value);
    struct decimal number;
    if (!take_decimal(&s, &number) || s.len > 0)
        return false;
    *ret_ms = clamp(add_capped(number.whole, number.millionths > 0));
    return true;
}

/* Go's durations; from the largest to the smallest. */
static const struct unit {
    const char *name;
    uint64_t ns;
} units[] = {
    {"h", 3600000000000}, {"m", 60000000000}, {"s", 1000000000}, {"ms", 1000000},
    {"us", 1000},         {"\u00b5s", 1000},  {"\u03bcs", 1000}, {"ns", 1},
};

enum { UNITS = sizeof units / sizeof units[0] };

/* The letters up to the next digit, which name a unit smaller than `smaller_than_ns`. */
static bool take_unit(struct str *s, uint64_t smaller_than_ns, uint64_t *ret_ns)
{
    struct str name = {s->at, 0};
    while (s->len > 0 && !is_digit(*s)) {
        s->at++;
        s->len--;
        name.len++;
    }
    for (size_t i = 0; i < UNITS; i++) {
        if (str_eq(name, str_of(units[i].name)) && units[i].ns < smaller_than_ns) {
            *ret_ns = units[i].ns;
            return true;
        }
    }
    return false;
}

bool retry_after_parse_duration(struct str value, uint64_t *ret_ms)
{
    struct str s = str_trim(value);
    struct decimal number = {0};
    uint64_t total_ns = 0, unit_ns = UINT64_MAX;
    do {
        if (number.has_fraction || !take_decimal(&s, &number) || !take_unit(&s, unit_ns, &unit_ns))
            return false;
        total_ns = add_capped(total_ns, mul_capped(number.whole, unit_ns));
        total_ns = add_capped(total_ns, (number.millionths * unit_ns + 999999) / 1000000);
    } while (s.len > 0);
    *ret_ms = clamp(total_ns / 1000000 + (total_ns % 1000000 != 0));
    return true;
}

bool retry_after_parse_date(struct str value, int64_t now_ms, uint64_t *ret_ms)
{
    int64_t wall_ms;
    if (!clock_parse(str_trim(value), &wall_ms))
        return false;
    *ret_ms = from_now(wall_ms, now_ms);
    return true;
}
