/* Migrations: from nothing, never backwards, never into somebody else's file. */
#include "store/sqlite_schema.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "tests/support/sqlite_rig.h"

Suite *suite_store_sqlite_schema(void);

enum { LATEST = 4 };

static void set_up(void)
{
    log_to_fd(-1);
    sqlite_rig_make();
}

static void must_refuse(const char *hint)
{
    struct store *store;
    struct error error = {.message = ""};
    ck_assert_int_eq(sqlite_rig_try_open(&store, &error), ERR_IO);
    ck_assert_msg(strstr(error.message, hint) != NULL, "\"%s\" does not hold \"%s\"", error.message,
                  hint);
}

START_TEST(a_database_is_made_where_there_is_none)
{
    store_close(sqlite_rig_open());
    ck_assert_int_eq(sqlite_rig_sql("PRAGMA user_version"), LATEST);
    ck_assert_int_eq(sqlite_rig_sql("PRAGMA application_id"), 0x534C5549);
    ck_assert_int_eq(
        sqlite_rig_sql("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN"
                       " ('gateway', 'run', 'segment', 'label', 'bulletin', 'delivery')"),
        6);
    ck_assert_int_eq(sqlite_rig_sql("PRAGMA quick_check"), 0); /* "ok" is no number */
}
END_TEST

START_TEST(a_database_is_made_of_an_empty_file)
{
    close(open(sqlite_rig_path(), O_WRONLY | O_CREAT, 0600));
    store_close(sqlite_rig_open());
    ck_assert_int_eq(sqlite_rig_sql("PRAGMA user_version"), LATEST);
}
END_TEST

#define TO_VERSION_2                                                                               \
    "DROP TABLE definition; DROP INDEX run_workflow; DROP TABLE delivery;"                         \
    " ALTER TABLE gateway DROP COLUMN definition_floor; PRAGMA user_version = 2;"

/* The bus came with version 2: what was stored before is on it, and the keys go on behind. */
START_TEST(a_database_of_version_1_gets_its_bus)
{
    store_close(sqlite_rig_open());
    sqlite_rig_sql(TO_VERSION_2
                   " DROP TABLE bulletin; ALTER TABLE gateway DROP COLUMN next_segment;"
                   " PRAGMA user_version = 1");
    store_close(sqlite_rig_open());
    ck_assert_int_eq(sqlite_rig_sql("PRAGMA user_version"), LATEST);
    ck_assert_int_eq(sqlite_rig_sql("SELECT next_segment FROM gateway"), 1);
    ck_assert_int_eq(sqlite_rig_sql("SELECT count(*) FROM bulletin"), 0);
}
END_TEST

START_TEST(a_database_of_version_2_gets_its_agents_and_workflows)
{
    store_close(sqlite_rig_open());
    sqlite_rig_sql(TO_VERSION_2);
    store_close(sqlite_rig_open());
    ck_assert_int_eq(sqlite_rig_sql("PRAGMA user_version"), LATEST);
    ck_assert_int_eq(sqlite_rig_sql("SELECT definition_floor FROM gateway"), 0);
    ck_assert_int_eq(sqlite_rig_sql("SELECT count(*) FROM definition"), 0);
}
END_TEST

START_TEST(a_database_of_a_newer_version_is_refused_and_left_alone)
{
    store_close(sqlite_rig_open());
    char number[64], words[32];
    snprintf(number, sizeof number, "PRAGMA user_version = %d", LATEST + 1);
    snprintf(words, sizeof words, "version %d", LATEST + 1);
    sqlite_rig_sql(number);
    must_refuse(words);
    ck_assert_int_eq(sqlite_rig_sql("SELECT epoch FROM gateway"), 1);
    ck_assert_int_eq(sqlite_rig_sql("PRAGMA user_version"), LATEST + 1);
}
END_TEST

/* A database that nobody has numbered used to be taken for an empty file: our tables were added to
 * it. */
START_TEST(another_programs_database_is_refused_and_left_alone)
{
    static const char *const theirs[] = {
        "CREATE TABLE theirs (a)",
        "CREATE TABLE theirs (a); PRAGMA user_version = 1",
        "CREATE TABLE theirs (a); PRAGMA user_version = 7",
        "CREATE TABLE theirs (a); PRAGMA application_id = 5",
        "PRAGMA application_id = 5",
        "PRAGMA user_version = 1",
    };
    sqlite_rig_sql(theirs[_i]);
    must_refuse("another program's");
    ck_assert_int_eq(sqlite_rig_sql("SELECT count(*) FROM sqlite_master WHERE name = 'run'"), 0);
    int fd =
        open(sqlite_rig_path(), O_RDONLY); /* its way of keeping a journal was not changed either */
    uint8_t header[20];
    ck_assert_int_eq(read(fd, header, sizeof header), sizeof header);
    close(fd);
    ck_assert_uint_eq(header[18], 1);
}
END_TEST

START_TEST(what_the_writer_relies_on_is_set)
{
    struct error error;
    sqlite3 *db;
    ck_assert_int_eq(db_open(sqlite_rig_path(), NULL, DB_WRITER, &db, &error), OK);
    static const struct {
        const char *pragma;
        int wanted;
    } settings[] = {
        {"PRAGMA synchronous", 2},  {"PRAGMA foreign_keys", 1}, {"PRAGMA wal_autocheckpoint", 0},
        {"PRAGMA page_size", 8192}, {"PRAGMA mmap_size", 0},
    };
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        sqlite3_stmt *stmt = db_prepare(db, settings[i].pragma);
        ck_assert_int_eq(sqlite3_step(stmt), settings[i].wanted >= 0 ? SQLITE_ROW : SQLITE_DONE);
        ck_assert_int_eq(sqlite3_column_int(stmt, 0), settings[i].wanted);
        sqlite3_finalize(stmt);
    }
    sqlite3_stmt *stmt = db_prepare(db, "PRAGMA journal_mode");
    ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
    ck_assert_str_eq((const char *)sqlite3_column_text(stmt, 0), "wal");
    db_close(db);
}
END_TEST

START_TEST(a_reader_cannot_write)
{
    struct error error;
    sqlite3 *db;
    store_close(sqlite_rig_open());
    ck_assert_int_eq(db_open(sqlite_rig_path(), NULL, DB_READER, &db, &error), OK);
    ck_assert_int_eq(db_exec(db, "UPDATE gateway SET epoch = 99", &error), ERR_IO);
    db_close(db);
    ck_assert_int_eq(sqlite_rig_sql("SELECT epoch FROM gateway"), 1);
}
END_TEST

Suite *suite_store_sqlite_schema(void)
{
    Suite *s = suite_create("store/sqlite_schema");
    TCase *t = tcase_create("migrations");
    tcase_add_checked_fixture(t, set_up, sqlite_rig_remove);
    tcase_add_test(t, a_database_is_made_where_there_is_none);
    tcase_add_test(t, a_database_is_made_of_an_empty_file);
    tcase_add_test(t, a_database_of_version_1_gets_its_bus);
    tcase_add_test(t, a_database_of_version_2_gets_its_agents_and_workflows);
    tcase_add_test(t, a_database_of_a_newer_version_is_refused_and_left_alone);
    tcase_add_loop_test(t, another_programs_database_is_refused_and_left_alone, 0, 6);
    tcase_add_test(t, what_the_writer_relies_on_is_set);
    tcase_add_test(t, a_reader_cannot_write);
    suite_add_tcase(s, t);
    return s;
}
