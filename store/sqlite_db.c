#include "store/sqlite_db.h"

#include <pthread.h>

#include "store/sqlite_schema.h"

enum err db_exec(sqlite3 *db, const char *sql, struct error *ret_error)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
        return OK;
    return error_set(ret_error, ERR_IO, "%s", sqlite3_errmsg(db));
}

/* WAL so that readers and the writer do not wait for each other; FULL so that a commit is on the
 * disk when it returns. SQLite's own checkpoints are off: the writer chooses the moment
 * (store/sqlite_writer.c). */
static const char writer_pragmas[] =
    "PRAGMA page_size=8192;"
    "PRAGMA journal_mode=WAL;"
    "PRAGMA synchronous=FULL;"
    "PRAGMA wal_autocheckpoint=0;"
    "PRAGMA journal_size_limit=67108864;" /* what a stuck reader made grow shrinks again */
    "PRAGMA foreign_keys=ON;"
    "PRAGMA secure_delete=OFF;"
    "PRAGMA temp_store=MEMORY;"
    "PRAGMA cache_size=-4096;"
    "PRAGMA trusted_schema=OFF;";

static const char reader_pragmas[] = "PRAGMA query_only=ON;"
                                     "PRAGMA temp_store=MEMORY;"
                                     "PRAGMA cache_size=-1024;"
                                     "PRAGMA trusted_schema=OFF;";

static void configure(sqlite3 *db)
{
    sqlite3_extended_result_codes(db, 1);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_busy_timeout(db, 5000);
}

/* Once in a process, before its first connection: SQLite need not count its memory, which would
 * take a lock for each piece. */
static void configure_library(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

enum err db_open(const char *path, const char *vfs, enum db_mode mode, sqlite3 **ret_db,
                 struct error *ret_error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, configure_library);
    sqlite3 *db = NULL;
    int flags =
        SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
        (mode == DB_WRITER ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
    if (sqlite3_open_v2(path, &db, flags, vfs) != SQLITE_OK) {
        enum err e = error_set(ret_error, ERR_IO, "%s", db ? sqlite3_errmsg(db) : "out of memory");
        sqlite3_close_v2(db);
        return e;
    }
    configure(db);
    enum err e = mode == DB_WRITER ? schema_recognise(db, ret_error) : OK;
    if (e == OK)
        e = db_exec(db, mode == DB_WRITER ? writer_pragmas : reader_pragmas, ret_error);
    if (e != OK) {
        db_close(db);
        return e;
    }
    *ret_db = db;
    return OK;
}

void db_close(sqlite3 *db)
{
    if (db == NULL)
        return;
    sqlite3_stmt *stmt;
    while ((stmt = sqlite3_next_stmt(db, NULL)) != NULL)
        sqlite3_finalize(stmt);
    sqlite3_close_v2(db);
}

sqlite3_stmt *db_prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) != SQLITE_OK)
        return NULL;
    return stmt;
}

bool db_run(sqlite3_stmt *stmt)
{
    int rc = sqlite3_step(stmt);
    db_reset(stmt);
    return rc == SQLITE_DONE || rc == SQLITE_ROW;
}

bool db_prepare_all(sqlite3 *db, const struct db_statement *all, size_t count, void *ret_struct)
{
    for (size_t i = 0; i < count; i++) {
        sqlite3_stmt *stmt = db_prepare(db, all[i].sql);
        if (stmt == NULL)
            return false;
        memcpy((char *)ret_struct + all[i].offset, &stmt, sizeof stmt);
    }
    return true;
}

void db_reset(sqlite3_stmt *stmt)
{
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
}

void db_bind_text(sqlite3_stmt *stmt, int at, struct str s)
{
    if (s.at == NULL)
        sqlite3_bind_null(stmt, at);
    else
        sqlite3_bind_text64(stmt, at, s.at, s.len, SQLITE_STATIC, SQLITE_UTF8);
}

void db_bind_blob(sqlite3_stmt *stmt, int at, const void *bytes, size_t len)
{
    if (bytes == NULL)
        sqlite3_bind_null(stmt, at);
    else
        sqlite3_bind_blob64(stmt, at, bytes, len, SQLITE_STATIC);
}

struct str db_column_view(sqlite3_stmt *stmt, int at)
{
    if (sqlite3_column_type(stmt, at) == SQLITE_NULL)
        return STR_NONE;
    const char *bytes = sqlite3_column_blob(stmt, at);
    size_t len = (size_t)sqlite3_column_bytes(stmt, at);
    return bytes != NULL ? (struct str){bytes, len} : STR("");
}
