#include "store/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/sqlite_internal.h"
#include "store/sqlite_schema.h"

/* --- the lock file ---------------------------------------------------------------------------- */

long lock_read_pid(int fd)
{
    char text[32] = {0};
    if (pread(fd, text, sizeof text - 1, 0) <= 0)
        return 0;
    return strtol(text, NULL, 10);
}

static void write_pid(int fd)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    /* The pid is for a person to read; the lock itself does not need it. */
    IGNORE_RESULT(ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)n, 0) < 0);
}

/* The lock goes with the descriptor, so a process that dies leaves none behind. */
static enum err take_lock(const char *db_path, int *ret_fd, struct error *ret_error)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s.lock", db_path) >= (int)sizeof path)
        return error_set(ret_error, ERR_IO, "the path is too long: %s", db_path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set(ret_error, ERR_IO, "%s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        enum err e = error_set(ret_error, ERR_BUSY, "%s is in use by the process with pid %ld",
                               db_path, lock_read_pid(fd));
        close(fd);
        return e;
    }
    write_pid(fd);
    *ret_fd = fd;
    return OK;
}

/* SQLite would make it as the umask says, and its log and index as the database is. What people say
 * to models is not for every user of the machine. One that is there keeps its mode. */
static void make_private(const char *db_path)
{
    int fd = open(db_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd); /* before SQLite takes locks, which a close would drop (POSIX) */
} /* where it could not be made SQLite says why */

/* --- the interface ---------------------------------------------------------------------------- */

static struct sqlite_store *self(const struct store *store)
{
    return CONTAINER_OF(store, struct sqlite_store, base);
}

static void on_op_done(struct loop_msg *msg)
{
    struct store_op *op = CONTAINER_OF(msg, struct store_op, msg);
    op->on_done(op);
}

static void start(struct store *store, struct store_op *op)
{
    struct sqlite_store *s = self(store);
    op->msg.on_arrive = on_op_done;
    atomic_fetch_add(&s->open_ops, 1);
    switch (op->kind) {
    case STORE_GET:
    case STORE_TWIN:
    case STORE_EVENTS:
    case STORE_BUS:
    case STORE_TASKS:
    case STORE_LIST:
    case STORE_LANES:
    case STORE_NOTES:
    case STORE_DUE: op_queue_push(&s->reads, op); return;
    case STORE_DEFINITIONS: op_queue_push(&s->reads, op); return;
    case STORE_BATCH:
        atomic_fetch_add(&s->queued_bytes, CONTAINER_OF(op, struct store_batch, op)->bytes);
        op_queue_push(&s->writes, op);
        return;
    case STORE_CLAIM:
        CONTAINER_OF(op, struct store_claim, op)->count = 0;
        break; /* also where it is never looked at */
    case STORE_COMMAND:
    case STORE_DELETE:
    case STORE_NOTE:
    case STORE_SETTLE: break;
    case STORE_DEFINE:
    case STORE_SEED:
    case STORE_BACKUP: break;
    }
    op_queue_push(&s->writes, op);
}

static bool is_available(const struct store *store)
{
    return atomic_load_explicit(&self(store)->available, memory_order_relaxed);
}

static bool is_full(const struct store *store)
{
    struct sqlite_store *s = self(store);
    return atomic_load_explicit(&s->queued_bytes, memory_order_relaxed) >= s->options.queue_bytes;
}

static bool is_idle(const struct store *store)
{
    return atomic_load(&self(store)->open_ops) == 0;
}

static enum err renew(struct store *store)
{
    return atomic_load(&self(store)->fenced) ? ERR_BUSY : OK;
}

static void destroy(struct sqlite_store *s)
{
    db_close(s->db);
    op_queue_fini(&s->writes);
    op_queue_fini(&s->reads);
    map_fini(&s->watches);
    pthread_mutex_destroy(&s->watch_lock);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    mem_free(s->reader_threads);
    mem_free(s->doubts);
    mem_free(s->path);
    mem_free(s);
}

static void close_store(struct store *store)
{
    struct sqlite_store *s = self(store);
    op_queue_stop(&s->reads);
    for (uint32_t i = 0; i < s->reader_count; i++)
        pthread_join(s->reader_threads[i], NULL);
    op_queue_stop(&s->writes); /* last, so that its final checkpoint finds no reader in its way */
    pthread_join(s->writer_thread, NULL);
    destroy(s);
}

static const struct store_ops sqlite_ops = {
    .start = start,
    .watch = watch_add,
    .unwatch = watch_remove,
    .is_available = is_available,
    .is_full = is_full,
    .is_idle = is_idle,
    .renew = renew,
    .close = close_store,
};

/* --- opening ---------------------------------------------------------------------------------- */

/* The keys that runs and segments get next. */
static enum err read_next_keys(struct sqlite_store *s, struct error *ret_error)
{
    sqlite3_stmt *st =
        db_prepare(s->db, "SELECT (SELECT ifnull(max(key), 0) + 1 FROM run),"
                          " max(next_segment, (SELECT ifnull(max(key), 0) + 1 FROM segment),"
                          " (SELECT ifnull(max(key), 0) + 1 FROM bulletin)) FROM gateway");
    if (st == NULL || sqlite3_step(st) != SQLITE_ROW) {
        sqlite3_finalize(st);
        return error_set(ret_error, ERR_IO, "%s", sqlite3_errmsg(s->db));
    }
    s->next_key = sqlite3_column_int64(st, 0);
    s->next_segment = sqlite3_column_int64(st, 1);
    sqlite3_finalize(st);
    return OK;
}

static enum err open_database(struct sqlite_store *s, struct error *ret_error)
{
    struct error error;
    enum err e = take_lock(s->path, &s->lock_fd, ret_error);
    if (e != OK)
        return e;
    make_private(s->path);
    e = db_open(s->path, s->options.vfs, DB_WRITER, &s->db, &error);
    if (e == OK)
        e = schema_migrate(s->db, &error);
    if (e == OK)
        e = schema_next_epoch(s->db, &s->base.epoch, &error);
    if (e == OK)
        e = read_next_keys(s, &error);
    return e == OK ? OK : error_set(ret_error, e, "%s: %s", s->path, error.message);
}

static enum err start_threads(struct sqlite_store *s, struct error *ret_error)
{
    s->reader_threads = mem_alloc(s->options.readers * sizeof *s->reader_threads);
    if (s->reader_threads == NULL)
        return error_set(ret_error, ERR_NOMEM, "out of memory");
    if (pthread_create(&s->writer_thread, NULL, writer_main, s) != 0)
        return error_set(ret_error, ERR_IO, "cannot start a thread");
    while (s->reader_count < s->options.readers &&
           pthread_create(&s->reader_threads[s->reader_count], NULL, reader_main, s) == 0)
        s->reader_count++;
    if (s->reader_count > 0)
        return OK;
    op_queue_stop(&s->writes);
    pthread_join(s->writer_thread, NULL);
    return error_set(ret_error, ERR_IO, "cannot start a thread");
}

enum err sqlite_store_open(const struct sqlite_options *options, struct store **ret_store,
                           struct error *ret_error)
{
    struct sqlite_store *s = mem_zalloc(sizeof *s);
    if (s == NULL)
        return error_set(ret_error, ERR_NOMEM, "out of memory");
    s->base.ops = &sqlite_ops;
    s->options = *options;
    s->lock_fd = -1;
    s->path = mem_strdup(str_of(options->path));
    op_queue_init(&s->writes);
    op_queue_init(&s->reads);
    pthread_mutex_init(&s->watch_lock, NULL);
    list_init(&s->bus_watches);
    enum err e = ERR_NOMEM;
    if (map_init(&s->watches) != OK || s->path == NULL)
        error_set(ret_error, e, "out of memory");
    else
        e = open_database(s, ret_error);
    if (e == OK)
        e = writer_adopt(s, ret_error);
    if (e == OK)
        e = start_threads(s, ret_error);
    if (e != OK) {
        destroy(s);
        return e;
    }
    *ret_store = &s->base;
    return OK;
}
