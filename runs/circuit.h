#ifndef SLUICE_RUNS_CIRCUIT_H
#define SLUICE_RUNS_CIRCUIT_H
/* What becomes of the changes of providers' circuits: each is noted in the store, where a start
 * takes the state up again, and in the same commit told on the bus, to every tenant, as
 * circuit.open, circuit.half_open or circuit.closed with {provider, old_state, new_state}.
 *
 * A change may happen on any loop; notes are written from the first one, in the order of the
 * changes. One that the store does not take is lost: the next change makes up for it, and its
 * old_state shows the hole. */
#include "runs/catalog.h"

struct engine;

/* From now on the changes of these providers' circuits are noted. Any thread. */
void circuits_watch(struct engine *e, struct catalog *catalog);

/* Reads the notes into the circuits of the engine's catalog, then calls on_done, whatever came of
 * it. On the first loop, once. */
void circuits_restore(struct engine *e, void (*on_done)(struct engine *e));
#endif
