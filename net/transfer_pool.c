/* A pool of transfers: the multi handle, its timer, and what waits until curl has returned. */
#include <assert.h>

#include "base/mem.h"
#include "net/transfer_internal.h"

enum { MAX_LOOKUPS = 4 }; /* names being resolved at once: curl takes a thread for each */

static void after_curl(struct transfer_pool *pool);

/* --- curl runs -------------------------------------------------------------------------------- */

void transfer_pool_kick(struct transfer_pool *pool)
{
    if (pool->kicked)
        return;
    pool->kicked = true;
    loop_soon(pool->loop, &pool->kick);
}

void transfer_pool_run(struct transfer_pool *pool, curl_socket_t fd, int events)
{
    int running;
    pool->in_curl = true;
    curl_multi_socket_action(pool->multi, fd, events, &running);
    pool->in_curl = false;
    after_curl(pool);
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    struct transfer_pool *pool = ctx;
    (void)multi;
    if (timeout_ms < 0)
        loop_timer_stop(&pool->curl_timer);
    else if (timeout_ms == 0)
        transfer_pool_kick(pool);
    else
        loop_timer_start(&pool->curl_timer, loop_now_ms(pool->loop) + (uint64_t)timeout_ms);
    return 0;
}

static void on_curl_timer_fired(struct loop_timer *timer)
{
    transfer_pool_run(CONTAINER_OF(timer, struct transfer_pool, curl_timer), CURL_SOCKET_TIMEOUT,
                      0);
}

static void on_kick(struct loop_msg *msg)
{
    struct transfer_pool *pool = CONTAINER_OF(msg, struct transfer_pool, kick);
    if (pool->dead) {
        mem_free(pool);
        return;
    }
    after_curl(pool); /* hands over what was started; curl asks for a run at once, which comes next
                         anyway */
    pool->kicked = false;
    transfer_pool_run(pool, CURL_SOCKET_TIMEOUT, 0);
}

/* As many connections are kept as are in use, and the idle ones that may be. curl keeps one beyond
 * what it is told, since it compares before the one that just ended counts as idle; 0 would mean
 * any number. */
void transfer_pool_bound(struct transfer_pool *pool)
{
    long most = (long)pool->running + (long)pool->options.max_idle - 1;
    curl_multi_setopt(pool->multi, CURLMOPT_MAXCONNECTS, most > 0 ? most : 1L);
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
    pool->running++;
    transfer_pool_bound(pool);
    if (curl_multi_add_handle(pool->multi, t->easy) != CURLM_OK) {
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

static void read_completions(struct transfer_pool *pool)
{
    CURLMsg *msg;
    int left;
    while ((msg = curl_multi_info_read(pool->multi, &left)) != NULL) {
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

static void after_curl(struct transfer_pool *pool)
{
    read_completions(pool);
    transfer_pool_drop_doomed(pool);
    if (!list_is_empty(&pool->held) && may_look_up(pool))
        start_waiting(&pool->held);
    start_waiting(&pool->starting);
}

/* --- making and unmaking ---------------------------------------------------------------------- */

static bool set_up_multi(struct transfer_pool *pool)
{
    pool->multi = curl_multi_init();
    return pool->multi != NULL &&
           curl_multi_setopt(pool->multi, CURLMOPT_SOCKETFUNCTION, transfer_socket_on_curl) ==
               CURLM_OK &&
           curl_multi_setopt(pool->multi, CURLMOPT_SOCKETDATA, pool) == CURLM_OK &&
           curl_multi_setopt(pool->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer) == CURLM_OK &&
           curl_multi_setopt(pool->multi, CURLMOPT_TIMERDATA, pool) == CURLM_OK;
}

enum err transfer_pool_create(struct loop *loop, const struct transfer_pool_options *options,
                              struct transfer_pool **ret_pool)
{
    struct transfer_pool *pool = mem_zalloc(sizeof *pool);
    if (pool == NULL)
        return ERR_NOMEM;
    pool->loop = loop;
    pool->options = *options;
    struct list *lists[] = {&pool->transfers, &pool->starting, &pool->held, &pool->doomed,
                            &pool->spare};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        list_init(lists[i]);
    loop_timer_init(&pool->curl_timer, loop, on_curl_timer_fired);
    pool->kick.on_arrive = on_kick;
    pool->ca_file = options->ca_file ? mem_strdup(str_of(options->ca_file)) : NULL;
    if ((options->ca_file != NULL && pool->ca_file == NULL) || !set_up_multi(pool)) {
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
    loop_timer_stop(&pool->curl_timer);
    struct list *link;
    while ((link = list_pop_front(&pool->spare)) != NULL)
        transfer_free(CONTAINER_OF(link, struct transfer, link));
    curl_multi_cleanup(pool->multi);
    for (size_t fd = 0; fd < pool->socket_count; fd++)
        transfer_socket_forget(pool, (int)fd);
    mem_free(pool->sockets);
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
