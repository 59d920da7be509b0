/* Versions of workflows in the database: which of them retention lets go. */
#include <check.h>

#include "base/log.h"
#include "tests/support/sqlite_rig.h"
#include "tests/support/sqlite_steps.h"
#include "tests/support/store_calls.h"

Suite *suite_store_sqlite_define(void);

static struct loop *loop;

static void set_up(void)
{
    log_to_fd(-1);
    ck_assert_int_eq(loop_create(NULL, &loop), OK);
    sqlite_rig_make();
    store_close(sqlite_rig_open());
}

static void tear_down(void)
{
    sqlite_rig_remove();
    loop_destroy(loop);
}

/* The gateway runs until retention has left that many versions. */
static void retain_until(int64_t left)
{
    struct store *store = sqlite_rig_open();
    while (sqlite_rig_sql("SELECT count(*) FROM definition") != left)
        calls_turn(loop);
    store_close(store);
}

/* Ended runs, whose keys and versions of the workflow "w" a query gives. */
#define RUNS_OF(query)                                                                             \
    "INSERT INTO run (key, tenant, id, state, task_state, owner, lane, wake_at, seq, created_at,"  \
    " started_at, finished_at, timeout_ms, flags, calls, attempt_count, input_tokens,"             \
    " output_tokens, workflow, workflow_version, spec) SELECT key, 't', CAST(printf('%016d', key)" \
    " AS BLOB), 10, 0, 0, '', 0, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 'w', version, '{}' FROM (" query    \
    ");"

#define RUN_OF(key, version) RUNS_OF("SELECT " #key " AS key, " #version " AS version")

START_TEST(a_version_goes_when_the_last_run_of_it_has_gone)
{
    sqlite_rig_sql("INSERT INTO definition (kind, name, version, standing, text) VALUES"
                   " (1, 'w', 1, 0, '[]'), (1, 'w', 2, 0, '[]'), (1, 'w', 3, 1, '[]'),"
                   " (0, 'w', 1, 0, '[]'), (0, 'w', 2, 0, '[]'), (1, 'v', 4, 0, '[]');" /**/
                   RUN_OF(1, 2));
    retain_until(4);
    ck_assert_int_eq(sqlite_rig_sql("SELECT count(*) FROM definition WHERE text IS NULL"), 2);
    ck_assert_int_eq(sqlite_rig_sql("SELECT count(*) FROM definition WHERE kind=1 AND name='w'"),
                     2);
    sqlite_rig_sql("DELETE FROM run");
    retain_until(3);
    ck_assert_int_eq(sqlite_rig_sql("SELECT version FROM definition WHERE text IS NOT NULL"), 3);
}
END_TEST

START_TEST(a_great_many_versions_with_runs_are_looked_through)
{
    sqlite_rig_sql("INSERT INTO definition (kind, name, version, standing, text)"
                   " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)"
                   " SELECT 1, CASE WHEN i < 200 THEN 'w' ELSE 'v' END, i, 0, '[]' FROM n;" RUN_OF(
                       1, 1) RUN_OF(2, 120));
    retain_until(4); /* two with runs, and the numbers of both names */
    ck_assert_int_eq(sqlite_rig_sql("SELECT count(*) FROM definition WHERE text IS NULL"), 2);
}
END_TEST

/* For each version of a name, all of them were looked at. */
START_TEST(a_round_with_many_versions_of_one_name_looks_at_each_once)
{
    enum { VERSIONS = 1000, STEPS_OF_EACH = 300 };
    sqlite_rig_sql("INSERT INTO definition (kind, name, version, standing, text)"
                   " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
                   " SELECT 1, 'w', i, 0, '[]' FROM n;"                      /**/
                   RUNS_OF("SELECT version AS key, version FROM definition") /**/
                   "INSERT INTO definition (kind, name, version, standing, text) VALUES"
                   " (0, 'last', 1, 0, '[]'), (0, 'last', 2, 1, '[]')");
    sqlite_steps_begin(SQLITE_STEPS_OF_WRITES);
    retain_until(VERSIONS + 1);
    sqlite_steps_end();
    int steps = sqlite_steps_take();
    ck_assert_int_gt(steps, VERSIONS);
    ck_assert_int_lt(steps, VERSIONS * STEPS_OF_EACH);
}
END_TEST

START_TEST(a_number_that_a_name_left_goes_when_a_seed_has_the_next_one)
{
    sqlite_rig_sql("INSERT INTO definition (kind, name, version, standing) VALUES (0, 'a', 7, 0)");
    struct store *store = sqlite_rig_open();
    struct store_definition says = {.name = STR("a"), .text = STR("{}")};
    struct store_seed seed = {.op.kind = STORE_SEED, .seeds = &says, .count = 1};
    ck_assert_int_eq(calls_do(store, loop, &seed.op), STORE_OK);
    ck_assert_int_eq(says.version, 8);
    ck_assert_int_eq(sqlite_rig_sql("SELECT count(*) FROM definition"), 1);
    store_close(store);
}
END_TEST

START_TEST(the_last_versions_of_ten_thousand_names_that_are_gone_are_remembered)
{
    sqlite_rig_sql(
        "INSERT INTO definition (kind, name, version, standing)"
        " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10005)"
        " SELECT 0, 'a' || i, CASE WHEN i <= 10 THEN i ELSE 1000 + i END, 0 FROM n");
    retain_until(10000);
    ck_assert_int_eq(sqlite_rig_sql("SELECT definition_floor FROM gateway"), 5);
    struct store *store = sqlite_rig_open();
    struct store_define d = {.op.kind = STORE_DEFINE, .is = {.name = STR("a5"), .text = STR("{}")}};
    ck_assert_int_eq(calls_do(store, loop, &d.op), STORE_OK);
    ck_assert_int_eq(d.is.version, 6); /* above what it ever had */
    d.is.name = STR("a10005");
    ck_assert_int_eq(calls_do(store, loop, &d.op), STORE_OK);
    ck_assert_int_eq(d.is.version, 11006);
    store_close(store);
}
END_TEST

Suite *suite_store_sqlite_define(void)
{
    Suite *s = suite_create("store/sqlite_define");
    TCase *t = tcase_create("versions");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_version_goes_when_the_last_run_of_it_has_gone);
    tcase_add_test(t, a_great_many_versions_with_runs_are_looked_through);
    tcase_add_test(t, a_round_with_many_versions_of_one_name_looks_at_each_once);
    tcase_add_test(t, a_number_that_a_name_left_goes_when_a_seed_has_the_next_one);
    tcase_add_test(t, the_last_versions_of_ten_thousand_names_that_are_gone_are_remembered);
    suite_add_tcase(s, t);
    return s;
}
