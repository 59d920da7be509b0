#ifndef SLUICE_API_REPLAY_H
#define SLUICE_API_REPLAY_H
/* A create that is refused, whose Idempotency-Key may have been used before: what it made then is
 * there all the same, whatever stands against a new run (a full queue, the key's rate, an agent
 * that is gone). Looked up only then. On the loop of `shard`; one callback, and the caller's memory
 * stays in place until it. */
#include "model/problem.h"
#include "runs/shard.h"

struct replay {
    struct shard *shard;    /* set by the caller, with what follows */
    struct store_twin twin; /* tenant, scope, key and digest; they stay in place */
    struct problem problem; /* why it was refused */
    void (*on_done)(struct replay *p);
    void *ctx;

    bool found; /* the run that `twin.id` names is the answer; else `problem` is, as it is now */
};

/* May a create that was refused so be looked for? Not while nothing is taken in at all. */
bool replay_is_possible(enum err refused);

void replay_start(struct replay *p);
#endif
