/* Tasks around one task: map, circuit, shield (API §4). */
#include "model/task_tree.h"

enum { MOST_FAILURES = 1000000, MOST_MS = 86400000 };

static void open_task(struct task_frame *f, const struct doc_path *at)
{
    task_require(f, at, "task");
    if (json_exists(json_get_lit(f->v, "task")))
        task_reserve_children(f, 1);
}

static void on_task(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    (void)c;
    if (task_children_fit(out, at))
        task_check_child(out, 0, v, at);
}

/* --- map -------------------------------------------------------------------------------------- */

/* What is no array and will never be one is refused now; what a reference brings, when it does. */
static void on_over(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct task_frame *f = out;
    if (!task_read_json(f, v, at, &f->spec->over))
        return;
    bool may_be_array =
        json_is(v, JSON_ARRAY) || (f->spec->over.count == 1 && f->spec->over.parts[0].is_whole);
    if (!may_be_array)
        problem_add(c->problem, at, FIELD_WRONG_TYPE, "must be an array, or one reference to one");
}

static void on_errors(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    static const char *const values[] = {"cancel", "collect", "settle", NULL};
    struct task_frame *f = out;
    int i;
    if (check_enum(c, v, at, values, &i))
        f->spec->errors = (enum task_errors)i;
}

void task_check_map(struct task_frame *f, const struct doc_path *at)
{
    static const struct check_rule rules[] = {TASK_COMMON_RULES,
                                              {"over", on_over},
                                              {"task", on_task},
                                              {"limit", task_on_limit},
                                              {"errors", on_errors}};
    task_require(f, at, "over");
    open_task(f, at);
    task_check_members(f, at, rules);
}

/* --- circuit ---------------------------------------------------------------------------------- */

static void on_circuit(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct task_frame *f = out;
    (void)check_name(c, v, at, &f->spec->circuit); /* reported by the check */
}

static void on_fail_max(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct task_frame *f = out;
    (void)check_int(c, v, at, 1, MOST_FAILURES, &f->spec->fail_max); /* likewise */
}

static void on_reset_timeout_ms(struct check *c, struct json v, const struct doc_path *at,
                                void *out)
{
    struct task_frame *f = out;
    (void)check_int(c, v, at, 1, MOST_MS, &f->spec->reset_timeout_ms); /* likewise */
}

static void on_window_ms(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct task_frame *f = out;
    (void)check_int(c, v, at, 1, MOST_MS, &f->spec->window_ms); /* likewise */
}

void task_check_circuit(struct task_frame *f, const struct doc_path *at)
{
    static const struct check_rule rules[] = {
        TASK_COMMON_RULES,           {"circuit", on_circuit},
        {"fail_max", on_fail_max},   {"reset_timeout_ms", on_reset_timeout_ms},
        {"window_ms", on_window_ms}, {"task", on_task}};
    f->spec->fail_max = 5;
    f->spec->reset_timeout_ms = f->spec->window_ms = 60000;
    task_require(f, at, "circuit");
    open_task(f, at);
    task_check_members(f, at, rules);
}

/* --- shield ----------------------------------------------------------------------------------- */

void task_check_shield(struct task_frame *f, const struct doc_path *at)
{
    static const struct check_rule rules[] = {TASK_COMMON_RULES, {"task", on_task}};
    if (!f->spec->is_finally) /* which has said so already */
        task_require(f, at, "timeout_ms");
    open_task(f, at);
    task_check_members(f, at, rules);
}
