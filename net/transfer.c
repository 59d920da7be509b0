#include "net/transfer.h"

#include <assert.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/transfer_internal.h"

enum {
    RECEIVE_BUFFER = 4096,   /* bytes; curl has one per transfer */
    MAX_SPARE_HANDLES = 256, /* handles kept for reuse, each a few KiB */
    HEAD_MAX = 131072,       /* bytes of an answer's headers, those of interim answers included */
    NAME_FRESH_MS =
        50000, /* curl keeps an answer for 60 s: within that, no look-up is to be expected */
};

enum err transfer_global_init(void)
{
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? OK : ERR_NOMEM;
}

void transfer_global_fini(void)
{
    curl_global_cleanup();
}

struct transfer *transfer_of(CURL *easy)
{
    char *private = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    return (struct transfer *)(void *)private;
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
void transfer_fail_for_memory(struct transfer *t)
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
        transfer_pool_kick(t->pool);
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
        transfer_pool_kick(pool);
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
    if (fd >= 0 && !transfer_socket_adopt(t->multi, fd)) {
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

/* Puts the handle back for the next transfer. */
void transfer_recycle(struct transfer *t)
{
    struct transfer_pool *pool = t->pool;
    loop_timer_stop(&t->timer);
    list_remove(&t->link);
    mem_free(t->headers);
    t->headers = NULL;
    t->state = IDLE;
    if (pool->spare_count < MAX_SPARE_HANDLES) {
        list_push_front(&pool->spare, &t->link);
        pool->spare_count++;
        return;
    }
    transfer_free(t);
}

void transfer_free(struct transfer *t)
{
    curl_easy_cleanup(t->easy);
    curl_url_cleanup(t->url);
    mem_free(t->url_text);
    mem_free(t);
}

/* It ends, in one way or the other: none of its callbacks is called any more. */
static void count_out(struct transfer *t)
{
    lookup_ended(t);
    t->finished = true;
    t->pool->active--;
    if (t->state == RUNNING)
        transfer_pool_count_out(t);
}

static long forbids_reuse(const struct transfer_pool_options *o)
{
    return o->max_idle == 0 || o->idle_ms == 0 ? 1L : 0L;
}

/* Since 7.88 curl sends the reset of an HTTP/2 stream with the connection's next frame only
 * (curl#17611). Where no other transfer uses the connection there may be none for long: so it is
 * closed, as one of HTTP/1.1 is. */
void transfer_take_from_curl(struct transfer *t)
{
    struct transfer_pool *pool = t->pool;
    if (t->multi == NULL)
        return;
    if (pool->is_tls)
        curl_easy_setopt(t->easy, CURLOPT_FORBID_REUSE, 1L);
    curl_multi_remove_handle(
        t->multi->curl, t->easy); /* closes the connection where the answer was not at its end */
    if (pool->is_tls)
        curl_easy_setopt(t->easy, CURLOPT_FORBID_REUSE, forbids_reuse(&pool->options));
    t->multi = NULL;
}

/* The only end of a transfer that was not cancelled: taken from curl, told, recycled. */
void transfer_finish(struct transfer *t, const struct transfer_result *result)
{
    count_out(t);
    t->events.on_done(t->ctx, result);
    transfer_take_from_curl(t);
    transfer_recycle(t);
}

void transfer_on_complete(struct transfer *t, CURLcode rc)
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
    transfer_finish(t, &result);
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
    transfer_finish(t, &result);
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
    SET(CURLOPT_SHARE, pool->names);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_NOPROXY, "*");
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
    SET(CURLOPT_CLOSESOCKETFUNCTION, transfer_socket_close);
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
    t->url = curl_url();
    list_init(&t->link);
    loop_timer_init(&t->timer, pool->loop, on_deadline);
    if (t->easy == NULL || t->url == NULL || !set_up(t)) {
        transfer_free(t);
        return NULL;
    }
    return t;
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
    if (!transfer_write_headers(t, request) || !transfer_set_request(t, request)) {
        transfer_recycle(t);
        return ERR_NOMEM;
    }
    t->state = STARTING;
    list_push_back(&pool->starting, &t->link);
    pool->active++;
    arm(t);
    transfer_pool_kick(pool);
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
        transfer_recycle(t);
        return;
    }
    t->state = DOOMED;
    list_remove(&t->link);
    list_push_back(&t->pool->doomed, &t->link);
    if (t->pool->in_curl)
        transfer_pool_kick(t->pool); /* after_curl comes first in any case */
    else
        transfer_pool_drop_doomed(t->pool);
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
    transfer_multi_kick(t->multi);
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
