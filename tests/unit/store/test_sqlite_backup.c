/* The copy that the writer makes of its database while it goes on. */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "tests/support/faulty_vfs.h"
#include "tests/support/sqlite_rig.h"
#include "tests/support/store_calls.h"

Suite *suite_store_sqlite_backup(void);

enum { FIRST = 400 };

static struct loop *loop;
static struct store *store;
static char path[512], part[520];
static unsigned pending;

static void set_up(void)
{
    log_to_fd(-1); /* what goes wrong here goes wrong on purpose */
    ck_assert_int_eq(loop_create(NULL, &loop), OK);
    sqlite_rig_make();
    store = sqlite_rig_open();
    snprintf(path, sizeof path, "%s.copy", sqlite_rig_path());
    snprintf(part, sizeof part, "%s.part", path);
    pending = 0;
}

static void tear_down(void)
{
    faulty_vfs_disarm();
    store_close(store);
    IGNORE_RESULT(unlink(path));
    IGNORE_RESULT(unlink(part));
    sqlite_rig_remove();
    loop_destroy(loop);
}

static void on_done(struct store_op *op)
{
    (void)op;
    pending--;
}

static void start(struct store_backup *b, const char *where)
{
    *b = (struct store_backup){.op = {.kind = STORE_BACKUP, .loop = loop, .on_done = on_done},
                               .path = where};
    pending++;
    store_start(store, &b->op);
}

static void wait_for_all(void)
{
    while (pending > 0)
        calls_turn(loop);
}

static enum store_result make(struct store_backup *b, const char *where)
{
    start(b, where);
    wait_for_all();
    return b->op.result;
}

static void accept(uint64_t n)
{
    static char spec[60000];
    uint64_t ref;
    struct run_record run = calls_run(n);
    memset(spec, ' ', sizeof spec);
    memcpy(spec, "{}", 2);
    run.spec = (struct str){spec, sizeof spec};
    ck_assert_int_eq(calls_accept(store, loop, &run, &ref), STORE_OK);
}

static int64_t number_in_copy(const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return n;
}

static void nothing_must_be_there(void)
{
    ck_assert_int_ne(access(path, F_OK), 0);
    ck_assert_int_ne(access(part, F_OK), 0);
}

START_TEST(a_backup_is_whole_and_has_what_was_committed_while_it_was_made)
{
    struct store_backup b;
    uint64_t n = 0;
    while (n < FIRST) /* 24 MB: many steps */
        accept(++n);
    start(&b, path);
    while (pending > 0)
        accept(++n); /* between two steps */
    ck_assert_uint_gt(n, FIRST + 1);
    ck_assert_msg(b.op.result == STORE_OK, "%s", b.error.message);
    ck_assert_uint_gt(b.bytes, FIRST * 60000);
    ck_assert_int_ne(access(part, F_OK), 0);
    ck_assert_int_eq(
        number_in_copy("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"),
        0);
    ck_assert_int_eq(number_in_copy("SELECT count(*) FROM pragma_foreign_key_check"), 0);
    int64_t copied = number_in_copy("SELECT count(*) FROM run");
    ck_assert(copied > FIRST && copied <= (int64_t)n);
    ck_assert_int_eq(number_in_copy("SELECT count(*) FROM run WHERE length(spec) = 60000"), copied);
}
END_TEST

START_TEST(a_name_that_is_taken_stays_what_it_is)
{
    struct store_backup b;
    ck_assert_int_eq(make(&b, sqlite_rig_path()), STORE_EXISTS);
    FILE *left = fopen(part, "w");
    ck_assert_ptr_nonnull(left);
    fclose(left);
    ck_assert_int_eq(make(&b, path), STORE_EXISTS);
    ck_assert_ptr_nonnull(strstr(b.error.message, ".part"));
    ck_assert_int_eq(access(part, F_OK), 0);
}
END_TEST

START_TEST(where_nothing_can_be_made_is_told)
{
    struct store_backup b;
    ck_assert_int_eq(make(&b, "/nowhere/at/all/x"), STORE_ABSENT);
    ck_assert_ptr_nonnull(strstr(b.error.message, "/nowhere/at/all/x"));
}
END_TEST

START_TEST(a_second_one_is_refused_while_one_is_made)
{
    struct store_backup first, second;
    struct store_note note = {.op = {.kind = STORE_NOTE, .loop = loop, .on_done = on_done},
                              .name = STR("a"),
                              .text = STR("b")};
    char other[530];
    snprintf(other, sizeof other, "%s.other", path);
    faulty_vfs_hold(); /* so that both are taken at once, after the note */
    pending++;
    store_start(store, &note.op);
    faulty_vfs_wait_held();
    start(&first, path);
    start(&second, other);
    faulty_vfs_let_go();
    wait_for_all();
    ck_assert_int_eq(first.op.result, STORE_OK);
    ck_assert_int_eq(second.op.result, STORE_CONFLICT);
    ck_assert_int_ne(access(other, F_OK), 0);
}
END_TEST

START_TEST(one_that_nobody_wants_leaves_nothing)
{
    struct store_backup b;
    accept(1);
    b = (struct store_backup){.op = {.kind = STORE_BACKUP, .loop = loop, .on_done = on_done},
                              .path = path,
                              .must_stop = true};
    pending++;
    store_start(store, &b.op);
    wait_for_all();
    ck_assert_int_eq(b.op.result, STORE_UNAVAILABLE);
    nothing_must_be_there();
    ck_assert_int_eq(make(&b, path), STORE_OK);
}
END_TEST

START_TEST(while_the_storage_is_away_there_is_none_and_afterwards_there_is)
{
    struct store_backup b;
    uint64_t ref;
    struct run_record run = calls_run(1);
    faulty_vfs_arm(
        &(struct fault){FAULT_WAL, FAULT_WRITE, .times = FAULT_FOR_EVER, .code = SQLITE_FULL});
    ck_assert_int_ne(calls_accept(store, loop, &run, &ref), STORE_OK);
    ck_assert_int_eq(make(&b, path), STORE_UNAVAILABLE);
    nothing_must_be_there();
    faulty_vfs_disarm();
    while (!store_is_available(store))
        calls_turn(loop);
    ck_assert_int_eq(make(&b, path), STORE_OK);
}
END_TEST

START_TEST(without_memory_there_is_none_and_nothing_else_is_lost)
{
    struct store_backup b;
    mem_fail_nth(1);
    enum store_result result = make(&b, path);
    mem_fail_nth(0);
    ck_assert_int_eq(result, STORE_UNAVAILABLE);
    nothing_must_be_there();
    accept(1);
}
END_TEST

Suite *suite_store_sqlite_backup(void)
{
    Suite *s = suite_create("store/sqlite_backup");
    TCase *t = tcase_create("backup");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_backup_is_whole_and_has_what_was_committed_while_it_was_made);
    tcase_add_test(t, a_name_that_is_taken_stays_what_it_is);
    tcase_add_test(t, where_nothing_can_be_made_is_told);
    tcase_add_test(t, a_second_one_is_refused_while_one_is_made);
    tcase_add_test(t, one_that_nobody_wants_leaves_nothing);
    tcase_add_test(t, while_the_storage_is_away_there_is_none_and_afterwards_there_is);
    tcase_add_test(t, without_memory_there_is_none_and_nothing_else_is_lost);
    suite_add_tcase(s, t);
    return s;
}
