/* One multi handle of curl: when it runs, and how many connections it keeps. */
#include "base/mem.h"
#include "net/transfer_internal.h"

/* --- when it runs ----------------------------------------------------------------------------- */

void transfer_multi_kick(struct transfer_multi *m)
{
    if (!list_is_linked(&m->due))
        list_push_back(&m->pool->due, &m->due);
    transfer_pool_kick(m->pool);
}

static int on_curl_timer(CURLM *curl, long timeout_ms, void *ctx)
{
    struct transfer_multi *m = ctx;
    (void)curl;
    if (timeout_ms < 0)
        loop_timer_stop(&m->timer);
    else if (timeout_ms == 0)
        transfer_multi_kick(m);
    else
        loop_timer_start(&m->timer, loop_now_ms(m->pool->loop) + (uint64_t)timeout_ms);
    return 0;
}

static void on_timer_fired(struct loop_timer *timer)
{
    transfer_multi_run(CONTAINER_OF(timer, struct transfer_multi, timer), CURL_SOCKET_TIMEOUT, 0);
}

/* As many connections are kept as are open, and the idle ones that the pool still may have. curl
 * keeps one beyond what it is told, since it compares before the one that just ended counts as
 * idle; 0 would mean any number. */
static void bound_connections(struct transfer_multi *m)
{
    const struct transfer_pool *pool = m->pool;
    long more = (long)pool->options.max_idle - (long)transfer_pool_idle(pool);
    long most = (long)m->connections + more - 1;
    curl_multi_setopt(m->curl, CURLMOPT_MAXCONNECTS, most > 0 ? most : 1L);
}

void transfer_multi_run(struct transfer_multi *m, curl_socket_t fd, int events)
{
    int running;
    bound_connections(m);
    m->pool->in_curl = true;
    curl_multi_socket_action(m->curl, fd, events, &running);
    m->pool->in_curl = false;
    transfer_pool_after_curl(m);
}

/* --- making and unmaking ---------------------------------------------------------------------- */

static bool set_up(struct transfer_multi *m)
{
    m->curl = curl_multi_init();
    return m->curl != NULL &&
           curl_multi_setopt(m->curl, CURLMOPT_SOCKETFUNCTION, transfer_socket_on_curl) ==
               CURLM_OK &&
           curl_multi_setopt(m->curl, CURLMOPT_SOCKETDATA, m) == CURLM_OK &&
           curl_multi_setopt(m->curl, CURLMOPT_TIMERFUNCTION, on_curl_timer) == CURLM_OK &&
           curl_multi_setopt(m->curl, CURLMOPT_TIMERDATA, m) == CURLM_OK;
}

struct transfer_multi *transfer_multi_create(struct transfer_pool *pool)
{
    struct transfer_multi *m = mem_zalloc(sizeof *m);
    if (m == NULL)
        return NULL;
    m->pool = pool;
    list_init(&m->link);
    list_init(&m->due);
    loop_timer_init(&m->timer, pool->loop, on_timer_fired);
    if (map_init(&m->sockets) != OK) {
        mem_free(m);
        return NULL;
    }
    if (!set_up(m)) {
        transfer_multi_destroy(m);
        return NULL;
    }
    return m;
}

void transfer_multi_destroy(struct transfer_multi *m)
{
    curl_multi_cleanup(m->curl); /* closes its connections */
    loop_timer_stop(&m->timer);
    transfer_socket_forget_all(m);
    map_fini(&m->sockets);
    list_remove(&m->due);
    list_remove(&m->link);
    mem_free(m);
}
