#ifndef SLUICE_RUNS_CLAIM_H
#define SLUICE_RUNS_CLAIM_H
/* Takes runs out of the store when there is room for them: those that were accepted while memory
 * was full, parked ones whose time has come, and those that a dead gateway left.
 *
 * Runs wait in lanes, one for each provider that a root calls, so that a slow provider fills only
 * its own. A lane is asked for as many runs as its provider can soon use, and sleeps until
 * something says that there is room, or that the next run is due. Belongs to the first shard's
 * loop; claim_note may be called from any thread. */
#include "base/loop.h"
#include "base/str.h"
#include "runs/gate.h"
#include "store/store.h"

struct engine;
struct shard;

struct lane {
    struct list link;
    struct claimer *claimer;
    char *name;
    struct gate *gate;       /* referenced; NULL: not a provider that is configured */
    struct loop_timer timer; /* when the next run is due */
    struct loop_msg room;    /* posted by the gate */
    atomic_bool room_posted;
    atomic_uint coming;  /* runs that were asked for and are not live yet */
    bool is_of_children; /* served before the others */
    bool is_claiming;
    bool wants; /* there may be something to claim: served when there is room, see serve() */
};

struct claimer {
    struct engine *engine;
    struct list lanes;
    struct loop_timer retry; /* memory is full, or the store is away: look again */
    struct loop_msg room;    /* a run has left memory, and a lane had found none free */
    atomic_bool is_starved, room_posted;
    atomic_bool has_lost_note; /* there was no memory for one */
    struct store_lanes lanes_op;
    bool is_stopped;
};

enum err claimer_init(struct claimer *c, struct engine *engine) MUST_CHECK;
void claimer_fini(struct claimer *c);

/* Asks the store what waits, then begins. On the first loop. */
void claimer_start(struct claimer *c);
void claimer_stop(struct claimer *c);

/* The first shard has another catalog and other limits. On the first loop. */
void claimer_take_over(struct claimer *c);

/* A run of that lane waits in the store, due at that wall time. Any thread. */
void claim_note(struct engine *e, struct str lane, int64_t wake_at_ms);

/* A run has left memory, or needs no room any more. Any thread. */
void claim_room(struct engine *e);

/* So many more (fewer) runs of that lane wait in the store for their turn, not begun: the bounds on
 * the queue count them. On the shard's loop. */
void claim_count(struct shard *shard, struct str lane, int64_t runs);
#endif
