#ifndef SLUICE_STORE_SQLITE_ROWS_H
#define SLUICE_STORE_SQLITE_ROWS_H
/* Between a run_record and its row: the one place that knows the order of the columns. */
#include "model/run_record.h"
#include "store/sqlite_db.h"

/* The last event of a run that is committed. While somebody owns it, events may come without a
 * write of its row: what that says is a floor. */
#define ROWS_SEQ                                                                                   \
    "CASE owner WHEN 0 THEN seq ELSE max(seq, ifnull((SELECT last FROM segment"                    \
    " WHERE segment.run=run.key ORDER BY first DESC LIMIT 1), 0)) END"

/* Columns of a SELECT that rows_read_run understands. */
#define ROWS_RUN_COLUMNS                                                                            \
    "key, tenant, id, state, task_state, owner, lane, wake_at, " ROWS_SEQ                           \
    ", created_at, started_at, "                                                                    \
    "finished_at, timeout_ms, flags, calls, attempt_count, input_tokens, output_tokens, "           \
    "workflow_version, agent, workflow, name, retry_of, parent, reason, error, attempts, command, " \
    "spec, output"

/* The same for who wants the definition as well. */
#define ROWS_WHOLE_RUN_COLUMNS                                                                     \
    ROWS_RUN_COLUMNS                                                                               \
    ", (SELECT text FROM definition WHERE kind=1 AND definition.name=run.workflow"                 \
    " AND version=run.workflow_version)"

/* An INSERT and an UPDATE whose parameters rows_bind_insert and rows_bind_update know. The update
 * is conditional on the lease; it also finds its own work done, after a commit whose outcome was
 * unknown. */
extern const char rows_insert_sql[];
extern const char rows_update_sql[];

void rows_bind_insert(sqlite3_stmt *stmt, int64_t key, const struct run_record *r, uint64_t owner);
void rows_bind_update(sqlite3_stmt *stmt, int64_t key, const struct run_record *r, uint64_t epoch,
                      bool release);

/* The tasks of a run: their number, and all of them; both by the run's key. */
extern const char rows_count_tasks_sql[];
extern const char rows_read_tasks_sql[];

/* Copies them into `arena`. OK; ERR_NOMEM; ERR_IO. */
struct store_task;
enum err rows_read_tasks(sqlite3_stmt *count, sqlite3_stmt *read, int64_t key, struct arena *arena,
                         struct store_task **ret_tasks, uint32_t *ret_count) MUST_CHECK;

/* A column's text into `arena`, STR_NONE for SQL NULL. False: it does not fit. */
bool rows_copy_text(sqlite3_stmt *stmt, int at, struct arena *arena, struct str *ret) MUST_CHECK;

struct row_extra {
    int64_t key;
    uint64_t owner;
    struct str command; /* NULL: none */
};

/* Copies the row into `arena`. OK; ERR_NOMEM; ERR_IO where the row is damaged. */
enum err rows_read_run(sqlite3_stmt *stmt, struct arena *arena, struct run_record *ret_run,
                       struct row_extra *ret_extra) MUST_CHECK;
#endif
