#ifndef SLUICE_API_BREAKER_VIEW_H
#define SLUICE_API_BREAKER_VIEW_H
/* A breaker as clients see it, a provider's or a named circuit's (API §8): the members
 * "state":..,"failures":..,"opens_until":.. without the braces. */
#include "base/buf.h"
#include "base/loop.h"
#include "resilience/breaker.h"

/* `opens_until_ms` is monotonic; null once it is over. */
void breaker_view_write(struct buf *b, enum breaker_state state, uint32_t failures,
                        uint64_t opens_until_ms, const struct loop *loop);
#endif
