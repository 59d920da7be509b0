#include "runs/tree_reopen.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "model/task_path.h"
#include "runs/shard.h"
#include "runs/task_kind.h"
#include "runs/task_row.h"

/* --- rows become tasks ------------------------------------------------------------------------ */

/* For its children, of which a map's row says how many there are. */
static bool has_room(struct task *t)
{
    return t->type == TASK_MAP || !task_is_group(t) || group_reserve(t, t->spec->child_count);
}

/* The task at that path, made below a parent that is there. ERR_INVALID_JSON: it has no place. */
static enum err place(struct run *run, struct str path, struct task **ret)
{
    struct task *t = &run->root;
    uint32_t index;
    while (task_path_next(&path, &index)) {
        if (!has_room(t))
            return ERR_NOMEM;
        bool is_child = index < t->group.count;
        if (!is_child && (t->spec == NULL || t->spec->finally == NULL))
            return ERR_INVALID_JSON;
        t = is_child ? task_make_stored(t, index) : task_make_finally(t);
        if (t == NULL)
            return ERR_NOMEM;
    }
    *ret = t;
    return path.len == 0 ? OK : ERR_INVALID_JSON;
}

static enum err restore(struct run *run, const struct store_task *rows, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct task *t;
        bool was_running;
        enum err e = place(run, rows[i].path, &t);
        if (e == OK)
            e = task_row_read(t, &rows[i], &was_running);
        if (e != OK)
            return e;
        t->is_asleep = true;
        if (task_is_call(t))
            t->call.was_lost = was_running;
    }
    return OK;
}

/* As if nothing of it had been read. */
static void forget(struct run *run)
{
    task_fini(&run->root);
    tree_fini(&run->tree);
    tree_init(&run->tree);
    task_init_root(&run->root, run, run->spec.task);
}

enum err tree_restore(struct run *run, const struct store_task *rows, uint32_t count)
{
    struct store_task *sorted = mem_alloc((count + (size_t)1) * sizeof *sorted);
    if (sorted == NULL)
        return ERR_NOMEM;
    if (count > 0)
        memcpy(sorted, rows, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, task_row_order);
    enum err e = restore(run, sorted, count);
    mem_free(sorted);
    if (e != OK)
        forget(run);
    return e;
}

/* --- linking ---------------------------------------------------------------------------------- */

static void link_task(struct task *t, void (*on_lost)(struct task *t));

static void link_children(struct task *t, void (*on_lost)(struct task *t))
{
    struct group *g = &t->group;
    for (uint32_t i = 0; i < g->count; i++) {
        struct task *child = g->at[i];
        if (child == NULL || child->phase == PHASE_PENDING || task_is_early(child))
            continue;
        g->next = i + 1;
        list_push_back(&g->live, &child->sibling);
        g->live_count++;
        link_task(child, on_lost);
    }
}

static void link_group(struct task *t, void (*on_lost)(struct task *t))
{
    t->group.is_decided = t->stop != OK;
    link_children(t, on_lost);
    if (task_kind_of(t)->reopen != NULL)
        task_kind_of(t)->reopen(t);
}

static void link_task(struct task *t, void (*on_lost)(struct task *t))
{
    if (t->phase == PHASE_BODY || t->phase == PHASE_PAUSE)
        task_rearm(t);
    if (t->phase == PHASE_BODY && task_is_group(t))
        link_group(t, on_lost);
    else if (t->phase == PHASE_BODY && task_is_child(t))
        child_link(t);
    else if (t->phase == PHASE_BODY && task_is_call(t) && t->call.was_lost)
        on_lost(t);
    if (t->phase == PHASE_FINALLY && t->finally != NULL)
        link_task(t->finally, on_lost);
}

/* --- what had been decided -------------------------------------------------------------------- */

static int by_order(const void *a, const void *b)
{
    const struct task *const *x = a, *const *y = b;
    return ((*x)->order > (*y)->order) - ((*x)->order < (*y)->order);
}

/* Tells the group of the children that have ended, in their order. */
static void replay(struct task *t)
{
    struct group *g = &t->group;
    struct task **ended = mem_alloc((g->live_count + (size_t)1) * sizeof(struct task *));
    size_t n = 0;
    if (ended == NULL) {
        run_lacks_memory(t->run);
        return;
    }
    LIST_EACH (it, &g->live) {
        struct task *child = CONTAINER_OF(it, struct task, sibling);
        if (child->phase == PHASE_ENDED && !list_is_linked(&child->due))
            ended[n++] = child;
    }
    qsort(ended, n, sizeof(struct task *), by_order);
    for (size_t i = 0; i < n; i++)
        group_on_child(t, ended[i]);
    mem_free(ended);
}

/* From below: a group had been decided before what is around it could stop it. */
static void replay_all(struct task *t)
{
    if (t->phase == PHASE_FINALLY && t->finally != NULL)
        replay_all(t->finally);
    if (t->phase != PHASE_BODY || !task_is_group(t))
        return;
    LIST_EACH (it, &t->group.live)
        replay_all(CONTAINER_OF(it, struct task, sibling));
    replay(t);
}

void tree_link(struct run *run, void (*on_lost)(struct task *t))
{
    link_task(&run->root, on_lost);
    replay_all(&run->root);
}

/* --- going on --------------------------------------------------------------------------------- */

static void resume(struct task *t);

static void resume_group(struct task *t)
{
    LIST_EACH (it, &t->group.live)
        resume(CONTAINER_OF(it, struct task, sibling));
    tree_post(t);
}

static void resume_finally(struct task *t)
{
    if (t->finally == NULL || t->finally->phase == PHASE_PENDING)
        task_begin_finally(t);
    else if (t->finally->phase == PHASE_ENDED)
        tree_post(t->finally);
    else
        resume(t->finally);
}

/* What a stop has made begin meanwhile, a `finally`, is under way already. */
static void resume(struct task *t)
{
    if (!t->is_asleep)
        return;
    t->is_asleep = false;
    switch (t->phase) {
    case PHASE_PENDING:
    case PHASE_PAUSE: /* its timer goes */
    case PHASE_ENDED: break;
    case PHASE_FINALLY: resume_finally(t); break;
    case PHASE_BODY:
        if (task_is_group(t))
            resume_group(t);
        else if (task_is_call(t))
            call_resume(t, t->call.was_lost);
        else
            task_kind_of(t)->begin(t);
        break;
    }
}

void tree_resume(struct run *run)
{
    if (run->root.phase == PHASE_PENDING) /* that it had begun was never stored */
        task_begin(&run->root);
    else
        resume(&run->root);
}
