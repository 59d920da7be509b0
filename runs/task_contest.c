/* race: the first to end decides, well or badly. first_success: the first to succeed does. The
 * others are cancelled. */
#include "model/failure_group.h"
#include "runs/task_kind.h"

static void on_child_of_race(struct task *t, struct task *child)
{
    group_decide(t, child->index);
}

static void on_child_of_first_success(struct task *t, struct task *child)
{
    if (!task_has_failed(child))
        group_decide(t, child->index);
}

static void conclude(struct task *t)
{
    uint32_t cause = t->group.cause;
    if (cause == GROUP_NO_CAUSE)
        group_fail(t, FAILURE_GROUP_ALL);
    else if (task_has_failed(t->group.at[cause]))
        group_fail(t, cause);
    else
        group_succeed_as(t, t->group.at[cause]);
}

const struct task_kind task_kind_race = {.begin = task_begin_children,
                                         .next = task_next_in_order,
                                         .on_child = on_child_of_race,
                                         .conclude = conclude};

const struct task_kind task_kind_first_success = {.begin = task_begin_children,
                                                  .next = task_next_in_order,
                                                  .on_child = on_child_of_first_success,
                                                  .conclude = conclude};
