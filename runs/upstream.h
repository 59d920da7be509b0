#ifndef SLUICE_RUNS_UPSTREAM_H
#define SLUICE_RUNS_UPSTREAM_H
/* A provider as the engine uses it: the adapter, the gate that holds calls back, policies,
 * timeouts, and for each loop a pool of connections.
 *
 * Immutable but for the pools; reference counted by catalogs and attempts. A pool is made by its
 * loop at the first call and dropped by it. */
#include "net/transfer.h"
#include "providers/provider.h"
#include "resilience/retry.h"
#include "runs/gate.h"

enum { MAX_LOOPS = 8 };

struct upstream_timeouts {
    uint64_t connect_ms, first_byte_ms, idle_ms, total_ms;
};

struct upstream_options {
    struct provider_options provider;
    struct limiter_policy limiter;
    struct retry_policy retry;
    struct upstream_timeouts timeouts;
    struct transfer_pool_options pool; /* of all loops together */
    uint64_t fallback_wait_ms;
};

struct upstream {
    atomic_uint refs;
    struct provider *provider;
    uint32_t label; /* its place among the values of the metrics' provider label */
    struct gate *gate;
    struct retry_policy retry;
    struct upstream_timeouts timeouts;
    struct transfer_pool_options pool_options; /* of one loop */
    uint64_t fallback_wait_ms;
    atomic_uint next_key; /* round robin over API keys */
    _Atomic(struct transfer_pool *)
        pools[MAX_LOOPS]; /* each used by its loop alone, but for its counters */
};

/* `gate` is the one that a provider of that name had before a reload, NULL for a new one. */
enum err upstream_create(const struct upstream_options *options, struct gate *gate,
                         struct loop *home, uint32_t loop_count, struct upstream **ret_upstream,
                         struct error *ret_error) MUST_CHECK;
struct upstream *upstream_ref(struct upstream *u);
struct upstream *upstream_unref(struct upstream *u); /* NULL is fine; returns NULL */

/* The pool of a loop; made if it is not there. */
enum err upstream_pool(struct upstream *u, struct loop *loop, uint32_t loop_index,
                       struct transfer_pool **ret_pool) MUST_CHECK;
void upstream_drop_pool(struct upstream *u, uint32_t loop_index); /* on that loop */

/* Transfers under way and connections idle, of all loops. Any thread. */
unsigned upstream_active(const struct upstream *u);
unsigned upstream_idle(const struct upstream *u);

static inline struct str upstream_name(const struct upstream *u)
{
    return u->provider->options.name;
}
#endif
