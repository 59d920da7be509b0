#include "resilience/latency.h"

#include <string.h>

enum { STEP_BITS = 3, STEPS_PER_DOUBLING = 1 << STEP_BITS };

/* Below 8 ms each ms is a step; above, the four highest bits choose it. */
static unsigned step_of(uint32_t ms)
{
    if (ms < STEPS_PER_DOUBLING)
        return ms;
    unsigned shift = 31u - (unsigned)__builtin_clz(ms) - STEP_BITS;
    return (shift << STEP_BITS) + (ms >> shift);
}

/* The middle of a step. */
static uint64_t ms_of(unsigned step)
{
    if (step < 2 * STEPS_PER_DOUBLING)
        return step;
    unsigned shift = (step >> STEP_BITS) - 1;
    uint64_t lowest = (uint64_t)(STEPS_PER_DOUBLING | (step & (STEPS_PER_DOUBLING - 1))) << shift;
    return lowest + (UINT64_C(1) << shift) / 2;
}

void latency_init(struct latency *l)
{
    memset(l, 0, sizeof *l);
}

static void turn_to(struct latency *l, uint64_t window)
{
    if (window <= l->window)
        return;
    if (window == l->window + 1)
        memcpy(l->before, l->now, sizeof l->before);
    else
        memset(l->before, 0, sizeof l->before);
    memset(l->now, 0, sizeof l->now);
    l->window = window;
}

void latency_add(struct latency *l, uint64_t took_ms, uint64_t now_ms)
{
    turn_to(l, now_ms / LATENCY_WINDOW_MS);
    l->now[step_of(took_ms < LATENCY_MAX_MS ? (uint32_t)took_ms : LATENCY_MAX_MS)]++;
}

/* Calls of that step which are not forgotten `age` windows after the last one was added. */
static uint64_t count_of(const struct latency *l, unsigned step, uint64_t age)
{
    uint64_t count = age <= 1 ? l->now[step] : 0;
    return age == 0 ? count + l->before[step] : count;
}

bool latency_quantile(const struct latency *l, unsigned permille, uint64_t now_ms, uint64_t *ret_ms)
{
    uint64_t window = now_ms / LATENCY_WINDOW_MS;
    uint64_t age = window > l->window ? window - l->window : 0;
    uint64_t total = 0;
    for (unsigned step = 0; step < LATENCY_STEPS; step++)
        total += count_of(l, step, age);
    if (total == 0)
        return false;

    uint64_t rank = (total * permille + 999) / 1000;
    uint64_t seen = count_of(l, 0, age);
    unsigned step = 0;
    while (step < LATENCY_STEPS - 1 && (seen == 0 || seen < rank))
        seen += count_of(l, ++step, age);
    *ret_ms = ms_of(step);
    return true;
}
