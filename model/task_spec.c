/* What holds for every task of a tree, whatever its type: common members, bounds, place. */
#include "model/task_spec.h"

#include <stdio.h>

#include "model/task_path.h"
#include "model/task_tree.h"
#include "model/webhook.h"

enum {
    SCRATCH_BYTES = 67108864, /* names and graphs of one tree while it is checked */
    PATH_MAX_BYTES = 11 * JSON_MAX_DEPTH,
};

const struct spec_limits spec_limits_none = {.max_run_timeout_ms = INT64_MAX,
                                             .default_run_timeout_ms = INT64_MAX,
                                             .input_bytes = UINT64_MAX,
                                             .tree_depth = UINT32_MAX,
                                             .tree_nodes = UINT32_MAX,
                                             .allow_trees = TASK_TREES_ARE_SERVED,
                                             .webhook_url_fault = webhook_no_fault,
                                             .can_sign_webhooks = true};

static task_check_fn *const checks[TASK_TYPE_COUNT] = {
    [TASK_CALL] = task_check_call,         [TASK_SEQUENCE] = task_check_sequence,
    [TASK_PARALLEL] = task_check_parallel, [TASK_SETTLE] = task_check_settle,
    [TASK_RACE] = task_check_contest,      [TASK_FIRST_SUCCESS] = task_check_contest,
    [TASK_MAP] = task_check_map,           [TASK_DAG] = task_check_dag,
    [TASK_CIRCUIT] = task_check_circuit,   [TASK_SHIELD] = task_check_shield,
    [TASK_SLEEP] = task_check_sleep,       [TASK_VALUE] = task_check_value,
};

static const char *const type_names[] = {
#define TASK_TYPE_ROW(symbol, name) name,
    TASK_TYPE_TABLE(TASK_TYPE_ROW)
#undef TASK_TYPE_ROW
};

const char *task_type_name(enum task_type t)
{
    return type_names[t];
}

/* --- common members --------------------------------------------------------------------------- */

void task_on_type(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    (void)c, (void)v, (void)at, (void)out; /* judged before the members are walked */
}

/* Has a sibling that comes earlier that name already? */
static bool is_taken(const struct task_frame *f, struct str name)
{
    uint32_t first;
    return f->up != NULL && !f->spec->is_finally && task_names_find(&f->up->names, name, &first) &&
           first < f->spec->index;
}

/* A dag's step has its name from there. */
static bool is_named(const struct task_frame *f)
{
    return f->up != NULL && f->up->spec->type == TASK_DAG && !f->spec->is_finally;
}

void task_on_name(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct task_frame *f = out;
    struct str name;
    if (!check_name(c, v, at, &name))
        return;
    if (is_named(f) && !str_eq(name, f->spec->name))
        problem_add(c->problem, at, FIELD_EXCLUSIVE, "is not the step's name in its dag");
    else if (is_taken(f, name))
        problem_add(c->problem, at, FIELD_DUPLICATE_NAME, NULL);
    else
        f->spec->name = name;
}

void task_on_timeout_ms(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct task_frame *f = out;
    (void)check_int(c, v, at, 1, f->tree->limits->max_run_timeout_ms,
                    &f->spec->timeout_ms); /* reported by the check */
}

void task_on_retry(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct task_frame *f = out;
    struct retry_spec *retry = arena_alloc(c->arena, sizeof *retry);
    if (retry == NULL) {
        c->no_memory = true;
        return;
    }
    *retry = retry_spec_default();
    if (retry_spec_check(c, v, at, retry))
        f->spec->retry = retry;
}

void task_on_on_error(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    static const char *const values[] = {"fail", "continue", NULL};
    struct task_frame *f = out;
    int i;
    if (check_enum(c, v, at, values, &i))
        f->spec->goes_on = i == 1;
}

void task_require(struct task_frame *f, const struct doc_path *at, const char *name)
{
    if (!json_exists(json_get(f->v, str_of(name))))
        check_missing(f->tree->c, at, name);
}

/* --- places ----------------------------------------------------------------------------------- */

/* True unless there is no memory. */
static bool set_path(struct task_frame *f, struct task_spec *child)
{
    const struct task_spec *parent = f->spec;
    struct buf b;
    buf_init(&b, PATH_MAX_BYTES);
    if (parent->type == TASK_MAP) {
        buf_add_str(&b, parent->path);
        buf_add_str(&b, parent->path.len > 0 ? STR("/*") : STR("*"));
    } else {
        task_path_add(&b, parent->path, child->index);
    }
    child->path = buf_ok(&b) == OK ? arena_str(f->tree->c->arena, buf_str(&b)) : STR_NONE;
    buf_fini(&b);
    return child->path.at != NULL;
}

static struct task_spec *make_tasks(struct task_frame *f, uint32_t count)
{
    struct task_tree *tree = f->tree;
    struct task_spec *tasks = arena_zalloc(tree->c->arena, count * sizeof *tasks);
    if (tasks == NULL) {
        tree->c->no_memory = true;
        return NULL;
    }
    tree->nodes += count;
    for (uint32_t i = 0; i < count; i++) {
        tasks[i].parent = f->spec;
        tasks[i].depth = f->spec->depth + 1;
    }
    return tasks;
}

static bool fits(const struct task_frame *f, uint32_t count)
{
    return count <= f->tree->limits->tree_nodes - f->tree->nodes;
}

void task_reserve_children(struct task_frame *f, uint32_t count)
{
    f->is_over = !fits(f, count);
    if (f->is_over || count == 0)
        return;
    f->spec->children = make_tasks(f, count);
    if (f->spec->children != NULL)
        f->spec->child_count = count;
}

static void report_nodes(struct task_frame *f, const struct doc_path *at)
{
    char text[80];
    snprintf(text, sizeof text, "the tree has more than %u tasks (limits.tree_nodes)",
             (unsigned)f->tree->limits->tree_nodes);
    problem_add(f->tree->c->problem, at, FIELD_TOO_LONG, text);
}

bool task_children_fit(struct task_frame *f, const struct doc_path *at)
{
    if (f->is_over)
        report_nodes(f, at);
    return f->spec->children != NULL;
}

/* --- one task --------------------------------------------------------------------------------- */

/* Is the type one that this gateway runs? Reports what is wrong with it. */
static bool check_type(struct task_tree *tree, struct json v, const struct doc_path *at,
                       enum task_type *ret)
{
    struct json type = json_get_lit(v, "type");
    struct doc_path here = doc_path_name(at, STR("type"));
    struct problem *problem = tree->c->problem;
    if (!json_exists(type)) {
        problem_add(problem, &here, FIELD_MISSING, NULL);
        return false;
    }
    if (!json_is(type, JSON_STRING)) {
        problem_add(problem, &here, FIELD_WRONG_TYPE, "must be a string");
        return false;
    }
    int served = tree->limits->allow_trees ? TASK_TYPE_COUNT : TASK_CALL + 1;
    for (int i = 0; i < served; i++) {
        if (json_string_is(type, str_of(type_names[i]))) {
            *ret = (enum task_type)i;
            return true;
        }
    }
    problem_add(problem, &here, FIELD_UNKNOWN_TYPE, NULL);
    return false;
}

static bool check_depth(struct task_frame *f, const struct doc_path *at)
{
    if (f->spec->depth <= f->tree->limits->tree_depth)
        return true;
    char text[80];
    snprintf(text, sizeof text, "tasks are nested deeper than %u (limits.tree_depth)",
             (unsigned)f->tree->limits->tree_depth);
    problem_add(f->tree->c->problem, at, FIELD_TOO_LONG, text);
    return false;
}

/* Recurses as deep as JSON may be nested. */
static void check_task(struct task_frame *f, const struct doc_path *at)
{
    struct task_tree *tree = f->tree;
    if (!check_depth(f, at) || !check_object(tree->c, f->v, at) ||
        !check_type(tree, f->v, at, &f->spec->type))
        return;
    if (f->spec->is_finally)
        task_require(f, at, "timeout_ms");
    if (tree->limits->allow_trees)
        checks[f->spec->type](f, at);
    else
        task_check_plain_call(f, at);
}

void task_check_child(struct task_frame *f, uint32_t index, struct json v,
                      const struct doc_path *at)
{
    struct task_spec *child = &f->spec->children[index];
    child->index = index;
    if (set_path(f, child))
        check_task(&(struct task_frame){.tree = f->tree, .up = f, .spec = child, .v = v}, at);
    else
        f->tree->c->no_memory = true;
}

void task_on_finally(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct task_frame *f = out;
    if (!fits(f, 1)) {
        report_nodes(f, at);
        return;
    }
    struct task_spec *last = make_tasks(f, 1);
    if (last == NULL)
        return;
    last->is_finally = true;
    last->index = f->spec->child_count;
    f->spec->finally = last;
    if (set_path(f, last))
        check_task(&(struct task_frame){.tree = f->tree, .up = f, .spec = last, .v = v}, at);
    else
        c->no_memory = true;
}

/* --- the tree --------------------------------------------------------------------------------- */

struct task_spec *task_spec_check_workflow(struct check *c, struct json v,
                                           const struct doc_path *at, struct str self,
                                           const struct spec_limits *limits,
                                           const struct name_lookup *names)
{
    struct task_spec *root = arena_zalloc(c->arena, sizeof *root);
    if (root == NULL) {
        c->no_memory = true;
        return NULL;
    }
    root->depth = 1;
    root->path = STR("");
    struct task_tree tree = {.c = c,
                             .limits = limits,
                             .names = names,
                             .self = self,
                             .nodes = 1,
                             .references_left = TASK_REFERENCES_MAX};
    uint32_t before = c->problem->found;
    arena_init(&tree.scratch, SCRATCH_BYTES);
    check_task(&(struct task_frame){.tree = &tree, .spec = root, .v = v}, at);
    arena_fini(&tree.scratch);
    return c->problem->found == before && !c->no_memory ? root : NULL;
}

struct task_spec *task_spec_check(struct check *c, struct json v, const struct doc_path *at,
                                  const struct spec_limits *limits, const struct name_lookup *names)
{
    return task_spec_check_workflow(c, v, at, STR_NONE, limits, names);
}
