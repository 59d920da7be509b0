#ifndef SLUICE_RESILIENCE_LATENCY_H
#define SLUICE_RESILIENCE_LATENCY_H
/* How long calls took lately: quantiles of the last one to two minutes, for the status page.
 *
 * A histogram with eight steps for every doubling, so that a quantile is off by 1/16 at most; two
 * of them take turns, so that the past fades without being stored. 3 KB, and a few instructions for
 * each call. Pure data, embedded by its owner and guarded by the owner's lock. Life: latency_init,
 * then any calls, no end. */
#include <stdbool.h>
#include <stdint.h>

enum {
    LATENCY_WINDOW_MS = 60000,
    LATENCY_MAX_MS = (1 << 24) - 1, /* 4.6 hours: what took longer counts as this */
    LATENCY_STEPS = 176,
};

struct latency {     /* private to latency.c */
    uint64_t window; /* number of the one that `now` counts */
    uint32_t now[LATENCY_STEPS];
    uint32_t before[LATENCY_STEPS]; /* the window before it */
};

void latency_init(struct latency *l);
void latency_add(struct latency *l, uint64_t took_ms, uint64_t now_ms);

/* The time within which `permille` (500: the median) of the calls had ended; false if there were
 * none. */
bool latency_quantile(const struct latency *l, unsigned permille, uint64_t now_ms,
                      uint64_t *ret_ms);
#endif
