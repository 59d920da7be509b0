#ifndef SLUICE_RUNS_GROUP_H
#define SLUICE_RUNS_GROUP_H
/* The children of a task: which have begun, which are live, and whether it is decided what becomes
 * of them all.
 *
 *     group_open -> step: one more child begins -> a child ends ... -> nothing is live: conclude
 *                                     |-> decided: the live ones are stopped, those that have not
 *                                         begun never do, one a step
 *
 * A step is constant work, whatever the number of children. The type says which child begins next,
 * what the end of one means, and what the value is. Embedded in its task. */
#include "base/list.h"
#include "base/str.h"
#include "model/task_result.h"

struct task;

#define GROUP_NO_CAUSE UINT32_MAX

struct group {
    struct task **at; /* each NULL until it is made */
    uint32_t count;
    uint32_t next;    /* the first that has not had its turn; a dag has its own order */
    uint32_t swept;   /* once it is decided: each below this one has begun, or never will */
    struct list live; /* begun and not known to have ended: struct task.sibling */
    uint32_t live_count;
    uint32_t cause; /* the child that decided it */
    bool is_decided;
};

/* A dag's own: whose turn it is. */
struct dag_state {
    uint32_t *left;  /* of each step: how many that it waits for have not ended */
    uint32_t *ready; /* a queue of steps that may begin, in the order in which they came to that */
    uint32_t first, last;
};

void group_init(struct group *g);
void group_fini(struct group *g);

/* Room for so many children, whatever was reserved before; none is live. False: no memory. */
bool group_reserve(struct task *t, uint32_t count);

/* So many children, and the first step. */
void group_open(struct task *t, uint32_t count);

/* After a failed try: the same children again. */
void group_reset(struct task *t);

/* From the agenda: it is its turn; a child has ended. */
void group_step(struct task *t);
void group_on_child(struct task *t, struct task *child);

/* Nothing more begins, and what is live is stopped. `cause`: the child that decided it. */
void group_decide(struct task *t, uint32_t cause);
void group_stop(struct task *t);

/* task_make has refused a child: that is one more than there may be, which ends it, or there is no
 * memory. Nothing is decided yet. */
void group_refuse(struct task *t);

/* What becomes of the body, once nothing is live. */
typedef void group_write_fn(struct buf *b, const struct task_outcome *children, uint32_t count);
void group_succeed(struct task *t, group_write_fn *write);
void group_succeed_as(struct task *t, const struct task *child); /* with its value */
void group_fail(struct task *t, uint32_t cause); /* FAILURE_GROUP_ALL: with an error_group */
bool group_has_failures(const struct task *t);
#endif
