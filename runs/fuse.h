#ifndef SLUICE_RUNS_FUSE_H
#define SLUICE_RUNS_FUSE_H
/* The circuits that tasks of the type `circuit` name (API §4): each a breaker that all runs of a
 * tenant share.
 *
 * Shared by the loops, behind one lock that is held for a look-up and a few instructions. A circuit
 * is there from the first task that names it. At most FUSES_MAX; for a new one beyond that, one
 * that is closed, has no failures and is not held goes. Its numbers are those of the task that
 * asked last. */
#include <pthread.h>

#include "base/map.h"
#include "base/str.h"
#include "resilience/breaker.h"

enum { FUSES_MAX = 10000 };

struct fuse;

struct fuse_policy {
    uint32_t failures; /* in a row that open it */
    uint32_t window_ms;
    uint32_t reset_ms; /* first open time; doubles to ten times as much */
};

struct fuses {
    pthread_mutex_t lock;
    struct map map;
};

enum err fuses_init(struct fuses *f) MUST_CHECK;
void fuses_fini(struct fuses *f);

/* May a task begin? OK: it holds the fuse and has a pass, for fuse_give. ERR_BREAKER_OPEN;
 * ERR_LIMIT_EXCEEDED where there are too many; ERR_OVERLOADED without memory. Any thread. */
enum err fuse_take(struct fuses *f, struct str tenant, struct str name,
                   const struct fuse_policy *policy, uint64_t now_ms, struct fuse **ret_fuse,
                   struct breaker_pass *ret_pass) MUST_CHECK;

/* What became of it: OK; an error, of which only those count that speak of the provider's health;
 * ERR_CANCELLED says nothing. Any thread. */
void fuse_give(struct fuses *f, struct fuse *fuse, struct breaker_pass pass, enum err code,
               uint64_t now_ms, struct rng *rng);
#endif
