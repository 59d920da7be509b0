#include "tests/support/loopback.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 1024, MAX_REQUESTS = 4096, DEAF_FILLERS = 4, PATIENCE_MS = 40000 };

struct connection {
    int fd;
    char *in; /* the request that is being read */
    size_t in_len;
    const struct loopback_script *script; /* NULL: reads */
    size_t op, sent, sent_times;
};

struct request {
    char *bytes;
    size_t len;
    size_t script;
};

struct loopback {
    const struct loopback_script *scripts;
    size_t script_count;
    const struct loopback_script *greeting;
    pthread_t thread;
    bool has_thread;
    int listener, wake;
    unsigned port;
    int fillers[DEAF_FILLERS]; /* of a deaf port: what fills its queue */

    /* the thread's own */
    struct connection connections[MAX_CONNECTIONS];
    size_t connection_count;

    pthread_mutex_t lock; /* for all below */
    pthread_cond_t changed;
    bool closing;
    size_t released;
    size_t accepted, gone;
    struct request requests[MAX_REQUESTS];
    size_t request_count;
};

static void require(bool condition, const char *what)
{
    if (!condition) {
        perror(what);
        abort();
    }
}

/* --- the connections -------------------------------------------------------------------------- */

static void drop(struct loopback *l, struct connection *c, bool by_client)
{
    close(c->fd);
    free(c->in);
    *c = l->connections[--l->connection_count];
    pthread_mutex_lock(&l->lock);
    l->gone += by_client;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

/* Where the request ends that `in` begins with; 0: not yet. */
static size_t request_len(const char *in, size_t len)
{
    const char *end = memmem(in, len, "\r\n\r\n", 4);
    if (end == NULL)
        return 0;
    size_t head = (size_t)(end - in) + 4;
    const char *name = memmem(in, head, "Content-Length: ", 16);
    size_t body = name != NULL ? strtoul(name + 16, NULL, 10) : 0;
    return len >= head + body ? head + body : 0;
}

static size_t script_of(const struct loopback *l, const char *in)
{
    const char *slash = strchr(in, '/');
    size_t n = slash != NULL ? strtoul(slash + 1, NULL, 10) : 0;
    require(n < l->script_count, "a script that is not there");
    return n;
}

static void take_request(struct loopback *l, struct connection *c, size_t len)
{
    size_t script = script_of(l, c->in);
    char *copy = malloc(len);
    require(copy != NULL, "malloc");
    memcpy(copy, c->in, len);
    memmove(c->in, c->in + len, c->in_len - len);
    c->in_len -= len;
    c->script = &l->scripts[script];
    c->op = c->sent = c->sent_times = 0;
    pthread_mutex_lock(&l->lock);
    require(l->request_count < MAX_REQUESTS, "requests");
    l->requests[l->request_count++] = (struct request){copy, len, script};
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

/* False: the client went away. */
static bool read_some(struct connection *c)
{
    char chunk[16384];
    ssize_t n = recv(c->fd, chunk, sizeof chunk, 0);
    if (n <= 0)
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    char *grown = realloc(c->in, c->in_len + (size_t)n + 1);
    require(grown != NULL, "realloc");
    memcpy(grown + c->in_len, chunk, (size_t)n);
    c->in = grown;
    c->in_len += (size_t)n;
    c->in[c->in_len] = '\0';
    return true;
}

/* --- the scripts ------------------------------------------------------------------------------ */

enum progress { GOES_ON, STUCK, CLOSED };

static enum progress send_some(struct connection *c, const struct loopback_op *op)
{
    while (c->sent_times < op->times) {
        ssize_t n = send(c->fd, op->bytes.at + c->sent, op->bytes.len - c->sent, MSG_NOSIGNAL);
        if (n < 0)
            return STUCK; /* full, or gone: poll will tell */
        c->sent += (size_t)n;
        if (c->sent == op->bytes.len) {
            c->sent = 0;
            c->sent_times++;
        }
    }
    c->sent_times = 0;
    return GOES_ON;
}

static size_t released(struct loopback *l)
{
    pthread_mutex_lock(&l->lock);
    size_t n = l->released;
    pthread_mutex_unlock(&l->lock);
    return n;
}

static enum progress play_one(struct loopback *l, struct connection *c)
{
    const struct loopback_op *op = &c->script->ops[c->op];
    switch (op->kind) {
    case LOOPBACK_SEND: return send_some(c, op);
    case LOOPBACK_WAIT: return released(l) >= op->times ? GOES_ON : STUCK;
    case LOOPBACK_RESET:
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1},
                   sizeof(struct linger));
        return CLOSED;
    case LOOPBACK_CLOSE: return CLOSED;
    case LOOPBACK_END: break;
    }
    c->script = NULL;
    return GOES_ON;
}

/* Plays until something has to be waited for. False: the connection is gone. */
static bool play(struct loopback *l, struct connection *c)
{
    for (;;) {
        size_t len = c->script == NULL && c->in_len > 0 ? request_len(c->in, c->in_len) : 0;
        if (len > 0)
            take_request(l, c, len);
        if (c->script == NULL)
            return true;
        switch (play_one(l, c)) {
        case GOES_ON: c->op++; break;
        case STUCK: return true;
        case CLOSED: drop(l, c, false); return false;
        }
    }
}

static void accept_one(struct loopback *l)
{
    int fd = accept4(l->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    require(l->connection_count < MAX_CONNECTIONS, "connections");
    l->connections[l->connection_count++] = (struct connection){.fd = fd, .script = l->greeting};
    pthread_mutex_lock(&l->lock);
    l->accepted++;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    play(l, &l->connections[l->connection_count - 1]);
}

static bool wants_to_send(const struct connection *c)
{
    return c->script != NULL && c->script->ops[c->op].kind == LOOPBACK_SEND;
}

static void serve(struct loopback *l, struct connection *c, short events)
{
    if ((events & (POLLIN | POLLHUP | POLLERR)) && !read_some(c)) {
        drop(l, c, true);
        return;
    }
    play(l, c);
}

static bool is_closing(struct loopback *l)
{
    pthread_mutex_lock(&l->lock);
    bool closing = l->closing;
    pthread_mutex_unlock(&l->lock);
    return closing;
}

static void *run(void *arg)
{
    struct loopback *l = arg;
    static _Thread_local struct pollfd fds[MAX_CONNECTIONS + 2];
    while (!is_closing(l)) {
        fds[0] = (struct pollfd){.fd = l->listener, .events = POLLIN};
        fds[1] = (struct pollfd){.fd = l->wake, .events = POLLIN};
        size_t count = l->connection_count;
        for (size_t i = 0; i < count; i++) {
            short events = POLLIN;
            if (wants_to_send(&l->connections[i]))
                events |= POLLOUT;
            fds[i + 2] = (struct pollfd){.fd = l->connections[i].fd, .events = events};
        }
        require(poll(fds, count + 2, -1) >= 0 || errno == EINTR, "poll");
        uint64_t ignored;
        if (fds[1].revents && read(l->wake, &ignored, sizeof ignored) < 0)
            require(errno == EAGAIN, "eventfd");
        for (size_t i = count;
             i-- > 0;) /* backwards: one that is dropped gives its place to a later one */
            serve(l, &l->connections[i], fds[i + 2].revents);
        if (fds[0].revents)
            accept_one(l);
    }
    while (l->connection_count > 0)
        drop(l, &l->connections[0], false);
    return NULL;
}

/* --- the test's side -------------------------------------------------------------------------- */

static struct loopback *new_loopback(int backlog)
{
    struct loopback *l = calloc(1, sizeof *l);
    require(l != NULL, "calloc");
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    l->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    require(l->listener >= 0, "socket");
    require(bind(l->listener, (struct sockaddr *)&address, len) == 0, "bind");
    require(listen(l->listener, backlog) == 0, "listen");
    require(getsockname(l->listener, (struct sockaddr *)&address, &len) == 0, "getsockname");
    l->port = ntohs(address.sin_port);
    l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    require(l->wake >= 0, "eventfd");
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    for (int i = 0; i < DEAF_FILLERS; i++)
        l->fillers[i] = -1;
    return l;
}

struct loopback *loopback_open(const struct loopback_script *scripts, size_t count,
                               const struct loopback_script *greeting)
{
    struct loopback *l = new_loopback(1024);
    l->scripts = scripts;
    l->script_count = count;
    l->greeting = greeting;
    require(pthread_create(&l->thread, NULL, run, l) == 0, "pthread_create");
    l->has_thread = true;
    return l;
}

/* Nobody accepts, and the queue is full: the kernel drops each SYN. */
struct loopback *loopback_open_deaf(void)
{
    struct loopback *l = new_loopback(0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)l->port)};
    for (int i = 0; i < DEAF_FILLERS; i++) {
        l->fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        require(l->fillers[i] >= 0, "socket");
        if (connect(l->fillers[i], (struct sockaddr *)&address, sizeof address) < 0)
            require(errno == EINPROGRESS, "connect");
    }
    return l;
}

static void wake(struct loopback *l)
{
    uint64_t one = 1;
    require(write(l->wake, &one, sizeof one) == sizeof one, "eventfd");
}

void loopback_close(struct loopback *l)
{
    if (l == NULL)
        return;
    pthread_mutex_lock(&l->lock);
    l->closing = true;
    pthread_mutex_unlock(&l->lock);
    wake(l);
    if (l->has_thread)
        pthread_join(l->thread, NULL);
    for (int i = 0; i < DEAF_FILLERS; i++) {
        if (l->fillers[i] >= 0)
            close(l->fillers[i]);
    }
    close(l->listener);
    close(l->wake);
    for (size_t i = 0; i < l->request_count; i++)
        free(l->requests[i].bytes);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

const char *loopback_url(const struct loopback *l, const char *scheme, size_t script)
{
    static _Thread_local char urls[4][64];
    static _Thread_local unsigned turn;
    char *url = urls[turn++ % 4];
    snprintf(url, sizeof urls[0], "%s://127.0.0.1:%u/%zu", scheme, l->port, script);
    return url;
}

void loopback_release(struct loopback *l)
{
    pthread_mutex_lock(&l->lock);
    l->released++;
    pthread_mutex_unlock(&l->lock);
    wake(l);
}

static size_t read_count(struct loopback *l, const size_t *count)
{
    pthread_mutex_lock(&l->lock);
    size_t n = *count;
    pthread_mutex_unlock(&l->lock);
    return n;
}

size_t loopback_accepted(struct loopback *l)
{
    return read_count(l, &l->accepted);
}

size_t loopback_gone(struct loopback *l)
{
    return read_count(l, &l->gone);
}

size_t loopback_requests(struct loopback *l)
{
    return read_count(l, &l->request_count);
}

size_t loopback_requests_of(struct loopback *l, size_t script)
{
    size_t n = 0;
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < l->request_count; i++)
        n += l->requests[i].script == script;
    pthread_mutex_unlock(&l->lock);
    return n;
}

struct str loopback_request(struct loopback *l, size_t index)
{
    pthread_mutex_lock(&l->lock);
    require(index < l->request_count, "a request that has not come");
    struct str s = {l->requests[index].bytes, l->requests[index].len};
    pthread_mutex_unlock(&l->lock);
    return s;
}

static bool await(struct loopback *l, const size_t *count, size_t n)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_MS / 1000;
    pthread_mutex_lock(&l->lock);
    int rc = 0;
    while (*count < n && rc == 0)
        rc = pthread_cond_timedwait(&l->changed, &l->lock, &until);
    bool came = *count >= n;
    pthread_mutex_unlock(&l->lock);
    return came;
}

bool loopback_await_accepted(struct loopback *l, size_t n)
{
    return await(l, &l->accepted, n);
}

bool loopback_await_gone(struct loopback *l, size_t n)
{
    return await(l, &l->gone, n);
}

bool loopback_await_requests(struct loopback *l, size_t n)
{
    return await(l, &l->request_count, n);
}
