/* The states' names and numbers, and every edge between them. */
#include "model/state.h"

#include <check.h>

Suite *suite_model_state(void);

#define SYMBOL(symbol, number, name) symbol,
static const enum run_state run_states[] = {RUN_STATE_TABLE(SYMBOL)};
static const enum task_state task_states[] = {TASK_STATE_TABLE(SYMBOL)};
static const enum attempt_state attempt_states[] = {ATTEMPT_STATE_TABLE(SYMBOL)};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

START_TEST(names_are_those_of_the_api_and_lead_back)
{
    static const char *const runs[] = {"queued",    "running", "waiting",   "cancelling",
                                       "succeeded", "failed",  "cancelled", "timed_out"};
    static const char *const tasks[] = {"pending", "running",   "retrying",  "blocked", "succeeded",
                                        "failed",  "cancelled", "timed_out", "skipped"};
    static const char *const attempts[] = {"running", "succeeded", "failed", "cancelled", "lost"};
    ck_assert_uint_eq(COUNT(run_states), COUNT(runs));
    ck_assert_uint_eq(COUNT(task_states), COUNT(tasks));
    ck_assert_uint_eq(COUNT(attempt_states), COUNT(attempts));
    for (size_t i = 0; i < COUNT(runs); i++) {
        enum run_state s;
        ck_assert_str_eq(run_state_name(run_states[i]), runs[i]);
        ck_assert(run_state_parse(str_of(runs[i]), &s) && s == run_states[i]);
    }
    for (size_t i = 0; i < COUNT(tasks); i++) {
        enum task_state s;
        ck_assert_str_eq(task_state_name(task_states[i]), tasks[i]);
        ck_assert(task_state_parse(str_of(tasks[i]), &s) && s == task_states[i]);
    }
    for (size_t i = 0; i < COUNT(attempts); i++) {
        enum attempt_state s;
        ck_assert_str_eq(attempt_state_name(attempt_states[i]), attempts[i]);
        ck_assert(attempt_state_parse(str_of(attempts[i]), &s) && s == attempt_states[i]);
    }
}
END_TEST

START_TEST(other_names_are_none)
{
    static const char *const others[] = {"",        "Queued", "queued ", "queue",
                                         "pending", "lost",   "skipped"};
    enum run_state run = RUN_FAILED;
    for (size_t i = 0; i < COUNT(others); i++)
        ck_assert(!run_state_parse(str_of(others[i]), &run));
    enum task_state task;
    ck_assert(!task_state_parse(STR("queued"), &task) && !task_state_parse(STR_NONE, &task));
    enum attempt_state attempt;
    ck_assert(!attempt_state_parse(STR("timed_out"), &attempt));
    ck_assert_int_eq(run, RUN_FAILED);
}
END_TEST

/* They are stored: a number that changes makes old databases lie. */
START_TEST(numbers_are_for_ever)
{
    ck_assert_int_eq(RUN_QUEUED, 0);
    ck_assert_int_eq(RUN_RUNNING, 1);
    ck_assert_int_eq(RUN_WAITING, 2);
    ck_assert_int_eq(RUN_CANCELLING, 3);
    ck_assert_int_eq(RUN_SUCCEEDED, 10);
    ck_assert_int_eq(RUN_FAILED, 11);
    ck_assert_int_eq(RUN_CANCELLED, 12);
    ck_assert_int_eq(RUN_TIMED_OUT, 13);
    ck_assert_int_eq(TASK_PENDING, 0);
    ck_assert_int_eq(TASK_RUNNING, 1);
    ck_assert_int_eq(TASK_RETRYING, 2);
    ck_assert_int_eq(TASK_BLOCKED, 3);
    ck_assert_int_eq(TASK_SUCCEEDED, 10);
    ck_assert_int_eq(TASK_SKIPPED, 14);
    ck_assert_int_eq(ATTEMPT_LOST, 15);
}
END_TEST

START_TEST(a_state_is_terminal_or_not)
{
    for (size_t i = 0; i < COUNT(run_states); i++)
        ck_assert_int_eq(run_state_is_terminal(run_states[i]), i >= 4);
    for (size_t i = 0; i < COUNT(task_states); i++)
        ck_assert_int_eq(task_state_is_terminal(task_states[i]), i >= 4);
}
END_TEST

/* Rows: from; columns: to; both in the order of the tables. */
START_TEST(every_edge_of_a_run)
{
    static const char *const legal[COUNT(run_states)] = {
        /* QRWC sfct */
        ".x.xxxxx", /* queued: it may end without having begun */
        "..xxxxxx", /* running */
        ".x.xxxxx", /* waiting */
        "....xxxx", /* cancelling: what had succeeded when the cancel came has succeeded */
        "........", "........", "........", "........",
    };
    for (size_t from = 0; from < COUNT(run_states); from++) {
        for (size_t to = 0; to < COUNT(run_states); to++)
            ck_assert_msg(
                run_edge_is_legal(run_states[from], run_states[to]) == (legal[from][to] == 'x'),
                "%s to %s", run_state_name(run_states[from]), run_state_name(run_states[to]));
    }
}
END_TEST

START_TEST(every_edge_of_a_task)
{
    static const char *const legal[COUNT(task_states)] = {
        /* PRrB sfctk */
        ".x..xxxxx", /* pending: also what was copied, cancelled or skipped without a start */
        "..xxxxxx.", /* running */
        ".x.xxxxx.", /* retrying */
        ".xx.xxxx.", /* blocked */
        ".........", ".........", ".........", ".........", ".........",
    };
    for (size_t from = 0; from < COUNT(task_states); from++) {
        for (size_t to = 0; to < COUNT(task_states); to++)
            ck_assert_msg(
                task_edge_is_legal(task_states[from], task_states[to]) == (legal[from][to] == 'x'),
                "%s to %s", task_state_name(task_states[from]), task_state_name(task_states[to]));
    }
}
END_TEST

START_TEST(every_state_that_is_not_terminal_can_end)
{
    for (size_t i = 0; i < COUNT(run_states); i++) {
        bool ends = false;
        for (size_t to = 0; to < COUNT(run_states); to++)
            ends |= run_state_is_terminal(run_states[to]) &&
                    run_edge_is_legal(run_states[i], run_states[to]);
        ck_assert_int_eq(ends, !run_state_is_terminal(run_states[i]));
    }
}
END_TEST

Suite *suite_model_state(void)
{
    Suite *s = suite_create("model_state");
    TCase *t = tcase_create("state");
    tcase_add_test(t, names_are_those_of_the_api_and_lead_back);
    tcase_add_test(t, other_names_are_none);
    tcase_add_test(t, numbers_are_for_ever);
    tcase_add_test(t, a_state_is_terminal_or_not);
    tcase_add_test(t, every_edge_of_a_run);
    tcase_add_test(t, every_edge_of_a_task);
    tcase_add_test(t, every_state_that_is_not_terminal_can_end);
    suite_add_tcase(s, t);
    return s;
}
