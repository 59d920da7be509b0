#ifndef SLUICE_RUNS_TASK_ROW_H
#define SLUICE_RUNS_TASK_ROW_H
/* What the store keeps of a task, and a task from what it kept.
 *
 * A row holds what clients see of the task (API §2) and, under "own", what only this gateway needs
 * to go on: whether the row is of its parent's present try, how far it had come, and in which order
 * things ended. From the rows of a run its tree is evaluated anew (runs/tree_reopen.c).
 *
 * Only runs with RUN_IS_TREE have rows; one for each task that has begun, or was told never to. */
#include "runs/task.h"
#include "store/store.h"

/* The row, written into `arena`: nothing of it is the task's. ERR_NOMEM. */
enum err task_row_write(const struct task *t, struct arena *arena,
                        struct store_task *ret_row) MUST_CHECK;

/* Takes over what the row says; its parent has been read before. `ret_was_running`: an attempt of
 * it was under way. OK; ERR_NOMEM; ERR_INVALID_JSON where the row is damaged. */
enum err task_row_read(struct task *t, const struct store_task *row,
                       bool *ret_was_running) MUST_CHECK;

/* The task, which is new, has the result of a row of another run; it begins nothing. As above. */
enum err task_row_copy(struct task *t, const struct store_task *row) MUST_CHECK;

/* In the order of the tree: a parent before its children, those by their index. For qsort and
 * bsearch over store_tasks. */
int task_row_order(const void *a, const void *b);

/* Of a damaged text: pending, none. Reads all of it: runs/task_rows.h does so once. */
struct task_row_facts {
    enum task_state state;
    uint32_t count; /* of children, a `finally` not counted */
};
struct task_row_facts task_row_facts(const struct store_task *row, struct json_doc *scratch);

/* --- as clients see it ------------------------------------------------------------------------ */

struct task_row_view {
    const struct id *run;
    struct str base_path;
    bool is_brief; /* a large output is told by reference */
};

/* The part that clients see, from a row's text (and its output), without its children: members
 * without braces. False where the text is damaged. `scratch` is the tape. */
bool task_row_show(struct buf *b, const struct store_task *row, const struct task_row_view *view,
                   struct json_doc *scratch) MUST_CHECK;
#endif
