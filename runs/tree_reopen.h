#ifndef SLUICE_RUNS_TREE_REOPEN_H
#define SLUICE_RUNS_TREE_REOPEN_H
/* A tree that comes back from the store: it is evaluated anew from the rows of its tasks.
 *
 *     tree_restore   each row becomes a task, parents first
 *     tree_link      deadlines and sleeps go on from where they were; groups know their live
 *                    children, and are told of what has ended, in the order in which it did: what
 *                    was decided is again. From here on it can be stopped
 *     tree_resume    what was under way goes on, or is made again
 *
 * What has ended is not begun again; of a group that had been decided, or stopped, nothing is. */
#include "runs/run.h"
#include "store/store.h"

/* OK; ERR_NOMEM; ERR_INVALID_JSON, ERR_LIMIT where a row is damaged or has no place in the tree.
 * Where it is not OK the root is as new: nothing of it was read. */
enum err tree_restore(struct run *run, const struct store_task *rows, uint32_t count) MUST_CHECK;

/* Calls on_lost for each call of which an attempt was under way. */
void tree_link(struct run *run, void (*on_lost)(struct task *t));
void tree_resume(struct run *run);
#endif
