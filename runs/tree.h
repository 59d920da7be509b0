#ifndef SLUICE_RUNS_TREE_H
#define SLUICE_RUNS_TREE_H
/* The tasks of a run, taken together: whose turn it is, and what it waits for.
 *
 * The agenda holds tasks to which something has to happen: one that has ended, so that the one
 * above hears of it; a group that may begin one more child. Ends come first: a group that is
 * decided by what has been told already begins nothing more. It is worked off in the same turn of
 * the loop, step by step, a run after the other where several have something to do; or in the next
 * turns, where what references lead to was much to read. It pauses while the run has produced so
 * much that is not stored yet (run_is_ahead), and stops for good where the run goes to the store
 * (run_is_leaving).
 *
 * The waits are ordered by when they end; a run whose tasks all wait is `waiting`, or parked.
 * Belongs to the run's loop. */
#include "base/heap.h"
#include "base/loop.h"
#include "runs/task.h"

struct shard;
struct store_task;

/* A run's. */
struct tree {
    struct list ended;        /* the agenda: struct task.due of those that have ended */
    struct list turns;        /* and of those whose turn it is */
    struct list busy;         /* on its shard's list while the agenda is not empty */
    struct heap waits;        /* struct task_wait, by when they end; UINT64_MAX: not known */
    struct list changed;      /* tasks that are not stored as they are: struct task.changed */
    struct store_task *below; /* rows of another run, stored with this one when it is accepted */
    uint32_t below_count;
    struct list saving;    /* those that are being stored */
    uint32_t tasks;        /* made so far, without the root */
    uint64_t ends;         /* of tasks, so far */
    size_t bytes;          /* of tasks, their lists, outputs and errors: tree_hold */
    struct json_doc input; /* the run's input, once a reference has asked for it */
    bool has_input;
};

/* A shard's: the runs that have an agenda. */
struct tree_work {
    struct list busy;
    struct loop_msg msg;
    bool is_posted;
    uint64_t effort; /* tokens read, or as much as that, since the loop did something else */
};

void tree_init(struct tree *tree);
void tree_fini(struct tree *tree);
void tree_work_init(struct tree_work *w);

/* Something has to happen to this task, soon. Nothing where it is on the agenda already. */
void tree_post(struct task *t);
bool tree_has_agenda(const struct tree *tree);

/* The run has room again for what its agenda makes. */
void tree_go_on(struct run *run);

/* It is not what is stored of it any more. */
void tree_changed(struct task *t);

/* The rows of what has changed, into `arena`; then they are being stored; then they are, or not. */
enum err tree_rows(struct run *run, struct arena *arena, struct store_task **ret_rows,
                   uint32_t *ret_count) MUST_CHECK;
void tree_save_begin(struct run *run);
void tree_save_end(struct run *run, bool is_stored);

/* Has it as many tasks as a run may make, with those that it has of another run? (A `finally` is
 * made all the same.) */
enum { TASKS_MAX = 200000 };
bool tree_is_full(const struct run *run);

/* The task that waits for the earliest moment; NULL: none waits. */
struct task *tree_first_wait(const struct tree *tree);

/* The earliest moment at which a task's own time is over, monotonic; UINT64_MAX: never. */
uint64_t tree_first_deadline_ms(const struct run *run);

/* What is stored of it stands. Not while it is being saved. */
void tree_forget_changes(struct run *run);

/* The memory that the tree holds, told to the account of its shard. limits.run_bytes bounds it
 * where a task makes something: tree_may_hold is asked first. Errors may take half as much again,
 * so that it can be told what failed for it. */
bool tree_may_hold(const struct run *run, size_t more);
bool tree_may_hold_error(const struct run *run, size_t more);
void tree_hold(struct run *run, size_t bytes);
void tree_let_go(struct run *run, size_t bytes);

/* Nothing more happens by itself: timers stop, the agenda is empty. With all tasks below `t`. */
void tree_quiet(struct run *run);

/* The task at that path, made where it is pending in a group that has begun; NULL: there is none.
 */
struct task *tree_find(struct run *run, struct str path);
#endif
