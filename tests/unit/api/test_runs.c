/* Runs as a client asks for them: one, its output, a list, its events; cancelled and deleted. On
 * either store. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/api_rig.h"
#include "tests/support/rig_ops.h"

Suite *suite_api_runs(void);

static struct rig rig;
static struct api_rig api;
static struct asked_api asked;

#define SIM(params) "\"params\":{\"sim\":{" params "}}"
#define ECHO        "{\"agent\":\"echo\",\"input\":\"hello\"}"
#define HANGS       "{\"agent\":\"story\"," SIM("\"fail\":[{\"as\":\"hang\"}]") "}"
#define FAILS       "{\"agent\":\"story\"," SIM("\"fail\":[{\"as\":\"status\"}]") "}"

static void start_on(bool on_sqlite)
{
    struct rig_options o = rig_options_default();
    o.on_sqlite = on_sqlite;
    rig_start(&rig, &o);
    api_rig_start(&api, &rig);
}

static void start(void)
{
    start_on(false);
}

static void finish(void)
{
    rig_settle(&rig);
    api_rig_stop(&api);
    rig_stop(&rig);
}

static bool says(const char *part)
{
    return rig_text_has(buf_str(&asked.body), part);
}

static void ask(const char *line, const char *headers, const char *body)
{
    api_ask(&api, 1, line, headers, body, &asked);
    rig_settle(&rig);
}

static void must_answer(const char *line, const char *headers, int status, const char *part)
{
    ask(line, headers, NULL);
    ck_assert_msg(asked.answers == 1 && asked.status == status, "%s: %d %.*s", line, asked.status,
                  STR_ARG(buf_str(&asked.body)));
    ck_assert_msg(part == NULL || says(part), "%s: %.*s", line, STR_ARG(buf_str(&asked.body)));
    api_done(&asked);
}

/* Creates one and lets `ms` pass; its path, valid until the fourth call from now. */
static const char *create(const char *body, uint64_t ms)
{
    static char paths[4][64];
    static unsigned n;
    struct asked_api made;
    char *path = paths[n++ % 4];
    api_ask(&api, 0, "POST /v1/runs", NULL, body, &made);
    rig_settle(&rig);
    ck_assert_int_eq(made.status, 202);
    snprintf(path, sizeof paths[0], "%s", api_header(&made, "Location"));
    api_done(&made);
    rig_advance(&rig, ms);
    return path;
}

static const char *line(const char *method, const char *path, const char *rest)
{
    static char text[4][512];
    static unsigned n;
    char *t = text[n++ % 4];
    snprintf(t, sizeof text[0], "%s %s%s", method, path, rest);
    return t;
}

static char nobody[] = "/v1/runs/run_00000000000000000000000000";

/* --- one run ---------------------------------------------------------------------------------- */

START_TEST(a_run_is_found_by_its_id_and_by_nothing_else)
{
    start_on(_i == 1);
    const char *run = create(ECHO, 100);
    must_answer(line("GET", run, ""), NULL, 200, "\"output\":\"hello\"");
    must_answer(line("GET", run, "/output"), NULL, 200, "\"hello\"");
    must_answer(line("GET", run, "/tasks"), NULL, 200, "\"path\":\"\"");
    must_answer(line("GET", run, "/tasks/root"), NULL, 200, "\"attempts\":[{");
    must_answer(line("GET", run, "/tasks/0"), NULL, 404, "not_found");
    must_answer(line("GET", nobody, ""), NULL, 404, "not_found");
    must_answer(line("GET", nobody, "/output"), NULL, 404, "not_found");
    must_answer(line("GET", nobody, "/events"), NULL, 404, "not_found");
    must_answer(line("GET", nobody, "/events"), "Accept: text/event-stream", 404, "not_found");
    must_answer(line("DELETE", nobody, ""), NULL, 404, "not_found");
    must_answer(line("POST", nobody, "/cancel"), NULL, 404, "not_found");
    must_answer("GET /v1/runs/nonsense", NULL, 404, "not_found");
    must_answer("GET /v1/runs/run_0000000000000000000000000U", NULL, 404, "not_found");
    finish();
}
END_TEST

START_TEST(an_output_is_there_once_the_run_has_succeeded)
{
    start();
    const char *hangs = create(HANGS, 100), *fails = create(FAILS, 100);
    must_answer(line("GET", hangs, "/output"), NULL, 409, "run_not_finished");
    must_answer(line("GET", fails, "/output"), NULL, 409, "conflict");
    finish();
}
END_TEST

START_TEST(a_wait_for_a_run_ends_with_it_or_with_its_time)
{
    start();
    const char *run = create("{\"agent\":\"story\"," SIM("\"tokens\":1,\"first_ms\":3000") "}", 0);
    ask(line("GET", run, ""), "Prefer: wait=1", NULL);
    rig_advance(&rig, 999);
    ck_assert_uint_eq(asked.answers, 0);
    rig_advance(&rig, 1);
    ck_assert_int_eq(asked.status, 200);
    ck_assert_str_eq(api_header(&asked, "Preference-Applied"), "wait=1");
    ck_assert(says("\"state\":\"running\""));
    api_done(&asked);
    ask(line("GET", run, ""), "Prefer: wait=100", NULL);
    rig_advance(&rig, 1990);
    ck_assert_uint_eq(asked.answers, 0);
    rig_advance(&rig, 50);
    ck_assert_int_eq(asked.status, 200);
    ck_assert(says("\"state\":\"succeeded\""));
    api_done(&asked);
    finish();
}
END_TEST

START_TEST(who_waits_for_a_run_may_go_away_at_any_moment)
{
    static const char *const rests[] = {"", "/tasks/root", "/events", "/output"};
    static const char *const headers[] = {"Prefer: wait=1", NULL, "Accept: text/event-stream"};
    start();
    const char *run = create("{\"agent\":\"story\"," SIM("\"tokens\":1,\"first_ms\":500") "}", 100);
    const char *rest = rests[_i % 4], *header = headers[_i / 4 % 3];
    if (strcmp(rest, "/events") != 0 && header != NULL && header[0] == 'A')
        header = NULL;
    store_fake_hold_reads(rig.fake);
    api_ask(&api, 1, line("GET", run, rest), header, NULL, &asked);
    if (_i / 12 > 0)
        rig_settle(&rig);
    if (_i / 12 > 1) {
        store_fake_let_reads_go(rig.fake);
        rig_advance(&rig, 100);
    }
    api_hang_up(&asked);
    store_fake_let_reads_go(rig.fake);
    rig_advance(&rig, 2000);
    ck_assert_uint_le(asked.answers, 1);
    api_done(&asked);
    finish();
}
END_TEST

/* --- cancelling ------------------------------------------------------------------------------- */

START_TEST(a_cancel_is_answered_as_the_contract_says)
{
    start();
    const char *hangs = create(HANGS, 100), *done = create(ECHO, 100), *other = create(HANGS, 100);
    must_answer(line("POST", done, "/cancel"), NULL, 409, "run_finished");
    ask(line("POST", hangs, "/cancel"), NULL, "{\"reason\":\"enough\"}");
    ck_assert_int_eq(asked.status, 202);
    api_done(&asked);
    rig_advance(&rig, 100);
    must_answer(line("POST", hangs, "/cancel"), NULL, 200, "\"state\":\"cancelled\"");
    must_answer(line("GET", hangs, ""), NULL, 200, "enough");
    must_answer(line("POST", other, "/cancel"), "Prefer: wait=5", 200, "\"state\":\"cancelled\"");
    finish();
}
END_TEST

/* The gateway was about to stop: its connection was closed without an answer. */
START_TEST(a_cancel_that_waits_is_answered_when_the_gateway_stops)
{
    start();
    const char *shielded =
        create("{\"task\":{\"type\":\"shield\",\"timeout_ms\":100000,\"task\":{\"type\":\"call\","
               "\"agent\":\"story\"," SIM("\"fail\":[{\"as\":\"hang\"}]") "}}}",
               100);
    ask(line("POST", shielded, "/cancel"), "Prefer: wait=60", NULL);
    rig_advance(&rig, 1000);
    ck_assert_uint_eq(asked.answers, 0);
    asked.request.on_hurry(&asked.request);
    rig_settle(&rig);
    ck_assert_uint_eq(asked.answers, 1);
    ck_assert_int_eq(asked.status, 202);
    api_done(&asked);
    finish();
}
END_TEST

/* The first cancel of a run that waits in the store was answered as if it were the second. */
START_TEST(the_first_cancel_of_a_queued_run_is_accepted)
{
    start();
    rig.engine->limits.live_runs = 1;
    (void)create(HANGS, 100);
    const char *queued = create(ECHO, 100);
    must_answer(line("POST", queued, "/cancel"), NULL, 202, NULL);
    must_answer(line("POST", queued, "/cancel"), NULL, 200, "\"state\":\"cancelled\"");
    finish();
}
END_TEST

START_TEST(a_cancels_body_is_checked)
{
    static const char *const bodies[] = {"{\"reason\":1}", "{\"x\":1}", "[]", "{"};
    start();
    const char *run = create(HANGS, 100);
    ask(line("POST", run, "/cancel"), NULL, bodies[_i]);
    ck_assert_int_eq(asked.status, _i == 3 ? 400 : 422);
    api_done(&asked);
    must_answer(line("GET", run, ""), NULL, 200, "\"state\":\"running\"");
    finish();
}
END_TEST

/* --- deleting --------------------------------------------------------------------------------- */

START_TEST(only_what_has_ended_is_deleted_and_then_it_is_gone)
{
    start_on(_i == 1);
    const char *hangs = create(HANGS, 100), *done = create(ECHO, 100);
    must_answer(line("DELETE", hangs, ""), NULL, 409, "run_not_finished");
    must_answer(line("DELETE", done, ""), NULL, 204, NULL);
    must_answer(line("DELETE", done, ""), NULL, 404, "not_found");
    must_answer(line("GET", done, ""), NULL, 404, "not_found");
    must_answer(line("GET", done, "/events"), NULL, 404, "not_found");
    must_answer(line("GET", hangs, ""), NULL, 200, "\"state\":\"running\"");
    finish();
}
END_TEST

/* --- lists ------------------------------------------------------------------------------------ */

static const struct {
    const char *query;
    unsigned found; /* of the three below */
} filters[] = {
    {"", 3},
    {"?state=succeeded", 2},
    {"?state=failed", 1},
    {"?agent=echo", 2},
    {"?agent=%65cho&state=failed", 0},
    {"?name=a+name", 1},
    {"?name=a%20name", 1},
    {"?metadata.team=blue", 2},
    {"?metadata.team=blue&metadata.env=test", 1},
    {"?metadata.env=test&metadata.team=blue", 1},
    {"?metadata.team=Blue", 0},
    {"?metadata.odd+key%2F%C3%A9=a%3Db%26c+d", 1},
    {"?metadata.odd%20key%2f%c3%a9=a%3db%26c%20d", 1},
    {"?metadata.empty=", 1},
    {"?metadata.plus=a%2Bb", 1},
    {"?created_after=2026-08-01T11:59:59.999Z", 3},
    {"?created_after=2026-08-01T12:00:00Z", 2},
    {"?created_before=2026-08-01T12:00:00Z", 0},
    {"?created_before=2026-08-01T12:00:00.001Z", 1},
    {"?created_after=2026-08-01T14:00:00%2B02:00", 2},
    {"?created_after=2026-08-01T14:00:00+02:00", 2}, /* a bare plus */
    {"?limit=2", 2},
    {"?limit=200", 3},
};

START_TEST(a_list_is_what_its_filter_says)
{
    start_on(_i % 2 == 1);
    (void)create("{\"agent\":\"echo\",\"input\":\"x\",\"name\":\"a name\",\"metadata\":{\"team\":"
                 "\"blue\",\"env\":\"test\",\"plus\":\"a+b\"}}",
                 100);
    (void)create("{\"agent\":\"echo\",\"input\":\"x\",\"metadata\":{\"team\":\"blue\","
                 "\"odd key/\\u00e9\":\"a=b&c d\",\"empty\":\"\"}}",
                 100);
    (void)create(FAILS, 100);
    ask(line("GET", "/v1/runs", filters[_i / 2].query), NULL, NULL);
    ck_assert_msg(asked.status == 200, "%.*s", STR_ARG(buf_str(&asked.body)));
    ck_assert_msg(rig_count_of(buf_str(&asked.body), "\"object\":\"run\"") == filters[_i / 2].found,
                  "%s: %.*s", filters[_i / 2].query, STR_ARG(buf_str(&asked.body)));
    api_done(&asked);
    finish();
}
END_TEST

static const char *const bad_lists[] = {
    "?state=done",
    "?limit=0",
    "?limit=201",
    "?cursor=x",
    "?cursor=run_000000",
    "?created_after=yesterday",
    "?created_after=",
    "?created_before=2026-08-01",
    "?metadata.=x",
    "?metadata=x",
    "?state=failed&state=failed",
    "?x=1",
    "?agent=%ff",
};

START_TEST(a_bad_filter_is_refused)
{
    start();
    must_answer(line("GET", "/v1/runs", bad_lists[_i]), NULL, 400, "invalid_query");
    finish();
}
END_TEST

START_TEST(cursors_walk_the_whole_list_newest_first)
{
    enum { RUNS = 7 };
    const char *made[RUNS];
    char kept[RUNS][64], cursor[64] = "";
    unsigned seen = 0;
    start_on(_i == 1);
    for (int i = 0; i < RUNS; i++) {
        made[i] = create(ECHO, 100);
        snprintf(kept[i], sizeof kept[i], "\"id\":\"%s\"", made[i] + strlen("/v1/runs/"));
    }
    do {
        char query[128];
        snprintf(query, sizeof query, "?limit=3%s%s", cursor[0] != '\0' ? "&cursor=" : "", cursor);
        ask(line("GET", "/v1/runs", query), NULL, NULL);
        ck_assert_int_eq(asked.status, 200);
        for (int i = 0; i < RUNS; i++) {
            bool is_here = says(kept[i]);
            ck_assert(is_here == (i < RUNS - (int)seen && i >= RUNS - (int)seen - 3));
        }
        seen += 3;
        buf_add_char(&asked.body, '\0');
        const char *next = strstr(asked.body.data, "\"next_cursor\":\"");
        cursor[0] = '\0';
        if (next != NULL)
            sscanf(next + strlen("\"next_cursor\":\""), "%60[^\"]", cursor);
        api_done(&asked);
    } while (cursor[0] != '\0');
    ck_assert_uint_eq(seen, 9);
    finish();
}
END_TEST

/* --- events ----------------------------------------------------------------------------------- */

/* Of a run of 8 events, one of them a delta. */
static const struct {
    const char *query, *headers;
    int status;
    unsigned events;
    const char *part;
} pages[] = {
    {"", NULL, 200, 8, "\"next_after\":8,\"more\":false"},
    {"?after=3", NULL, 200, 5, "\"next_after\":8,\"more\":false"},
    {"?limit=3", NULL, 200, 3, "\"next_after\":3,\"more\":true"},
    {"?limit=8", NULL, 200, 8, "\"next_after\":8,\"more\":false"},
    {"?after=8", NULL, 200, 0, "\"next_after\":8,\"more\":false"},
    {"?after=99", NULL, 200, 0, "\"next_after\":99,\"more\":false"},
    {"?after=1", "Last-Event-ID: 6", 200, 2, "\"next_after\":8"}, /* the header wins */
    {"?types=run.finished", NULL, 200, 1, "\"next_after\":8,\"more\":false"},
    {"?types=run.queued,output.delta", NULL, 200, 2, "\"next_after\":8"},
    {"?types=output.delta&limit=1", NULL, 200, 1, "\"more\":"},
    {"?follow=false", NULL, 200, 8, NULL},
    {"?follow=true", NULL, 400, 0, "invalid_query"},
    {"?follow=maybe", NULL, 400, 0, "invalid_query"},
    {"?limit=0", NULL, 400, 0, "invalid_query"},
    {"?limit=1001", NULL, 400, 0, "invalid_query"},
    {"?after=-1", NULL, 400, 0, "invalid_query"},
    {"?after=x", NULL, 400, 0, "invalid_query"},
    {"?types=nonsense", NULL, 400, 0, "invalid_query"},
    {"?types=", NULL, 400, 0, "invalid_query"},
    {"", "Last-Event-ID: x", 400, 0, "invalid_header"},
    {"", "Last-Event-ID: -1", 400, 0, "invalid_header"},
    {"", "Accept: text/event-stream", 200, 8, "event: run.finished\n"},
    {"?after=6", "Accept: text/event-stream", 200, 2, "id: 8\n"},
    {"?after=1", "Accept: text/event-stream\nLast-Event-ID: 7", 200, 1, "id: 8\n"},
    {"?after=8", "Accept: text/event-stream", 204, 0, NULL},
    {"?after=99", "Accept: application/x-ndjson", 204, 0, NULL},
    {"", "Accept: application/x-ndjson", 200, 8, "\"type\":\"run.finished\""},
    {"?limit=3", "Accept: text/event-stream", 400, 0, "invalid_query"},
    {"?types=output.delta", "Accept: application/x-ndjson", 200, 1, "output.delta"},
};

START_TEST(events_are_given_as_they_are_asked_for)
{
    start_on(_i % 2 == 1);
    const char *run = create(ECHO, 100);
    char rest[128];
    snprintf(rest, sizeof rest, "/events%s", pages[_i / 2].query);
    ask(line("GET", run, rest), pages[_i / 2].headers, NULL);
    ck_assert_msg(asked.status == pages[_i / 2].status, "%s: %d %.*s", rest, asked.status,
                  STR_ARG(buf_str(&asked.body)));
    ck_assert(asked.is_over);
    if (asked.status < 300)
        ck_assert_msg(rig_count_of(buf_str(&asked.body), "{\"seq\":") == pages[_i / 2].events,
                      "%s: %.*s", rest, STR_ARG(buf_str(&asked.body)));
    if (pages[_i / 2].part != NULL)
        ck_assert_msg(says(pages[_i / 2].part), "%s: %.*s", rest, STR_ARG(buf_str(&asked.body)));
    api_done(&asked);
    finish();
}
END_TEST

START_TEST(a_stream_that_does_not_follow_ends_with_what_is_there)
{
    start();
    const char *run = create(HANGS, 100);
    ask(line("GET", run, "/events?follow=false"), "Accept: application/x-ndjson", NULL);
    ck_assert_int_eq(asked.status, 200);
    ck_assert(asked.is_over);
    ck_assert(says("attempt.started") && !says("run.finished"));
    api_done(&asked);
    finish();
}
END_TEST

START_TEST(streams_past_their_limit_are_refused)
{
    struct asked_api first;
    start();
    api.rules.limits.streams = 1;
    const char *run = create(HANGS, 100);
    api_ask(&api, 0, line("GET", run, "/events"), "Accept: text/event-stream", NULL, &first);
    rig_settle(&rig);
    ck_assert_int_eq(first.status, 200);
    must_answer(line("GET", run, "/events"), "Accept: text/event-stream", 503, "overloaded");
    must_answer(line("GET", run, "/events"), NULL, 200, "run.queued");
    api_done(&first);
    ask(line("GET", run, "/events"), "Accept: text/event-stream", NULL);
    ck_assert_int_eq(asked.status, 200);
    api_done(&asked);
    finish();
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

Suite *suite_api_runs(void)
{
    Suite *s = suite_create("api/runs");
    TCase *t = tcase_create("runs");
    tcase_add_loop_test(t, a_run_is_found_by_its_id_and_by_nothing_else, 0, 2);
    tcase_add_test(t, an_output_is_there_once_the_run_has_succeeded);
    tcase_add_test(t, a_wait_for_a_run_ends_with_it_or_with_its_time);
    tcase_add_loop_test(t, who_waits_for_a_run_may_go_away_at_any_moment, 0, 36);
    tcase_add_test(t, a_cancel_is_answered_as_the_contract_says);
    tcase_add_test(t, a_cancel_that_waits_is_answered_when_the_gateway_stops);
    tcase_add_test(t, the_first_cancel_of_a_queued_run_is_accepted);
    tcase_add_loop_test(t, a_cancels_body_is_checked, 0, 4);
    tcase_add_loop_test(t, only_what_has_ended_is_deleted_and_then_it_is_gone, 0, 2);
    tcase_add_loop_test(t, a_list_is_what_its_filter_says, 0, 2 * COUNT(filters));
    tcase_add_loop_test(t, a_bad_filter_is_refused, 0, COUNT(bad_lists));
    tcase_add_loop_test(t, cursors_walk_the_whole_list_newest_first, 0, 2);
    tcase_add_loop_test(t, events_are_given_as_they_are_asked_for, 0, 2 * COUNT(pages));
    tcase_add_test(t, a_stream_that_does_not_follow_ends_with_what_is_there);
    tcase_add_test(t, streams_past_their_limit_are_refused);
    suite_add_tcase(s, t);
    return s;
}
