#ifndef SLUICE_RUNS_TASK_H
#define SLUICE_RUNS_TASK_H
/* A node of a live run's task tree.
 *
 * Today a tree is its root, and the root is a call; what a node does is its type's business
 * (task_call.c), what holds for every node is here. task_enter is the only writer of a task's
 * state. A task ends once, when nothing below it is in flight, and tells the one above it, or its
 * run. */
#include "model/failure.h"
#include "model/reason.h"
#include "model/state.h"
#include "model/task_spec.h"
#include "runs/call.h"

struct run;

struct task {
    struct run *run;
    struct task *parent;          /* NULL: the root */
    const struct task_spec *spec; /* in the run's spec */
    struct str path;              /* "" for the root, "0/2"; in the spec's arena */
    enum task_state state;
    struct reason reason;
    int64_t started_at_ms, finished_at_ms; /* wall */
    uint64_t deadline_ms;                  /* monotonic: its own timeout and its parents' */
    struct loop_timer deadline;
    struct usage usage;
    struct str output; /* JSON, owned; NULL unless it succeeded */
    struct str error;  /* JSON, owned; NULL unless it ended otherwise */
    struct call_state call;
};

/* `run`'s root; not begun. */
void task_init_root(struct task *t, struct run *run, const struct task_spec *spec);
void task_fini(struct task *t);

void task_begin(struct task *t);
void task_resume(struct task *t, bool was_lost); /* after a restart */

/* Enters a state and tells it, with `reason` where the state has one. Terminal states are entered
 * by the functions below. */
void task_enter(struct task *t, enum task_state state, const struct reason *reason);

/* The ends of a task. `output` is owned JSON and is taken over. */
void task_succeed(struct task *t, struct str output);
void task_fail(struct task *t, enum task_state state, const struct failure *failure);

/* Aborts what is in flight below it, in this turn; then it ends as cancelled or timed out. */
void task_stop(struct task *t, enum err code);
#endif
