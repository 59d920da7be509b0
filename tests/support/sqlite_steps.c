#include "tests/support/sqlite_steps.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <stddef.h>

static enum sqlite_steps_of counted;
static atomic_int steps;

static int on_statement_end(unsigned event, void *arg, void *stmt, void *nanoseconds)
{
    (void)event, (void)arg, (void)nanoseconds;
    int is_counted = counted == SQLITE_STEPS_OF_READERS
                         ? sqlite3_db_readonly(sqlite3_db_handle(stmt), "main") == 1
                         : !sqlite3_stmt_readonly(stmt);
    if (is_counted)
        atomic_fetch_add(&steps, sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 1));
    return 0;
}

struct sqlite3_api_routines;

static int on_connection(sqlite3 *db, const char **ret_error,
                         const struct sqlite3_api_routines *api)
{
    (void)ret_error, (void)api;
    return sqlite3_trace_v2(db, SQLITE_TRACE_PROFILE, on_statement_end, NULL);
}

void sqlite_steps_begin(enum sqlite_steps_of of)
{
    counted = of;
    sqlite3_auto_extension((void (*)(void))on_connection); /* which SQLite casts back */
    (void)sqlite_steps_take();
}

void sqlite_steps_end(void)
{
    sqlite3_reset_auto_extension();
}

int sqlite_steps_take(void)
{
    return atomic_exchange(&steps, 0);
}
