#ifndef SLUICE_RUNS_TREE_COPY_H
#define SLUICE_RUNS_TREE_COPY_H
/* What a run that is made from another one takes over: the results of tasks that succeeded.
 *
 *     tree_copies_choose   in the old run's rows: the topmost ones that succeeded
 *     tree_copies_place    in the new run's tree, not begun: each is a task that has its result
 *                          already, and ends with it when its turn comes
 *
 * What lies below a copied task is stored with the new run as it was, to be looked at. A `finally`
 * is not copied: it belongs to the outcome of a task that is to have another one. */
#include "model/run_spec.h"
#include "store/store.h"

struct run;

struct tree_copies {
    const struct store_task *tasks; /* the topmost ones, parents' order */
    uint32_t count;
    struct store_task *below; /* as they are stored */
    uint32_t below_count;
    const struct store_task *maps; /* of the old run's maps: how many elements they had */
    uint32_t map_count;
};

/* From the rows of a run with that spec, which are sorted for it. The texts are copied into
 * `arena`. ERR_NOMEM. */
enum err tree_copies_choose(const struct task_spec *root, struct store_task *rows, uint32_t count,
                            struct arena *arena, struct tree_copies *ret) MUST_CHECK;

/* Into a run that is new and has not begun; the copies stay in place as long as it lives.
 * ERR_NOMEM; ERR_INVALID_JSON for a damaged store. */
enum err tree_copies_place(struct run *run, const struct tree_copies *copies) MUST_CHECK;
#endif
