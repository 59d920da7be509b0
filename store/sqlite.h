#ifndef SLUICE_STORE_SQLITE_H
#define SLUICE_STORE_SQLITE_H
/* The store on SQLite: one file, one gateway.
 *
 * One thread owns the only connection that writes and does every commit and every checkpoint; a few
 * more read. (Two connections that write or checkpoint at the same moment can corrupt the log in
 * the versions before 3.51.3.) A lock file beside the database keeps a second gateway away. */
#include "store/store.h"

struct sqlite_options {
    const char *path;
    uint64_t queue_bytes;  /* past it store_is_full */
    uint32_t readers;      /* threads, >= 1 */
    int64_t retain_ms;     /* ended runs are kept that long; 0: for ever */
    uint64_t retain_bytes; /* the database may be that large; 0: any size */
    const char *vfs; /* the name under which SQLite knows its file layer; NULL: the system's */
};

/* Opens or creates the database, migrates it, takes the lock and a new lease. ERR_BUSY where
 * another process holds the lock (its pid is in `ret_error`), ERR_IO where the file cannot be used:
 * one that is not ours is left as it is. */
enum err sqlite_store_open(const struct sqlite_options *options, struct store **ret_store,
                           struct error *ret_error) MUST_CHECK;

struct sqlite_facts {
    bool exists;
    bool is_in_use; /* a gateway has it open: nothing below is known but `pid` */
    long pid;       /* 0: not known */
    int64_t version, runs;
    int64_t newest_ms; /* when the newest run was created, wall; 0: there is none */
};

/* Looks at a database that this process has not opened, all of its pages where nobody uses it, and
 * changes nothing. ERR_IO: it is damaged, not ours, of a newer version, or cannot be read. Blocks.
 */
enum err sqlite_store_examine(const char *path, struct sqlite_facts *ret_facts,
                              struct error *ret_error) MUST_CHECK;
#endif
