#ifndef SLUICE_STORE_SQLITE_INTERNAL_H
#define SLUICE_STORE_SQLITE_INTERNAL_H
/* What the sqlite_*.c files share. Nobody else includes this. */
#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/map.h"
#include "store/sqlite.h"
#include "store/sqlite_db.h"

/* Operations that wait for a thread. Its own lock; `wake` is signalled when something is pushed. */
struct op_queue {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct store_op *head, **tail;
    bool stopping;
};

void op_queue_init(struct op_queue *q);
void op_queue_fini(struct op_queue *q);
void op_queue_push(struct op_queue *q, struct store_op *op);
void op_queue_stop(struct op_queue *q);

/* The writing statements; all prepared, or none while the database is closed after a failure. */
struct write_statements {
    sqlite3_stmt *begin, *commit, *rollback, *read_epoch, *flip;
    sqlite3_stmt *insert_run, *update_run, *find_owned, *insert_segment, *find_segment;
    sqlite3_stmt *insert_label, *put_task;
    sqlite3_stmt *find_idem, *find_state, *find_parked, *make_due, *set_command, *delete_run;
    sqlite3_stmt *set_note, *drop_note, *insert_bulletin;
    sqlite3_stmt *put_delivery, *settle_delivery, *end_delivery, *drop_delivery;
    sqlite3_stmt *next_dead, *claim, *claim_one, *own, *give, *next_wake;
    sqlite3_stmt *count_tasks, *read_tasks;
    sqlite3_stmt *keep_next_segment, *retain_scan, *retain_bulletins;
};

/* Those of agents and workflows; likewise. */
struct define_statements {
    sqlite3_stmt *find, *find_same, *next_version, *insert, *stand, *stand_all;
    sqlite3_stmt *drop_older, *drop_text, *drop_older_one, *drop_text_one, *keep;
    sqlite3_stmt *next_replaced, *raise_floor, *drop_numbers;
};

/* A row that a commit of unknown outcome may have written, though its operation was given back as
 * not done. What was accepted must not exist; what was claimed belongs to whom it belonged before;
 * what was released is still its owner's, until the save is sent again: somebody else must not
 * claim it meanwhile. */
struct doubt {
    int64_t key;
    bool erase;
    uint64_t from, to; /* owners; where it is not to be erased */
};

struct sqlite_store {
    struct store base;
    struct sqlite_options options;
    char *path;
    int lock_fd;

    pthread_t writer_thread;
    struct op_queue writes;
    atomic_size_t queued_bytes;
    atomic_size_t open_ops; /* started and not given back */
    atomic_bool available;
    atomic_bool fenced; /* the database has another epoch than ours */

    /* the writer thread's own */
    sqlite3 *db;
    struct write_statements st;
    struct define_statements define;
    int64_t next_key;
    int64_t next_segment; /* key, likewise of bulletins */
    int wal_pages;
    int wal_patience; /* pages from which readers are waited for next */
    struct doubt
        *doubts; /* what a failed commit left open; settled before anything else is written */
    size_t doubt_count, doubt_cap;
    struct backup *backup; /* the copy that is being made; NULL: none */
    uint64_t next_heal_ms;
    uint64_t next_retain_ms;
    int64_t retain_from; /* key up to which this round of retention has looked */
    int64_t retire_from; /* likewise among versions that were replaced */

    pthread_t *reader_threads;
    uint32_t reader_count;
    struct op_queue reads;

    pthread_mutex_t watch_lock; /* watches are added by loops and looked up by the writer */
    struct map watches;
    struct list bus_watches;
    atomic_uint watch_count;
};

/* sqlite.c: whose lock file it is, as it says; 0: it does not. */
long lock_read_pid(int fd);

/* sqlite_apply.c: the writer's operations, within its transaction. False: the transaction has
 * failed. */
bool apply_prepare(struct sqlite_store *s);
bool apply_op(struct sqlite_store *s, struct store_op *op);
bool apply_delete_run(struct sqlite_store *s, int64_t key);
/* The run's key and whether it has ended; key 0: there is none. */
bool apply_find_state(struct sqlite_store *s, struct str tenant, const struct id *id,
                      int64_t *ret_key, bool *ret_ended);
/* The row of a new run, with what is looked for by it. */
bool apply_insert(struct sqlite_store *s, int64_t key, const struct run_record *r, uint64_t owner);
bool apply_segment(struct sqlite_store *s, uint64_t ref, const struct store_segment *seg);
/* sqlite_family.c: children, waits_for, wakes. */
bool apply_family(struct sqlite_store *s, struct store_change *c);
bool apply_doubt(struct sqlite_store *s, const struct doubt *d);

/* sqlite_define.c: the same for agents and workflows. */
bool define_prepare(sqlite3 *db, struct define_statements *ret_st);
bool apply_define(struct sqlite_store *s, struct store_define *d);
bool apply_seed(struct sqlite_store *s, struct store_seed *seed);
/* The version of the run's workflow is there for as long as the run is. */
bool apply_keep_version(struct sqlite_store *s, const struct run_record *run);
/* A small step, as retain_step. */
bool retain_definitions(struct sqlite_store *s, bool *ret_more);
/* On a reader's connection. */
void read_definitions(sqlite3 *db, struct store_definitions *d);

/* sqlite_writer.c: the database is handed over once it is open, then the thread is started. */
enum err writer_adopt(struct sqlite_store *s, struct error *ret_error) MUST_CHECK;
void *writer_main(void *arg);

/* sqlite_reader.c */
void *reader_main(void *arg);

/* sqlite_list.c: the newest runs that match, on a reader's connection. */
void read_list(sqlite3 *db, struct store_list *list);

/* sqlite_bus.c: what a reader's connection needs for the bus; db_close finalises it. */
struct bus_statements {
    sqlite3_stmt *of_tenant, *of_run, *end;
};
bool bus_prepare(sqlite3 *db, struct bus_statements *ret_st);

/* `run_key` is that of the run asked for, where one is; 0: it is not there. */
void read_bus(const struct bus_statements *st, struct store_bus *b, int64_t run_key);

/* sqlite_due.c: the deliveries that are due; what a reader's connection needs for it. */
struct due_statements {
    sqlite3_stmt *next_host, *of_host, *total;
};
bool due_prepare(sqlite3 *db, struct due_statements *ret_st);
void read_due(const struct due_statements *st, struct store_due *d);

/* sqlite_backup.c: begins the copies that are among these operations; gives back the others. */
struct store_op *backup_take(struct sqlite_store *s, struct store_op *ops);
/* One small step of the copy that is being made; between two transactions. */
void backup_step(struct sqlite_store *s);
/* There will be no copy: the database is about to be closed. Nothing where none is being made. */
void backup_abandon(struct sqlite_store *s, const char *why);

/* sqlite_watch.c: tells those who watch one of the runs that these operations wrote. */
void watch_tell(struct sqlite_store *s, struct store_op *ops);
void watch_add(struct store *store, struct store_watch *w);
void watch_remove(struct store *store, struct store_watch *w);

/* sqlite_retain.c: one small step within the writer's transaction; answers whether there may be
 * more to do. */
bool retain_step(struct sqlite_store *s, bool *ret_more);
/* Says so where the process was started by a clock by which no age can be told. */
void retain_check_clock(void);

/* Takes up to `max` operations; NULL if none wait. The caller holds the lock. */
struct store_op *op_queue_take(struct op_queue *q, int max);

/* Gives an operation back to its loop. */
static inline void op_finish(struct sqlite_store *s, struct store_op *op, enum store_result result)
{
    op->result = result;
    loop_post(op->loop, &op->msg);
    atomic_fetch_sub(
        &s->open_ops,
        1); /* after the post: who sees 0 knows that all results are in their mailboxes */
}
#endif
