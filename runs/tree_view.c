#include "runs/tree_view.h"

#include "base/json.h"
#include "model/task_path.h"

enum { PATH_MAX_BYTES = 4096 };

enum err tree_view_init(struct tree_view *v, const struct run_record *run, struct store_task *rows,
                        uint32_t count, const struct definitions *definitions, struct str base_path)
{
    *v = (struct tree_view){.run = run, .base_path = base_path};
    enum err e = run_spec_reopen(run, definitions_of_run(definitions, run), &v->spec);
    if (e == OK && run_spec_is_lost(&v->spec))
        e = ERR_UNKNOWN_WORKFLOW;
    return e == OK ? task_rows_init(&v->rows, v->spec.task, rows, count) : e;
}

void tree_view_fini(struct tree_view *v)
{
    task_rows_fini(&v->rows);
    run_spec_fini(&v->spec);
}

enum err tree_view_state(struct tree_view *v, struct str path, enum task_state *ret_state)
{
    if (task_rows_spec(&v->rows, path, NULL) == NULL)
        return ERR_NOT_FOUND;
    *ret_state = task_rows_facts(&v->rows, task_rows_find(&v->rows, path)).state;
    return OK;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* A task that has not begun. */
static void write_pending(const struct task_spec *spec, struct str path, struct buf *b)
{
    buf_add_lit(b, "\"path\":\"");
    buf_add_str(b, path);
    buf_add_lit(b, "\",\"name\":");
    json_add_string_or_null(b, spec->name);
    buf_addf(b,
             ",\"type\":\"%s\",\"state\":\"pending\",\"reason\":null,\"started_at\":null,"
             "\"finished_at\":null,\"output\":null,\"error\":null,\"usage\":",
             task_type_name(spec->type));
    usage_write(b, &(struct usage){.calls = 0});
    buf_add_lit(b, ",\"attempts\":[]");
    if (spec->type == TASK_CALL && spec->call == CALL_WORKFLOW)
        buf_add_lit(b, ",\"child_run\":null");
}

static void write_task(struct tree_view *v, const struct task_spec *spec, struct str path,
                       bool is_brief, struct buf *b);

static void write_children(struct tree_view *v, const struct task_spec *spec, struct str path,
                           const struct store_task *row, struct buf *b)
{
    uint32_t count = task_rows_children(&v->rows, spec, row);
    uint32_t last = count + (spec->finally != NULL);
    bool has_ended = task_state_is_terminal(task_rows_facts(&v->rows, row).state);
    for (uint32_t i = 0; i < last && !b->failed; i++) {
        struct buf child;
        buf_init(&child, PATH_MAX_BYTES);
        task_path_add(&child, path, i);
        bool is_there = !has_ended || task_rows_find(&v->rows, buf_str(&child)) != NULL;
        if (buf_ok(&child) == OK && is_there) {
            json_add_comma(b);
            write_task(v, task_rows_child_spec(spec, i, count), buf_str(&child), true, b);
        }
        buf_fini(&child);
    }
}

static void write_task(struct tree_view *v, const struct task_spec *spec, struct str path,
                       bool is_brief, struct buf *b)
{
    const struct store_task *row = task_rows_find(&v->rows, path);
    struct task_row_view view = {
        .run = &v->run->id, .base_path = v->base_path, .is_brief = is_brief};
    buf_add_char(b, '{');
    if (row == NULL || !task_row_show(b, row, &view, &v->rows.scratch))
        write_pending(spec, path, b);
    buf_add_lit(b, ",\"children\":[");
    write_children(v, spec, path, row, b);
    buf_add_lit(b, "]}");
}

enum err tree_view_write(struct tree_view *v, struct str path, bool is_brief, struct buf *b)
{
    const struct task_spec *spec = task_rows_spec(&v->rows, path, NULL);
    if (spec == NULL)
        return ERR_NOT_FOUND;
    write_task(v, spec, path, is_brief, b);
    return OK;
}
