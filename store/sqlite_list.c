/* Lists of runs: newest first, filtered, a page at a time.
 *
 * What drives the walk is the narrowest index that the filter allows: labels for metadata,
 * run_ended_badly for the ended states but `succeeded`, run_open for states of runs that have not
 * ended (where they are few), the ids otherwise. The rest of the filter is judged row by row, for
 * at most SCAN_MAX rows: then the page ends short and says where to go on. */
#include "store/sqlite_internal.h"
#include "store/sqlite_rows.h"

enum { SCAN_MAX = 50000, FEW_OPEN = 1000 };

/* Where columns of ROWS_RUN_COLUMNS stand that a filter looks at. */
enum {
    COLUMN_ID = 2,
    COLUMN_STATE = 3,
    COLUMN_CREATED_AT = 9,
    COLUMN_AGENT = 19,
    COLUMN_WORKFLOW = 20,
    COLUMN_NAME = 21
};

/* ?1 tenant, ?2 the id before which to begin, ?3 state, ?4 ?5 a metadata pair */
static const char by_id_sql[] =
    "SELECT " ROWS_RUN_COLUMNS " FROM run WHERE tenant=?1 AND id < ?2 ORDER BY id DESC";
static const char by_bad_end_sql[] =
    "SELECT " ROWS_RUN_COLUMNS " FROM run WHERE tenant=?1 AND state > 10 AND state=?3"
    " AND id < ?2 ORDER BY id DESC";
static const char by_open_sql[] =
    "SELECT " ROWS_RUN_COLUMNS " FROM run INDEXED BY run_open WHERE state < 10"
    " AND tenant=?1 AND id < ?2 ORDER BY id DESC";
static const char by_label_sql[] =
    "SELECT " ROWS_RUN_COLUMNS " FROM (SELECT run AS label_run, id AS label_id FROM label"
    " WHERE tenant=?1 AND key=?4 AND value=?5 AND id < ?2) CROSS JOIN run"
    " ON run.key = label_run ORDER BY label_id DESC";
static const char has_label_sql[] =
    "SELECT 1 FROM label WHERE tenant=?1 AND key=?2 AND value=?3 AND id=?4";
static const char count_open_sql[] =
    "SELECT count(*) FROM (SELECT 1 FROM run WHERE state < 10 LIMIT ?1)";

static bool open_runs_are_few(sqlite3 *db)
{
    sqlite3_stmt *st = db_prepare(db, count_open_sql);
    if (st == NULL)
        return false;
    db_bind_int(st, 1, FEW_OPEN);
    bool few = sqlite3_step(st) == SQLITE_ROW && sqlite3_column_int64(st, 0) < FEW_OPEN;
    sqlite3_finalize(st);
    return few;
}

static const char *choose(sqlite3 *db, const struct store_filter *f)
{
    if (f->metadata_count > 0)
        return by_label_sql;
    if (f->has_state && f->state > RUN_SUCCEEDED)
        return by_bad_end_sql;
    if (f->has_state && f->state < RUN_SUCCEEDED && open_runs_are_few(db))
        return by_open_sql;
    return by_id_sql;
}

static void bind_walk(sqlite3_stmt *st, const struct store_list *l)
{
    static const uint8_t beyond_all[16] = {255, 255, 255, 255, 255, 255, 255, 255,
                                           255, 255, 255, 255, 255, 255, 255, 255};
    /* A parameter that the statement does not have is SQLITE_RANGE, which is fine here. */
    db_bind_text(st, 1, l->tenant);
    db_bind_blob(st, 2, l->has_before ? l->before.bytes : beyond_all, sizeof beyond_all);
    db_bind_int(st, 3, l->filter.state);
    if (l->filter.metadata_count > 0) {
        db_bind_text(st, 4, l->filter.metadata_keys[0]);
        db_bind_text(st, 5, l->filter.metadata_values[0]);
    }
}

static bool column_is(sqlite3_stmt *st, int at, struct str wanted)
{
    if (wanted.at == NULL)
        return true;
    struct str view = db_column_view(st, at);
    return view.at != NULL && str_eq(view, wanted);
}

static bool has_label(sqlite3_stmt *labels, const struct store_list *l, struct str id, uint32_t i)
{
    db_bind_text(labels, 1, l->tenant);
    db_bind_text(labels, 2, l->filter.metadata_keys[i]);
    db_bind_text(labels, 3, l->filter.metadata_values[i]);
    db_bind_blob(labels, 4, id.at, id.len);
    bool found = sqlite3_step(labels) == SQLITE_ROW;
    db_reset(labels);
    return found;
}

static bool matches(sqlite3_stmt *st, sqlite3_stmt *labels, const struct store_list *l)
{
    const struct store_filter *f = &l->filter;
    int64_t created_ms = sqlite3_column_int64(st, COLUMN_CREATED_AT);
    if ((f->has_state && sqlite3_column_int(st, COLUMN_STATE) != (int)f->state) ||
        (f->created_after_ms != 0 && created_ms <= f->created_after_ms) ||
        (f->created_before_ms != 0 && created_ms >= f->created_before_ms) ||
        !column_is(st, COLUMN_AGENT, f->agent) || !column_is(st, COLUMN_WORKFLOW, f->workflow) ||
        !column_is(st, COLUMN_NAME, f->name))
        return false;
    for (uint32_t i = 1; i < f->metadata_count; i++) { /* the first one drives the walk */
        if (!has_label(labels, l, db_column_view(st, COLUMN_ID), i))
            return false;
    }
    return true;
}

/* Notes the row as the last one that was looked at. */
static void remember(sqlite3_stmt *st, struct store_list *l)
{
    struct str id = db_column_view(st, COLUMN_ID);
    if (id.len == sizeof l->resume.bytes)
        memcpy(l->resume.bytes, id.at, id.len);
}

/* False where memory is out. A row that cannot be read is left out. */
static bool take(sqlite3_stmt *st, struct store_list *l)
{
    struct row_extra extra;
    enum err e = rows_read_run(st, &l->arena, &l->runs[l->count], &extra);
    l->count += e == OK;
    return e != ERR_NOMEM;
}

static enum store_result walk(sqlite3_stmt *st, sqlite3_stmt *labels, struct store_list *l)
{
    int rc;
    for (int looked = 0; (rc = sqlite3_step(st)) == SQLITE_ROW; looked++) {
        if (l->count == l->limit || looked == SCAN_MAX) {
            l->more = true;
            return STORE_OK;
        }
        remember(st, l);
        if (matches(st, labels, l) && !take(st, l))
            return STORE_UNAVAILABLE;
    }
    return rc == SQLITE_DONE ? STORE_OK : STORE_UNAVAILABLE;
}

void read_list(sqlite3 *db, struct store_list *l)
{
    l->count = 0;
    l->more = false;
    l->op.result = STORE_UNAVAILABLE;
    l->runs = arena_alloc(&l->arena, (l->limit + 1) * sizeof *l->runs);
    sqlite3_stmt *st = db_prepare(db, choose(db, &l->filter));
    sqlite3_stmt *labels = db_prepare(db, has_label_sql);
    if (l->runs != NULL && st != NULL && labels != NULL) {
        bind_walk(st, l);
        l->op.result = walk(st, labels, l);
    }
    sqlite3_finalize(labels);
    sqlite3_finalize(st);
}
