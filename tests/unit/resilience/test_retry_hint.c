#include "resilience/retry_hint.h"

#include <check.h>

#include "resilience/retry_after.h"

Suite *suite_resilience_retry_hint(void);

#define NOW INT64_C(784111777000) /* 1994-11-06T08:49:37Z */

enum { MOST_HEADERS = 6 };

START_TEST(all_headers_give_one_hint)
{
    static const struct {
        const char *why;
        const char *headers[MOST_HEADERS][2];
        uint64_t hint_ms;
    } rows[] = {
        {"nothing was said", {{"content-type", "application/json"}}, 0},
        {"seconds", {{"Retry-After", "3"}}, 3000},
        {"a date", {{"retry-after", "Sun, 06 Nov 1994 08:49:47 GMT"}}, 10000},
        {"names in any case", {{"RETRY-AFTER-MS", "250"}}, 250},
        {"ms are finer", {{"retry-after", "1"}, {"retry-after-ms", "250"}}, 250},
        {"in any order", {{"retry-after-ms", "250"}, {"retry-after", "1"}}, 250},
        {"garbage was not said", {{"retry-after-ms", "soon"}, {"retry-after", "1"}}, 1000},
        {"the longer of two",
         {{"retry-after", "1"}, {"Retry-After", "9"}, {"retry-after", "2"}},
         9000},
        {"zero is an answer", {{"retry-after", "0"}, {"x-ratelimit-reset-tokens", "6m0s"}}, 0},
        {"a reset, if nothing better", {{"x-ratelimit-reset-requests", "1s"}}, 1000},
        {"the longest reset",
         {{"x-ratelimit-reset-requests", "1s"}, {"x-ratelimit-reset-tokens", "6m0s"}},
         360000},
        {"but not of a limit that has something left",
         {{"x-ratelimit-remaining-requests", "0"},
          {"x-ratelimit-remaining-tokens", "149984"},
          {"x-ratelimit-reset-requests", "1s"},
          {"x-ratelimit-reset-tokens", "6m0s"}},
         1000},
        {"dates of Anthropic",
         {{"anthropic-ratelimit-requests-reset", "1994-11-06T08:49:38Z"},
          {"anthropic-ratelimit-requests-remaining", "7"},
          {"anthropic-ratelimit-output-tokens-reset", "1994-11-06T08:50:07Z"},
          {"anthropic-ratelimit-output-tokens-remaining", "0"},
          {"anthropic-ratelimit-input-tokens-reset", "1994-11-06T08:49:42Z"}},
         30000},
        {"a remainder that is no number is unknown",
         {{"x-ratelimit-remaining-requests", "-1"}, {"x-ratelimit-reset-requests", "2s"}},
         2000},
        {"absurd", {{"retry-after", "99999999999999"}}, RETRY_AFTER_MAX_MS},
        {"a name that is longer", {{"x-retry-after", "3"}, {"retry-after-msx", "3"}}, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct retry_hint h;
        retry_hint_init(&h);
        for (int n = 0; n < MOST_HEADERS && rows[i].headers[n][0] != NULL; n++)
            retry_hint_header(&h, str_of(rows[i].headers[n][0]), str_of(rows[i].headers[n][1]),
                              NOW);
        ck_assert_msg(retry_hint_ms(&h) == rows[i].hint_ms, "%s", rows[i].why);
    }
}
END_TEST

Suite *suite_resilience_retry_hint(void)
{
    Suite *s = suite_create("resilience_retry_hint");
    TCase *t = tcase_create("retry_hint");
    tcase_add_test(t, all_headers_give_one_hint);
    suite_add_tcase(s, t);
    return s;
}
