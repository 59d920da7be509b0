/* The gateway stops in order: nothing new comes in, what runs may end, what sleeps is not waited
 * for, and the next gateway goes on with the rest. */
#include <check.h>
#include <stdio.h>

#include "base/mem.h"
#include "tests/support/rig_ops.h"

Suite *suite_runs_drain(void);

static struct rig rig;
static struct created before, created;
static struct id id;

#define SIM(params) "\"params\":{\"sim\":{" params "}}"
#define SLOW        "{\"agent\":\"story\"," SIM("\"tokens\":2,\"first_ms\":3000,\"gap_ms\":2000") "}"
#define RETRIES                                                                                    \
    "{\"task\":{\"type\":\"call\",\"model\":\"sim/echo\",\"input\":\"x\",\"retry\":"               \
    "{\"attempts\":2,\"base_ms\":60000,\"max_ms\":60000,\"jitter\":\"none\"}," SIM(                \
        "\"fail\":[{\"as\":\"status\",\"attempt\":1}]") "}}"

static void start(void)
{
    struct rig_options o = rig_options_default();
    o.providers[1] = o.providers[0];
    o.providers[1].name = "fragile";
    o.providers[1].limiter.breaker.failures = 1;
    o.providers[2] = o.providers[0];
    o.providers[2].name = "rated";
    o.providers[2].limiter.requests = (struct token_bucket_policy){1, 1, 60000};
    rig_start(&rig, &o);
}

/* Draining takes this long until nothing is live; UINT64_MAX: longer than a minute. */
static uint64_t drain_ms(void)
{
    engine_drain(rig.engine);
    for (uint64_t ms = 0; ms <= 60000; ms += 10) {
        rig_settle(&rig);
        if (engine_is_idle(rig.engine))
            return ms;
        rig_advance(&rig, 10);
    }
    return UINT64_MAX;
}

START_TEST(an_idle_engine_is_drained_at_once)
{
    start();
    ck_assert_uint_eq(drain_ms(), 0);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_draining_engine_takes_nothing_new)
{
    start();
    engine_drain(rig.engine);
    ck_assert_int_eq(rig_create(&rig, 0, SLOW, (enum way)_i, NULL, &created), ERR_DRAINING);
    rig_forget(&created);
    rig_stop(&rig);
}
END_TEST

START_TEST(what_runs_may_end)
{
    start();
    id = rig_run(&rig, 0, SLOW, (enum way)_i, &created);
    rig_advance(&rig, 1000);
    uint64_t ms = drain_ms();
    ck_assert(ms >= 3900 && ms <= 4100);
    ck_assert_int_eq(rig_row(&rig, &id)->state, RUN_SUCCEEDED);
    rig_forget(&created);
    rig_stop(&rig);
}
END_TEST

/* Runs that wait, each for something else. */
static const struct {
    const char *first; /* what makes it wait; NULL: nothing has to */
    const char *body;
} sleepers[] = {
    {NULL, RETRIES},
    {"{\"task\":{\"type\":\"call\",\"model\":\"fragile/echo\"," SIM(
         "\"fail\":[{\"as\":\"status\"}]") "}}",
     "{\"task\":{\"type\":\"call\",\"model\":\"fragile/echo\",\"input\":\"x\"}}"},
    {"{\"task\":{\"type\":\"call\",\"model\":\"rated/echo\",\"input\":\"y\"}}",
     "{\"task\":{\"type\":\"call\",\"model\":\"rated/echo\",\"input\":\"x\"}}"},
};

enum { SLEEPERS = sizeof sleepers / sizeof sleepers[0] };

static const enum way ways[] = {PLAIN, WAITS, STREAMS};

/* The drain waited for them until its patience ended, though nothing ran. */
START_TEST(what_sleeps_is_not_waited_for)
{
    enum way way = ways[_i % 3];
    int kind = _i / 3;
    struct reader reader;
    start();
    if (sleepers[kind].first != NULL) {
        rig_run(&rig, 0, sleepers[kind].first, PLAIN, &before);
        rig_advance(&rig, 50);
        rig_forget(&before);
    }
    id = rig_run(&rig, 1, sleepers[kind].body, way, &created);
    rig_read(&rig, 0, &id, 0, true, &reader);
    rig_advance(&rig, 500);
    ck_assert_int_eq(rig_live(&rig, &id)->state, RUN_WAITING);
    ck_assert_uint_le(drain_ms(), 50);
    ck_assert_int_eq(rig_row(&rig, &id)->state, RUN_WAITING);
    ck_assert_uint_eq(created.ended, way == WAITS); /* its creator is told how it is */
    rig_close(&reader);
    rig_forget(&created);
    rig_restart(&rig);
    rig_advance(&rig, 70000);
    ck_assert_int_eq(rig_row(&rig, &id)->state, RUN_SUCCEEDED);
    ck_assert_uint_eq(rig_count_of(rig_events(&rig, &id), "run.finished"), 1);
    rig_stop(&rig);
}
END_TEST

/* It begins to wait while the drain goes on. */
START_TEST(what_falls_asleep_is_not_waited_for)
{
    start();
    id = rig_run(&rig, 0,
                 "{\"task\":{\"type\":\"call\",\"model\":\"sim/echo\",\"input\":\"x\",\"retry\":"
                 "{\"attempts\":2,\"base_ms\":60000,\"max_ms\":60000,\"jitter\":\"none\"}," SIM(
                     "\"first_ms\":1000,\"fail\":[{\"as\":\"status\",\"attempt\":1}]") "}}",
                 (enum way)_i, &created);
    rig_advance(&rig, 500);
    uint64_t ms = drain_ms();
    ck_assert(ms >= 450 && ms <= 600);
    ck_assert_int_eq(rig_row(&rig, &id)->state, RUN_WAITING);
    rig_forget(&created);
    rig_restart(&rig);
    rig_advance(&rig, 70000);
    ck_assert_int_eq(rig_row(&rig, &id)->state, RUN_SUCCEEDED);
    rig_stop(&rig);
}
END_TEST

/* The patience ends first. Its second attempt did not say that it begins anew what was told of the
 * first. */
START_TEST(what_still_runs_is_parked_and_done_by_the_next_gateway)
{
    start();
    id = rig_run(&rig, 0, SLOW, (enum way)_i, &created);
    rig_advance(&rig, 4000);
    engine_drain(rig.engine);
    rig_advance(&rig, 100);
    rig_restart(&rig);
    rig_forget(&created);
    rig_advance(&rig, 10000);
    ck_assert_int_eq(rig_row(&rig, &id)->state, RUN_SUCCEEDED);
    ck_assert_str_eq(
        rig_types(rig_events(&rig, &id)),
        "run.queued run.running task.running attempt.started output.delta attempt.lost "
        "run.waiting run.running attempt.restarted attempt.started output.delta "
        "attempt.succeeded task.succeeded run.finished");
    rig_stop(&rig);
}
END_TEST

/* --- while its last save waits ---------------------------------------------------------------- */

#define AFTER(ms, text)                                                                            \
    "{\"type\":\"call\",\"model\":\"sim/echo\",\"input\":\"" text "\"," SIM("\"first_ms\":" #ms) "}"
#define SEQ(...) "{\"type\":\"sequence\",\"steps\":[" __VA_ARGS__ "]}"
#define PAR(...) "{\"type\":\"parallel\",\"tasks\":[" __VA_ARGS__ "]}"
#define SLEEPS                                                                                      \
    "{\"type\":\"sleep\",\"duration_ms\":60000,\"finally\":{\"type\":\"call\",\"timeout_ms\":1000," \
    "\"model\":\"sim/echo\",\"input\":\"f\"," SIM("\"first_ms\":500") "}}"

/* A run that is parked while a save of it is under way, which was begun by the first step of the
 * second branch. */
#define TWO_BRANCHES(first) PAR(first "," SEQ(AFTER(600, "b") "," AFTER(9000, "c")))

static void park_while_it_is_saved(const char *body)
{
    struct rig_options o = rig_options_default();
    o.workflows = "{\"w\":{\"task\":{\"type\":\"call\",\"model\":\"sim/echo\",\"input\":\"x\"," SIM(
        "\"first_ms\":300") "}}}";
    rig_start(&rig, &o);
    id = rig_run(&rig, 0, body, PLAIN, &created);
    rig_forget(&created);
    rig_advance(&rig, 250);
    store_fake_stall_reads(rig.fake);
    rig_advance(&rig, 300);
    store_fake_hold(rig.fake);
    rig_advance(&rig, 100);
    ck_assert(rig_live(&rig, &id)->is_saving);
    engine_drain(rig.engine);
    engine_park(rig.engine);
    rig_settle(&rig);
    ck_assert(rig_live(&rig, &id)->release);
}

/* What is `finally` to be done is done, once. */
static void end_in(enum run_state state)
{
    store_fake_let_reads_go(rig.fake);
    rig_settle(&rig);
    store_fake_let_go(rig.fake);
    rig_advance(&rig, 100);
    ck_assert_ptr_null(rig_live(&rig, &id));
    rig_restart(&rig);
    rig_advance(&rig, 90000);
    ck_assert_int_eq(rig_row(&rig, &id)->state, state);
    ck_assert_uint_eq(rig_count_of(rig_events(&rig, &id), "\"output\":\"f\""), 1);
    rig_stop(&rig);
}

/* The next step began, in a run that was about to leave memory: the process aborted. */
START_TEST(a_run_that_is_parked_takes_no_step_when_a_child_answers)
{
    park_while_it_is_saved("{\"task\":" TWO_BRANCHES(
        SEQ("{\"type\":\"call\",\"workflow\":\"w\"}," AFTER(100, "f"))) "}");
    end_in(RUN_SUCCEEDED);
}
END_TEST

START_TEST(a_run_that_is_parked_takes_no_step_when_a_task_is_cancelled)
{
    struct asked stop;
    park_while_it_is_saved("{\"task\":" TWO_BRANCHES(SLEEPS) "}");
    rig_ask_cancel_task(&rig, 1, &id, "0", &stop);
    rig_advance(&rig, 50);
    ck_assert_uint_eq(stop.answers, 0);
    end_in(RUN_FAILED);
    ck_assert_uint_eq(stop.answers, 1);
    ck_assert_int_eq(stop.stop.result, OK);
}
END_TEST

START_TEST(a_run_that_is_parked_takes_no_step_when_its_time_is_over)
{
    park_while_it_is_saved("{\"timeout_ms\":1000,\"task\":" TWO_BRANCHES(SLEEPS) "}");
    rig_advance(&rig, 600);
    end_in(RUN_TIMED_OUT);
}
END_TEST

/* It was to be parked, there was no memory to write its rows, and its sleep ended before there was
 * some. */
START_TEST(a_run_that_cannot_be_parked_for_lack_of_memory_takes_no_step)
{
    struct rig_options o = rig_options_default();
    rig_start(&rig, &o);
    id =
        rig_run(&rig, 0,
                "{\"task\":" SEQ("{\"type\":\"sleep\",\"duration_ms\":1150}," AFTER(9000, "a")) "}",
                PLAIN, &created);
    rig_forget(&created);
    ck_assert_int_eq(rig_live(&rig, &id)->state, RUN_WAITING);
    for (int ms = 0; ms < 1140; ms += 10) {
        mem_fail_nth(1);
        rig_advance(&rig, 10);
    }
    mem_fail_nth(0);
    ck_assert(rig_live(&rig, &id)->release);
    rig_advance(&rig, 20000);
    ck_assert_int_eq(rig_row(&rig, &id)->state, RUN_SUCCEEDED);
    ck_assert_uint_eq(rig_count_of(rig_events(&rig, &id), "\"attempt.started\""), 1);
    rig_stop(&rig);
}
END_TEST

Suite *suite_runs_drain(void)
{
    Suite *s = suite_create("runs/drain");
    TCase *t = tcase_create("drain");
    tcase_add_test(t, an_idle_engine_is_drained_at_once);
    tcase_add_loop_test(t, a_draining_engine_takes_nothing_new, 0, 3);
    tcase_add_loop_test(t, what_runs_may_end, 0, 3);
    tcase_add_loop_test(t, what_sleeps_is_not_waited_for, 0, 3 * SLEEPERS);
    tcase_add_loop_test(t, what_falls_asleep_is_not_waited_for, 0, 3);
    tcase_add_loop_test(t, what_still_runs_is_parked_and_done_by_the_next_gateway, 0, 3);
    tcase_add_test(t, a_run_that_is_parked_takes_no_step_when_a_child_answers);
    tcase_add_test(t, a_run_that_is_parked_takes_no_step_when_a_task_is_cancelled);
    tcase_add_test(t, a_run_that_is_parked_takes_no_step_when_its_time_is_over);
    tcase_add_test(t, a_run_that_cannot_be_parked_for_lack_of_memory_takes_no_step);
    suite_add_tcase(s, t);
    return s;
}
