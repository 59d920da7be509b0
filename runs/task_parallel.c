/* parallel, settle and map: children side by side, no more than the limit; what a failure means is
 * the task's to say. A map's children are one task for each element of its list. */
#include "base/mem.h"
#include "model/failure_group.h"
#include "runs/run.h"
#include "runs/shard.h"
#include "runs/task_kind.h"
#include "runs/task_values.h"

static enum task_errors errors_of(const struct task *t)
{
    return t->type == TASK_SETTLE ? ERRORS_SETTLE : t->spec->errors;
}

static void on_child(struct task *t, struct task *child)
{
    if (errors_of(t) == ERRORS_CANCEL && task_has_failed(child))
        group_decide(t, child->index);
}

static void conclude(struct task *t)
{
    if (errors_of(t) == ERRORS_SETTLE)
        group_succeed(t, task_result_write_settled);
    else if (t->group.cause != GROUP_NO_CAUSE)
        group_fail(t, t->group.cause);
    else if (group_has_failures(t))
        group_fail(t, FAILURE_GROUP_ALL);
    else
        group_succeed(t, task_result_write_list);
}

const struct task_kind task_kind_parallel = {.begin = task_begin_children,
                                             .next = task_next_in_order,
                                             .on_child = on_child,
                                             .conclude = conclude};

const struct task_kind task_kind_settle = {.begin = task_begin_children,
                                           .next = task_next_in_order,
                                           .on_child = on_child,
                                           .conclude = conclude};

/* --- map -------------------------------------------------------------------------------------- */

static void fail(struct task *t, enum err code, const char *message)
{
    task_fail(t, TASK_FAILED,
              &(struct failure){.code = code, .message = str_of(message), .task = t->path});
}

/* Which elements: asked once for as long as it goes on. Takes over what `over` has become. */
static enum err read_items(struct task *t, struct str text, uint32_t most, struct error *error)
{
    union { /* owned text is only viewed as const */
        const char *view;
        char *own;
    } at = {.view = text.at};
    enum err e = item_list_read(&t->items, at.own, text.len, most);
    tree_hold(t->run, item_list_bytes(&t->items));
    if (e == ERR_TEMPLATE_ERROR)
        return error_set(error, e, "what the map goes over is no array");
    if (e == ERR_LIMIT_EXCEEDED)
        return error_set(error, e, "the map has more elements than limits.tree_nodes");
    return e;
}

static enum err make_items(struct task *t, struct error *error)
{
    struct str text;
    enum err e = task_fill(t, &t->spec->over, &text, error);
    return e == OK ? read_items(t, text, t->run->shard->limits->spec.tree_nodes, error) : e;
}

static void forget_items(struct task *t)
{
    tree_let_go(t->run, item_list_bytes(&t->items));
    item_list_fini(&t->items);
}

static void begin_map(struct task *t)
{
    struct error error = {.message = ""};
    enum err e = t->items.text == NULL ? make_items(t, &error) : OK;
    if (e == OK && !tree_may_hold(t->run, 0))
        e = error_set(&error, ERR_LIMIT_EXCEEDED,
                      "with the list of this map the run would pass limits.run_bytes");
    if (e == OK) {
        group_open(t, t->items.count);
        return;
    }
    forget_items(t);
    if (e == ERR_NOMEM) {
        run_lacks_memory(t->run);
    } else {
        fail(t, e, error.message);
    }
}

/* The same ones as before: what the list is made of is stored. A reload may have lowered the limits
 * by which it was judged. */
static void reopen_map(struct task *t)
{
    struct error error = {.message = ""};
    struct str text;
    enum err e = task_fill_again(t, &t->spec->over, &text, &error);
    if (e == OK)
        e = read_items(t, text, UINT32_MAX, &error);
    if (e == OK && t->items.count == t->group.count)
        return;
    if (e == ERR_NOMEM) {
        run_lacks_memory(t->run);
    } else if (t->stop == OK) {
        t->stop = ERR_INTERNAL;
        group_stop(t);
    }
}

const struct task_kind task_kind_map = {.begin = begin_map,
                                        .settle = forget_items,
                                        .fini = forget_items,
                                        .reopen = reopen_map,
                                        .next = task_next_in_order,
                                        .on_child = on_child,
                                        .conclude = conclude};
