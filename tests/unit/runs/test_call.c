/* A call: tried again when it may be, at the right time; given up when it must be; on to the next
 * model; and what its readers are told of it. */
#include "runs/call.h"

#include <check.h>
#include <stdio.h>

#include "tests/support/rig_ops.h"

Suite *suite_runs_call(void);

static struct rig rig;
static struct created created;
static struct id id;

#define NO_BREAKER(o) ((o).providers[0].limiter.breaker.failures = 0)

static void start_with(const struct rig_options *o)
{
    rig_start(&rig, o);
}

static void start(void)
{
    struct rig_options o = rig_options_default();
    NO_BREAKER(o);
    o.providers[0].limiter.retry_budget = 100;
    start_with(&o);
}

/* A call of sim/story; `more` are members of the run, `retry` the policy, `sim` its script. */
static void run(const char *more, const char *retry, const char *sim)
{
    char body[1024];
    snprintf(body, sizeof body,
             "{%s\"task\":{\"type\":\"call\",\"model\":\"sim/story\",\"retry\":{%s},\"params\":"
             "{\"sim\":{\"tokens\":3%s%s}}}}",
             more, retry, sim[0] != '\0' ? "," : "", sim);
    id = rig_run(&rig, 0, body, WAITS, &created);
}

static void finish(void)
{
    rig_forget(&created);
    rig_stop(&rig);
}

static const struct run_record *row(void)
{
    return rig_row(&rig, &id);
}

static bool failed_with(const char *code)
{
    char text[64];
    snprintf(text, sizeof text, "\"code\":\"%s\"", code);
    return row()->state == RUN_FAILED && rig_text_has(row()->error, text);
}

static const char *types(void)
{
    return rig_types(rig_events(&rig, &id));
}

static uint64_t attempts(void)
{
    struct gate_status s;
    gate_status(rig.engine->shards[0].catalog->upstreams[0]->gate, &s);
    return s.attempts;
}

/* --- when ------------------------------------------------------------------------------------- */

#define TWICE "{\"as\":\"status\",\"attempt\":1},{\"as\":\"status\",\"attempt\":2}"
#define EVERY "{\"as\":\"status\"}"

/* The moments of the attempts after the first. */
static const struct {
    const char *retry, *sim;
    uint64_t at_ms[3]; /* 0: there is none */
    const char *code;  /* NULL: it succeeds */
} waits[] = {
    {"\"attempts\":3,\"base_ms\":1000,\"factor\":2,\"jitter\":\"none\"",
     "\"fail\":[" TWICE "]",
     {1000, 3000},
     NULL},
    {"\"attempts\":2,\"base_ms\":1000,\"jitter\":\"none\"",
     "\"fail\":[" EVERY "]",
     {1000},
     "provider_overloaded"},
    {"\"attempts\":4,\"base_ms\":1000,\"factor\":10,\"max_ms\":2000,\"jitter\":\"none\"",
     "\"fail\":[" EVERY "]",
     {1000, 3000, 5000},
     "provider_overloaded"},
    {"\"attempts\":1", "\"fail\":[" EVERY "]", {0}, "provider_overloaded"},
    {"\"attempts\":2,\"base_ms\":100,\"jitter\":\"none\"",
     "\"fail\":[{\"as\":\"status\",\"status\":429,\"retry_after_ms\":7000,\"attempt\":1}]",
     {7000},
     NULL},
    {"\"attempts\":2,\"base_ms\":9000,\"jitter\":\"none\"",
     "\"fail\":[{\"as\":\"status\",\"status\":429,\"retry_after_ms\":7000,\"attempt\":1}]",
     {9000},
     NULL},
    {"\"attempts\":3,\"base_ms\":100,\"jitter\":\"none\"",
     "\"fail\":[{\"as\":\"status\",\"status\":400,\"attempt\":1}]",
     {0},
     "bad_request"},
    {"\"attempts\":3,\"base_ms\":100,\"jitter\":\"none\"",
     "\"fail\":[{\"as\":\"status\",\"status\":409,\"attempt\":1},"
     "{\"as\":\"status\",\"status\":425,\"attempt\":2}]",
     {100, 300},
     NULL},
    {"\"attempts\":2,\"base_ms\":100,\"jitter\":\"none\"",
     "\"fail\":[{\"as\":\"status\",\"status\":409}]",
     {100},
     "bad_request"},
    {"\"attempts\":3,\"base_ms\":100,\"jitter\":\"none\",\"on\":[\"provider_error\"]",
     "\"fail\":[{\"as\":\"status\",\"status\":409,\"attempt\":1}]",
     {0},
     "bad_request"},
    {"\"attempts\":3,\"base_ms\":100,\"jitter\":\"none\"",
     "\"fail\":[{\"as\":\"status\",\"status\":401,\"attempt\":1}]",
     {0},
     "provider_auth"},
    {"\"attempts\":3,\"base_ms\":100,\"jitter\":\"none\",\"on\":[\"provider_auth\"]",
     "\"fail\":[{\"as\":\"status\",\"status\":401,\"attempt\":1}]",
     {100},
     NULL},
    {"\"attempts\":3,\"base_ms\":100,\"jitter\":\"none\",\"on\":[\"provider_auth\"]",
     "\"fail\":[{\"as\":\"status\",\"status\":503,\"attempt\":1}]",
     {0},
     "provider_overloaded"},
};

START_TEST(a_call_is_tried_again_when_its_policy_says)
{
    start();
    run("", waits[_i].retry, waits[_i].sim);
    uint64_t done = 1, now_ms = 0;
    ck_assert_uint_eq(attempts(), done);
    for (int n = 0; n < 3 && waits[_i].at_ms[n] != 0; n++) {
        rig_advance(&rig, waits[_i].at_ms[n] - 1 - now_ms);
        ck_assert_uint_eq(attempts(), done);
        rig_advance(&rig, 1);
        ck_assert_uint_eq(attempts(), ++done);
        now_ms = waits[_i].at_ms[n];
    }
    rig_advance(&rig, 100);
    ck_assert_uint_eq(created.ended, 1);
    ck_assert_uint_eq(row()->usage.attempts, done);
    ck_assert_uint_eq(row()->usage.calls, 1);
    if (waits[_i].code != NULL)
        ck_assert_msg(failed_with(waits[_i].code), "%.*s", STR_ARG(row()->error));
    else
        ck_assert_int_eq(row()->state, RUN_SUCCEEDED);
    finish();
}
END_TEST

START_TEST(full_jitter_is_within_its_bounds)
{
    start();
    run("", "\"attempts\":2,\"base_ms\":1000,\"jitter\":\"full\"",
        "\"fail\":[{\"as\":\"status\",\"attempt\":1}]");
    rig_advance(&rig, 1001);
    ck_assert_uint_eq(attempts(), 2);
    finish();
}
END_TEST

/* The retry could only start past the deadline: the call fails at once with its last cause. */
START_TEST(a_retry_past_the_deadline_is_not_waited_for)
{
    static const char *const runs[] = {"\"timeout_ms\":5000,", "\"timeout_ms\":5001,"};
    start();
    run(runs[_i], "\"attempts\":2,\"base_ms\":5000,\"jitter\":\"none\"",
        "\"fail\":[{\"as\":\"status\",\"attempt\":1}]");
    rig_advance(&rig, 50);
    if (_i == 0) {
        ck_assert(failed_with("provider_overloaded"));
    } else {
        rig_advance(&rig, 5000);
        ck_assert_int_eq(row()->state, RUN_SUCCEEDED);
    }
    finish();
}
END_TEST

START_TEST(a_run_ends_at_its_deadline_whatever_it_does)
{
    static const char *const sims[] = {"\"fail\":[{\"as\":\"hang\"}]", "\"gap_ms\":900",
                                       "\"fail\":[{\"as\":\"hang\",\"after_tokens\":1}]"};
    start();
    run("\"timeout_ms\":1000,", "\"attempts\":5,\"base_ms\":1,\"jitter\":\"none\"", sims[_i]);
    rig_advance(&rig, 999);
    ck_assert_uint_eq(created.ended, 0);
    rig_advance(&rig, 1);
    ck_assert_uint_eq(created.ended, 1);
    ck_assert_int_eq(row()->state, RUN_TIMED_OUT);
    ck_assert(rig_text_has(row()->error, "run_timeout"));
    finish();
}
END_TEST

START_TEST(a_task_ends_at_its_own_deadline)
{
    start();
    id = rig_run(&rig, 0,
                 "{\"task\":{\"type\":\"call\",\"model\":\"sim/story\",\"timeout_ms\":700,"
                 "\"params\":{\"sim\":{\"fail\":[{\"as\":\"hang\"}]}}}}",
                 WAITS, &created);
    rig_advance(&rig, 699);
    ck_assert_uint_eq(created.ended, 0);
    rig_advance(&rig, 1);
    ck_assert_int_eq(row()->state, RUN_TIMED_OUT);
    ck_assert(rig_text_has(row()->error, "task_timeout"));
    ck_assert_str_eq(types(), "run.queued run.running task.running attempt.started "
                              "attempt.cancelled task.timed_out run.finished");
    finish();
}
END_TEST

/* A reserve of ten, and a share of the calls: an outage is not multiplied. */
START_TEST(retries_end_with_the_providers_budget)
{
    struct rig_options o = rig_options_default();
    struct created many[40];
    NO_BREAKER(o);
    o.providers[0].limiter.retry_budget = 0.2;
    start_with(&o);
    for (int i = 0; i < 40; i++)
        rig_run(&rig, 0,
                "{\"task\":{\"type\":\"call\",\"model\":\"sim/story\",\"retry\":{\"attempts\":3,"
                "\"base_ms\":100,\"jitter\":\"none\"},\"params\":{\"sim\":{\"fail\":[" EVERY
                "]}}}}",
                PLAIN, &many[i]);
    rig_advance(&rig, 2000);
    ck_assert_uint_ge(attempts(), 40 + 10);
    ck_assert_uint_le(attempts(), 40 + 10 + 8 + 1);
    ck_assert_uint_eq(engine_live(rig.engine), 0);
    for (int i = 0; i < 40; i++)
        rig_forget(&many[i]);
    rig_stop(&rig);
}
END_TEST

/* --- what was told ---------------------------------------------------------------------------- */

#define CUT       "\"fail\":[{\"as\":\"truncate\",\"after_tokens\":2,\"attempt\":1}]"
#define ONE_RETRY "\"attempts\":2,\"base_ms\":10,\"jitter\":\"none\""

START_TEST(after_published_output_there_is_no_retry)
{
    start();
    run("", ONE_RETRY, CUT);
    rig_advance(&rig, 100);
    ck_assert(failed_with("provider_bad_response"));
    ck_assert_str_eq(types(), "run.queued run.running task.running attempt.started output.delta "
                              "attempt.failed task.failed run.finished");
    finish();
}
END_TEST

START_TEST(a_run_that_may_restart_says_so_and_its_output_is_the_last_attempts)
{
    start();
    run("\"restart\":true,", ONE_RETRY, CUT);
    rig_advance(&rig, 100);
    ck_assert_int_eq(row()->state, RUN_SUCCEEDED);
    ck_assert_str_eq(types(),
                     "run.queued run.running task.running attempt.started output.delta "
                     "attempt.failed task.retrying attempt.restarted attempt.started output.delta "
                     "attempt.succeeded task.succeeded run.finished");
    ck_assert_uint_eq(rig_count_of(rig_events(&rig, &id), "\"output.delta\""), 2 + 3);
    unsigned words = rig_count_of(row()->output, " ");
    ck_assert_uint_eq(words, 2);
    finish();
}
END_TEST

START_TEST(a_short_wait_for_a_retry_leaves_the_run_running)
{
    static const struct {
        const char *retry, *events;
    } cases[] = {
        {"\"attempts\":2,\"base_ms\":100,\"jitter\":\"none\"",
         "run.queued run.running task.running attempt.started attempt.failed task.retrying "
         "attempt.started output.delta attempt.succeeded task.succeeded run.finished"},
        {"\"attempts\":2,\"base_ms\":101,\"jitter\":\"none\"",
         "run.queued run.running task.running attempt.started attempt.failed task.retrying "
         "run.waiting run.running attempt.started output.delta attempt.succeeded task.succeeded "
         "run.finished"}};
    start();
    run("", cases[_i].retry, "\"fail\":[{\"as\":\"status\",\"attempt\":1}]");
    rig_advance(&rig, 300);
    ck_assert_str_eq(types(), cases[_i].events);
    finish();
}
END_TEST

/* --- the next model --------------------------------------------------------------------------- */

static const struct {
    const char *fault; /* of the attempt with the first model */
    bool falls_back;
} faults[] = {
    {"{\"as\":\"status\",\"status\":503}", true},
    {"{\"as\":\"status\",\"status\":500}", true},
    {"{\"as\":\"status\",\"status\":429}", true},
    {"{\"as\":\"status\",\"status\":401}", true},
    {"{\"as\":\"reset\"}", true},
    {"{\"as\":\"garbage\"}", true},
    {"{\"as\":\"status\",\"status\":400}", false},
    {"{\"as\":\"truncate\",\"after_tokens\":1}", false},
};

START_TEST(a_call_falls_back_where_another_provider_may_do_better)
{
    struct rig_options o = rig_options_default();
    NO_BREAKER(o);
    o.providers[1] = o.providers[0];
    o.providers[1].name = "other";
    o.agents = "{\"two\":{\"model\":[\"sim/story\",\"other/story\"]}}";
    start_with(&o);
    char body[512];
    struct str f = str_of(faults[_i].fault);
    snprintf(body, sizeof body,
             "{\"agent\":\"two\",\"params\":{\"sim\":{\"tokens\":3,\"fail\":[%.*s,\"attempt\":1}"
             "]}}}",
             (int)f.len - 1, f.at);
    id = rig_run(&rig, 0, body, WAITS, &created);
    rig_advance(&rig, 200);
    ck_assert_uint_eq(created.ended, 1);
    ck_assert_int_eq(row()->state, faults[_i].falls_back ? RUN_SUCCEEDED : RUN_FAILED);
    ck_assert(rig_text_has(row()->attempts, "\"provider\":\"other\"") == faults[_i].falls_back);
    finish();
}
END_TEST

START_TEST(when_all_models_have_failed_the_last_cause_stands)
{
    struct rig_options o = rig_options_default();
    NO_BREAKER(o);
    o.providers[1] = o.providers[0];
    o.providers[1].name = "other";
    o.agents = "{\"two\":{\"model\":[\"sim/story\",\"other/story\"]}}";
    start_with(&o);
    id = rig_run(&rig, 0,
                 "{\"agent\":\"two\",\"params\":{\"sim\":{\"fail\":[{\"as\":\"status\",\"attempt\":"
                 "1},{\"as\":\"status\",\"status\":500,\"attempt\":2}]}}}",
                 WAITS, &created);
    rig_advance(&rig, 100);
    ck_assert(failed_with("provider_error"));
    ck_assert(rig_text_has(row()->error, "\"provider\":\"other\""));
    ck_assert(rig_text_has(row()->error, "\"attempts\":2"));
    finish();
}
END_TEST

/* --- the value -------------------------------------------------------------------------------- */

static const struct {
    const char *kind, *input, *output; /* NULL: invalid_output */
} values[] = {
    {"text", "\"say hi\"", "\"say hi\""},
    {"text", "{\"a\":1}", "\"{\\\"a\\\":1}\""},
    {"text", "\"\"", "\"\""},
    {"json", "\"[1, 2]\"", "[1,2]"},
    {"json", "\"12345678901234567890.10\"", "12345678901234567890.10"},
    {"json", "\"no json\"", NULL},
    {"json", "\"\"", NULL},
};

START_TEST(the_value_of_a_call_is_what_its_agent_says)
{
    struct rig_options o = rig_options_default();
    char agents[128], body[128];
    snprintf(agents, sizeof agents, "{\"a\":{\"model\":\"sim/echo\",\"output\":\"%s\"}}",
             values[_i].kind);
    o.agents = agents;
    start_with(&o);
    snprintf(body, sizeof body, "{\"agent\":\"a\",\"input\":%s}", values[_i].input);
    id = rig_run(&rig, 0, body, WAITS, &created);
    rig_advance(&rig, 100);
    if (values[_i].output != NULL)
        ck_assert_msg(str_eq(row()->output, str_of(values[_i].output)), "%.*s",
                      STR_ARG(row()->output));
    else
        ck_assert(failed_with("invalid_output"));
    finish();
}
END_TEST

START_TEST(an_answer_past_output_bytes_fails)
{
    struct rig_options o = rig_options_default();
    o.limits.output_bytes = 10;
    start_with(&o);
    id = rig_run(&rig, 0,
                 _i == 0 ? "{\"agent\":\"echo\",\"input\":\"1234567890\"}"
                         : "{\"agent\":\"echo\",\"input\":\"12345678901\"}",
                 WAITS, &created);
    rig_advance(&rig, 100);
    if (_i == 0)
        ck_assert_int_eq(row()->state, RUN_SUCCEEDED);
    else
        ck_assert(failed_with("limit_exceeded"));
    finish();
}
END_TEST

/* --- backpressure ----------------------------------------------------------------------------- */

START_TEST(an_upstream_pauses_while_too_much_of_its_run_is_not_committed)
{
    struct rig_options o = rig_options_default();
    struct reader reader;
    o.limits.uncommitted_events = 100;
    start_with(&o);
    id = rig_run(&rig, 0,
                 "{\"agent\":\"story\",\"params\":{\"sim\":{\"tokens\":1000,\"gap_ms\":1}}}",
                 STREAMS, &created);
    rig_read(&rig, (uint32_t)_i, &id, 0, true, &reader);
    rig_advance(&rig, 50);
    store_fake_hold(rig.fake);
    rig_advance(&rig, 5000);
    struct run *live = rig_live(&rig, &id);
    ck_assert_ptr_nonnull(live);
    ck_assert_uint_le(feed_uncommitted(&live->feed), 100);
    ck_assert_uint_le(reader.follow->cursor, live->feed.committed.seq + 100);
    store_fake_let_go(rig.fake);
    rig_advance(&rig, 5000);
    ck_assert_int_eq(row()->state, RUN_SUCCEEDED);
    ck_assert_uint_eq(rig_count_of(buf_str(&reader.out), "\"output.delta\""), 1000);
    rig_close(&reader);
    finish();
}
END_TEST

/* Its commit comes while the store is still full of what others have written: nothing else of it
 * will be committed that could tell it to go on. */
START_TEST(an_upstream_that_paused_for_a_full_store_goes_on_once_there_is_room)
{
    struct rig_options o = rig_options_default();
    struct reader reader;
    start_with(&o);
    id =
        rig_run(&rig, 0, "{\"agent\":\"story\",\"params\":{\"sim\":{\"tokens\":100,\"gap_ms\":1}}}",
                STREAMS, &created);
    rig_read(&rig, (uint32_t)_i, &id, 0, true, &reader);
    rig_advance(&rig, 50);
    store_fake_set_full(rig.fake, true);
    rig_advance(&rig, 5000);
    struct run *live = rig_live(&rig, &id);
    ck_assert_ptr_nonnull(live);
    uint64_t paused_at = live->feed.last_seq;
    ck_assert_uint_lt(rig_count_of(buf_str(&reader.out), "\"output.delta\""), 100);
    ck_assert_uint_eq(feed_uncommitted(&live->feed), 0);
    rig_advance(&rig, 5000);
    ck_assert_uint_eq(live->feed.last_seq, paused_at);
    store_fake_set_full(rig.fake, false);
    rig_advance(&rig, 5000);
    ck_assert_int_eq(row()->state, RUN_SUCCEEDED);
    ck_assert_uint_eq(rig_count_of(buf_str(&reader.out), "\"output.delta\""), 100);
    rig_close(&reader);
    finish();
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

Suite *suite_runs_call(void)
{
    Suite *s = suite_create("runs/call");
    TCase *t = tcase_create("retry");
    tcase_add_loop_test(t, a_call_is_tried_again_when_its_policy_says, 0, COUNT(waits));
    tcase_add_test(t, full_jitter_is_within_its_bounds);
    tcase_add_loop_test(t, a_retry_past_the_deadline_is_not_waited_for, 0, 2);
    tcase_add_loop_test(t, a_run_ends_at_its_deadline_whatever_it_does, 0, 3);
    tcase_add_test(t, a_task_ends_at_its_own_deadline);
    tcase_add_test(t, retries_end_with_the_providers_budget);
    suite_add_tcase(s, t);
    t = tcase_create("told");
    tcase_add_test(t, after_published_output_there_is_no_retry);
    tcase_add_test(t, a_run_that_may_restart_says_so_and_its_output_is_the_last_attempts);
    tcase_add_loop_test(t, a_short_wait_for_a_retry_leaves_the_run_running, 0, 2);
    suite_add_tcase(s, t);
    t = tcase_create("models");
    tcase_add_loop_test(t, a_call_falls_back_where_another_provider_may_do_better, 0,
                        COUNT(faults));
    tcase_add_test(t, when_all_models_have_failed_the_last_cause_stands);
    suite_add_tcase(s, t);
    t = tcase_create("value");
    tcase_add_loop_test(t, the_value_of_a_call_is_what_its_agent_says, 0, COUNT(values));
    tcase_add_loop_test(t, an_answer_past_output_bytes_fails, 0, 2);
    tcase_add_loop_test(t, an_upstream_pauses_while_too_much_of_its_run_is_not_committed, 0, 2);
    tcase_add_loop_test(t, an_upstream_that_paused_for_a_full_store_goes_on_once_there_is_room, 0,
                        2);
    suite_add_tcase(s, t);
    return s;
}
