#ifndef SLUICE_BENCH_HISTOGRAM_H
#define SLUICE_BENCH_HISTOGRAM_H
/* Times by how often they were seen, in microseconds: exact below 2^HISTOGRAM_BITS, within 0.4%
 * above. Plain data, embedded by its owner; all zero is an empty one. */
#include <stdint.h>

enum { HISTOGRAM_BITS = 8 /* 2^HISTOGRAM_BITS steps for each power of two */ };

struct histogram {
    uint64_t steps[(64 - HISTOGRAM_BITS) << HISTOGRAM_BITS];
    uint64_t total, max;
};

void histogram_add(struct histogram *h, uint64_t ns);

/* The time, in microseconds, that this part (0 to 1) of all was not above. */
uint64_t histogram_at(const struct histogram *h, double quantile);
#endif
