#include "load/conns.h"

#include <sys/epoll.h>

#include "load/answer.h"
#include "load/options.h"
#include "tool.h"

enum {
    READ_BYTES = 64 << 10,
    EVENTS_AT_ONCE = 512,
    ERRORS_MAX = 2000, /* so many answers wrong: the run is meaningless and ends */
    CATCH_UP_MS = 10   /* a --rate that could not be kept is not made up for beyond this */
};

const char *const failure_names[FAILS] = {"connect", "cut", "status", "framing", "short", "not_ok"};

enum state { CLOSED, CONNECTING, IDLE, BUSY /* its request is sent, the answer not complete */ };

struct conn {
    int fd;
    enum state state;
    struct answer answer;
    uint8_t count_at, ok_at;
    uint32_t tokens, oks;
    uint64_t sent_ns, received_ns, last_token_ns;
    bool has_turn; /* in the list of those that wait to send */
    struct conn *next_turn;
};

static int epoll_fd;
static struct conn *conns;
static struct conns_told told;
static struct tally *tally;
static bool ending;
static uint32_t asked;
static struct conn *turns, **turns_end = &turns;
static uint64_t next_turn_ns;

static void conn_start(struct conn *c);
static void next_request(struct conn *c);

void conns_open(void)
{
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    conns = calloc(want.connections, sizeof *conns);
    if (epoll_fd < 0 || !conns)
        die("start");
}

void conns_count(struct tally *into)
{
    tally = into;
}

void conns_end(void)
{
    ending = true;
}

const struct conns_told *conns_tell(void)
{
    return &told;
}

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
    if (c->state == BUSY)
        told.busy--;
    close(c->fd);
    answer_fini(&c->answer);
    c->state = CLOSED;
}

static void describe_failure(const struct conn *c, enum failure why, const char *bytes, size_t len)
{
    size_t size = sizeof told.first_failure;
    int n =
        snprintf(told.first_failure, size, "%s (status %u, %u tokens): %.*s", failure_names[why],
                 c->answer.status, c->tokens, len > 300 ? 300 : (int)len, bytes ? bytes : "");
    for (int i = 0; i < n && i < (int)size - 1; i++) {
        if (told.first_failure[i] < ' ')
            told.first_failure[i] = ' ';
    }
}

static void conn_fail(struct conn *c, enum failure why, const char *bytes, size_t len)
{
    if (told.all_failures++ == 0)
        describe_failure(c, why, bytes, len);
    told.failures[why]++;
    bool again = !ending && !want.once && why != FAIL_CONNECT;
    conn_close(c);
    if (again)
        conn_start(c);
    else
        told.finished++;
}

/* --- opening and sending ---------------------------------------------------------------------- */

void conns_start(uint32_t index)
{
    conn_start(&conns[index]);
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
    c->state = BUSY;
    answer_begin(&c->answer);
    c->count_at = c->ok_at = 0;
    c->tokens = c->oks = 0;
    told.busy++;
    told.peak_busy = told.busy > told.peak_busy ? told.busy : told.peak_busy;
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
        told.finished++;
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
        if (c->state != IDLE) /* the server closed it meanwhile; it comes back when it is open */
            continue;
        asked++;
        next_turn_ns += NS_PER_S / want.rate;
        send_request(c);
    }
}

/* --- reading answers -------------------------------------------------------------------------- */

static enum failure judge_answer(const struct conn *c)
{
    if (c->answer.status != want.status)
        return FAIL_STATUS;
    if (want.ok && c->oks == 0)
        return FAIL_NOT_OK;
    return want.expect && c->tokens != want.expect ? FAIL_SHORT : FAILS;
}

/* An answer is complete; `bytes` are its last ones, for the person who asks why it was not the
 * right one. */
static void on_answer(struct conn *c, const char *bytes, size_t len)
{
    enum failure wrong = judge_answer(c);
    if (wrong != FAILS) {
        conn_fail(c, wrong, bytes, len);
        return;
    }
    if (tally)
        tally_answer(tally, c->received_ns - c->sent_ns);
    c->state = IDLE;
    told.busy--;
    if (ending || want.once) {
        conn_close(c);
        told.finished++;
    } else if (c->answer.close_after) {
        told.reconnects++;
        conn_close(c);
        conn_start(c);
    } else {
        next_request(c);
    }
}

static void on_token(struct conn *c)
{
    uint64_t now = c->received_ns;
    if (tally && c->tokens == 0)
        tally_first_token(tally, now - c->sent_ns, now);
    else if (tally)
        tally_token(tally, now - c->last_token_ns, now, want.gap_ms);
    c->tokens++;
    c->last_token_ns = now;
}

static void on_body(void *context, const char *bytes, size_t len)
{
    struct conn *c = context;
    if (tally)
        tally->bytes += len;
    if (want.ok)
        c->oks += needle_count(want.ok, &c->ok_at, bytes, len);
    if (!want.count)
        return;
    for (uint32_t n = needle_count(want.count, &c->count_at, bytes, len); n > 0; n--)
        on_token(c);
}

/* The other side has closed, or the connection broke. */
static void on_close(struct conn *c, const char *how)
{
    if (c->state == BUSY && c->answer.state == ANSWER_TO_THE_END && how == NULL) {
        c->answer.close_after = true;
        on_answer(c, "", 0);
        return;
    }
    if (how == NULL)
        how = "closed by the server";
    conn_fail(c, FAIL_CUT, how, strlen(how));
}

static void on_bytes(struct conn *c, const char *bytes, size_t len)
{
    enum answer_state state = c->state == BUSY ? answer_feed(&c->answer, bytes, len, on_body, c)
                                               : ANSWER_WRONG; /* nobody asked */
    if (state == ANSWER_WRONG)
        conn_fail(c, FAIL_FRAMING, bytes, len);
    else if (state == ANSWER_COMPLETE)
        on_answer(c, bytes, len);
}

static void on_readable(struct conn *c)
{
    static char bytes[READ_BYTES];
    ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    c->received_ns = now_ns();
    if (n > 0)
        on_bytes(c, bytes, (size_t)n);
    else
        on_close(c, n == 0 ? NULL : strerror(errno));
}

/* --- a turn ----------------------------------------------------------------------------------- */

static void give_up(void)
{
    printf("first_error=%s\n", told.first_failure);
    fprintf(stderr, "too many errors; the first: %s\n", told.first_failure);
    exit(1);
}

void conns_handle(uint64_t until_ns)
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
    if (told.all_failures > ERRORS_MAX)
        give_up();
}
