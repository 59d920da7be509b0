/* Who may call a provider now: waiters on several loops, a breaker that opens, a queue that is
 * full.
 */
#include "runs/gate.h"

#include <check.h>
#include <stdio.h>

#include "tests/support/rig_ops.h"

Suite *suite_runs_gate(void);

enum { MANY = 12 };

static struct rig rig;
static struct created created[MANY];
static struct id ids[MANY];

#define SIM(params) "\"params\":{\"sim\":{" params "}}"
#define FAILS       SIM("\"fail\":[{\"as\":\"status\"}]")

/* One failure opens the breaker for a minute, give or take a tenth. */
static struct rig_options fragile(void)
{
    struct rig_options o = rig_options_default();
    o.providers[0].limiter.breaker.failures = 1;
    o.providers[1] = o.providers[0];
    o.providers[1].name = "other";
    return o;
}

static struct gate *gate(void)
{
    return rig.engine->shards[0].catalog->upstreams[0]->gate;
}

static struct gate_status status(void)
{
    struct gate_status s;
    gate_status(gate(), &s);
    return s;
}

static void run(int i, uint32_t shard, const char *body)
{
    ids[i] = rig_run(&rig, shard, body, PLAIN, &created[i]);
    rig_advance(&rig, 50);
}

static enum run_state state(int i)
{
    return rig_row(&rig, &ids[i])->state;
}

static bool failed_with(int i, const char *code)
{
    char text[64];
    snprintf(text, sizeof text, "\"code\":\"%s\"", code);
    return state(i) == RUN_FAILED && rig_text_has(rig_row(&rig, &ids[i])->error, text);
}

static void open_breaker(void)
{
    run(0, 0, "{\"agent\":\"echo\"," FAILS "}");
    ck_assert(failed_with(0, "provider_overloaded"));
    ck_assert_int_eq(status().limiter.state, BREAKER_OPEN);
}

static void finish(int n)
{
    for (int i = 0; i < n; i++)
        rig_forget(&created[i]);
    rig_stop(&rig);
}

/* --- changes ---------------------------------------------------------------------------------- */

static unsigned hints;

static void on_change(struct gate *g, void *ctx)
{
    (void)g, (void)ctx;
    hints++;
}

/* Closed to open by a failure, back by hand. */
START_TEST(changes_are_taken_once_and_in_their_order)
{
    struct rig_options o = fragile();
    struct breaker_change c;
    rig_start(&rig, &o);
    gate_on_change(gate(), on_change, NULL);
    hints = 0;
    open_breaker();
    gate_reset(gate());
    ck_assert_uint_eq(hints, 2);
    ck_assert(gate_take_change(gate(), &c));
    ck_assert(c.from == BREAKER_CLOSED && c.to == BREAKER_OPEN);
    ck_assert(gate_take_change(gate(), &c));
    ck_assert(c.from == BREAKER_OPEN && c.to == BREAKER_CLOSED);
    ck_assert(!gate_take_change(gate(), &c));
    finish(1);
}
END_TEST

/* --- the breaker ------------------------------------------------------------------------------ */

/* It waited, blocked, until its deadline, and ended as timed out. */
START_TEST(a_call_whose_deadline_comes_before_the_breaker_can_close_fails_at_once)
{
    struct rig_options o = fragile();
    rig_start(&rig, &o);
    open_breaker();
    run(1, (uint32_t)_i, "{\"agent\":\"echo\",\"input\":\"x\",\"timeout_ms\":30000}");
    ck_assert(failed_with(1, "breaker_open"));
    ck_assert_uint_eq(rig_row(&rig, &ids[1])->usage.attempts, 0);
    ck_assert_str_eq(rig_types(rig_events(&rig, &ids[1])),
                     "run.queued run.running task.running task.failed run.finished");
    run(2, (uint32_t)_i,
        "{\"task\":{\"type\":\"call\",\"model\":\"sim/echo\",\"timeout_ms\":30000}}");
    ck_assert(failed_with(2, "breaker_open"));
    finish(3);
}
END_TEST

START_TEST(a_call_with_time_waits_for_the_breaker_and_one_becomes_the_probe)
{
    struct rig_options o = fragile();
    rig_start(&rig, &o);
    open_breaker();
    for (int i = 1; i < 6; i++)
        run(i, (uint32_t)i % 2,
            "{\"agent\":\"echo\",\"input\":\"x\"," SIM("\"first_ms\":1000") "}");
    rig_advance(&rig, 50000);
    for (int i = 1; i < 6; i++)
        ck_assert_int_eq(state(i), RUN_WAITING);
    rig_advance(&rig, 20000); /* the breaker's jitter is a tenth of a minute */
    for (int i = 1; i < 6; i++)
        ck_assert_int_eq(state(i), RUN_SUCCEEDED);
    ck_assert_int_eq(status().limiter.state, BREAKER_CLOSED);
    ck_assert_uint_eq(status().limiter.waiting, 0);
    finish(6);
}
END_TEST

START_TEST(when_the_breaker_opens_those_whose_time_is_too_short_fail_at_once)
{
    struct rig_options o = fragile();
    o.providers[0].limiter.concurrency = 1;
    rig_start(&rig, &o);
    run(0, 0, "{\"agent\":\"echo\"," SIM("\"first_ms\":1000,\"fail\":[{\"as\":\"status\"}]") "}");
    run(1, 0, "{\"agent\":\"echo\",\"input\":\"x\",\"timeout_ms\":30000}");
    run(2, 1, "{\"agent\":\"echo\",\"input\":\"x\",\"timeout_ms\":300000}");
    run(3, 1, "{\"agent\":\"echo\",\"input\":\"x\",\"timeout_ms\":30000}");
    ck_assert_uint_eq(status().limiter.waiting, 3);
    rig_advance(&rig, 1000);
    ck_assert(failed_with(0, "provider_overloaded"));
    ck_assert(failed_with(1, "breaker_open"));
    ck_assert(failed_with(3, "breaker_open"));
    rig_advance(&rig, 70000);
    ck_assert_int_eq(state(2), RUN_SUCCEEDED);
    finish(4);
}
END_TEST

START_TEST(where_open_means_fail_every_call_fails_at_once)
{
    struct rig_options o = fragile();
    o.providers[0].limiter.on_open = LIMITER_ON_OPEN_FAIL;
    rig_start(&rig, &o);
    open_breaker();
    run(1, 1, "{\"agent\":\"echo\",\"input\":\"x\"}");
    ck_assert(failed_with(1, "breaker_open"));
    finish(2);
}
END_TEST

START_TEST(a_call_that_has_another_model_does_not_wait_for_the_breaker)
{
    struct rig_options o = fragile();
    o.agents = "{\"echo\":{\"model\":\"sim/echo\"},"
               "\"two\":{\"model\":[\"sim/echo\",\"other/echo\"]}}";
    rig_start(&rig, &o);
    open_breaker();
    if (_i == 0)
        run(1, 0, "{\"agent\":\"two\",\"input\":\"x\"}");
    else
        run(1, 1, "{\"agent\":\"two\",\"input\":\"x\",\"timeout_ms\":30000}");
    ck_assert_int_eq(state(1), RUN_SUCCEEDED);
    ck_assert(rig_text_has(rig_row(&rig, &ids[1])->attempts, "\"provider\":\"other\""));
    ck_assert_uint_eq(rig_row(&rig, &ids[1])->usage.attempts, 1);
    finish(2);
}
END_TEST

/* --- another model ---------------------------------------------------------------------------- */

static const char both[] = "{\"story\":{\"model\":\"sim/story\"},"
                           "\"two\":{\"model\":[\"sim/echo\",\"other/echo\"]}}";

/* fallback_wait_ms was read by nobody: the call waited for its turn here to the end of its time. */
START_TEST(a_call_that_has_another_model_waits_so_long_for_its_turn_and_no_longer)
{
    struct rig_options o = fragile();
    o.agents = both;
    o.providers[0].limiter.concurrency = 1;
    rig_start(&rig, &o);
    run(0, 0, "{\"agent\":\"story\"," SIM("\"fail\":[{\"as\":\"hang\"}]") "}");
    run(1, (uint32_t)_i, "{\"agent\":\"two\",\"input\":\"x\"}");
    rig_advance(&rig, 9800);
    ck_assert_int_eq(state(1), RUN_WAITING);
    rig_advance(&rig, 250);
    ck_assert_int_eq(state(1), RUN_SUCCEEDED);
    ck_assert(rig_text_has(rig_row(&rig, &ids[1])->attempts, "\"provider\":\"other\""));
    ck_assert_uint_eq(rig_row(&rig, &ids[1])->usage.attempts, 1);
    ck_assert_uint_eq(status().limiter.waiting, 0);
    finish(2);
}
END_TEST

START_TEST(a_turn_that_comes_in_time_is_taken)
{
    struct rig_options o = fragile();
    o.agents = both;
    o.providers[0].limiter.concurrency = 1;
    rig_start(&rig, &o);
    run(0, 0, "{\"agent\":\"story\"," SIM("\"first_ms\":10000,\"tokens\":1") "}");
    run(1, (uint32_t)_i, "{\"agent\":\"two\",\"input\":\"x\"}");
    rig_advance(&rig, 20000);
    ck_assert_int_eq(state(1), RUN_SUCCEEDED);
    ck_assert(rig_text_has(rig_row(&rig, &ids[1])->attempts, "\"provider\":\"sim\""));
    finish(2);
}
END_TEST

Suite *suite_runs_gate(void)
{
    Suite *s = suite_create("runs/gate");
    TCase *t = tcase_create("breaker");
    tcase_add_test(t, changes_are_taken_once_and_in_their_order);
    tcase_add_loop_test(t, a_call_whose_deadline_comes_before_the_breaker_can_close_fails_at_once,
                        0, 2);
    tcase_add_test(t, a_call_with_time_waits_for_the_breaker_and_one_becomes_the_probe);
    tcase_add_test(t, when_the_breaker_opens_those_whose_time_is_too_short_fail_at_once);
    tcase_add_test(t, where_open_means_fail_every_call_fails_at_once);
    tcase_add_loop_test(t, a_call_that_has_another_model_does_not_wait_for_the_breaker, 0, 2);
    suite_add_tcase(s, t);
    t = tcase_create("fallback");
    tcase_add_loop_test(t, a_call_that_has_another_model_waits_so_long_for_its_turn_and_no_longer,
                        0, 2);
    tcase_add_loop_test(t, a_turn_that_comes_in_time_is_taken, 0, 2);
    suite_add_tcase(s, t);
    return s;
}
