#ifndef SLUICE_STORE_SQLITE_DB_H
#define SLUICE_STORE_SQLITE_DB_H
/* One connection to the database file: opening it the right way, and the few calls that every
 * statement needs.
 *
 * A connection and its statements belong to one thread. */
#include <sqlite3.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum db_mode { DB_WRITER, DB_READER };

/* The writer creates what is missing, and touches nothing before it has seen that the file is ours;
 * a reader is read-only and never checkpoints. `vfs` may be NULL. */
enum err db_open(const char *path, const char *vfs, enum db_mode mode, sqlite3 **ret_db,
                 struct error *ret_error) MUST_CHECK;
void db_close(sqlite3 *db); /* NULL is fine; its statements are finalized */

enum err db_exec(sqlite3 *db, const char *sql, struct error *ret_error) MUST_CHECK;

/* For statements that are kept: NULL where it cannot be prepared, which for our own SQL means no
 * memory or a damaged file. */
sqlite3_stmt *db_prepare(sqlite3 *db, const char *sql);

/* Runs a statement that returns no rows and makes it ready for the next time. */
bool db_run(sqlite3_stmt *stmt) MUST_CHECK;

/* Several at once, each into its place in a struct of pointers. False: the database failed; what
 * was prepared is in its place. */
struct db_statement {
    size_t offset; /* of its pointer */
    const char *sql;
};
bool db_prepare_all(sqlite3 *db, const struct db_statement *all, size_t count, void *ret_struct);

/* Back to the start, with nothing bound: after every use, also a failed one. An unreset reader
 * would pin the log. */
void db_reset(sqlite3_stmt *stmt);

/* Views are bound without a copy and stay in place until db_reset. NULL is SQL NULL. */
void db_bind_text(sqlite3_stmt *stmt, int at, struct str s);
void db_bind_blob(sqlite3_stmt *stmt, int at, const void *bytes, size_t len);
static inline void db_bind_int(sqlite3_stmt *stmt, int at, int64_t value)
{
    sqlite3_bind_int64(stmt, at, value);
}

/* The column's bytes, until the next step; STR_NONE for SQL NULL. */
struct str db_column_view(sqlite3_stmt *stmt, int at);
#endif
