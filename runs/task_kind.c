#include "runs/task_kind.h"

static const struct task_kind *const kinds[TASK_TYPE_COUNT] = {
    [TASK_CALL] = &task_kind_call,         [TASK_SEQUENCE] = &task_kind_sequence,
    [TASK_PARALLEL] = &task_kind_parallel, [TASK_SETTLE] = &task_kind_settle,
    [TASK_RACE] = &task_kind_race,         [TASK_FIRST_SUCCESS] = &task_kind_first_success,
    [TASK_MAP] = &task_kind_map,           [TASK_DAG] = &task_kind_dag,
    [TASK_CIRCUIT] = &task_kind_circuit,   [TASK_SHIELD] = &task_kind_shield,
    [TASK_SLEEP] = &task_kind_sleep,       [TASK_VALUE] = &task_kind_value,
};

const struct task_kind *task_kind_of(const struct task *t)
{
    return task_is_child(t) ? &task_kind_child : kinds[t->type];
}

const struct task_spec *task_child_spec(const struct task *t, uint32_t index)
{
    return &t->spec->children[t->type == TASK_MAP ? 0 : index];
}

void task_begin_children(struct task *t)
{
    group_open(t, t->spec->child_count);
}

bool task_next_in_order(struct task *t, uint32_t *ret_index)
{
    struct group *g = &t->group;
    bool is_limited = t->type == TASK_PARALLEL || t->type == TASK_SETTLE || t->type == TASK_MAP;
    uint32_t limit = is_limited && t->spec->limit > 0 ? t->spec->limit : UINT32_MAX;
    if (g->next >= g->count || g->live_count >= limit)
        return false;
    *ret_index = g->next++;
    return true;
}
