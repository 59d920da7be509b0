#ifndef SLUICE_RUNS_ENGINE_H
#define SLUICE_RUNS_ENGINE_H
/* The engine: all shards, what they share, and the operations that the layer above asks for.
 *
 * Life: engine_create, engine_start once every loop is about to run; engine_drain; when
 * engine_is_idle, or when patience has ended, engine_park; when that is done the loops may stop,
 * then engine_destroy. */
#include "runs/accept.h"
#include "runs/circuit.h"
#include "runs/claim.h"
#include "runs/directory.h"
#include "runs/fuse.h"
#include "runs/library.h"
#include "runs/shard.h"

struct engine_options {
    struct loop **loops;
    uint32_t loop_count;
    struct store *store;
    struct catalog *catalog;         /* taken over */
    struct definitions *definitions; /* likewise: what the configuration says */
    struct engine_limits limits;
    struct str base_path; /* stays in place */
};

struct engine {
    struct shard shards[MAX_LOOPS];
    uint32_t shard_count;
    struct store *store;
    struct engine_limits limits;
    struct directory directory;
    struct claimer claimer;
    struct courier courier;
    struct fuses fuses;                  /* the circuits that tasks name */
    struct fuse_hint fuse_hint;          /* that one of them has changed */
    struct library library;              /* where agents and workflows change */
    atomic_int_fast64_t queued;          /* runs that wait in the store for room, all lanes */
    atomic_int_fast64_t children_queued; /* of these, child runs */
    atomic_bool is_draining;
    atomic_bool is_started;
};

enum err engine_create(const struct engine_options *options, struct engine **ret_engine) MUST_CHECK;
void engine_destroy(struct engine *e);

/* Takes up what is stored of agents, workflows and circuits, then begins to take in what waits in
 * the store. Nothing may be asked of it before engine_is_started. */
void engine_start(struct engine *e);
bool engine_is_started(const struct engine *e); /* any thread */

/* From now on nothing new, and runs that wait for more than a moment go back to the store. Any
 * thread. */
void engine_drain(struct engine *e);
/* Is nothing live any more, and nobody being told? Any thread. */
bool engine_is_idle(const struct engine *e);
/* Lets go of every run for the next start; engine_is_parked when all of it is stored. Any thread.
 */
void engine_park(struct engine *e);
bool engine_is_parked(const struct engine *e);

/* The first shard has another catalog and other limits. On its loop. */
void engine_take_over(struct engine *e);

/* Live runs, and bytes that they hold, of all shards. Any thread. */
uint32_t engine_live(const struct engine *e);
uint64_t engine_memory(const struct engine *e);

/* Live runs that do not merely wait for child runs: what live_runs bounds, since else those that
 * cannot be parked, because somebody reads them, could take all the room that their children need.
 * Any thread, as are the following. */
uint32_t engine_busy(const struct engine *e);
uint32_t engine_children_queued(const struct engine *e);

/* Is there no room for more runs? Then those that wait for children had better wait in the store.
 */
bool engine_is_crowded(const struct engine *e);

/* The shard that has least to do; `here`, unless another has clearly less. */
struct shard *engine_place(struct engine *e, struct shard *here);
#endif
