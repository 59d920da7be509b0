/* The deliveries that are due, read on a reader's connection: from host to host by one look into
 * the index each, however many wait for one of them. */
#include "store/sqlite_internal.h"

static const char next_host_sql[] =
    "SELECT host FROM delivery WHERE due_at IS NOT NULL AND host > ?1 ORDER BY host LIMIT 1";

static const char of_host_sql[] =
    "SELECT d.run, r.tenant, r.id, d.receiver, d.done, d.last, d.due_at, d.tries, d.failing_since"
    " FROM delivery d CROSS JOIN run r ON r.key=d.run"
    " WHERE d.host=?1 AND d.due_at IS NOT NULL ORDER BY d.due_at LIMIT ?2";

static const char total_sql[] = "SELECT count(*) FROM delivery WHERE due_at IS NOT NULL";

bool due_prepare(sqlite3 *db, struct due_statements *ret_st)
{
    ret_st->next_host = db_prepare(db, next_host_sql);
    ret_st->of_host = db_prepare(db, of_host_sql);
    ret_st->total = db_prepare(db, total_sql);
    return ret_st->next_host && ret_st->of_host && ret_st->total;
}

/* The host behind `after`; NULL: there is none. False: the database or the memory failed. */
static bool find_host(const struct due_statements *st, struct store_due *d, struct str after,
                      struct str *ret_host)
{
    db_bind_text(st->next_host, 1, after);
    int rc = sqlite3_step(st->next_host);
    *ret_host = STR_NONE;
    if (rc == SQLITE_ROW)
        *ret_host = arena_str(&d->arena, db_column_view(st->next_host, 0));
    db_reset(st->next_host);
    return rc == SQLITE_DONE || ret_host->at != NULL;
}

static bool take_row(sqlite3_stmt *st, struct store_due *d, struct str host)
{
    struct str id = db_column_view(st, 2);
    struct store_delivery *to = &d->deliveries[d->count];
    *to = (struct store_delivery){
        .ref = (uint64_t)sqlite3_column_int64(st, 0),
        .tenant = arena_str(&d->arena, db_column_view(st, 1)),
        .host = host,
        .receiver = arena_str(&d->arena, db_column_view(st, 3)),
        .done = (uint64_t)sqlite3_column_int64(st, 4),
        .last = (uint64_t)sqlite3_column_int64(st, 5),
        .due_at_ms = sqlite3_column_int64(st, 6),
        .tries = (uint32_t)sqlite3_column_int64(st, 7),
        .failing_since_ms = sqlite3_column_int64(st, 8),
    };
    if (id.len == sizeof to->id.bytes)
        memcpy(to->id.bytes, id.at, id.len);
    d->count++;
    return to->tenant.at != NULL && to->receiver.at != NULL;
}

/* The first that is not due says when to come again; those behind it are not sooner. */
static bool take_rows(sqlite3_stmt *st, struct store_due *d, struct str host)
{
    bool fits = true;
    int rc = SQLITE_DONE;
    db_bind_text(st, 1, host);
    db_bind_int(st, 2, d->per_host);
    while (fits && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        int64_t due_ms = sqlite3_column_int64(st, 6);
        if (due_ms > d->now_ms) {
            if (d->next_ms == 0 || due_ms < d->next_ms)
                d->next_ms = due_ms;
            break;
        }
        fits = take_row(st, d, host);
    }
    db_reset(st);
    return fits && (rc == SQLITE_ROW || rc == SQLITE_DONE);
}

static bool take_hosts(const struct due_statements *st, struct store_due *d)
{
    struct str host = STR_NONE;
    d->last_host = d->after_host;
    for (int i = 0; i < STORE_DUE_HOSTS; i++) {
        if (!find_host(st, d, d->last_host, &host))
            return false;
        if (host.at == NULL)
            return true;
        if (!take_rows(st->of_host, d, host))
            return false;
        d->last_host = host;
    }
    d->more = true;
    return true;
}

static bool count_all(sqlite3_stmt *st, struct store_due *d)
{
    int rc = sqlite3_step(st);
    d->total = rc == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(st, 0) : 0;
    db_reset(st);
    return rc == SQLITE_ROW;
}

void read_due(const struct due_statements *st, struct store_due *d)
{
    d->count = 0;
    d->more = false;
    d->next_ms = 0;
    d->deliveries =
        arena_alloc(&d->arena, (size_t)STORE_DUE_HOSTS * d->per_host * sizeof *d->deliveries);
    bool fine =
        d->deliveries != NULL && take_hosts(st, d) && (!d->counts || count_all(st->total, d));
    d->op.result = fine ? STORE_OK : STORE_UNAVAILABLE;
}
