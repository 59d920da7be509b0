/* The gateway stops in order: nothing new comes in, what runs may end, what sleeps is not waited
 * for, and the next gateway goes on with the rest. */
#include <check.h>
#include <stdio.h>

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
    suite_add_tcase(s, t);
    return s;
}
