#ifndef SLUICE_TESTS_SUPPORT_RANDOM_TREE_H
#define SLUICE_TESTS_SUPPORT_RANDOM_TREE_H
/* Task trees made up from a seed, as JSON: every type, within each other, with calls of `sim` that
 * take a while or fail, values that are missing, and members that all tasks have. Without an input.
 *
 * A tree without `races` has one outcome however long anything takes: nothing in it is decided by
 * who comes first. */
#include <stdbool.h>

#include "base/buf.h"
#include "base/rng.h"

struct random_tree {
    struct rng rng;
    bool races; /* race, first_success, errors: cancel, timeouts */
    unsigned nodes_left;
};

/* Appends a tree of at most `nodes` tasks (a map's counted once), `depth` deep. */
void random_tree_write(struct buf *b, uint64_t seed, bool races, unsigned nodes, unsigned depth);
#endif
