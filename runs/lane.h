#ifndef SLUICE_RUNS_LANE_H
#define SLUICE_RUNS_LANE_H
/* The names of lanes, in which runs wait in the store: that of the provider that a run's root
 * calls,
 * "" where it calls none. Child runs have lanes of their own, with a + in front, since they are
 * admitted ahead of roots: for each there is a run that waits. Any thread. */
#include "base/arena.h"
#include "model/task_spec.h"

struct shard;
struct upstream;

/* The provider that is called by a run of that tree, or of that agent (`root` NULL); NULL: the root
 * is no call, or is one of whom references decide. */
struct upstream *lane_upstream(const struct shard *shard, const struct task_spec *root,
                               struct str agent);

/* The lane of a child run, in `arena`; NULL: no memory. `u` may be NULL. */
struct str lane_of_child(const struct upstream *u, struct arena *arena);

static inline bool lane_is_of_children(struct str lane)
{
    return lane.len > 0 && lane.at[0] == '+';
}

static inline struct str lane_provider(struct str lane)
{
    return lane_is_of_children(lane) ? (struct str){lane.at + 1, lane.len - 1} : lane;
}
#endif
