/* Retention: what goes, in which order, and that nobody waits for it. */
#include "store/sqlite.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "tests/support/faulty_vfs.h"
#include "tests/support/set_clock.h"
#include "tests/support/sqlite_rig.h"
#include "tests/support/store_calls.h"

Suite *suite_store_sqlite_retain(void);

static struct loop *loop;
static struct store *store;

static void set_up(void)
{
    log_to_fd(-1);
    ck_assert_int_eq(loop_create(NULL, &loop), OK);
    sqlite_rig_make();
    store_close(sqlite_rig_open());
}

/* Before the process has asked for the time. */
static void set_up_in_1971(void)
{
    set_clock_ahead(31536000000 - clock_wall_ms(NULL));
    set_up();
}

static void tear_down(void)
{
    faulty_vfs_disarm();
    store_close(store);
    sqlite_rig_remove();
    loop_destroy(loop);
}

/* Runs `first` to `last`, as the store would have them: with an event, a label, an output of that
 * many bytes. */
static void add_runs(int first, int last, int state, int64_t at_ms, int output_bytes)
{
    char sql[2048];
    snprintf(
        sql, sizeof sql,
        "BEGIN;"
        "WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
        " INSERT INTO run (key, tenant, id, state, task_state, owner, lane, wake_at, seq, created_at, started_at,"
        " finished_at, timeout_ms, flags, calls, attempt_count, input_tokens, output_tokens, workflow_version, spec,"
        " output) SELECT i, 't', CAST(printf('%%016d', i) AS BLOB), %d, 0, 0, 'sim', 0, 1, %lld, 0, %lld, 1000, 0, 0, 0,"
        " 0, 0, 0, '{}', hex(zeroblob(%d)) FROM n;"
        "INSERT INTO segment (run, first, last, lines) SELECT key, 1, 1, '{}' FROM run WHERE key BETWEEN %d AND %d;"
        "INSERT INTO label SELECT 't', 'k', 'v', id, key FROM run WHERE key BETWEEN %d AND %d;"
        "COMMIT",
        first, last, state, (long long)at_ms, (long long)(state >= 10 ? at_ms : 0),
        output_bytes / 2, first, last, first, last);
    sqlite_rig_sql(sql);
}

static int64_t count(void)
{
    return sqlite_rig_sql("SELECT count(*) FROM run");
}

static void wait_for_count(int64_t wanted)
{
    while (count() != wanted)
        calls_turn(loop);
}

/* The writer has done all that it had to do when this was asked: a write goes through it. */
static void pass_through_writer(void)
{
    struct run_record none = calls_run(200);
    ck_assert_int_eq(calls_delete(store, loop, &none), STORE_ABSENT);
}

enum { DAY_MS = 86400000 };

static const int64_t year_ms = 365 * (int64_t)DAY_MS;
static const int64_t old_ms = CLOCK_FLOOR_MS; /* as long ago as an age can be told of */

START_TEST(ended_runs_go_when_they_are_old_enough)
{
    int64_t now_ms = clock_wall_ms(NULL);
    add_runs(1, 10, RUN_SUCCEEDED, now_ms - 3 * (int64_t)DAY_MS, 100);
    add_runs(11, 13, RUN_RUNNING, now_ms - 3 * (int64_t)DAY_MS, 100); /* old, and not ended */
    add_runs(14, 20, RUN_FAILED, now_ms - 3 * (int64_t)DAY_MS, 100);
    add_runs(21, 25, RUN_SUCCEEDED, now_ms - (int64_t)DAY_MS, 100);
    sqlite_rig_options.retain_ms = 2 * (int64_t)DAY_MS;
    store = sqlite_rig_open();
    wait_for_count(8);
    pass_through_writer();
    ck_assert_int_eq(count(), 8);
    ck_assert_int_eq(
        sqlite_rig_sql("SELECT count(*) FROM run WHERE key BETWEEN 11 AND 13 OR key >= 21"), 8);
    ck_assert_int_eq(sqlite_rig_sql("SELECT count(*) FROM segment"), 8);
    ck_assert_int_eq(sqlite_rig_sql("SELECT count(*) FROM label"), 8);
}
END_TEST

/* It waits for its receiver for as long as that may take, and two days at most. */
START_TEST(a_run_of_which_something_is_to_be_told_stays_for_a_while)
{
    int64_t now_ms = clock_wall_ms(NULL);
    add_runs(1, 3, RUN_SUCCEEDED, now_ms - (int64_t)DAY_MS, 10);
    add_runs(4, 4, RUN_SUCCEEDED, now_ms - 3 * (int64_t)DAY_MS, 10);
    sqlite_rig_sql("INSERT INTO delivery (run, host, receiver, done, last, due_at) VALUES"
                   " (1, 'a', '{}', 0, 1, 1), (2, 'a', '{}', 0, 1, NULL), (4, 'a', '{}', 0, 1, 1)");
    sqlite_rig_options.retain_ms = 1000;
    store = sqlite_rig_open();
    wait_for_count(1);
    pass_through_writer();
    ck_assert_int_eq(sqlite_rig_sql("SELECT key FROM run"), 1);
    ck_assert_int_eq(sqlite_rig_sql("SELECT count(*) FROM delivery"), 1);
}
END_TEST

START_TEST(a_run_that_was_made_long_ago_and_ended_lately_stays)
{
    int64_t now_ms = clock_wall_ms(NULL);
    char sql[128];
    add_runs(1, 2, RUN_SUCCEEDED, now_ms - 9 * (int64_t)DAY_MS, 10);
    snprintf(sql, sizeof sql, "UPDATE run SET finished_at = %lld WHERE key = 1", (long long)now_ms);
    sqlite_rig_sql(sql);
    sqlite_rig_options.retain_ms = DAY_MS;
    store = sqlite_rig_open();
    wait_for_count(1);
    ck_assert_int_eq(sqlite_rig_sql("SELECT key FROM run"), 1);
}
END_TEST

/* The gateway had started before the machine knew the time; then it was told. */
START_TEST(what_ended_before_the_clock_was_set_forward_by_years_stays)
{
    add_runs(1, 10, RUN_SUCCEEDED, loop_wall_ms(loop), 10);
    set_clock_ahead(20 * year_ms);
    sqlite_rig_options.retain_ms = DAY_MS;
    store = sqlite_rig_open();
    pass_through_writer();
    pass_through_writer();
    ck_assert_int_eq(count(), 10);
}
END_TEST

/* And was started again: now all that the first one had stamped looked decades old. */
START_TEST(what_ended_while_the_clock_was_below_the_floor_stays)
{
    int64_t now_ms = clock_wall_ms(NULL);
    add_runs(1, 10, RUN_SUCCEEDED, CLOCK_FLOOR_MS - 1, 10);
    add_runs(11, 11, RUN_SUCCEEDED, CLOCK_FLOOR_MS, 10);
    add_runs(12, 12, RUN_SUCCEEDED, now_ms, 10);
    sqlite_rig_options.retain_ms = DAY_MS;
    store = sqlite_rig_open();
    wait_for_count(11);
    pass_through_writer();
    ck_assert_int_eq(count(), 11);
    ck_assert_int_eq(sqlite_rig_sql("SELECT count(*) FROM run WHERE key = 11"), 0);
}
END_TEST

/* What the log says while the store is open, and the first round of retention is done. */
static void read_log_of_a_start(char *ret_text, size_t cap)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    log_to_fd(ends[1]);
    store = sqlite_rig_open();
    pass_through_writer();
    pass_through_writer();
    store_close(store);
    store = NULL;
    log_to_fd(-1);
    close(ends[1]);
    ssize_t n = read(ends[0], ret_text, cap - 1);
    close(ends[0]);
    ret_text[n > 0 ? n : 0] = '\0';
}

START_TEST(a_start_with_a_clock_below_the_floor_is_told_and_deletes_nothing_by_age)
{
    char said[2048];
    add_runs(1, 10, RUN_SUCCEEDED, 1, 10);
    add_runs(11, 20, RUN_SUCCEEDED, old_ms, 10);
    sqlite_rig_options.retain_ms = 1;
    read_log_of_a_start(said, sizeof said);
    ck_assert_ptr_nonnull(strstr(said, "the clock is wrong"));
    ck_assert_int_eq(count(), 20);
}
END_TEST

START_TEST(a_start_with_a_clock_that_may_be_right_says_nothing_of_it)
{
    char said[2048];
    read_log_of_a_start(said, sizeof said);
    ck_assert_ptr_null(strstr(said, "clock"));
}
END_TEST

START_TEST(bulletins_go_with_what_is_older_than_they_are)
{
    add_runs(1, 10, RUN_SUCCEEDED, old_ms, 10); /* their segments' keys are 1 to 10 */
    sqlite_rig_sql("INSERT INTO bulletin VALUES (11, NULL, '{}'), (13, 't', '{}')");
    add_runs(11, 11, RUN_SUCCEEDED, clock_wall_ms(NULL), 10);
    sqlite_rig_sql("UPDATE segment SET key = 12 WHERE run = 11");
    sqlite_rig_sql(
        "INSERT INTO bulletin WITH RECURSIVE n(k) AS (SELECT 14 UNION ALL SELECT k + 1 FROM"
        " n WHERE k < 1012) SELECT k, 't', '{}' FROM n");
    sqlite_rig_options.retain_ms = DAY_MS;
    store = sqlite_rig_open();
    wait_for_count(1);
    pass_through_writer();
    ck_assert_int_eq(sqlite_rig_sql("SELECT min(key) FROM bulletin"), 13);
}
END_TEST

/* A circuit that opened before the first run was stored was forgotten at the next start. */
START_TEST(the_newest_bulletins_stay_though_nothing_older_is_there)
{
    add_runs(1, 10, RUN_SUCCEEDED, old_ms, 10);
    sqlite_rig_sql("INSERT INTO bulletin VALUES (11, NULL, '{}'), (13, 't', '{}')");
    add_runs(11, 11, RUN_SUCCEEDED, clock_wall_ms(NULL), 10);
    sqlite_rig_sql("UPDATE segment SET key = 12 WHERE run = 11");
    sqlite_rig_options.retain_ms = DAY_MS;
    store = sqlite_rig_open();
    wait_for_count(1);
    pass_through_writer();
    ck_assert_int_eq(sqlite_rig_sql("SELECT min(key) FROM bulletin"), 11);
}
END_TEST

START_TEST(without_retention_everything_stays)
{
    add_runs(1, 10, RUN_SUCCEEDED, old_ms, 10);
    store = sqlite_rig_open();
    pass_through_writer();
    pass_through_writer();
    ck_assert_int_eq(count(), 10);
}
END_TEST

static int64_t used_bytes(void)
{
    return (sqlite_rig_sql("PRAGMA page_count") - sqlite_rig_sql("PRAGMA freelist_count")) *
           sqlite_rig_sql("PRAGMA page_size");
}

START_TEST(a_database_that_is_too_large_loses_its_oldest_ended_runs_and_no_more_than_needed)
{
    enum { EACH = 40000, LIMIT = 4 << 20 };
    add_runs(1, 300, RUN_SUCCEEDED, 1000, EACH);
    sqlite_rig_sql("UPDATE run SET state = 1 WHERE key IN (1, 2, 50)");
    ck_assert_int_gt(used_bytes(), 2 * LIMIT);
    sqlite_rig_options.retain_bytes = LIMIT;
    store = sqlite_rig_open();
    while (used_bytes() > LIMIT)
        calls_turn(loop);
    pass_through_writer();
    ck_assert_int_le(used_bytes(), LIMIT);
    ck_assert_int_gt(used_bytes(), LIMIT - 3 * EACH);
    int64_t oldest = sqlite_rig_sql("SELECT min(key) FROM run WHERE state = 10");
    ck_assert_int_eq(sqlite_rig_sql("SELECT count(*) FROM run WHERE state = 10"), 300 - oldest + 1);
    ck_assert_int_eq(sqlite_rig_sql("SELECT count(*) FROM run WHERE state = 1"), 3);
}
END_TEST

START_TEST(a_great_many_old_runs_go_in_steps_between_which_others_write)
{
    add_runs(1, 20000, RUN_SUCCEEDED, old_ms, 100);
    sqlite_rig_options.retain_ms = DAY_MS;
    store = sqlite_rig_open();
    struct run_record run = calls_run(1);
    run.created_at_ms = clock_wall_ms(NULL);
    ck_assert_int_eq(calls_accept(store, loop, &run, NULL), STORE_OK);
    ck_assert_int_gt(count(), 1); /* it did not wait for the last of them */
    wait_for_count(1);
}
END_TEST

START_TEST(a_retention_whose_commit_fails_is_a_failure_of_the_disk)
{
    add_runs(1, 10, RUN_SUCCEEDED, old_ms, 100);
    sqlite_rig_options.retain_ms = DAY_MS;
    faulty_vfs_arm(
        &(struct fault){FAULT_WAL, FAULT_SYNC, .after = 1, .times = 2, .code = SQLITE_IOERR_FSYNC});
    store = sqlite_rig_open();       /* the first one is the lease's */
    while (faulty_vfs_strikes() < 2) /* the second one meets the healing */
        calls_turn(loop);
    while (!store_is_available(store))
        calls_turn(loop);
    wait_for_count(0);
}
END_TEST

Suite *suite_store_sqlite_retain(void)
{
    Suite *s = suite_create("store/sqlite_retain");
    TCase *t = tcase_create("retention");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, ended_runs_go_when_they_are_old_enough);
    tcase_add_test(t, a_run_of_which_something_is_to_be_told_stays_for_a_while);
    tcase_add_test(t, a_run_that_was_made_long_ago_and_ended_lately_stays);
    tcase_add_test(t, what_ended_before_the_clock_was_set_forward_by_years_stays);
    tcase_add_test(t, what_ended_while_the_clock_was_below_the_floor_stays);
    tcase_add_test(t, a_start_with_a_clock_that_may_be_right_says_nothing_of_it);
    tcase_add_test(t, bulletins_go_with_what_is_older_than_they_are);
    tcase_add_test(t, the_newest_bulletins_stay_though_nothing_older_is_there);
    tcase_add_test(t, without_retention_everything_stays);
    tcase_add_test(
        t, a_database_that_is_too_large_loses_its_oldest_ended_runs_and_no_more_than_needed);
    tcase_add_test(t, a_great_many_old_runs_go_in_steps_between_which_others_write);
    tcase_add_test(t, a_retention_whose_commit_fails_is_a_failure_of_the_disk);
    suite_add_tcase(s, t);
    TCase *wrong = tcase_create("wrong clock");
    tcase_add_checked_fixture(wrong, set_up_in_1971, tear_down);
    tcase_add_test(wrong, a_start_with_a_clock_below_the_floor_is_told_and_deletes_nothing_by_age);
    suite_add_tcase(s, wrong);
    return s;
}
