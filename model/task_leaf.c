/* Tasks with nothing below and nobody to ask: sleep and value (API §4). */
#include "model/task_tree.h"

static void on_duration_ms(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct task_frame *f = out;
    (void)check_int(c, v, at, 0, f->tree->limits->max_run_timeout_ms,
                    &f->spec->duration_ms); /* reported by the check */
}

void task_check_sleep(struct task_frame *f, const struct doc_path *at)
{
    static const struct check_rule rules[] = {TASK_COMMON_RULES, {"duration_ms", on_duration_ms}};
    task_require(f, at, "duration_ms");
    task_check_members(f, at, rules);
}

static void on_value(struct check *c, struct json v, const struct doc_path *at, void *out)
{
    struct task_frame *f = out;
    if (json_raw(v).len > f->tree->limits->input_bytes)
        problem_add(c->problem, at, FIELD_TOO_LONG, "the value is larger than limits.input_bytes");
    else
        (void)task_read_json(f, v, at, &f->spec->value); /* reported by it */
}

void task_check_value(struct task_frame *f, const struct doc_path *at)
{
    static const struct check_rule rules[] = {TASK_COMMON_RULES, {"value", on_value}};
    task_require(f, at, "value");
    task_check_members(f, at, rules);
}
