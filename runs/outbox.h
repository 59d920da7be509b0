#ifndef SLUICE_RUNS_OUTBOX_H
#define SLUICE_RUNS_OUTBOX_H
/* What is to be stored of a loop's runs: gathered in a turn, handed to the store as one batch when
 * it ends.
 *
 * A run has at most one save under way; what happens to it meanwhile folds into the next. How long
 * a change may wait is said with it: SAVE_NOW goes with this turn, SAVE_SOON within flush_ms. A
 * save that the store could not take is sent again; a new run that it could not take is refused.
 * A run that pauses because the store is full is looked at again until there is room: what makes
 * room may be another loop's, and then no commit of this run tells of it. Belongs to its shard's
 * loop.
 *
 * The end of a lazy run is told before it is stored: such runs gather apart from those that still
 * go on, and go as soon as they are many, so that one commit has many of them. */
#include "base/loop.h"

struct run;
struct shard;

struct outbox {
    struct shard *shard;
    struct list now, soon; /* struct run.outbox_link */
    struct list ended;     /* likewise: lazy runs */
    uint32_t ended_count;  /* gathered since they last went */
    struct list failed;    /* to be tried again */
    struct list held;      /* struct run.held_link: they wait for room in the store */
    struct loop_timer flush, again, room;
    struct loop_hook hook;
    uint32_t batches; /* on their way */
};

void outbox_init(struct outbox *o, struct shard *shard);
void outbox_fini(struct outbox *o);

/* The run is to be stored; `urgency` as in enum save_urgency. */
void outbox_want(struct run *run, int urgency);

/* The same where nothing but its events is new: its row need not be written. Most saves of a stream
 * are of this kind. */
void outbox_want_events(struct run *run, int urgency);

/* A run has ended that was not saved yet and whose end is told before it is: it is to be stored
 * within flush_ms, or at once where others wait for its place in memory. */
void outbox_want_end(struct run *run);

/* The store is full, and the run has paused for it: run_go_on comes again. */
void outbox_hold(struct run *run);

/* Everything that waits goes with this turn: the gateway stops. */
void outbox_flush(struct outbox *o);
static inline bool outbox_is_empty(const struct outbox *o)
{
    return o->batches == 0 && list_is_empty(&o->now) && list_is_empty(&o->soon) &&
           list_is_empty(&o->ended) && list_is_empty(&o->failed);
}
#endif
