#include "runs/task_rows.h"

#include <stdlib.h>

#include "base/mem.h"
#include "model/task_path.h"

struct task_rows_note {
    struct task_row_facts facts;
    bool is_read;
};

enum err task_rows_init(struct task_rows *r, const struct task_spec *root, struct store_task *rows,
                        uint32_t count)
{
    *r = (struct task_rows){.root = root, .rows = rows, .count = count};
    json_doc_init(&r->scratch);
    r->notes = mem_zalloc((count + (size_t)1) * sizeof *r->notes);
    if (r->notes == NULL)
        return ERR_NOMEM;
    if (count > 0)
        qsort(rows, count, sizeof *rows, task_row_order);
    return OK;
}

void task_rows_fini(struct task_rows *r)
{
    json_doc_fini(&r->scratch);
    mem_free(r->notes);
    r->notes = NULL;
}

const struct store_task *task_rows_find(const struct task_rows *r, struct str path)
{
    struct store_task key = {.path = path};
    if (r->count == 0)
        return NULL;
    return bsearch(&key, r->rows, r->count, sizeof key, task_row_order);
}

struct task_row_facts task_rows_facts(struct task_rows *r, const struct store_task *row)
{
    if (row == NULL)
        return (struct task_row_facts){.state = TASK_PENDING};
    struct task_rows_note *note = &r->notes[row - r->rows];
    if (!note->is_read) {
        note->facts = task_row_facts(row, &r->scratch);
        note->is_read = true;
        r->parses++;
    }
    return note->facts;
}

uint32_t task_rows_children(struct task_rows *r, const struct task_spec *spec,
                            const struct store_task *row)
{
    return spec->type == TASK_MAP ? task_rows_facts(r, row).count : spec->child_count;
}

const struct task_spec *task_rows_child_spec(const struct task_spec *spec, uint32_t index,
                                             uint32_t count)
{
    if (index < count)
        return &spec->children[spec->type == TASK_MAP ? 0 : index];
    return index == count ? spec->finally : NULL;
}

const struct task_spec *task_rows_spec(struct task_rows *r, struct str path, bool *ret_is_after)
{
    const struct task_spec *spec = r->root;
    struct str rest = path, here = {path.at, 0};
    uint32_t index;
    bool is_after = false;
    while (spec != NULL && task_path_next(&rest, &index)) {
        const struct store_task *row = spec->type == TASK_MAP ? task_rows_find(r, here) : NULL;
        spec = task_rows_child_spec(spec, index, task_rows_children(r, spec, row));
        is_after |= spec != NULL && spec->is_finally;
        here.len = rest.len > 0 ? path.len - rest.len - 1 : path.len; /* less the slash */
    }
    if (ret_is_after != NULL)
        *ret_is_after = is_after;
    return spec;
}
