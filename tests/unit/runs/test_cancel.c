/* Cancelling a run, wherever it is and whatever it does: what was in flight is ended in the same
 * turn, the run ends once, and the answer says how it was found. */
#include <check.h>

#include "runs/attempt.h"
#include "tests/support/rig_ops.h"

Suite *suite_runs_cancel(void);

static struct rig rig;
static struct created first, created;
static struct reader reader;

#define HANGS  "{\"agent\":\"story\",\"params\":{\"sim\":{\"fail\":[{\"as\":\"hang\"}]}}}"
#define SPEAKS "{\"agent\":\"story\",\"params\":{\"sim\":{\"gap_ms\":500}}}"
#define FAILS                                                                                      \
    "{\"task\":{\"type\":\"call\",\"model\":\"sim/echo\",\"retry\":{\"attempts\":2,"               \
    "\"base_ms\":60000,\"max_ms\":60000,\"jitter\":\"none\"},"                                     \
    "\"params\":{\"sim\":{\"fail\":[{\"as\":\"status\"}]}}}}"
#define FAILS_SHORTLY                                                                              \
    "{\"task\":{\"type\":\"call\",\"model\":\"sim/echo\",\"retry\":{\"attempts\":2,"               \
    "\"base_ms\":800,\"jitter\":\"none\"},"                                                        \
    "\"params\":{\"sim\":{\"fail\":[{\"as\":\"status\"}]}}}}"

/* One way to be found by a cancel. */
static const struct found {
    const char *what;
    const char *body;
    const char *before; /* another run, that stands in the way; NULL: none */
    uint32_t live_runs, slots;
    enum way way;
    uint64_t after_ms; /* from its creation to the cancel */
    bool is_live;      /* then */
    const char *events;
} cases[] = {
    {"running, silent", HANGS, NULL, 100, 100, PLAIN, 50, true,
     "run.queued run.running task.running attempt.started run.cancelling attempt.cancelled "
     "task.cancelled run.finished"},
    {"running, in the middle of its answer", SPEAKS, NULL, 100, 100, PLAIN, 1200, true,
     "run.queued run.running task.running attempt.started output.delta run.cancelling "
     "attempt.cancelled task.cancelled run.finished"},
    {"a retry is due soon", FAILS_SHORTLY, NULL, 100, 100, PLAIN, 50, true,
     "run.queued run.running task.running attempt.started attempt.failed task.retrying run.waiting "
     "run.cancelling task.cancelled run.finished"},
    {"a retry is due late, and somebody waits", FAILS, NULL, 100, 100, WAITS, 500, true,
     "run.queued run.running task.running attempt.started attempt.failed task.retrying run.waiting "
     "run.cancelling task.cancelled run.finished"},
    {"parked", FAILS, NULL, 100, 100, PLAIN, 500, false,
     "run.queued run.running task.running attempt.started attempt.failed task.retrying run.waiting "
     "run.cancelling task.cancelled run.finished"},
    {"blocked for a moment", SPEAKS, HANGS, 100, 1, PLAIN, 50, true,
     "run.queued run.running task.running task.blocked run.cancelling task.cancelled run.finished"},
    {"blocked for long", SPEAKS, HANGS, 100, 1, PLAIN, 500, true,
     "run.queued run.running task.running task.blocked run.waiting run.cancelling task.cancelled "
     "run.finished"},
    {"waiting for its turn in the store", SPEAKS, HANGS, 1, 100, PLAIN, 50, false,
     "run.queued run.cancelling task.cancelled run.finished"},
};

enum { CASES = sizeof cases / sizeof cases[0] };

static void start(const struct found *c, struct id *ret_id)
{
    struct rig_options o = rig_options_default();
    o.limits.live_runs = c->live_runs;
    o.providers[0].limiter.concurrency = c->slots;
    rig_start(&rig, &o);
    if (c->before != NULL)
        rig_run(&rig, 0, c->before, PLAIN, &first);
    *ret_id = rig_run(&rig, 0, c->body, c->way, &created);
    rig_advance(&rig, c->after_ms);
    ck_assert_msg((rig_live(&rig, ret_id) != NULL) == c->is_live, "%s", c->what);
}

static void finish(const struct found *c)
{
    rig_forget(&created);
    if (c->before != NULL)
        rig_forget(&first);
    rig_stop(&rig);
}

static unsigned borrowed(void)
{
    struct gate_status status;
    gate_status(rig.engine->shards[0].catalog->upstreams[0]->gate, &status);
    return status.limiter.borrowed;
}

START_TEST(a_cancel_ends_a_run_wherever_it_is)
{
    const struct found *c = &cases[_i / 2];
    uint32_t from = (uint32_t)_i % 2; /* the run lives on loop 0 */
    struct id id;
    start(c, &id);
    ck_assert_msg(rig_cancel(&rig, from, &id) == OK, "%s", c->what);
    ck_assert_int_eq(rig_row(&rig, &id)->state, RUN_CANCELLED);
    ck_assert_ptr_null(rig_live(&rig, &id));
    ck_assert_uint_eq(borrowed(), c->before != NULL);
    ck_assert_msg(strcmp(rig_types(rig_events(&rig, &id)), c->events) == 0, "%s: %s", c->what,
                  rig_types(rig_events(&rig, &id)));
    ck_assert_uint_eq(created.ended, c->way == WAITS);
    rig_advance(&rig, 120000);
    ck_assert_str_eq(rig_types(rig_events(&rig, &id)), c->events);
    finish(c);
}
END_TEST

START_TEST(a_second_cancel_finds_it_ended)
{
    const struct found *c = &cases[_i];
    struct id id;
    start(c, &id);
    ck_assert_int_eq(rig_cancel(&rig, 0, &id), OK);
    ck_assert_int_eq(rig_cancel(&rig, 1, &id), ERR_RUN_FINISHED);
    ck_assert_str_eq(rig_types(rig_events(&rig, &id)), c->events);
    finish(c);
}
END_TEST

/* Both come before either is stored. */
START_TEST(two_cancels_at_once_end_it_once)
{
    const struct found *c = &cases[_i];
    struct asked asked[2];
    struct id id;
    start(c, &id);
    rig_ask_cancel(&rig, 0, &id, &asked[0]);
    rig_ask_cancel(&rig, 1, &id, &asked[1]);
    rig_advance(&rig, 100);
    for (int i = 0; i < 2; i++) {
        ck_assert_msg(asked[i].answers == 1, "%s: %d", c->what, i);
        ck_assert(asked[i].stop.result == OK || asked[i].stop.result == ERR_RUN_FINISHED);
    }
    ck_assert(asked[0].stop.result == OK || asked[1].stop.result == OK);
    ck_assert_int_eq(rig_row(&rig, &id)->state, RUN_CANCELLED);
    ck_assert_str_eq(rig_types(rig_events(&rig, &id)), c->events);
    finish(c);
}
END_TEST

START_TEST(a_cancel_is_answered_once_it_is_stored)
{
    struct asked asked;
    struct id id;
    start(&cases[0], &id);
    store_fake_hold(rig.fake);
    rig_ask_cancel(&rig, 1, &id, &asked);
    rig_settle(&rig);
    ck_assert_uint_eq(borrowed(), 0); /* the call is stopped at once */
    ck_assert_uint_eq(asked.answers, 0);
    store_fake_let_go(rig.fake);
    rig_settle(&rig);
    ck_assert_uint_eq(asked.answers, 1);
    ck_assert_int_eq(asked.stop.result, OK);
    finish(&cases[0]);
}
END_TEST

START_TEST(a_run_that_ended_otherwise_cannot_be_cancelled)
{
    struct rig_options o = rig_options_default();
    rig_start(&rig, &o);
    struct id id = rig_run(&rig, 0, "{\"agent\":\"echo\",\"input\":\"x\"}", PLAIN, &created);
    rig_advance(&rig, 100);
    ck_assert_int_eq(rig_cancel(&rig, (uint32_t)_i, &id), ERR_RUN_FINISHED);
    ck_assert_int_eq(rig_row(&rig, &id)->state, RUN_SUCCEEDED);
    struct id nobody = {.bytes = {1}};
    ck_assert_int_eq(rig_cancel(&rig, 0, &nobody), ERR_NOT_FOUND);
    rig_forget(&created);
    rig_stop(&rig);
}
END_TEST

/* Who asks has seen it running; meanwhile it ended, and left. */
START_TEST(a_cancel_of_a_task_whose_run_has_ended_and_left_says_so_at_once)
{
    struct rig_options o = rig_options_default();
    rig_start(&rig, &o);
    struct id id = rig_run(
        &rig, 0, "{\"task\":{\"type\":\"sequence\",\"steps\":[{\"type\":\"value\",\"value\":1}]}}",
        PLAIN, &created);
    rig_advance(&rig, 1000);
    ck_assert_ptr_null(rig_live(&rig, &id));
    ck_assert_int_eq(rig_cancel_task(&rig, (uint32_t)_i, &id, "0"), ERR_RUN_FINISHED);
    ck_assert_int_eq(rig_delete(&rig, 0, &id), OK);
    ck_assert_int_eq(rig_cancel_task(&rig, (uint32_t)_i, &id, "0"), ERR_NOT_FOUND);
    rig_forget(&created);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_cancel_while_the_store_is_away_says_so_or_waits)
{
    const struct found *c = &cases[_i];
    struct asked asked;
    struct id id;
    start(c, &id);
    store_fake_go_away(rig.fake);
    rig_ask_cancel(&rig, 0, &id, &asked);
    rig_advance(&rig, 1000);
    if (c->is_live) {
        ck_assert_uint_eq(asked.answers, 0);
    } else {
        ck_assert_uint_eq(asked.answers, 1);
        ck_assert_int_eq(asked.stop.result, ERR_STORAGE_UNAVAILABLE);
    }
    store_fake_heal(rig.fake);
    rig_advance(&rig, 1000);
    ck_assert_uint_eq(asked.answers, 1);
    ck_assert_int_eq(rig_row(&rig, &id)->state == RUN_CANCELLED, c->is_live);
    finish(c);
}
END_TEST

START_TEST(readers_of_a_run_see_its_cancel)
{
    const struct found *c = &cases[_i];
    struct asked asked;
    struct id id;
    start(c, &id);
    rig_read(&rig, 1, &id, 0, true, &reader);
    rig_settle(&rig);
    rig_ask_cancel(&rig, 0, &id, &asked);
    rig_advance(&rig, 100);
    ck_assert_int_eq(asked.stop.result, OK);
    ck_assert_str_eq(rig_types(buf_str(&reader.out)), c->events);
    ck_assert(follow_is_over(reader.follow));
    rig_close(&reader);
    finish(c);
}
END_TEST

Suite *suite_runs_cancel(void)
{
    Suite *s = suite_create("runs/cancel");
    TCase *t = tcase_create("cancel");
    tcase_add_loop_test(t, a_cancel_ends_a_run_wherever_it_is, 0, 2 * CASES);
    tcase_add_loop_test(t, a_second_cancel_finds_it_ended, 0, CASES);
    tcase_add_loop_test(t, two_cancels_at_once_end_it_once, 0, CASES);
    tcase_add_test(t, a_cancel_is_answered_once_it_is_stored);
    tcase_add_loop_test(t, a_run_that_ended_otherwise_cannot_be_cancelled, 0, 2);
    tcase_add_loop_test(t, a_cancel_of_a_task_whose_run_has_ended_and_left_says_so_at_once, 0, 2);
    tcase_add_loop_test(t, a_cancel_while_the_store_is_away_says_so_or_waits, 0, CASES);
    tcase_add_loop_test(t, readers_of_a_run_see_its_cancel, 0, CASES);
    suite_add_tcase(s, t);
    return s;
}
