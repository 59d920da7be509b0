#ifndef SLUICE_RESILIENCE_SLOTS_H
#define SLUICE_RESILIENCE_SLOTS_H
/* A capacity limiter: so many calls at the same time, and it can say how many are out.
 *
 * Pure data, embedded by its owner and guarded by the owner's lock. Who waits for a slot, and in
 * which order, is the owner's business. Life: slots_init, any calls, no end. */
#include <stdbool.h>
#include <stdint.h>

struct slots {
    uint32_t borrowed;
    uint32_t total; /* may be below `borrowed` after a resize, until enough have come back */
};

void slots_init(struct slots *s, uint32_t total);
void slots_resize(struct slots *s, uint32_t total);

static inline bool slots_has_free(const struct slots *s)
{
    return s->borrowed < s->total;
}

bool slots_take(struct slots *s); /* false: none is free */
void slots_give(struct slots *s); /* one that was taken comes back */
#endif
