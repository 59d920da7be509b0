#include "runs/tree_view.h"

#include <stdlib.h>

#include "base/json.h"
#include "model/task_path.h"
#include "runs/task_row.h"

enum { PATH_MAX_BYTES = 4096 };

enum err tree_view_init(struct tree_view *v, const struct run_record *run, struct store_task *rows,
                        uint32_t count, const struct definitions *definitions, struct str base_path)
{
    *v = (struct tree_view){.run = run, .rows = rows, .count = count, .base_path = base_path};
    json_doc_init(&v->scratch);
    if (count > 0)
        qsort(rows, count, sizeof *rows, task_row_order);
    enum err e = run_spec_reopen(run, definitions_of_run(definitions, run), &v->spec);
    return e == OK && run_spec_is_lost(&v->spec) ? ERR_UNKNOWN_WORKFLOW : e;
}

void tree_view_fini(struct tree_view *v)
{
    json_doc_fini(&v->scratch);
    run_spec_fini(&v->spec);
}

/* --- finding ---------------------------------------------------------------------------------- */

static const struct store_task *row_at(const struct tree_view *v, struct str path)
{
    struct store_task key = {.path = path};
    if (v->count == 0)
        return NULL;
    return bsearch(&key, v->rows, v->count, sizeof key, task_row_order);
}

static uint32_t child_count(struct tree_view *v, const struct task_spec *spec,
                            const struct store_task *row)
{
    if (spec->type != TASK_MAP)
        return spec->child_count;
    return row != NULL ? task_row_count(row, &v->scratch) : 0;
}

/* What was written of the child at `index`: a map's are all the same. */
static const struct task_spec *spec_of(const struct task_spec *spec, uint32_t index, uint32_t count)
{
    if (index < count)
        return &spec->children[spec->type == TASK_MAP ? 0 : index];
    return index == count ? spec->finally : NULL;
}

/* NULL: there is no such task. */
static const struct task_spec *spec_at(struct tree_view *v, struct str path)
{
    const struct task_spec *spec = v->spec.task;
    struct str rest = path;
    uint32_t index;
    for (;;) {
        struct str here = {path.at, rest.len < path.len ? path.len - rest.len : 0};
        if (rest.len > 0 && here.len > 0)
            here.len--; /* the slash */
        if (spec == NULL || !task_path_next(&rest, &index))
            return spec;
        spec = spec_of(spec, index, child_count(v, spec, row_at(v, here)));
    }
}

enum err tree_view_state(struct tree_view *v, struct str path, enum task_state *ret_state)
{
    if (spec_at(v, path) == NULL)
        return ERR_NOT_FOUND;
    const struct store_task *row = row_at(v, path);
    *ret_state = row != NULL ? task_row_state(row, &v->scratch) : TASK_PENDING;
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
    uint32_t count = child_count(v, spec, row), last = count + (spec->finally != NULL);
    bool has_ended = row != NULL && task_state_is_terminal(task_row_state(row, &v->scratch));
    for (uint32_t i = 0; i < last && !b->failed; i++) {
        struct buf child;
        buf_init(&child, PATH_MAX_BYTES);
        task_path_add(&child, path, i);
        bool is_there = !has_ended || row_at(v, buf_str(&child)) != NULL;
        if (buf_ok(&child) == OK && is_there) {
            json_add_comma(b);
            write_task(v, spec_of(spec, i, count), buf_str(&child), true, b);
        }
        buf_fini(&child);
    }
}

static void write_task(struct tree_view *v, const struct task_spec *spec, struct str path,
                       bool is_brief, struct buf *b)
{
    const struct store_task *row = row_at(v, path);
    struct task_row_view view = {
        .run = &v->run->id, .base_path = v->base_path, .is_brief = is_brief};
    buf_add_char(b, '{');
    if (row == NULL || !task_row_show(b, row, &view, &v->scratch))
        write_pending(spec, path, b);
    buf_add_lit(b, ",\"children\":[");
    write_children(v, spec, path, row, b);
    buf_add_lit(b, "]}");
}

enum err tree_view_write(struct tree_view *v, struct str path, bool is_brief, struct buf *b)
{
    const struct task_spec *spec = spec_at(v, path);
    if (spec == NULL)
        return ERR_NOT_FOUND;
    write_task(v, spec, path, is_brief, b);
    return OK;
}
