#ifndef SLUICE_MODEL_TASK_NAMES_H
#define SLUICE_MODEL_TASK_NAMES_H
/* The names of the children of one task, while its tree is checked: which child has a name?
 *
 * Made once, then asked; sorted, so that asking costs the same whatever names a client chose.
 * Memory is the caller's arena, one row for each name. */
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

struct task_name {
    struct str name;
    uint32_t child;
};

struct task_names {
    struct task_name *rows;
    uint32_t count;
};

/* Room for `most` names; false without memory. Then task_names_add, at most so many times, then
 * task_names_sort. */
bool task_names_init(struct task_names *n, struct arena *arena, uint32_t most);
void task_names_add(struct task_names *n, struct str name, uint32_t child);
void task_names_sort(struct task_names *n);

/* The first child of that name; false if there is none. */
bool task_names_find(const struct task_names *n, struct str name, uint32_t *ret_child);
#endif
