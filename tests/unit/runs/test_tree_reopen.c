/* A tree whose gateway dies, stops or parks it goes on where it was: what has ended is not begun
 * again, what slept wakes when it would have, what was stopped stays so. */
#include "runs/tree_reopen.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/rig_ops.h"
#include "tests/support/sqlite_rig.h"

Suite *suite_runs_tree_reopen(void);

static struct rig rig;
static struct created created;
static struct id id;

static void start(const char *body, bool on_sqlite)
{
    struct rig_options o = rig_options_default();
    o.providers[0].limiter.breaker.failures = 0;
    o.on_sqlite = on_sqlite;
    rig_start(&rig, &o);
    id = rig_run(&rig, 0, body, PLAIN, &created);
    rig_forget(&created);
}

static const struct run_record *row(void)
{
    return rig_row(&rig, &id);
}

static bool output_is(const char *text)
{
    return row()->output.at != NULL && str_eq(row()->output, str_of(text));
}

static unsigned told(const char *what)
{
    return rig_count_of(rig_events(&rig, &id), what);
}

#define V(json)   "{\"type\":\"value\",\"value\":" json "}"
#define SLEEP(ms) "{\"type\":\"sleep\",\"duration_ms\":" #ms "}"
#define AFTER(ms, text)                                                                            \
    "{\"type\":\"call\",\"model\":\"sim/echo\",\"input\":\"" text                                  \
    "\",\"params\":{\"sim\":{\"first_ms\":" #ms "}}}"
#define SEQ(...)   "{\"type\":\"sequence\",\"steps\":[" __VA_ARGS__ "]}"
#define PAR(...)   "{\"type\":\"parallel\",\"tasks\":[" __VA_ARGS__ "]}"
#define TASK(tree) "{\"task\":" tree "}"

START_TEST(a_sleeping_tree_is_parked_and_wakes_in_time)
{
    start(TASK(SEQ(V("1") "," SLEEP(60000) "," V("\"{{prev}}\""))), false);
    rig_advance(&rig, 1000);
    ck_assert_int_eq(row()->state, RUN_WAITING);
    ck_assert(rig_text_has(row()->reason, "\"code\":\"timer\""));
    ck_assert_ptr_null(rig_live(&rig, &id));
    rig_advance(&rig, 58900);
    ck_assert_int_eq(row()->state, RUN_WAITING);
    rig_advance(&rig, 200);
    ck_assert_int_eq(row()->state, RUN_SUCCEEDED);
    ck_assert(output_is("[1,null,null]"));
    rig_stop(&rig);
}
END_TEST

START_TEST(a_parked_sleep_ends_with_its_scope)
{
    start(
        TASK(SEQ(
            "{\"type\":\"parallel\",\"timeout_ms\":5000,\"on_error\":\"continue\",\"tasks\":[" SLEEP(
                60000) "]}," V("1"))),
        false);
    rig_advance(&rig, 1000);
    ck_assert_ptr_null(rig_live(&rig, &id));
    rig_advance(&rig, 4200);
    ck_assert(output_is("[null,1]"));
    rig_stop(&rig);
}
END_TEST

START_TEST(a_sleep_keeps_its_end_over_a_crash)
{
    start(TASK(PAR(SLEEP(10000) "," AFTER(8000, "x"))), false);
    for (int i = 0; i < 3; i++) {
        rig_advance(&rig, 2000);
        rig_crash(&rig);
    }
    rig_advance(&rig, 4100); /* the sleep has ended, the call began anew at 6000 */
    ck_assert_uint_eq(told("\"task.succeeded\""), 1);
    rig_advance(&rig, 4000);
    ck_assert(output_is("[null,\"x\"]"));
    rig_stop(&rig);
}
END_TEST

START_TEST(what_has_ended_is_not_called_again)
{
    start(TASK(SEQ(AFTER(100, "a") "," AFTER(100, "b") "," AFTER(9000, "c"))), _i == 1);
    rig_advance(&rig, 1000);
    rig_crash(&rig);
    rig_advance(&rig, 10000);
    ck_assert_uint_eq(told("\"attempt.started\""), 4);
    ck_assert_uint_eq(told("\"attempt.lost\""), 1);
    ck_assert_uint_eq(told("\"task.running\""), 4);
    ck_assert_uint_eq(told("\"output\":[\"a\",\"b\",\"c\"]"), 2); /* of the root, and of the run */
    rig_stop(&rig);
}
END_TEST

/* What a waiting run had told as it went on, and not stored, was told anew after a crash: with the
 * same seq, and not the same. */
START_TEST(no_seq_is_given_twice_where_a_waiting_run_goes_on)
{
    static const char *const bodies[] = {
        TASK(
            "{\"type\":\"sequence\",\"retry\":{\"attempts\":2,\"base_ms\":1000,\"jitter\":\"none\"},"
            "\"steps\":[{\"type\":\"value\",\"value\":\"{{input.none}}\"}]}"),
        TASK(
            "{\"type\":\"call\",\"model\":\"sim/echo\",\"input\":\"x\",\"retry\":{\"attempts\":2,"
            "\"base_ms\":1000,\"jitter\":\"none\"},\"params\":{\"sim\":{\"fail\":[{\"as\":\"status\","
            "\"attempt\":1}]}}}"),
    };
    struct rig_options o = rig_options_default();
    struct created other;
    struct reader reader;
    o.providers[0].limiter.concurrency = 1; /* which the other one has when it goes on */
    rig_start(&rig, &o);
    id = rig_run(&rig, 0, bodies[_i], PLAIN, &created);
    rig_forget(&created);
    rig_read(&rig, 0, &id, 0, true, &reader);
    rig_advance(&rig, 800);
    rig_run(&rig, 0, TASK(AFTER(500, "y")), PLAIN, &other);
    rig_forget(&other);
    rig_advance(&rig, 100);
    ck_assert_int_eq(row()->state, RUN_WAITING);
    size_t told_before = reader.out.len;
    store_fake_hold(rig.fake);
    rig_advance(&rig, 200);
    ck_assert_uint_eq(reader.out.len, told_before);
    store_fake_let_go(rig.fake);
    rig_advance(&rig, 2000);
    ck_assert_uint_gt(reader.out.len, told_before);
    ck_assert(run_state_is_terminal(row()->state));
    rig_close(&reader);
    rig_stop(&rig);
}
END_TEST

/* A cancel that wakes a parked run made it begin, and so did its going on. */
START_TEST(a_finally_is_called_once_where_a_parked_run_is_cancelled)
{
    start(TASK(PAR(
              "{\"type\":\"sleep\",\"duration_ms\":60000,\"finally\":{\"type\":\"call\","
              "\"model\":\"sim/echo\",\"input\":\"undo\",\"timeout_ms\":5000,\"params\":{\"sim\":"
              "{\"first_ms\":100}}}}")),
          false);
    rig_advance(&rig, 1000);
    ck_assert_ptr_null(rig_live(&rig, &id));
    ck_assert_int_eq(rig_cancel(&rig, 0, &id), OK);
    rig_advance(&rig, 1000);
    ck_assert_int_eq(row()->state, RUN_CANCELLED);
    ck_assert_uint_eq(told("\"attempt.started\""), 1);
    ck_assert_uint_eq(told("\"task.succeeded\""), 1);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_call_that_must_not_be_made_twice_has_crashed)
{
    start("{\"on_crash\":\"fail\",\"task\":" SEQ(AFTER(100, "a") "," AFTER(9000, "b")) "}", false);
    rig_advance(&rig, 1000);
    rig_crash(&rig);
    rig_advance(&rig, 100);
    ck_assert_int_eq(row()->state, RUN_FAILED);
    ck_assert(rig_text_has(row()->error, "{\"code\":\"crashed\""));
    ck_assert(rig_text_has(row()->error, "\"partial\":[\"a\"]"));
    rig_stop(&rig);
}
END_TEST

/* The parents' rows were as old as their own last step. */
START_TEST(what_was_used_is_not_forgotten)
{
    start("{\"on_crash\":\"fail\",\"task\":" PAR(
              AFTER(100, "a b c") "," SEQ(AFTER(200, "d e") "," AFTER(9000, "b"))) "}",
          false);
    rig_advance(&rig, 1000);
    rig_crash(&rig);
    rig_advance(&rig, 100);
    ck_assert_int_eq(row()->state, RUN_FAILED);
    ck_assert_uint_eq(row()->usage.calls, 3);
    ck_assert_uint_eq(row()->usage.attempts, 3);
    ck_assert_uint_eq(row()->usage.output_tokens, 5);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_scope_times_out_at_its_moment)
{
    start(TASK("{\"type\":\"sequence\",\"timeout_ms\":5000,\"steps\":[" AFTER(90000, "a") "]}"),
          false);
    rig_advance(&rig, 3000);
    rig_crash(&rig);
    rig_advance(&rig, 1600); /* a crash takes up to 250 */
    ck_assert_int_eq(row()->state, RUN_RUNNING);
    rig_advance(&rig, 400);
    ck_assert_int_eq(row()->state, RUN_TIMED_OUT);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_shield_goes_on_under_a_cancel)
{
    start(TASK(PAR(AFTER(90000, "a") ",{\"type\":\"shield\",\"timeout_ms\":60000,\"task\":" AFTER(
              5000, "kept") "}")),
          false);
    rig_advance(&rig, 1000);
    ck_assert_int_eq(rig_cancel(&rig, 0, &id), OK);
    rig_crash(&rig);
    ck_assert_int_eq(row()->state, RUN_CANCELLING);
    rig_advance(&rig, 6000);
    ck_assert_int_eq(row()->state, RUN_CANCELLED);
    ck_assert_uint_eq(told("\"output\":\"kept\""), 2); /* the call's and the shield's */
    rig_stop(&rig);
}
END_TEST

START_TEST(a_parked_tree_is_cancelled_where_it_lies)
{
    start(TASK(SEQ(SLEEP(60000) "," V("1"))), false);
    rig_advance(&rig, 1000);
    ck_assert_ptr_null(rig_live(&rig, &id));
    ck_assert_int_eq(rig_cancel(&rig, 1, &id), OK);
    rig_advance(&rig, 100);
    ck_assert_int_eq(row()->state, RUN_CANCELLED);
    ck_assert_uint_eq(told("\"task.cancelled\""), 3);
    ck_assert_uint_eq(told("\"task.running\""), 2);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_finally_that_was_under_way_runs_to_its_end)
{
    start(
        TASK(
            "{\"type\":\"value\",\"value\":1,\"finally\":{\"type\":\"call\",\"model\":\"sim/echo\","
            "\"input\":\"f\",\"timeout_ms\":60000,\"params\":{\"sim\":{\"first_ms\":5000}}}}"),
        false);
    rig_advance(&rig, 1000);
    rig_crash(&rig);
    rig_advance(&rig, 6000);
    ck_assert(output_is("1"));
    ck_assert_uint_eq(told("\"task.succeeded\""), 2);
    rig_stop(&rig);
}
END_TEST

#define SHIELD(task) "{\"type\":\"shield\",\"timeout_ms\":60000,\"task\":" task "}"
#define RACE(...)    "{\"type\":\"race\",\"tasks\":[" __VA_ARGS__ "]}"

/* It waits for its shield alone: neither a cancel, nor a race around it that is over, changes what
 * it becomes. In the loop: nobody dies; a crash comes before the cancel, in the middle, or in the
 * middle twice. */
START_TEST(what_was_decided_keeps_its_outcome_over_a_crash_and_a_cancel)
{
    start(TASK(RACE(AFTER(100, "x") "," SHIELD(AFTER(5000, "s")))), false);
    rig_advance(&rig, 1000);
    if (_i == 1)
        rig_crash(&rig);
    rig_advance(&rig, 500);
    ck_assert_int_eq(rig_cancel(&rig, 0, &id), OK);
    for (int i = 1; i < _i; i++) {
        rig_crash(&rig);
        rig_advance(&rig, 1000);
        ck_assert_int_eq(row()->state, RUN_CANCELLING);
    }
    rig_advance(&rig, 10000);
    ck_assert_int_eq(row()->state, RUN_SUCCEEDED);
    ck_assert(output_is("\"x\""));
    ck_assert_uint_eq(told("\"task.cancelled\""), 0);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_race_within_a_race_that_is_over_keeps_its_outcome_over_a_crash)
{
    start(TASK(RACE(AFTER(300, "x") "," RACE(AFTER(100, "y") "," SHIELD(AFTER(5000, "s"))))),
          false);
    rig_advance(&rig, 1000);
    if (_i == 1)
        rig_crash(&rig);
    rig_advance(&rig, 10000);
    ck_assert(output_is("\"x\""));
    ck_assert_uint_eq(told("\"task.cancelled\""), 0);
    ck_assert_uint_eq(told("\"task.succeeded\""), 6);
    rig_stop(&rig);
}
END_TEST

/* The word to cancel was left while nobody had the run. */
START_TEST(what_was_decided_keeps_its_outcome_when_it_is_woken_to_be_cancelled)
{
    start(TASK(RACE(AFTER(100, "x") "," SHIELD(SLEEP(50000)))), false);
    rig_advance(&rig, 2000);
    ck_assert_ptr_null(rig_live(&rig, &id));
    ck_assert_int_eq(rig_cancel(&rig, 0, &id), OK);
    rig_advance(&rig, 50000);
    ck_assert_int_eq(row()->state, RUN_SUCCEEDED);
    ck_assert(output_is("\"x\""));
    rig_stop(&rig);
}
END_TEST

START_TEST(a_pause_between_two_tries_keeps_its_end)
{
    start(
        TASK(
            "{\"type\":\"sequence\",\"retry\":{\"attempts\":2,\"base_ms\":9000,\"jitter\":\"none\"},"
            "\"steps\":[{\"type\":\"call\",\"model\":\"sim/echo\",\"input\":\"x\",\"params\":{"
            "\"sim\":{\"fail\":[{\"attempt\":1,\"as\":\"status\"}]}}}]}"),
        false);
    rig_advance(&rig, 4000);
    ck_assert_ptr_null(rig_live(&rig, &id));
    rig_restart(&rig);
    rig_advance(&rig, 4600); /* a restart takes up to 250 */
    ck_assert_int_eq(row()->state, RUN_WAITING);
    rig_advance(&rig, 400);
    ck_assert(output_is("[\"x\"]"));
    ck_assert_uint_eq(row()->usage.attempts, 2);
    ck_assert_uint_eq(row()->usage.calls, 1);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_large_map_goes_on_in_the_middle)
{
    char body[32768] = "{\"input\":[0";
    for (int i = 1; i < 2000; i++)
        snprintf(body + strlen(body), sizeof body - strlen(body), ",%d", i);
    snprintf(body + strlen(body), sizeof body - strlen(body),
             "],\"task\":{\"type\":\"map\",\"over\":\"{{input}}\",\"limit\":10,\"task\":%s}}",
             AFTER(100, "{{item}}"));
    start(body, _i == 1);
    for (int i = 0; i < 4; i++) {
        rig_advance(&rig, 3777);
        rig_crash(&rig);
    }
    rig_advance(&rig, 30000);
    ck_assert_uint_eq(told("\"run.finished\""), 1);
    ck_assert_uint_eq(told("\"task.succeeded\""), 2001);
    ck_assert_uint_eq(told("\"task.running\""), 2001);
    rig_stop(&rig);
}
END_TEST

/* It was judged anew, by what a reload had made of the limits, and ended as `internal`. */
START_TEST(a_map_goes_on_when_the_limits_have_become_less)
{
    start(
        "{\"input\":[\"aaaaaaaaaaaaaaaaaaaa\",\"bbbbbbbbbbbbbbbbbbbb\",3],\"task\":{\"type\":\"map\","
        "\"over\":\"{{input}}\",\"limit\":1,\"task\":" SLEEP(60000) "}}",
        false);
    rig_advance(&rig, 1000);
    ck_assert_ptr_null(rig_live(&rig, &id));
    struct rig_options less = rig.options;
    less.limits.spec.tree_nodes = 2;
    less.limits.output_bytes = 20;
    rig_take_over(&rig, &less);
    rig_advance(&rig, 200000);
    ck_assert(output_is("[null,null,null]"));
    rig_stop(&rig);
}
END_TEST

/* There was no place for the rows of more tasks than a run may make, which a `finally` may be: the
 * run went to the store and back for ever. */
START_TEST(a_tree_that_is_full_is_read_again)
{
    static const char *const bodies[] = {
        TASK(PAR(V("1") ",{\"type\":\"map\",\"over\":[1,2,3,4],\"limit\":2,\"task\":" AFTER(
            1000, "a") "}")),
        TASK(PAR(V("1") ",{\"type\":\"map\",\"over\":[1,2,3,4,5],\"limit\":2,\"task\":" AFTER(
            1000, "a") "}")),
    };
    start(bodies[_i], false);
    rig_advance(&rig, 1500); /* there are six below the root */
    rig_bound_tasks(&rig, 3);
    rig_crash(&rig);
    ck_assert_int_eq(row()->state, RUN_RUNNING);
    rig_advance(&rig, 4000);
    ck_assert_int_eq(row()->state, _i == 0 ? RUN_SUCCEEDED : RUN_FAILED);
    ck_assert(_i == 0 || rig_text_has(row()->error, "{\"code\":\"limit_exceeded\""));
    rig_stop(&rig);
}
END_TEST

/* The row of a sequence that had failed was nested more deeply than anybody reads: whoever took the
 * run up again dropped it, and it was said to run for ever. */
START_TEST(a_failed_sequence_is_read_again_whatever_it_had_finished)
{
    char body[2048] = "{\"input\":";
    memset(body + strlen(body), '[', 63);
    memset(body + strlen(body), ']', 63);
    strcat(body, ",\"task\":" SEQ("{\"type\":\"sequence\",\"on_error\":\"continue\",\"steps\":[" V(
                     "\"{{input}}\"") "," V("\"{{input.nope}}\"") "]}," AFTER(9000, "b")) "}");
    start(body, false);
    rig_advance(&rig, 1000);
    ck_assert_uint_eq(told("\"task.failed\""), 2);
    rig_crash(&rig);
    rig_advance(&rig, 10000);
    ck_assert_int_eq(row()->state, RUN_SUCCEEDED);
    ck_assert(output_is("[null,\"b\"]"));
    rig_stop(&rig);
}
END_TEST

static enum run_state state(void)
{
    enum run_state s;
    ck_assert_int_eq(rig_get(&rig, 0, &id, &s, NULL), OK);
    return s;
}

/* It was dropped from memory, and nobody took it up again. */
START_TEST(a_tree_of_which_a_row_is_damaged_fails)
{
    static const char *const damages[] = {
        "UPDATE task SET text = '{' WHERE path = '0'",
        "UPDATE task SET text = '{' WHERE path = ''",
        "UPDATE task SET path = '7/3' WHERE path = '1'",
    };
    start(TASK("{\"type\":\"sequence\",\"retry\":{\"attempts\":3},\"finally\":{"
               "\"type\":\"value\",\"timeout_ms\":1000,\"value\":1},\"steps\":[" AFTER(
                   100, "a") "," AFTER(90000, "b") "]}"),
          true);
    rig_advance(&rig, 1000);
    sqlite_rig_sql(damages[_i]);
    rig_crash(&rig);
    rig_advance(&rig, 1000);
    ck_assert_int_eq(state(), RUN_FAILED);
    ck_assert_uint_eq(told("\"run.finished\""), 1);
    ck_assert_uint_eq(told("{\"code\":\"internal\""), 2); /* of the root, and of the run */
    (void)rig_types(rig_events(&rig, &id));               /* every hole is covered by a gap */
    rig_stop(&rig);
}
END_TEST

Suite *suite_runs_tree_reopen(void)
{
    Suite *s = suite_create("runs/tree_reopen");
    TCase *t = tcase_create("reopening");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_sleeping_tree_is_parked_and_wakes_in_time);
    tcase_add_test(t, a_parked_sleep_ends_with_its_scope);
    tcase_add_test(t, a_sleep_keeps_its_end_over_a_crash);
    tcase_add_loop_test(t, what_has_ended_is_not_called_again, 0, 2);
    tcase_add_loop_test(t, no_seq_is_given_twice_where_a_waiting_run_goes_on, 0, 2);
    tcase_add_test(t, a_finally_is_called_once_where_a_parked_run_is_cancelled);
    tcase_add_test(t, a_call_that_must_not_be_made_twice_has_crashed);
    tcase_add_test(t, what_was_used_is_not_forgotten);
    tcase_add_test(t, a_scope_times_out_at_its_moment);
    tcase_add_test(t, a_shield_goes_on_under_a_cancel);
    tcase_add_test(t, a_parked_tree_is_cancelled_where_it_lies);
    tcase_add_test(t, a_finally_that_was_under_way_runs_to_its_end);
    tcase_add_loop_test(t, what_was_decided_keeps_its_outcome_over_a_crash_and_a_cancel, 0, 4);
    tcase_add_loop_test(t, a_race_within_a_race_that_is_over_keeps_its_outcome_over_a_crash, 0, 2);
    tcase_add_test(t, what_was_decided_keeps_its_outcome_when_it_is_woken_to_be_cancelled);
    tcase_add_test(t, a_pause_between_two_tries_keeps_its_end);
    tcase_add_loop_test(t, a_large_map_goes_on_in_the_middle, 0, 2);
    tcase_add_test(t, a_map_goes_on_when_the_limits_have_become_less);
    tcase_add_loop_test(t, a_tree_that_is_full_is_read_again, 0, 2);
    tcase_add_test(t, a_failed_sequence_is_read_again_whatever_it_had_finished);
    tcase_add_loop_test(t, a_tree_of_which_a_row_is_damaged_fails, 0, 3);
    suite_add_tcase(s, t);
    return s;
}
