/* A look at a database from outside, for a person who asks what is wrong. It takes no lease and
 * leaves the database as it is; one that a gateway has open it does not touch. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "store/sqlite_internal.h"
#include "store/sqlite_schema.h"

/* Holds the lock where there is one to hold: -1, nobody has ever made it; the lock file is the
 * gateway's to make, as the user that it runs as. */
static enum err hold_lock(const char *db_path, int *ret_fd, long *ret_pid, struct error *ret_error)
{
    char path[4096];
    snprintf(path, sizeof path, "%s.lock", db_path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    *ret_fd = -1;
    if (fd < 0)
        return errno == ENOENT ? OK : error_set(ret_error, ERR_IO, "%s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        *ret_fd = fd;
        return OK;
    }
    *ret_pid = lock_read_pid(fd);
    close(fd);
    return ERR_BUSY;
}

static enum err query(sqlite3 *db, const char *sql, sqlite3_stmt **ret_st, struct error *ret_error)
{
    *ret_st = db_prepare(db, sql);
    if (*ret_st != NULL && sqlite3_step(*ret_st) == SQLITE_ROW)
        return OK;
    enum err e = error_set(ret_error, ERR_IO, "%s", sqlite3_errmsg(db));
    sqlite3_finalize(*ret_st);
    return e;
}

/* SQLite says in which database it is on a line of its own. */
static struct str one_line(struct str said)
{
    struct str first = str_cut(&said, '\n');
    return said.len > 0 ? str_cut(&said, '\n') : first;
}

static enum err check_integrity(sqlite3 *db, struct error *ret_error)
{
    sqlite3_stmt *st;
    enum err e = query(db, "PRAGMA integrity_check(1)", &st, ret_error);
    if (e != OK)
        return e;
    struct str said = db_column_view(st, 0);
    if (!str_eq(said, STR("ok"))) {
        struct str line = one_line(said);
        e = error_set(ret_error, ERR_IO, "damaged: %.*s", STR_ARG(line));
    }
    sqlite3_finalize(st);
    return e;
}

static enum err read_facts(sqlite3 *db, struct sqlite_facts *f, struct error *ret_error)
{
    sqlite3_stmt *st;
    enum err e = query(db, "PRAGMA user_version", &st, ret_error);
    if (e != OK)
        return e;
    f->version = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    if (f->version == 0)
        return OK; /* empty: there are no tables yet */
    e = query(db, "SELECT ifnull(max(created_at), 0), count(*) FROM run", &st, ret_error);
    if (e != OK)
        return e;
    f->newest_ms = sqlite3_column_int64(st, 0);
    f->runs = sqlite3_column_int64(st, 1);
    sqlite3_finalize(st);
    return OK;
}

static enum err look_inside(const char *path, struct sqlite_facts *f, struct error *ret_error)
{
    sqlite3 *db;
    enum err e = db_open(path, NULL, DB_READER, &db, ret_error);
    if (e != OK)
        return e;
    e = schema_recognise(db, ret_error);
    if (e == OK)
        e = check_integrity(db, ret_error);
    if (e == OK)
        e = read_facts(db, f, ret_error);
    db_close(db);
    return e;
}

enum err sqlite_store_examine(const char *path, struct sqlite_facts *ret_facts,
                              struct error *ret_error)
{
    struct sqlite_facts facts = {.exists = access(path, F_OK) == 0};
    int lock;
    enum err e = hold_lock(path, &lock, &facts.pid, ret_error);
    facts.is_in_use = e == ERR_BUSY;
    if (facts.is_in_use)
        e = OK;
    else if (e == OK && facts.exists)
        e = look_inside(path, &facts, ret_error);
    if (lock >= 0)
        close(lock);
    if (e == OK)
        *ret_facts = facts;
    return e;
}
