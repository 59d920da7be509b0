/* What a string of a task tree may refer to where it stands (API §4): the steps that have ended
 * before it, the step before, the element. The nearest scope wins. */
#include "model/task_tree.h"

/* Going up from a task: `child` is a task below `at`, or a `finally` of it, `up` parents above the
 * one that began. */
struct climb {
    struct task_frame *child;
    struct task_frame *at;
    uint32_t up;
};

static struct climb climb_from(struct task_frame *f)
{
    return (struct climb){.child = f, .at = f->up, .up = 1};
}

static void climb_on(struct climb *c)
{
    c->child = c->at;
    c->at = c->at->up;
    c->up++;
}

/* Has `step` surely ended when the task below `c->child` begins? A `finally` comes after all. */
static bool has_ended(const struct climb *c, uint32_t step)
{
    if (c->child->spec->is_finally)
        return true;
    if (c->at->spec->type == TASK_SEQUENCE)
        return step < c->child->spec->index;
    return task_graph_sees(&c->at->graph, c->child->spec->index, step, &c->at->tree->c->no_memory);
}

static const char *resolve_step(struct task_frame *f, struct str name, struct reference *ret)
{
    for (struct climb c = climb_from(f); c.at != NULL; climb_on(&c)) {
        enum task_type type = c.at->spec->type;
        uint32_t step;
        if ((type != TASK_SEQUENCE && type != TASK_DAG) ||
            !task_names_find(&c.at->names, name, &step))
            continue;
        ret->up = c.up;
        ret->step = step;
        if (has_ended(&c, step))
            return NULL;
        return type == TASK_DAG ? "names a step that this one does not depend on"
                                : "names a step that has not ended by then";
    }
    return "names no step that can be seen from here";
}

static const char *resolve_prev(struct task_frame *f, struct reference *ret)
{
    for (struct climb c = climb_from(f); c.at != NULL; climb_on(&c)) {
        if (c.at->spec->type != TASK_SEQUENCE || c.child->spec->is_finally)
            continue;
        if (c.child->spec->index == 0)
            return "there is no step before the first";
        ret->up = c.up;
        ret->step = c.child->spec->index - 1;
        return NULL;
    }
    return "there is no sequence around it";
}

static const char *resolve_element(struct task_frame *f, struct reference *ret)
{
    for (struct climb c = climb_from(f); c.at != NULL; climb_on(&c)) {
        if (c.at->spec->type == TASK_MAP && !c.child->spec->is_finally) {
            ret->up = c.up - 1;
            return NULL;
        }
    }
    return "there is no map around it";
}

static const char *resolve(void *ctx, enum reference_root root, struct str name,
                           struct reference *ret)
{
    switch (root) {
    case ROOT_STEP: return resolve_step(ctx, name, ret);
    case ROOT_PREV: return resolve_prev(ctx, ret);
    case ROOT_ELEMENT: break;
    }
    return resolve_element(ctx, ret);
}

struct reference_scope task_scope_open(struct task_frame *f)
{
    return (struct reference_scope){.ctx = f, .resolve = resolve, .left = f->tree->references_left};
}

void task_scope_close(struct task_frame *f, const struct reference_scope *scope)
{
    f->tree->references_left = scope->left;
}

bool task_read_json(struct task_frame *f, struct json v, const struct doc_path *at,
                    struct template *ret)
{
    struct reference_scope scope = task_scope_open(f);
    bool fine = template_read_json(f->tree->c, v, at, &scope, ret);
    task_scope_close(f, &scope);
    return fine;
}

bool task_read_text(struct task_frame *f, struct str text, const struct doc_path *at,
                    struct template *ret)
{
    struct reference_scope scope = task_scope_open(f);
    bool fine = template_read_text(f->tree->c, text, at, TEMPLATE_TEXT, &scope, ret);
    task_scope_close(f, &scope);
    return fine;
}
