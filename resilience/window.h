#ifndef SLUICE_RESILIENCE_WINDOW_H
#define SLUICE_RESILIENCE_WINDOW_H
/* Counts over a rolling window: "how many in the last 30 seconds?"
 *
 * The window advances in ten steps, so what is remembered reaches back between 9/10 and all of
 * window_ms, and costs the same whatever the traffic. Each kind of thing has its own count.
 *
 * Pure data, embedded by its owner and guarded by the owner's lock. Time is monotonic ms; a caller
 * whose clock is a little behind counts into the newest step. Life: window_init, then any calls, no
 * end. */
#include <stdint.h>

enum { WINDOW_STEPS = 10, WINDOW_KINDS = 3 };

struct window_step {
    uint64_t number; /* time / step_ms: tells whether the counts are still in the window */
    uint32_t counts[WINDOW_KINDS];
};

struct window {
    uint32_t step_ms;
    uint64_t newest; /* number of the newest step that was counted into */
    struct window_step steps[WINDOW_STEPS];
};

void window_init(struct window *w, uint32_t window_ms); /* 0 is taken as 1 */

/* `kind` < WINDOW_KINDS, given its meaning by the owner. */
void window_add(struct window *w, unsigned kind, uint32_t count, uint64_t now_ms);
uint32_t window_sum(const struct window *w, unsigned kind, uint64_t now_ms);
void window_forget(struct window *w, unsigned kind); /* its count is 0 from now on */

/* Another length; what was counted so far counts as of now. */
void window_resize(struct window *w, uint32_t window_ms, uint64_t now_ms);
#endif
