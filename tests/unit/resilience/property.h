#ifndef SLUICE_TESTS_UNIT_RESILIENCE_PROPERTY_H
#define SLUICE_TESTS_UNIT_RESILIENCE_PROPERTY_H
/* Random traces that can be replayed. Each run draws its own seed; a failure prints it, and
 * SLUICE_SEED=n in the environment runs that trace again. */
#include <check.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/rng.h"

static inline uint64_t property_seed(void)
{
    const char *fixed = getenv("SLUICE_SEED");
    if (fixed != NULL)
        return strtoull(fixed, NULL, 10);
    uint64_t seed;
    rng_system(&seed, sizeof seed);
    return seed;
}

/* Uniform in [low, high]. */
static inline uint64_t property_between(struct rng *rng, uint64_t low, uint64_t high)
{
    return low + rng_below(rng, high - low + 1);
}

static inline bool property_chance(struct rng *rng, double p)
{
    return rng_unit(rng) < p;
}

/* An assertion within a trace, whose seed is `seed`. Silent where it holds: Check writes every
 * assertion of its own to a file, which a hundred thousand of them would wait for. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ck_abort_msg("%s; replay with SLUICE_SEED=%" PRIu64, #condition, seed);                \
    } while (0)

/* For the test cases of traces: they take a second or two, more under the sanitizers. */
enum { PROPERTY_TIMEOUT_S = 60 };

#endif
