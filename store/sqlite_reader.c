/* The readers: a few threads with a read-only connection each. Short transactions only, since an
 * open one keeps the log from being reused. */
#include "store/sqlite_internal.h"
#include "store/sqlite_rows.h"

struct reader {
    struct sqlite_store *store;
    sqlite3 *db;
    sqlite3_stmt *get, *get_any, *twin, *find, *events, *lanes, *notes, *count_tasks, *tasks;
    struct bus_statements bus;
    struct due_statements due;
};

static void close_reader(struct reader *r)
{
    db_close(r->db);
    *r = (struct reader){.store = r->store};
}

/* Opened when it is first needed, and again after an error: the writer may have replaced the log
 * meanwhile. */
static bool open_reader(struct reader *r)
{
    if (r->db != NULL)
        return true;
    struct error error;
    if (db_open(r->store->path, r->store->options.vfs, DB_READER, &r->db, &error) != OK)
        return false;
    r->get =
        db_prepare(r->db, "SELECT " ROWS_WHOLE_RUN_COLUMNS " FROM run WHERE tenant=?1 AND id=?2");
    /* Ids are indexed within their tenant: the tenants are found one after the other, each by one
     * look into the index. */
    r->get_any =
        db_prepare(r->db, "WITH RECURSIVE each(one) AS (SELECT min(tenant) FROM run UNION ALL"
                          " SELECT (SELECT min(tenant) FROM run WHERE tenant > each.one) FROM each"
                          " WHERE each.one IS NOT NULL)"
                          " SELECT " ROWS_WHOLE_RUN_COLUMNS " FROM each CROSS JOIN run"
                          " WHERE run.tenant=each.one AND run.id=?2");
    r->twin = db_prepare(r->db, "SELECT id, idem_digest FROM run"
                                " WHERE tenant=?1 AND idem_scope=?2 AND idem_key=?3");
    r->find =
        db_prepare(r->db, "SELECT key, " ROWS_SEQ ", state FROM run WHERE tenant=?1 AND id=?2");
    r->events = db_prepare(
        r->db, "SELECT lines FROM segment WHERE run=?1 AND first >= ifnull((SELECT max(first) FROM"
               " segment WHERE run=?1 AND first <= ?2), 0) AND last >= ?2 ORDER BY first");
    r->lanes =
        db_prepare(r->db, "SELECT lane, count(*) FILTER (WHERE state = 0 AND owner <> ?1) FROM run"
                          " WHERE state < 10 GROUP BY lane");
    r->notes = db_prepare(r->db, "SELECT name, text FROM note WHERE substr(name, 1, ?2) = ?1 "
                                 "AND name > ?3 ORDER BY name LIMIT ?4");
    r->count_tasks = db_prepare(r->db, rows_count_tasks_sql);
    r->tasks = db_prepare(r->db, rows_read_tasks_sql);
    if (r->get && r->get_any && r->twin && r->find && r->events && r->lanes && r->notes &&
        r->count_tasks && r->tasks && bus_prepare(r->db, &r->bus) && due_prepare(r->db, &r->due))
        return true;
    close_reader(r);
    return false;
}

static enum store_result result_of(int rc)
{
    return rc == SQLITE_ROW ? STORE_OK : rc == SQLITE_DONE ? STORE_ABSENT : STORE_UNAVAILABLE;
}

static void read_get(struct reader *r, struct store_get *g)
{
    sqlite3_stmt *st = g->any_tenant ? r->get_any : r->get;
    struct row_extra extra;
    if (!g->any_tenant)
        db_bind_text(st, 1, g->tenant);
    db_bind_blob(st, 2, g->id.bytes, sizeof g->id.bytes);
    g->op.result = result_of(sqlite3_step(st));
    if (g->op.result == STORE_OK && rows_read_run(st, &g->arena, &g->run, &extra) != OK)
        g->op.result = STORE_UNAVAILABLE;
    if (g->op.result == STORE_OK)
        g->is_owned = extra.owner == r->store->base.epoch;
    db_reset(st);
}

static void read_twin(struct reader *r, struct store_twin *t)
{
    db_bind_text(r->twin, 1, t->tenant);
    db_bind_text(r->twin, 2, t->scope);
    db_bind_text(r->twin, 3, t->key);
    t->op.result = result_of(sqlite3_step(r->twin));
    if (t->op.result == STORE_OK) {
        struct str id = db_column_view(r->twin, 0), digest = db_column_view(r->twin, 1);
        if (id.len == sizeof t->id.bytes)
            memcpy(t->id.bytes, id.at, id.len);
        t->same_body =
            digest.len == sizeof t->digest && memcmp(digest.at, t->digest, digest.len) == 0;
    }
    db_reset(r->twin);
}

/* Finds the run's row: its key, how far it is committed, its state. */
static int64_t find_run(struct reader *r, struct store_events *e)
{
    int64_t key = 0;
    db_bind_text(r->find, 1, e->tenant);
    db_bind_blob(r->find, 2, e->id.bytes, sizeof e->id.bytes);
    e->op.result = result_of(sqlite3_step(r->find));
    if (e->op.result == STORE_OK) {
        key = sqlite3_column_int64(r->find, 0);
        e->committed_seq = (uint64_t)sqlite3_column_int64(r->find, 1);
        e->state = (enum run_state)sqlite3_column_int(r->find, 2);
    }
    db_reset(r->find);
    return key;
}

static void read_segments(struct reader *r, struct store_events *e, int64_t key)
{
    sqlite3_stmt *st = r->events;
    uint64_t from = e->after < INT64_MAX ? e->after + 1 : INT64_MAX;
    db_bind_int(st, 1, key);
    db_bind_int(st, 2, (int64_t)from);
    int rc = SQLITE_DONE;
    while (e->lines.len < e->max_bytes && (rc = sqlite3_step(st)) == SQLITE_ROW)
        buf_add_str(&e->lines, db_column_view(st, 0));
    db_reset(st);
    if ((rc != SQLITE_ROW && rc != SQLITE_DONE) || buf_ok(&e->lines) != OK)
        e->op.result = STORE_UNAVAILABLE;
}

/* The row and its segments in one transaction, so that they belong to the same commit. */
static void read_events(struct reader *r, struct store_events *e)
{
    if (db_exec(r->db, "BEGIN", NULL) != OK) {
        e->op.result = STORE_UNAVAILABLE;
        return;
    }
    int64_t key = find_run(r, e);
    if (e->op.result == STORE_OK)
        read_segments(r, e, key);
    if (db_exec(r->db, "COMMIT", NULL) != OK)
        e->op.result = STORE_UNAVAILABLE;
}

/* Only the bus of one run, where one is asked for. */
static int64_t find_bus_run(struct reader *r, const struct store_bus *b)
{
    db_bind_text(r->find, 1, b->tenant);
    db_bind_blob(r->find, 2, b->run.bytes, sizeof b->run.bytes);
    int64_t key = sqlite3_step(r->find) == SQLITE_ROW ? sqlite3_column_int64(r->find, 0) : 0;
    db_reset(r->find);
    return key;
}

static void read_tree(struct reader *r, struct store_tasks *t)
{
    struct row_extra extra = {.key = 0};
    db_bind_text(r->get, 1, t->tenant);
    db_bind_blob(r->get, 2, t->id.bytes, sizeof t->id.bytes);
    t->op.result = result_of(sqlite3_step(r->get));
    enum err e = OK;
    if (t->op.result == STORE_OK)
        e = rows_read_run(r->get, &t->arena, &t->run, &extra);
    db_reset(r->get);
    if (t->op.result == STORE_OK && e == OK && (t->run.flags & RUN_IS_TREE) != 0)
        e = rows_read_tasks(r->count_tasks, r->tasks, extra.key, &t->arena, &t->tasks, &t->count);
    if (e != OK)
        t->op.result = STORE_UNAVAILABLE;
}

/* In one transaction, too. */
static void read_tasks(struct reader *r, struct store_tasks *t)
{
    t->count = 0;
    if (db_exec(r->db, "BEGIN", NULL) != OK) {
        t->op.result = STORE_UNAVAILABLE;
        return;
    }
    read_tree(r, t);
    if (db_exec(r->db, "COMMIT", NULL) != OK)
        t->op.result = STORE_UNAVAILABLE;
}

enum { MAX_LANES = 4096 };

static void read_lanes(struct reader *r, struct store_lanes *l)
{
    l->count = 0;
    l->op.result = STORE_UNAVAILABLE;
    l->lanes = arena_alloc(&l->arena, MAX_LANES * sizeof *l->lanes);
    if (l->lanes == NULL)
        return;
    int rc;
    bool fits = true;
    db_bind_int(r->lanes, 1, (int64_t)r->store->base.epoch);
    while (fits && (rc = sqlite3_step(r->lanes)) == SQLITE_ROW && l->count < MAX_LANES) {
        struct store_lane *lane = &l->lanes[l->count++];
        lane->name = arena_str(&l->arena, db_column_view(r->lanes, 0));
        lane->waiting = (uint64_t)sqlite3_column_int64(r->lanes, 1);
        fits = lane->name.at != NULL;
    }
    db_reset(r->lanes);
    if (fits && (rc == SQLITE_DONE || rc == SQLITE_ROW))
        l->op.result = STORE_OK;
}

static void read_notes(struct reader *r, struct store_notes *n)
{
    n->count = 0;
    n->op.result = STORE_UNAVAILABLE;
    n->notes = arena_alloc(&n->arena, n->limit * sizeof *n->notes);
    if (n->notes == NULL)
        return;
    int rc;
    bool fits = true;
    db_bind_text(r->notes, 1, n->prefix);
    db_bind_int(r->notes, 2, (int64_t)n->prefix.len);
    db_bind_text(r->notes, 3, n->after.at != NULL ? n->after : STR(""));
    db_bind_int(r->notes, 4, (int64_t)n->limit);
    while (fits && (rc = sqlite3_step(r->notes)) == SQLITE_ROW) {
        struct store_kept *kept = &n->notes[n->count++];
        kept->name = arena_str(&n->arena, db_column_view(r->notes, 0));
        kept->text = arena_str(&n->arena, db_column_view(r->notes, 1));
        fits = kept->name.at != NULL && kept->text.at != NULL;
    }
    db_reset(r->notes);
    n->more = n->count == n->limit;
    if (fits && rc == SQLITE_DONE)
        n->op.result = STORE_OK;
}

static void do_op(struct reader *r, struct store_op *op)
{
    op->result = STORE_UNAVAILABLE;
    if (!open_reader(r))
        return;
    switch (op->kind) {
    case STORE_GET: read_get(r, CONTAINER_OF(op, struct store_get, op)); break;
    case STORE_TWIN: read_twin(r, CONTAINER_OF(op, struct store_twin, op)); break;
    case STORE_EVENTS: read_events(r, CONTAINER_OF(op, struct store_events, op)); break;
    case STORE_BUS: {
        struct store_bus *b = CONTAINER_OF(op, struct store_bus, op);
        read_bus(&r->bus, b, b->has_run ? find_bus_run(r, b) : 0);
        break;
    }
    case STORE_TASKS: read_tasks(r, CONTAINER_OF(op, struct store_tasks, op)); break;
    case STORE_LIST: read_list(r->db, CONTAINER_OF(op, struct store_list, op)); break;
    case STORE_LANES: read_lanes(r, CONTAINER_OF(op, struct store_lanes, op)); break;
    case STORE_NOTES: read_notes(r, CONTAINER_OF(op, struct store_notes, op)); break;
    case STORE_DUE: read_due(&r->due, CONTAINER_OF(op, struct store_due, op)); break;
    case STORE_DEFINITIONS:
        read_definitions(r->db, CONTAINER_OF(op, struct store_definitions, op));
        break;
    case STORE_BATCH:
    case STORE_CLAIM:
    case STORE_COMMAND:
    case STORE_DELETE:
    case STORE_NOTE:
    case STORE_SETTLE: break; /* the writer's */
    case STORE_DEFINE:
    case STORE_SEED:
    case STORE_BACKUP: break; /* the writer's */
    }
    if (op->result == STORE_UNAVAILABLE)
        close_reader(r);
}

static struct store_op *wait_for_op(struct op_queue *q)
{
    pthread_mutex_lock(&q->lock);
    while (q->head == NULL && !q->stopping)
        pthread_cond_wait(&q->wake, &q->lock);
    struct store_op *op = op_queue_take(q, 1);
    if (q->head != NULL)
        pthread_cond_signal(
            &q->wake); /* a push signals only when the queue was empty: pass it on */
    pthread_mutex_unlock(&q->lock);
    return op;
}

void *reader_main(void *arg)
{
    struct reader r = {.store = arg};
    struct store_op *op;
    pthread_setname_np(pthread_self(), "store reader");
    while ((op = wait_for_op(&r.store->reads)) != NULL) {
        do_op(&r, op);
        op_finish(r.store, op, op->result);
    }
    close_reader(&r);
    return NULL;
}
