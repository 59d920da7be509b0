#include "model/task_names.h"

#include <stdlib.h>

bool task_names_init(struct task_names *n, struct arena *arena, uint32_t most)
{
    *n = (struct task_names){.rows = arena_alloc(arena, most * sizeof(struct task_name))};
    return n->rows != NULL;
}

void task_names_add(struct task_names *n, struct str name, uint32_t child)
{
    n->rows[n->count++] = (struct task_name){.name = name, .child = child};
}

static int compare(const void *a, const void *b)
{
    const struct task_name *x = a, *y = b;
    int by_name = str_cmp(x->name, y->name);
    if (by_name != 0)
        return by_name;
    return x->child < y->child ? -1 : x->child > y->child;
}

void task_names_sort(struct task_names *n)
{
    if (n->count > 1)
        qsort(n->rows, n->count, sizeof n->rows[0], compare);
}

bool task_names_find(const struct task_names *n, struct str name, uint32_t *ret_child)
{
    uint32_t low = 0, high = n->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (str_cmp(n->rows[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == n->count || !str_eq(n->rows[low].name, name))
        return false;
    *ret_child = n->rows[low].child;
    return true;
}
