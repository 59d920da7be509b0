#include "runs/tree.h"

#include "model/task_path.h"
#include "runs/run.h"
#include "runs/shard.h"
#include "runs/task_row.h"

enum {
    STEPS_AT_ONCE = 256,     /* of one run, before others get their turn */
    EFFORT_AT_ONCE = 1 << 18 /* of all, before the loop does something else: some milliseconds */
};

static void on_work(struct loop_msg *msg);

void tree_init(struct tree *tree)
{
    *tree = (struct tree){.tasks = 0};
    list_init(&tree->ended);
    list_init(&tree->turns);
    list_init(&tree->busy);
    list_init(&tree->changed);
    list_init(&tree->saving);
    heap_init(&tree->waits);
    json_doc_init(&tree->input);
}

void tree_fini(struct tree *tree)
{
    json_doc_fini(&tree->input);
}

void tree_work_init(struct tree_work *w)
{
    *w = (struct tree_work){.msg.on_arrive = on_work};
    list_init(&w->busy);
}

/* --- the agenda ------------------------------------------------------------------------------- */

bool tree_has_agenda(const struct tree *tree)
{
    return !list_is_empty(&tree->ended) || !list_is_empty(&tree->turns);
}

static bool is_tired(const struct tree_work *w)
{
    return w->effort >= EFFORT_AT_ONCE;
}

static void schedule(struct run *run)
{
    struct shard *shard = run->shard;
    struct tree_work *w = &shard->work;
    if (list_is_linked(&run->tree.busy) || !tree_has_agenda(&run->tree) || run_is_leaving(run))
        return;
    list_push_back(&w->busy, &run->tree.busy);
    if (w->is_posted)
        return;
    w->is_posted = true;
    loop_soon(shard->loop, &w->msg);
}

void tree_post(struct task *t)
{
    if (list_is_linked(&t->due))
        return;
    struct tree *tree = &t->run->tree;
    list_push_back(t->phase == PHASE_ENDED ? &tree->ended : &tree->turns, &t->due);
    schedule(t->run);
}

void tree_go_on(struct run *run)
{
    schedule(run);
}

static void step(struct task *t)
{
    struct task *up = t->parent;
    if (t->phase != PHASE_ENDED)
        group_step(t);
    else if (up == NULL)
        return; /* a root's end is its run's */
    else if (up->finally == t)
        task_finally_ended(up);
    else
        group_on_child(up, t);
}

/* It is scheduled again where there is more to do; or by the next commit. */
static void work(struct run *run)
{
    struct list *link;
    for (int i = 0; i < STEPS_AT_ONCE && !run->is_wrecked && !is_tired(&run->shard->work); i++) {
        if (run_is_ahead(run)) {
            outbox_want(run, SAVE_NOW);
            return;
        }
        link = list_pop_front(&run->tree.ended);
        if (link == NULL)
            link = list_pop_front(&run->tree.turns);
        if (link == NULL)
            break;
        step(CONTAINER_OF(link, struct task, due));
    }
    if (run->is_wrecked)
        return;
    if (tree_has_agenda(&run->tree))
        schedule(run);
    else
        run_review(run);
}

/* What is done soon is done in this turn of the loop; what comes by post comes in the next. */
static void on_work(struct loop_msg *msg)
{
    struct tree_work *w = CONTAINER_OF(msg, struct tree_work, msg);
    struct list now, *link;
    if (is_tired(w)) {
        w->effort = 0;
        loop_post(CONTAINER_OF(w, struct shard, work)->loop, msg);
        return;
    }
    w->is_posted = false;
    list_init(&now);
    list_append_all(&now, &w->busy);
    while ((link = list_pop_front(&now)) != NULL)
        work(CONTAINER_OF(link, struct run, tree.busy));
}

/* --- what is to be stored --------------------------------------------------------------------- */

void tree_changed(struct task *t)
{
    struct run *run = t->run;
    if ((run->spec.flags & RUN_IS_TREE) == 0)
        return;
    if (list_is_linked(&t->changed)) {
        t->changed_again = true; /* matters only while it is being stored */
        return;
    }
    t->changed_again = false;
    list_push_back(&run->tree.changed, &t->changed);
}

enum err tree_rows(struct run *run, struct arena *arena, struct store_task **ret_rows,
                   uint32_t *ret_count)
{
    uint32_t below = run->is_stored ? 0 : run->tree.below_count, count = below, i = below;
    LIST_EACH (it, &run->tree.changed)
        count++;
    *ret_count = count;
    if (count == 0)
        return OK;
    *ret_rows = arena_alloc(arena, count * sizeof **ret_rows);
    if (*ret_rows == NULL)
        return ERR_NOMEM;
    enum err e = OK;
    if (below > 0)
        memcpy(*ret_rows, run->tree.below, below * sizeof **ret_rows);
    LIST_EACH (it, &run->tree.changed) {
        if (e == OK)
            e = task_row_write(CONTAINER_OF(it, struct task, changed), arena, &(*ret_rows)[i++]);
    }
    return e;
}

void tree_save_begin(struct run *run)
{
    LIST_EACH (it, &run->tree.changed)
        CONTAINER_OF(it, struct task, changed)->changed_again = false;
    list_append_all(&run->tree.saving, &run->tree.changed);
}

void tree_save_end(struct run *run, bool is_stored)
{
    struct list *link;
    while ((link = list_pop_front(&run->tree.saving)) != NULL) {
        struct task *t = CONTAINER_OF(link, struct task, changed);
        if (!is_stored || t->changed_again)
            list_push_back(&run->tree.changed, &t->changed);
        t->changed_again = false;
    }
}

void tree_forget_changes(struct run *run)
{
    while (list_pop_front(&run->tree.changed) != NULL)
        continue;
}

bool tree_is_full(const struct run *run)
{
    /* Once it has come back from the store those below are among its tasks. */
    return run->tree.tasks + run->tree.below_count >= run->shard->tasks_max;
}

/* --- memory ----------------------------------------------------------------------------------- */

bool tree_may_hold(const struct run *run, size_t more)
{
    return run->tree.bytes + more <= run->shard->limits->run_bytes;
}

bool tree_may_hold_error(const struct run *run, size_t more)
{
    uint64_t most = run->shard->limits->run_bytes;
    return run->tree.bytes + more <= most + most / 2;
}

void tree_hold(struct run *run, size_t bytes)
{
    run->tree.bytes += bytes;
    run_charge(run);
}

void tree_let_go(struct run *run, size_t bytes)
{
    run->tree.bytes -= bytes; /* the next charge tells it */
}

/* --- waits ------------------------------------------------------------------------------------ */

struct task *tree_first_wait(const struct tree *tree)
{
    struct heap_node *first = heap_first(&tree->waits);
    return first != NULL ? CONTAINER_OF(first, struct task_wait, node)->task : NULL;
}

static uint64_t first_deadline_ms(const struct task *t)
{
    const struct task_deadline *own = t->deadline;
    bool is_armed = own != NULL && loop_timer_is_armed(&own->timer);
    uint64_t first = is_armed ? own->timer.node.key : UINT64_MAX;
    LIST_EACH (it, &t->group.live) {
        uint64_t below = first_deadline_ms(CONTAINER_OF(it, struct task, sibling));
        first = below < first ? below : first;
    }
    if (t->finally == NULL)
        return first;
    uint64_t after = first_deadline_ms(t->finally);
    return after < first ? after : first;
}

uint64_t tree_first_deadline_ms(const struct run *run)
{
    return first_deadline_ms(&run->root);
}

/* --- all of it -------------------------------------------------------------------------------- */

static void quiet(struct task *t)
{
    if (t->deadline != NULL)
        loop_timer_stop(&t->deadline->timer);
    loop_timer_stop(&t->wake);
    list_remove(&t->due);
    LIST_EACH (it, &t->group.live)
        quiet(CONTAINER_OF(it, struct task, sibling));
    if (t->finally != NULL)
        quiet(t->finally);
}

void tree_quiet(struct run *run)
{
    quiet(&run->root);
    list_remove(&run->tree.busy);
}

/* Only once it has begun: whether it will is not known before. */
static struct task *finally_at(const struct task *t, uint32_t index)
{
    struct task *finally = t->finally;
    bool is_there = finally != NULL && finally->phase != PHASE_PENDING;
    return is_there && finally->index == index ? finally : NULL;
}

struct task *tree_find(struct run *run, struct str path)
{
    struct task *t = &run->root;
    uint32_t index;
    while (t != NULL && task_path_next(&path, &index)) {
        if (t->phase == PHASE_PENDING)
            t = NULL; /* also where it is to begin anew, and knows those below */
        else if (index < t->group.count)
            t = task_make(t, index);
        else
            t = finally_at(t, index);
    }
    return path.len == 0 ? t : NULL;
}
