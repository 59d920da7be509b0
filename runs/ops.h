#ifndef SLUICE_RUNS_OPS_H
#define SLUICE_RUNS_OPS_H
/* What can be asked of a run by its id, wherever it is: live on any loop, in the store, or on its
 * way between.
 *
 * Each is one operation with one callback, on the loop of the shard that it was started on. Its
 * memory is the caller's and stays in place until then; run_wait_stop ends a wait early. */
#include "runs/follow.h"
#include "runs/shard.h"

/* --- the run as it is ------------------------------------------------------------------------- */

/* A question to the run's owner: tell me once everything until now is stored. */
struct settle {
    struct loop_msg msg;
    struct shard *from, *to;
    struct id id;
    struct list link; /* on the run's list while it is being saved */
    void (*on_settled)(struct settle *s);
};

void settle_start(struct settle *s);

struct run_get {
    struct shard *shard; /* set by the caller, with what follows */
    struct str tenant;
    struct id id;
    void (*on_done)(struct run_get *g);
    void *ctx;

    enum err result;       /* OK, ERR_NOT_FOUND, ERR_STORAGE_UNAVAILABLE */
    struct store_get read; /* read.run is the record; freed by run_get_fini */
    uint64_t last_seq;     /* the highest that was published */
    struct settle settle;
};

void run_get_start(struct run_get *g);
void run_get_fini(struct run_get *g);

/* --- its end ---------------------------------------------------------------------------------- */

struct run_wait {
    struct shard *shard; /* set by the caller, with what follows */
    struct str tenant;
    struct id id;
    uint64_t until_ms;                   /* monotonic */
    void (*on_done)(struct run_wait *w); /* OK: it has ended, or the time is over; ERR_NOT_FOUND,
                                            ERR_OVERLOADED, ... */
    void *ctx;

    enum err result;
    struct follow *follow;
    struct loop_timer timer;
};

void run_wait_start(struct run_wait *w);
void run_wait_stop(struct run_wait *w); /* no callback any more; nothing where it is done */

/* --- cancelling ------------------------------------------------------------------------------- */

struct run_stop {
    struct shard *shard; /* set by the caller, with what follows */
    struct str tenant;
    struct id id;
    struct str path; /* of the one task that is to be cancelled, stays in place; empty: the run */
    struct reason reason;
    void (*on_done)(struct run_stop *s);
    void *ctx;

    /* OK: it is being cancelled, and that is stored; ERR_RUN_FINISHED: it had ended; of a task
     * ERR_CONFLICT: it has ended, or what is above it has not begun, ERR_OVERLOADED: no memory for
     * the reason's note; ERR_NOT_FOUND, ERR_STORAGE_UNAVAILABLE */
    enum err result;
    struct loop_msg msg;
    struct shard *to;
    struct list link; /* on the run's list while the cancel is being stored */
    struct store_command command;
    struct store_claim claim;
    struct loop_timer again;
    unsigned tries;
};

void run_stop_start(struct run_stop *s);

/* --- removing --------------------------------------------------------------------------------- */

struct run_delete {
    struct shard *shard; /* set by the caller, with what follows */
    struct str tenant;
    struct id id;
    void (*on_done)(struct run_delete *d);
    void *ctx;

    enum err result; /* OK, ERR_NOT_FOUND, ERR_RUN_NOT_FINISHED, ERR_STORAGE_UNAVAILABLE */
    struct store_delete remove;
};

void run_delete_start(struct run_delete *d);

/* From the run: a save has come back. */
void ops_on_saved(struct run *run);
#endif
