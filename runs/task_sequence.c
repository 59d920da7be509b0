/* sequence: one step after the other; the first failure ends it, and the rest is skipped. */
#include "runs/task_kind.h"

static bool next(struct task *t, uint32_t *ret_index)
{
    return t->group.live_count == 0 && task_next_in_order(t, ret_index);
}

static void on_child(struct task *t, struct task *child)
{
    if (task_has_failed(child))
        group_decide(t, child->index);
}

static void conclude(struct task *t)
{
    if (t->group.cause != GROUP_NO_CAUSE)
        group_fail(t, t->group.cause);
    else
        group_succeed(t, task_result_write_list);
}

const struct task_kind task_kind_sequence = {
    .begin = task_begin_children, .next = next, .on_child = on_child, .conclude = conclude};
