#ifndef SLUICE_CLI_TASK_TREE_H
#define SLUICE_CLI_TASK_TREE_H
/* A run's tasks as its events tell of them: what there is, in which state, since when, what it
 * waits for.
 *
 * Pure data: it is fed with events and with what GET /v1/runs/ID/tasks says of tasks that have not
 * begun; tree_lines.h makes lines of it. Nothing that it is fed with makes it fail: a task beyond a
 * bound, or for which there is no memory, is counted in `lost` and not shown. Events may come in
 * any order and again.
 *
 * Work: an event costs the depth of its task; only the retry of a composite costs what is below it.
 * Bounds: TREE_MAX_TASKS tasks, TREE_MAX_SLOTS places for children, TREE_MAX_DEPTH levels,
 * TREE_MAX_NOTE bytes of text for a task.
 *
 * Life: task_tree_init, any calls, task_tree_fini. One thread. */
#include <stdbool.h>
#include <stdint.h>

#include "cli/event.h"
#include "model/state.h"

enum {
    TREE_MAX_TASKS = 250000, /* a run makes at most 200,000 */
    TREE_MAX_SLOTS = 1 << 20,
    TREE_MAX_DEPTH = 80, /* more than any tree may have, with a `finally` at each level */
    TREE_MAX_NOTE = 240,
    TREE_TYPE_BYTES = 16,
};

struct tree_node {
    struct tree_node *parent;    /* NULL: the root */
    struct tree_node **children; /* by index; NULL: nothing is known of that one */
    uint32_t slots;              /* how long that is */
    uint32_t known, done;        /* children, and those that have ended */
    uint32_t below;              /* tasks known below it, at every depth */
    uint32_t index, depth;       /* the root: 0, 0 */
    enum task_state state;
    bool is_told;    /* an event told its state: it is newer than any look at the whole tree */
    bool is_counted; /* all its children are known */
    char type[TREE_TYPE_BYTES];
    char *name;          /* NULL: none */
    char *model;         /* "sim/echo" of the last attempt; NULL: none was made */
    char *note;          /* what it waits for, or why it failed; NULL: nothing to say */
    int64_t attempts;    /* the number of the last one; 0: none */
    int64_t started_ms;  /* wall, gateway's clock; 0: not */
    int64_t finished_ms; /* 0: not */
    int64_t until_ms;    /* when the wait that `note` tells of is over; 0: not known */
};

struct task_tree {
    struct tree_node *root; /* NULL: nothing is known yet */
    uint32_t tasks, slots;
    uint64_t lost;     /* how often a task could not be kept */
    bool is_cancelled; /* the run is being cancelled */
    char *run_note;    /* what the run as a whole waits for; NULL: nothing */
    int64_t run_until_ms;
    bool wants_learning; /* a look at the whole tree would tell more; whoever looks clears it first
                          */
};

void task_tree_init(struct task_tree *t);
void task_tree_fini(struct task_tree *t);

void task_tree_take(struct task_tree *t, const struct event *e);

/* The answer of GET /v1/runs/ID/tasks: names, types and how many there are; the state of tasks of
 * which no event has told. */
void task_tree_learn(struct task_tree *t, struct json task);

/* Does it consist of more than a call, so that there is a tree to show? */
bool task_tree_is_composite(const struct task_tree *t);

/* Child number `i` in order, skipping places of which nothing is known; NULL: no more. Moves `*i`
 * behind it. */
const struct tree_node *tree_node_next(const struct tree_node *n, uint32_t *i);
#endif
