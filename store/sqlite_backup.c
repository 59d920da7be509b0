/* A copy of the database while it is in use: SQLite's online backup on the writer's own connection,
 * so that what is committed meanwhile goes into the copy as well and the copy never has to begin
 * again. A step is small and on the disk when it returns: no commit waits longer than for one.
 *
 *     PATH.part is made -> steps -> the last one -> PATH is its name, PATH.part is gone
 *                            | fails, or nobody wants it any more -> PATH.part is gone
 *
 * What a gateway that died has left as PATH.part is not touched: the next try says that it is
 * there. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/sqlite_internal.h"

enum {
    STEP_PAGES = 64, /* 512 KiB */
    PATH_BYTES = 4096,
};

struct backup {
    struct store_backup *op;
    char part[PATH_BYTES];
    int fd; /* of PATH.part, for fsync; closed after SQLite's own, whose locks would go with it */
    sqlite3 *copy;
    sqlite3_backup *steps;
};

/* Its cache is small so that pages go to the file at once, where each step's fsync finds them: the
 * last one has no more to wait for than any other. Nothing of it survives a crash, so it needs no
 * journal and no fsync of SQLite's. */
static const char pragmas[] = "PRAGMA journal_mode=OFF;"
                              "PRAGMA synchronous=OFF;"
                              "PRAGMA cache_size=-256;";

/* --- its end ---------------------------------------------------------------------------------- */

static void destroy(struct backup *b)
{
    if (b->steps != NULL)
        sqlite3_backup_finish(b->steps);
    sqlite3_close_v2(b->copy);
    if (b->fd >= 0) {
        close(b->fd);
        IGNORE_RESULT(unlink(b->part)); /* it has its other name, or is of no use */
    }
    mem_free(b);
}

static void give_back(struct sqlite_store *s, struct store_backup *op, enum store_result result)
{
    if (result == STORE_OK)
        log_info(log_msg("a backup was made"), log_s("path", op->path),
                 log_i("bytes", (int64_t)op->bytes));
    else
        log_warn(log_msg("a backup was not made"), log_s("path", op->path),
                 log_s("error", op->error.message));
    op_finish(s, &op->op, result);
}

static void end(struct sqlite_store *s, enum store_result result)
{
    struct backup *b = s->backup;
    struct store_backup *op = b->op;
    s->backup = NULL;
    destroy(b);
    give_back(s, op, result);
}

void backup_abandon(struct sqlite_store *s, const char *why)
{
    if (s->backup == NULL)
        return;
    IGNORE_RESULT(error_set(&s->backup->op->error, ERR_IO, "%s", why)); /* it is told */
    end(s, STORE_UNAVAILABLE);
}

/* --- its beginning ---------------------------------------------------------------------------- */

static enum store_result refuse(struct store_backup *op, enum store_result result, const char *what,
                                const char *why)
{
    IGNORE_RESULT(error_set(&op->error, ERR_IO, "%s: %s", why, what)); /* it is told */
    return result;
}

static enum store_result make_file(struct backup *b)
{
    struct stat there;
    if (snprintf(b->part, sizeof b->part, "%s.part", b->op->path) >= (int)sizeof b->part)
        return refuse(b->op, STORE_ABSENT, b->op->path, strerror(ENAMETOOLONG));
    if (lstat(b->op->path, &there) == 0)
        return refuse(b->op, STORE_EXISTS, b->op->path, strerror(EEXIST));
    b->fd = open(b->part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (b->fd < 0)
        return refuse(b->op, errno == EEXIST ? STORE_EXISTS : STORE_ABSENT, b->part,
                      strerror(errno));
    return STORE_OK;
}

static enum store_result open_copy(struct sqlite_store *s, struct backup *b)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    if (sqlite3_open_v2(b->part, &b->copy, flags, NULL) == SQLITE_OK &&
        sqlite3_exec(b->copy, pragmas, NULL, NULL, NULL) == SQLITE_OK)
        b->steps = sqlite3_backup_init(b->copy, "main", s->db, "main");
    return b->steps != NULL ? STORE_OK
                            : refuse(b->op, STORE_UNAVAILABLE, b->part,
                                     b->copy != NULL ? sqlite3_errmsg(b->copy) : "out of memory");
}

static enum store_result begin(struct sqlite_store *s, struct store_backup *op)
{
    if (s->backup != NULL)
        return refuse(op, STORE_CONFLICT, op->path, "another backup is being made");
    if (!atomic_load(&s->available))
        return refuse(op, STORE_UNAVAILABLE, op->path, "the storage is not available");
    struct backup *b = mem_zalloc(sizeof *b);
    if (b == NULL)
        return refuse(op, STORE_UNAVAILABLE, op->path, "out of memory");
    b->op = op;
    b->fd = -1;
    enum store_result result = make_file(b);
    if (result == STORE_OK)
        result = open_copy(s, b);
    if (result == STORE_OK)
        s->backup = b;
    else
        destroy(b);
    return result;
}

struct store_op *backup_take(struct sqlite_store *s, struct store_op *ops)
{
    struct store_op **at = &ops;
    while (*at != NULL) {
        struct store_op *op = *at;
        if (op->kind != STORE_BACKUP) {
            at = &op->next;
            continue;
        }
        *at = op->next;
        struct store_backup *wanted = CONTAINER_OF(op, struct store_backup, op);
        enum store_result result = begin(s, wanted);
        if (result != STORE_OK)
            give_back(s, wanted, result);
    }
    return ops;
}

/* --- its steps -------------------------------------------------------------------------------- */

static bool sync_directory(const char *path)
{
    char directory[PATH_BYTES];
    str_copy(directory, sizeof directory, str_of(path));
    strrchr(directory, '/')[1] = '\0'; /* it is absolute */
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool fine = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return fine;
}

/* All is copied and on the disk: gives it its name, unless somebody else has taken that. */
static enum store_result publish(struct backup *b)
{
    struct stat size;
    if (fstat(b->fd, &size) != 0 || link(b->part, b->op->path) != 0)
        return refuse(b->op, errno == EEXIST ? STORE_EXISTS : STORE_UNAVAILABLE, b->op->path,
                      strerror(errno));
    b->op->bytes = (uint64_t)size.st_size;
    if (sync_directory(b->op->path))
        return STORE_OK;
    enum store_result result = refuse(b->op, STORE_UNAVAILABLE, b->op->path, strerror(errno));
    IGNORE_RESULT(unlink(b->op->path)); /* it is not sure to stay there */
    return result;
}

void backup_step(struct sqlite_store *s)
{
    struct backup *b = s->backup;
    if (b == NULL)
        return;
    if (atomic_load(&b->op->must_stop)) {
        backup_abandon(s, "it was told to stop");
        return;
    }
    int rc = sqlite3_backup_step(b->steps, STEP_PAGES);
    if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED)
        return; /* the next turn tries again */
    if (rc != SQLITE_OK && rc != SQLITE_DONE)
        end(s, refuse(b->op, STORE_UNAVAILABLE, b->part, sqlite3_errstr(rc)));
    else if (fdatasync(b->fd) != 0)
        end(s, refuse(b->op, STORE_UNAVAILABLE, b->part, strerror(errno)));
    else if (rc == SQLITE_DONE)
        end(s, publish(b));
}
