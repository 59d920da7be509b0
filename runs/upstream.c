#include "runs/upstream.h"

#include <assert.h>

#include "base/mem.h"

enum err upstream_create(const struct upstream_options *options, struct gate *gate,
                         struct loop *home, uint32_t loop_count, struct upstream **ret_upstream,
                         struct error *ret_error)
{
    struct upstream *u = mem_zalloc(sizeof *u);
    if (u == NULL)
        return error_set(ret_error, ERR_NOMEM, "out of memory");
    atomic_init(&u->refs, 1);
    enum err e = provider_create(&options->provider, &u->provider, ret_error);
    if (e == OK && gate == NULL)
        e = gate_create(options->provider.name, &options->limiter, home, &u->gate);
    if (e != OK) {
        upstream_unref(u);
        return e;
    }
    if (gate != NULL)
        u->gate = gate_ref(gate);
    u->retry = options->retry;
    u->timeouts = options->timeouts;
    u->fallback_wait_ms = options->fallback_wait_ms;
    u->pool_options = options->pool;
    u->pool_options.ca_file = u->provider->options.ca_file.at;
    u->pool_options.max_idle = (options->pool.max_idle + loop_count - 1) / loop_count;
    *ret_upstream = u;
    return OK;
}

struct upstream *upstream_ref(struct upstream *u)
{
    atomic_fetch_add_explicit(&u->refs, 1, memory_order_relaxed);
    return u;
}

struct upstream *upstream_unref(struct upstream *u)
{
    if (u == NULL || atomic_fetch_sub_explicit(&u->refs, 1, memory_order_acq_rel) != 1)
        return NULL;
    for (uint32_t i = 0; i < MAX_LOOPS; i++)
        assert(u->pools[i] ==
               NULL); /* a pool ends on its own loop, before the last reference goes */
    gate_unref(u->gate);
    provider_destroy(u->provider);
    mem_free(u);
    return NULL;
}

enum err upstream_pool(struct upstream *u, struct loop *loop, uint32_t loop_index,
                       struct transfer_pool **ret_pool)
{
    struct transfer_pool *pool = u->pools[loop_index];
    if (pool == NULL) {
        enum err e = transfer_pool_create(loop, &u->pool_options, &pool);
        if (e != OK)
            return e;
        u->pools[loop_index] = pool;
    }
    *ret_pool = pool;
    return OK;
}

void upstream_drop_pool(struct upstream *u, uint32_t loop_index)
{
    struct transfer_pool *pool = u->pools[loop_index];
    u->pools[loop_index] = NULL;
    transfer_pool_destroy(pool);
}

/* The counters are read while the pools are in use, and pools go only when every loop has stopped.
 */
unsigned upstream_active(const struct upstream *u)
{
    unsigned n = 0;
    for (uint32_t i = 0; i < MAX_LOOPS; i++) {
        struct transfer_pool *pool = u->pools[i];
        n += pool != NULL ? transfer_pool_active(pool) : 0;
    }
    return n;
}

unsigned upstream_idle(const struct upstream *u)
{
    unsigned n = 0;
    for (uint32_t i = 0; i < MAX_LOOPS; i++) {
        struct transfer_pool *pool = u->pools[i];
        n += pool != NULL ? transfer_pool_idle(pool) : 0;
    }
    return n;
}
