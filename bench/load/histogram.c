#include "load/histogram.h"

#include <stddef.h>

static size_t histogram_step(uint64_t us)
{
    if (us < (1U << HISTOGRAM_BITS))
        return (size_t)us;
    unsigned shift = 63 - (unsigned)__builtin_clzll(us) - HISTOGRAM_BITS + 1;
    return ((size_t)shift << (HISTOGRAM_BITS - 1)) + (size_t)(us >> shift);
}

static uint64_t histogram_value(size_t step)
{
    if (step < (1U << HISTOGRAM_BITS))
        return step;
    unsigned shift = (unsigned)(step >> (HISTOGRAM_BITS - 1)) - 1;
    uint64_t top = (step & ((1U << (HISTOGRAM_BITS - 1)) - 1)) + (1U << (HISTOGRAM_BITS - 1));
    return top << shift;
}

void histogram_add(struct histogram *h, uint64_t ns)
{
    uint64_t us = ns / 1000;
    h->steps[histogram_step(us)]++;
    h->total++;
    h->max = us > h->max ? us : h->max;
}

uint64_t histogram_at(const struct histogram *h, double quantile)
{
    uint64_t rank = (uint64_t)(quantile * (double)h->total), seen = 0;
    for (size_t i = 0; i < sizeof h->steps / sizeof *h->steps; i++) {
        seen += h->steps[i];
        if (seen > rank)
            return histogram_value(i);
    }
    return h->max;
}
