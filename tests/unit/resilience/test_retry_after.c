#include "resilience/retry_after.h"

#include <check.h>

#include "tests/unit/resilience/property.h"

Suite *suite_resilience_retry_after(void);

#define NOW INT64_C(784111777000) /* Sun, 06 Nov 1994 08:49:37 GMT */

enum { GARBAGE = -1 };

struct row {
    const char *text;
    int64_t ms; /* GARBAGE: not that */
};

static void assert_row(const struct row *row, bool said, uint64_t ms)
{
    ck_assert_msg(said == (row->ms != GARBAGE), "\"%s\" is %s", row->text,
                  said ? "read" : "refused");
    if (said)
        ck_assert_msg(ms == (uint64_t)row->ms, "\"%s\" is %" PRIu64, row->text, ms);
}

START_TEST(retry_after_is_seconds_or_a_date)
{
    static const struct row rows[] = {
        {"0", 0},
        {"1", 1000},
        {"120", 120000},
        {"007", 7000},
        {" 120\t", 120000},
        {"86400", 86400000},
        {"86401", RETRY_AFTER_MAX_MS},
        {"4294967297", RETRY_AFTER_MAX_MS},
        {"18446744073709551616", RETRY_AFTER_MAX_MS},
        {"99999999999999999999999999999999999999", RETRY_AFTER_MAX_MS},
        {"Sun, 06 Nov 1994 08:49:47 GMT", 10000},
        {"Sunday, 06-Nov-94 08:50:37 GMT", 60000},
        {"Sun Nov  6 09:49:37 1994", 3600000},
        {" Sun, 06 Nov 1994 08:49:47 GMT ", 10000},
        {"Sun, 06 Nov 1994 08:49:37 GMT", 0},
        {"Sun, 06 Nov 1994 08:49:36 GMT", 0}, /* past: curl says a negative number */
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
        {"Fri, 31 Dec 9999 23:59:59 GMT", RETRY_AFTER_MAX_MS},
        {"", GARBAGE},
        {" ", GARBAGE},
        {"-5", GARBAGE},
        {"+5", GARBAGE},
        {"1.5", GARBAGE},
        {"1e3", GARBAGE},     /* curl says 1 */
        {"120, 60", GARBAGE}, /* curl says 120 */
        {"120;x", GARBAGE},
        {"12 0", GARBAGE},
        {"0x10", GARBAGE},
        {"120s", GARBAGE},
        {"soon", GARBAGE},
        {"1994-11-06T08:49:47Z", GARBAGE},
        {"Sun, 32 Nov 1994 08:49:47 GMT", GARBAGE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t ms = 0;
        bool said = retry_after_parse(str_of(rows[i].text), NOW, &ms);
        assert_row(&rows[i], said, ms);
    }
}
END_TEST

START_TEST(retry_after_ms_is_a_number)
{
    static const struct row rows[] = {
        {"0", 0},
        {"1500", 1500},
        {" 1500 ", 1500},
        {"20.5", 21},
        {"20.0", 20},
        {"0.0000001", 1},
        {"86400000", 86400000},
        {"86400001", RETRY_AFTER_MAX_MS},
        {"18446744073709551615.5", RETRY_AFTER_MAX_MS},
        {"99999999999999999999999", RETRY_AFTER_MAX_MS},
        {"", GARBAGE},
        {"-1", GARBAGE},
        {"1.", GARBAGE},
        {".5", GARBAGE},
        {"1.5.5", GARBAGE},
        {"1e3", GARBAGE},
        {"10ms", GARBAGE},
        {"NaN", GARBAGE},
        {"inf", GARBAGE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t ms = 0;
        bool said = retry_after_parse_ms(str_of(rows[i].text), &ms);
        assert_row(&rows[i], said, ms);
    }
}
END_TEST

START_TEST(a_reset_is_a_duration)
{
    static const struct row rows[] = {
        {"1s", 1000},
        {"6m0s", 360000},
        {"20ms", 20},
        {"1h2m3s", 3723000},
        {"0s", 0},
        {"1m26.4s", 86400},
        {"7.66s", 7660},
        {"59.9641s", 59965}, /* rounded up */
        {"1h", 3600000},
        {"1h30s", 3630000},
        {"1m20ms", 60020},
        {"1.5h", 5400000},
        {"100us", 1},
        {"1500\u00b5s", 2},
        {"1\u03bcs", 1},
        {"1ns", 1},
        {"0ns", 0},
        {"0.0000000001s", 1},
        {"0.9999999s", 1000},
        {" 1s ", 1000},
        {"24h", 86400000},
        {"24h0m0.001s", RETRY_AFTER_MAX_MS},
        {"99999999999999999999h", RETRY_AFTER_MAX_MS},
        {"18446744073709551615ns", RETRY_AFTER_MAX_MS},
        {"5124095h5124095m5124095s", RETRY_AFTER_MAX_MS},
        {"", GARBAGE},
        {"0", GARBAGE},
        {"60", GARBAGE},
        {"s", GARBAGE},
        {"ms", GARBAGE},
        {"1", GARBAGE},
        {"1x", GARBAGE},
        {"1 s", GARBAGE},
        {"1S", GARBAGE},
        {"-1s", GARBAGE},
        {"+1s", GARBAGE},
        {"1s1s", GARBAGE},
        {"1s1m", GARBAGE},
        {"1us1\u00b5s", GARBAGE},
        {"1.5m3s", GARBAGE},
        {"1.s", GARBAGE},
        {".5s", GARBAGE},
        {"1..5s", GARBAGE},
        {"1h2", GARBAGE},
        {"1d", GARBAGE},
        {"1s,2s", GARBAGE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t ms = 0;
        bool said = retry_after_parse_duration(str_of(rows[i].text), &ms);
        assert_row(&rows[i], said, ms);
    }
}
END_TEST

START_TEST(a_reset_may_be_a_date)
{
    static const struct row rows[] = {
        {"1994-11-06T08:49:47Z", 10000},
        {"1994-11-06T08:49:37.250Z", 250},
        {"1994-11-06T09:49:47+01:00", 10000},
        {" 1994-11-06T08:49:47Z ", 10000},
        {"1994-11-06T08:49:37Z", 0},
        {"1970-01-01T00:00:00Z", 0},
        {"9999-12-31T23:59:59Z", RETRY_AFTER_MAX_MS},
        {"", GARBAGE},
        {"1994-11-06", GARBAGE},
        {"1994-11-06T08:49:47", GARBAGE},
        {"Sun, 06 Nov 1994 08:49:47 GMT", GARBAGE},
        {"10", GARBAGE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t ms = 0;
        bool said = retry_after_parse_date(str_of(rows[i].text), NOW, &ms);
        assert_row(&rows[i], said, ms);
    }
}
END_TEST

START_TEST(a_clock_at_the_ends_of_time_does_not_overflow)
{
    uint64_t ms;
    struct str date = STR("Fri, 31 Dec 9999 23:59:59 GMT");
    ck_assert(retry_after_parse(date, INT64_MIN, &ms));
    ck_assert_uint_eq(ms, RETRY_AFTER_MAX_MS);
    ck_assert(retry_after_parse(date, INT64_MAX, &ms));
    ck_assert_uint_eq(ms, 0);
}
END_TEST

START_TEST(any_bytes_are_read_within_their_bounds)
{
    uint64_t seed = property_seed();
    struct rng rng;
    rng_seed(&rng, seed);
    static const char alphabet[] = "0123456789.hms un-+:TZ,GMTSunNov\xc2\xb5\xce\xbc";
    for (int i = 0; i < 100000; i++) {
        size_t len = rng_below(&rng, 24);
        char *text = malloc(len + 1);
        ck_assert_ptr_nonnull(text);
        for (size_t n = 0; n < len; n++)
            text[n] = alphabet[rng_below(&rng, sizeof alphabet)]; /* its NUL, too */
        struct str s = {text, len};
        uint64_t ms[4] = {0};
        bool said = retry_after_parse(s, NOW, &ms[0]);
        said |= retry_after_parse_ms(s, &ms[1]);
        said |= retry_after_parse_duration(s, &ms[2]);
        said |= retry_after_parse_date(s, NOW, &ms[3]);
        for (int n = 0; n < 4; n++)
            MUST(ms[n] <= RETRY_AFTER_MAX_MS && (said || ms[n] == 0));
        free(text);
    }
}
END_TEST

Suite *suite_resilience_retry_after(void)
{
    Suite *s = suite_create("resilience_retry_after");
    TCase *t = tcase_create("retry_after");
    tcase_set_timeout(t, PROPERTY_TIMEOUT_S);
    tcase_add_test(t, retry_after_is_seconds_or_a_date);
    tcase_add_test(t, retry_after_ms_is_a_number);
    tcase_add_test(t, a_reset_is_a_duration);
    tcase_add_test(t, a_reset_may_be_a_date);
    tcase_add_test(t, a_clock_at_the_ends_of_time_does_not_overflow);
    tcase_add_test(t, any_bytes_are_read_within_their_bounds);
    suite_add_tcase(s, t);
    return s;
}
