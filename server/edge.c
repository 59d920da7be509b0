#include "server/edge.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "server/edge_internal.h"

enum {
    /* The daemon's memory for a connection is what its largest header needs and this: its own
     * records, the answer's header, and room for a header that is too large, which we refuse. Not
     * more: it clears all of it after each request. */
    POOL_BEYOND_HEADER = 16384,
    RUNS_AT_ONCE = 8,     /* of the daemon, before others on the loop get their turn */
    WATCH_AFTER_MS = 200, /* a wait that lasts longer is watched for a client that leaves */
    SWEEP_MS = 250,
    LOOK_MS = 500, /* how often a connection is looked at that owes the rest of a request */
};

/* --- the daemon on the loop ------------------------------------------------------------------- */

static void run(struct edge *e)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms = 0;
    bool more = true;
    e->is_running = true;
    for (int i = 0; i < RUNS_AT_ONCE && more; i++) {
        e->needs_run = false;
        MHD_run(e->daemon);
        more =
            e->needs_run || (MHD_get_timeout(e->daemon, &timeout_ms) == MHD_YES && timeout_ms == 0);
    }
    e->is_running = false;
    if (more)
        edge_run_later(e);
}

/* As a message, so that what the daemon brings is handled before the turn's end is: the store gets
 * it with this turn. */
void edge_run_later(struct edge *e)
{
    e->needs_run = true;
    if (e->is_running || e->again_is_posted)
        return;
    e->again_is_posted = true;
    loop_soon(e->loop, &e->again);
}

static void on_again(struct loop_msg *msg)
{
    struct edge *e = CONTAINER_OF(msg, struct edge, again);
    e->again_is_posted = false;
    if (e->daemon != NULL)
        run(e);
}

static void on_daemon_io(void *owner, int fd, unsigned events)
{
    (void)fd, (void)events;
    run(owner);
}

static void on_daemon_log(void *ctx, const char *format, va_list args)
{
    char text[512];
    (void)ctx;
    if (!log_is_on(LOG_DEBUG))
        return;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the format is the daemon's */
    int n = vsnprintf(text, sizeof text, format, args);
#pragma GCC diagnostic pop
    if (n > 0)
        log_debug(log_msg("http daemon"),
                  log_str("text", str_trim((struct str){text, strcspn(text, "\n")})));
}

/* --- connections ------------------------------------------------------------------------------ */

static uint64_t length_of(const struct conn *c, enum conn_phase phase)
{
    const struct http_limits *l = &c->edge->settings->http;
    switch (phase) {
    case CONN_HEAD: return l->header_ms;
    case CONN_BODY: return l->body_ms;
    case CONN_WRITING: return l->write_stall_ms;
    case CONN_IDLE: return l->idle_ms;
    case CONN_HANDLED: break;
    }
    return 0;
}

static bool owes_the_rest(const struct conn *c)
{
    return c->phase == CONN_HEAD || c->phase == CONN_BODY;
}

/* When this connection has to be looked at next: at its deadline, or before that for what the
 * daemon does not tell. UINT64_MAX: not at all. */
static uint64_t next_look_ms(const struct conn *c, uint64_t now_ms)
{
    uint64_t look_ms = UINT64_MAX;
    if (owes_the_rest(c))
        look_ms = now_ms + LOOK_MS;
    else if (c->phase == CONN_IDLE)
        look_ms = now_ms + c->edge->settings->http.header_ms;
    return look_ms < c->deadline_ms ? look_ms : c->deadline_ms;
}

/* The deadline of a phase is absolute; the timer is not moved with every request, but looks when it
 * fires. */
void conn_enter(struct conn *c, enum conn_phase phase)
{
    uint64_t now_ms = loop_now_ms(c->edge->loop), length_ms = length_of(c, phase);
    c->phase = phase;
    c->deadline_ms = length_ms > 0 ? now_ms + length_ms : UINT64_MAX;
    c->unsent = -1;
    uint64_t look_ms = next_look_ms(c, now_ms);
    bool earlier = !loop_timer_is_armed(&c->timer) || look_ms < c->timer.node.key;
    if (look_ms != UINT64_MAX && earlier)
        loop_timer_start(&c->timer, look_ms);
}

/* A large answer on a slow line: has some of it left the socket since the last look? */
static bool makes_progress(struct conn *c)
{
    int unsent = 0;
    if (c->phase != CONN_WRITING || ioctl(c->fd, SIOCOUTQ, &unsent) != 0)
        return false;
    bool moves = c->unsent < 0 || unsent != c->unsent;
    c->unsent = unsent;
    return moves;
}

/* The client has closed its side, all that it sent was read, and it is not a whole request. The
 * daemon misses that where the end arrives together with the last bytes. */
static bool was_cut(const struct conn *c)
{
    struct pollfd p = {.fd = c->fd, .events = POLLRDHUP};
    int unread = 0;
    return owes_the_rest(c) && poll(&p, 1, 0) == 1 && ioctl(c->fd, FIONREAD, &unread) == 0 &&
           unread == 0;
}

/* Bytes that have arrived since the connection was opened. False: not a TCP connection. */
static bool count_received(const struct conn *c, uint64_t *ret)
{
    struct tcp_info info;
    socklen_t len = sizeof info;
    if (getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return false;
    *ret = info.tcpi_bytes_received;
    return true;
}

/* A chunked body has more bytes than were counted. */
void conn_recount(struct conn *c)
{
    IGNORE_RESULT(!count_received(c, &c->received)); /* only has_begun needs it */
}

/* Has a client that kept its connection begun its next request? The daemon tells once the request
 * line is whole, which may be never. Where it is not TCP, idle_ms is the bound. */
static bool has_begun(const struct conn *c)
{
    uint64_t received;
    enum { LINE_END = 2 }; /* some send one behind a body */
    return c->phase == CONN_IDLE && count_received(c, &received) &&
           received > c->received + LINE_END;
}

static void hang_up(struct conn *c)
{
    shutdown(c->fd, SHUT_RDWR); /* the daemon sees the end and closes it */
    c->deadline_ms = UINT64_MAX;
}

static void on_conn_timer(struct loop_timer *timer)
{
    struct conn *c = CONTAINER_OF(timer, struct conn, timer);
    uint64_t now_ms = loop_now_ms(c->edge->loop);
    if (c->deadline_ms == UINT64_MAX)
        return;
    bool is_over = c->deadline_ms <= now_ms;
    if ((is_over && !makes_progress(c)) || was_cut(c)) {
        hang_up(c);
        return;
    }
    if (is_over)
        c->deadline_ms = now_ms + length_of(c, c->phase);
    if (has_begun(c))
        conn_enter(c, CONN_HEAD);
    loop_timer_start(timer, next_look_ms(c, now_ms));
}

static void on_conn_io(void *owner, int fd, unsigned events)
{
    struct conn *c = owner;
    struct exchange *x = &c->exchange;
    (void)fd;
    if (x->stream.source != NULL)
        stream_on_io(x, events);
    else if (events & LOOP_GONE)
        exchange_on_client_gone(x);
}

enum err conn_watch(struct conn *c, unsigned events)
{
    if (c->watch == NULL) {
        if (events == 0)
            return OK;
        enum err e = loop_watch_open(c->edge->loop, c->fd, on_conn_io, c, &c->watch);
        if (e != OK)
            return e;
    }
    loop_watch_set(c->watch, events);
    return OK;
}

static void open_conn(struct edge *e, struct MHD_Connection *mhd, void **ret_ctx)
{
    struct conn *c = mem_zalloc(sizeof *c);
    *ret_ctx = c;
    if (c == NULL)
        return; /* its first request is refused */
    c->edge = e;
    c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    loop_timer_init(&c->timer, e->loop, on_conn_timer);
    exchange_init(&c->exchange, c);
    list_push_back(&e->conns, &c->link);
    shard_count(e->shard, SERIES_CONNECTIONS, 0, 0, 1);
    conn_enter(c, CONN_HEAD);
}

static void destroy_conn(struct loop_deferred *garbage)
{
    mem_free(CONTAINER_OF(garbage, struct conn, garbage));
}

static void close_conn(struct edge *e, struct conn *c)
{
    e->closes++;
    atomic_fetch_sub_explicit(&e->count, 1, memory_order_relaxed);
    if (c == NULL)
        return;
    shard_count(e->shard, SERIES_CONNECTIONS, 0, 0, -1);
    loop_timer_stop(&c->timer);
    loop_watch_close(c->watch);
    exchange_fini(&c->exchange);
    list_remove(&c->link);
    loop_free_later(e->loop, &c->garbage, destroy_conn); /* a message to it may be under way */
}

static void on_connection(void *ctx, struct MHD_Connection *mhd, void **socket_ctx,
                          enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        open_conn(ctx, mhd, socket_ctx);
    else
        close_conn(ctx, *socket_ctx);
}

/* --- clients that leave while they wait ------------------------------------------------------- */

/* Most waits are over before it would pay to watch the socket. */
static void on_sweep(struct loop_timer *timer)
{
    struct edge *e = CONTAINER_OF(timer, struct edge, sweep);
    uint64_t now_ms = loop_now_ms(e->loop);
    LIST_EACH_SAFE (it, &e->waiting) {
        struct exchange *x = CONTAINER_OF(it, struct exchange, waiting);
        if (x->waiting_since_ms + WATCH_AFTER_MS > now_ms)
            break;
        list_remove(it);
        IGNORE_RESULT(conn_watch(x->conn, LOOP_GONE) !=
                      OK); /* without it, its end is noticed at the answer */
    }
    if (!list_is_empty(&e->waiting))
        loop_timer_start(timer, now_ms + SWEEP_MS);
}

/* --- life ------------------------------------------------------------------------------------- */

static struct MHD_Daemon *start_daemon(struct edge *e)
{
    e->pool_bytes = e->settings->http.header_bytes + (size_t)POOL_BEYOND_HEADER;
    unsigned flags =
        MHD_USE_NO_LISTEN_SOCKET | MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    return MHD_start_daemon(
        flags, 0, NULL, NULL, exchange_on_request, e, MHD_OPTION_EXTERNAL_LOGGER, on_daemon_log,
        NULL, MHD_OPTION_CONNECTION_MEMORY_LIMIT, e->pool_bytes, MHD_OPTION_CONNECTION_LIMIT,
        1000000u, MHD_OPTION_CONNECTION_TIMEOUT, 0u, MHD_OPTION_STRICT_FOR_CLIENT, 0,
        MHD_OPTION_URI_LOG_CALLBACK, exchange_on_uri, e, MHD_OPTION_NOTIFY_COMPLETED,
        exchange_on_completed, e, MHD_OPTION_NOTIFY_CONNECTION, on_connection, e, MHD_OPTION_END);
}

enum err edge_create(struct loop *loop, struct shard *shard, struct api *api,
                     const struct settings *settings, struct edge **ret_edge)
{
    struct edge *e = mem_zalloc(sizeof *e);
    if (e == NULL)
        return ERR_NOMEM;
    e->loop = loop;
    e->shard = shard;
    e->api = api;
    e->settings = settings;
    list_init(&e->conns);
    list_init(&e->waiting);
    e->again.on_arrive = on_again;
    loop_timer_init(&e->sweep, loop, on_sweep);
    e->daemon = start_daemon(e);
    if (e->daemon == NULL) {
        mem_free(e);
        return ERR_IO;
    }
    int epoll_fd = MHD_get_daemon_info(e->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    enum err rc = loop_watch_open(loop, epoll_fd, on_daemon_io, e, &e->watch);
    if (rc != OK) {
        MHD_stop_daemon(e->daemon);
        mem_free(e);
        return rc;
    }
    loop_watch_set(e->watch, LOOP_READ);
    *ret_edge = e;
    return OK;
}

/* A stopped daemon must have no suspended connection (it would abort): all are woken first, and
 * find that they end. */
void edge_close(struct edge *e)
{
    e->is_closing = true;
    loop_timer_stop(&e->sweep);
    LIST_EACH_SAFE (it, &e->conns) {
        struct conn *c = CONTAINER_OF(it, struct conn, link);
        shutdown(c->fd, SHUT_RDWR);
        if (c->exchange.stream.source != NULL)
            stream_abandon(&c->exchange);
        else if (c->exchange.is_suspended)
            exchange_on_client_gone(&c->exchange);
    }
    for (int i = 0; i < RUNS_AT_ONCE; i++)
        MHD_run(e->daemon);
    loop_watch_close(e->watch);
    MHD_stop_daemon(e->daemon);
    e->daemon = NULL;
}

void edge_take_over(struct edge *e, const struct settings *settings)
{
    e->settings = settings;
}

void edge_destroy(struct edge *e)
{
    mem_free(e);
}

/* --- from other threads ----------------------------------------------------------------------- */

struct arrival {
    struct loop_msg msg;
    struct edge *edge;
    int fd;
};

static void on_arrival(struct loop_msg *msg)
{
    struct arrival *a = CONTAINER_OF(msg, struct arrival, msg);
    struct edge *e = a->edge;
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    if (getpeername(a->fd, (struct sockaddr *)&address, &len) != 0)
        len = 0;
    unsigned closes = e->closes;
    bool offered = e->daemon != NULL && !e->is_closing && len > 0;
    bool taken = offered &&
                 MHD_add_connection(e->daemon, a->fd, (struct sockaddr *)&address, len) == MHD_YES;
    if (!offered)
        close(a->fd); /* the daemon closes what it was given and did not take */
    if (!taken && e->closes == closes)
        atomic_fetch_sub_explicit(&e->count, 1, memory_order_relaxed);
    edge_run_later(e);
    mem_free(a);
}

void edge_add(struct edge *e, int fd)
{
    struct arrival *a = mem_alloc(sizeof *a);
    if (a == NULL) {
        close(fd);
        return;
    }
    *a = (struct arrival){.msg.on_arrive = on_arrival, .edge = e, .fd = fd};
    atomic_fetch_add_explicit(&e->count, 1, memory_order_relaxed);
    loop_post(e->loop, &a->msg);
}

unsigned edge_connections(const struct edge *e)
{
    return atomic_load_explicit(&e->count, memory_order_relaxed);
}

static void on_drain(struct loop_msg *msg)
{
    struct edge *e = CONTAINER_OF(msg, struct edge, drain);
    e->is_draining = true;
    LIST_EACH_SAFE (it, &e->conns) {
        struct conn *c = CONTAINER_OF(it, struct conn, link);
        if (c->exchange.stream.source != NULL)
            stream_cut(&c->exchange, "drain");
    }
}

void edge_drain(struct edge *e)
{
    e->drain.on_arrive = on_drain;
    loop_post(e->loop, &e->drain);
}

static void on_hurry(struct loop_msg *msg)
{
    struct edge *e = CONTAINER_OF(msg, struct edge, hurry);
    LIST_EACH_SAFE (it, &e->conns) {
        struct conn *c = CONTAINER_OF(it, struct conn, link);
        if (c->phase == CONN_IDLE)
            hang_up(c);
        else
            exchange_hurry(&c->exchange);
    }
}

void edge_hurry(struct edge *e)
{
    e->hurry.on_arrive = on_hurry;
    loop_post(e->loop, &e->hurry);
}
