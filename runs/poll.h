#ifndef SLUICE_RUNS_POLL_H
#define SLUICE_RUNS_POLL_H
/* Work that goes on at a provider after it has answered: with what it is asked after, and when.
 *
 *     the answer of the first request -> poll_take(handle) -> wait -> ask -> the value, or
 *                                             ^---------------------------| not yet (poll_take)
 *                                             ^---------------------------| nobody answered
 * (poll_miss)
 *
 * The handle is the adapter's text; it is stored with the attempt, and the attempt that follows a
 * crash goes on with it. Pure data, embedded by an attempt. Life: poll_init, any calls, poll_fini.
 */
#include <stdbool.h>

#include "base/buf.h"

enum {
    POLL_HANDLE_MAX = 65536,
    POLL_MISSES_MAX = 5,      /* questions in a row that may go without an answer */
    POLL_MISS_MAX_MS = 30000, /* the longest pause after one, unless `every` is longer */
};

struct poll {
    struct buf handle; /* empty: no work goes on */
    uint32_t misses;   /* in a row */
};

void poll_init(struct poll *p);
void poll_fini(struct poll *p);

/* It goes on, with this handle (a copy is made); earlier misses are forgotten. */
enum err poll_take(struct poll *p, struct str handle) MUST_CHECK;

static inline bool poll_goes_on(const struct poll *p)
{
    return p->handle.len > 0;
}

/* Nobody answered: may it be asked once more? */
bool poll_miss(struct poll *p);

/* How long to wait before the next question: longer after misses, never shorter than the server's
 * Retry-After (0: none). */
uint64_t poll_wait_ms(const struct poll *p, uint64_t every_ms, uint64_t hint_ms);
#endif
