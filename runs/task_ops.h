#ifndef SLUICE_RUNS_TASK_OPS_H
#define SLUICE_RUNS_TASK_OPS_H
/* What can be asked of the tasks of a run by its id: all of them as they are stored, and the end of
 * one. (One is cancelled by runs/ops.h, run_stop with a path.)
 *
 * As in runs/ops.h: one callback, on the loop of the shard that it was started on; the memory is
 * the caller's and stays in place until then. */
#include "runs/ops.h"

struct tasks_get {
    struct shard *shard; /* set by the caller, with what follows */
    struct str tenant;
    struct id id;
    void (*on_done)(struct tasks_get *g);
    void *ctx;

    enum err result;         /* OK, ERR_NOT_FOUND, ERR_STORAGE_UNAVAILABLE */
    struct store_tasks read; /* freed by tasks_get_fini */
    struct settle settle;
};

void tasks_get_start(struct tasks_get *g);
void tasks_get_fini(struct tasks_get *g);

/* Until the task's end is told, or its run's, or the time is over. */
struct task_await {
    struct shard *shard; /* set by the caller, with what follows */
    struct str tenant;
    struct id id;
    struct str path;   /* stays in place */
    uint64_t after;    /* the seq at which it had not ended */
    uint64_t until_ms; /* monotonic */
    void (*on_done)(struct task_await *w);
    void *ctx;

    struct follow *follow;
    struct buf lines;
    struct loop_timer timer;
};

void task_await_start(struct task_await *w);
void task_await_stop(struct task_await *w); /* no callback any more; nothing where it is done */
#endif
