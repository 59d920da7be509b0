#ifndef SLUICE_RUNS_TASK_ROWS_H
#define SLUICE_RUNS_TASK_ROWS_H
/* The stored rows of a run as the tree that they are of: which row a task has, and which part of
 * the spec.
 *
 * A row's text may be large, a group's error above all, and what lies below it asks for its count
 * again and again: what is asked of a row is read once.
 *
 * Life: task_rows_init, questions, task_rows_fini. Spec and rows are borrowed; one thread. A
 * question takes the depth of the tree times the logarithm of the rows. */
#include "model/task_spec.h"
#include "runs/task_row.h"

struct task_rows_note;

struct task_rows {
    const struct task_spec *root;
    struct store_task *rows; /* sorted in place */
    uint32_t count;
    struct task_rows_note *notes; /* beside the rows: what was read of each */
    struct json_doc scratch;
    uint32_t parses; /* of rows, so far */
};

enum err task_rows_init(struct task_rows *r, const struct task_spec *root, struct store_task *rows,
                        uint32_t count) MUST_CHECK; /* OK, ERR_NOMEM */
void task_rows_fini(struct task_rows *r);

/* NULL: the task has none. */
const struct store_task *task_rows_find(const struct task_rows *r, struct str path);

/* What one of the rows says; NULL: what is true of a task that has none. */
struct task_row_facts task_rows_facts(struct task_rows *r, const struct store_task *row);

/* How many children a task has, a `finally` not counted: a map's are as many as its row says. */
uint32_t task_rows_children(struct task_rows *r, const struct task_spec *spec,
                            const struct store_task *row);

/* What was written of the child at `index` of `count`: behind the last is the `finally`. NULL:
 * there is none. */
const struct task_spec *task_rows_child_spec(const struct task_spec *spec, uint32_t index,
                                             uint32_t count);

/* What was written of the task at that path; NULL: there is none. `ret_is_after` (may be NULL): it
 * is a `finally`, or lies below one. */
const struct task_spec *task_rows_spec(struct task_rows *r, struct str path, bool *ret_is_after);
#endif
