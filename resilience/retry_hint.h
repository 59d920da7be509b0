#ifndef SLUICE_RESILIENCE_RETRY_HINT_H
#define SLUICE_RESILIENCE_RETRY_HINT_H
/* One answer out of all headers of a response: how long does this provider want to be left alone?
 *
 * retry-after-ms is believed before Retry-After, and that before the resets of rate limits
 * (x-ratelimit-reset-requests|tokens, anthropic-ratelimit-*-reset): of these the longest counts
 * whose limit is not known to have something left (*-remaining-*), since providers send them with
 * every response. What cannot be parsed was not said; of two headers of one name the longer time
 * counts.
 *
 * Life: retry_hint_init, retry_hint_header for each header of the response, retry_hint_ms where its
 * status says that it failed. Plain data on one thread. */
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* Which limit a reset or a remainder speaks of. */
enum { RETRY_HINT_LIMITS = 4 };

struct retry_hint { /* private to retry_hint.c */
    bool has_ms, has_after;
    uint64_t ms, after_ms;
    struct {
        uint64_t reset_ms;
        bool has_some_left;
    } limits[RETRY_HINT_LIMITS];
};

void retry_hint_init(struct retry_hint *h);

/* Any header, its name in any case; most say nothing about it. `now_ms` is wall time. */
void retry_hint_header(struct retry_hint *h, struct str name, struct str value, int64_t now_ms);

/* 0 if nothing was said; at most RETRY_AFTER_MAX_MS. */
uint64_t retry_hint_ms(const struct retry_hint *h);
#endif
