/* The statements: which index each of them uses, and rows that cannot be read. */
#include "store/sqlite.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/log.h"
#include "tests/support/faulty_vfs.h"
#include "tests/support/sqlite_rig.h"
#include "tests/support/store_calls.h"

Suite *suite_store_sqlite_apply(void);

static struct loop *loop;
static struct store *store;

static void set_up(void)
{
    log_to_fd(-1);
    ck_assert_int_eq(loop_create(NULL, &loop), OK);
    sqlite_rig_make();
}

static void tear_down(void)
{
    sqlite_rig_remove();
    loop_destroy(loop);
}

/* --- overhearing what is executed ------------------------------------------------------------- */

enum { HEARD_MAX = 256 };

static struct {
    pthread_mutex_t lock;
    char *sql[HEARD_MAX];
    int count;
} heard = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void note(const char *sql)
{
    pthread_mutex_lock(&heard.lock);
    for (int i = 0; i < heard.count; i++) {
        if (strcmp(heard.sql[i], sql) == 0) {
            pthread_mutex_unlock(&heard.lock);
            return;
        }
    }
    ck_assert_int_lt(heard.count, HEARD_MAX);
    heard.sql[heard.count++] = strdup(sql);
    pthread_mutex_unlock(&heard.lock);
}

static int on_trace(unsigned what, void *ctx, void *stmt, void *sql)
{
    (void)what, (void)ctx, (void)sql;
    note(sqlite3_sql(stmt));
    return 0;
}

/* Called by SQLite for each connection that is opened. */
static int on_connection(sqlite3 *db, char **ret_error, const void *api)
{
    (void)ret_error, (void)api;
    return sqlite3_trace_v2(db, SQLITE_TRACE_STMT, on_trace, NULL);
}

typedef void (*extension_fn)(void);

/* --- doing everything that a store can do ----------------------------------------------------- */

static void list(struct store_filter filter)
{
    struct store_list l = {
        .op.kind = STORE_LIST, .tenant = STR("t"), .filter = filter, .limit = 10};
    arena_init(&l.arena, 1 << 20);
    ck_assert_int_eq(calls_do(store, loop, &l.op), STORE_OK);
    arena_fini(&l.arena);
}

static void do_lists(void)
{
    list((struct store_filter){.agent = STR("echo")});
    list((struct store_filter){.has_state = true, .state = RUN_RUNNING});
    list((struct store_filter){.has_state = true, .state = RUN_SUCCEEDED});
    list((struct store_filter){.has_state = true, .state = RUN_FAILED});
    list((struct store_filter){.metadata_count = 2,
                               .metadata_keys = {STR("a"), STR("c")},
                               .metadata_values = {STR("b"), STR("d")}});
}

static void do_reads(const struct run_record *run)
{
    struct store_get g = {.op.kind = STORE_GET, .any_tenant = true, .id = run->id};
    struct store_events e;
    struct store_lanes lanes = {.op.kind = STORE_LANES};
    arena_init(&g.arena, 1 << 20);
    ck_assert_int_eq(calls_do(store, loop, &g.op), STORE_OK);
    arena_fini(&g.arena);
    ck_assert_int_eq(calls_get(store, loop, run, &g), STORE_OK);
    arena_fini(&g.arena);
    ck_assert_int_eq(calls_events(store, loop, run, 0, 1000, &e), STORE_OK);
    buf_fini(&e.lines);
    arena_init(&lanes.arena, 1 << 20);
    ck_assert_int_eq(calls_do(store, loop, &lanes.op), STORE_OK);
    arena_fini(&lanes.arena);
}

static void do_bus(const struct run_record *run)
{
    struct store_note n = {
        .op.kind = STORE_NOTE, .name = STR("n"), .text = STR("t"), .event = STR("{}\n")};
    ck_assert_int_eq(calls_do(store, loop, &n.op), STORE_OK);
    for (int i = 0; i < 3; i++) {
        struct store_bus b = {.op.kind = STORE_BUS,
                              .tenant = STR("t"),
                              .agent = i == 1 ? STR("echo") : STR_NONE,
                              .has_run = i == 1,
                              .run = run->id,
                              .at_end = i == 2,
                              .types = EVENT_SET_ALL,
                              .max_bytes = 1000};
        buf_init(&b.lines, 1 << 20);
        ck_assert_int_eq(calls_do(store, loop, &b.op), STORE_OK);
        buf_fini(&b.lines);
    }
}

static void do_claims(const struct run_record *run)
{
    struct store_claim c;
    ck_assert_int_eq(calls_claim(store, loop, "sim", 2, &c), STORE_OK);
    arena_fini(&c.arena);
    ck_assert_int_eq(calls_claim_id(store, loop, run, &c), STORE_EXISTS);
    arena_fini(&c.arena);
}

static void fail_once(void)
{
    struct run_record lost = calls_run(9);
    faulty_vfs_arm(&(struct fault){FAULT_WAL, FAULT_WRITE, .times = 1, .code = SQLITE_FULL});
    ck_assert_int_eq(calls_accept(store, loop, &lost, NULL), STORE_UNKNOWN);
    faulty_vfs_disarm();
    while (!store_is_available(store))
        calls_turn(loop);
}

static void do_everything(void)
{
    struct run_record run = calls_run(1), dead = calls_run(2), keyed = calls_run(3);
    run.spec = STR("{\"agent\":\"echo\",\"metadata\":{\"a\":\"b\",\"c\":\"d\"}}");
    run.metadata = STR("{\"a\":\"b\",\"c\":\"d\"}");
    keyed.idem_scope = keyed.idem_key = STR("k");
    sqlite_rig_options.retain_ms = 1;
    store = sqlite_rig_open();
    ck_assert_int_eq(calls_accept(store, loop, &dead, NULL), STORE_OK);
    store_close(store);
    store = sqlite_rig_open();
    uint64_t ref;
    run.created_at_ms = run.finished_at_ms = clock_wall_ms(NULL) + 1000000;
    ck_assert_int_eq(calls_accept(store, loop, &run, &ref), STORE_OK);
    ck_assert_int_eq(calls_accept(store, loop, &keyed, NULL), STORE_OK);
    do_claims(&run);
    do_lists();
    do_reads(&run);
    do_bus(&run);
    ck_assert_int_eq(calls_command(store, loop, &run, ""), STORE_OK);
    fail_once();
    run.state = RUN_FAILED;
    ck_assert_int_eq(calls_save(store, loop, &run, ref, store->epoch, true, UINT64_MAX), STORE_OK);
    ck_assert_int_eq(calls_delete(store, loop, &run), STORE_OK);
    store_close(store);
}

/* --- the plans -------------------------------------------------------------------------------- */

/* Partial indexes hold few rows: going through all of those is what they are for. */
static bool is_fine(const char *step, const char *sql)
{
    if (strstr(step, "run_open") != NULL)
        return true;
    /* Backwards by key, to the thousandth. */
    if (strstr(sql, "LIMIT 1 OFFSET 1000") != NULL && strcmp(step, "SCAN bulletin") == 0)
        return true;
    if (strncmp(step, "SCAN run", 8) == 0 || strncmp(step, "SCAN segment", 12) == 0 ||
        strncmp(step, "SCAN s ", 7) == 0 || strncmp(step, "SCAN bulletin", 13) == 0 ||
        strncmp(step, "SCAN label", 10) == 0)
        return false;
    /* Those that are open are few, or another walk is chosen; lanes are asked for once. */
    bool sorts_few = strstr(sql, "state < 10") != NULL;
    return strstr(step, "TEMP B-TREE") == NULL || sorts_few;
}

static void look_at_plan(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt;
    char *explain = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sql);
    ck_assert_msg(sqlite3_prepare_v2(db, explain, -1, &stmt, NULL) == SQLITE_OK, "%s: %s", sql,
                  sqlite3_errmsg(db));
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        const char *step = (const char *)sqlite3_column_text(stmt, 3);
        ck_assert_msg(is_fine(step, sql), "%s: %s", sql, step);
    }
    sqlite3_finalize(stmt);
    sqlite3_free(explain);
}

static bool is_query(const char *sql)
{
    static const char *const words[] = {"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strncmp(sql, words[i], strlen(words[i])) == 0)
            return true;
    }
    return false;
}

START_TEST(no_statement_goes_through_a_whole_table)
{
    sqlite3 *db;
    int looked_at = 0;
    ck_assert_int_eq(sqlite3_auto_extension((extension_fn)on_connection), SQLITE_OK);
    do_everything();
    sqlite3_reset_auto_extension();
    ck_assert_int_eq(sqlite3_open(sqlite_rig_path(), &db), SQLITE_OK);
    for (int i = 0; i < heard.count; i++) {
        if (is_query(heard.sql[i])) {
            look_at_plan(db, heard.sql[i]);
            looked_at++;
        }
    }
    /* Cascades are not explained, but they look for the same. */
    look_at_plan(db, "DELETE FROM segment WHERE run = 1");
    look_at_plan(db, "DELETE FROM label WHERE run = 1");
    sqlite3_close(db);
    ck_assert_int_ge(looked_at,
                     28); /* as many as there are: see sqlite_apply.c, _reader.c and _list.c */
}
END_TEST

/* --- rows that cannot be read ----------------------------------------------------------------- */

/* One such row used to stand first in its lane for ever, and to fail every list. */
START_TEST(a_row_that_cannot_be_read_is_passed_over)
{
    static const char *const damages[] = {"UPDATE run SET spec = '{\"half\"' WHERE key = 1",
                                          "UPDATE run SET id = x'00' WHERE key = 1"};
    struct run_record bad = calls_run(1), good = calls_run(2);
    store = sqlite_rig_open();
    bad.wake_at_ms = 5;
    good.wake_at_ms = 6;
    calls_accept_released(store, loop, &bad);
    calls_accept_released(store, loop, &good);
    store_close(store);
    sqlite_rig_sql(damages[_i]);
    store = sqlite_rig_open();
    list((struct store_filter){.has_state = false});
    struct store_claim c;
    ck_assert_int_eq(calls_claim(store, loop, "sim", 1, &c), STORE_OK);
    ck_assert_uint_eq(c.count, 1);
    ck_assert(id_eq(&c.runs[0].run.id, &good.id));
    ck_assert_int_eq(c.next_wake_ms, 0); /* and it is not due for ever */
    arena_fini(&c.arena);
    store_close(store);
}
END_TEST

START_TEST(a_claim_takes_what_fits_into_memory_and_leaves_the_rest)
{
    char text[4000];
    memset(text, 'x', sizeof text);
    store = sqlite_rig_open();
    for (uint64_t n = 1; n <= 4; n++) {
        struct run_record run = calls_run(n);
        run.attempts = (struct str){text, sizeof text};
        calls_accept_released(store, loop, &run);
    }
    struct store_claim c = {
        .op.kind = STORE_CLAIM, .lane = STR("sim"), .max = 4, .now_ms = clock_wall_ms(NULL)};
    arena_init(&c.arena, 16000);
    ck_assert_int_eq(calls_do(store, loop, &c.op), STORE_OK);
    ck_assert(c.count > 0 && c.count < 4);
    uint32_t taken = c.count;
    arena_fini(&c.arena);
    ck_assert_int_eq(calls_claim(store, loop, "sim", 4, &c), STORE_OK);
    ck_assert_uint_eq(c.count, 4 - taken);
    arena_fini(&c.arena);
    store_close(store);
}
END_TEST

/* --- long lists ------------------------------------------------------------------------------- */

START_TEST(a_page_whose_matches_are_rare_is_short_and_says_where_to_go_on)
{
    store = sqlite_rig_open();
    store_close(store);
    sqlite_rig_sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)"
        " INSERT INTO run (key, tenant, id, state, task_state, owner, lane, wake_at, seq, created_at, started_at,"
        " finished_at, timeout_ms, flags, calls, attempt_count, input_tokens, output_tokens, workflow_version,"
        " name, spec) SELECT i, 't', CAST(printf('%016d', i) AS BLOB), 10, 10, 0, '', 0, 1, 1, 1, 1, 1, 0, 0, 0,"
        " 0, 0, 0, CASE i WHEN 5 THEN 'rare' END, '{}' FROM n");
    store = sqlite_rig_open();
    struct store_list l = {
        .op.kind = STORE_LIST, .tenant = STR("t"), .filter = {.name = STR("rare")}, .limit = 10};
    arena_init(&l.arena, 1 << 20);
    ck_assert_int_eq(calls_do(store, loop, &l.op), STORE_OK);
    ck_assert_uint_eq(l.count, 0);
    ck_assert(l.more);
    l.has_before = true;
    l.before = l.resume;
    ck_assert_int_eq(calls_do(store, loop, &l.op), STORE_OK);
    ck_assert_uint_eq(l.count, 1);
    ck_assert(!l.more);
    arena_fini(&l.arena);
    store_close(store);
}
END_TEST

Suite *suite_store_sqlite_apply(void)
{
    Suite *s = suite_create("store/sqlite_apply");
    TCase *t = tcase_create("statements");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, no_statement_goes_through_a_whole_table);
    tcase_add_loop_test(t, a_row_that_cannot_be_read_is_passed_over, 0, 2);
    tcase_add_test(t, a_claim_takes_what_fits_into_memory_and_leaves_the_rest);
    tcase_add_test(t, a_page_whose_matches_are_rare_is_short_and_says_where_to_go_on);
    suite_add_tcase(s, t);
    return s;
}
