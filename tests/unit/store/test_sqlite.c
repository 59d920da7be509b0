/* Opening and closing the database: the lock, the lease, files that are not ours or are broken. */
#include "store/sqlite.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "tests/support/sqlite_rig.h"
#include "tests/support/store_calls.h"

Suite *suite_store_sqlite(void);

static struct loop *loop;

static void set_up(void)
{
    log_to_fd(-1); /* what goes wrong here goes wrong on purpose */
    ck_assert_int_eq(loop_create(NULL, &loop), OK);
    sqlite_rig_make();
}

static void tear_down(void)
{
    sqlite_rig_remove();
    loop_destroy(loop);
}

/* Must be refused with `code`, and words that hold `hint`. */
static void must_refuse(enum err code, const char *hint)
{
    struct store *store;
    struct error error = {.message = ""};
    ck_assert_int_eq(sqlite_rig_try_open(&store, &error), code);
    ck_assert_int_eq(error.code, code);
    ck_assert_msg(strstr(error.message, hint) != NULL, "\"%s\" does not hold \"%s\"", error.message,
                  hint);
}

static void write_file(const void *bytes, size_t n)
{
    int fd = open(sqlite_rig_path(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, n), (ssize_t)n);
    close(fd);
}

/* --- its files -------------------------------------------------------------------------------- */

START_TEST(every_user_of_the_machine_could_read_the_database)
{
    static const char *const endings[] = {"", "-wal", "-shm", ".lock"};
    char path[4096];
    struct stat st;
    mode_t before = umask(0022);
    struct store *store = sqlite_rig_open();
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        snprintf(path, sizeof path, "%s%s", sqlite_rig_path(), endings[i]);
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_msg((st.st_mode & 0777) == 0600, "%s", path);
    }
    store_close(store);
    umask(before);
}
END_TEST

START_TEST(a_database_that_is_there_keeps_its_mode)
{
    struct stat st;
    store_close(sqlite_rig_open());
    ck_assert_int_eq(chmod(sqlite_rig_path(), 0640), 0);
    store_close(sqlite_rig_open());
    ck_assert_int_eq(stat(sqlite_rig_path(), &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0640);
}
END_TEST

/* --- the lock --------------------------------------------------------------------------------- */

START_TEST(a_second_opening_is_refused_and_names_the_process)
{
    char hint[64];
    struct store *store = sqlite_rig_open();
    snprintf(hint, sizeof hint, "pid %ld", (long)getpid());
    must_refuse(ERR_BUSY, hint);
    store_close(store);
}
END_TEST

START_TEST(the_lock_goes_with_the_store)
{
    for (int i = 0; i < 3; i++)
        store_close(sqlite_rig_open());
}
END_TEST

START_TEST(a_refused_opening_leaves_the_lease_alone)
{
    struct store *store = sqlite_rig_open();
    must_refuse(ERR_BUSY, "in use");
    ck_assert_int_eq(sqlite_rig_sql("SELECT epoch FROM gateway"), (int64_t)store->epoch);
    store_close(store);
}
END_TEST

START_TEST(a_lock_file_that_was_left_behind_locks_nothing)
{
    char path[600];
    snprintf(path, sizeof path, "%s.lock", sqlite_rig_path());
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_eq(write(fd, "999999\n", 7), 7);
    close(fd);
    store_close(sqlite_rig_open());
}
END_TEST

START_TEST(a_path_that_cannot_be_is_refused)
{
    char nowhere[600], too_long[5000];
    snprintf(nowhere, sizeof nowhere, "%s/below/a/file", sqlite_rig_path());
    sqlite_rig_options.path = nowhere;
    must_refuse(ERR_IO, nowhere);
    memset(too_long, 'x', sizeof too_long - 1);
    too_long[sizeof too_long - 1] = '\0';
    sqlite_rig_options.path = too_long;
    must_refuse(ERR_IO, "too long");
}
END_TEST

/* --- the lease -------------------------------------------------------------------------------- */

START_TEST(epochs_grow_strictly_whatever_happens_between)
{
    uint64_t last = 0;
    for (int i = 0; i < 5; i++) {
        struct store *store = sqlite_rig_open();
        ck_assert_uint_gt(store->epoch, last);
        last = store->epoch;
        store_close(store);
        if (i == 2)
            sqlite_rig_sql("UPDATE gateway SET epoch = epoch + 10"); /* another gateway was here */
    }
    ck_assert_uint_gt(last, 14);
}
END_TEST

/* --- files that are none of ours -------------------------------------------------------------- */

START_TEST(a_file_that_is_no_database_is_refused_and_left_as_it_is)
{
    char text[4096], after[4096];
    memset(text, 'a', sizeof text);
    write_file(text, sizeof text);
    must_refuse(ERR_IO, "not a database");
    int fd = open(sqlite_rig_path(), O_RDONLY);
    ck_assert_int_eq(read(fd, after, sizeof after), sizeof after);
    close(fd);
    ck_assert_int_eq(memcmp(text, after, sizeof text), 0);
}
END_TEST

START_TEST(a_damaged_database_is_refused)
{
    struct store *store = sqlite_rig_open();
    for (uint64_t n = 1; n <= 50; n++) {
        struct run_record run = calls_run(n);
        ck_assert_int_eq(calls_accept(store, loop, &run, NULL), STORE_OK);
    }
    store_close(store);
    struct stat st;
    ck_assert_int_eq(stat(sqlite_rig_path(), &st), 0);
    ck_assert_int_eq(truncate(sqlite_rig_path(), st.st_size / 2), 0);
    must_refuse(ERR_IO, "malformed");
}
END_TEST

START_TEST(a_database_whose_first_page_was_overwritten_is_refused)
{
    char junk[8192];
    store_close(sqlite_rig_open());
    memset(junk, 0xA5, sizeof junk);
    int fd = open(sqlite_rig_path(), O_WRONLY);
    ck_assert_int_eq(pwrite(fd, junk, sizeof junk - 100, 100),
                     sizeof junk - 100); /* behind the header */
    close(fd);
    must_refuse(ERR_IO, sqlite_rig_path());
}
END_TEST

/* --- memory ----------------------------------------------------------------------------------- */

START_TEST(out_of_memory_is_told_and_leaves_nothing_behind)
{
    store_close(sqlite_rig_open());
    for (unsigned long n = 1;; n++) {
        struct store *store = NULL;
        struct error error = {.code = OK};
        long live = mem_live();
        mem_fail_nth(n);
        enum err e = sqlite_rig_try_open(&store, &error);
        mem_fail_nth(0);
        if (e == OK) {
            store_close(store);
            ck_assert_uint_gt(n, 3);
            break;
        }
        ck_assert_int_eq(e, ERR_NOMEM);
        ck_assert_int_eq(error.code, ERR_NOMEM);
        ck_assert_int_eq(mem_live(), live);
    }
}
END_TEST

Suite *suite_store_sqlite(void)
{
    Suite *s = suite_create("store/sqlite");
    TCase *t = tcase_create("opening");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, every_user_of_the_machine_could_read_the_database);
    tcase_add_test(t, a_database_that_is_there_keeps_its_mode);
    tcase_add_test(t, a_second_opening_is_refused_and_names_the_process);
    tcase_add_test(t, the_lock_goes_with_the_store);
    tcase_add_test(t, a_refused_opening_leaves_the_lease_alone);
    tcase_add_test(t, a_lock_file_that_was_left_behind_locks_nothing);
    tcase_add_test(t, a_path_that_cannot_be_is_refused);
    tcase_add_test(t, epochs_grow_strictly_whatever_happens_between);
    tcase_add_test(t, a_file_that_is_no_database_is_refused_and_left_as_it_is);
    tcase_add_test(t, a_damaged_database_is_refused);
    tcase_add_test(t, a_database_whose_first_page_was_overwritten_is_refused);
    tcase_add_test(t, out_of_memory_is_told_and_leaves_nothing_behind);
    suite_add_tcase(s, t);
    return s;
}
