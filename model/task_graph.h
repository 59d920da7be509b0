#ifndef SLUICE_MODEL_TASK_GRAPH_H
#define SLUICE_MODEL_TASK_GRAPH_H
/* Which step of a dag waits for which: cycles, and who may see whom.
 *
 * Life: task_graph_init, then for each step in order task_graph_add for each of its dependencies
 * and task_graph_end_step, then task_graph_find_cycles, then questions. Memory is the caller's
 * arena: 14 bytes a step, 5 a dependency, and from the first task_graph_sees on a bit for each pair
 * of steps. Steps that stand in a cycle see what comes before it. */
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

enum { TASK_GRAPH_STEPS_MAX = 10000 };

/* What is to be said of a dependency. */
enum edge_fault {
    EDGE_FINE,
    EDGE_NO_NAME,  /* it is no string */
    EDGE_UNKNOWN,  /* names no step */
    EDGE_REPEATED, /* the step has it already */
    EDGE_CYCLE,    /* closes a cycle */
};

struct task_graph {
    struct arena *arena;
    uint32_t count;
    uint32_t built;  /* steps that are complete */
    uint32_t *first; /* of a step: its first edge; one more than there are steps */
    uint32_t *to;    /* of an edge: the step that is waited for */
    uint8_t *fault;  /* of an edge: enum edge_fault */
    uint32_t *order; /* the steps, each behind those that it waits for */
    uint32_t *mark;  /* scratch, one for each step */
    uint64_t *sees;  /* a row of bits for each step; NULL: not asked yet */
};

/* False without memory, here and in task_graph_find_cycles. */
bool task_graph_init(struct task_graph *g, struct arena *arena, uint32_t steps, uint32_t edges);

/* A dependency on `to`; or, with another fault than EDGE_FINE, something that is none. */
void task_graph_add(struct task_graph *g, uint32_t to, enum edge_fault fault);
void task_graph_end_step(struct task_graph *g);

/* Marks, for each cycle that there is in document order, the dependency that closes it. */
bool task_graph_find_cycles(struct task_graph *g);

/* Does `step` wait for `other`, directly or through others? `*ret_no_memory` where that could not
 * be told. */
bool task_graph_sees(struct task_graph *g, uint32_t step, uint32_t other, bool *ret_no_memory);
#endif
