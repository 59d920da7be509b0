/* Retention: ended runs go when they are older than `retain_ms`, and, oldest first, while the
 * database is larger than `retain_bytes`; then the versions of workflows that no run is of any more
 * (store/sqlite_define.c). In small steps within the writer's thread, so that a commit never waits
 * for a long deletion. A run of which something is still to be told stays, but not for ever.
 *
 * An age is the difference of two stamps, so both are of the clock that stamps (clock_stamp_ms),
 * and no age is believed that begins before CLOCK_FLOOR_MS: that run ended while the clock was
 * wrong. It goes by the size of the database or by DELETE. In a process that was itself started by
 * such a clock nothing is old, since every limit lies before the floor. */
#include "base/clock.h"
#include "base/log.h"
#include "store/sqlite_internal.h"

enum {
    STEP_ROWS = 200,        /* that one step looks at */
    STEP_MS = 10,           /* after which it stops deleting: a run may have a great many pages */
    TELLING_MS = 172800000, /* how long an ended run stays for the sake of what is to be told */
};

static int64_t pragma(sqlite3 *db, const char *sql)
{
    int64_t value = 0;
    sqlite3_stmt *stmt = db_prepare(db, sql);
    if (stmt != NULL && sqlite3_step(stmt) == SQLITE_ROW)
        value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

static bool is_too_large(struct sqlite_store *s)
{
    if (s->options.retain_bytes == 0)
        return false;
    int64_t pages = pragma(s->db, "PRAGMA page_count") - pragma(s->db, "PRAGMA freelist_count");
    return pages > 0 &&
           (uint64_t)pages * (uint64_t)pragma(s->db, "PRAGMA page_size") > s->options.retain_bytes;
}

/* The runs that go are those that ended from `from_ms` on and before `before_ms`. */
struct span {
    int64_t from_ms, before_ms;
};

static const struct span whole = {INT64_MIN, INT64_MAX};

/* What one step has found. */
struct scan {
    int64_t doomed[STEP_ROWS];
    int doomed_count;
    int seen;
    int64_t last;       /* key up to which it has looked */
    bool reached_young; /* all that comes later was created after the limit */
};

static bool is_doomed(sqlite3_stmt *st, const struct span *span)
{
    bool ended = run_state_is_terminal((enum run_state)sqlite3_column_int(st, 1));
    int64_t finished_ms = sqlite3_column_int64(st, 3);
    bool is_told = sqlite3_column_int(st, 4) == 0;
    return ended && finished_ms >= span->from_ms && finished_ms < span->before_ms &&
           (is_told || finished_ms < clock_stamp_ms() - TELLING_MS);
}

static bool scan_rows(struct sqlite_store *s, const struct span *span, struct scan *ret)
{
    sqlite3_stmt *st = s->st.retain_scan;
    db_bind_int(st, 1, s->retain_from);
    db_bind_int(st, 2, STEP_ROWS);
    int rc;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        ret->seen++;
        ret->reached_young = sqlite3_column_int64(st, 2) >= span->before_ms;
        if (ret->reached_young)
            break;
        ret->last = sqlite3_column_int64(st, 0);
        if (is_doomed(st, span))
            ret->doomed[ret->doomed_count++] = ret->last;
    }
    db_reset(st);
    return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

enum pace { PACE_ON, PACE_ENOUGH, PACE_LATE };

/* Deletes what was found, until the database is small enough where that was the reason, and no
 * longer than a step may take: the next one goes on from there. False: the database failed. */
static bool delete_doomed(struct sqlite_store *s, const struct scan *scan, bool by_size,
                          enum pace *ret_pace)
{
    uint64_t until_ms = clock_mono_ms(NULL) + STEP_MS;
    *ret_pace = PACE_ON;
    for (int i = 0; i < scan->doomed_count && *ret_pace == PACE_ON; i++) {
        if (!apply_delete_run(s, scan->doomed[i]))
            return false;
        s->retain_from = scan->doomed[i];
        if (by_size && !is_too_large(s))
            *ret_pace = PACE_ENOUGH;
        else if (clock_mono_ms(NULL) >= until_ms)
            *ret_pace = PACE_LATE;
    }
    if (*ret_pace == PACE_ON)
        s->retain_from = scan->last;
    return true;
}

static bool retain_runs(struct sqlite_store *s, bool *ret_more)
{
    *ret_more = false;
    bool too_large = is_too_large(s);
    if (s->options.retain_ms == 0 && !too_large)
        return true;
    struct span old = {CLOCK_FLOOR_MS, clock_stamp_ms() - s->options.retain_ms};
    struct scan scan = {.last = s->retain_from};
    enum pace pace;
    if (!scan_rows(s, too_large ? &whole : &old, &scan) ||
        !delete_doomed(s, &scan, too_large, &pace))
        return false;
    db_bind_int(s->st.retain_bulletins, 1, STEP_ROWS);
    if (!db_run(s->st.retain_bulletins))
        return false;
    *ret_more =
        pace == PACE_LATE || (pace == PACE_ON && scan.seen == STEP_ROWS && !scan.reached_young);
    if (!*ret_more)
        s->retain_from = 0; /* the next round begins with the oldest again */
    return true;
}

void retain_check_clock(void)
{
    if (clock_stamp_ms() < CLOCK_FLOOR_MS)
        log_error(log_msg("the clock is wrong: no run goes by its age until a start with a right "
                          "one, and none that ends before it ever does"));
}

bool retain_step(struct sqlite_store *s, bool *ret_more)
{
    bool more_runs, more_definitions;
    if (!retain_runs(s, &more_runs) || !retain_definitions(s, &more_definitions))
        return false;
    *ret_more = more_runs || more_definitions;
    return true;
}
