#ifndef SLUICE_RESILIENCE_FAIR_QUEUE_H
#define SLUICE_RESILIENCE_FAIR_QUEUE_H
/* Who is next, if many keys (tenants) wait for one thing: weighted round robin.
 *
 * Keys take turns; a turn is `weight` waiters of that key, in the order of their arrival. So a key
 * with a thousand waiters delays another by its weight, not by a thousand. A key exists while one
 * of its waiters does; one that comes (back) joins the end of the round. The first in line changes
 * only when it leaves, so its owner may sleep until exactly that one can be served.
 *
 * Push, pop and remove are O(1). Bounded by `max` waiters, and as many keys. Waiters are embedded
 * by their owners, who keep them in place while they are queued. Life: fair_queue_init, any calls,
 * fair_queue_fini once it is empty. Guarded by its owner's lock. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "base/map.h"

enum { FAIR_QUEUE_MAX_WEIGHT = 1000 };

struct fair_queue_key;

struct fair_waiter { /* private to fair_queue.c */
    struct list link;
    struct fair_queue_key *key; /* NULL: not queued */
};

struct fair_queue { /* private to fair_queue.c */
    struct map keys;
    struct list round; /* of keys: the first one's turn it is */
    size_t count;
    size_t max;
};

enum err fair_queue_init(struct fair_queue *q, size_t max) MUST_CHECK;
void fair_queue_fini(struct fair_queue *q);

void fair_waiter_init(struct fair_waiter *w);
static inline bool fair_waiter_is_queued(const struct fair_waiter *w)
{
    return w->key != NULL;
}

/* Joins the end of its key's line. `weight` is cut to 1..FAIR_QUEUE_MAX_WEIGHT; the latest push of
 * a key decides its next turn. ERR_LIMIT: `max` wait already; ERR_NOMEM. */
enum err fair_queue_push(struct fair_queue *q, struct fair_waiter *w, uint64_t key,
                         uint32_t weight) MUST_CHECK;

/* The first in line, NULL if nobody waits; fair_queue_pop takes it out. */
struct fair_waiter *fair_queue_first(const struct fair_queue *q);
struct fair_waiter *fair_queue_pop(struct fair_queue *q);

/* `w`, which is queued, leaves the line wherever it stands. */
void fair_queue_remove(struct fair_queue *q, struct fair_waiter *w);

/* All that `is_wanted` leave the line; in the order of their keys' turns they go to the end of the
 * list `to`, by their `link`. O(n). */
void fair_queue_take_if(struct fair_queue *q,
                        bool (*is_wanted)(const struct fair_waiter *w, const void *ctx),
                        const void *ctx, struct list *to);

static inline size_t fair_queue_count(const struct fair_queue *q)
{
    return q->count;
}
#endif
