/* The bus, read on a reader's connection: segments and bulletins together, by their keys. */
#include "store/sqlite_internal.h"

enum {
    SCAN_ROWS = 2000,     /* that one read looks at, wanted or not: a read is short */
    SCAN_BYTES = 1048576, /* likewise of lines */
};

/* What is another tenant's is stepped over without reading its lines. Both halves are in the order
 * of their keys already: they are merged, not sorted. */
static const char of_tenant_sql[] =
    "SELECT s.key, CASE WHEN r.tenant=?2 AND (?3 IS NULL OR r.agent=?3) THEN s.lines END"
    " FROM segment s CROSS JOIN run r ON r.key=s.run WHERE s.key >= ?1"
    " UNION ALL"
    " SELECT key, CASE WHEN tenant IS NULL OR tenant=?2 THEN line END"
    " FROM bulletin WHERE key >= ?1 AND ?3 IS NULL"
    " ORDER BY 1";

/* A run's segments have the order of their keys by their seqs as well, and it is the seqs that are
 * indexed: the one from which on the keys are behind the cursor is found by halving. The run's last
 * segment is looked at first, since most looks find nothing new. */
static const char of_run_sql[] =
    "WITH RECURSIVE half(low, high) AS ("
    "SELECT iif(key < ?1, first, 0), first"
    " FROM (SELECT key, first FROM segment WHERE run=?2 ORDER BY first DESC LIMIT 1)"
    " UNION ALL "
    "SELECT iif(s.key < ?1, s.first + 1, low), iif(s.key < ?1, high, (low + high) / 2)"
    " FROM half CROSS JOIN segment s ON s.run=?2 AND s.first=(SELECT first FROM segment"
    " WHERE run=?2 AND first >= (low + high) / 2 ORDER BY first LIMIT 1) WHERE low < high)"
    " SELECT key, CASE WHEN ?3 IS NULL OR (SELECT agent FROM run WHERE key=?2) = ?3 THEN lines END"
    " FROM segment WHERE run=?2 AND first >= (SELECT max(low) FROM half) AND +key >= ?1"
    " ORDER BY first";

static const char end_sql[] = "SELECT max((SELECT ifnull(max(key), 0) FROM segment),"
                              " (SELECT ifnull(max(key), 0) FROM bulletin)) + 1";

bool bus_prepare(sqlite3 *db, struct bus_statements *ret_st)
{
    ret_st->of_tenant = db_prepare(db, of_tenant_sql);
    ret_st->of_run = db_prepare(db, of_run_sql);
    ret_st->end = db_prepare(db, end_sql);
    return ret_st->of_tenant && ret_st->of_run && ret_st->end;
}

static void read_end(sqlite3_stmt *st, struct store_bus *b)
{
    if (sqlite3_step(st) == SQLITE_ROW) {
        b->next = (struct bus_cursor){.key = (uint64_t)sqlite3_column_int64(st, 0)};
        b->op.result = STORE_OK;
    }
    db_reset(st);
}

/* Takes the rows that `st` yields, within the bounds of one read. */
static int take_rows(sqlite3_stmt *st, struct store_bus *b)
{
    int rc = SQLITE_DONE, rows = 0;
    size_t bytes = 0;
    bool fits = true;
    while (fits && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct str lines = db_column_view(st, 1);
        uint64_t key = (uint64_t)sqlite3_column_int64(st, 0);
        bus_add_segment(&b->lines, &b->after, b->types, key, lines);
        b->next = (struct bus_cursor){.key = key + 1};
        bytes += lines.len;
        fits = b->lines.len < b->max_bytes && ++rows < SCAN_ROWS && bytes < SCAN_BYTES;
    }
    return rc;
}

static void read_rows(sqlite3_stmt *st, struct store_bus *b)
{
    int rc = take_rows(st, b);
    db_reset(st);
    b->more = rc == SQLITE_ROW;
    if ((rc == SQLITE_ROW || rc == SQLITE_DONE) && buf_ok(&b->lines) == OK)
        b->op.result = STORE_OK;
}

void read_bus(const struct bus_statements *st, struct store_bus *b, int64_t run_key)
{
    sqlite3_stmt *rows = b->has_run ? st->of_run : st->of_tenant;
    b->next = b->after;
    b->more = false;
    b->op.result = STORE_UNAVAILABLE;
    if (b->at_end) {
        read_end(st->end, b);
        return;
    }
    db_bind_int(rows, 1, (int64_t)b->after.key);
    if (b->has_run)
        db_bind_int(rows, 2, run_key);
    else
        db_bind_text(rows, 2, b->tenant);
    db_bind_text(rows, 3, b->agent);
    read_rows(rows, b);
}
