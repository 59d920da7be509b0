#include "runs/tree_copy.h"

#include "model/task_path.h"
#include "runs/run.h"
#include "runs/shard.h"
#include "runs/task_rows.h"

/* --- choosing --------------------------------------------------------------------------------- */

struct choice {
    struct task_rows rows;
    struct store_task *tasks, *below, *maps;
    struct tree_copies n; /* their numbers */
};

static bool is_below(struct str path, struct str top)
{
    return path.len > top.len && memcmp(path.at, top.at, top.len) == 0 && path.at[top.len] == '/';
}

static bool copy(struct arena *arena, const struct store_task *from, struct store_task *to)
{
    *to = (struct store_task){arena_str(arena, from->path), arena_str(arena, from->text),
                              from->output.at != NULL ? arena_str(arena, from->output) : STR_NONE};
    return to->path.at != NULL && to->text.at != NULL &&
           (from->output.at == NULL || to->output.at != NULL);
}

static enum err choose_row(struct choice *c, const struct store_task *row, struct arena *arena)
{
    bool is_inside = c->n.count > 0 && is_below(row->path, c->tasks[c->n.count - 1].path);
    if (is_inside)
        return copy(arena, row, &c->below[c->n.below_count++]) ? OK : ERR_NOMEM;
    bool is_after;
    const struct task_spec *spec = task_rows_spec(&c->rows, row->path, &is_after);
    if (spec == NULL || is_after)
        return OK;
    bool is_good = row->path.len > 0 && row->output.at != NULL &&
                   task_rows_facts(&c->rows, row).state == TASK_SUCCEEDED;
    bool fits = true;
    if (is_good)
        fits = copy(arena, row, &c->tasks[c->n.count++]);
    else if (spec->type == TASK_MAP)
        fits = copy(arena, row, &c->maps[c->n.map_count++]);
    return fits ? OK : ERR_NOMEM;
}

enum err tree_copies_choose(const struct task_spec *root, struct store_task *rows, uint32_t count,
                            struct arena *arena, struct tree_copies *ret)
{
    size_t bytes = (count + (size_t)1) * sizeof *rows;
    struct choice c = {.tasks = arena_alloc(arena, bytes),
                       .below = arena_alloc(arena, bytes),
                       .maps = arena_alloc(arena, bytes)};
    if (c.tasks == NULL || c.below == NULL || c.maps == NULL)
        return ERR_NOMEM;
    enum err e = task_rows_init(&c.rows, root, rows, count);
    for (uint32_t i = 0; e == OK && i < count; i++)
        e = choose_row(&c, &rows[i], arena);
    task_rows_fini(&c.rows);
    if (e != OK)
        return e;
    *ret = c.n;
    ret->tasks = c.tasks;
    ret->below = c.below;
    ret->maps = c.maps;
    return OK;
}

/* --- placing ---------------------------------------------------------------------------------- */

/* The task at that path, with all above it, which are stored, too: they hold its place. */
static struct task *place(struct run *run, struct str path)
{
    struct task *t = &run->root;
    uint32_t index;
    while (t != NULL && task_path_next(&path, &index)) {
        uint32_t count = t->type == TASK_MAP ? t->group.count : t->spec->child_count;
        bool fits = task_is_group(t) && group_reserve(t, count) && index < t->group.count;
        tree_changed(t);
        t = fits ? task_make(t, index) : NULL;
    }
    return t;
}

static enum err place_map(struct run *run, const struct store_task *row)
{
    struct task *t = place(run, row->path);
    uint32_t count = task_row_facts(row, &run->shard->scratch).count;
    return t != NULL && group_reserve(t, count) ? OK : ERR_NOMEM;
}

static enum err place_copy(struct run *run, const struct store_task *row)
{
    struct task *t = place(run, row->path);
    return t != NULL ? task_row_copy(t, row) : ERR_NOMEM;
}

enum err tree_copies_place(struct run *run, const struct tree_copies *copies)
{
    enum err e = OK;
    for (uint32_t i = 0; e == OK && i < copies->map_count; i++)
        e = place_map(run, &copies->maps[i]);
    for (uint32_t i = 0; e == OK && i < copies->count; i++)
        e = place_copy(run, &copies->tasks[i]);
    run->tree.below = copies->below;
    run->tree.below_count = copies->below_count;
    return e;
}
