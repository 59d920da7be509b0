#include "runs/withdraw.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "runs/shard.h"

enum { BODY_MAX = 65536, TOTAL_MS = 10000 };

struct withdrawal {
    struct list link; /* shard->withdrawals */
    struct upstream *upstream;
    struct shard *shard;
    struct loop_deferred garbage;
    struct transfer *transfer;
    struct buf body;
};

static void destroy(struct withdrawal *w)
{
    list_remove(&w->link);
    buf_fini(&w->body);
    shard_let_go(w->shard, w->upstream);
    mem_free(w);
}

static void on_garbage(struct loop_deferred *garbage)
{
    destroy(CONTAINER_OF(garbage, struct withdrawal, garbage));
}

static enum err send(struct withdrawal *w, struct shard *shard, struct str handle, uint32_t key,
                     const struct transfer_events *events)
{
    struct upstream *u = w->upstream;
    struct http_request request = {.header_count = 0};
    struct error error;
    struct transfer_pool *pool;
    enum err e = u->provider->kind->build_poll(u->provider, handle, POLL_CANCEL, key, &w->body,
                                               &shard->scratch, &request, &error);
    if (e == OK)
        e = upstream_pool(u, shard->loop, shard->index, &pool);
    if (e != OK)
        return e;
    struct transfer_deadlines deadlines = {.connect_ms = u->timeouts.connect_ms,
                                           .first_byte_ms = TOTAL_MS,
                                           .idle_ms = TOTAL_MS,
                                           .end_at_ms = loop_now_ms(shard->loop) + TOTAL_MS};
    return transfer_start(pool, &request, &deadlines, events, w, &w->transfer);
}

/* What the provider says to it changes nothing. */
static bool on_bytes(void *ctx, const char *bytes, size_t len)
{
    (void)ctx, (void)bytes, (void)len;
    return true;
}

static void on_done(void *ctx, const struct transfer_result *result)
{
    struct withdrawal *w = ctx;
    if (result->code != OK || result->status >= 300)
        log_warn(log_msg("a provider was not told to stop its work"),
                 log_str("provider", upstream_name(w->upstream)), log_i("status", result->status));
    loop_free_later(w->shard->loop, &w->garbage, on_garbage);
}

void withdraw_start(struct shard *shard, struct upstream *u, struct str handle, uint32_t key)
{
    static const struct transfer_events events = {.on_bytes = on_bytes, .on_done = on_done};
    struct withdrawal *w = mem_zalloc(sizeof *w);
    if (w == NULL)
        return; /* no memory: the work runs to its end, unasked */
    w->upstream = u;
    w->shard = shard;
    shard_hold(shard, u);
    buf_init(&w->body, BODY_MAX);
    list_init(&w->link);
    list_push_back(&shard->withdrawals, &w->link);
    if (send(w, shard, handle, key, &events) != OK)
        destroy(w);
}

void withdraw_drop_all(struct shard *shard)
{
    while (!list_is_empty(&shard->withdrawals))
        destroy(CONTAINER_OF(shard->withdrawals.next, struct withdrawal, link));
}
