#ifndef SLUICE_RUNS_TREE_VIEW_H
#define SLUICE_RUNS_TREE_VIEW_H
/* A run's task tree as clients see it (API §2), from what is stored: rows where tasks have them,
 * else what the spec says of tasks that are pending.
 *
 * Life: tree_view_init, reading, tree_view_fini. Stateless beyond that; the loop's thread, in time
 * linear in what is written. */
#include "model/run_spec.h"
#include "runs/definitions.h"
#include "runs/task_rows.h"

struct tree_view {
    const struct run_record *run;
    struct run_spec spec;
    struct task_rows rows;
    struct str base_path;
};

/* What is pointed to stays in place; the rows are sorted. OK; ERR_NOMEM; ERR_INVALID_JSON for a
 * damaged store; ERR_UNKNOWN_WORKFLOW where the version of the run's workflow is lost. */
enum err tree_view_init(struct tree_view *v, const struct run_record *run, struct store_task *rows,
                        uint32_t count, const struct definitions *definitions,
                        struct str base_path) MUST_CHECK;
void tree_view_fini(struct tree_view *v);

/* The state of the task at that path: of its row, or pending. OK; ERR_NOT_FOUND: there is none. */
enum err tree_view_state(struct tree_view *v, struct str path,
                         enum task_state *ret_state) MUST_CHECK;

/* Appends the task with all below it; of the task itself a large output whole, unless `is_brief`.
 * As above. */
enum err tree_view_write(struct tree_view *v, struct str path, bool is_brief,
                         struct buf *b) MUST_CHECK;
#endif
