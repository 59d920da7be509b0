#include "net/transfer.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"

enum {
    RECEIVE_BUFFER = 8192,   /* bytes; curl has one per transfer */
    MAX_SPARE_HANDLES = 256, /* handles kept for reuse, each a few KiB */
    MAX_LOOKUPS = 4,         /* names being resolved at once: curl takes a thread for each */
    HEAD_MAX = 131072,       /* bytes of an answer's headers, those of interim answers included */
    NAME_FRESH_MS =
        50000, /* curl keeps an answer for 60 s: within that, no look-up is to be expected */
};

/* A descriptor that curl wants to hear of. A connection's stays watched for reading between two
 * transfers, so that one that is used again needs no system call; what becomes readable while
 * nobody uses it has been closed by the peer, or is not HTTP. Others belong to curl's look-ups and
 * come and go with each. */
struct pool_socket {
    struct transfer_pool *pool;
    struct loop_watch *watch;
    int fd;
    bool in_use;
    bool is_paused; /* not in use, but only for the time being */
    bool is_connection;
    bool was_read; /* so it did connect */
    ino_t inode;   /* of a connection: whether the number still stands for it */
};

struct transfer_pool {
    struct loop *loop;
    struct transfer_pool_options options;
    char *ca_file;
    CURLM *multi;
    struct loop_timer curl_timer;
    struct loop_msg kick; /* curl wants to run, or something waits for it to return */
    bool kicked;
    bool dead;                    /* destroyed, but for the kick that is still queued */
    bool in_curl;                 /* curl's own calls must not be made from within its callbacks */
    bool is_tls;                  /* its provider is spoken to over TLS */
    struct pool_socket **sockets; /* by descriptor */
    size_t socket_count;
    atomic_uint connections;  /* written by the loop, read by anybody */
    atomic_uint active;       /* likewise: started and not ended */
    atomic_uint running;      /* likewise: of them, handed to curl */
    uint32_t lookups;         /* transfers whose name is being resolved */
    uint64_t name_fresh_till; /* ms */
    struct list transfers;    /* all that are under way */
    struct list starting;     /* to be handed to curl */
    struct list held;         /* wait for a look-up to end */
    struct list doomed;       /* cancelled, to be taken from curl */
    struct list spare;        /* handles for reuse */
    uint32_t spare_count;
};

/* A handle with everything set that does not change between its transfers. */
struct transfer {
    struct list link;
    struct transfer_pool *pool;
    CURL *easy;
    struct transfer_events events;
    void *ctx;
    struct transfer_deadlines deadlines;
    struct loop_timer timer;
    uint64_t started_ms;
    uint64_t
        quiet_since_ms; /* once it was sent: the sending, the last byte, or the end of a pause */
    enum { IDLE, STARTING, HELD, RUNNING, DOOMED } state;
    bool resolving;
    bool was_sent;
    bool has_head;  /* the answer's header came to its end */
    bool has_bytes; /* of the body */
    bool paused;
    bool refused_resend;
    bool refused_address;
    bool head_too_long;
    size_t head_bytes;
    bool aborted;
    bool no_memory;
    bool finished; /* on_done was called, or will never be */
    struct curl_slist header_nodes[HTTP_MAX_HEADERS + 2];
    char *header_text;
    char error_text[CURL_ERROR_SIZE];
};

enum err transfer_global_init(void)
{
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? OK : ERR_NOMEM;
}

void transfer_global_fini(void)
{
    curl_global_cleanup();
}

static void kick(struct transfer_pool *pool)
{
    if (pool->kicked)
        return;
    pool->kicked = true;
    loop_soon(pool->loop, &pool->kick);
}

/* --- curl's sockets and timer ----------------------------------------------------------------- */

static void after_curl(struct transfer_pool *pool);

static void run_curl(struct transfer_pool *pool, curl_socket_t fd, int events)
{
    int running;
    pool->in_curl = true;
    curl_multi_socket_action(pool->multi, fd, events, &running);
    pool->in_curl = false;
    after_curl(pool);
}

/* What an idle connection says is no answer to whatever is asked next, but curl only looks whether
 * it has been closed, and would take it for one: a 408 that a proxy sent before it hung up, or
 * worse. So it is closed for curl to see. Idle TLS connections may talk among themselves (HTTP/2).
 */
static void spoil(int fd)
{
    char waste[4096];
    shutdown(fd, SHUT_RDWR);
    for (int i = 0; i < 16 && recv(fd, waste, sizeof waste, MSG_DONTWAIT) > 0; i++)
        continue;
}

static void on_socket_io(void *owner, int fd, unsigned events)
{
    struct pool_socket *s = owner;
    if (!s->in_use) {
        loop_watch_set(s->watch, 0); /* curl finds out when it wants to use the connection again */
        if (!s->is_paused && !s->pool->is_tls)
            spoil(fd);
        return;
    }
    int curl_events = 0;
    if (events & LOOP_READ)
        curl_events |= CURL_CSELECT_IN;
    if (events & LOOP_WRITE)
        curl_events |= CURL_CSELECT_OUT;
    run_curl(s->pool, fd, curl_events);
}

static struct pool_socket *socket_at(const struct transfer_pool *pool, int fd)
{
    return (size_t)fd < pool->socket_count ? pool->sockets[fd] : NULL;
}

static bool make_room(struct transfer_pool *pool, size_t fd)
{
    if (fd < pool->socket_count)
        return true;
    size_t count = pool->socket_count ? pool->socket_count : 64;
    while (count <= fd)
        count *= 2;
    struct pool_socket **grown = mem_realloc(pool->sockets, count * sizeof(struct pool_socket *));
    if (grown == NULL)
        return false;
    memset(grown + pool->socket_count, 0,
           (count - pool->socket_count) * sizeof(struct pool_socket *));
    pool->sockets = grown;
    pool->socket_count = count;
    return true;
}

static struct pool_socket *add_socket(struct transfer_pool *pool, int fd)
{
    if (!make_room(pool, (size_t)fd))
        return NULL;
    struct pool_socket *s = mem_zalloc(sizeof *s);
    if (s == NULL)
        return NULL;
    s->pool = pool;
    s->fd = fd;
    if (loop_watch_open(pool->loop, fd, on_socket_io, s, &s->watch) != OK) {
        mem_free(s);
        return NULL;
    }
    pool->sockets[fd] = s;
    return s;
}

static void forget_socket(struct transfer_pool *pool, int fd)
{
    struct pool_socket *s = socket_at(pool, fd);
    if (s == NULL)
        return;
    pool->sockets[fd] = NULL;
    pool->connections -= s->is_connection;
    loop_watch_close(s->watch);
    mem_free(s);
}

/* curl 7.88 closes a socket that never got connected without asking for it (curl#11439), tells so
 * afterwards or never, and may be given the same number for the next address, which it then
 * believes to be watched already: so the new one takes over what was asked of the old. */
static bool adopt_connection(struct transfer_pool *pool, int fd)
{
    struct pool_socket *old = socket_at(pool, fd);
    bool in_use = old != NULL && old->in_use;
    unsigned events = old != NULL ? loop_watch_events(old->watch) : 0;
    struct stat stat;
    forget_socket(pool, fd);
    struct pool_socket *s = fstat(fd, &stat) == 0 ? add_socket(pool, fd) : NULL;
    if (s == NULL)
        return false;
    s->is_connection = true;
    s->inode = stat.st_ino;
    s->in_use = in_use;
    loop_watch_set(s->watch, events);
    pool->connections++;
    return true;
}

/* Has curl closed it already? See above. */
static bool is_stale(const struct pool_socket *s)
{
    struct stat stat;
    return !s->was_read && (fstat(s->fd, &stat) != 0 || stat.st_ino != s->inode);
}

static int on_close_socket(void *ctx, curl_socket_t fd)
{
    forget_socket(ctx, fd); /* the watch has to go before the descriptor */
    return close(fd);
}

static struct transfer *transfer_of(CURL *easy)
{
    char *private = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    return (struct transfer *)(void *)private;
}

static void unuse_socket(struct transfer_pool *pool, int fd, const struct transfer *t)
{
    struct pool_socket *s = socket_at(pool, fd);
    if (s == NULL)
        return;
    if (!s->is_connection || is_stale(s)) {
        forget_socket(pool, fd);
        return;
    }
    s->in_use = false;
    s->is_paused = t != NULL && t->paused; /* curl itself has transfers that are not ours */
    loop_watch_set(s->watch, LOOP_READ);
}

static void fail_for_memory(struct transfer *t);

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *assigned)
{
    struct transfer_pool *pool = ctx;
    (void)assigned;
    if (what == CURL_POLL_REMOVE) {
        unuse_socket(pool, fd, transfer_of(easy));
        return 0;
    }
    struct pool_socket *s = socket_at(pool, fd);
    if (s == NULL)
        s = add_socket(pool, fd);
    if (s == NULL) {
        fail_for_memory(transfer_of(easy));
        return 0; /* -1 would end all transfers of the pool */
    }
    s->in_use = true;
    unsigned events = 0;
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        events |= LOOP_READ;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        events |= LOOP_WRITE;
    s->was_read |= (events & LOOP_READ) != 0;
    loop_watch_set(s->watch, events);
    return 0;
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    struct transfer_pool *pool = ctx;
    (void)multi;
    if (timeout_ms < 0)
        loop_timer_stop(&pool->curl_timer);
    else if (timeout_ms == 0)
        kick(pool);
    else
        loop_timer_start(&pool->curl_timer, loop_now_ms(pool->loop) + (uint64_t)timeout_ms);
    return 0;
}

static void on_curl_timer_fired(struct loop_timer *timer)
{
    run_curl(CONTAINER_OF(timer, struct transfer_pool, curl_timer), CURL_SOCKET_TIMEOUT, 0);
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
    run_curl(pool, CURL_SOCKET_TIMEOUT, 0);
}

/* --- one transfer, in the order of time ------------------------------------------------------- */

/* The next moment at which a deadline could have passed. Silence is not measured exactly: the timer
 * is not moved with every byte, but looks when it fires. */
static uint64_t next_deadline(const struct transfer *t)
{
    uint64_t end = t->deadlines.end_at_ms, own;
    if (t->no_memory)
        return 0;
    if (!t->was_sent)
        own = t->started_ms + t->deadlines.connect_ms;
    else if (t->paused)
        own = end; /* the silence is ours */
    else
        own =
            t->quiet_since_ms + (t->has_bytes ? t->deadlines.idle_ms : t->deadlines.first_byte_ms);
    return own < end ? own : end;
}

static void arm(struct transfer *t)
{
    loop_timer_start(&t->timer, next_deadline(t));
}

/* From within curl, which has to return first. */
static void fail_for_memory(struct transfer *t)
{
    if (t == NULL)
        return;
    t->no_memory = true;
    arm(t);
}

static void lookup_ended(struct transfer *t)
{
    if (!t->resolving)
        return;
    t->resolving = false;
    t->pool->lookups--;
    if (!list_is_empty(&t->pool->held))
        kick(t->pool);
}

/* The name has been looked up. That of a pool's one host stays known for a while. */
static void on_name_known(struct transfer *t)
{
    struct transfer_pool *pool = t->pool;
    lookup_ended(t);
    if (pool->options.max_lookups > 0)
        return;
    pool->name_fresh_till = loop_now_ms(pool->loop) + NAME_FRESH_MS;
    if (!list_is_empty(&pool->held))
        kick(pool);
}

static curl_socket_t on_open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *t = ctx;
    struct transfer_pool *pool = t->pool;
    const struct transfer_pool_options *o = &pool->options;
    (void)purpose;
    on_name_known(t);
    if (o->may_connect != NULL && !o->may_connect(o->guard, &address->addr)) {
        t->refused_address = true;
        return CURL_SOCKET_BAD;
    }
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd >= 0 && !adopt_connection(pool, fd)) {
        close(fd);
        return CURL_SOCKET_BAD;
    }
    return fd;
}

/* Called before each sending of the request. The second time would be curl's own repetition. */
static int on_before_send(void *ctx, char *ip, char *local_ip, int port, int local_port)
{
    struct transfer *t = ctx;
    (void)ip, (void)local_ip, (void)port, (void)local_port;
    lookup_ended(t);
    if (t->was_sent) {
        t->refused_resend = true;
        return CURL_PREREQFUNC_ABORT;
    }
    t->was_sent = true;
    t->quiet_since_ms = loop_now_ms(t->pool->loop);
    arm(t);
    return CURL_PREREQFUNC_OK;
}

/* Line by line. curl takes an answer for whole that ends within its header. */
static size_t on_header_line(char *line, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    bool is_blank = line[0] == '\r' || line[0] == '\n';
    t->head_bytes += size * count;
    t->head_too_long = t->head_bytes > HEAD_MAX;
    if (t->head_too_long)
        return 0;
    if (is_blank && transfer_status(t) >= 200) /* not an interim answer's */
        t->has_head = true;
    return size * count;
}

static size_t on_write(char *bytes, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    size_t len = size * count;
    if (t->state != RUNNING)
        return 0; /* cancelled from within this very turn */
    if (t->paused)
        return CURL_WRITEFUNC_PAUSE; /* since before the first byte */
    t->quiet_since_ms = loop_now_ms(t->pool->loop);
    if (!t->has_bytes) {
        t->has_bytes = true;
        arm(t);
    }
    if (t->events.on_bytes(t->ctx, bytes, len))
        return len;
    t->aborted = true;
    return 0;
}

static enum err code_of(const struct transfer *t, CURLcode rc, int status)
{
    if (rc == CURLE_OK)
        return t->has_head ? OK : ERR_PROVIDER_BAD_RESPONSE;
    if (!t->was_sent || t->refused_resend)
        return ERR_PROVIDER_UNREACHABLE;
    switch (rc) {
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return status < 200 ? ERR_PROVIDER_UNREACHABLE : ERR_PROVIDER_BAD_RESPONSE;
    default: return ERR_PROVIDER_BAD_RESPONSE;
    }
}

/* As many connections are kept as are in use, and the idle ones that may be. curl keeps one beyond
 * what it is told, since it compares before the one that just ended counts as idle; 0 would mean
 * any number. */
static void bound_connections(struct transfer_pool *pool)
{
    long most = (long)pool->running + (long)pool->options.max_idle - 1;
    curl_multi_setopt(pool->multi, CURLMOPT_MAXCONNECTS, most > 0 ? most : 1L);
}

/* Puts the handle back for the next transfer. */
static void recycle(struct transfer *t)
{
    struct transfer_pool *pool = t->pool;
    loop_timer_stop(&t->timer);
    list_remove(&t->link);
    mem_free(t->header_text);
    t->header_text = NULL;
    t->state = IDLE;
    if (pool->spare_count < MAX_SPARE_HANDLES) {
        list_push_front(&pool->spare, &t->link);
        pool->spare_count++;
        return;
    }
    curl_easy_cleanup(t->easy);
    mem_free(t);
}

/* It ends, in one way or the other: none of its callbacks is called any more. */
static void count_out(struct transfer *t)
{
    lookup_ended(t);
    t->finished = true;
    t->pool->active--;
    if (t->state != RUNNING)
        return;
    t->pool->running--;
    bound_connections(t->pool);
}

static long forbids_reuse(const struct transfer_pool_options *o)
{
    return o->max_idle == 0 || o->idle_ms == 0 ? 1L : 0L;
}

/* Since 7.88 curl sends the reset of an HTTP/2 stream with the connection's next frame only
 * (curl#17611). Where no other transfer uses the connection there may be none for long: so it is
 * closed, as one of HTTP/1.1 is. */
static void take_from_curl(struct transfer *t)
{
    struct transfer_pool *pool = t->pool;
    if (pool->is_tls)
        curl_easy_setopt(t->easy, CURLOPT_FORBID_REUSE, 1L);
    curl_multi_remove_handle(
        pool->multi, t->easy); /* closes the connection where the answer was not at its end */
    if (pool->is_tls)
        curl_easy_setopt(t->easy, CURLOPT_FORBID_REUSE, forbids_reuse(&pool->options));
}

/* The only end of a transfer that was not cancelled: taken from curl, told, recycled. */
static void finish(struct transfer *t, const struct transfer_result *result)
{
    count_out(t);
    t->events.on_done(t->ctx, result);
    take_from_curl(t);
    recycle(t);
}

static void on_complete(struct transfer *t, CURLcode rc)
{
    struct transfer_result result = {.status = transfer_status(t), .was_sent = t->was_sent};
    result.code = code_of(t, rc, result.status);
    if (t->head_too_long)
        result.detail = "the answer's headers do not end";
    else if (t->refused_resend)
        result.detail = "the connection was closed before the answer came";
    else if (t->aborted)
        result.detail = "the answer is not wanted any more";
    else if (t->refused_address && !t->was_sent)
        result.detail = "the name leads to an address that is not allowed";
    else if (rc == CURLE_OK && !t->has_head)
        result.detail = "the answer ended within its header";
    else
        result.detail = t->error_text[0] != '\0' ? t->error_text : curl_easy_strerror(rc);
    finish(t, &result);
}

static void on_deadline(struct loop_timer *timer)
{
    struct transfer *t = CONTAINER_OF(timer, struct transfer, timer);
    uint64_t now = loop_now_ms(t->pool->loop);
    if (next_deadline(t) > now) {
        arm(t);
        return;
    }
    struct transfer_result result = {.code = ERR_PROVIDER_TIMEOUT, .was_sent = t->was_sent};
    result.status = t->state == RUNNING ? transfer_status(t) : 0;
    if (t->no_memory) {
        result.code = ERR_PROVIDER_UNREACHABLE;
        result.detail = "out of memory";
    } else if (now >= t->deadlines.end_at_ms)
        result.detail = "the attempt took longer than it may in all";
    else if (!t->was_sent)
        result.detail = "connecting took too long";
    else if (!t->has_bytes)
        result.detail = "no answer came in time";
    else
        result.detail = "the answer stopped coming";
    finish(t, &result);
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
    bound_connections(pool);
    if (curl_multi_add_handle(pool->multi, t->easy) != CURLM_OK) {
        struct transfer_result result = {.code = ERR_PROVIDER_UNREACHABLE,
                                         .detail = "out of memory"};
        finish(t, &result);
    }
}

static void drop_doomed(struct transfer_pool *pool)
{
    struct list *link;
    while ((link = list_pop_front(&pool->doomed)) != NULL) {
        struct transfer *t = CONTAINER_OF(link, struct transfer, link);
        take_from_curl(t);
        recycle(t);
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
            on_complete(t, rc);
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
    drop_doomed(pool);
    if (!list_is_empty(&pool->held) && may_look_up(pool))
        start_waiting(&pool->held);
    start_waiting(&pool->starting);
}

/* --- starting and stopping -------------------------------------------------------------------- */

/* What never changes for the transfers of a pool. DESIGN §13 has the reason for most of it. */
static bool set_up(struct transfer *t)
{
    struct transfer_pool *pool = t->pool;
    const struct transfer_pool_options *o = &pool->options;
    CURL *e = t->easy;
    CURLcode rc = CURLE_OK;
#define SET(option, value) rc = rc == CURLE_OK ? curl_easy_setopt(e, option, value) : rc
    SET(CURLOPT_PRIVATE, t);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    SET(CURLOPT_PIPEWAIT, 1L);
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER);
    SET(CURLOPT_ERRORBUFFER, t->error_text);
    SET(CURLOPT_WRITEFUNCTION, on_write);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_HEADERFUNCTION, on_header_line);
    SET(CURLOPT_HEADERDATA, t);
    SET(CURLOPT_PREREQFUNCTION, on_before_send);
    SET(CURLOPT_PREREQDATA, t);
    SET(CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    SET(CURLOPT_OPENSOCKETDATA, t);
    SET(CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, pool);
    SET(CURLOPT_MAXAGE_CONN, (long)((o->idle_ms + 999) / 1000));
    SET(CURLOPT_MAXLIFETIME_CONN, (long)((o->max_age_ms + 999) / 1000));
    SET(CURLOPT_FORBID_REUSE, forbids_reuse(o));
    if (pool->ca_file != NULL)
        SET(CURLOPT_CAINFO, pool->ca_file);
#undef SET
    return rc == CURLE_OK;
}

static struct transfer *take_handle(struct transfer_pool *pool)
{
    struct list *link = list_pop_front(&pool->spare);
    if (link != NULL) {
        pool->spare_count--;
        return CONTAINER_OF(link, struct transfer, link);
    }
    struct transfer *t = mem_zalloc(sizeof *t);
    if (t == NULL)
        return NULL;
    t->pool = pool;
    t->easy = curl_easy_init();
    list_init(&t->link);
    loop_timer_init(&t->timer, pool->loop, on_deadline);
    if (t->easy == NULL || !set_up(t)) {
        curl_easy_cleanup(t->easy);
        mem_free(t);
        return NULL;
    }
    return t;
}

static size_t header_bytes(const struct http_request *r)
{
    size_t bytes = sizeof "Expect:";
    for (uint32_t i = 0; i < r->header_count; i++)
        bytes += r->headers[i].name.len + r->headers[i].value.len + 3;
    return bytes;
}

/* curl wants a linked list of lines. Its nodes are ours, so that no line costs an allocation.
 * "Name;" sends an empty value, "Name:" none at all: that is how the `Expect:` header, and the wait
 * for a 100 that it brings, is switched off. */
static bool write_headers(struct transfer *t, const struct http_request *r)
{
    char *at = mem_alloc(header_bytes(r));
    if (at == NULL)
        return false;
    t->header_text = at;
    struct curl_slist *node = t->header_nodes;
    for (uint32_t i = 0; i < r->header_count; i++, node++) {
        const struct http_header *h = &r->headers[i];
        *node = (struct curl_slist){.data = at, .next = node + 1};
        memcpy(at, h->name.at, h->name.len);
        at += h->name.len;
        if (str_trim(h->value).len == 0) {
            *at++ = ';';
        } else {
            *at++ = ':';
            *at++ = ' ';
            memcpy(at, h->value.at, h->value.len);
            at += h->value.len;
        }
        *at++ = '\0';
    }
    memcpy(at, "Expect:", sizeof "Expect:");
    *node = (struct curl_slist){.data = at, .next = NULL};
    return true;
}

static bool set_request(struct transfer *t, const struct http_request *r)
{
    bool has_body = r->body.at != NULL, is_head = strcmp(r->method, "HEAD") == 0;
    bool is_usual = strcmp(r->method, has_body ? "POST" : "GET") == 0;
    t->pool->is_tls = str_starts(str_of(r->url), STR("https:"));
    /* HTTP/2 with TLS only. Without, curl would hold all requests back until the first is answered,
     * to see whether the server speaks it. */
    long version = t->pool->is_tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;
    CURL *e = t->easy;
    CURLcode rc = CURLE_OK;
#define SET(option, value) rc = rc == CURLE_OK ? curl_easy_setopt(e, option, value) : rc
    SET(CURLOPT_URL, r->url);
    SET(CURLOPT_HTTP_VERSION, version);
    SET(CURLOPT_HTTPHEADER, t->header_nodes);
    SET(CURLOPT_NOBODY, 0L);
    SET(CURLOPT_HTTPGET, 1L);
    if (has_body) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
        SET(CURLOPT_POSTFIELDS, r->body.at);
    }
    if (is_head)
        SET(CURLOPT_NOBODY, 1L); /* its answer has none, whatever length it tells */
    SET(CURLOPT_CUSTOMREQUEST, is_usual ? NULL : r->method);
#undef SET
    return rc == CURLE_OK;
}

enum err transfer_start(struct transfer_pool *pool, const struct http_request *request,
                        const struct transfer_deadlines *deadlines,
                        const struct transfer_events *events, void *ctx,
                        struct transfer **ret_transfer)
{
    struct transfer *t = take_handle(pool);
    if (t == NULL)
        return ERR_NOMEM;
    t->events = *events;
    t->ctx = ctx;
    t->deadlines = *deadlines;
    t->started_ms = loop_now_ms(pool->loop);
    t->resolving = t->was_sent = t->has_head = t->has_bytes = t->paused = false;
    t->refused_resend = t->refused_address = t->aborted = t->no_memory = t->finished = false;
    t->head_too_long = false;
    t->head_bytes = 0;
    t->error_text[0] = '\0';
    if (!write_headers(t, request) || !set_request(t, request)) {
        recycle(t);
        return ERR_NOMEM;
    }
    t->state = STARTING;
    list_push_back(&pool->starting, &t->link);
    pool->active++;
    arm(t);
    kick(pool);
    *ret_transfer = t;
    return OK;
}

void transfer_cancel(struct transfer *t)
{
    if (t == NULL || t->finished)
        return;
    count_out(t);
    loop_timer_stop(&t->timer);
    if (t->state != RUNNING) {
        recycle(t);
        return;
    }
    t->state = DOOMED;
    list_remove(&t->link);
    list_push_back(&t->pool->doomed, &t->link);
    if (t->pool->in_curl)
        kick(t->pool); /* after_curl comes first in any case */
    else
        drop_doomed(t->pool);
}

void transfer_pause(struct transfer *t)
{
    if (t->paused || t->finished)
        return;
    t->paused = true;
    if (t->has_bytes)
        curl_easy_pause(t->easy, CURLPAUSE_RECV);
    /* else on_write holds the first of them back: a curl that is paused before takes all headers
     * for one */
}

void transfer_resume(struct transfer *t)
{
    struct transfer_pool *pool = t->pool;
    if (!t->paused || t->finished)
        return;
    t->paused = false;
    t->quiet_since_ms = loop_now_ms(pool->loop);
    arm(t);
    if (t->state != RUNNING)
        return;
    bool was_in_curl = pool->in_curl;
    pool->in_curl = true; /* curl delivers what it holds from within this call */
    curl_easy_pause(t->easy, CURLPAUSE_CONT);
    pool->in_curl = was_in_curl;
    kick(pool);
}

int transfer_status(struct transfer *t)
{
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

/* curl 7.88 leaves the CR in an empty value. */
static struct str value_of(const struct curl_header *h)
{
    struct str value = str_of(h->value);
    while (value.len > 0 && value.at[value.len - 1] == '\r')
        value.len--;
    return value;
}

struct str transfer_header(struct transfer *t, const char *name)
{
    struct curl_header *h;
    if (curl_easy_header(t->easy, name, 0, CURLH_HEADER, -1, &h) != CURLHE_OK)
        return STR_NONE;
    size_t last = h->amount - 1;
    if (last > 0 && curl_easy_header(t->easy, name, last, CURLH_HEADER, -1, &h) != CURLHE_OK)
        return STR_NONE;
    return value_of(h);
}

void transfer_each_header(struct transfer *t,
                          void (*on_header)(void *ctx, struct str name, struct str value),
                          void *ctx)
{
    struct curl_header *h = NULL;
    while ((h = curl_easy_nextheader(t->easy, CURLH_HEADER, -1, h)) != NULL)
        on_header(ctx, str_of(h->name), value_of(h));
}

/* --- the pool --------------------------------------------------------------------------------- */

static bool set_up_multi(struct transfer_pool *pool)
{
    pool->multi = curl_multi_init();
    return pool->multi != NULL &&
           curl_multi_setopt(pool->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket) == CURLM_OK &&
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
    while ((link = list_pop_front(&pool->spare)) != NULL) {
        struct transfer *t = CONTAINER_OF(link, struct transfer, link);
        curl_easy_cleanup(t->easy);
        mem_free(t);
    }
    curl_multi_cleanup(pool->multi);
    for (size_t fd = 0; fd < pool->socket_count; fd++)
        forget_socket(pool, (int)fd);
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
