#ifndef SLUICE_RUNS_CIRCUIT_H
#define SLUICE_RUNS_CIRCUIT_H
/* What the gateway knows of its providers' circuits beyond its own life: each change of a breaker's
 * state is noted in the store, and a start takes the notes up again.
 *
 * A change may happen on any loop; notes are written from the first one, in the order of the
 * changes. One that the store does not take is lost: the next change makes up for it. */
#include "runs/catalog.h"

struct engine;

/* From now on the changes of these providers' circuits are noted. Any thread. */
void circuits_watch(struct engine *e, struct catalog *catalog);

/* Reads the notes into the circuits of the engine's catalog, then calls on_done, whatever came of
 * it. On the first loop, once. */
void circuits_restore(struct engine *e, void (*on_done)(struct engine *e));
#endif
