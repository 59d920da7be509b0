/* The headers that the API knows: which are taken, which may not be repeated, what they mean. */
#include "api/headers.h"

#include <check.h>

Suite *suite_api_headers(void);

static struct headers h;

static void set_up(void)
{
    h = (struct headers){.authorization = STR_NONE};
}

static bool note(const char *name, const char *value)
{
    return headers_note(&h, str_of(name), str_of(value));
}

/* --- taking them ------------------------------------------------------------------------------ */

START_TEST(names_have_no_case_and_values_no_space_around_them)
{
    ck_assert(note("ACCEPT", " a \t"));
    ck_assert(str_eq(h.accept.lines[0], STR("a")));
    ck_assert(note("Accepts", "b") && note("Accep", "c") && note("X-Other", "d"));
    ck_assert(str_eq(h.accept.lines[0], STR("a")));
}
END_TEST

static const struct {
    const char *name;
    bool may_repeat;
} repeats[] = {
    {"Accept", true},         {"Authorization", false},   {"X-Api-Key", false},
    {"Content-Type", false},  {"Content-Encoding", true}, {"Idempotency-Key", false},
    {"Last-Event-ID", false}, {"Prefer", true},           {"X-Request-Id", true},
    {"traceparent", true},    {"Sluice-Depth", false},    {"If-Match", false},
    {"If-None-Match", false}, {"X-Whatever", true},
};

START_TEST(what_must_be_there_once_is_refused_when_it_comes_twice)
{
    ck_assert(note(repeats[_i].name, "a"));
    ck_assert(note(repeats[_i].name, "b") == repeats[_i].may_repeat);
    set_up();
    ck_assert(note(repeats[_i].name, "")); /* an empty one was there, too */
    ck_assert(note(repeats[_i].name, "b") == repeats[_i].may_repeat);
}
END_TEST

/* --- Accept ----------------------------------------------------------------------------------- */

static const struct {
    const char *accept; /* NULL: no header */
    enum accepted streams, page;
} accepts[] = {
    {NULL, ACCEPTS_JSON, ACCEPTS_JSON},
    {"", ACCEPTS_JSON, ACCEPTS_JSON},
    {"*/*", ACCEPTS_JSON, ACCEPTS_JSON},
    {"application/*", ACCEPTS_JSON, ACCEPTS_JSON},
    {"application/json", ACCEPTS_JSON, ACCEPTS_JSON},
    {"Application/JSON;charset=utf-8", ACCEPTS_JSON, ACCEPTS_JSON},
    {"text/event-stream", ACCEPTS_SSE, ACCEPTS_NOTHING},
    {"application/x-ndjson", ACCEPTS_NDJSON, ACCEPTS_NOTHING},
    {"text/*", ACCEPTS_NOTHING, ACCEPTS_NOTHING},
    {"text/html", ACCEPTS_NOTHING, ACCEPTS_NOTHING},
    {"text/html, */*;q=0.1", ACCEPTS_JSON, ACCEPTS_JSON},
    {"text/event-stream, */*", ACCEPTS_SSE, ACCEPTS_JSON},
    {"application/json, text/event-stream", ACCEPTS_JSON, ACCEPTS_JSON},
    {"application/json;q=0.5, text/event-stream", ACCEPTS_SSE, ACCEPTS_JSON},
    {"application/json;q=0.5, text/event-stream;q=0.4", ACCEPTS_JSON, ACCEPTS_JSON},
    {"application/json;q=0, */*", ACCEPTS_NOTHING, ACCEPTS_NOTHING},
    {"text/event-stream;q=0, application/json", ACCEPTS_JSON, ACCEPTS_JSON},
    {"text/event-stream;q=0", ACCEPTS_NOTHING, ACCEPTS_NOTHING},
    {"text/event-stream;q=0.001", ACCEPTS_SSE, ACCEPTS_NOTHING},
    {"text/event-stream; Q = 1", ACCEPTS_SSE, ACCEPTS_NOTHING},
    {"application/x-ndjson;q=0.9,text/event-stream;q=1.0", ACCEPTS_SSE, ACCEPTS_NOTHING},
    {"application/json;q=oops", ACCEPTS_NOTHING, ACCEPTS_NOTHING},
    {", ,application/json,", ACCEPTS_JSON, ACCEPTS_JSON},
    {"*", ACCEPTS_NOTHING, ACCEPTS_NOTHING},
};

START_TEST(the_best_of_what_can_be_served_is_served)
{
    if (accepts[_i].accept != NULL)
        ck_assert(note("accept", accepts[_i].accept));
    ck_assert_msg(headers_accept(&h, OFFERS_JSON_AND_STREAMS) == accepts[_i].streams, "%s",
                  accepts[_i].accept);
    ck_assert_msg(headers_accept(&h, OFFERS_JSON) == accepts[_i].page, "%s", accepts[_i].accept);
}
END_TEST

START_TEST(where_there_is_no_json_any_stream_will_do)
{
    static const struct {
        const char *accept;
        enum accepted wanted;
    } cases[] = {
        {NULL, ACCEPTS_SSE},
        {"*/*", ACCEPTS_SSE},
        {"text/*", ACCEPTS_SSE},
        {"application/*", ACCEPTS_NDJSON},
        {"application/x-ndjson, */*;q=0.1", ACCEPTS_NDJSON},
        {"application/json, text/event-stream;q=0.5", ACCEPTS_SSE},
        {"application/json", ACCEPTS_NOTHING},
        {"text/event-stream;q=0", ACCEPTS_NOTHING},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct headers of_case = {.authorization = STR_NONE};
        if (cases[i].accept != NULL)
            ck_assert(headers_note(&of_case, STR("accept"), str_of(cases[i].accept)));
        ck_assert_msg(headers_accept(&of_case, OFFERS_STREAMS) == cases[i].wanted, "%zu", i);
    }
}
END_TEST

/* --- Prefer ----------------------------------------------------------------------------------- */

static const struct {
    const char *prefer;
    uint64_t ms;
} prefers[] = {
    {"wait=1", 1000},
    {"WAIT=30", 30000},
    {"wait = 5", 5000},
    {"wait=\"5\"", 5000},
    {"respond-async, wait=10", 10000},
    {"wait=10;foo=bar, return=minimal", 10000},
    {"wait=86400", 86400000},
    {"wait=99999999999", 86400000},
    {"wait=18446744073709551616", 86400000},
    {"wait=0", 0},
    {"wait=", 0},
    {"wait", 0},
    {"wait=-1", 0},
    {"wait=1.5", 0},
    {"wait=1s", 0},
    {"await=5", 0},
    {"wait=3, wait=5", 3000}, /* the first one counts */
    {"", 0},
};

START_TEST(a_wait_that_makes_sense_is_taken)
{
    ck_assert(note("prefer", prefers[_i].prefer));
    ck_assert_msg(headers_wait_ms(&h) == prefers[_i].ms, "%s", prefers[_i].prefer);
}
END_TEST

/* They are one list, as a proxy may have split it (RFC 9110, 5.3). */
START_TEST(a_list_may_come_in_several_lines)
{
    ck_assert(note("accept", "text/html") && note("accept", "") &&
              note("accept", "text/event-stream"));
    ck_assert(headers_accept(&h, OFFERS_JSON_AND_STREAMS) == ACCEPTS_SSE);
    ck_assert(note("prefer", "respond-async") && note("prefer", "x, wait=5") &&
              note("prefer", "wait=9"));
    ck_assert_uint_eq(headers_wait_ms(&h), 5000);
    for (int i = 0; i < HEADER_LINES; i++)
        ck_assert(note("prefer", "wait=7")); /* more than there is place for */
    ck_assert_uint_eq(headers_wait_ms(&h), 5000);
}
END_TEST

START_TEST(without_a_preference_there_is_no_wait)
{
    ck_assert_uint_eq(headers_wait_ms(&h), 0);
}
END_TEST

/* --- the body --------------------------------------------------------------------------------- */

static const struct {
    const char *type, *encoding;
    bool is_json;
} bodies[] = {
    {NULL, NULL, true},
    {"", NULL, true},
    {"application/json", NULL, true},
    {"APPLICATION/JSON ; charset=x", NULL, true},
    {"application/ld+json", NULL, true},
    {"application/+json", NULL, true},
    {"application/jsonx", NULL, false},
    {"text/json", NULL, false},
    {"text/x+json", NULL, false},
    {"json", NULL, false},
    {"x", NULL, false}, /* shorter than any suffix */
    {"+json", NULL, false},
    {"application/json", "gzip", false},
    {"application/json", "identity", false},
    {NULL, "gzip", false},
};

START_TEST(only_json_is_taken_and_only_as_it_is)
{
    if (bodies[_i].type != NULL)
        ck_assert(note("content-type", bodies[_i].type));
    if (bodies[_i].encoding != NULL)
        ck_assert(note("content-encoding", bodies[_i].encoding));
    ck_assert_msg(headers_body_is_json(&h) == bodies[_i].is_json, "%s", bodies[_i].type);
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

Suite *suite_api_headers(void)
{
    Suite *s = suite_create("api/headers");
    TCase *t = tcase_create("headers");
    tcase_add_checked_fixture(t, set_up, NULL);
    tcase_add_test(t, names_have_no_case_and_values_no_space_around_them);
    tcase_add_loop_test(t, what_must_be_there_once_is_refused_when_it_comes_twice, 0,
                        COUNT(repeats));
    tcase_add_loop_test(t, the_best_of_what_can_be_served_is_served, 0, COUNT(accepts));
    tcase_add_test(t, where_there_is_no_json_any_stream_will_do);
    tcase_add_loop_test(t, a_wait_that_makes_sense_is_taken, 0, COUNT(prefers));
    tcase_add_test(t, a_list_may_come_in_several_lines);
    tcase_add_test(t, without_a_preference_there_is_no_wait);
    tcase_add_loop_test(t, only_json_is_taken_and_only_as_it_is, 0, COUNT(bodies));
    suite_add_tcase(s, t);
    return s;
}
