#include "tests/support/sqlite_rig.h"

#include <check.h>

#include "tests/support/faulty_vfs.h"
#include "tests/support/temp_dir.h"

struct sqlite_options sqlite_rig_options;

static struct temp_dir dir;
static char path[TEMP_PATH];

void sqlite_rig_make(void)
{
    faulty_vfs_register();
    temp_dir_make(&dir);
    temp_dir_file(&dir, "test.db", path);
    sqlite_rig_options = (struct sqlite_options){
        .path = path, .queue_bytes = 67108864, .readers = 2, .vfs = FAULTY_VFS};
}

void sqlite_rig_remove(void)
{
    temp_dir_remove(&dir);
}

const char *sqlite_rig_path(void)
{
    return path;
}

enum err sqlite_rig_try_open(struct store **ret_store, struct error *ret_error)
{
    return sqlite_store_open(&sqlite_rig_options, ret_store, ret_error);
}

struct store *sqlite_rig_open(void)
{
    struct store *store;
    struct error error = {.message = ""};
    ck_assert_msg(sqlite_rig_try_open(&store, &error) == OK, "%s", error.message);
    return store;
}

int64_t sqlite_rig_sql(const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    int64_t value = -1;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    /* Only the store checkpoints: it may be writing at this moment. */
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_wal_autocheckpoint(db, 0);
    while (sql != NULL && *sql != '\0') {
        ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &stmt, &sql) == SQLITE_OK, "%s",
                      sqlite3_errmsg(db));
        int rc = sqlite3_step(stmt);
        ck_assert_msg(rc == SQLITE_ROW || rc == SQLITE_DONE, "%s", sqlite3_errmsg(db));
        if (rc == SQLITE_ROW)
            value = sqlite3_column_int64(stmt, 0);
        sqlite3_finalize(stmt);
    }
    sqlite3_close(db);
    return value;
}
