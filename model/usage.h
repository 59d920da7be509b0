#ifndef SLUICE_MODEL_USAGE_H
#define SLUICE_MODEL_USAGE_H
/* What a call, a task or a run has used. Sums saturate: a provider that reports nonsense cannot
 * make them wrap. */
#include <stdint.h>

#include "base/buf.h"

struct usage {
    uint64_t calls; /* calls with at least one attempt */
    uint64_t attempts;
    uint64_t input_tokens;
    uint64_t output_tokens;
};

static inline uint64_t usage_sum(uint64_t a, uint64_t b)
{
    /* JSON readers keep integers exact up to 2^53: stop there. */
    const uint64_t most = (uint64_t)1 << 53;
    uint64_t sum = (a < most ? a : most) + (b < most ? b : most);
    return sum < most ? sum : most;
}

static inline void usage_add(struct usage *sum, const struct usage *more)
{
    sum->calls = usage_sum(sum->calls, more->calls);
    sum->attempts = usage_sum(sum->attempts, more->attempts);
    sum->input_tokens = usage_sum(sum->input_tokens, more->input_tokens);
    sum->output_tokens = usage_sum(sum->output_tokens, more->output_tokens);
}

/* {"calls":..,"attempts":..,"input_tokens":..,"output_tokens":..} */
static inline void usage_write(struct buf *b, const struct usage *u)
{
    buf_add_lit(b, "{\"calls\":");
    buf_add_u64(b, u->calls);
    buf_add_lit(b, ",\"attempts\":");
    buf_add_u64(b, u->attempts);
    buf_add_lit(b, ",\"input_tokens\":");
    buf_add_u64(b, u->input_tokens);
    buf_add_lit(b, ",\"output_tokens\":");
    buf_add_u64(b, u->output_tokens);
    buf_add_char(b, '}');
}

/* {"input_tokens":..,"output_tokens":..}: of one attempt */
static inline void usage_write_tokens(struct buf *b, const struct usage *u)
{
    buf_add_lit(b, "{\"input_tokens\":");
    buf_add_u64(b, u->input_tokens);
    buf_add_lit(b, ",\"output_tokens\":");
    buf_add_u64(b, u->output_tokens);
    buf_add_char(b, '}');
}
#endif
