/* The floor: the least that a proxy made of the product's own libraries can cost.
 *
 *     floor --to http://127.0.0.1:PORT [--port N]
 *
 * libmicrohttpd takes a POST, curl sends its body to the same path upstream, the answer goes back:
 * whole where it is JSON, piece by piece where it is an event stream. Nothing is parsed, stored or
 * logged. One thread, one libuv loop. What Sluice costs beyond this is Sluice's own doing; what
 * this costs beyond nginx is the libraries'.
 *
 * It is still a correct proxy: connections are kept alive on both sides, a client that leaves ends
 * its upstream transfer, an upstream that fails is a 502, or a cut answer where the first bytes are
 * out already. A client that stops reading pauses its upstream at ANSWER_PAUSE_BYTES.
 *
 * Where it is lean:
 *  - curl says "stop watching" at the end of each transfer and "watch again" at the start of the
 * next, and uv_poll turns that into two or three epoll_ctl per request. Here a socket stays watched
 * from its opening to its closing, and what curl wants is a field.
 *  - curl_multi_add_handle only arms a timer of 0 ms: it is run in the same turn instead of one
 * poll later.
 *  - MHD_run is called after everything of a turn that can resume a connection.
 *  - Easy handles, their parsed URL, the header list and all buffers are kept. */
#include <curl/curl.h>
#include <microhttpd.h>
#include <signal.h>
#include <uv.h>

#include "tool.h"

enum {
    BODY_MAX_BYTES = 8 << 20,
    ANSWER_PAUSE_BYTES = 256 << 10,
    CURL_BUFFER_BYTES = 16 << 10,
    MHD_POOL_BYTES = 16 << 10,
    CONNECTIONS_MAX = 60000,
    UPSTREAMS_IDLE_MAX = 1024
};

/* A growing buffer that is read from its front. */
struct bytes {
    char *at;
    size_t from, len, cap; /* what is in it: at[from] .. at[from + len - 1] */
};

enum answer { NONE, WHOLE, STREAM, FAILED };

/* One request and its transfer. Lives from the first call of the handler to on_request_end; then it
 * is kept, with its easy handle and its buffers, for the next one. */
struct call {
    struct call *next_free;
    struct MHD_Connection *client;
    bool suspended;
    CURL *easy;
    bool under_way; /* in the multi handle */
    bool paused;
    enum answer answer; /* what the client gets, as soon as that is known */
    bool complete;      /* the upstream is done, well if not `cut` */
    bool cut;
    unsigned status;
    char path[256];
    CURLU *url; /* of that path: parsed once, not for each transfer */
    struct bytes body, out;
};

/* A client's socket while it is open: tells that the other side has closed, which a suspended
 * connection never reads. */
struct client {
    uv_poll_t poll;
    struct call *call; /* the one being answered, or NULL */
};

/* A socket of curl's, from its opening to its closing. */
struct upstream {
    uv_poll_t poll;
    int fd;
    int wanted;  /* what curl wants to know: a set of CURL_POLL_IN, CURL_POLL_OUT */
    int watched; /* what uv watches */
};

static uv_loop_t loop;
static uv_timer_t curl_timer;
static bool curl_due, mhd_due;
static CURLM *multi;
static struct curl_slist *request_headers;
static struct MHD_Daemon *daemon_;
static struct call *free_calls;
static const char *upstream_url;

static struct upstream **upstreams; /* by descriptor */
static size_t upstreams_cap;

/* --- small things ----------------------------------------------------------------------------- */

static bool bytes_add(struct bytes *b, const void *from, size_t n)
{
    if (b->from > 0 && b->from + b->len + n > b->cap) {
        memmove(b->at, b->at + b->from, b->len);
        b->from = 0;
    }
    if (b->len + n > b->cap) {
        size_t cap = b->cap ? b->cap : 1024;
        while (cap < b->len + n)
            cap *= 2;
        char *at = realloc(b->at, cap);
        if (!at)
            return false;
        b->at = at;
        b->cap = cap;
    }
    memcpy(b->at + b->from + b->len, from, n);
    b->len += n;
    return true;
}

static void bytes_clear(struct bytes *b)
{
    b->from = b->len = 0;
}

static void wake_client(struct call *c)
{
    if (!c->suspended)
        return;
    c->suspended = false;
    MHD_resume_connection(c->client);
    mhd_due = true;
}

static void on_freed(uv_handle_t *handle)
{
    free(handle->data);
}

/* --- upstream: curl's sockets and timer ------------------------------------------------------- */

static void on_upstream_event(uv_poll_t *poll, int status, int events)
{
    struct upstream *u = poll->data;
    if (!u->wanted) { /* an idle connection that the upstream closed: curl finds out when it wants
                         to use it */
        uv_poll_stop(poll);
        u->watched = 0;
        return;
    }
    int what = (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
               (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0) | (status < 0 ? CURL_CSELECT_ERR : 0);
    int running;
    curl_multi_socket_action(multi, u->fd, what, &running);
}

static int on_curl_wants(CURL *easy, curl_socket_t fd, int wanted, void *unused, void *unused2)
{
    (void)easy, (void)unused, (void)unused2;
    struct upstream *u = (size_t)fd < upstreams_cap ? upstreams[fd] : NULL;
    if (!u)
        return 0;
    u->wanted = wanted == CURL_POLL_REMOVE ? 0 : wanted;
    int watch = (u->wanted & CURL_POLL_IN ? UV_READABLE : 0) |
                (u->wanted & CURL_POLL_OUT ? UV_WRITABLE : 0);
    if (u->wanted && watch != u->watched && uv_poll_start(&u->poll, watch, on_upstream_event) == 0)
        u->watched = watch;
    return 0;
}

static curl_socket_t on_curl_opens(void *unused, curlsocktype purpose, struct curl_sockaddr *a)
{
    (void)unused, (void)purpose;
    int fd = socket(a->family, a->socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    if ((size_t)fd >= upstreams_cap) {
        size_t cap = (size_t)fd * 2 + 64;
        struct upstream **grown = realloc(upstreams, cap * sizeof *grown);
        if (!grown)
            goto fail;
        memset(grown + upstreams_cap, 0, (cap - upstreams_cap) * sizeof *grown);
        upstreams = grown;
        upstreams_cap = cap;
    }
    struct upstream *u = calloc(1, sizeof *u);
    if (!u)
        goto fail;
    if (uv_poll_init(&loop, &u->poll, fd) != 0) {
        free(u);
        goto fail;
    }
    u->poll.data = u;
    u->fd = fd;
    upstreams[fd] = u;
    return fd;
fail:
    close(fd);
    return CURL_SOCKET_BAD;
}

static int on_curl_closes(void *unused, curl_socket_t fd)
{
    (void)unused;
    if ((size_t)fd < upstreams_cap && upstreams[fd]) {
        uv_close((uv_handle_t *)&upstreams[fd]->poll, on_freed);
        upstreams[fd] = NULL;
    }
    return close(fd);
}

static void run_turn(void);

static void on_curl_timer(uv_timer_t *timer)
{
    (void)timer;
    curl_due = true;
    run_turn(); /* uv runs timers before it polls: without this it would be done when the poll
                   returns */
}

static int on_curl_timeout(CURLM *handle, long ms, void *unused)
{
    (void)handle, (void)unused;
    curl_due = ms == 0;
    if (ms > 0)
        uv_timer_start(&curl_timer, on_curl_timer, (uint64_t)ms, 0);
    else
        uv_timer_stop(&curl_timer);
    return 0;
}

/* --- upstream: a transfer --------------------------------------------------------------------- */

static void decide_answer(struct call *c)
{
    long status = 0;
    const char *type = NULL;
    curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(c->easy, CURLINFO_CONTENT_TYPE, &type);
    c->status = (unsigned)status;
    c->answer = type && strncmp(type, "text/event-stream", 17) == 0 ? STREAM : WHOLE;
}

static size_t on_upstream_bytes(char *bytes, size_t one, size_t n, void *context)
{
    (void)one;
    struct call *c = context;
    if (c->answer == NONE)
        decide_answer(c);
    if (c->answer == STREAM && c->out.len > ANSWER_PAUSE_BYTES) {
        c->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (c->out.len + n > BODY_MAX_BYTES || !bytes_add(&c->out, bytes, n))
        return 0;
    if (c->answer == STREAM)
        wake_client(c);
    return n;
}

static void on_transfer_end(struct call *c, CURLcode result)
{
    curl_multi_remove_handle(multi, c->easy);
    c->under_way = false;
    c->complete = true;
    if (result == CURLE_OK && c->answer == NONE)
        decide_answer(c); /* an answer without a body */
    c->cut = result != CURLE_OK;
    if (c->cut && c->answer != STREAM)
        c->answer = FAILED;
    wake_client(c);
}

static bool set_path(struct call *c, const char *path)
{
    if (strcmp(path, c->path) == 0)
        return true;
    if (strlen(path) >= sizeof c->path ||
        curl_url_set(c->url, CURLUPART_PATH, path, 0) != CURLUE_OK)
        return false;
    strcpy(c->path, path);
    return true;
}

static void start_transfer(struct call *c, const char *path)
{
    curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE, (long)c->body.len);
    curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, c->body.len ? c->body.at : "");
    c->under_way = set_path(c, path) && curl_multi_add_handle(multi, c->easy) == CURLM_OK;
    if (!c->under_way) {
        c->answer = FAILED;
        c->complete = true;
    }
}

/* False without memory, or where --to is no URL. */
static bool easy_create(struct call *c)
{
    CURL *easy = c->easy = curl_easy_init();
    c->url = curl_url();
    if (!easy || !c->url || curl_url_set(c->url, CURLUPART_URL, upstream_url, 0) != CURLUE_OK)
        return false;
    curl_easy_setopt(easy, CURLOPT_CURLU, c->url);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, c);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, request_headers);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_upstream_bytes);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_curl_opens);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_curl_closes);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)CURL_BUFFER_BYTES);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    return true;
}

/* --- client: requests and answers ------------------------------------------------------------- */

static struct call *call_take(struct MHD_Connection *client)
{
    struct call *c = free_calls;
    if (c) {
        free_calls = c->next_free;
    } else {
        c = calloc(1, sizeof *c);
        if (!c)
            return NULL;
        if (!easy_create(c)) {
            curl_easy_cleanup(c->easy);
            curl_url_cleanup(c->url);
            free(c);
            return NULL;
        }
    }
    c->client = client;
    c->suspended = c->under_way = c->paused = c->complete = c->cut = false;
    c->answer = NONE;
    bytes_clear(&c->body);
    bytes_clear(&c->out);
    return c;
}

static struct client *client_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static void abort_transfer(struct call *c)
{
    if (!c->under_way)
        return;
    c->under_way = false;
    curl_multi_remove_handle(multi, c->easy);
}

/* The answer is out, or the client gone. */
static void on_request_end(void *unused, struct MHD_Connection *connection, void **context,
                           enum MHD_RequestTerminationCode why)
{
    (void)unused, (void)why;
    struct call *c = *context;
    if (!c)
        return;
    struct client *client = client_of(connection);
    if (client)
        client->call = NULL;
    abort_transfer(c);
    c->next_free = free_calls;
    free_calls = c;
    *context = NULL;
}

static ssize_t on_client_takes(void *context, uint64_t at, char *to, size_t max)
{
    (void)at;
    struct call *c = context;
    if (c->out.len == 0) {
        if (c->complete)
            return c->cut ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM;
        c->suspended = true;
        MHD_suspend_connection(c->client);
        return 0;
    }
    size_t n = c->out.len < max ? c->out.len : max;
    memcpy(to, c->out.at + c->out.from, n);
    c->out.from += n;
    c->out.len -= n;
    if (c->out.len == 0)
        c->out.from = 0;
    if (c->paused && c->out.len < ANSWER_PAUSE_BYTES / 2) {
        c->paused = false;
        curl_easy_pause(c->easy, CURLPAUSE_CONT);
        curl_due = true;
    }
    return (ssize_t)n;
}

static enum MHD_Result answer(struct MHD_Connection *connection, struct call *c)
{
    static char sorry[] = "bad gateway\n";
    unsigned status = c->answer == FAILED ? 502 : c->status;
    struct MHD_Response *r;
    const char *type = "application/json";
    if (c->answer == STREAM) {
        r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, on_client_takes, c, NULL);
        type = "text/event-stream";
    } else if (c->answer == WHOLE) {
        r = MHD_create_response_from_buffer(c->out.len, c->out.at + c->out.from,
                                            MHD_RESPMEM_PERSISTENT);
    } else {
        r = MHD_create_response_from_buffer(sizeof sorry - 1, sorry, MHD_RESPMEM_PERSISTENT);
        type = "text/plain";
    }
    if (!r)
        return MHD_NO;
    MHD_add_response_header(r, "Content-Type", type);
    enum MHD_Result queued = MHD_queue_response(connection, status, r);
    MHD_destroy_response(r);
    return queued;
}

/* libmicrohttpd calls this with the head, with each piece of the body, at its end, and when the
 * connection was resumed. */
static enum MHD_Result on_request(void *unused, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_len, void **context)
{
    (void)unused, (void)method, (void)version;
    struct call *c = *context;
    if (!c) {
        c = *context = call_take(connection);
        struct client *client = client_of(connection);
        if (c && client)
            client->call = c;
        return c ? MHD_YES : MHD_NO;
    }
    if (*upload_len > 0) {
        if (c->body.len + *upload_len > BODY_MAX_BYTES || !bytes_add(&c->body, upload, *upload_len))
            return MHD_NO;
        *upload_len = 0;
        return MHD_YES;
    }
    if (c->answer == NONE && !c->under_way)
        start_transfer(c, path);
    if (c->complete || c->answer == STREAM)
        return answer(connection, c);
    c->suspended = true;
    MHD_suspend_connection(connection);
    return MHD_YES;
}

static void on_client_left(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    struct client *client = poll->data;
    uv_poll_stop(poll);
    struct call *c = client->call;
    if (!c || c->complete)
        return;
    abort_transfer(c);
    c->complete = c->cut = true;
    c->answer = c->answer == STREAM ? STREAM : FAILED;
    bytes_clear(&c->out);
    wake_client(c);
}

static void on_connection(void *unused, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    (void)unused;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        struct client *client = *context;
        if (client)
            uv_close((uv_handle_t *)&client->poll, on_freed);
        *context = NULL;
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct client *client = calloc(1, sizeof *client);
    if (!client || uv_poll_init(&loop, &client->poll, info->connect_fd) != 0) {
        free(client); /* works without: the leaving is noticed at the next write */
        return;
    }
    client->poll.data = client;
    uv_poll_start(&client->poll, UV_DISCONNECT, on_client_left);
    *context = client;
}

/* --- the loop --------------------------------------------------------------------------------- */

static void on_mhd_event(uv_poll_t *poll, int status, int events)
{
    (void)poll, (void)status, (void)events;
    mhd_due = true;
}

static void run_mhd(void)
{
    MHD_UNSIGNED_LONG_LONG ms = 1;
    mhd_due = false;
    MHD_run(daemon_);
    if (MHD_get_timeout(daemon_, &ms) == MHD_YES && ms == 0)
        mhd_due = true;
}

static void run_curl(void)
{
    int left;
    if (curl_due) {
        curl_due = false;
        curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &left);
    }
    for (CURLMsg *m; (m = curl_multi_info_read(multi, &left)) != NULL;) {
        if (m->msg != CURLMSG_DONE)
            continue;
        struct call *c = NULL;
        CURLcode result = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &c);
        on_transfer_end(c, result);
    }
}

/* Once a turn, after the descriptors: what they made due on one side is work for the other. */
static void run_turn(void)
{
    do {
        run_curl();
        if (mhd_due)
            run_mhd();
    } while (mhd_due || curl_due);
}

static void on_turn(uv_check_t *check)
{
    (void)check;
    run_turn();
}

static void on_stop(uv_signal_t *signal, int number_)
{
    (void)signal, (void)number_;
    exit(0); /* nothing to save */
}

static void open_curl(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(multi = curl_multi_init()))
        exit(1);
    request_headers = curl_slist_append(NULL, "Content-Type: application/json");
    request_headers = curl_slist_append(request_headers, "Accept:");
    request_headers = curl_slist_append(request_headers, "Expect:");
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_curl_wants);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_curl_timeout);
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)UPSTREAMS_IDLE_MAX);
    uv_timer_init(&loop, &curl_timer);
}

static void open_mhd(int listen_fd)
{
    daemon_ = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, NULL,
        MHD_OPTION_LISTEN_SOCKET, listen_fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MHD_POOL_BYTES, MHD_OPTION_NOTIFY_COMPLETED,
        on_request_end, NULL, MHD_OPTION_NOTIFY_CONNECTION, on_connection, NULL, MHD_OPTION_END);
    if (!daemon_) {
        fprintf(stderr, "libmicrohttpd does not start\n");
        exit(1);
    }
}

int main(int argc, char **argv)
{
    uint16_t port = 0;
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[++i] : "";
        if (strcmp(name, "--port") == 0)
            port = (uint16_t)number(name, value, 65535);
        else if (strcmp(name, "--to") == 0)
            upstream_url = value;
        else
            upstream_url = NULL;
    }
    if (!upstream_url)
        return fprintf(stderr, "usage: floor --to http://127.0.0.1:PORT [--port N]\n"), 2;

    signal(SIGPIPE, SIG_IGN);
    raise_files();
    uv_loop_init(&loop);
    open_curl();
    open_mhd(listen_on(port, NULL));

    static uv_poll_t mhd_poll;
    static uv_check_t turn;
    static uv_signal_t stop;
    uv_poll_init(&loop, &mhd_poll,
                 MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd);
    uv_poll_start(&mhd_poll, UV_READABLE, on_mhd_event);
    uv_check_init(&loop, &turn);
    uv_check_start(&turn, on_turn);
    uv_signal_init(&loop, &stop);
    uv_signal_start(&stop, on_stop, SIGTERM);
    uv_run(&loop, UV_RUN_DEFAULT);
    return 0;
}
