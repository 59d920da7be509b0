#include "model/task_graph.h"

#include <assert.h>

/* Of a step, while cycles are looked for; and of a step while its dependencies are added: the last
 * step (from 1) that has named it. */
enum { FRESH, OPEN, DONE };

bool task_graph_init(struct task_graph *g, struct arena *arena, uint32_t steps, uint32_t edges)
{
    *g = (struct task_graph){.arena = arena, .count = steps};
    g->first = arena_zalloc(arena, (steps + 1) * sizeof *g->first);
    g->order = arena_alloc(arena, steps * sizeof *g->order);
    g->mark = arena_zalloc(arena, steps * sizeof *g->mark);
    g->to = arena_alloc(arena, edges * sizeof *g->to);
    g->fault = arena_alloc(arena, edges);
    return g->first != NULL && g->order != NULL && g->mark != NULL && g->to != NULL &&
           g->fault != NULL;
}

void task_graph_add(struct task_graph *g, uint32_t to, enum edge_fault fault)
{
    uint32_t edge = g->first[g->built + 1]++;
    if (fault == EDGE_FINE && g->mark[to] == g->built + 1)
        fault = EDGE_REPEATED;
    else if (fault == EDGE_FINE)
        g->mark[to] = g->built + 1;
    g->to[edge] = to;
    g->fault[edge] = (uint8_t)fault;
}

void task_graph_end_step(struct task_graph *g)
{
    assert(g->built < g->count);
    g->built++;
    if (g->built < g->count)
        g->first[g->built + 1] = g->first[g->built];
}

/* --- cycles ----------------------------------------------------------------------------------- */

/* A step that is being gone through, and which of its edges comes next. */
struct place {
    uint32_t step;
    uint32_t edge;
};

/* Depth first, without recursion: a chain may be as long as there are steps. */
static void walk(struct task_graph *g, uint32_t from, struct place *stack, uint32_t *done)
{
    uint32_t depth = 1;
    stack[0] = (struct place){from, g->first[from]};
    g->mark[from] = OPEN;
    while (depth > 0) {
        struct place *top = &stack[depth - 1];
        if (top->edge == g->first[top->step + 1]) {
            g->mark[top->step] = DONE;
            g->order[(*done)++] = top->step;
            depth--;
            continue;
        }
        uint32_t edge = top->edge++, to = g->to[edge];
        if (g->fault[edge] != EDGE_FINE)
            continue;
        if (g->mark[to] == OPEN) {
            g->fault[edge] = EDGE_CYCLE;
        } else if (g->mark[to] == FRESH) {
            g->mark[to] = OPEN;
            stack[depth++] = (struct place){to, g->first[to]};
        }
    }
}

bool task_graph_find_cycles(struct task_graph *g)
{
    assert(g->built == g->count);
    struct place *stack = arena_alloc(g->arena, g->count * sizeof *stack);
    if (stack == NULL)
        return false;
    uint32_t done = 0;
    memset(g->mark, 0, g->count * sizeof *g->mark);
    for (uint32_t i = 0; i < g->count; i++) {
        if (g->mark[i] == FRESH)
            walk(g, i, stack, &done);
    }
    return true;
}

/* --- who sees whom ---------------------------------------------------------------------------- */

static uint32_t words_of(const struct task_graph *g)
{
    return (g->count + 63) / 64;
}

static uint64_t *row_of(const struct task_graph *g, uint32_t step)
{
    return g->sees + (size_t)step * words_of(g);
}

/* What it waits for has its row already. */
static void fill_row(struct task_graph *g, uint32_t step)
{
    uint64_t *row = row_of(g, step);
    for (uint32_t e = g->first[step]; e < g->first[step + 1]; e++) {
        if (g->fault[e] != EDGE_FINE)
            continue;
        const uint64_t *other = row_of(g, g->to[e]);
        for (uint32_t w = 0; w < words_of(g); w++)
            row[w] |= other[w];
        row[g->to[e] / 64] |= (uint64_t)1 << (g->to[e] % 64);
    }
}

bool task_graph_sees(struct task_graph *g, uint32_t step, uint32_t other, bool *ret_no_memory)
{
    if (g->sees == NULL) {
        g->sees = arena_zalloc(g->arena, (size_t)g->count * words_of(g) * sizeof *g->sees);
        if (g->sees == NULL) {
            *ret_no_memory = true;
            return false;
        }
        for (uint32_t i = 0; i < g->count; i++)
            fill_row(g, g->order[i]);
    }
    return (row_of(g, step)[other / 64] >> (other % 64) & 1) != 0;
}
