#include "base/clock.h"

#include <pthread.h>
#include <time.h>

static uint64_t read_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t); /* cannot fail for these clocks */
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t clock_mono_ns(const struct clock_fake *fake)
{
    return fake ? fake->mono_ns : read_ns(CLOCK_MONOTONIC);
}

uint64_t clock_mono_ms(const struct clock_fake *fake)
{
    return clock_mono_ns(fake) / 1000000u;
}

int64_t clock_wall_ms(const struct clock_fake *fake)
{
    return fake ? fake->wall_ms : (int64_t)(read_ns(CLOCK_REALTIME) / 1000000u);
}

int64_t clock_steady_ms(const struct clock_fake *fake)
{
    return (int64_t)((fake ? fake->mono_ns : read_ns(CLOCK_BOOTTIME)) / 1000000u);
}

/* Measured once: rounded each time anew, ids and stamps that are made on one loop after another
 * could go back by a millisecond; and a clock that is set must not make what was stored a moment
 * ago years old. */
static int64_t wall_ahead_ms;

static void measure_wall(void)
{
    wall_ahead_ms = clock_wall_ms(NULL) - clock_steady_ms(NULL);
}

int64_t clock_wall_ahead_ms(const struct clock_fake *fake)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (fake != NULL)
        return clock_wall_ms(fake) - clock_steady_ms(fake);
    pthread_once(&once, measure_wall);
    return wall_ahead_ms;
}

int64_t clock_stamp_ms(void)
{
    return clock_wall_ahead_ms(NULL) + clock_steady_ms(NULL);
}

/* Days since 1970-01-01 to a civil date and back: Howard Hinnant, chrono-compatible low-level date
 * algorithms. */
static void civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    unsigned doe = (unsigned)(days - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153;
    *day = doy - (153 * mp + 2) / 5 + 1;
    *month = mp < 10 ? mp + 3 : mp - 9;
    *year = (int64_t)yoe + era * 400 + (*month <= 2);
}

static int64_t days_from_civil(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    unsigned yoe = (unsigned)(year - era * 400);
    unsigned doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + (int64_t)doe - 719468;
}

static void put(char *at, unsigned value, unsigned digits)
{
    for (unsigned i = digits; i > 0; i--) {
        at[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
}

enum { DAY_MS = 86400000 };

/* All but the milliseconds. */
static void format_second(int64_t wall_ms, char ret_text[CLOCK_TEXT])
{
    int64_t days = wall_ms / DAY_MS - (wall_ms % DAY_MS < 0);
    unsigned ms = (unsigned)(wall_ms - days * DAY_MS);
    int64_t year;
    unsigned month, day;
    civil_from_days(days, &year, &month, &day);
    memcpy(ret_text, "0000-00-00T00:00:00.000Z", CLOCK_TEXT);
    put(ret_text, (unsigned)year, 4);
    put(ret_text + 5, month, 2);
    put(ret_text + 8, day, 2);
    put(ret_text + 11, ms / 3600000, 2);
    put(ret_text + 14, ms / 60000 % 60, 2);
    put(ret_text + 17, ms / 1000 % 60, 2);
}

/* The second that this thread wrote last: a run's times are mostly of one. */
static _Thread_local struct {
    int64_t second;
    char text[CLOCK_TEXT];
} recent = {.second = INT64_MIN};

void clock_format(int64_t wall_ms, char ret_text[CLOCK_TEXT])
{
    const int64_t first = -62167219200000; /* year 0 */
    const int64_t last = 253402300799999;  /* the end of 9999 */
    if (wall_ms < first)
        wall_ms = first;
    if (wall_ms > last)
        wall_ms = last;
    int64_t second = wall_ms / 1000 - (wall_ms % 1000 < 0);
    if (second != recent.second) {
        format_second(wall_ms, recent.text);
        recent.second = second;
    }
    memcpy(ret_text, recent.text, CLOCK_TEXT);
    put(ret_text + 20, (unsigned)(wall_ms - second * 1000), 3);
}

/* Takes exactly `n` digits off the front of `s`. */
static bool take_digits(struct str *s, size_t n, unsigned *ret_value)
{
    uint64_t v;
    if (s->len < n || !str_to_u64((struct str){s->at, n}, &v))
        return false;
    s->at += n;
    s->len -= n;
    *ret_value = (unsigned)v;
    return true;
}

static bool take_char(struct str *s, char c)
{
    if (s->len == 0 || !str_eq_nocase((struct str){s->at, 1}, (struct str){&c, 1}))
        return false;
    s->at++;
    s->len--;
    return true;
}

static bool take_fraction(struct str *s, unsigned *ret_ms)
{
    *ret_ms = 0;
    if (!take_char(s, '.'))
        return true;
    unsigned scale = 100, n = 0;
    while (s->len > 0 && s->at[0] >= '0' && s->at[0] <= '9' && n < 9) {
        *ret_ms += (unsigned)(s->at[0] - '0') * scale;
        scale /= 10;
        s->at++;
        s->len--;
        n++;
    }
    return n > 0;
}

static bool take_offset(struct str *s, int64_t *ret_ms)
{
    *ret_ms = 0;
    if (take_char(s, 'z'))
        return true;
    if (s->len == 0 || (s->at[0] != '+' && s->at[0] != '-'))
        return false;
    int64_t sign = s->at[0] == '-' ? -1 : 1;
    s->at++;
    s->len--;
    unsigned hours, minutes;
    if (!take_digits(s, 2, &hours) || !take_char(s, ':') || !take_digits(s, 2, &minutes) ||
        hours > 23 || minutes > 59)
        return false;
    *ret_ms = sign * (int64_t)(hours * 60 + minutes) * 60000;
    return true;
}

static unsigned days_in_month(unsigned year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

bool clock_parse(struct str s, int64_t *ret_wall_ms)
{
    unsigned year, month, day, hour, minute, second, ms;
    int64_t offset_ms;
    bool shaped = take_digits(&s, 4, &year) && take_char(&s, '-') && take_digits(&s, 2, &month) &&
                  take_char(&s, '-') && take_digits(&s, 2, &day) && take_char(&s, 't') &&
                  take_digits(&s, 2, &hour) && take_char(&s, ':') && take_digits(&s, 2, &minute) &&
                  take_char(&s, ':') && take_digits(&s, 2, &second) && take_fraction(&s, &ms) &&
                  take_offset(&s, &offset_ms) && s.len == 0;
    if (!shaped || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) ||
        hour > 23 || minute > 59 || second > 60)
        return false;
    int64_t seconds = (int64_t)hour * 3600 + (int64_t)minute * 60 + second;
    *ret_wall_ms = days_from_civil(year, month, day) * DAY_MS + seconds * 1000 + ms - offset_ms;
    return true;
}
