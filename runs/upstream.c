#include "runs/upstream.h"

#include <assert.h>

#include "base/mem.h"

_Static_assert((int)PROVIDER_MAX_KEYS == (int)KEY_RING_MAX, "a ring holds a provider's keys");

enum err upstream_create(const struct upstream_options *options, struct gate *gate,
                         struct loop *home, uint32_t loop_count, struct upstream **ret_upstream,
                         struct error *ret_error)
{
    struct upstream *u = mem_zalloc(sizeof *u);
    if (u == NULL)
        return error_set(ret_error, ERR_NOMEM, "out of memory");
    atomic_init(&u->refs, 1);
    pthread_mutex_init(&u->lock, NULL); /* fails for no default attributes */
    key_ring_init(&u->keys, options->provider.api_key_count);
    enum err e = provider_create(&options->provider, &u->provider, ret_error);
    if (e == OK && gate == NULL)
        e = gate_create(options->provider.name, &options->limiter, home, &u->gate);
    if (e != OK) {
        upstream_unref(u);
        return e;
    }
    if (gate != NULL)
        u->gate = gate_ref(gate);
    u->limiter = options->limiter;
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
    pthread_mutex_destroy(&u->lock);
    mem_free(u);
    return NULL;
}

void upstream_hold(struct upstream *u, uint32_t loop_index)
{
    upstream_ref(u);
    u->users[loop_index]++;
}

void upstream_let_go(struct upstream *u, uint32_t loop_index)
{
    u->users[loop_index]--;
    upstream_unref(u);
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
    pthread_mutex_lock(&u->lock);
    struct transfer_pool *pool = u->pools[loop_index];
    u->pools[loop_index] = NULL;
    pthread_mutex_unlock(&u->lock);
    transfer_pool_destroy(pool);
}

uint32_t upstream_take_key(struct upstream *u, uint64_t now_ms)
{
    pthread_mutex_lock(&u->lock);
    uint32_t key = key_ring_take(&u->keys, now_ms);
    pthread_mutex_unlock(&u->lock);
    return key;
}

bool upstream_rest_key(struct upstream *u, const struct key_report *report, uint64_t now_ms)
{
    bool is_refused = report->code == ERR_PROVIDER_AUTH ||
                      (report->code == ERR_PROVIDER_RATE_LIMITED && report->is_final);
    if (!is_refused && report->code != ERR_PROVIDER_RATE_LIMITED)
        return false;
    pthread_mutex_lock(&u->lock);
    if (is_refused)
        key_ring_refused(&u->keys, report->key, now_ms);
    else
        key_ring_limited(&u->keys, report->key, report->hint_ms, now_ms);
    bool is_awake = key_ring_is_awake(&u->keys, now_ms);
    pthread_mutex_unlock(&u->lock);
    return is_awake;
}

/* Of all pools: none goes while its counters are read. */
static unsigned sum_of_pools(struct upstream *u,
                             uint32_t (*counter)(const struct transfer_pool *pool))
{
    unsigned n = 0;
    pthread_mutex_lock(&u->lock);
    for (uint32_t i = 0; i < MAX_LOOPS; i++) {
        struct transfer_pool *pool = u->pools[i];
        n += pool != NULL ? counter(pool) : 0;
    }
    pthread_mutex_unlock(&u->lock);
    return n;
}

unsigned upstream_active(struct upstream *u)
{
    return sum_of_pools(u, transfer_pool_active);
}

unsigned upstream_idle(struct upstream *u)
{
    return sum_of_pools(u, transfer_pool_idle);
}
