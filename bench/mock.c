/* An upstream that answers at once: OpenAI chat completions, JSON or streamed, from one thread and
 * epoll.
 *
 *     mock [--port N | --unix PATH] [--tokens 100] [--gap-ms 1] [--delay-ms 0]
 *
 * What a request gets can be chosen by its address, so that a base_url selects it:
 * /t100/g10/d1000/v1/chat/completions or ?t=100&g=10&d=1000 mean 100 tokens, one each 10 ms, the
 * first after 1 s. A token is one send(2): where the mock falls behind (more is asked than the
 * machine can do) the stream gets slower, it does not catch up in big pieces. On SIGTERM it prints
 * what it served and ends. */
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>

#include "tool.h"

enum {
    IN_FIRST_BYTES = 4096,
    IN_MAX_BYTES = 8 << 20,
    OUT_PAUSE_BYTES =
        256 << 10, /* a reader that is so far behind gets no more tokens until it has read */
    EVENTS_AT_ONCE = 512
};

#define JSON_BODY                                                                                  \
    "{\"id\":\"chatcmpl-bench00000000000000000001\",\"object\":\"chat.completion\","               \
    "\"created\":1700000000,\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{"               \
    "\"role\":\"assistant\",\"content\":\"Hello there, how are you doing on this fine day?\"},"    \
    "\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":12,"              \
    "\"completion_tokens\":11,\"total_tokens\":23},\"system_fingerprint\":\"fp_bench000\"}"
_Static_assert(sizeof JSON_BODY - 1 == 363, "the size that other gateways' mocks answer with");

#define JSON_ANSWER                                                                                \
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 363\r\n\r\n" JSON_BODY
#define GET_ANSWER                                                                                 \
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n"              \
    "{\"status\":\"ok\"}"
#define BAD_ANSWER "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
#define STREAM_HEAD                                                                                \
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"            \
    "Transfer-Encoding: chunked\r\n\r\n"

#define FRAME(choices, rest)                                                                       \
    "data: {\"id\":\"chatcmpl-bench00000000000000000001\",\"object\":\"chat.completion.chunk\","   \
    "\"created\":1700000000,\"model\":\"m\",\"choices\":[" choices "]" rest "}\n\n"
#define FRAME_FIRST                                                                                \
    FRAME("{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hello \"},"                \
          "\"finish_reason\":null}",                                                               \
          "")
#define FRAME_TOKEN                                                                                \
    FRAME("{\"index\":0,\"delta\":{\"content\":\"token \"},\"finish_reason\":null}", "")
#define FRAME_STOP FRAME("{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}", "")
#define FRAME_USAGE                                                                                \
    FRAME("", ",\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":%u,\"total_tokens\":%u}")

struct behaviour {
    uint32_t tokens;
    uint32_t gap_ms;
    uint32_t delay_ms;
};

enum phase {
    READING, /* waits for a whole request */
    DELAYED, /* its JSON answer is due later */
    STREAMING
};

struct conn {
    int fd;
    enum phase phase;
    struct behaviour how; /* of the request that is being answered */
    bool wants_usage;
    bool gone; /* ends at the next chance */
    uint32_t tokens_sent;
    char *in; /* bytes of requests not answered yet; those behind the first wait (pipelining) */
    size_t in_len, in_cap;
    char *out; /* what the socket did not take yet */
    size_t out_len, out_cap;
    uint64_t due_ns;
    size_t heap_at; /* index in the heap of timers from 1; 0: not in it */
};

static struct behaviour defaults = {.tokens = 100, .gap_ms = 1, .delay_ms = 0};
static int epoll_fd, listen_fd;
static volatile sig_atomic_t stopped;
static struct {
    uint64_t connections, requests, streams, tokens;
} count;

static char chunk_first[512], chunk_token[512];
static size_t chunk_first_len, chunk_token_len;

/* --- timers: a binary heap by due time -------------------------------------------------------- */

static struct conn **heap;
static size_t heap_len, heap_cap;

static void heap_put(size_t at, struct conn *c)
{
    heap[at] = c;
    c->heap_at = at;
}

static void heap_up(size_t at, struct conn *c)
{
    while (at > 1 && heap[at / 2]->due_ns > c->due_ns) {
        heap_put(at, heap[at / 2]);
        at /= 2;
    }
    heap_put(at, c);
}

static void heap_down(size_t at, struct conn *c)
{
    for (size_t child; (child = at * 2) <= heap_len; at = child) {
        if (child < heap_len && heap[child + 1]->due_ns < heap[child]->due_ns)
            child++;
        if (heap[child]->due_ns >= c->due_ns)
            break;
        heap_put(at, heap[child]);
    }
    heap_put(at, c);
}

static void timer_stop(struct conn *c)
{
    size_t at = c->heap_at;
    if (at == 0)
        return;
    c->heap_at = 0;
    struct conn *last = heap[heap_len--];
    if (last == c)
        return;
    if (at > 1 && heap[at / 2]->due_ns > last->due_ns)
        heap_up(at, last);
    else
        heap_down(at, last);
}

static void timer_start(struct conn *c, uint64_t due_ns)
{
    timer_stop(c);
    c->due_ns = due_ns;
    if (heap_len + 2 > heap_cap) {
        heap_cap = heap_cap ? heap_cap * 2 : 1024;
        heap = realloc(heap, heap_cap * sizeof *heap);
        if (!heap)
            die("realloc");
    }
    heap_up(++heap_len, c);
}

/* --- writing ---------------------------------------------------------------------------------- */

static void grow(char **at, size_t *cap, size_t need)
{
    if (need <= *cap)
        return;
    size_t to = *cap ? *cap : IN_FIRST_BYTES;
    while (to < need)
        to *= 2;
    *at = realloc(*at, to);
    if (!*at)
        die("realloc");
    *cap = to;
}

static void say(struct conn *c, const void *bytes, size_t n)
{
    size_t done = 0;
    if (c->out_len == 0) {
        ssize_t w = send(c->fd, bytes, n, MSG_NOSIGNAL);
        if (w < 0 && errno != EAGAIN)
            c->gone = true;
        done = w > 0 ? (size_t)w : 0;
    }
    if (c->gone || done == n)
        return;
    grow(&c->out, &c->out_cap, c->out_len + n - done);
    memcpy(c->out + c->out_len, (const char *)bytes + done, n - done);
    c->out_len += n - done;
}

static void on_writable(struct conn *c)
{
    if (c->out_len == 0)
        return;
    ssize_t w = send(c->fd, c->out, c->out_len, MSG_NOSIGNAL);
    if (w < 0) {
        c->gone = errno != EAGAIN;
        return;
    }
    c->out_len -= (size_t)w;
    memmove(c->out, c->out + w, c->out_len);
}

static size_t make_chunk(char *to, size_t size, const char *payload)
{
    int n = snprintf(to, size, "%zx\r\n%s\r\n", strlen(payload), payload);
    if (n < 0 || (size_t)n >= size)
        abort();
    return (size_t)n;
}

static void say_token(struct conn *c)
{
    if (c->tokens_sent > 0) {
        say(c, chunk_token, chunk_token_len);
    } else {
        char first[1024];
        memcpy(first, STREAM_HEAD, sizeof STREAM_HEAD - 1);
        memcpy(first + sizeof STREAM_HEAD - 1, chunk_first, chunk_first_len);
        say(c, first, sizeof STREAM_HEAD - 1 + chunk_first_len);
    }
    c->tokens_sent++;
    count.tokens++;
}

static void say_end(struct conn *c)
{
    char payload[1024] = FRAME_STOP;
    size_t n = sizeof FRAME_STOP - 1;
    if (c->wants_usage)
        n += (size_t)snprintf(payload + n, sizeof payload - n, FRAME_USAGE, c->how.tokens,
                              c->how.tokens + 12);
    (void)snprintf(payload + n, sizeof payload - n, "data: [DONE]\n\n");
    char tail[1200];
    size_t len = make_chunk(tail, sizeof tail - 5, payload);
    memcpy(tail + len, "0\r\n\r\n", 5);
    if (c->tokens_sent == 0)
        say(c, STREAM_HEAD, sizeof STREAM_HEAD - 1);
    say(c, tail, len + 5);
}

/* --- requests --------------------------------------------------------------------------------- */

/* "100/..." after a letter of the path, or "100&..." of the query. */
static void behaviour_set(struct behaviour *how, char letter, const char *digits)
{
    uint32_t n = (uint32_t)strtoul(digits, NULL, 10);
    switch (letter) {
    case 't': how->tokens = n; break;
    case 'g': how->gap_ms = n; break;
    case 'd': how->delay_ms = n; break;
    default: break;
    }
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Stops at the first space, which the caller knows to be there. */
static struct behaviour behaviour_of(const char *path)
{
    struct behaviour how = defaults;
    for (const char *p = path; *p != ' ' && *p != '\r'; p++) {
        bool in_path = *p == '/' && is_digit(p[2]);
        bool in_query = (*p == '?' || *p == '&') && p[2] == '=' && is_digit(p[3]);
        if (in_path || in_query)
            behaviour_set(&how, p[1], p + (in_path ? 2 : 3));
    }
    return how;
}

/* Does the body hold the member `name` (with its quotes) with the value true? */
static bool body_says(const char *body, size_t len, const char *name)
{
    const char *end = body + len;
    const char *p = memmem(body, len, name, strlen(name));
    if (!p)
        return false;
    for (p += strlen(name); p < end && (*p == ' ' || *p == ':'); p++)
        continue;
    return end - p >= 4 && memcmp(p, "true", 4) == 0;
}

/* The value of Content-Length in a head that ends with an empty line; 0 where there is none. */
static size_t content_length(const char *head, const char *end)
{
    static const char name[] = "content-length:";
    for (const char *p = head; p < end; p++) {
        p = memchr(p, '\n', (size_t)(end - p));
        if (!p)
            return 0;
        if (end - p > (ptrdiff_t)sizeof name && strncasecmp(p + 1, name, sizeof name - 1) == 0)
            return strtoul(p + sizeof name, NULL, 10);
    }
    return 0;
}

static void answer_post(struct conn *c, const char *path, const char *body, size_t body_len)
{
    c->how = behaviour_of(path);
    if (!body_says(body, body_len, "\"stream\"")) {
        if (c->how.delay_ms == 0) {
            say(c, JSON_ANSWER, sizeof JSON_ANSWER - 1);
            return;
        }
        c->phase = DELAYED;
    } else {
        c->phase = STREAMING;
        c->tokens_sent = 0;
        c->wants_usage = body_says(body, body_len, "\"include_usage\"");
        count.streams++;
    }
    timer_start(c, now_ns() + c->how.delay_ms * NS_PER_MS);
}

static void refuse(struct conn *c)
{
    say(c, BAD_ANSWER, sizeof BAD_ANSWER - 1);
    c->gone = true;
}

/* Answers the first request of the input if it is there whole; false if not. */
static bool take_request(struct conn *c)
{
    if (c->in_len == 0)
        return false;
    const char *blank = memmem(c->in, c->in_len, "\r\n\r\n", 4);
    if (!blank)
        return false;
    const char *body = blank + 4;
    size_t body_len = content_length(c->in, blank + 2);
    size_t head_len = (size_t)(body - c->in);
    if (body_len > IN_MAX_BYTES) {
        refuse(c);
        return false;
    }
    if (c->in_len - head_len < body_len)
        return false;

    count.requests++;
    if (memcmp(c->in, "POST /", 6) == 0)
        answer_post(c, c->in + 5, body, body_len);
    else if (memcmp(c->in, "GET /", 5) == 0)
        say(c, GET_ANSWER, sizeof GET_ANSWER - 1);
    else
        refuse(c);
    c->in_len -= head_len + body_len;
    memmove(c->in, c->in + head_len + body_len, c->in_len);
    return true;
}

static void answer_what_is_there(struct conn *c)
{
    while (c->phase == READING && !c->gone && take_request(c))
        continue;
}

static void on_readable(struct conn *c)
{
    for (;;) {
        if (c->in_len >= IN_MAX_BYTES) {
            c->gone = true;
            return;
        }
        grow(&c->in, &c->in_cap, c->in_len + IN_FIRST_BYTES / 2);
        size_t room = c->in_cap - c->in_len;
        ssize_t n = recv(c->fd, c->in + c->in_len, room, 0);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0) {
            c->gone = true;
            return;
        }
        c->in_len += (size_t)n;
        if ((size_t)n < room)
            break; /* all of it: with edge-triggered epoll the next byte is a new event */
    }
    answer_what_is_there(c);
}

/* --- life of a connection --------------------------------------------------------------------- */

static void conn_close(struct conn *c)
{
    timer_stop(c);
    close(c->fd);
    free(c->in);
    free(c->out);
    free(c);
}

static void on_accept(void)
{
    for (;;) {
        int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        set_nodelay(fd);
        struct conn *c = calloc(1, sizeof *c);
        if (!c)
            die("calloc");
        c->fd = fd;
        struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) != 0)
            die("epoll_ctl");
        count.connections++;
    }
}

static void on_event(struct conn *c, uint32_t events)
{
    if (events & EPOLLOUT)
        on_writable(c);
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP))
        on_readable(c);
    if (c->gone)
        conn_close(c);
}

static void on_due(struct conn *c, uint64_t now)
{
    uint64_t next = c->due_ns + c->how.gap_ms * NS_PER_MS;
    timer_stop(c);
    if (c->phase == DELAYED) {
        c->phase = READING;
        say(c, JSON_ANSWER, sizeof JSON_ANSWER - 1);
    } else if (c->tokens_sent < c->how.tokens) {
        if (c->out_len < OUT_PAUSE_BYTES)
            say_token(c);
        timer_start(c, next > now ? next : now + 1); /* late: slide; once in a pass at most */
    } else {
        say_end(c);
        c->phase = READING;
    }
    answer_what_is_there(c);
    if (c->gone)
        conn_close(c);
}

static void on_signal(int signal_number)
{
    (void)signal_number;
    stopped = 1;
}

static void run(void)
{
    sigset_t stop_signals, none;
    sigemptyset(&stop_signals);
    sigaddset(&stop_signals, SIGTERM);
    sigaddset(&stop_signals, SIGINT);
    sigprocmask(SIG_BLOCK, &stop_signals, &none); /* they arrive inside epoll_pwait2 only */
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);

    struct epoll_event events[EVENTS_AT_ONCE];
    while (!stopped) {
        uint64_t now = now_ns();
        uint64_t wait = heap_len == 0 ? 0 : heap[1]->due_ns > now ? heap[1]->due_ns - now : 0;
        struct timespec timeout = {(time_t)(wait / NS_PER_S), (long)(wait % NS_PER_S)};
        int n = epoll_pwait2(epoll_fd, events, EVENTS_AT_ONCE, heap_len ? &timeout : NULL, &none);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr)
                on_event(events[i].data.ptr, events[i].events);
            else
                on_accept();
        }
        for (now = now_ns(); heap_len > 0 && heap[1]->due_ns <= now;)
            on_due(heap[1], now);
    }
}

int main(int argc, char **argv)
{
    uint16_t port = 0;
    const char *unix_path = NULL;
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[++i] : "";
        if (strcmp(name, "--port") == 0)
            port = (uint16_t)number(name, value, 65535);
        else if (strcmp(name, "--unix") == 0)
            unix_path = value;
        else if (strcmp(name, "--tokens") == 0)
            defaults.tokens = number(name, value, 1000000);
        else if (strcmp(name, "--gap-ms") == 0)
            defaults.gap_ms = number(name, value, 3600000);
        else if (strcmp(name, "--delay-ms") == 0)
            defaults.delay_ms = number(name, value, 3600000);
        else
            return fprintf(stderr, "unknown option: %s\n", name), 2;
    }
    raise_files();
    chunk_first_len = make_chunk(chunk_first, sizeof chunk_first, FRAME_FIRST);
    chunk_token_len = make_chunk(chunk_token, sizeof chunk_token, FRAME_TOKEN);

    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        die("epoll_create1");
    listen_fd = listen_on(port, unix_path);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listen_fd, &e) != 0)
        die("epoll_ctl");
    run();
    printf("connections=%lu requests=%lu streams=%lu tokens=%lu\n", count.connections,
           count.requests, count.streams, count.tokens);
    return 0;
}
