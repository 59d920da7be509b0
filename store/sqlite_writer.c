/* The writer: one thread, one connection, every commit and every checkpoint.
 *
 *     wait for operations -> take all -> one transaction -> give them back, tell watchers
 *          ^                                | fails             -> checkpoint -> go on
 *          |                                v
 *          |                 give everything back as unknown
 *          |                                v
 *          |---- heal: reopen, checkpoint, settle what is in doubt
 *
 * A backup goes on by one step between two turns.
 *
 * Group commit: whatever arrives while one commit is being made shares the next. */
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/sqlite_internal.h"
#include "store/sqlite_schema.h"

enum {
    COMMIT_MAX_OPS = 1024,   /* operations that share a commit */
    CHECKPOINT_IDLE = 256,   /* pages in the log from which a checkpoint is worth an idle moment */
    CHECKPOINT_BUSY = 4096,  /* pages (32 MiB) from which it is made under load as well */
    CHECKPOINT_FORCE = 8192, /* pages (64 MiB) from which readers are waited for, and each time it
                                has grown so much more */
    FORCE_MS = 250,          /* how long they are waited for */
    BUSY_MS = 5000,          /* the connection's busy timeout otherwise */
    HEAL_PAUSE_MS = 250,     /* between two tries to write again */
    RETAIN_PAUSE_MS = 60000, /* between two rounds of retention */
};

/* --- the queue -------------------------------------------------------------------------------- */

void op_queue_init(struct op_queue *q)
{
    *q = (struct op_queue){.tail = &q->head};
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&q->wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&q->lock, NULL);
}

void op_queue_fini(struct op_queue *q)
{
    pthread_cond_destroy(&q->wake);
    pthread_mutex_destroy(&q->lock);
}

void op_queue_push(struct op_queue *q, struct store_op *op)
{
    op->next = NULL;
    pthread_mutex_lock(&q->lock);
    bool was_empty = q->head == NULL;
    *q->tail = op;
    q->tail = &op->next;
    pthread_mutex_unlock(&q->lock);
    if (was_empty)
        pthread_cond_signal(&q->wake);
}

void op_queue_stop(struct op_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->stopping = true;
    pthread_mutex_unlock(&q->lock);
    pthread_cond_broadcast(&q->wake);
}

struct store_op *op_queue_take(struct op_queue *q, int max)
{
    struct store_op *first = q->head, *last = first;
    if (first == NULL)
        return NULL;
    for (int n = 1; n < max && last->next != NULL; n++)
        last = last->next;
    q->head = last->next;
    if (q->head == NULL)
        q->tail = &q->head;
    last->next = NULL;
    return first;
}

/* Waits until there is something to do or `until_ms` (monotonic) has come. */
static struct store_op *wait_for_ops(struct op_queue *q, uint64_t until_ms, bool *ret_stopping)
{
    struct timespec until = {.tv_sec = (time_t)(until_ms / 1000),
                             .tv_nsec = (long)(until_ms % 1000) * 1000000};
    pthread_mutex_lock(&q->lock);
    while (q->head == NULL && !q->stopping) {
        if (pthread_cond_timedwait(&q->wake, &q->lock, &until) != 0)
            break;
    }
    struct store_op *first = op_queue_take(q, COMMIT_MAX_OPS);
    *ret_stopping = q->stopping;
    pthread_mutex_unlock(&q->lock);
    return first;
}

static bool queue_is_empty(struct op_queue *q)
{
    pthread_mutex_lock(&q->lock);
    bool empty = q->head == NULL;
    pthread_mutex_unlock(&q->lock);
    return empty;
}

/* --- opening and closing ---------------------------------------------------------------------- */

static int on_wal_grown(void *arg, sqlite3 *db, const char *name, int pages)
{
    struct sqlite_store *s = arg;
    (void)db, (void)name;
    s->wal_pages = pages;
    return SQLITE_OK;
}

static void close_db(struct sqlite_store *s)
{
    backup_abandon(s, "the storage is not available");
    db_close(s->db);
    s->db = NULL;
    s->st = (struct write_statements){0};
    s->define = (struct define_statements){0};
}

/* Prepares the freshly opened database for the thread. */
static bool adopt(struct sqlite_store *s)
{
    sqlite3_wal_hook(s->db, on_wal_grown, s);
    s->wal_pages = 0;
    s->wal_patience = CHECKPOINT_FORCE;
    return apply_prepare(s);
}

enum err writer_adopt(struct sqlite_store *s, struct error *ret_error)
{
    if (!adopt(s))
        return error_set(ret_error, ERR_IO, "%s: %s", s->path, sqlite3_errmsg(s->db));
    atomic_store(&s->available, true);
    return OK;
}

static bool open_db(struct sqlite_store *s)
{
    struct error error;
    if (db_open(s->path, s->options.vfs, DB_WRITER, &s->db, &error) != OK)
        return false;
    return adopt(s);
}

/* --- failing ---------------------------------------------------------------------------------- */

/* How many rows could be in doubt if the commit of these operations failed. */
static size_t doubtful(const struct store_op *ops)
{
    size_t n = 0;
    for (const struct store_op *op = ops; op != NULL; op = op->next) {
        if (op->kind == STORE_BATCH)
            n += CONTAINER_OF(op, const struct store_batch, op)->count;
        if (op->kind == STORE_CLAIM)
            n += 1 + CONTAINER_OF(op, const struct store_claim, op)->max;
    }
    return n;
}

/* Makes room for them before anything is written, since it may not be forgotten for want of memory.
 */
static bool reserve_doubts(struct sqlite_store *s, const struct store_op *ops)
{
    size_t need = s->doubt_count + doubtful(ops);
    if (need <= s->doubt_cap)
        return true;
    size_t cap = need < 64 ? 64 : need + need / 2;
    struct doubt *grown = mem_realloc(s->doubts, cap * sizeof *grown);
    if (grown == NULL)
        return false;
    s->doubts = grown;
    s->doubt_cap = cap;
    return true;
}

static void add_doubt(struct sqlite_store *s, struct doubt d)
{
    s->doubts[s->doubt_count++] = d;
}

static void fail_batch(struct sqlite_store *s, struct store_batch *b)
{
    for (uint32_t i = 0; i < b->count; i++) {
        struct store_change *c = &b->changes[i];
        if (c->accept && c->ref != 0)
            add_doubt(s, (struct doubt){.key = (int64_t)c->ref, .erase = true});
        else if (!c->accept && c->release)
            add_doubt(s, (struct doubt){.key = (int64_t)c->ref, .from = 0, .to = c->epoch});
        c->result = STORE_UNKNOWN;
    }
}

static void fail_claim(struct sqlite_store *s, struct store_claim *c)
{
    for (uint32_t i = 0; i < c->count; i++)
        add_doubt(s, (struct doubt){.key = (int64_t)c->runs[i].ref,
                                    .from = s->base.epoch,
                                    .to = c->runs[i].owner});
    c->count = 0;
}

/* The outcome of everything in this transaction is unknown: SQLite's rollback does not tell what
 * the disk has kept. */
static void fail_ops(struct sqlite_store *s, struct store_op *ops)
{
    while (ops != NULL) {
        struct store_op *op = ops;
        ops = op->next;
        if (op->kind == STORE_BATCH)
            fail_batch(s, CONTAINER_OF(op, struct store_batch, op));
        if (op->kind == STORE_CLAIM)
            fail_claim(s, CONTAINER_OF(op, struct store_claim, op));
        op_finish(s, op, STORE_UNKNOWN);
    }
}

/* Gives everything back with nothing done. */
static void refuse_ops(struct sqlite_store *s, struct store_op *ops, enum store_result of_changes)
{
    while (ops != NULL) {
        struct store_op *op = ops;
        ops = op->next;
        if (op->kind == STORE_BATCH) {
            struct store_batch *b = CONTAINER_OF(op, struct store_batch, op);
            for (uint32_t i = 0; i < b->count; i++)
                b->changes[i].result = of_changes;
        }
        if (op->kind == STORE_CLAIM)
            CONTAINER_OF(op, struct store_claim, op)->count = 0;
        op_finish(s, op, STORE_UNAVAILABLE);
    }
}

static void roll_back(struct sqlite_store *s)
{
    if (!sqlite3_get_autocommit(s->db))
        IGNORE_RESULT(
            db_run(s->st.rollback)); /* the connection is closed next, or nothing was written */
}

/* A transaction has failed: nothing is taken any more until the database was healed. */
static void go_away(struct sqlite_store *s, struct store_op *ops, const char *what)
{
    log_error(log_msg("storage is unavailable"), log_s("what", what),
              log_s("error", sqlite3_errmsg(s->db)),
              log_i("code", sqlite3_extended_errcode(s->db)));
    atomic_store(&s->available, false);
    roll_back(s);
    fail_ops(s, ops);
    close_db(s);
}

/* Somebody else has taken the database over: from here on nothing of ours is written. */
static void give_up(struct sqlite_store *s, struct store_op *ops)
{
    log_error(log_msg("another gateway has taken the database over"), log_s("db", s->path));
    atomic_store(&s->fenced, true);
    atomic_store(&s->available, false);
    roll_back(s);
    refuse_ops(s, ops, STORE_FENCED);
    close_db(s);
}

/* --- committing ------------------------------------------------------------------------------- */

/* Is the lease still ours? False: the database failed. */
static bool read_lease(struct sqlite_store *s, bool *ret_ours)
{
    int rc = sqlite3_step(s->st.read_epoch);
    *ret_ours =
        rc == SQLITE_ROW && (uint64_t)sqlite3_column_int64(s->st.read_epoch, 0) == s->base.epoch;
    db_reset(s->st.read_epoch);
    return rc == SQLITE_ROW;
}

static bool commit_ops(struct sqlite_store *s, struct store_op *ops)
{
    for (struct store_op *op = ops; op != NULL; op = op->next) {
        if (!apply_op(s, op))
            return false;
    }
    return db_run(s->st.commit);
}

static void finish_ops(struct sqlite_store *s, struct store_op *ops)
{
    while (ops != NULL) {
        struct store_op *op = ops;
        ops = op->next; /* read before the loop has it back */
        op_finish(s, op, op->result);
    }
}

static size_t bytes_of(struct store_op *ops)
{
    size_t bytes = 0;
    for (struct store_op *op = ops; op != NULL; op = op->next) {
        if (op->kind == STORE_BATCH)
            bytes += CONTAINER_OF(op, struct store_batch, op)->bytes;
    }
    return bytes;
}

static void work(struct sqlite_store *s, struct store_op *ops)
{
    atomic_fetch_sub(&s->queued_bytes, bytes_of(ops));
    bool fenced = atomic_load(&s->fenced), ours;
    if (fenced || !atomic_load(&s->available) || !reserve_doubts(s, ops)) {
        refuse_ops(s, ops, fenced ? STORE_FENCED : STORE_UNAVAILABLE);
    } else if (!db_run(s->st.begin) || !read_lease(s, &ours)) {
        go_away(s, ops, "a commit failed");
    } else if (!ours) {
        give_up(s, ops);
    } else if (commit_ops(s, ops)) {
        watch_tell(s, ops);
        finish_ops(s, ops);
    } else {
        go_away(s, ops, "a commit failed");
    }
}

/* --- healing ---------------------------------------------------------------------------------- */

static bool settle_doubts(struct sqlite_store *s)
{
    bool ours;
    bool fine = db_run(s->st.begin) && read_lease(s, &ours);
    if (fine && !ours) {
        give_up(s, NULL);
        return false;
    }
    /* There and back: a page is written that ends as it was. An update that changes nothing would
     * write nothing, and so not find out whether the disk is still full. */
    fine = fine && db_run(s->st.flip) && db_run(s->st.flip);
    for (size_t i = 0; fine && i < s->doubt_count; i++)
        fine = apply_doubt(s, &s->doubts[i]);
    if (!fine || !db_run(s->st.commit))
        return false;
    s->doubt_count = 0;
    return true;
}

/* Opens the database again. The log may hold frames that a failed fsync left in the page cache
 * only: a full checkpoint writes their pages to the database file and syncs that, before anything
 * new is put behind them. */
static bool heal(struct sqlite_store *s)
{
    close_db(s);
    bool fine = open_db(s) &&
                sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) ==
                    SQLITE_OK &&
                settle_doubts(s);
    if (!fine) {
        close_db(s);
        return false;
    }
    log_info(log_msg("storage is available again"));
    atomic_store(&s->available, true);
    return true;
}

/* --- between commits -------------------------------------------------------------------------- */

/* Moves the log's pages into the database. Readers are not waited for, until the log is so long
 * that it has to be begun anew; one that stays nevertheless costs FORCE_MS each time it has grown
 * by that much again. */
static void checkpoint(struct sqlite_store *s)
{
    bool idle = queue_is_empty(&s->writes);
    if (s->wal_pages < (idle ? CHECKPOINT_IDLE : CHECKPOINT_BUSY))
        return;
    bool force = s->wal_pages >= s->wal_patience;
    int in_log = 0, done = 0;
    sqlite3_busy_timeout(s->db, force ? FORCE_MS : BUSY_MS);
    int rc = sqlite3_wal_checkpoint_v2(
        s->db, NULL, force ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE, &in_log, &done);
    sqlite3_busy_timeout(s->db, BUSY_MS);
    if (rc != SQLITE_OK && rc != SQLITE_BUSY) {
        go_away(s, NULL, "a checkpoint failed"); /* what cannot be moved makes the log grow, and may
                                                    be an fsync that failed */
        return;
    }
    if (rc == SQLITE_BUSY && force)
        log_warn(log_msg("a reader keeps the log from being used again"),
                 log_i("pages", s->wal_pages));
    if (force)
        s->wal_patience = s->wal_pages + CHECKPOINT_FORCE;
    if (rc == SQLITE_OK && in_log == done) {
        s->wal_pages = 0; /* the next commit begins the log anew */
        s->wal_patience = CHECKPOINT_FORCE;
    }
}

static void retain(struct sqlite_store *s, uint64_t now_ms)
{
    bool more = false, ours;
    if (!db_run(s->st.begin) || !read_lease(s, &ours))
        go_away(s, NULL, "retention failed");
    else if (!ours)
        give_up(s, NULL);
    else if (retain_step(s, &more) && db_run(s->st.commit))
        s->next_retain_ms = more ? now_ms : now_ms + RETAIN_PAUSE_MS;
    else
        go_away(s, NULL,
                "retention failed"); /* a commit that fails is no better for being nobody's */
}

static void keep_house(struct sqlite_store *s)
{
    uint64_t now_ms = clock_mono_ms(NULL);
    if (atomic_load(&s->fenced))
        return;
    if (!atomic_load(&s->available)) {
        if (now_ms >= s->next_heal_ms && !heal(s))
            s->next_heal_ms = now_ms + HEAL_PAUSE_MS;
        return;
    }
    checkpoint(s);
    if (s->db != NULL)
        backup_step(s);
    if (s->db != NULL && now_ms >= s->next_retain_ms)
        retain(s, now_ms);
}

static uint64_t next_look_ms(const struct sqlite_store *s)
{
    if (s->backup != NULL)
        return 0; /* there is something to do at any time */
    if (atomic_load(&s->fenced))
        return clock_mono_ms(NULL) + RETAIN_PAUSE_MS;
    return atomic_load(&s->available) ? s->next_retain_ms : s->next_heal_ms;
}

void *writer_main(void *arg)
{
    struct sqlite_store *s = arg;
    bool stopping = false;
    pthread_setname_np(pthread_self(), "store writer");
    retain_check_clock();
    for (;;) {
        struct store_op *ops = wait_for_ops(&s->writes, next_look_ms(s), &stopping);
        if (ops == NULL && stopping)
            break; /* no backup is being made: it would be an operation */
        ops = backup_take(s, ops);
        if (ops != NULL)
            work(s, ops);
        keep_house(s);
    }
    if (s->db != NULL)
        (void)sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
                                        NULL); /* to start fast */
    close_db(s);
    return NULL;
}
