/* The tasks of a run as a client sees them: the tree, one of it, waited for, cancelled. */
#include <check.h>
#include <stdio.h>

#include "tests/support/api_rig.h"
#include "tests/support/rig_ops.h"

Suite *suite_api_run_tasks(void);

static struct rig rig;
static struct api_rig api;
static struct asked_api asked;
static char run[64];

#define AFTER(ms, text)                                                                            \
    "{\"type\":\"call\",\"model\":\"sim/echo\",\"input\":\"" text                                  \
    "\",\"params\":{\"sim\":{\"first_ms\":" #ms "}}}"
#define V(json) "{\"type\":\"value\",\"value\":" json "}"
#define TREE                                                                                       \
    "{\"task\":{\"type\":\"sequence\",\"name\":\"all\",\"steps\":[" AFTER(                         \
        1000, "a") ","                                                                             \
                   "{\"type\":\"map\",\"name\":\"m\",\"over\":[1,2],\"task\":" V(                  \
                       "\"{{item}}\"") "},"                                                        \
                                       "{\"type\":\"parallel\",\"tasks\":[" AFTER(                 \
                                           9000, "b") "," V("1") "]}]}}"

static void start(const char *body, bool on_sqlite)
{
    struct rig_options o = rig_options_default();
    struct asked_api made;
    o.on_sqlite = on_sqlite;
    rig_start(&rig, &o);
    api_rig_start(&api, &rig);
    api_ask(&api, 0, "POST /v1/runs", NULL, body, &made);
    rig_settle(&rig);
    ck_assert_msg(made.status == 202, "%.*s", STR_ARG(buf_str(&made.body)));
    snprintf(run, sizeof run, "%s", api_header(&made, "Location"));
    api_done(&made);
}

static void finish(void)
{
    rig_settle(&rig);
    api_rig_stop(&api);
    rig_stop(&rig);
}

static void ask(const char *method, const char *rest, const char *headers)
{
    char line[256];
    snprintf(line, sizeof line, "%s %s%s", method, run, rest);
    api_ask(&api, 1, line, headers, NULL, &asked);
    rig_settle(&rig);
}

static bool says(const char *part)
{
    return rig_text_has(buf_str(&asked.body), part);
}

static void must_say(const char *rest, const char *part)
{
    ask("GET", rest, NULL);
    ck_assert_msg(asked.status == 200 && says(part), "%s: %d %.*s", rest, asked.status,
                  STR_ARG(buf_str(&asked.body)));
    api_done(&asked);
}

static void must_answer(const char *method, const char *rest, int status)
{
    ask(method, rest, NULL);
    ck_assert_msg(asked.status == status, "%s %s: %d %.*s", method, rest, asked.status,
                  STR_ARG(buf_str(&asked.body)));
    api_done(&asked);
}

START_TEST(the_tree_is_shown_while_it_grows)
{
    start(TREE, _i == 1);
    rig_advance(&rig, 100);
    must_say("/tasks",
             "{\"path\":\"\",\"name\":\"all\",\"type\":\"sequence\",\"state\":\"running\"");
    must_say("/tasks", "\"path\":\"0\",\"name\":null,\"type\":\"call\",\"state\":\"running\"");
    must_say("/tasks", "\"path\":\"1\",\"name\":\"m\",\"type\":\"map\",\"state\":\"pending\"");
    must_say("/tasks", "\"path\":\"2/1\",\"name\":null,\"type\":\"value\",\"state\":\"pending\"");
    rig_advance(&rig, 1000);
    must_say("/tasks/1/1", "\"state\":\"succeeded\"");
    must_say("/tasks/1", "\"output\":[1,2]");
    must_say("/tasks/0", "\"attempts\":[{\"number\":1");
    must_answer("GET", "/tasks/1/2", 404);
    must_answer("GET", "/tasks/3", 404);
    must_answer("GET", "/tasks/x", 404);
    rig_advance(&rig, 10000);
    must_say("/tasks", "\"output\":[\"a\",[1,2],[\"b\",1]],\"error\":null");
    finish();
}
END_TEST

START_TEST(a_wait_for_a_task_ends_with_it_or_with_its_time)
{
    start(TREE, _i == 1);
    ask("GET", "/tasks/0", "Prefer: wait=100");
    rig_advance(&rig, 900);
    ck_assert_uint_eq(asked.answers, 0);
    rig_advance(&rig, 200);
    ck_assert_uint_eq(asked.answers, 1);
    ck_assert(says("\"state\":\"succeeded\""));
    api_done(&asked);
    ask("GET", "/tasks/2", "Prefer: wait=2");
    rig_advance(&rig, 2000);
    ck_assert_uint_eq(asked.answers, 1);
    ck_assert(says("\"state\":\"running\""));
    api_done(&asked);
    finish();
}
END_TEST

START_TEST(one_task_is_cancelled)
{
    start(TREE, _i == 1);
    rig_advance(&rig, 1500);
    must_answer("POST", "/tasks/0/cancel", 409);
    must_answer("POST", "/tasks/9/cancel", 404);
    must_answer("POST", "/tasks/2/0/cancel", 202);
    must_answer("POST", "/tasks/2/0/cancel", 200);
    rig_advance(&rig, 100);
    must_say("", "\"state\":\"failed\"");
    must_say("", "\"error\":{\"code\":\"cancelled\"");
    must_answer("POST", "/tasks/1/cancel", 409);
    finish();
}
END_TEST

static void cancel_task(const char *path, const char *body, int status)
{
    char line[256];
    snprintf(line, sizeof line, "POST %s%s/cancel", run, path);
    api_ask(&api, 1, line, NULL, body, &asked);
    rig_settle(&rig);
    ck_assert_int_eq(asked.status, status);
    api_done(&asked);
}

#define SAYS_WHY "\"error\":{\"code\":\"cancelled\",\"message\":\"a \\\"b\""

START_TEST(the_error_of_a_cancelled_task_says_why)
{
    static const struct {
        const char *path;
        uint64_t at_ms;
    } rows[] = {{"/tasks/0", 100}, {"/tasks/2", 100}, {"/tasks/2/0", 1500}, {"/tasks/2", 1500}};
    start(TREE, _i % 2 == 1); /* a call, a group before its turn, a call below, a group */
    rig_advance(&rig, rows[_i / 2].at_ms);
    cancel_task(rows[_i / 2].path, "{\"reason\":\"a \\\"b\"}", 202);
    cancel_task(rows[_i / 2].path, "{\"reason\":\"another\"}", 200);
    must_say(rows[_i / 2].path, SAYS_WHY);
    finish();
}
END_TEST

/* Its cancel was answered, but stored only with the next thing that the run told. */
START_TEST(a_cancelled_task_whose_shield_goes_on_stays_cancelled_after_a_crash)
{
    start("{\"task\":{\"type\":\"parallel\",\"tasks\":[{\"type\":\"parallel\",\"tasks\":["
          "{\"type\":\"shield\",\"timeout_ms\":60000,\"task\":" AFTER(5000, "a") "}]}]}}",
          _i == 1);
    rig_advance(&rig, 1000);
    cancel_task("/tasks/0", "{\"reason\":\"a \\\"b\"}", 202);
    must_say("/tasks/0", "\"state\":\"running\""); /* until its shield has ended */
    rig_crash(&rig);
    rig_advance(&rig, 10000);
    must_say("/tasks/0", SAYS_WHY);
    finish();
}
END_TEST

START_TEST(a_task_is_cancelled_before_its_turn)
{
    start(TREE, _i == 1);
    rig_advance(&rig, 100);
    must_answer("POST", "/tasks/2/cancel", 202);
    must_answer("POST", "/tasks/2/1/cancel", 409);
    must_say("/tasks/2", "\"state\":\"cancelled\"");
    must_say("", "\"state\":\"running\"");
    rig_advance(&rig, 1100);
    must_say("", "\"state\":\"failed\"");
    must_say("/tasks/1", "\"state\":\"succeeded\"");
    finish();
}
END_TEST

START_TEST(a_sleeping_task_of_a_parked_run_is_cancelled)
{
    start("{\"task\":{\"type\":\"sequence\",\"steps\":[{\"type\":\"sleep\",\"duration_ms\":90000,"
          "\"name\":\"s\"},{\"type\":\"value\",\"value\":2}]}}",
          _i == 1);
    rig_advance(&rig, 2000);
    must_answer("POST", "/tasks/0/cancel", 202);
    rig_advance(&rig, 200);
    must_say("", "\"state\":\"failed\"");
    must_say("/tasks/1", "\"state\":\"skipped\"");
    finish();
}
END_TEST

START_TEST(cancelling_the_root_cancels_the_run)
{
    start(TREE, false);
    must_answer("POST", "/tasks/root/cancel", 202);
    must_say("", "\"state\":\"cancelled\"");
    must_answer("POST", "/tasks/root/cancel", 200);
    finish();
}
END_TEST

/* --- trying a run again ----------------------------------------------------------------------- */

static void cancel_run(void)
{
    must_answer("POST", "/cancel", 202);
    rig_advance(&rig, 100);
}

static void retry(int status)
{
    ask("POST", "/retry", NULL);
    ck_assert_msg(asked.status == status, "%d %.*s", asked.status, STR_ARG(buf_str(&asked.body)));
    if (status == 202) {
        char retried[96];
        snprintf(retried, sizeof retried, "\"retry_of\":\"%s\"", run + sizeof "/v1/runs/" - 1);
        ck_assert_msg(says(retried), "%.*s", STR_ARG(buf_str(&asked.body)));
        snprintf(run, sizeof run, "%s", api_header(&asked, "Location"));
    }
    api_done(&asked);
}

START_TEST(a_retry_keeps_what_has_succeeded)
{
    start(TREE, _i == 1);
    rig_advance(&rig, 1500);
    cancel_run();
    retry(202);
    rig_advance(&rig, 100);
    must_say("/tasks/0", "\"state\":\"succeeded\"");
    must_say("/tasks/0", "\"attempts\":[{\"number\":1");
    must_say("/tasks/1",
             "\"path\":\"1/1\",\"name\":null,\"type\":\"value\",\"state\":\"succeeded\"");
    must_say("/tasks/2/1", "\"output\":1");
    must_say("/tasks/2/0", "\"state\":\"running\"");
    rig_advance(&rig, 10000);
    must_say("", "\"output\":[\"a\",[1,2],[\"b\",1]]");
    must_say("", "\"usage\":{\"calls\":1,\"attempts\":1,");
    ask("GET", "/events?types=task.running", NULL);
    ck_assert_uint_eq(rig_count_of(buf_str(&asked.body), "\"type\":\"task.running\""), 3);
    api_done(&asked);
    ask("GET", "/events?types=task.succeeded", NULL);
    ck_assert_uint_eq(rig_count_of(buf_str(&asked.body), "\"type\":\"task.succeeded\""), 6);
    api_done(&asked);
    retry(409);
    finish();
}
END_TEST

static void accept_and_crash(void)
{
    store_fake_hold(rig.fake); /* it is accepted, and nothing more is stored */
    ask("POST", "/retry", NULL);
    store_fake_let_one_go(rig.fake);
    rig_settle(&rig);
    ck_assert_int_eq(asked.status, 202);
    snprintf(run, sizeof run, "%s", api_header(&asked, "Location"));
    api_done(&asked);
    store_fake_let_go(rig.fake);
    api_rig_stop(&api);
    rig_crash(&rig);
    api_rig_start(&api, &rig);
}

START_TEST(a_retry_keeps_it_over_a_crash)
{
    start(TREE, false);
    rig_advance(&rig, 1500);
    cancel_run();
    accept_and_crash();
    rig_advance(&rig, 12000);
    must_say("", "\"output\":[\"a\",[1,2],[\"b\",1]]");
    must_say("", "\"usage\":{\"calls\":1,");
    finish();
}
END_TEST

/* What lay below the tasks that were kept was not counted, until the run came back from the store:
 * that had no place for it, and the run went to the store and back for ever. */
START_TEST(a_retry_that_makes_one_task_too_many_fails)
{
    start(TREE, false);
    rig_advance(&rig, 1500);
    cancel_run();
    rig_bound_tasks(&rig, _i < 2 ? 6 : 7); /* the tree has seven below its root */
    if (_i % 2 == 0)
        retry(202);
    else
        accept_and_crash();
    rig_advance(&rig, 12000);
    if (_i < 2)
        must_say("", "\"error\":{\"code\":\"limit_exceeded\"");
    else
        must_say("", "\"output\":[\"a\",[1,2],[\"b\",1]]");
    finish();
}
END_TEST

START_TEST(a_retry_of_a_plain_call_makes_it_again)
{
    start("{\"agent\":\"echo\",\"input\":\"x\",\"params\":{\"sim\":{\"first_ms\":500}}}", false);
    retry(409);
    cancel_run();
    retry(202);
    rig_advance(&rig, 600);
    must_say("", "\"output\":\"x\"");
    finish();
}
END_TEST

START_TEST(who_waits_for_a_task_may_go_away)
{
    start(TREE, false);
    ask("GET", "/tasks/2", "Prefer: wait=5");
    api_hang_up(&asked);
    rig_advance(&rig, 6000);
    ck_assert_uint_eq(asked.answers, 0);
    api_done(&asked);
    finish();
}
END_TEST

Suite *suite_api_run_tasks(void)
{
    Suite *s = suite_create("api/run_tasks");
    TCase *t = tcase_create("tasks");
    tcase_add_loop_test(t, the_tree_is_shown_while_it_grows, 0, 2);
    tcase_add_loop_test(t, a_wait_for_a_task_ends_with_it_or_with_its_time, 0, 2);
    tcase_add_loop_test(t, one_task_is_cancelled, 0, 2);
    tcase_add_loop_test(t, the_error_of_a_cancelled_task_says_why, 0, 8);
    tcase_add_loop_test(t, a_cancelled_task_whose_shield_goes_on_stays_cancelled_after_a_crash, 0,
                        2);
    tcase_add_loop_test(t, a_task_is_cancelled_before_its_turn, 0, 2);
    tcase_add_loop_test(t, a_sleeping_task_of_a_parked_run_is_cancelled, 0, 2);
    tcase_add_test(t, cancelling_the_root_cancels_the_run);
    tcase_add_loop_test(t, a_retry_keeps_what_has_succeeded, 0, 2);
    tcase_add_test(t, a_retry_keeps_it_over_a_crash);
    tcase_add_loop_test(t, a_retry_that_makes_one_task_too_many_fails, 0, 4);
    tcase_add_test(t, a_retry_of_a_plain_call_makes_it_again);
    tcase_add_test(t, who_waits_for_a_task_may_go_away);
    suite_add_tcase(s, t);
    return s;
}
