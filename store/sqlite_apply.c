/* What the writer does within its transaction: every statement that writes stands here.
 *
 * A function answers false only where the database failed, which fails the whole transaction; what
 * is merely refused is that operation's result. */
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "store/sqlite_internal.h"
#include "store/sqlite_rows.h"

static const struct db_statement statements[] = {
#define STATEMENT(field, text)                                                                     \
    {                                                                                              \
        offsetof(struct write_statements, field), text                                             \
    }
    STATEMENT(begin, "BEGIN IMMEDIATE"),
    STATEMENT(commit, "COMMIT"),
    STATEMENT(rollback, "ROLLBACK"),
    STATEMENT(read_epoch, "SELECT epoch FROM gateway"),
    STATEMENT(insert_run, rows_insert_sql),
    STATEMENT(update_run, rows_update_sql),
    STATEMENT(find_owned, "SELECT 1 FROM run WHERE key=?1 AND owner=?2"),
    STATEMENT(insert_segment,
              "INSERT INTO segment (key, run, first, last, lines) VALUES (?5, ?1, ?2, ?3, ?4)"
              " ON CONFLICT (run, first) DO NOTHING"),
    STATEMENT(find_segment, "SELECT last FROM segment WHERE run=?1 AND first=?2"),
    STATEMENT(put_task, "INSERT INTO task (run, path, text, output) VALUES (?1, ?2, ?3, ?4)"
                        " ON CONFLICT (run, path) DO UPDATE SET text = ?3, output = ?4"),
    STATEMENT(count_tasks, rows_count_tasks_sql),
    STATEMENT(read_tasks, rows_read_tasks_sql),
    STATEMENT(insert_label, "INSERT OR IGNORE INTO label VALUES (?1, ?2, ?3, ?4, ?5)"),
    STATEMENT(find_idem,
              "SELECT id, idem_digest FROM run WHERE tenant=?1 AND idem_scope=?2 AND idem_key=?3"),
    STATEMENT(find_state, "SELECT key, state FROM run WHERE tenant=?1 AND id=?2"),
    STATEMENT(set_command,
              "UPDATE run SET command=?2, wake_at=CASE owner WHEN 0 THEN 0 ELSE wake_at END"
              " WHERE key=?1"),
    STATEMENT(find_parked,
              "SELECT key, lane FROM run WHERE tenant=?1 AND id=?2 AND owner=0 AND state < 10"),
    STATEMENT(make_due, "UPDATE run SET wake_at=0 WHERE key=?1"),
    STATEMENT(delete_run, "DELETE FROM run WHERE key=?1"),
    STATEMENT(set_note,
              "INSERT INTO note VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET text=?2"),
    STATEMENT(drop_note, "DELETE FROM note WHERE name=?1"),
    STATEMENT(insert_bulletin, "INSERT INTO bulletin VALUES (?1, ?2, ?3)"),
    STATEMENT(put_delivery, "INSERT INTO delivery (run, host, receiver, done, last, due_at)"
                            " VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
                            " ON CONFLICT (run) DO UPDATE SET last = ?5 WHERE last < ?5"),
    STATEMENT(settle_delivery, "UPDATE delivery SET done=?2, due_at=?3, tries=?4, failing_since=?5"
                               " WHERE run=?1 AND due_at IS NOT NULL"),
    STATEMENT(end_delivery, "UPDATE delivery SET due_at=NULL WHERE run=?1 AND due_at IS NOT NULL"),
    STATEMENT(drop_delivery, "DELETE FROM delivery WHERE run=?1 AND last <= done"),
    STATEMENT(next_dead,
              "SELECT min(owner) FROM run WHERE state < 10 AND owner > ?1 AND owner < ?2"),
    STATEMENT(claim,
              "SELECT " ROWS_WHOLE_RUN_COLUMNS " FROM run WHERE state < 10 AND owner=?1 AND lane=?2"
              " AND wake_at <= ?3 ORDER BY wake_at LIMIT ?4"),
    STATEMENT(claim_one,
              "SELECT " ROWS_WHOLE_RUN_COLUMNS " FROM run WHERE tenant=?1 AND id=?2 AND state < 10"
              " AND owner < ?3"),
    STATEMENT(own, "UPDATE run SET owner=?2 WHERE key=?1"),
    STATEMENT(give, "UPDATE run SET owner=?3 WHERE key=?1 AND owner=?2 AND state < 10"),
    STATEMENT(flip, "UPDATE gateway SET epoch=-epoch"),
    STATEMENT(next_wake, "SELECT min(wake_at) FROM run WHERE state < 10 AND owner=0 AND lane=?1"),
    STATEMENT(keep_next_segment, "UPDATE gateway SET next_segment=?1 WHERE next_segment < ?1"),
    /* As long as an older event is there; the newest thousand stay in any case. */
    STATEMENT(retain_bulletins,
              "DELETE FROM bulletin WHERE key IN (SELECT key FROM bulletin WHERE key <"
              " (SELECT min(key) FROM segment) AND key <= (SELECT key FROM bulletin"
              " ORDER BY key DESC LIMIT 1 OFFSET 1000) ORDER BY key LIMIT ?1)"),
    STATEMENT(retain_scan,
              "SELECT key, state, created_at, finished_at, EXISTS (SELECT 1 FROM delivery WHERE"
              " delivery.run = run.key AND due_at IS NOT NULL) FROM run WHERE key > ?1 ORDER BY key"
              " LIMIT ?2"),
#undef STATEMENT
};

bool apply_prepare(struct sqlite_store *s)
{
    return db_prepare_all(s->db, statements, sizeof statements / sizeof statements[0], &s->st) &&
           define_prepare(s->db, &s->define);
}

/* --- changes ---------------------------------------------------------------------------------- */

/* Does a run have this idempotency key already? Fills the result if so. */
static bool find_twin(struct sqlite_store *s, struct store_change *c, bool *ret_found)
{
    sqlite3_stmt *st = s->st.find_idem;
    db_bind_text(st, 1, c->run->tenant);
    db_bind_text(st, 2, c->run->idem_scope);
    db_bind_text(st, 3, c->run->idem_key);
    int rc = sqlite3_step(st);
    *ret_found = rc == SQLITE_ROW;
    if (rc == SQLITE_ROW) {
        struct str id = db_column_view(st, 0);
        struct str digest = db_column_view(st, 1);
        if (id.len == sizeof c->existing.bytes)
            memcpy(c->existing.bytes, id.at, id.len);
        c->same_body = digest.len == sizeof c->run->idem_digest &&
                       memcmp(digest.at, c->run->idem_digest, digest.len) == 0;
        c->result = STORE_EXISTS;
    }
    db_reset(st);
    return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

static bool add_label(struct sqlite_store *s, const struct run_record *r, int64_t key,
                      struct str name, struct str value)
{
    sqlite3_stmt *st = s->st.insert_label;
    db_bind_text(st, 1, r->tenant);
    db_bind_text(st, 2, name);
    db_bind_text(st, 3, value);
    db_bind_blob(st, 4, r->id.bytes, sizeof r->id.bytes);
    db_bind_int(st, 5, key);
    return db_run(st);
}

/* The metadata once more, pair by pair, for the lists' filter. */
static bool add_labels(struct sqlite_store *s, const struct run_record *r, int64_t key)
{
    struct json_doc doc;
    struct arena arena;
    json_doc_init(&doc);
    arena_init(&arena, 65536);
    bool fine = json_parse(&doc, r->metadata, NULL) == OK;
    struct json root = fine ? json_root(&doc) : JSON_NONE;
    for (struct json_member m = json_first_member(root); fine && json_exists(m.value);
         m = json_next_member(root, m)) {
        struct str name, value;
        fine = json_string(m.name, &arena, &name) && json_string(m.value, &arena, &value) &&
               add_label(s, r, key, name, value);
    }
    arena_fini(&arena);
    json_doc_fini(&doc);
    return fine;
}

bool apply_insert(struct sqlite_store *s, int64_t key, const struct run_record *r, uint64_t owner)
{
    rows_bind_insert(s->st.insert_run, key, r, owner);
    if (!db_run(s->st.insert_run))
        return false;
    if (r->workflow.at != NULL && r->definition.at != NULL && !apply_keep_version(s, r))
        return false;
    return r->metadata.len <= 2 || add_labels(s, r, key);
}

static bool apply_accept(struct sqlite_store *s, struct store_change *c)
{
    bool found = false;
    if (c->run->idem_key.len > 0 && !find_twin(s, c, &found))
        return false;
    if (found)
        return true;
    c->ref = (uint64_t)s->next_key++;
    return apply_insert(s, (int64_t)c->ref, c->run, c->release ? 0 : c->epoch);
}

/* Its row is not written: is it still there, and the caller's? */
static bool check_owner(struct sqlite_store *s, struct store_change *c)
{
    sqlite3_stmt *st = s->st.find_owned;
    db_bind_int(st, 1, (int64_t)c->ref);
    db_bind_int(st, 2, (int64_t)c->epoch);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_DONE)
        c->result = STORE_FENCED;
    db_reset(st);
    return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

static bool apply_save(struct sqlite_store *s, struct store_change *c)
{
    if (c->only_events)
        return check_owner(s, c);
    rows_bind_update(s->st.update_run, (int64_t)c->ref, c->run, c->epoch, c->release);
    if (!db_run(s->st.update_run))
        return false;
    if (sqlite3_changes(s->db) == 0)
        c->result = STORE_FENCED;
    return true;
}

static bool insert_segment(struct sqlite_store *s, uint64_t ref, const struct store_segment *seg,
                           bool *ret_exists)
{
    sqlite3_stmt *st = s->st.insert_segment;
    db_bind_int(st, 1, (int64_t)ref);
    db_bind_int(st, 2, (int64_t)seg->first_seq);
    db_bind_int(st, 3, (int64_t)seg->last_seq);
    db_bind_text(st, 4, seg->lines);
    db_bind_int(st, 5, s->next_segment);
    if (!db_run(st))
        return false;
    *ret_exists = sqlite3_changes(s->db) == 0;
    s->next_segment += !*ret_exists;
    return true;
}

static bool find_last(struct sqlite_store *s, uint64_t ref, uint64_t first, uint64_t *ret_last)
{
    sqlite3_stmt *st = s->st.find_segment;
    db_bind_int(st, 1, (int64_t)ref);
    db_bind_int(st, 2, (int64_t)first);
    int rc = sqlite3_step(st);
    *ret_last = rc == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(st, 0) : 0;
    db_reset(st);
    return rc == SQLITE_ROW;
}

/* One that is sent again after an unknown commit may be there, and may have been read on the bus:
 * it stays as it is, and what it lacks becomes a segment of its own. */
bool apply_segment(struct sqlite_store *s, uint64_t ref, const struct store_segment *seg)
{
    struct store_segment rest = *seg;
    bool exists = true;
    uint64_t last;
    while (rest.first_seq <= rest.last_seq) {
        if (!insert_segment(s, ref, &rest, &exists))
            return false;
        if (!exists)
            return true;
        if (!find_last(s, ref, rest.first_seq, &last))
            return false;
        rest = store_segment_after(&rest, last);
    }
    return true;
}

static bool apply_task(struct sqlite_store *s, uint64_t ref, const struct store_task *task)
{
    sqlite3_stmt *st = s->st.put_task;
    db_bind_int(st, 1, (int64_t)ref);
    db_bind_text(st, 2, task->path);
    db_bind_text(st, 3, task->text);
    if (task->output.at != NULL)
        db_bind_text(st, 4, task->output);
    return db_run(st);
}

static bool apply_telling(struct sqlite_store *s, uint64_t ref, const struct store_telling *t)
{
    sqlite3_stmt *st = s->st.put_delivery;
    db_bind_int(st, 1, (int64_t)ref);
    db_bind_text(st, 2, t->host);
    db_bind_text(st, 3, t->receiver);
    db_bind_int(st, 4, (int64_t)t->first - 1);
    db_bind_int(st, 5, (int64_t)t->last);
    db_bind_int(st, 6, t->at_ms);
    return db_run(st);
}

bool apply_find_state(struct sqlite_store *s, struct str tenant, const struct id *id,
                      int64_t *ret_key, bool *ret_ended)
{
    sqlite3_stmt *st = s->st.find_state;
    db_bind_text(st, 1, tenant);
    db_bind_blob(st, 2, id->bytes, sizeof id->bytes);
    int rc = sqlite3_step(st);
    *ret_key = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
    *ret_ended =
        rc == SQLITE_ROW && run_state_is_terminal((enum run_state)sqlite3_column_int(st, 1));
    db_reset(st);
    return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

static bool apply_change(struct sqlite_store *s, struct store_change *c)
{
    c->result = STORE_OK;
    c->is_due = c->has_woken = false;
    if (!(c->accept ? apply_accept(s, c) : apply_save(s, c)))
        return false;
    for (uint32_t i = 0; c->result == STORE_OK && i < c->segment_count; i++) {
        if (!apply_segment(s, c->ref, &c->segments[i]))
            return false;
    }
    for (uint32_t i = 0; c->result == STORE_OK && i < c->task_count; i++) {
        if (!apply_task(s, c->ref, &c->tasks[i]))
            return false;
    }
    if (c->result == STORE_OK && c->telling.last != 0 && !apply_telling(s, c->ref, &c->telling))
        return false;
    return c->result != STORE_OK || apply_family(s, c);
}

static bool apply_batch(struct sqlite_store *s, struct store_batch *b)
{
    for (uint32_t i = 0; i < b->count; i++) {
        if (!apply_change(s, &b->changes[i]))
            return false;
    }
    b->op.result = STORE_OK;
    return true;
}

/* --- claims ----------------------------------------------------------------------------------- */

/* Rows that cannot be read. They become ours like the others, or they would stand first in line for
 * ever; nothing else can be done for them. */
struct damaged {
    int64_t keys[64];
    uint32_t count;
};

static bool own(struct sqlite_store *s, int64_t key)
{
    db_bind_int(s->st.own, 1, key);
    db_bind_int(s->st.own, 2, (int64_t)s->base.epoch);
    return db_run(s->st.own);
}

/* Takes the row on which `st` stands into the claim. */
static enum err take_row(struct sqlite_store *s, struct store_claim *c, sqlite3_stmt *st)
{
    struct row_extra extra;
    struct store_claimed *run = &c->runs[c->count];
    *run = (struct store_claimed){.ref = 0};
    enum err e = rows_read_run(st, &c->arena, &run->run, &extra);
    if (e == OK && (run->run.flags & RUN_IS_TREE) != 0)
        e = rows_read_tasks(s->st.count_tasks, s->st.read_tasks, extra.key, &c->arena, &run->tasks,
                            &run->task_count);
    if (e != OK)
        return e;
    run->ref = (uint64_t)extra.key;
    run->owner = extra.owner;
    run->lost_owner = extra.owner != 0 && extra.owner != s->base.epoch;
    run->cancel_asked = extra.command.at != NULL;
    run->cancel_note = extra.command;
    c->count++;
    return OK;
}

/* Takes all rows that `st` yields. What does not fit into memory stays where it is for the next
 * claim. */
static int step_rows(struct sqlite_store *s, struct store_claim *c, sqlite3_stmt *st,
                     struct damaged *ret_damaged)
{
    int rc = SQLITE_DONE;
    enum err e = OK;
    while (c->count < c->max && e != ERR_NOMEM && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        e = take_row(s, c, st);
        if (e == ERR_IO &&
            ret_damaged->count < sizeof ret_damaged->keys / sizeof ret_damaged->keys[0])
            ret_damaged->keys[ret_damaged->count++] = sqlite3_column_int64(st, 0);
    }
    db_reset(st);
    return rc;
}

static bool take_rows(struct sqlite_store *s, struct store_claim *c, sqlite3_stmt *st,
                      uint32_t *ret_damaged)
{
    struct damaged damaged = {.count = 0};
    int rc = step_rows(s, c, st, &damaged);
    for (uint32_t i = 0; i < damaged.count; i++) {
        log_error(log_msg("a stored run cannot be read"), log_i("key", damaged.keys[i]));
        if (!own(s, damaged.keys[i]))
            return false;
    }
    *ret_damaged = damaged.count;
    return rc == SQLITE_DONE || rc == SQLITE_ROW;
}

static bool claim_of_owner(struct sqlite_store *s, struct store_claim *c, int64_t owner,
                           int64_t due_ms)
{
    sqlite3_stmt *st = s->st.claim;
    uint32_t damaged;
    do { /* those that cannot be read have taken places: look again */
        db_bind_int(st, 1, owner);
        db_bind_text(st, 2, c->lane);
        db_bind_int(st, 3, due_ms);
        db_bind_int(st, 4, c->max - c->count);
        if (!take_rows(s, c, st, &damaged))
            return false;
    } while (damaged > 0 && c->count < c->max);
    return true;
}

/* The smallest epoch above `after` that died with runs of its own; 0: none. */
static bool find_dead(struct sqlite_store *s, int64_t after, int64_t *ret_owner)
{
    sqlite3_stmt *st = s->st.next_dead;
    db_bind_int(st, 1, after);
    db_bind_int(st, 2, (int64_t)s->base.epoch);
    int rc = sqlite3_step(st);
    *ret_owner = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
    db_reset(st);
    return rc == SQLITE_ROW;
}

static bool claim_lane(struct sqlite_store *s, struct store_claim *c)
{
    int64_t owner = 0;
    do {
        if (!find_dead(s, owner, &owner))
            return false;
        if (owner != 0 && !claim_of_owner(s, c, owner, INT64_MAX))
            return false;
    } while (owner != 0 && c->count < c->max);
    return c->count == c->max || claim_of_owner(s, c, 0, c->now_ms);
}

/* Why there was none to be taken. */
static bool find_reason(struct sqlite_store *s, struct store_claim *c)
{
    int64_t key;
    bool ended;
    if (!apply_find_state(s, c->tenant, &c->id, &key, &ended))
        return false;
    c->op.result = key == 0 ? STORE_ABSENT : ended ? STORE_CONFLICT : STORE_EXISTS;
    return true;
}

static bool claim_by_id(struct sqlite_store *s, struct store_claim *c)
{
    sqlite3_stmt *st = s->st.claim_one;
    uint32_t damaged;
    db_bind_text(st, 1, c->tenant);
    db_bind_blob(st, 2, c->id.bytes, sizeof c->id.bytes);
    db_bind_int(st, 3, (int64_t)s->base.epoch);
    return take_rows(s, c, st, &damaged) && (c->count > 0 || find_reason(s, c));
}

static bool own_claimed(struct sqlite_store *s, struct store_claim *c)
{
    for (uint32_t i = 0; i < c->count; i++) {
        if (!own(s, (int64_t)c->runs[i].ref))
            return false;
    }
    return true;
}

static bool read_next_wake(struct sqlite_store *s, struct store_claim *c)
{
    sqlite3_stmt *st = s->st.next_wake;
    db_bind_text(st, 1, c->lane);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW && sqlite3_column_type(st, 0) != SQLITE_NULL) {
        int64_t wake_ms = sqlite3_column_int64(st, 0);
        c->next_wake_ms = wake_ms > 0 ? wake_ms : 1; /* 0 says that none waits */
    }
    db_reset(st);
    return rc == SQLITE_ROW;
}

static bool apply_claim(struct sqlite_store *s, struct store_claim *c)
{
    c->count = 0;
    c->next_wake_ms = 0;
    if (c->by_id)
        c->max = 1;
    c->runs = arena_alloc(&c->arena, c->max * sizeof *c->runs);
    if (c->runs == NULL) {
        c->op.result = STORE_UNAVAILABLE;
        return true;
    }
    c->op.result = STORE_OK;
    if (!(c->by_id ? claim_by_id(s, c) : claim_lane(s, c)) || !own_claimed(s, c))
        return false;
    return c->by_id || read_next_wake(s, c);
}

/* --- commands and deletion -------------------------------------------------------------------- */

static bool apply_command(struct sqlite_store *s, struct store_command *c)
{
    int64_t key;
    bool ended;
    if (!apply_find_state(s, c->tenant, &c->id, &key, &ended))
        return false;
    c->op.result = key == 0 ? STORE_ABSENT : ended ? STORE_CONFLICT : STORE_OK;
    if (c->op.result != STORE_OK)
        return true;
    db_bind_int(s->st.set_command, 1, key);
    db_bind_text(s->st.set_command, 2, c->note.at != NULL ? c->note : STR(""));
    return db_run(s->st.set_command);
}

/* The keys of its segments go with it, and must not come again for others. */
bool apply_delete_run(struct sqlite_store *s, int64_t key)
{
    db_bind_int(s->st.delete_run, 1, key);
    db_bind_int(s->st.keep_next_segment, 1, s->next_segment);
    return db_run(s->st.delete_run) && db_run(s->st.keep_next_segment);
}

bool apply_doubt(struct sqlite_store *s, const struct doubt *d)
{
    if (d->erase)
        return apply_delete_run(s, d->key);
    db_bind_int(s->st.give, 1, d->key);
    db_bind_int(s->st.give, 2, (int64_t)d->from);
    db_bind_int(s->st.give, 3, (int64_t)d->to);
    return db_run(s->st.give);
}

static bool apply_delete(struct sqlite_store *s, struct store_delete *d)
{
    int64_t key;
    bool ended;
    if (!apply_find_state(s, d->tenant, &d->id, &key, &ended))
        return false;
    d->op.result = key == 0 ? STORE_ABSENT : ended ? STORE_OK : STORE_CONFLICT;
    return d->op.result != STORE_OK || apply_delete_run(s, key);
}

static bool apply_bulletin(struct sqlite_store *s, const struct store_note *n)
{
    sqlite3_stmt *st = s->st.insert_bulletin;
    db_bind_int(st, 1, s->next_segment++);
    db_bind_text(st, 2, n->event_tenant);
    db_bind_text(st, 3, n->event);
    return db_run(st);
}

static bool apply_note(struct sqlite_store *s, struct store_note *n)
{
    bool keeps = n->text.at != NULL;
    sqlite3_stmt *st = keeps ? s->st.set_note : s->st.drop_note;
    db_bind_text(st, 1, n->name);
    if (keeps)
        db_bind_text(st, 2, n->text);
    n->op.result = STORE_OK;
    return db_run(st) && (n->event.at == NULL || apply_bulletin(s, n));
}

/* --- deliveries ------------------------------------------------------------------------------- */

static bool apply_settle(struct sqlite_store *s, struct store_settle *d)
{
    sqlite3_stmt *st = d->is_over ? s->st.end_delivery : s->st.settle_delivery;
    db_bind_int(st, 1, (int64_t)d->ref);
    if (!d->is_over) {
        db_bind_int(st, 2, (int64_t)d->done);
        db_bind_int(st, 3, d->due_at_ms);
        db_bind_int(st, 4, d->tries);
        db_bind_int(st, 5, d->failing_since_ms);
    }
    if (!db_run(st))
        return false;
    d->op.result = sqlite3_changes(s->db) > 0 ? STORE_OK : STORE_ABSENT;
    if (d->is_over || d->op.result != STORE_OK)
        return true;
    db_bind_int(s->st.drop_delivery, 1, (int64_t)d->ref);
    return db_run(s->st.drop_delivery);
}

bool apply_op(struct sqlite_store *s, struct store_op *op)
{
    switch (op->kind) {
    case STORE_BATCH: return apply_batch(s, CONTAINER_OF(op, struct store_batch, op));
    case STORE_CLAIM: return apply_claim(s, CONTAINER_OF(op, struct store_claim, op));
    case STORE_COMMAND: return apply_command(s, CONTAINER_OF(op, struct store_command, op));
    case STORE_DELETE: return apply_delete(s, CONTAINER_OF(op, struct store_delete, op));
    case STORE_NOTE: return apply_note(s, CONTAINER_OF(op, struct store_note, op));
    case STORE_SETTLE: return apply_settle(s, CONTAINER_OF(op, struct store_settle, op));
    case STORE_DEFINE: return apply_define(s, CONTAINER_OF(op, struct store_define, op));
    case STORE_SEED: return apply_seed(s, CONTAINER_OF(op, struct store_seed, op));
    case STORE_GET:
    case STORE_TWIN:
    case STORE_EVENTS:
    case STORE_BUS:
    case STORE_TASKS:
    case STORE_LIST:
    case STORE_LANES:
    case STORE_NOTES:
    case STORE_DUE: break;         /* the readers' */
    case STORE_DEFINITIONS: break; /* the readers' */
    case STORE_BACKUP: break;      /* between the transactions */
    }
    op->result = STORE_UNAVAILABLE;
    return true;
}
