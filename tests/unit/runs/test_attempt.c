/* One try of a call: how long it may take, what it is told to have been, and that nothing of it is
 * left once it is over. */
#include "runs/attempt.h"

#include <check.h>
#include <sched.h>
#include <stdio.h>

#include "tests/support/loopback.h"
#include "tests/support/rig_ops.h"

Suite *suite_runs_attempt(void);

enum { PATIENCE = 2000000 };

static struct rig rig;
static struct created created[4];
static struct id ids[4];
static struct loopback *server;

static struct gate_status status(void)
{
    struct gate_status s;
    gate_status(rig.engine->shards[0].catalog->upstreams[0]->gate, &s);
    return s;
}

static const struct run_record *row(int i)
{
    return rig_row(&rig, &ids[i]);
}

static bool failed_with(int i, const char *code)
{
    char text[64];
    snprintf(text, sizeof text, "\"code\":\"%s\"", code);
    return row(i)->state == RUN_FAILED && rig_text_has(row(i)->error, text);
}

static void finish(int n)
{
    for (int i = 0; i < n; i++)
        rig_forget(&created[i]);
    rig_stop(&rig);
    loopback_close(server);
    server = NULL;
}

/* --- its time --------------------------------------------------------------------------------- */

/* First byte within 1000 ms, then every 500 ms, at most 3000 ms in all. */
static const struct {
    const char *sim;
    uint64_t ends_ms;
    const char *code; /* NULL: it succeeds */
} timings[] = {
    {"\"first_ms\":1000,\"tokens\":1", 1000, NULL},
    {"\"first_ms\":1001,\"tokens\":1", 1000, "provider_timeout"},
    {"\"fail\":[{\"as\":\"hang\"}]", 1000, "provider_timeout"},
    {"\"first_ms\":100,\"fail\":[{\"as\":\"hang\",\"after_tokens\":1}]", 600, "provider_timeout"},
    {"\"gap_ms\":500,\"tokens\":3", 1000, NULL},
    {"\"gap_ms\":501,\"tokens\":3", 500, "provider_timeout"},
    {"\"gap_ms\":400,\"tokens\":40", 3000, "provider_timeout"},
    {"\"fail\":[{\"as\":\"reset\"}]", 0, "provider_unreachable"},
    {"\"fail\":[{\"as\":\"reset\",\"after_tokens\":1}]", 0, "provider_bad_response"},
    {"\"fail\":[{\"as\":\"truncate\"}]", 0, "provider_bad_response"},
    {"\"fail\":[{\"as\":\"garbage\"}]", 0, "provider_bad_response"},
    {"\"fail\":[{\"as\":\"status\",\"status\":401}]", 0, "provider_auth"},
    {"\"fail\":[{\"as\":\"status\",\"status\":429}]", 0, "provider_rate_limited"},
    {"\"fail\":[{\"as\":\"status\",\"status\":500}]", 0, "provider_error"},
    {"\"fail\":[{\"as\":\"status\",\"status\":529}]", 0, "provider_overloaded"},
    {"\"fail\":[{\"as\":\"status\",\"status\":408}]", 0, "provider_timeout"},
    {"\"fail\":[{\"as\":\"status\",\"status\":400}]", 0, "bad_request"},
    {"\"nonsense\":1", 0, "bad_request"},
};

START_TEST(an_attempt_ends_when_and_as_it_should)
{
    struct rig_options o = rig_options_default();
    char body[256];
    o.providers[0].timeouts =
        (struct upstream_timeouts){.first_byte_ms = 1000, .idle_ms = 500, .total_ms = 3000};
    rig_start(&rig, &o);
    snprintf(body, sizeof body, "{\"agent\":\"story\",\"params\":{\"sim\":{%s}}}", timings[_i].sim);
    ids[0] = rig_run(&rig, 0, body, WAITS, &created[0]);
    if (timings[_i].ends_ms > 0) {
        rig_advance(&rig, timings[_i].ends_ms - 1);
        ck_assert_uint_eq(created[0].ended, 0);
        ck_assert_uint_eq(status().limiter.borrowed, 1);
        rig_advance(&rig, 1);
    }
    ck_assert_uint_eq(created[0].ended, 1);
    ck_assert_uint_eq(status().limiter.borrowed, 0);
    ck_assert_uint_eq(status().attempts, 1);
    if (timings[_i].code != NULL)
        ck_assert_msg(failed_with(0, timings[_i].code), "%.*s", STR_ARG(row(0)->error));
    else
        ck_assert_int_eq(row(0)->state, RUN_SUCCEEDED);
    finish(1);
}
END_TEST

/* --- over HTTP -------------------------------------------------------------------------------- */

#define SSE_HEAD                                                                                   \
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
#define SSE_HELLO                                                                                  \
    "3d\r\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hello\"}}]}\n\n\r\n"
#define SSE_END                                                                                    \
    "51\r\ndata: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n\r\n0\r\n\r\n"
#define UNWELL                                                                                     \
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\nContent-Type: text/plain\r\n\r\nsick"

enum { ANSWERS, SICK, SPEAKS_SLOWLY, SILENT };

static const struct loopback_script scripts[] = {
    [ANSWERS] = {{SAYS(SSE_HEAD SSE_HELLO SSE_END)}},
    [SICK] = {{SAYS(UNWELL)}},
    [SPEAKS_SLOWLY] = {{SAYS(SSE_HEAD SSE_HELLO), WAITS(1), SAYS(SSE_END)}},
    [SILENT] = {{WAITS(1), SAYS(SSE_HEAD SSE_HELLO SSE_END)}},
};

static void start_with(size_t script)
{
    struct rig_options o = rig_options_default();
    server = loopback_open(scripts, sizeof scripts / sizeof scripts[0], NULL);
    o.providers[0].name = "net";
    o.providers[0].base_url = loopback_url(server, "http", script);
    o.providers[0].limiter.breaker.failures = 1;
    o.agents = "{\"a\":{\"model\":\"net/m\"}}";
    rig_start(&rig, &o);
}

static void begin(int i)
{
    ids[i] = rig_run(&rig, 0, "{\"agent\":\"a\",\"input\":\"x\"}", WAITS, &created[i]);
}

/* The sockets are real: what comes is waited for, time is not. */
static void await_end(int i)
{
    for (int n = 0; created[i].ended == 0; n++) {
        rig_settle(&rig);
        sched_yield();
        ck_assert_int_lt(n, PATIENCE);
    }
}

static void await_first_byte(int i)
{
    const struct run *run = rig_live(&rig, &ids[i]);
    ck_assert_ptr_nonnull(run);
    for (int n = 0; run->root.call.attempt->first_byte_ms == 0; n++) {
        rig_settle(&rig);
        sched_yield();
        ck_assert_int_lt(n, PATIENCE);
    }
}

START_TEST(an_answer_over_http_is_taken)
{
    start_with(ANSWERS);
    begin(0);
    await_end(0);
    ck_assert_int_eq(created[0].end_state, RUN_SUCCEEDED);
    ck_assert_str_eq(created[0].output, "\"hello\"");
    finish(1);
}
END_TEST

/* A probe's answer counted as good from its first byte on, whatever its status was: each failed
 * probe closed the breaker. */
START_TEST(a_probe_that_is_answered_with_an_error_does_not_close_the_breaker)
{
    start_with(SICK);
    begin(0);
    await_end(0);
    ck_assert(failed_with(0, "provider_overloaded"));
    ck_assert_int_eq(status().limiter.state, BREAKER_OPEN);
    begin(1);
    begin(2);
    rig_advance(&rig, 70000); /* it is half-open, and one of them is the probe */
    for (int n = 0; status().limiter.state != BREAKER_OPEN; n++) {
        ck_assert_int_lt(n, PATIENCE);
        rig_settle(&rig);
        sched_yield();
    }
    ck_assert_uint_eq(loopback_requests(server), 2);
    ck_assert_uint_eq(created[1].ended + created[2].ended, 1);
    ck_assert_uint_eq(status().limiter.waiting, 1);
    finish(3);
}
END_TEST

START_TEST(an_answer_that_comes_slowly_is_taken)
{
    start_with(SPEAKS_SLOWLY);
    begin(0);
    await_first_byte(0);
    ck_assert_int_eq(status().limiter.borrowed, 1);
    loopback_release(server);
    await_end(0);
    ck_assert_int_eq(created[0].end_state, RUN_SUCCEEDED);
    finish(1);
}
END_TEST

START_TEST(a_cancel_closes_the_connection_to_the_provider_at_once)
{
    start_with(_i == 0 ? SILENT : SPEAKS_SLOWLY);
    begin(0);
    if (_i == 1)
        await_first_byte(0);
    for (int n = 0; loopback_requests(server) == 0; n++) {
        rig_settle(&rig);
        sched_yield();
        ck_assert_int_lt(n, PATIENCE);
    }
    ck_assert_int_eq(rig_cancel(&rig, 1, &ids[0]), OK);
    ck_assert_int_eq(row(0)->state, RUN_CANCELLED);
    ck_assert(loopback_await_gone(server, 1));
    finish(1);
}
END_TEST

Suite *suite_runs_attempt(void)
{
    Suite *s = suite_create("runs/attempt");
    TCase *t = tcase_create("time");
    tcase_add_loop_test(t, an_attempt_ends_when_and_as_it_should, 0,
                        sizeof timings / sizeof timings[0]);
    suite_add_tcase(s, t);
    t = tcase_create("http");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, an_answer_over_http_is_taken);
    tcase_add_test(t, a_probe_that_is_answered_with_an_error_does_not_close_the_breaker);
    tcase_add_test(t, an_answer_that_comes_slowly_is_taken);
    tcase_add_loop_test(t, a_cancel_closes_the_connection_to_the_provider_at_once, 0, 2);
    suite_add_tcase(s, t);
    return s;
}
