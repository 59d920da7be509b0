/* The gateway dies, and another one goes on: each run that was acknowledged ends once, whatever it
 * was at, and its events say what happened. */
#include <check.h>
#include <string.h>

#include "tests/support/rig_ops.h"

Suite *suite_runs_recovery(void);

static struct rig rig;
static struct created before, created;
static struct id id;

#define SIM(params)   "\"params\":{\"sim\":{" params "}}"
#define LINE_OF(body) "{\"agent\":\"story\"," body "}"
#define HANGS         LINE_OF(SIM("\"fail\":[{\"as\":\"hang\",\"attempt\":1}],\"tokens\":2"))
#define SPEAKS        LINE_OF(SIM("\"gap_ms\":500,\"tokens\":5"))
#define RETRIES(base_ms)                                                                                  \
    "{\"task\":{\"type\":\"call\",\"model\":\"sim/story\",\"retry\":{\"attempts\":2,\"base_ms\":" base_ms \
    ",\"max_ms\":60000,\"jitter\":\"none\"}," SIM(                                                        \
        "\"tokens\":2,\"fail\":[{\"as\":\"status\",\"attempt\":1}]") "}}"

#define BEGUN "run.queued run.running task.running attempt.started "
#define DONE  "output.delta attempt.succeeded task.succeeded run.finished"
#define FELL  BEGUN "attempt.failed task.retrying run.waiting "

/* One moment at which the gateway dies. `events`: of the whole life, where on_crash is retry. */
static const struct moment {
    const char *what;
    const char *body;
    const char *first; /* stands in the way; NULL: none */
    uint32_t live_runs, slots;
    uint64_t after_ms; /* from its acceptance */
    const char *events;
} moments[] = {
    {"queued in the store", SPEAKS, HANGS, 1, 100, 50,
     "run.queued run.running task.running "
     "attempt.started " DONE},
    {"blocked, not told to wait yet", SPEAKS, HANGS, 100, 1, 50,
     "run.queued run.running task.running task.blocked stream.gap attempt.started " DONE},
    {"waiting for a slot", SPEAKS, HANGS, 100, 1, 500,
     "run.queued run.running task.running task.blocked run.waiting run.running attempt.started " DONE},
    {"in flight, silent", HANGS, NULL, 100, 100, 500,
     BEGUN "stream.gap attempt.lost attempt.started " DONE},
    {"in flight, in the middle of its answer", SPEAKS, NULL, 100, 100, 1200,
     BEGUN "output.delta stream.gap attempt.lost attempt.restarted attempt.started " DONE},
    {"about to try again", RETRIES("800"), NULL, 100, 100, 300,
     FELL "run.running attempt.started " DONE},
    {"parked", RETRIES("30000"), NULL, 100, 100, 300, FELL "run.running attempt.started " DONE},
};

enum { MOMENTS = sizeof moments / sizeof moments[0] };

static void start(const struct moment *m, bool on_sqlite)
{
    struct rig_options o = rig_options_default();
    o.limits.live_runs = m->live_runs;
    o.providers[0].limiter.concurrency = m->slots;
    o.on_sqlite = on_sqlite;
    rig_start(&rig, &o);
    if (m->first != NULL)
        rig_run(&rig, 0, m->first, PLAIN, &before);
    id = rig_run(&rig, 0, m->body, PLAIN, &created);
    ck_assert_uint_eq(created.accepted, 1);
    rig_advance(&rig, m->after_ms);
    rig_forget(&created);
    if (m->first != NULL)
        rig_forget(&before);
}

static enum run_state state(void)
{
    enum run_state s;
    ck_assert_int_eq(rig_get(&rig, 1, &id, &s, NULL), OK);
    return s;
}

static const char *types(void)
{
    return rig_types(rig_events(&rig, &id));
}

START_TEST(an_acknowledged_run_ends_once_whenever_the_gateway_dies)
{
    const struct moment *m = &moments[_i / 2];
    start(m, _i % 2 == 1);
    rig_crash(&rig);
    rig_advance(&rig, 100000);
    ck_assert_msg(state() == RUN_SUCCEEDED, "%s", m->what);
    ck_assert_msg(strcmp(types(), m->events) == 0, "%s: %s", m->what, types());
    rig_stop(&rig);
}
END_TEST

/* Again and again, at the same moment of each life and just after it has begun. */
START_TEST(it_ends_once_however_often_the_gateway_dies)
{
    const struct moment *m = &moments[_i];
    start(m, false);
    for (int n = 0; n < 5; n++) {
        rig_crash(&rig);
        rig_advance(&rig, n % 2 == 0 ? 0 : 30);
    }
    rig_advance(&rig, 100000);
    ck_assert_msg(state() == RUN_SUCCEEDED, "%s", m->what);
    ck_assert_uint_eq(rig_count_of(rig_events(&rig, &id), "\"run.finished\""), 1);
    ck_assert_uint_eq(rig_count_of(rig_events(&rig, &id), "\"run.queued\""), 1);
    (void)types(); /* every hole is covered by a gap */
    rig_stop(&rig);
}
END_TEST

/* The store answers the second gateway's first claim, and it dies before it hears of it. */
START_TEST(a_crash_in_the_middle_of_a_recovery_is_recovered_from)
{
    const struct moment *m = &moments[_i];
    start(m, false);
    rig_crash(&rig);
    store_fake_hold(rig.fake);
    rig_advance(&rig, 5);
    store_fake_take_over(rig.fake);
    store_fake_let_go(rig.fake);
    rig_restart(&rig);
    rig_advance(&rig, 100000);
    ck_assert_msg(state() == RUN_SUCCEEDED, "%s", m->what);
    ck_assert_uint_eq(rig_count_of(rig_events(&rig, &id), "\"run.finished\""), 1);
    (void)types();
    rig_stop(&rig);
}
END_TEST

static const struct {
    const char *what, *body, *code; /* NULL: it succeeds */
    uint64_t after_ms;
} fails[] = {
    {"in flight", "{\"on_crash\":\"fail\",\"agent\":\"story\"," SIM("\"first_ms\":1000") "}",
     "crashed", 500},
    {"in the middle of its answer",
     "{\"on_crash\":\"fail\",\"agent\":\"story\"," SIM("\"gap_ms\":500,\"tokens\":5") "}",
     "crashed", 1200},
    {"between two attempts",
     "{\"on_crash\":\"fail\",\"task\":{\"type\":\"call\",\"model\":\"sim/story\",\"retry\":{"
     "\"attempts\":2,\"base_ms\":800,\"jitter\":\"none\"}," SIM(
         "\"tokens\":2,\"fail\":[{\"as\":\"status\",\"attempt\":1}]") "}}",
     NULL, 300},
};

START_TEST(a_call_that_must_not_be_made_twice_fails_as_crashed)
{
    struct rig_options o = rig_options_default();
    bool dies = _i % 2 == 0;
    rig_start(&rig, &o);
    id = rig_run(&rig, 0, fails[_i / 2].body, PLAIN, &created);
    rig_advance(&rig, fails[_i / 2].after_ms);
    rig_forget(&created);
    if (dies)
        rig_crash(&rig);
    else
        rig_restart(&rig);
    rig_advance(&rig, 5000);
    if (fails[_i / 2].code != NULL) {
        ck_assert_msg(state() == RUN_FAILED, "%s", fails[_i / 2].what);
        ck_assert(rig_text_has(rig_row(&rig, &id)->error, fails[_i / 2].code));
    } else {
        ck_assert_msg(state() == RUN_SUCCEEDED, "%s", fails[_i / 2].what);
    }
    (void)types();
    rig_stop(&rig);
}
END_TEST

/* What was told before the crash is found again, byte for byte, under the same seqs. */
START_TEST(what_was_told_stays_told)
{
    struct rig_options o = rig_options_default();
    struct reader live;
    uint64_t at_ms = (uint64_t)_i * 130;
    rig_start(&rig, &o);
    id = rig_run(&rig, 0, LINE_OF(SIM("\"gap_ms\":100,\"tokens\":10")), STREAMS, &created);
    rig_read(&rig, 1, &id, 0, true, &live);
    rig_advance(&rig, at_ms);
    struct buf told = live.out;
    uint64_t last = live.follow->cursor;
    buf_init(&live.out, SIZE_MAX / 2);
    rig_close(&live);
    rig_forget(&created);
    rig_crash(&rig);
    rig_advance(&rig, 10000);
    struct str after = rig_events(&rig, &id);
    struct str rest = buf_str(&told);
    struct event_line mine, theirs;
    while (event_next_line(&rest, &mine)) {
        do
            ck_assert(event_next_line(&after, &theirs));
        while (theirs.seq < mine.seq && str_eq(theirs.type, STR("stream.gap")));
        if (theirs.seq == mine.seq)
            ck_assert(str_eq(mine.json, theirs.json));
        else /* a delta that was lost: what comes is its gap, and nothing has its seq */
            ck_assert(str_eq(mine.type, STR("output.delta")) && theirs.seq > last &&
                      str_eq(theirs.type, STR("stream.gap")));
        if (theirs.seq > last)
            break;
    }
    buf_fini(&told);
    ck_assert_int_eq(state(), RUN_SUCCEEDED);
    rig_stop(&rig);
}
END_TEST

/* As many events were told before their commit as the limit allowed then; it is lower now. */
START_TEST(a_seq_was_told_twice_after_a_crash_under_another_limit)
{
    struct rig_options o = rig_options_default();
    struct reader live, after;
    o.limits.uncommitted_events = 4096;
    rig_start(&rig, &o);
    id = rig_run(&rig, 0, LINE_OF(SIM("\"gap_ms\":10,\"tokens\":200")), STREAMS, &created);
    rig_read(&rig, 1, &id, 0, true, &live);
    rig_advance(&rig, 100);
    store_fake_hold(rig.fake);
    rig_advance(&rig, 1000);
    uint64_t last = live.follow->cursor;
    rig_close(&live);
    rig_forget(&created);
    rig.options.limits.uncommitted_events = 16;
    store_fake_take_over(rig.fake); /* what is held is not written any more */
    store_fake_let_go(rig.fake);
    rig_restart(&rig);
    rig_read(&rig, 1, &id, last, true, &after);
    rig_advance(&rig, 10000);
    ck_assert_int_eq(state(), RUN_SUCCEEDED);
    struct str rest = buf_str(&after.out);
    struct event_line line;
    bool has_gap = false;
    while (event_next_line(&rest, &line)) {
        ck_assert_uint_gt(line.seq, last);
        has_gap = has_gap || str_eq(line.type, STR("stream.gap"));
    }
    ck_assert(has_gap);
    rig_close(&after);
    rig_stop(&rig);
}
END_TEST

/* The answer was on its way and not yet committed: whoever was not told may have no run. */
START_TEST(a_run_that_nobody_was_told_of_may_be_gone_and_one_that_was_told_of_is_not)
{
    struct rig_options o = rig_options_default();
    rig_start(&rig, &o);
    store_fake_hold(rig.fake);
    ck_assert_int_eq(rig_create(&rig, 0, SPEAKS, (enum way)_i, NULL, &created), OK);
    rig_advance(&rig, 200);
    ck_assert_uint_eq(created.accepted, 0);
    store_fake_take_over(rig.fake);
    store_fake_let_go(rig.fake);
    rig_advance(&rig, 100);
    ck_assert_uint_eq(created.accepted, 1); /* told that it is not there */
    ck_assert_int_ne(created.accept.refused, OK);
    rig_forget(&created);
    rig_restart(&rig);
    rig_advance(&rig, 10000);
    ck_assert_uint_eq(store_fake_rows(rig.fake), 0);
    rig_stop(&rig);
}
END_TEST

START_TEST(cancels_of_a_dead_gateway_are_carried_out)
{
    struct rig_options o = rig_options_default();
    struct asked asked;
    rig_start(&rig, &o);
    id = rig_run(&rig, 0, HANGS, PLAIN, &created);
    rig_advance(&rig, 100);
    rig_forget(&created);
    rig_ask_cancel(&rig, 0, &id, &asked);
    rig_settle(&rig);
    ck_assert_uint_eq(asked.answers, 1);
    rig_crash(&rig);
    rig_advance(&rig, 10000);
    ck_assert_int_eq(state(), RUN_CANCELLED);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_run_keeps_its_deadline_over_a_crash)
{
    struct rig_options o = rig_options_default();
    rig_start(&rig, &o);
    id = rig_run(
        &rig, 0,
        "{\"agent\":\"story\",\"timeout_ms\":10000," SIM("\"fail\":[{\"as\":\"hang\"}]") "}", PLAIN,
        &created);
    rig_advance(&rig, 6000);
    rig_forget(&created);
    rig_crash(&rig);
    rig_advance(&rig, 3500);
    ck_assert_int_eq(state(), RUN_RUNNING);
    rig_advance(&rig, 600);
    ck_assert_int_eq(state(), RUN_TIMED_OUT);
    rig_stop(&rig);
}
END_TEST

Suite *suite_runs_recovery(void)
{
    Suite *s = suite_create("runs/recovery");
    TCase *t = tcase_create("crash");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, an_acknowledged_run_ends_once_whenever_the_gateway_dies, 0, 2 * MOMENTS);
    tcase_add_loop_test(t, it_ends_once_however_often_the_gateway_dies, 0, MOMENTS);
    tcase_add_loop_test(t, a_crash_in_the_middle_of_a_recovery_is_recovered_from, 0, MOMENTS);
    tcase_add_loop_test(t, a_call_that_must_not_be_made_twice_fails_as_crashed, 0,
                        2 * (int)(sizeof fails / sizeof fails[0]));
    tcase_add_loop_test(t, what_was_told_stays_told, 0, 10);
    tcase_add_test(t, a_seq_was_told_twice_after_a_crash_under_another_limit);
    tcase_add_loop_test(
        t, a_run_that_nobody_was_told_of_may_be_gone_and_one_that_was_told_of_is_not, 0, 3);
    tcase_add_test(t, cancels_of_a_dead_gateway_are_carried_out);
    tcase_add_test(t, a_run_keeps_its_deadline_over_a_crash);
    suite_add_tcase(s, t);
    return s;
}
