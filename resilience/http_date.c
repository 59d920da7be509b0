/* Each form is taken apart into numbers, which are put together as RFC 3339: clock_parse knows how
 * many days a month has. */
#include "resilience/http_date.h"

#include <stdio.h>

#include "base/clock.h"

struct date {
    unsigned year, month, day, hour, minute, second;
};

static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
static const char *const long_days[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                        "Friday", "Saturday", "Sunday"};

enum { MONTHS = 12, DAYS = 7 };

static bool take_text(struct str *s, const char *literal)
{
    struct str text = str_of(literal);
    if (!str_starts(*s, text))
        return false;
    s->at += text.len;
    s->len -= text.len;
    return true;
}

/* One of `names`, counted from 1. */
static bool take_name(struct str *s, const char *const *names, unsigned count, unsigned *ret_number)
{
    for (unsigned i = 0; i < count; i++) {
        if (take_text(s, names[i])) {
            *ret_number = i + 1;
            return true;
        }
    }
    return false;
}

static bool take_number(struct str *s, size_t digits, unsigned *ret_value)
{
    uint64_t value;
    if (s->len < digits || !str_to_u64((struct str){s->at, digits}, &value))
        return false;
    s->at += digits;
    s->len -= digits;
    *ret_value = (unsigned)value;
    return true;
}

static bool take_time(struct str *s, struct date *d)
{
    return take_number(s, 2, &d->hour) && take_text(s, ":") && take_number(s, 2, &d->minute) &&
           take_text(s, ":") && take_number(s, 2, &d->second);
}

static bool take_imf(struct str s, struct date *d)
{
    unsigned weekday;
    return take_name(&s, days, DAYS, &weekday) && take_text(&s, ", ") &&
           take_number(&s, 2, &d->day) && take_text(&s, " ") &&
           take_name(&s, months, MONTHS, &d->month) && take_text(&s, " ") &&
           take_number(&s, 4, &d->year) && take_text(&s, " ") && take_time(&s, d) &&
           take_text(&s, " GMT") && s.len == 0;
}

static unsigned year_of(int64_t wall_ms)
{
    char text[CLOCK_TEXT];
    uint64_t year = 0;
    clock_format(wall_ms, text);
    return str_to_u64((struct str){text, 4}, &year) ? (unsigned)year : 0;
}

/* The last year with these two digits that is not more than 50 years ahead. */
static unsigned full_year(unsigned two_digits, int64_t now_ms)
{
    unsigned last = year_of(now_ms) + 50;
    unsigned year = last / 100 * 100 + two_digits;
    return year > last && year >= 100 ? year - 100 : year;
}

static bool take_rfc850(struct str s, int64_t now_ms, struct date *d)
{
    unsigned weekday;
    bool is_date = take_name(&s, long_days, DAYS, &weekday) && take_text(&s, ", ") &&
                   take_number(&s, 2, &d->day) && take_text(&s, "-") &&
                   take_name(&s, months, MONTHS, &d->month) && take_text(&s, "-") &&
                   take_number(&s, 2, &d->year) && take_text(&s, " ") && take_time(&s, d) &&
                   take_text(&s, " GMT") && s.len == 0;
    if (is_date)
        d->year = full_year(d->year, now_ms);
    return is_date;
}

static bool take_asctime(struct str s, struct date *d)
{
    unsigned weekday;
    return take_name(&s, days, DAYS, &weekday) && take_text(&s, " ") &&
           take_name(&s, months, MONTHS, &d->month) && take_text(&s, " ") &&
           (take_text(&s, " ") ? take_number(&s, 1, &d->day) : take_number(&s, 2, &d->day)) &&
           take_text(&s, " ") && take_time(&s, d) && take_text(&s, " ") &&
           take_number(&s, 4, &d->year) && s.len == 0;
}

bool http_date_parse(struct str text, int64_t now_ms, int64_t *ret_wall_ms)
{
    struct date d;
    if (!take_imf(text, &d) && !take_rfc850(text, now_ms, &d) && !take_asctime(text, &d))
        return false;
    char rfc3339[64]; /* holds any six numbers */
    snprintf(rfc3339, sizeof rfc3339, "%04u-%02u-%02uT%02u:%02u:%02uZ", d.year, d.month, d.day,
             d.hour, d.minute, d.second);
    return clock_parse(str_of(rfc3339), ret_wall_ms);
}
