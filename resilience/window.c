#include "resilience/window.h"

#include <assert.h>

static uint32_t step_of(uint32_t window_ms)
{
    uint32_t step_ms = window_ms / WINDOW_STEPS + (window_ms % WINDOW_STEPS != 0);
    return step_ms > 0 ? step_ms : 1;
}

void window_init(struct window *w, uint32_t window_ms)
{
    *w = (struct window){.step_ms = step_of(window_ms)};
}

/* A clock that is behind never reopens a step that has passed. */
static uint64_t number_at(const struct window *w, uint64_t now_ms)
{
    uint64_t number = now_ms / w->step_ms;
    return number > w->newest ? number : w->newest;
}

void window_add(struct window *w, unsigned kind, uint32_t count, uint64_t now_ms)
{
    assert(kind < WINDOW_KINDS);
    w->newest = number_at(w, now_ms);
    struct window_step *step = &w->steps[w->newest % WINDOW_STEPS];
    if (step->number != w->newest)
        *step = (struct window_step){.number = w->newest};
    step->counts[kind] += count;
}

uint32_t window_sum(const struct window *w, unsigned kind, uint64_t now_ms)
{
    assert(kind < WINDOW_KINDS);
    uint64_t number = number_at(w, now_ms);
    uint32_t sum = 0;
    for (unsigned i = 0; i < WINDOW_STEPS; i++) {
        if (number - w->steps[i].number < WINDOW_STEPS)
            sum += w->steps[i].counts[kind];
    }
    return sum;
}

void window_forget(struct window *w, unsigned kind)
{
    assert(kind < WINDOW_KINDS);
    for (unsigned i = 0; i < WINDOW_STEPS; i++)
        w->steps[i].counts[kind] = 0;
}

void window_resize(struct window *w, uint32_t window_ms, uint64_t now_ms)
{
    if (step_of(window_ms) == w->step_ms)
        return;
    struct window resized;
    window_init(&resized, window_ms);
    for (unsigned kind = 0; kind < WINDOW_KINDS; kind++)
        window_add(&resized, kind, window_sum(w, kind, now_ms), now_ms);
    *w = resized;
}
