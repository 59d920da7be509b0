#ifndef SLUICE_RUNS_TASK_KIND_H
#define SLUICE_RUNS_TASK_KIND_H
/* What the types of tasks do, each in a file of its own; runs/task_kind.c has the table.
 *
 * A leaf has begin, and stop where something of it can be in flight. A group has what its children
 * need: next, on_child, conclude. All are called on the run's loop, from the agenda or from a
 * timer, never from within each other. */
#include "runs/task.h"

struct task_kind {
    /* The body begins, for the first time or anew. May end it at once. */
    void (*begin)(struct task *t);
    /* Lets go of what it holds itself; its end follows. Of a leaf that lingers it does not: that
     * one calls task_end_stopped when it may end. */
    void (*stop)(struct task *t);
    bool lingers;
    /* What its body waited for has come: its timer has fired. NULL: it waits for nothing. */
    void (*wake)(struct task *t);
    /* It has ended: what only its body needed goes. NULL: nothing. */
    void (*settle)(struct task *t);
    /* Frees what the type has of its own. */
    void (*fini)(struct task *t);

    /* After a restart, its children in place: what the type knows besides. NULL: nothing, it hears
     * of those that have ended by on_child. */
    void (*reopen)(struct task *t);

    /* Which child is to begin now? False: none, until another one has ended. */
    bool (*next)(struct task *t, uint32_t *ret_index);
    /* A child has ended and nothing is decided yet: may call group_decide. */
    void (*on_child)(struct task *t, struct task *child);
    /* All have ended, and it was not stopped: the value, or the error. */
    void (*conclude)(struct task *t);
};

const struct task_kind *task_kind_of(const struct task *t);

/* The child at its place in the tree. */
const struct task_spec *task_child_spec(const struct task *t, uint32_t index);

extern const struct task_kind task_kind_call, task_kind_child, task_kind_sequence,
    task_kind_parallel, task_kind_settle, task_kind_race, task_kind_first_success, task_kind_map,
    task_kind_dag, task_kind_circuit, task_kind_shield, task_kind_sleep, task_kind_value;

/* As many as the task's limit allows, in their order: parallel, settle, map, race, ... */
bool task_next_in_order(struct task *t, uint32_t *ret_index);
void task_begin_children(struct task *t);
#endif
