#ifndef SLUICE_RUNS_WITHDRAW_H
#define SLUICE_RUNS_WITHDRAW_H
/* Tells a provider that nobody wants its work any more: the upstream's own cancel call.
 *
 * Sent once, on the loop of the attempt that gave up, and not waited for: whatever becomes of it,
 * the run's end does not depend on it. It outlives the attempt; what is still under way when the
 * gateway stops is dropped with its pool. */
#include "base/str.h"

struct shard;
struct upstream;

/* `handle` and `key` as the attempt has them. Nothing where the provider knows no cancel call. */
void withdraw_start(struct shard *shard, struct upstream *u, struct str handle, uint32_t key);

/* Frees what was under way; its pools are gone already. */
void withdraw_drop_all(struct shard *shard);
#endif
