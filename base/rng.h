#ifndef SLUICE_BASE_RNG_H
#define SLUICE_BASE_RNG_H
/* Numbers that look random: a small seeded generator for jitter and simulation, and the system's
 * for what must not be guessed. The generator is plain data, one per owner and thread; the system's
 * may be asked from any thread. */
#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t state;
};

void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);                  /* splitmix64: Steele, Lea, Flood, 2014 */
uint64_t rng_below(struct rng *r, uint64_t limit); /* uniform in [0, limit); 0 where limit is 0 */
double rng_unit(struct rng *r);                    /* uniform in [0, 1) */

/* Bytes from the kernel's generator (getrandom(2)). Does not fail on any kernel that this runs on;
 * aborts if it does, because an id or a key made of guessable bytes would be worse. */
void rng_system(void *ret_bytes, size_t n);
#endif
