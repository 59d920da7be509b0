#ifndef SLUICE_RUNS_CIRCUIT_H
#define SLUICE_RUNS_CIRCUIT_H
/* What becomes of the changes of circuits, those of providers (runs/gate.h) and those that tasks
 * name (runs/fuse.h): each is noted in the store, where a start takes the state up again, and in
 * the same commit told on the bus as circuit.open, circuit.half_open or circuit.closed: a
 * provider's to every tenant, with {provider, old_state, new_state}; a named one's to its own, with
 * {circuit, ..}.
 *
 * A change may happen on any loop; notes are written from the first one, in the order of the
 * changes. One that the store does not take is lost: the next change makes up for it, and its
 * old_state shows the hole. A named circuit that has closed has no note, so there are at most
 * FUSES_MAX of each tenant. */
#include <stdatomic.h>

#include "runs/catalog.h"

struct engine;

/* On its way to the first loop: named circuits have changed. At most one is. */
struct fuse_hint {
    struct loop_msg msg;
    atomic_bool is_posted;
};

/* From now on the changes of these providers' circuits are noted. Any thread. */
void circuits_watch(struct engine *e, struct catalog *catalog);
/* And those that tasks name. Once, before the first task. */
void circuits_watch_named(struct engine *e);

/* Reads the notes into the named circuits and those of the engine's catalog, then calls on_done,
 * whatever came of it. On the first loop, once. */
void circuits_restore(struct engine *e, void (*on_done)(struct engine *e));
#endif
