#ifndef SLUICE_BENCH_TALLY_H
#define SLUICE_BENCH_TALLY_H
/* What is counted in the window: answers, tokens and their times. Plain data, all zero at first. */
#include <stdint.h>

#include "load/histogram.h"

struct tally {
    uint64_t requests, tokens, bytes;
    uint64_t stalls_10x, stalls_100ms;
    uint64_t first_token_ns, last_token_ns; /* of all, when they came */
    struct histogram latency, first_token, gap;
};

/* An answer is there, so long after its request. */
void tally_answer(struct tally *t, uint64_t ns);

/* An answer's first token, so long after its request; or a later one, so long after the one before,
 * where `gap_ms` is the pace that is expected (0: none is). `now_ns` is when it came. */
void tally_first_token(struct tally *t, uint64_t ns, uint64_t now_ns);
void tally_token(struct tally *t, uint64_t ns, uint64_t now_ns, uint32_t gap_ms);

/* The distributions, as key=value lines. */
void tally_print_times(const struct tally *t);
#endif
