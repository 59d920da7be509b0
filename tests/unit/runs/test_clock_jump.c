/* The wall clock is set while the gateway runs, an hour forwards or back: whatever is measured goes
 * on as if nothing had happened, also for runs that sleep in the store meanwhile. */
#include <check.h>
#include <stdio.h>

#include "tests/support/rig_ops.h"

Suite *suite_runs_clock_jump(void);

static struct rig rig;
static struct created created[3];
static struct id ids[3];

static const int64_t jumps_ms[] = {0, 3600000, -3600000};

enum { JUMPS = sizeof jumps_ms / sizeof jumps_ms[0] };

static void run(int i, enum way way, const char *body)
{
    ids[i] = rig_run(&rig, 0, body, way, &created[i]);
}

static enum run_state state(int i)
{
    return rig_row(&rig, &ids[i])->state;
}

/* Most of the time until `ms` from now, the jump, the rest but one ms. */
static void come_close(uint64_t ms, int64_t jump_ms)
{
    rig_advance(&rig, ms / 2);
    rig.clock.wall_ms += jump_ms;
    rig_advance(&rig, ms - ms / 2 - 1);
}

static void finish(int n)
{
    for (int i = 0; i < n; i++)
        rig_forget(&created[i]);
    rig_stop(&rig);
}

/* Who waits keeps the run in memory; nobody lets it sleep in the store. */
static const struct {
    const char *body, *types;
    uint64_t due_ms;
    enum run_state end;
    enum way way;
    uint64_t late_ms; /* a run that slept takes some time to come back */
} rows[] = {
    {"{\"agent\":\"echo\",\"timeout_ms\":60000,\"params\":{\"sim\":{\"first_ms\":600000}}}",
     "run.queued run.running task.running attempt.started attempt.cancelled task.timed_out "
     "run.finished",
     60000, RUN_TIMED_OUT, WAITS, 0},
    {"{\"task\":{\"type\":\"call\",\"model\":\"sim/echo\",\"timeout_ms\":60000,\"params\":{\"sim\":{"
     "\"first_ms\":600000}}}}",
     "run.queued run.running task.running attempt.started attempt.cancelled task.timed_out "
     "run.finished",
     60000, RUN_TIMED_OUT, WAITS, 0},
#define RETRIES                                                                                      \
    "{\"task\":{\"type\":\"call\",\"model\":\"sim/echo\",\"input\":\"x\",\"retry\":{\"attempts\":2," \
    "\"base_ms\":60000,\"max_ms\":60000,\"jitter\":\"none\"},\"params\":{\"sim\":{\"fail\":[{"       \
    "\"attempt\":1,\"as\":\"reset\"}]}}}}"
#define RETRIED                                                                                    \
    "run.queued run.running task.running attempt.started attempt.failed task.retrying "            \
    "run.waiting run.running attempt.started output.delta attempt.succeeded task.succeeded "       \
    "run.finished"
    {RETRIES, RETRIED, 60000, RUN_SUCCEEDED, WAITS, 0},
    {RETRIES, RETRIED, 60000, RUN_SUCCEEDED, PLAIN, 100},
#define SLEEPS "{\"task\":{\"type\":\"sleep\",\"duration_ms\":60000}}"
#define SLEPT  "run.queued run.running task.running run.waiting task.succeeded run.finished"
    {SLEEPS, SLEPT, 60000, RUN_SUCCEEDED, WAITS, 0},
    {SLEEPS, SLEPT, 60000, RUN_SUCCEEDED, PLAIN, 100},
};

enum { ROWS = sizeof rows / sizeof rows[0] };

START_TEST(what_is_due_comes_in_its_time)
{
    int64_t jump_ms = jumps_ms[_i / ROWS];
    int row = _i % ROWS;
    struct rig_options o = rig_options_default();
    o.providers[0].limiter.breaker.failures = 0;
    rig_start(&rig, &o);
    run(0, rows[row].way, rows[row].body);
    come_close(rows[row].due_ms, jump_ms);
    ck_assert(!run_state_is_terminal(state(0)));
    rig_advance(&rig, 101 + rows[row].late_ms);
    ck_assert_msg(state(0) == rows[row].end, "%d by %lld: %s", row, (long long)jump_ms,
                  rig_types(rig_events(&rig, &ids[0])));
    ck_assert_str_eq(rig_types(rig_events(&rig, &ids[0])), rows[row].types);
    finish(1);
}
END_TEST

/* Open for a minute, give or take a tenth. */
START_TEST(a_breaker_opens_and_lets_its_probe_go_in_its_time)
{
    struct rig_options o = rig_options_default();
    o.providers[0].limiter.breaker.failures = 1;
    rig_start(&rig, &o);
    run(0, WAITS, "{\"agent\":\"echo\",\"params\":{\"sim\":{\"fail\":[{\"as\":\"status\"}]}}}");
    rig_advance(&rig, 50);
    ck_assert_int_eq(state(0), RUN_FAILED);
    run(1, WAITS, "{\"agent\":\"echo\",\"input\":\"x\"}");
    run(2, PLAIN, "{\"agent\":\"echo\",\"input\":\"x\"}");
    come_close(53000, jumps_ms[_i]);
    ck_assert_int_eq(state(1), RUN_WAITING);
    ck_assert_int_eq(state(2), RUN_WAITING);
    rig_advance(&rig, 14000);
    ck_assert_int_eq(state(1), RUN_SUCCEEDED);
    ck_assert_int_eq(state(2), RUN_SUCCEEDED);
    finish(3);
}
END_TEST

/* Stored at one time, opened at another: what is left of its own is what was left. */
START_TEST(a_run_that_slept_over_a_jump_keeps_its_deadline)
{
    struct rig_options o = rig_options_default();
    rig_start(&rig, &o);
    run(0, PLAIN,
        "{\"timeout_ms\":90000,\"task\":{\"type\":\"sequence\",\"steps\":[{\"type\":\"sleep\",\"name\":"
        "\"a\",\"duration_ms\":60000},{\"type\":\"call\",\"name\":\"b\",\"model\":\"sim/echo\","
        "\"params\":{\"sim\":{\"first_ms\":600000}}}]}}");
    come_close(90000, jumps_ms[_i]);
    ck_assert_int_eq(state(0), RUN_RUNNING);
    rig_advance(&rig, 200);
    ck_assert_int_eq(state(0), RUN_TIMED_OUT);
    finish(1);
}
END_TEST

Suite *suite_runs_clock_jump(void)
{
    Suite *s = suite_create("runs/clock_jump");
    TCase *t = tcase_create("jumps");
    tcase_add_loop_test(t, what_is_due_comes_in_its_time, 0, JUMPS * ROWS);
    tcase_add_loop_test(t, a_breaker_opens_and_lets_its_probe_go_in_its_time, 0, JUMPS);
    tcase_add_loop_test(t, a_run_that_slept_over_a_jump_keeps_its_deadline, 0, JUMPS);
    suite_add_tcase(s, t);
    return s;
}
