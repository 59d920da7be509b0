/* A pool of transfers: which multi handle one goes to, and what waits until curl has returned. */
#include <assert.h>

#include "base/mem.h"
#include "net/transfer_internal.h"

enum {
    MAX_LOOKUPS = 4,      /* names being resolved at once: curl takes a thread for each */
    MULTI_TRANSFERS = 128 /* of one multi handle; it takes 40 KiB and two descriptors */
};

/* --- multi handles ---------------------------------------------------------------------------- */

static struct transfer_multi *multi_at(struct list *link)
{
    return CONTAINER_OF(link, struct transfer_multi, link);
}

static bool is_first(const struct transfer_multi *m)
{
    return m->pool->multis.next == &m->link;
}

static void add_multi(struct transfer_pool *pool)
{
    struct transfer_multi *m = transfer_multi_create(pool);
    if (m != NULL)
        list_push_back(&pool->multis, &m->link);
}

/* The last is used least. Its connections go when it was not used for long, or when the pool has
 * too many: for a connection that becomes idle curl closes another one of that multi only. */
static bool is_last_spare(struct transfer_pool *pool)
{
    const struct transfer_multi *last = multi_at(pool->multis.prev);
    bool was_long = last->unused_since_ms + pool->options.idle_ms <= loop_now_ms(pool->loop);
    return !is_first(last) && last->running == 0 &&
           (was_long || transfer_pool_idle(pool) > pool->options.max_idle);
}

static void drop_spare_multis(struct transfer_pool *pool)
{
    while (is_last_spare(pool))
        transfer_multi_destroy(multi_at(pool->multis.prev));
}

/* The first that has room: while there are few transfers all share its connections. */
static struct transfer_multi *choose(struct transfer_pool *pool)
{
    LIST_EACH (it, &pool->multis)
        if (multi_at(it)->running < MULTI_TRANSFERS)
            return multi_at(it);
    add_multi(pool);
    return multi_at(pool->multis.prev); /* where there is no memory, one more than it should have */
}

static void count_in(struct transfer *t, struct transfer_multi *m)
{
    t->multi = m;
    curl_easy_setopt(t->easy, CURLOPT_CLOSESOCKETDATA, m); /* of the connection it may open */
    m->running++;
    m->pool->running++;
}

void transfer_pool_count_out(struct transfer *t)
{
    struct transfer_multi *m = t->multi;
    m->pool->running--;
    if (--m->running == 0)
        m->unused_since_ms = loop_now_ms(m->pool->loop);
}

/* --- what waits until curl has returned ------------------------------------------------------- */

static bool may_look_up(struct transfer_pool *pool)
{
    uint32_t most = pool->options.max_lookups > 0 ? pool->options.max_lookups : MAX_LOOKUPS;
    return loop_now_ms(pool->loop) < pool->name_fresh_till || pool->lookups < most;
}

static void hand_over(struct transfer *t)
{
    struct transfer_pool *pool = t->pool;
    list_remove(&t->link);
    if (!may_look_up(pool)) {
        t->state = HELD;
        list_push_back(&pool->held, &t->link);
        return;
    }
    if (loop_now_ms(pool->loop) >= pool->name_fresh_till) {
        t->resolving = true;
        pool->lookups++;
    }
    t->state = RUNNING;
    list_push_back(&pool->transfers, &t->link);
    count_in(t, choose(pool));
    if (curl_multi_add_handle(t->multi->curl, t->easy) != CURLM_OK) {
        struct transfer_result result = {.code = ERR_PROVIDER_UNREACHABLE,
                                         .detail = "out of memory"};
        transfer_finish(t, &result);
    }
}

void transfer_pool_drop_doomed(struct transfer_pool *pool)
{
    struct list *link;
    while ((link = list_pop_front(&pool->doomed)) != NULL) {
        struct transfer *t = CONTAINER_OF(link, struct transfer, link);
        transfer_take_from_curl(t);
        transfer_recycle(t);
    }
}

static void read_completions(struct transfer_multi *m)
{
    CURLMsg *msg;
    int left;
    while ((msg = curl_multi_info_read(m->curl, &left)) != NULL) {
        if (msg->msg != CURLMSG_DONE)
            continue;
        CURLcode rc = msg->data.result;
        struct transfer *t = transfer_of(msg->easy_handle);
        if (t->state == RUNNING)
            transfer_on_complete(t, rc);
    }
}

static void start_waiting(struct list *waiting)
{
    struct list ready;
    list_init(&ready);
    list_append_all(&ready, waiting);
    while (!list_is_empty(&ready)) {
        struct transfer *t = CONTAINER_OF(ready.next, struct transfer, link);
        hand_over(t);
    }
}

static void go_on(struct transfer_pool *pool)
{
    transfer_pool_drop_doomed(pool);
    if (!list_is_empty(&pool->held) && may_look_up(pool))
        start_waiting(&pool->held);
    start_waiting(&pool->starting);
}

void transfer_pool_after_curl(struct transfer_multi *m)
{
    struct transfer_pool *pool = m->pool;
    read_completions(m);
    go_on(pool);
    drop_spare_multis(pool);
}

/* --- the kick --------------------------------------------------------------------------------- */

void transfer_pool_kick(struct transfer_pool *pool)
{
    if (pool->kicked)
        return;
    pool->kicked = true;
    loop_soon(pool->loop, &pool->kick);
}

static void on_kick(struct loop_msg *msg)
{
    struct transfer_pool *pool = CONTAINER_OF(msg, struct transfer_pool, kick);
    if (pool->dead) {
        mem_free(pool);
        return;
    }
    go_on(pool); /* hands over what was started; curl asks for a run at once, which comes next
                    anyway */
    pool->kicked = false;
    struct list due, *link;
    list_init(&due);
    list_append_all(&due, &pool->due);
    while ((link = list_pop_front(&due)) != NULL)
        transfer_multi_run(CONTAINER_OF(link, struct transfer_multi, due), CURL_SOCKET_TIMEOUT, 0);
}

/* --- making and unmaking ---------------------------------------------------------------------- */

static bool share_names(struct transfer_pool *pool)
{
    pool->names = curl_share_init();
    return pool->names != NULL &&
           curl_share_setopt(pool->names, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS) == CURLSHE_OK;
}

enum err transfer_pool_create(struct loop *loop, const struct transfer_pool_options *options,
                              struct transfer_pool **ret_pool)
{
    struct transfer_pool *pool = mem_zalloc(sizeof *pool);
    if (pool == NULL)
        return ERR_NOMEM;
    pool->loop = loop;
    pool->options = *options;
    struct list *lists[] = {&pool->multis, &pool->due,    &pool->transfers, &pool->starting,
                            &pool->held,   &pool->doomed, &pool->spare};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        list_init(lists[i]);
    pool->kick.on_arrive = on_kick;
    pool->ca_file = options->ca_file ? mem_strdup(str_of(options->ca_file)) : NULL;
    add_multi(pool);
    if ((options->ca_file != NULL && pool->ca_file == NULL) || !share_names(pool) ||
        list_is_empty(&pool->multis)) {
        transfer_pool_destroy(pool);
        return ERR_NOMEM;
    }
    *ret_pool = pool;
    return OK;
}

static void cancel_all(struct list *transfers)
{
    while (!list_is_empty(transfers)) {
        struct transfer *t = CONTAINER_OF(transfers->next, struct transfer, link);
        assert(!t->finished); /* the pool is destroyed from within on_done */
        transfer_cancel(t);
    }
}

void transfer_pool_destroy(struct transfer_pool *pool)
{
    if (pool == NULL)
        return;
    assert(!pool->in_curl);
    cancel_all(&pool->starting);
    cancel_all(&pool->held);
    cancel_all(&pool->transfers);
    struct list *link;
    while ((link = list_pop_front(&pool->spare)) != NULL)
        transfer_free(CONTAINER_OF(link, struct transfer, link));
    while (!list_is_empty(&pool->multis))
        transfer_multi_destroy(multi_at(pool->multis.next));
    curl_share_cleanup(pool->names);
    mem_free(pool->ca_file);
    pool->dead = true;
    if (!pool->kicked)
        mem_free(pool);
}

uint32_t transfer_pool_active(const struct transfer_pool *pool)
{
    return pool->active;
}

uint32_t transfer_pool_idle(const struct transfer_pool *pool)
{
    unsigned open = pool->connections, running = pool->running;
    return open > running ? open - running : 0;
}
