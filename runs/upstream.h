#ifndef SLUICE_RUNS_UPSTREAM_H
#define SLUICE_RUNS_UPSTREAM_H
/* A provider as the engine uses it: the adapter, the gate that holds calls back, policies,
 * timeouts, and for each loop a pool of connections.
 *
 * Immutable but for the pools and the ring of API keys, which has a lock of its own; reference
 * counted by catalogs and attempts. A pool is made by its loop at the first call and dropped by it,
 * once a reload has replaced the upstream and nobody on the loop holds it any more. */
#include <pthread.h>

#include "net/transfer.h"
#include "providers/provider.h"
#include "resilience/key_ring.h"
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
    struct limiter_policy limiter; /* for the gate, once the upstream is in force */
    struct retry_policy retry;
    struct upstream_timeouts timeouts;
    struct transfer_pool_options pool_options; /* of one loop */
    uint64_t fallback_wait_ms;
    pthread_mutex_t lock; /* of the keys, and of pools while others count or their loop drops them;
                             held for a few instructions */
    struct key_ring keys;
    _Atomic(struct transfer_pool *)
        pools[MAX_LOOPS];      /* each used by its loop alone, but for its counters */
    uint32_t users[MAX_LOOPS]; /* who holds it on a loop; likewise */
};

/* `gate` is the one that a provider of that name had before a reload, NULL for a new one. The label
 * is 0. Any thread. */
enum err upstream_create(const struct upstream_options *options, struct gate *gate,
                         struct loop *home, uint32_t loop_count, struct upstream **ret_upstream,
                         struct error *ret_error) MUST_CHECK;
struct upstream *upstream_ref(struct upstream *u);
struct upstream *upstream_unref(struct upstream *u); /* NULL is fine; returns NULL */

/* For who uses it on a loop, from its first call there to its last. On that loop. */
void upstream_hold(struct upstream *u, uint32_t loop_index);
void upstream_let_go(struct upstream *u, uint32_t loop_index);
static inline bool upstream_is_held(const struct upstream *u, uint32_t loop_index)
{
    return u->users[loop_index] > 0;
}

/* The pool of a loop, for who holds it there; made if it is not there. */
enum err upstream_pool(struct upstream *u, struct loop *loop, uint32_t loop_index,
                       struct transfer_pool **ret_pool) MUST_CHECK;
void upstream_drop_pool(struct upstream *u, uint32_t loop_index); /* on that loop */

/* The API key whose turn it is. Any thread, like the next. */
uint32_t upstream_take_key(struct upstream *u, uint64_t now_ms);

/* What became of a call with that key. Where the provider does not want the key (provider_auth,
 * provider_rate_limited) it rests. True: it did not want this one, and there is another. */
struct key_report {
    uint32_t key;
    enum err code;
    bool is_final;    /* its quota is used up */
    uint64_t hint_ms; /* Retry-After, 0 if none */
};
bool upstream_rest_key(struct upstream *u, const struct key_report *report, uint64_t now_ms);

/* Transfers under way and connections idle, of all loops. Any thread. */
unsigned upstream_active(struct upstream *u);
unsigned upstream_idle(struct upstream *u);

static inline struct str upstream_name(const struct upstream *u)
{
    return u->provider->options.name;
}
#endif
