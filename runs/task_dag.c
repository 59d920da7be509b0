/* dag: a step begins once all that it waits for have ended, if its `when` is met then; else it is
 * skipped. A failed step cancels nothing. Constant work for each edge. */
#include "base/mem.h"
#include "model/failure_group.h"
#include "runs/run.h"
#include "runs/shard.h"
#include "runs/task_kind.h"

static void fini(struct task *t)
{
    mem_free(t->dag.left);
    mem_free(t->dag.ready);
    t->dag = (struct dag_state){.left = NULL};
}

static void make_ready(struct task *t, uint32_t step)
{
    t->dag.ready[t->dag.last++] = step;
}

/* It has begun, or was skipped, before a restart. One that was cancelled before its turn has not.
 */
static bool had_its_turn(const struct task *t, uint32_t index)
{
    const struct task *step = t->group.at != NULL ? t->group.at[index] : NULL;
    return step != NULL && step->phase != PHASE_PENDING && !task_is_early(step);
}

/* Nobody has ended yet. */
static bool set_up(struct task *t)
{
    struct dag_state *d = &t->dag;
    uint32_t count = t->spec->child_count;
    if (d->left == NULL)
        d->left = mem_alloc((count + (size_t)1) * sizeof *d->left);
    if (d->ready == NULL)
        d->ready = mem_alloc((count + (size_t)1) * sizeof *d->ready);
    if (d->left == NULL || d->ready == NULL) {
        run_lacks_memory(t->run);
        return false;
    }
    d->first = d->last = 0;
    for (uint32_t i = 0; i < count; i++) {
        d->left[i] = t->spec->steps[i].need_count;
        if (d->left[i] == 0 && !had_its_turn(t, i))
            make_ready(t, i);
    }
    return true;
}

static void begin(struct task *t)
{
    if (set_up(t))
        group_open(t, t->spec->child_count);
}

/* After a restart, from which on those that have ended are told anew. */
static void reopen(struct task *t)
{
    IGNORE_RESULT(!set_up(t)); /* without memory the run is given up anyway */
}

static bool next(struct task *t, uint32_t *ret_index)
{
    struct dag_state *d = &t->dag;
    if (d->first == d->last)
        return false;
    *ret_index = d->ready[d->first++];
    return true;
}

/* A failure that was continued counts as success. */
static bool has_succeeded(const struct task *step)
{
    return !task_has_failed(step) && step->state != TASK_SKIPPED && step->state != TASK_CANCELLED;
}

static bool is_met(const struct task *t, const struct dag_step *step)
{
    uint32_t good = 0;
    for (uint32_t i = 0; i < step->need_count; i++)
        good += has_succeeded(t->group.at[step->needs[i]]);
    switch (step->when) {
    case WHEN_ALL_SUCCEEDED: return good == step->need_count;
    case WHEN_ANY_SUCCEEDED: return good > 0 || step->need_count == 0;
    case WHEN_ALL_DONE: break;
    }
    return true;
}

/* The end of a step that is skipped comes like any other, from the agenda. */
static void skip(struct task *t, uint32_t index)
{
    struct task *step = task_make(t, index);
    if (step == NULL) {
        group_refuse(t);
        return;
    }
    if (step->phase == PHASE_PENDING)
        task_skip(step, TASK_SKIPPED);
    list_push_back(&t->group.live, &step->sibling);
    t->group.live_count++;
    tree_post(step);
}

static void on_child(struct task *t, struct task *child)
{
    const struct dag_step *ended = &t->spec->steps[child->index];
    for (uint32_t i = 0; i < ended->needed_by_count && !t->group.is_decided; i++) {
        uint32_t later = ended->needed_by[i];
        if (--t->dag.left[later] > 0 || had_its_turn(t, later))
            continue;
        if (is_met(t, &t->spec->steps[later]))
            make_ready(t, later);
        else
            skip(t, later);
    }
}

static void conclude(struct task *t)
{
    if (group_has_failures(t))
        group_fail(t, FAILURE_GROUP_ALL);
    else
        group_succeed(t, task_result_write_named);
}

const struct task_kind task_kind_dag = {.begin = begin,
                                        .fini = fini,
                                        .reopen = reopen,
                                        .next = next,
                                        .on_child = on_child,
                                        .conclude = conclude};
