#ifndef SLUICE_CLI_TREE_LINES_H
#define SLUICE_CLI_TREE_LINES_H
/* A task tree as lines: a line for each task, in order, indented by its depth.
 *
 *     running    sequence, 1/2, 3.1 s
 *     blocked      1 save call, 0.9 s, attempt 2 (sim/echo), rate limited at provider:sim (2.0 s)
 *
 * Where it does not fit, what is at work is shown first, then what has failed, then what comes
 * next; the rest is a line such as "… 28 more: 20 succeeded, 8 pending" below its parent. Pure. */
#include "cli/lines.h"
#include "cli/task_tree.h"

struct tree_look {
    uint32_t width;  /* columns; 0: any */
    uint32_t height; /* lines; 0: any */
    int64_t now_ms;  /* wall, by the gateway's clock */
};

/* Appends at most `height` lines. Costs the children of the tasks that are shown. */
void tree_lines_write(const struct task_tree *t, const struct tree_look *look, struct lines *ret);

/* What is said of a task beside its state and name: "1/2, 3.1 s, attempt 2". */
void tree_lines_add_details(const struct tree_node *n, int64_t now_ms, struct buf *b);
#endif
