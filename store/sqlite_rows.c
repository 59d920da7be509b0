#include "store/sqlite_rows.h"

#include "base/json.h"
#include "store/store.h"

const char rows_insert_sql[] =
    "INSERT INTO run (key, tenant, id, state, task_state, owner, lane, wake_at, seq, created_at, started_at,"
    " finished_at, timeout_ms, flags, calls, attempt_count, input_tokens, output_tokens, workflow_version,"
    " agent, workflow, name, retry_of, parent, reason, error, attempts, idem_scope, idem_key, idem_digest,"
    " spec, output)"
    " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23,?24,?25,"
    "?26,?27,?28,?29,?30,?31,?32)";

void rows_bind_insert(sqlite3_stmt *s, int64_t key, const struct run_record *r, uint64_t owner)
{
    db_bind_int(s, 1, key);
    db_bind_text(s, 2, r->tenant);
    db_bind_blob(s, 3, r->id.bytes, sizeof r->id.bytes);
    db_bind_int(s, 4, r->state);
    db_bind_int(s, 5, r->task_state);
    db_bind_int(s, 6, (int64_t)owner);
    db_bind_text(s, 7, r->lane);
    db_bind_int(s, 8, r->wake_at_ms);
    db_bind_int(s, 9, (int64_t)r->seq);
    db_bind_int(s, 10, r->created_at_ms);
    db_bind_int(s, 11, r->started_at_ms);
    db_bind_int(s, 12, r->finished_at_ms);
    db_bind_int(s, 13, r->timeout_ms);
    db_bind_int(s, 14, r->flags);
    db_bind_int(s, 15, (int64_t)r->usage.calls);
    db_bind_int(s, 16, (int64_t)r->usage.attempts);
    db_bind_int(s, 17, (int64_t)r->usage.input_tokens);
    db_bind_int(s, 18, (int64_t)r->usage.output_tokens);
    db_bind_int(s, 19, r->workflow_version);
    /* What stays NULL needs no call: db_reset has cleared it. */
    if (r->agent.at != NULL)
        db_bind_text(s, 20, r->agent);
    if (r->workflow.at != NULL)
        db_bind_text(s, 21, r->workflow);
    if (r->name.at != NULL)
        db_bind_text(s, 22, r->name);
    if (r->has_retry_of)
        db_bind_blob(s, 23, r->retry_of.bytes, sizeof r->retry_of.bytes);
    if (r->parent.at != NULL)
        db_bind_text(s, 24, r->parent);
    if (r->reason.at != NULL)
        db_bind_text(s, 25, r->reason);
    if (r->error.at != NULL)
        db_bind_text(s, 26, r->error);
    if (r->attempts.at != NULL)
        db_bind_text(s, 27, r->attempts);
    if (r->idem_key.len > 0) {
        db_bind_text(s, 28, r->idem_scope);
        db_bind_text(s, 29, r->idem_key);
        db_bind_blob(s, 30, r->idem_digest, sizeof r->idem_digest);
    }
    db_bind_text(s, 31, r->spec);
    if (r->output.at != NULL)
        db_bind_text(s, 32, r->output);
}

const char rows_update_sql[] =
    "UPDATE run SET state=?2, task_state=?3, owner=?4, lane=?5, wake_at=?6, seq=?7, started_at=?8, finished_at=?9,"
    " calls=?10, attempt_count=?11, input_tokens=?12, output_tokens=?13, reason=?14, error=?15, attempts=?16,"
    " output=?17"
    " WHERE key=?1 AND (owner=?18 OR (owner=0 AND ?4=0 AND seq=?7))";

void rows_bind_update(sqlite3_stmt *s, int64_t key, const struct run_record *r, uint64_t epoch,
                      bool release)
{
    db_bind_int(s, 1, key);
    db_bind_int(s, 2, r->state);
    db_bind_int(s, 3, r->task_state);
    db_bind_int(s, 4, release ? 0 : (int64_t)epoch);
    db_bind_text(s, 5, r->lane);
    db_bind_int(s, 6, r->wake_at_ms);
    db_bind_int(s, 7, (int64_t)r->seq);
    db_bind_int(s, 8, r->started_at_ms);
    db_bind_int(s, 9, r->finished_at_ms);
    db_bind_int(s, 10, (int64_t)r->usage.calls);
    db_bind_int(s, 11, (int64_t)r->usage.attempts);
    db_bind_int(s, 12, (int64_t)r->usage.input_tokens);
    db_bind_int(s, 13, (int64_t)r->usage.output_tokens);
    db_bind_text(s, 14, r->reason);
    db_bind_text(s, 15, r->error);
    db_bind_text(s, 16, r->attempts);
    db_bind_text(s, 17, r->output);
    db_bind_int(s, 18, (int64_t)epoch);
}

static bool read_id(sqlite3_stmt *s, int at, struct id *ret_id)
{
    struct str view = db_column_view(s, at);
    if (view.len != sizeof ret_id->bytes)
        return false;
    memcpy(ret_id->bytes, view.at, sizeof ret_id->bytes);
    return true;
}

bool rows_copy_text(sqlite3_stmt *s, int at, struct arena *arena, struct str *ret)
{
    struct str view = db_column_view(s, at);
    *ret = view.at != NULL ? arena_str(arena, view) : STR_NONE;
    return view.at == NULL || ret->at != NULL;
}

enum { COLUMN_DEFINITION = 30 /* only in ROWS_WHOLE_RUN_COLUMNS */ };

/* Copies the texts; false where one of them did not fit. */
static bool read_texts(sqlite3_stmt *s, struct arena *arena, struct run_record *r,
                       struct str *ret_command)
{
    struct {
        int at;
        struct str *to;
    } texts[] = {
        {1, &r->tenant},    {6, &r->lane},     {19, &r->agent},  {20, &r->workflow},
        {21, &r->name},     {23, &r->parent},  {24, &r->reason}, {25, &r->error},
        {26, &r->attempts}, {27, ret_command}, {28, &r->spec},   {29, &r->output},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (!rows_copy_text(s, texts[i].at, arena, texts[i].to))
            return false;
    }
    return sqlite3_column_count(s) <= COLUMN_DEFINITION ||
           rows_copy_text(s, COLUMN_DEFINITION, arena, &r->definition);
}

/* A spec that was not read: for want of memory, or because it is none? */
static enum err judge_spec(struct str spec)
{
    struct json_doc doc;
    json_doc_init(&doc);
    enum err e = json_parse(&doc, spec, NULL);
    json_doc_fini(&doc);
    return e == ERR_INVALID_JSON ? ERR_IO : ERR_NOMEM;
}

enum err rows_read_run(sqlite3_stmt *s, struct arena *arena, struct run_record *ret_run,
                       struct row_extra *ret_extra)
{
    struct run_record r = {.state = (enum run_state)sqlite3_column_int(s, 3)};
    ret_extra->key = sqlite3_column_int64(s, 0);
    ret_extra->owner = (uint64_t)sqlite3_column_int64(s, 5);
    r.task_state = (enum task_state)sqlite3_column_int(s, 4);
    r.wake_at_ms = sqlite3_column_int64(s, 7);
    r.seq = (uint64_t)sqlite3_column_int64(s, 8);
    r.created_at_ms = sqlite3_column_int64(s, 9);
    r.started_at_ms = sqlite3_column_int64(s, 10);
    r.finished_at_ms = sqlite3_column_int64(s, 11);
    r.timeout_ms = sqlite3_column_int64(s, 12);
    r.flags = (unsigned)sqlite3_column_int64(s, 13);
    r.usage.calls = (uint64_t)sqlite3_column_int64(s, 14);
    r.usage.attempts = (uint64_t)sqlite3_column_int64(s, 15);
    r.usage.input_tokens = (uint64_t)sqlite3_column_int64(s, 16);
    r.usage.output_tokens = (uint64_t)sqlite3_column_int64(s, 17);
    r.workflow_version = sqlite3_column_int64(s, 18);
    r.has_retry_of = read_id(s, 22, &r.retry_of);
    if (!read_id(s, 2, &r.id))
        return ERR_IO;
    if (!read_texts(s, arena, &r, &ret_extra->command))
        return ERR_NOMEM;
    if (!run_record_read_spec(&r))
        return judge_spec(r.spec);
    *ret_run = r;
    return OK;
}

/* --- tasks ------------------------------------------------------------------------------------ */

const char rows_count_tasks_sql[] = "SELECT count(*) FROM task WHERE run=?1";
const char rows_read_tasks_sql[] = "SELECT path, text, output FROM task WHERE run=?1";

static bool read_task(sqlite3_stmt *s, struct arena *arena, struct store_task *ret)
{
    return rows_copy_text(s, 0, arena, &ret->path) && rows_copy_text(s, 1, arena, &ret->text) &&
           rows_copy_text(s, 2, arena, &ret->output);
}

static enum err count_tasks(sqlite3_stmt *s, int64_t key, int64_t *ret)
{
    db_bind_int(s, 1, key);
    enum err e = sqlite3_step(s) == SQLITE_ROW ? OK : ERR_IO;
    *ret = e == OK ? sqlite3_column_int64(s, 0) : 0;
    db_reset(s);
    return e;
}

enum err rows_read_tasks(sqlite3_stmt *count, sqlite3_stmt *read, int64_t key, struct arena *arena,
                         struct store_task **ret_tasks, uint32_t *ret_count)
{
    int64_t n;
    enum err e = count_tasks(count, key, &n);
    if (e != OK)
        return e;
    struct store_task *tasks = arena_alloc(arena, ((size_t)n + 1) * sizeof *tasks);
    if (tasks == NULL)
        return ERR_NOMEM;
    uint32_t got = 0;
    int rc = SQLITE_DONE;
    db_bind_int(read, 1, key);
    while (e == OK && got < n && (rc = sqlite3_step(read)) == SQLITE_ROW)
        e = read_task(read, arena, &tasks[got++]) ? OK : ERR_NOMEM;
    db_reset(read);
    if (e == OK && rc != SQLITE_ROW && rc != SQLITE_DONE)
        e = ERR_IO;
    *ret_tasks = tasks;
    *ret_count = got;
    return e;
}
