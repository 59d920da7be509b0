/* The load generator: N keep-alive connections, each with one request under way, from one thread
 * and epoll.
 *
 *     load --port N [options]         prints key=value lines; `load --help` lists the options
 *
 * Every connection sends its request, reads the answer to its end and sends the next (a closed
 * loop). An answer counts when its status is the expected one, it holds what --ok and --expect ask
 * for, and its framing was right; anything else is an error. Streams are answers in which the
 * --count text is found several times: a token each. Time to first token is from the request's
 * send(2) to the recv(2) that brought the first. Times are as this process sees them.
 *
 * A run is: ramp (connections open evenly over it), warm-up, the window of --seconds in which
 * everything is counted, then an orderly end: no new requests, open answers are read to their end
 * for at most --drain-ms. With --once there is no window: each connection sends one request and all
 * of it is counted; tokens a second are then those between the first and the last one. With --total
 * the window ends with the last of so many answers. With --rate a connection that is done waits for
 * its turn: so many requests a second are sent as long as the answers keep up. CPU time of the
 * --pid processes, and of the --beside ones apart, is read at both edges of the window from their
 * CPU clocks (what /proc/PID/stat shows, in ns). */
#include <signal.h>
#include <sys/epoll.h>

#include "tool.h"

enum {
    READ_BYTES = 64 << 10,
    EVENTS_AT_ONCE = 512,
    HEAD_MAX_BYTES = 64 << 10,
    NEEDLE_MAX_BYTES = 128,
    PIDS_MAX = 64,
    ERRORS_MAX = 2000, /* so many answers wrong: the run is meaningless and ends */
    CATCH_UP_MS = 10,  /* a --rate that could not be kept is not made up for beyond this */
    BITS = 8           /* histogram: 2^BITS steps per power of two, so within 0.4% */
};

/* --- what is asked for ------------------------------------------------------------------------ */

static struct {
    uint16_t port;
    const char *unix_path;
    uint32_t connections, seconds_ms, warmup_ms, ramp_ms, drain_ms;
    bool once;
    char *request;
    size_t request_len;
    uint32_t status;
    const char *count, *ok;
    uint32_t expect; /* tokens in each answer; 0: any */
    uint32_t gap_ms;
    uint32_t total, rate; /* 0: no end, no pace */
    struct pids {
        pid_t at[PIDS_MAX];
        uint32_t count;
    } pids, beside;
} want = {.connections = 1, .seconds_ms = 1000, .drain_ms = 5000, .status = 200};

/* --- a histogram of microseconds -------------------------------------------------------------- */

struct histogram {
    uint64_t steps[(64 - BITS) << BITS];
    uint64_t total, max;
};

static size_t histogram_step(uint64_t us)
{
    if (us < (1U << BITS))
        return (size_t)us;
    unsigned shift = 63 - (unsigned)__builtin_clzll(us) - BITS + 1;
    return ((size_t)shift << (BITS - 1)) + (size_t)(us >> shift);
}

static uint64_t histogram_value(size_t step)
{
    if (step < (1U << BITS))
        return step;
    unsigned shift = (unsigned)(step >> (BITS - 1)) - 1;
    uint64_t top = (step & ((1U << (BITS - 1)) - 1)) + (1U << (BITS - 1));
    return top << shift;
}

static void histogram_add(struct histogram *h, uint64_t ns)
{
    uint64_t us = ns / 1000;
    h->steps[histogram_step(us)]++;
    h->total++;
    h->max = us > h->max ? us : h->max;
}

static uint64_t histogram_at(const struct histogram *h, double quantile)
{
    uint64_t rank = (uint64_t)(quantile * (double)h->total), seen = 0;
    for (size_t i = 0; i < sizeof h->steps / sizeof *h->steps; i++) {
        seen += h->steps[i];
        if (seen > rank)
            return histogram_value(i);
    }
    return h->max;
}

/* --- a text looked for in bytes that come in pieces: Knuth, Morris, Pratt --------------------- */

struct needle {
    const char *text;
    size_t len;
    uint8_t
        back[NEEDLE_MAX_BYTES + 1]; /* how much still matches when the next character does not */
};

static struct needle count_needle, ok_needle;

static void needle_init(struct needle *n, const char *text)
{
    n->text = text;
    n->len = strlen(text);
    if (n->len == 0 || n->len > NEEDLE_MAX_BYTES) {
        fprintf(stderr, "text of 1 to %d bytes wanted: %s\n", NEEDLE_MAX_BYTES, text);
        exit(2);
    }
    uint8_t k = 0;
    for (size_t i = 1; i < n->len; i++) {
        while (k > 0 && text[k] != text[i])
            k = n->back[k];
        if (text[k] == text[i])
            k++;
        n->back[i + 1] = k;
    }
}

/* How often the text ends within these bytes; `*at` keeps the place between pieces. */
static uint32_t needle_count(const struct needle *n, uint8_t *at, const char *bytes, size_t len)
{
    uint32_t found = 0;
    uint8_t k = *at;
    const char *end = bytes + len;
    for (const char *p = bytes; p < end; p++) {
        if (k == 0) {
            p = memchr(p, n->text[0], (size_t)(end - p));
            if (!p)
                break;
        }
        while (k > 0 && n->text[k] != *p)
            k = n->back[k];
        if (n->text[k] == *p)
            k++;
        if (k == n->len) {
            found++;
            k = 0;
        }
    }
    *at = k;
    return found;
}

/* --- connections and counts ------------------------------------------------------------------- */

enum state {
    CLOSED,
    CONNECTING,
    IDLE,
    HEAD,        /* request sent, the answer's head is not complete */
    BODY,        /* `left` bytes of a known length */
    CHUNK_SIZE,  /* reading its digits into `left` */
    CHUNK_EXTRA, /* behind the digits, up to the line's end */
    CHUNK_DATA,  /* `left` bytes of it */
    CHUNK_END,   /* its CR LF */
    TRAILER,     /* after the last chunk, up to an empty line */
    TO_THE_END   /* no length told: the body ends with the connection */
};

struct conn {
    int fd;
    enum state state;
    bool close_after; /* the answer said Connection: close */
    uint8_t count_at, ok_at;
    uint16_t status;
    uint32_t tokens, oks, line_len;
    uint32_t answers;
    uint64_t left;
    uint64_t sent_ns, last_token_ns;
    char *head; /* an incomplete head waits here */
    size_t head_len;
    bool has_turn; /* in the list of those that wait to send */
    struct conn *next_turn;
};

enum failure { FAIL_CONNECT, FAIL_CUT, FAIL_STATUS, FAIL_FRAMING, FAIL_SHORT, FAIL_NOT_OK, FAILS };
static const char *const failure_names[FAILS] = {"connect", "cut",   "status",
                                                 "framing", "short", "not_ok"};

struct counts {
    uint64_t requests, tokens, bytes;
    uint64_t stalls_10x, stalls_100ms;
    uint64_t first_token_ns, last_token_ns;
    struct histogram latency, first_token, gap;
};

static int epoll_fd;
static struct conn *conns;
static uint32_t open_conns, busy_conns, peak_busy, finished_conns, started;
static struct counts in_window, *counts; /* NULL outside of the window */
static uint64_t failures[FAILS], all_failures, reconnects;
static char first_failure[512];
static bool ending;
static uint32_t asked;
static struct conn *turns, **turns_end = &turns;
static uint64_t next_turn_ns;

static void conn_start(struct conn *c);
static void next_request(struct conn *c);

static void set_events(struct conn *c, int op, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = c};
    if (epoll_ctl(epoll_fd, op, c->fd, &e) != 0)
        die("epoll_ctl");
}

static void conn_close(struct conn *c)
{
    if (c->state == CLOSED)
        return;
    if (c->state >= HEAD)
        busy_conns--;
    close(c->fd);
    free(c->head);
    c->head = NULL;
    c->head_len = 0;
    c->state = CLOSED;
    open_conns--;
}

/* The text of the first failure is what a person wants to see: the beginning of the answer, on one
 * line. */
static void conn_fail(struct conn *c, enum failure why, const char *bytes, size_t len)
{
    if (all_failures++ == 0) {
        int n = snprintf(first_failure, sizeof first_failure, "%s (status %u, %u tokens): %.*s",
                         failure_names[why], c->status, c->tokens, len > 300 ? 300 : (int)len,
                         bytes ? bytes : "");
        for (int i = 0; i < n && i < (int)sizeof first_failure - 1; i++)
            first_failure[i] = first_failure[i] < ' ' ? ' ' : first_failure[i];
    }
    failures[why]++;
    bool again = !ending && !want.once && why != FAIL_CONNECT;
    conn_close(c);
    if (again)
        conn_start(c);
    else
        finished_conns++;
}

static void conn_start(struct conn *c)
{
    c->fd =
        socket(want.unix_path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("socket");
    struct sockaddr_in in = loopback(want.port);
    struct sockaddr_un un = unix_address(want.unix_path ? want.unix_path : "");
    const void *to = want.unix_path ? (const void *)&un : (const void *)&in;
    set_nodelay(c->fd);
    open_conns++;
    c->state = CONNECTING;
    if (connect(c->fd, to, want.unix_path ? sizeof un : sizeof in) != 0 && errno != EINPROGRESS) {
        conn_fail(c, FAIL_CONNECT, strerror(errno), strlen(strerror(errno)));
        return;
    }
    set_events(c, EPOLL_CTL_ADD, EPOLLOUT);
}

static void on_connected(struct conn *c)
{
    int error = 0;
    socklen_t len = sizeof error;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error != 0) {
        conn_fail(c, FAIL_CONNECT, strerror(error), strlen(strerror(error)));
        return;
    }
    set_events(c, EPOLL_CTL_MOD, EPOLLIN);
    c->state = IDLE;
    next_request(c);
}

static void send_request(struct conn *c)
{
    c->state = HEAD;
    c->close_after = false;
    c->count_at = c->ok_at = 0;
    c->status = 0;
    c->tokens = c->oks = c->line_len = 0;
    c->left = 0;
    c->head_len = 0;
    busy_conns++;
    peak_busy = busy_conns > peak_busy ? busy_conns : peak_busy;
    c->sent_ns = now_ns();
    ssize_t n = send(c->fd, want.request, want.request_len, MSG_NOSIGNAL);
    if (n != (ssize_t)want.request_len) /* an empty socket buffer takes a request whole */
        conn_fail(c, FAIL_CUT, NULL, 0);
}

/* Sends at once, or when its turn comes; closes where all requests are on their way. */
static void next_request(struct conn *c)
{
    if (want.total && asked == want.total) {
        conn_close(c);
        finished_conns++;
        return;
    }
    if (want.rate == 0) {
        asked++;
        send_request(c);
    } else if (!c->has_turn) {
        c->has_turn = true;
        c->next_turn = NULL;
        *turns_end = c;
        turns_end = &c->next_turn;
    }
}

static void take_turns(uint64_t now)
{
    if (next_turn_ns + CATCH_UP_MS * NS_PER_MS < now)
        next_turn_ns = now - CATCH_UP_MS * NS_PER_MS;
    while (turns && next_turn_ns <= now && !ending) {
        struct conn *c = turns;
        turns = c->next_turn;
        if (!turns)
            turns_end = &turns;
        c->has_turn = false;
        if (c->state != IDLE)
            continue; /* the server closed it while it waited; it comes back when it is open again
                       */
        asked++;
        next_turn_ns += NS_PER_S / want.rate;
        send_request(c);
    }
}

/* --- reading answers -------------------------------------------------------------------------- */

/* An answer is complete; `bytes` are its last ones, for the person who asks why it was not the
 * right one. */
static void on_answer(struct conn *c, uint64_t now, const char *bytes, size_t len)
{
    enum failure wrong = c->status != want.status                  ? FAIL_STATUS
                         : want.ok && c->oks == 0                  ? FAIL_NOT_OK
                         : want.expect && c->tokens != want.expect ? FAIL_SHORT
                                                                   : FAILS;
    if (wrong != FAILS) {
        conn_fail(c, wrong, bytes, len);
        return;
    }
    if (counts) {
        counts->requests++;
        histogram_add(&counts->latency, now - c->sent_ns);
    }
    c->answers++;
    c->state = IDLE;
    busy_conns--;
    if (ending || want.once) {
        conn_close(c);
        finished_conns++;
    } else if (c->close_after) {
        reconnects++;
        conn_close(c);
        conn_start(c);
    } else {
        next_request(c);
    }
}

static void on_token(struct conn *c, uint64_t now)
{
    if (!counts)
        return;
    counts->tokens++;
    if (counts->first_token_ns == 0)
        counts->first_token_ns = now;
    counts->last_token_ns = now;
    if (c->tokens == 0) {
        histogram_add(&counts->first_token, now - c->sent_ns);
        return;
    }
    uint64_t gap = now - c->last_token_ns;
    histogram_add(&counts->gap, gap);
    counts->stalls_10x += want.gap_ms && gap > want.gap_ms * 10 * NS_PER_MS;
    counts->stalls_100ms += gap > (want.gap_ms + 100) * NS_PER_MS;
}

static void on_body(struct conn *c, const char *bytes, size_t len, uint64_t now)
{
    if (counts)
        counts->bytes += len;
    if (want.ok)
        c->oks += needle_count(&ok_needle, &c->ok_at, bytes, len);
    if (!want.count)
        return;
    for (uint32_t n = needle_count(&count_needle, &c->count_at, bytes, len); n > 0; n--) {
        on_token(c, now);
        c->tokens++;
        c->last_token_ns = now;
    }
}

/* One line of the head, without its CR LF; sets what it says about the body. */
static void on_head_line(struct conn *c, const char *line, size_t len)
{
    static const char length[] = "content-length:", coding[] = "transfer-encoding: chunked",
                      closing[] = "connection: close";
    if (len > sizeof length - 1 && strncasecmp(line, length, sizeof length - 1) == 0) {
        c->left = strtoull(line + sizeof length - 1, NULL, 10);
        c->state = BODY;
    } else if (len >= sizeof coding - 1 && strncasecmp(line, coding, sizeof coding - 1) == 0) {
        c->left = 0;
        c->state = CHUNK_SIZE;
    } else if (len >= sizeof closing - 1 && strncasecmp(line, closing, sizeof closing - 1) == 0) {
        c->close_after = true;
    }
}

/* A whole head, its empty line included; false if it is not one of HTTP/1. */
static bool on_head(struct conn *c, const char *head, size_t len)
{
    if (len < 16 || memcmp(head, "HTTP/1.", 7) != 0)
        return false;
    c->status = (uint16_t)strtoul(head + 9, NULL, 10);
    c->state = TO_THE_END;
    const char *end = head + len;
    for (const char *line = head; line < end;) {
        const char *eol = memchr(line, '\n', (size_t)(end - line));
        if (!eol)
            break;
        on_head_line(c, line, (size_t)(eol - line) - (eol > line && eol[-1] == '\r'));
        line = eol + 1;
    }
    if (c->status == 204 || c->status == 304) {
        c->state = BODY;
        c->left = 0;
    }
    return true;
}

/* Takes the head, or keeps its part. Returns how many bytes it used; SIZE_MAX where it is no head.
 */
static size_t feed_head(struct conn *c, const char *bytes, size_t len)
{
    const char *blank = c->head_len == 0 ? memmem(bytes, len, "\r\n\r\n", 4) : NULL;
    if (blank) {
        size_t n = (size_t)(blank + 4 - bytes);
        return on_head(c, bytes, n) ? n : SIZE_MAX;
    }
    if (c->head_len + len > HEAD_MAX_BYTES)
        return SIZE_MAX;
    char *grown = realloc(c->head, c->head_len + len);
    if (!grown)
        die("realloc");
    c->head = grown;
    memcpy(c->head + c->head_len, bytes, len);
    size_t before = c->head_len;
    c->head_len += len;
    blank = memmem(c->head, c->head_len, "\r\n\r\n", 4);
    if (!blank)
        return len;
    size_t n = (size_t)(blank + 4 - c->head);
    return on_head(c, c->head, n) ? n - before : SIZE_MAX;
}

static int hex_value(char ch)
{
    if (ch >= '0' && ch <= '9')
        return ch - '0';
    if ((ch | 32) >= 'a' && (ch | 32) <= 'f')
        return (ch | 32) - 'a' + 10;
    return -1;
}

/* One byte of chunked framing; false where it does not belong there. Sets IDLE when the body is
 * complete. */
static bool feed_framing(struct conn *c, char ch)
{
    int digit;
    switch (c->state) {
    case CHUNK_SIZE:
        digit = hex_value(ch);
        if (digit >= 0)
            c->left = c->left * 16 + (uint64_t)digit;
        else if (ch == '\r' || ch == ';' || ch == ' ')
            c->state = CHUNK_EXTRA;
        else
            return false;
        return true;
    case CHUNK_EXTRA:
        c->line_len = 0;
        if (ch == '\n')
            c->state = c->left > 0 ? CHUNK_DATA : TRAILER;
        return true;
    case CHUNK_END:
        if (ch == '\n')
            c->state = CHUNK_SIZE;
        return ch == '\n' || ch == '\r';
    case TRAILER:
        if (ch == '\n' && c->line_len == 0)
            c->state = IDLE;
        else if (ch == '\n')
            c->line_len = 0;
        else if (ch != '\r')
            c->line_len++;
        return true;
    default: return false;
    }
}

/* A piece of body of at most `left` bytes; returns how many it took. */
static size_t feed_body(struct conn *c, const char *bytes, size_t len, uint64_t now)
{
    size_t n = c->state == TO_THE_END || len < c->left ? len : (size_t)c->left;
    on_body(c, bytes, n, now);
    if (c->state == TO_THE_END)
        return n;
    c->left -= n;
    if (c->left == 0)
        c->state = c->state == CHUNK_DATA ? CHUNK_END : IDLE;
    return n;
}

static void feed(struct conn *c, const char *bytes, size_t len, uint64_t now)
{
    const char *all = bytes;
    size_t all_len = len;
    while (len > 0 || (c->state == BODY && c->left == 0)) {
        size_t n = 1;
        if (c->state == HEAD)
            n = feed_head(c, bytes, len);
        else if (c->state == BODY || c->state == CHUNK_DATA || c->state == TO_THE_END)
            n = feed_body(c, bytes, len, now);
        else if (!feed_framing(c, *bytes))
            n = SIZE_MAX;
        if (n == SIZE_MAX) {
            conn_fail(c, FAIL_FRAMING, all, all_len);
            return;
        }
        bytes += n;
        len -= n;
        if (c->state == IDLE) {
            c->state = HEAD; /* still counted as busy until on_answer */
            if (len > 0)     /* nobody asked for more */
                conn_fail(c, FAIL_FRAMING, all, all_len);
            else
                on_answer(c, now, all, all_len);
            return;
        }
    }
}

static void on_readable(struct conn *c)
{
    static char bytes[READ_BYTES];
    ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    uint64_t now = now_ns();
    if (n > 0) {
        feed(c, bytes, (size_t)n, now);
    } else if (c->state == TO_THE_END && n == 0) {
        c->close_after = true;
        on_answer(c, now, "", 0);
    } else {
        const char *how = n == 0 ? "closed by the server" : strerror(errno);
        conn_fail(c, FAIL_CUT, how, strlen(how));
    }
}

/* --- the run ---------------------------------------------------------------------------------- */

static void handle_events(uint64_t until_ns)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    uint64_t now = now_ns();
    if (turns)
        take_turns(now);
    if (turns && next_turn_ns < until_ns && !ending)
        until_ns = next_turn_ns;
    uint64_t wait = until_ns > now ? until_ns - now : 0;
    struct timespec timeout = {(time_t)(wait / NS_PER_S), (long)(wait % NS_PER_S)};
    int n = epoll_pwait2(epoll_fd, events, EVENTS_AT_ONCE, &timeout, NULL);
    for (int i = 0; i < n; i++) {
        struct conn *c = events[i].data.ptr;
        if (c->state == CONNECTING)
            on_connected(c);
        else if (c->state != CLOSED)
            on_readable(c);
    }
    if (all_failures > ERRORS_MAX) {
        printf("first_error=%s\n", first_failure);
        fprintf(stderr, "too many errors; the first: %s\n", first_failure);
        exit(1);
    }
}

static uint64_t cpu_ns(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) != 0)
        return 0;
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static uint64_t cpu_of_pids_ns(const struct pids *pids)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < pids->count; i++) {
        clockid_t clock;
        if (clock_getcpuclockid(pids->at[i], &clock) == 0)
            sum += cpu_ns(clock);
    }
    return sum;
}

/* Opens the connections evenly over the ramp while the first ones are at work already. */
static void ramp_up(void)
{
    uint64_t begin = now_ns();
    for (started = 0; started < want.connections; started++) {
        uint64_t at = begin + want.ramp_ms * NS_PER_MS * started / want.connections;
        while (want.ramp_ms > 0 && now_ns() < at)
            handle_events(at);
        conn_start(&conns[started]);
        if (started % 64 == 63)
            handle_events(0);
    }
}

static void run_until(uint64_t end_ns)
{
    while (now_ns() < end_ns && finished_conns < want.connections)
        handle_events(end_ns);
}

struct window {
    uint64_t ns, cpu_ns, beside_cpu_ns, own_cpu_ns;
};

static struct window edge(void)
{
    return (struct window){now_ns(), cpu_of_pids_ns(&want.pids), cpu_of_pids_ns(&want.beside),
                           cpu_ns(CLOCK_PROCESS_CPUTIME_ID)};
}

/* With --once the ramp belongs to what is measured. Either way the last edge is where counting
 * ends. */
static struct window run(void)
{
    struct window from, to;
    if (want.once) {
        from = edge();
        counts = &in_window;
        ramp_up();
        run_until(now_ns() + want.seconds_ms * NS_PER_MS);
    } else {
        ramp_up();
        run_until(now_ns() + want.warmup_ms * NS_PER_MS);
        from = edge();
        counts = &in_window;
        run_until(from.ns + want.seconds_ms * NS_PER_MS);
    }
    to = edge();
    counts = NULL;
    ending = true;
    uint64_t give_up = now_ns() + want.drain_ms * NS_PER_MS;
    while (busy_conns > 0 && now_ns() < give_up)
        handle_events(give_up);
    return (struct window){to.ns - from.ns, to.cpu_ns - from.cpu_ns,
                           to.beside_cpu_ns - from.beside_cpu_ns, to.own_cpu_ns - from.own_cpu_ns};
}

static void print_times(const char *name, const struct histogram *h)
{
    if (h->total == 0)
        return;
    printf("%s_p50_us=%lu\n%s_p90_us=%lu\n%s_p99_us=%lu\n%s_max_us=%lu\n", name,
           histogram_at(h, 0.50), name, histogram_at(h, 0.90), name, histogram_at(h, 0.99), name,
           h->max);
}

static void print(struct window w)
{
    double seconds = (double)w.ns / (double)NS_PER_S;
    printf("seconds=%.4f\nrequests=%lu\nrequests_per_s=%.1f\n", seconds, in_window.requests,
           (double)in_window.requests / seconds);
    uint64_t token_ns = in_window.last_token_ns - in_window.first_token_ns;
    if (want.once && token_ns > 0)
        seconds = (double)token_ns / (double)NS_PER_S;
    printf("tokens=%lu\ntokens_per_s=%.1f\nbytes=%lu\n", in_window.tokens,
           (double)in_window.tokens / seconds, in_window.bytes);
    printf("cpu_us=%lu\nbeside_cpu_us=%lu\nown_cpu_us=%lu\n", w.cpu_ns / 1000,
           w.beside_cpu_ns / 1000, w.own_cpu_ns / 1000);
    printf("peak_open=%u\nunfinished=%u\nreconnects=%lu\nerrors=%lu\n", peak_busy, busy_conns,
           reconnects, all_failures);
    for (int i = 0; i < FAILS; i++) {
        if (failures[i])
            printf("errors_%s=%lu\n", failure_names[i], failures[i]);
    }
    if (all_failures)
        printf("first_error=%s\n", first_failure);
    print_times("latency", &in_window.latency);
    print_times("first_token", &in_window.first_token);
    print_times("gap", &in_window.gap);
    if (want.count)
        printf("stalls_10x=%lu\nstalls_100ms=%lu\n", in_window.stalls_10x, in_window.stalls_100ms);
}

/* --- the command line ------------------------------------------------------------------------- */

static const char help[] =
    "load --port N | --unix PATH   where to\n"
    "  --method POST --path / --header 'K: V' .. --body TEXT   the request; Content-Length is added\n"
    "  --connections N             each has one request under way\n"
    "  --ms N --warmup-ms N --ramp-ms N --drain-ms N   the window, before it, and after it\n"
    "  --once 1                    one request each, --ms is the longest it may take\n"
    "  --total N                   so many requests in all, --ms is the longest it may take\n"
    "  --rate N                    at most so many requests a second\n"
    "  --status N                  what an answer must have (200)\n"
    "  --ok TEXT                   an answer without it is an error\n"
    "  --count TEXT                a token is where this stands in the body\n"
    "  --expect N                  tokens in every answer\n"
    "  --gap-ms N                  the pace of the tokens, to tell stalls (> 10 times that, > 100 ms\n"
    "                              more than that)\n"
    "  --pid N .. --beside N ..    processes whose CPU time is measured over the window, in two sums\n";

/* Collects the request: the head grows with each --header, the body comes last. */
static void make_request(const char *method, const char *path, const char *headers,
                         const char *body)
{
    FILE *f = open_memstream(&want.request, &want.request_len);
    if (!f)
        die("open_memstream");
    fprintf(f, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s", method, path, headers);
    if (body[0] != '\0')
        fprintf(f, "Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(body));
    fprintf(f, "\r\n%s", body);
    if (fclose(f) != 0)
        die("fclose");
}

static bool set_number(const char *name, const char *value)
{
    static const struct {
        const char *name;
        uint32_t *to;
    } numbers[] = {{"--connections", &want.connections},
                   {"--ms", &want.seconds_ms},
                   {"--warmup-ms", &want.warmup_ms},
                   {"--ramp-ms", &want.ramp_ms},
                   {"--drain-ms", &want.drain_ms},
                   {"--status", &want.status},
                   {"--expect", &want.expect},
                   {"--gap-ms", &want.gap_ms},
                   {"--total", &want.total},
                   {"--rate", &want.rate}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(name, numbers[i].name) == 0) {
            *numbers[i].to = number(name, value, 100000000);
            return true;
        }
    }
    return false;
}

static void pids_add(struct pids *pids, uint32_t pid)
{
    if (pids->count == PIDS_MAX) {
        fprintf(stderr, "more than %d processes\n", PIDS_MAX);
        exit(2);
    }
    pids->at[pids->count++] = (pid_t)pid;
}

static void read_options(int argc, char **argv)
{
    const char *method = "POST", *path = "/", *body = "";
    char *headers = NULL;
    size_t headers_len = 0;
    FILE *f = open_memstream(&headers, &headers_len);
    if (!f)
        die("open_memstream");
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[++i] : "";
        if (set_number(name, value))
            continue;
        if (strcmp(name, "--port") == 0)
            want.port = (uint16_t)number(name, value, 65535);
        else if (strcmp(name, "--unix") == 0)
            want.unix_path = value;
        else if (strcmp(name, "--method") == 0)
            method = value;
        else if (strcmp(name, "--path") == 0)
            path = value;
        else if (strcmp(name, "--body") == 0)
            body = value;
        else if (strcmp(name, "--header") == 0)
            fprintf(f, "%s\r\n", value);
        else if (strcmp(name, "--once") == 0)
            want.once = number(name, value, 1) == 1;
        else if (strcmp(name, "--count") == 0)
            needle_init(&count_needle, want.count = value);
        else if (strcmp(name, "--ok") == 0)
            needle_init(&ok_needle, want.ok = value);
        else if (strcmp(name, "--pid") == 0)
            pids_add(&want.pids, number(name, value, INT32_MAX));
        else if (strcmp(name, "--beside") == 0)
            pids_add(&want.beside, number(name, value, INT32_MAX));
        else {
            fputs(help, strcmp(name, "--help") == 0 ? stdout : stderr);
            exit(strcmp(name, "--help") == 0 ? 0 : 2);
        }
    }
    if (fclose(f) != 0)
        die("fclose");
    make_request(method, path, headers, body);
    free(headers);
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    raise_files();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    conns = calloc(want.connections, sizeof *conns);
    if (epoll_fd < 0 || !conns)
        die("start");
    print(run());
    return 0;
}
