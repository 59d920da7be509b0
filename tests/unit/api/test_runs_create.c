/* Creating runs as a client sees it: the four ways to be answered, keys, headers, and clients that
 * go away. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/support/api_rig.h"
#include "tests/support/rig_ops.h"

Suite *suite_api_runs_create(void);

static struct rig rig;
static struct api_rig api;
static struct asked_api asked, other;

#define SIM(params) "\"params\":{\"sim\":{" params "}}"
#define ECHO        "{\"agent\":\"echo\",\"input\":\"hello\"}"
#define SLOW(ms)    "{\"agent\":\"story\"," SIM("\"tokens\":1,\"first_ms\":" ms) "}"
#define HANGS       "{\"agent\":\"story\"," SIM("\"fail\":[{\"as\":\"hang\"}]") "}"

static void set_up(void)
{
    struct rig_options o = rig_options_default();
    rig_start(&rig, &o);
    api_rig_start(&api, &rig);
}

static void tear_down(void)
{
    rig_settle(&rig);
    api_rig_stop(&api);
    rig_stop(&rig);
}

static void post(const char *headers, const char *body, struct asked_api *ret)
{
    api_ask(&api, 0, "POST /v1/runs", headers, body, ret);
}

static bool says(const struct asked_api *r, const char *part)
{
    return rig_text_has(buf_str(&r->body), part);
}

static struct id id_of(const struct asked_api *r)
{
    const char *location = api_header(r, "Location");
    struct id id;
    ck_assert_ptr_nonnull(location);
    ck_assert(strncmp(location, "/v1/runs/", 9) == 0);
    ck_assert(id_parse(str_of(location + 9), RUN_ID_PREFIX, &id));
    return id;
}

/* --- ways ------------------------------------------------------------------------------------- */

static const struct {
    const char *headers, *body;
    uint64_t after_ms; /* until the answer */
    int status;
    const char *applied; /* Preference-Applied */
    const char *part;    /* of the body */
} ways[] = {
    {NULL, SLOW("500"), 0, 202, NULL, "\"state\":\"queued\""},
    {"Prefer: wait=5", SLOW("500"), 500, 200, "wait=5", "\"state\":\"succeeded\""},
    {"Prefer: wait=5", SLOW("9000"), 5000, 202, "wait=5", "\"state\":\"running\""},
    {"Prefer: respond-async, WAIT = \"5\"; x=y", SLOW("500"), 500, 200, "wait=5", "succeeded"},
    {"Prefer: wait=0", SLOW("500"), 0, 202, NULL, "\"state\":\"queued\""},
    {"Prefer: wait=soon", SLOW("500"), 0, 202, NULL, "\"state\":\"queued\""},
    {"Prefer: wait=-1", SLOW("500"), 0, 202, NULL, "\"state\":\"queued\""},
    {"Prefer: wait=99999", SLOW("500"), 500, 200, "wait=300", "succeeded"},
    {"Accept: application/json", ECHO, 0, 202, NULL, "\"state\":\"queued\""},
    {"Accept: */*", ECHO, 0, 202, NULL, "\"state\":\"queued\""},
    {"Accept: text/event-stream\nPrefer: wait=5", ECHO, 0, 200, NULL, "event: run.queued"},
    {"Accept: application/x-ndjson", ECHO, 0, 200, NULL, "\"type\":\"run.queued\""},
};

START_TEST(a_create_is_answered_the_way_it_asked_for)
{
    post(ways[_i].headers, ways[_i].body, &asked);
    rig_settle(&rig);
    if (ways[_i].after_ms > 0) {
        ck_assert_uint_eq(asked.answers, 0);
        rig_advance(&rig, ways[_i].after_ms - 1);
        ck_assert_uint_eq(asked.answers, 0);
        rig_advance(&rig, 1);
    }
    ck_assert_uint_eq(asked.answers, 1);
    ck_assert_int_eq(asked.status, ways[_i].status);
    struct id id = id_of(&asked);
    const char *applied = api_header(&asked, "Preference-Applied");
    ck_assert((applied != NULL) == (ways[_i].applied != NULL));
    if (applied != NULL)
        ck_assert_str_eq(applied, ways[_i].applied);
    ck_assert_msg(says(&asked, ways[_i].part), "%.*s", STR_ARG(buf_str(&asked.body)));
    rig_advance(&rig, 10000);
    ck_assert_int_eq(rig_row(&rig, &id)->state, RUN_SUCCEEDED);
    if (asked.stream != NULL)
        ck_assert(asked.is_over && says(&asked, "run.finished"));
    api_done(&asked);
}
END_TEST

/* --- headers ---------------------------------------------------------------------------------- */

static const struct {
    const char *line, *headers, *body;
    int status;
    const char *code;
} bad[] = {
    {"POST /v1/runs", "Accept: text/html", ECHO, 406, "not_acceptable"},
    {"POST /v1/runs", "Content-Type: text/plain", ECHO, 415, "unsupported_media_type"},
    {"POST /v1/runs", "Content-Type: x", ECHO, 415, "unsupported_media_type"},
    {"POST /v1/runs", "Content-Encoding: gzip", ECHO, 415, "unsupported_media_type"},
    {"POST /v1/runs", "Idempotency-Key: a b", ECHO, 400, "invalid_header"},
    {"POST /v1/runs", "Idempotency-Key: \xc3\xa9", ECHO, 400, "invalid_header"},
    {"POST /v1/runs", "Idempotency-Key:", ECHO, 400, "invalid_header"},
    {"POST /v1/runs", "Sluice-Depth: 33", ECHO, 400, "invalid_header"},
    {"POST /v1/runs", "Sluice-Depth: x", ECHO, 400, "invalid_header"},
    {"POST /v1/runs?x=1", NULL, ECHO, 400, "invalid_query"},
    {"POST /v1/runs", NULL, "", 400, "invalid_json"},
    {"POST /v1/runs", NULL, "{\"agent\":\"nobody\"}", 422, "unknown_agent"},
    {"POST /v1/runs", NULL, "{}", 422, "invalid_request"},
    {"POST /v1/agents/nobody/runs", NULL, "{}", 404, "not_found"},
    {"POST /v1/workflows/w/runs", NULL, "{}", 404, "not_found"},
    {"PUT /v1/runs", NULL, ECHO, 405, "method_not_allowed"},
};

START_TEST(a_create_that_is_not_as_it_should_be_stores_nothing)
{
    api_ask(&api, 0, bad[_i].line, bad[_i].headers, bad[_i].body, &asked);
    rig_settle(&rig);
    ck_assert_int_eq(asked.status, bad[_i].status);
    char text[64];
    snprintf(text, sizeof text, "\"code\":\"%s\"", bad[_i].code);
    ck_assert_msg(says(&asked, text), "%.*s", STR_ARG(buf_str(&asked.body)));
    ck_assert_uint_eq(store_fake_rows(rig.fake), 0);
    api_done(&asked);
}
END_TEST

static const char *const good[] = {
    "Content-Type: application/json",
    "Content-Type: Application/JSON; charset=utf-8",
    "Content-Type: application/vnd.x+json",
    "Idempotency-Key: ~!@#",
    "Sluice-Depth: 32",
    "X-Request-Id: abc.DEF-1_2",
};

START_TEST(a_create_with_headers_as_they_should_be_is_accepted)
{
    post(good[_i], ECHO, &asked);
    rig_settle(&rig);
    ck_assert_int_eq(asked.status, 202);
    api_done(&asked);
}
END_TEST

/* --- the idempotency key ---------------------------------------------------------------------- */

START_TEST(a_key_that_was_seen_is_answered_as_a_fresh_request_would_be)
{
    static const struct {
        const char *headers;
        int status;
    } twins[] = {{"Idempotency-Key: k", 202},
                 {"Idempotency-Key: k\nPrefer: wait=5", 200},
                 {"Idempotency-Key: k\nAccept: text/event-stream", 200}};
    post("Idempotency-Key: k", SLOW("500"), &asked);
    rig_advance(&rig, 100);
    post(twins[_i].headers, SLOW("500"), &other);
    rig_advance(&rig, 1000);
    ck_assert_ptr_null(api_header(&asked, "Idempotency-Replayed"));
    ck_assert_str_eq(api_header(&other, "Idempotency-Replayed"), "true");
    ck_assert_str_eq(api_header(&other, "Location"), api_header(&asked, "Location"));
    ck_assert_int_eq(other.status, twins[_i].status);
    ck_assert_uint_eq(store_fake_rows(rig.fake), 1);
    api_done(&other);
    post("Idempotency-Key: k", ECHO, &other);
    rig_settle(&rig);
    ck_assert_int_eq(other.status, 422);
    ck_assert(says(&other, "idempotency_mismatch"));
    api_done(&asked);
    api_done(&other);
}
END_TEST

/* The create's own timer went on beside the wait for the run that was there before: both read it,
 * and both answered. */
START_TEST(a_twin_that_waits_in_vain_is_answered_once_when_its_time_is_over)
{
    post("Idempotency-Key: k", HANGS, &asked);
    rig_advance(&rig, 100);
    post("Idempotency-Key: k\nPrefer: wait=2", HANGS, &other);
    rig_advance(&rig, 1999);
    ck_assert_uint_eq(other.answers, 0);
    store_fake_hold_reads(rig.fake); /* the answer is read for a while */
    rig_advance(&rig, 100);
    store_fake_let_reads_go(rig.fake);
    rig_advance(&rig, 5000);
    ck_assert_uint_eq(other.answers, 1);
    ck_assert_int_eq(other.status, 202);
    api_done(&asked);
    api_done(&other);
}
END_TEST

START_TEST(a_queued_run_that_is_waited_for_in_vain_is_answered_once_when_the_time_is_over)
{
    rig.engine->limits.live_runs = 1;
    post(NULL, HANGS, &asked);
    rig_advance(&rig, 100);
    post("Prefer: wait=2", SLOW("100"), &other);
    rig_advance(&rig, 1999);
    ck_assert_uint_eq(other.answers, 0);
    store_fake_hold_reads(rig.fake);
    rig_advance(&rig, 100);
    store_fake_let_reads_go(rig.fake);
    rig_advance(&rig, 5000);
    ck_assert_uint_eq(other.answers, 1);
    ck_assert_int_eq(other.status, 202);
    ck_assert(says(&other, "\"code\":\"admission\""));
    api_done(&asked);
    api_done(&other);
}
END_TEST

START_TEST(a_queued_run_that_is_waited_for_is_answered_with_its_end)
{
    rig.engine->limits.live_runs = 1;
    post(NULL, SLOW("500"), &asked);
    rig_advance(&rig, 100);
    post("Prefer: wait=5", SLOW("500"), &other);
    rig_advance(&rig, 2000);
    ck_assert_uint_eq(other.answers, 1);
    ck_assert_int_eq(other.status, 200);
    api_done(&asked);
    api_done(&other);
}
END_TEST

/* --- clients that go away --------------------------------------------------------------------- */

/* The key lay in the request's memory, which the store still read from. */
START_TEST(a_client_that_goes_away_before_the_commit_leaves_its_key_behind)
{
    static const char *const ways_of[] = {"", "Prefer: wait=5", "Accept: text/event-stream"};
    char headers[128];
    snprintf(headers, sizeof headers, "Idempotency-Key: longer-key\n%s", ways_of[_i]);
    store_fake_hold(rig.fake);
    post(headers, SLOW("500"), &asked);
    rig_settle(&rig);
    api_hang_up(&asked);
    rig_settle(&rig);
    store_fake_let_go(rig.fake);
    rig_advance(&rig, 1000);
    ck_assert_uint_eq(asked.answers, 0);
    ck_assert_uint_eq(store_fake_rows(rig.fake), 1);
    post("Idempotency-Key: longer-key", SLOW("500"), &other);
    rig_settle(&rig);
    ck_assert_str_eq(api_header(&other, "Idempotency-Replayed"), "true");
    ck_assert_uint_eq(store_fake_rows(rig.fake), 1);
    api_done(&asked);
    api_done(&other);
}
END_TEST

static const char *const bodies[] = {
    SLOW("300"),
    "{\"durability\":\"lazy\",\"agent\":\"story\"," SIM("\"tokens\":1,\"first_ms\":300") "}",
    "{\"on_crash\":\"fail\",\"agent\":\"story\"," SIM("\"tokens\":1,\"first_ms\":300") "}",
};
static const char *const asks[] = {NULL, "Prefer: wait=1", "Accept: text/event-stream",
                                   "Idempotency-Key: k\nPrefer: wait=1"};

/* At once, before the turn ends; before the commit; at any moment after it. */
START_TEST(a_client_may_go_away_at_any_moment_and_its_run_goes_on)
{
    int moment = _i / 12;
    store_fake_hold(rig.fake);
    post(asks[_i % 4], bodies[_i / 4 % 3], &asked);
    if (moment > 0)
        rig_settle(&rig);
    if (moment > 1)
        store_fake_let_go(rig.fake);
    if (moment > 2)
        rig_advance(&rig, moment == 3 ? 150 : 310);
    api_hang_up(&asked);
    store_fake_let_go(rig.fake);
    rig_advance(&rig, 3000);
    ck_assert_uint_le(asked.answers, 1);
    ck_assert_uint_eq(engine_live(rig.engine), 0);
    ck_assert_uint_eq(store_fake_rows(rig.fake), 1);
    api_done(&asked);
}
END_TEST

static const struct {
    const char *headers;
    uint64_t gone_ms;
    bool is_cancelled;
} gone[] = {
    {NULL, 100, false}, /* nobody waited */
    {"Prefer: wait=1", 100, true},
    {"Prefer: wait=1", 1100, false}, /* the wait was over */
    {"Accept: text/event-stream", 0, true},
    {"Accept: text/event-stream", 100, true},
    {"Accept: application/x-ndjson", 100, true},
};

START_TEST(a_run_is_cancelled_with_its_creators_connection_where_it_asked_for_that)
{
    bool wants = _i % 2 == 1;
    const char *body = wants ? "{\"on_disconnect\":\"cancel\",\"agent\":\"story\"," SIM(
                                   "\"fail\":[{\"as\":\"hang\"}]") "}"
                             : HANGS;
    post(gone[_i / 2].headers, body, &asked);
    rig_advance(&rig, gone[_i / 2].gone_ms);
    api_hang_up(&asked);
    rig_advance(&rig, 1000);
    ck_assert_uint_eq(engine_live(rig.engine), !(wants && gone[_i / 2].is_cancelled));
    api_done(&asked);
}
END_TEST

/* Whether it was to be answered at once, to wait for a run that waits in the store, or to be
 * streamed to: it leaves before the commit. */
static const struct {
    const char *headers;
    bool is_queued;
    bool is_cancelled;
} gone_early[] = {
    {NULL, false, false},
    {"Prefer: wait=9", false, true},
    {"Prefer: wait=9", true, true},
    {"Accept: text/event-stream", false, true},
    {"Accept: text/event-stream", true, true},
    {"Accept: text/event-stream\nIdempotency-Key: k", false, true},
};

START_TEST(a_creator_that_went_away_before_the_commit_cancelled_nothing)
{
    struct asked_api listed;
    if (gone_early[_i].is_queued) {
        rig.engine->limits.live_runs = 1;
        post(NULL, HANGS, &other);
        rig_advance(&rig, 100);
    }
    store_fake_hold(rig.fake);
    post(gone_early[_i].headers,
         "{\"on_disconnect\":\"cancel\",\"agent\":\"story\"," SIM(
             "\"fail\":[{\"as\":\"hang\"}]") "}",
         &asked);
    rig_settle(&rig);
    api_hang_up(&asked);
    rig_settle(&rig);
    store_fake_let_go(rig.fake);
    rig_advance(&rig, 500);
    ck_assert_uint_eq(asked.answers, 0);
    api_ask(&api, 1, "GET /v1/runs?state=cancelled", NULL, NULL, &listed);
    rig_settle(&rig);
    ck_assert_int_eq(says(&listed, "\"state\":\"cancelled\""), gone_early[_i].is_cancelled);
    api_done(&listed);
    api_done(&asked);
    if (gone_early[_i].is_queued)
        api_done(&other);
}
END_TEST

static const struct {
    const char *header;
    unsigned depth;
} retry_depths[] = {{NULL, 5}, {"Sluice-Depth: 3", 5}, {"Sluice-Depth: 9", 9}};

START_TEST(a_retry_is_as_deep_as_its_creator_says)
{
    char line[128];
    post("Sluice-Depth: 5",
         "{\"agent\":\"story\"," SIM("\"fail\":[{\"as\":\"status\",\"status\":400}]") "}", &asked);
    rig_advance(&rig, 500);
    struct id failed = id_of(&asked);
    snprintf(line, sizeof line, "POST %s/retry", api_header(&asked, "Location"));
    api_ask(&api, 0, line, retry_depths[_i].header, NULL, &other);
    rig_advance(&rig, 500);
    ck_assert_int_eq(other.status, 202);
    struct id again = id_of(&other);
    ck_assert_uint_eq(rig_row(&rig, &failed)->flags >> RUN_DEPTH_SHIFT & RUN_DEPTH_MAX, 5);
    ck_assert_uint_eq(rig_row(&rig, &again)->flags >> RUN_DEPTH_SHIFT & RUN_DEPTH_MAX,
                      retry_depths[_i].depth);
    api_done(&asked);
    api_done(&other);
}
END_TEST

START_TEST(a_later_watcher_that_goes_away_cancels_nothing)
{
    char line[128];
    post(NULL,
         "{\"on_disconnect\":\"cancel\",\"agent\":\"story\"," SIM(
             "\"fail\":[{\"as\":\"hang\"}]") "}",
         &asked);
    rig_settle(&rig);
    snprintf(line, sizeof line, "GET %s/events", api_header(&asked, "Location"));
    api_ask(&api, 1, line, "Accept: text/event-stream", NULL, &other);
    rig_advance(&rig, 100);
    ck_assert_int_eq(other.status, 200);
    api_hang_up(&other);
    rig_advance(&rig, 1000);
    ck_assert_uint_eq(engine_live(rig.engine), 1);
    api_done(&asked);
    api_done(&other);
}
END_TEST

/* --- no room ---------------------------------------------------------------------------------- */

START_TEST(a_gateway_that_cannot_says_so_and_when_to_come_back)
{
    static const char *const codes[] = {"draining", "storage_unavailable", "overloaded"};
    if (_i == 0)
        engine_drain(rig.engine);
    else if (_i == 1)
        store_fake_go_away(rig.fake);
    else
        store_fake_set_full(rig.fake, true);
    post(NULL, ECHO, &asked);
    rig_settle(&rig);
    ck_assert_int_eq(asked.status, 503);
    ck_assert(says(&asked, codes[_i]));
    ck_assert_ptr_nonnull(api_header(&asked, "Retry-After"));
    api_done(&asked);
    store_fake_set_full(rig.fake, false);
    store_fake_heal(rig.fake);
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

Suite *suite_api_runs_create(void)
{
    Suite *s = suite_create("api/runs_create");
    TCase *t = tcase_create("create");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, a_create_is_answered_the_way_it_asked_for, 0, COUNT(ways));
    tcase_add_loop_test(t, a_create_that_is_not_as_it_should_be_stores_nothing, 0, COUNT(bad));
    tcase_add_loop_test(t, a_create_with_headers_as_they_should_be_is_accepted, 0, COUNT(good));
    tcase_add_loop_test(t, a_key_that_was_seen_is_answered_as_a_fresh_request_would_be, 0, 3);
    tcase_add_test(t, a_twin_that_waits_in_vain_is_answered_once_when_its_time_is_over);
    tcase_add_test(t,
                   a_queued_run_that_is_waited_for_in_vain_is_answered_once_when_the_time_is_over);
    tcase_add_test(t, a_queued_run_that_is_waited_for_is_answered_with_its_end);
    tcase_add_loop_test(t, a_client_that_goes_away_before_the_commit_leaves_its_key_behind, 0, 3);
    tcase_add_loop_test(t, a_client_may_go_away_at_any_moment_and_its_run_goes_on, 0, 60);
    tcase_add_loop_test(t, a_run_is_cancelled_with_its_creators_connection_where_it_asked_for_that,
                        0, 2 * COUNT(gone));
    tcase_add_loop_test(t, a_creator_that_went_away_before_the_commit_cancelled_nothing, 0,
                        COUNT(gone_early));
    tcase_add_loop_test(t, a_retry_is_as_deep_as_its_creator_says, 0, COUNT(retry_depths));
    tcase_add_test(t, a_later_watcher_that_goes_away_cancels_nothing);
    tcase_add_loop_test(t, a_gateway_that_cannot_says_so_and_when_to_come_back, 0, 3);
    suite_add_tcase(s, t);
    return s;
}
