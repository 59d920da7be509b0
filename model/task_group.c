/* Tasks that are a list of tasks: sequence, parallel, settle, race, first_success (API §4). */
#include "model/task_tree.h"

/* What the children are called, for references and for telling twins apart. A name that is none is
 * reported when its task is checked. */
static bool gather_names(struct task_frame *f, struct json list)
{
    struct task_tree *tree = f->tree;
    uint32_t i = 0;
    if (!task_names_init(&f->names, &tree->scratch, f->spec->child_count))
        return false;
    for (struct json e = json_first(list); json_exists(e); e = json_next(list, e), i++) {
        struct json v = json_get_lit(e, "name");
        struct str name;
        if (!json_is(v, JSON_STRING))
            continue;
        if (!json_string(v, &tree->scratch, &name))
            return false;
        task_names_add(&f->names, name, i);
    }
    task_names_sort(&f->names);
    return true;
}

static void open_list(struct task_frame *f, const struct doc_path *at, const char *member)
{
    struct json list = json_get(f->v, str_of(member));
    task_require(f, at, member);
    if (!json_is(list, JSON_ARRAY))
        return;
    task_reserve_children(f, json_count(list));
    if (f->spec->children != NULL && !gather_names(f, list))
        f->tree->c->no_memory = true;
}

static void on_list(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct task_frame *f = out;
    if (!json_is(v, JSON_ARRAY)) {
        problem_add(c->problem, at, FIELD_WRONG_TYPE, "must be an array of tasks");
        return;
    }
    if (!task_children_fit(f, at))
        return;
    uint32_t i = 0;
    for (struct json e = json_first(v); json_exists(e); e = json_next(v, e), i++) {
        struct doc_path here = doc_path_index(at, i);
        task_check_child(f, i, e, &here);
    }
}

/* Nothing can win a contest of nobody. */
static void on_contestants(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    if (json_is(v, JSON_ARRAY) && json_count(v) == 0)
        problem_add(c->problem, at, FIELD_OUT_OF_RANGE, "must not be empty");
    else
        on_list(c, v, at, out);
}

void task_on_limit(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct task_frame *f = out;
    int64_t n;
    if (check_int(c, v, at, 1, INT32_MAX, &n))
        f->spec->limit = (uint32_t)n;
}

static void on_errors(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    static const char *const values[] = {"cancel", "collect", NULL};
    struct task_frame *f = out;
    int i;
    if (check_enum(c, v, at, values, &i))
        f->spec->errors = (enum task_errors)i;
}

void task_check_sequence(struct task_frame *f, const struct doc_path *at)
{
    static const struct check_rule rules[] = {TASK_COMMON_RULES, {"steps", on_list}};
    open_list(f, at, "steps");
    task_check_members(f, at, rules);
}

void task_check_parallel(struct task_frame *f, const struct doc_path *at)
{
    static const struct check_rule rules[] = {
        TASK_COMMON_RULES, {"tasks", on_list}, {"limit", task_on_limit}, {"errors", on_errors}};
    open_list(f, at, "tasks");
    task_check_members(f, at, rules);
}

void task_check_settle(struct task_frame *f, const struct doc_path *at)
{
    static const struct check_rule rules[] = {
        TASK_COMMON_RULES, {"tasks", on_list}, {"limit", task_on_limit}};
    open_list(f, at, "tasks");
    task_check_members(f, at, rules);
}

void task_check_contest(struct task_frame *f, const struct doc_path *at)
{
    static const struct check_rule rules[] = {TASK_COMMON_RULES, {"tasks", on_contestants}};
    open_list(f, at, "tasks");
    task_check_members(f, at, rules);
}
