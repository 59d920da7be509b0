/* The scripted upstream: a stand-in for LLM and HTTP providers whose misbehaviour is chosen per
 * request.
 *
 *   upstream [--port N] [--stdin] [--help]
 *
 * Prints one line of JSON with its ports, then serves until SIGTERM (with --stdin also until its
 * standard input ends, so that it never outlives a killed test). What a request gets is written in
 * its path or message: upstream/behaviour.h. One thread, epoll, no libraries. Every request is kept
 * in a journal (upstream/journal.h), which is the judge of the tests.
 *
 *   POST [/b/SPEC]/v1/chat/completions      OpenAI-compatible, JSON or stream
 *   ANY  [/b/SPEC]/echo[/...]               the request as JSON
 *   POST [/b/SPEC]/poll/start?polls=K&ms=T&fail=0|1, GET /poll/status/ID, POST /poll/cancel/ID
 *   GET  /control/stats, /control/log?after=N&run=ID
 *   POST /control/reset, /control/close_idle, /control/name/NAME (the body is a SPEC, for
 * /b/@NAME/), /control/gate/NAME?n=K|open=1|open=0 (lets K held requests go, opens, shuts)
 *
 * Ports beside the main one, for what must happen before a path is read: `hang` accepts and is
 * silent, `reset` and `close` do that at accept, `refused` refuses, `blackhole` never answers a
 * SYN. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "upstream/behaviour.h"
#include "upstream/http.h"
#include "upstream/journal.h"
#include "upstream/script.h"
#include "upstream/text.h"

enum source { LISTENER, CONNECTION, STDIN };
enum at_accept { SERVE, ACCEPT_HANG, ACCEPT_RESET, ACCEPT_CLOSE };
enum { BURST_BYTES = 256 << 10, NAMES = 64, JOBS = 4096 };

struct listener {
    enum source source; /* first, as in struct conn: epoll hands out either */
    int fd;
    enum at_accept does;
};

struct conn {
    enum source source;
    int fd;
    uint64_t id;
    uint64_t requests;
    struct conn *next;
    struct conn *prev;
    struct buf in;
    bool is_control;
    bool is_dead;      /* closed; its memory goes when the batch of epoll events is through */
    bool is_busy;      /* a response is being played */
    bool is_held;      /* at a gate */
    bool wants_output; /* EPOLLOUT is on */
    bool said_continue;
    bool keep_alive;
    struct script script;
    size_t step;
    size_t step_sent;
    size_t sent;
    uint64_t n; /* of the request in the journal */
    char *spec; /* the names it is counted under */
    char *key;
    char *run;
    uint64_t due_us;
    size_t heap_at; /* place in the timer heap + 1, 0: no timer */
};

struct named {
    char *name;
    char *spec;
};

struct gate {
    char *name;
    bool is_open;
};

struct job {
    uint64_t id;
    int64_t polls_left;
    uint64_t done_us;
    bool fails;
    bool is_cancelled;
};

static struct {
    int epoll;
    struct conn *conns;
    struct conn *dead;
    uint64_t last_conn;
    uint64_t open; /* connections, those of the control left out */
    uint64_t max_open;
    struct conn **heap;
    size_t heap_count;
    size_t heap_cap;
    struct named names[NAMES];
    struct gate gates[NAMES];
    struct job jobs[JOBS];
    uint64_t last_job;
    uint64_t jobs_cancelled;
    uint64_t now_us;
} up;

static struct journal journal;
static volatile sig_atomic_t stopped;

static void play(struct conn *c);
static void read_requests(struct conn *c);

/* --- timers: a heap by due time --------------------------------------------------------------- */

static void heap_put(size_t i, struct conn *c)
{
    up.heap[i] = c;
    c->heap_at = i + 1;
}

static void heap_up(size_t i)
{
    struct conn *c = up.heap[i];
    for (; i > 0 && up.heap[(i - 1) / 2]->due_us > c->due_us; i = (i - 1) / 2)
        heap_put(i, up.heap[(i - 1) / 2]);
    heap_put(i, c);
}

static void heap_down(size_t i)
{
    struct conn *c = up.heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < up.heap_count && up.heap[child + 1]->due_us < up.heap[child]->due_us)
            child++;
        if (child >= up.heap_count || up.heap[child]->due_us >= c->due_us)
            break;
        heap_put(i, up.heap[child]);
        i = child;
    }
    heap_put(i, c);
}

static void timer_stop(struct conn *c)
{
    if (c->heap_at == 0)
        return;
    size_t i = c->heap_at - 1;
    c->heap_at = 0;
    struct conn *last = up.heap[--up.heap_count];
    if (last == c)
        return;
    heap_put(i, last);
    heap_up(i);
    heap_down(last->heap_at - 1);
}

static void timer_start(struct conn *c, uint64_t due_us)
{
    timer_stop(c);
    if (up.heap_count == up.heap_cap) {
        up.heap_cap = up.heap_cap ? up.heap_cap * 2 : 1024;
        up.heap = must(realloc(up.heap, up.heap_cap * sizeof(struct conn *)));
    }
    c->due_us = due_us;
    up.heap_count++;
    heap_put(up.heap_count - 1, c);
    heap_up(up.heap_count - 1);
}

static int next_timeout_ms(void)
{
    if (up.heap_count == 0)
        return -1;
    uint64_t due = up.heap[0]->due_us, now = now_us();
    return due <= now ? 0 : (int)((due - now + 999) / 1000);
}

/* --- connections ------------------------------------------------------------------------------ */

static void conn_watch(struct conn *c, bool wants_output)
{
    if (c->wants_output == wants_output)
        return;
    c->wants_output = wants_output;
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | (wants_output ? EPOLLOUT : 0u),
                                .data.ptr = c};
    epoll_ctl(up.epoll, EPOLL_CTL_MOD, c->fd, &event);
}

static void response_drop(struct conn *c)
{
    c->is_busy = c->is_held = false;
    timer_stop(c);
    script_free(&c->script);
    free(c->spec);
    free(c->key);
    free(c->run);
    c->spec = c->key = c->run = NULL;
    c->n = 0;
    c->step = c->step_sent = c->sent = 0;
}

/* The response is over: whole, cut by us, or left by the peer. */
static void response_end(struct conn *c, const char *end)
{
    struct entry *e = journal_find(&journal, c->n);
    bool by_peer = strcmp(end, "closed_by_peer") == 0;
    if (e != NULL) {
        e->end = end;
        e->ended_us = now_us();
        e->closed_by_peer_us = by_peer ? e->ended_us : 0;
    }
    if (by_peer && c->n != 0) {
        journal.closed_by_peer++;
        journal.last_closed_by_peer_us = now_us();
    }
    if (c->n != 0)
        journal_end(&journal, c->spec, c->key, c->run);
    response_drop(c);
}

static void conn_close(struct conn *c, bool with_reset)
{
    if (c->is_dead)
        return;
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    if (with_reset)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(c->fd);
    if (c->is_busy)
        response_end(c, with_reset ? "reset" : "closed");
    response_drop(c);
    buf_free(&c->in);
    up.open -= !c->is_control;
    *(c->prev ? &c->prev->next : &up.conns) = c->next;
    if (c->next)
        c->next->prev = c->prev;
    c->is_dead = true;
    c->next = up.dead;
    up.dead = c;
}

static void reap_dead(void)
{
    while (up.dead != NULL) {
        struct conn *c = up.dead;
        up.dead = c->next;
        free(c);
    }
}

static void accept_one(struct listener *l, int fd)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    int on = 1;
    if (l->does == ACCEPT_RESET)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    if (l->does == ACCEPT_RESET || l->does == ACCEPT_CLOSE) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct conn *c = must(calloc(1, sizeof *c));
    c->source = CONNECTION;
    c->fd = fd;
    c->id = ++up.last_conn;
    c->is_held =
        l->does == ACCEPT_HANG; /* held, but busy with nothing: its input is never parsed */
    c->next = up.conns;
    if (up.conns)
        up.conns->prev = c;
    up.conns = c;
    if (++up.open > up.max_open)
        up.max_open = up.open;
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = c};
    if (epoll_ctl(up.epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        die("epoll_ctl: %s", strerror(errno));
}

static void on_accept(struct listener *l)
{
    for (int i = 0; i < 256; i++) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE)
                die("out of descriptors with %llu connections", (unsigned long long)up.open);
            return;
        }
        accept_one(l, fd);
    }
}

/* --- playing a response ----------------------------------------------------------------------- */

static void do_fault(struct conn *c, int fault)
{
    struct entry *e = journal_find(&journal, c->n);
    if (fault == HANG) {
        if (e != NULL)
            e->end = "hangs";
        conn_watch(c, false);
    } else {
        conn_close(c, fault == RESET);
    }
}

static void note_sent(struct conn *c, bool is_token, size_t n)
{
    struct entry *e = journal_find(&journal, c->n);
    c->sent += n;
    if (e == NULL)
        return;
    uint64_t now = now_us();
    if (e->first_byte_us == 0)
        e->first_byte_us = now;
    e->last_byte_us = now;
    e->sent = c->sent;
    if (is_token && c->step_sent == 0)
        entry_token(e, now);
}

/* Sends what the cut, the drip and the socket allow of these bytes. False where the play pauses (or
 * has ended) here. */
static bool send_some(struct conn *c, const struct step *s, size_t *ret_n)
{
    const struct script *script = &c->script;
    size_t n = s->len - c->step_sent;
    if (script->cut >= 0 && n > (size_t)script->cut - c->sent)
        n = (size_t)script->cut - c->sent;
    if (script->drip_ms > 0 && n > 1)
        n = 1;
    ssize_t sent = send(c->fd, script->bytes.data + s->off + c->step_sent, n, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno == EAGAIN || errno == EINTR) {
            conn_watch(c, true);
        } else {
            response_end(c, "closed_by_peer");
            conn_close(c, false);
        }
        return false;
    }
    note_sent(c, s->is_token, (size_t)sent);
    c->step_sent += (size_t)sent;
    *ret_n = (size_t)sent;
    if (script->drip_ms > 0) {
        timer_start(c, now_us() + (uint64_t)script->drip_ms * 1000);
        return false;
    }
    return true;
}

static struct gate *gate_get(const char *name)
{
    for (size_t i = 0; i < NAMES; i++) {
        struct gate *g = &up.gates[i];
        if (g->name == NULL)
            g->name = slice_copy(slice_of(name));
        if (strcmp(g->name, name) == 0)
            return g;
    }
    die("more than %d gates", NAMES);
}

static void finish(struct conn *c)
{
    bool keep = c->keep_alive && !c->script.close_after;
    response_end(c, "done");
    conn_watch(c, false);
    if (!keep)
        conn_close(c, false);
}

/* One step: true if the next may follow at once. */
static bool play_step(struct conn *c, const struct step *s, size_t *burst)
{
    size_t n = 0;
    switch (s->kind) {
    case SEND:
    case REPEAT:
        if (c->step_sent < s->len && !send_some(c, s, &n))
            return false;
        *burst += n;
        if (c->step_sent < s->len)
            return true;
        c->step_sent = 0;
        if (s->kind == SEND) {
            c->step++;
            return true;
        }
        if (s->n > 0 || *burst > BURST_BYTES) { /* others have their turn too */
            timer_start(c, now_us() + (uint64_t)s->n * 1000);
            return false;
        }
        return true;
    case WAIT:
        c->step++;
        timer_start(c, now_us() + (uint64_t)s->n * 1000);
        return false;
    case GATE:
        if (!gate_get(c->script.gate)->is_open) {
            c->is_held = true;
            return false;
        }
        c->step++;
        return true;
    case FAULT: do_fault(c, (int)s->n); return false;
    }
    return false;
}

static void play(struct conn *c)
{
    size_t burst = 0;
    for (;;) {
        if (c->script.cut >= 0 && c->sent >= (size_t)c->script.cut) {
            do_fault(c, c->script.cut_fault);
            return;
        }
        if (c->step == c->script.count) {
            finish(c);
            return;
        }
        if (!play_step(c, &c->script.steps[c->step], &burst))
            return;
    }
}

/* Lets up to `limit` held requests of a gate go on. */
static void gate_release(const char *name, int64_t limit)
{
    struct conn *oldest = up.conns, *prev;
    while (oldest != NULL && oldest->next != NULL)
        oldest = oldest->next;
    for (struct conn *c = oldest; c != NULL && limit > 0; c = prev) {
        prev = c->prev; /* playing may close c, never another */
        if (!c->is_busy || !c->is_held || strcmp(c->script.gate, name) != 0)
            continue;
        c->is_held = false;
        c->step++;
        limit--;
        play(c);
        if (!c->is_dead && !c->is_busy)
            read_requests(c);
    }
}

/* --- control ---------------------------------------------------------------------------------- */

static uint64_t count_held(void)
{
    uint64_t n = 0;
    for (const struct conn *c = up.conns; c != NULL; c = c->next)
        n += c->is_busy && c->is_held;
    return n;
}

static void write_stats(struct buf *out)
{
    buf_addf(out, "{\"requests\": %llu, \"active\": %llu, \"max_active\": %llu, \"held\": %llu,\n",
             (unsigned long long)journal.requests, (unsigned long long)journal.active,
             (unsigned long long)journal.max_active, (unsigned long long)count_held());
    buf_addf(
        out,
        " \"open\": %llu, \"max_open\": %llu, \"connections\": %llu, \"unknown\": %llu, \"continues\": %llu,\n",
        (unsigned long long)up.open, (unsigned long long)up.max_open,
        (unsigned long long)up.last_conn, (unsigned long long)journal.unknown,
        (unsigned long long)journal.continues);
    buf_addf(out, " \"closed_by_peer\": %llu, \"jobs\": %llu, \"jobs_cancelled\": %llu",
             (unsigned long long)journal.closed_by_peer, (unsigned long long)up.last_job,
             (unsigned long long)up.jobs_cancelled);
    write_ms(out, "last_closed_by_peer_ms", journal.last_closed_by_peer_us);
    write_ms(out, "now_ms", now_us());
    buf_adds(out, ",\n \"by_behaviour\": ");
    counters_write(&journal.by_behaviour, out);
    buf_adds(out, ",\n \"by_key\": ");
    counters_write(&journal.by_key, out);
    buf_adds(out, ",\n \"by_run\": ");
    counters_write(&journal.by_run, out);
    buf_adds(out, "}\n");
}

static void close_idle(void)
{
    struct conn *next;
    for (struct conn *c = up.conns; c != NULL; c = next) {
        next = c->next;
        if (!c->is_busy && !c->is_held && !c->is_control && c->requests > 0)
            conn_close(c, false);
    }
}

static void control_reset(void)
{
    journal_reset(&journal);
    up.max_open = up.open;
    up.jobs_cancelled = 0;
    for (size_t i = 0; i < NAMES; i++) {
        free(up.gates[i].name);
        free(up.names[i].name);
        free(up.names[i].spec);
        up.gates[i] = (struct gate){0};
        up.names[i] = (struct named){0};
    }
}

static void control_gate(struct slice name, struct slice query)
{
    char *text = slice_copy(name);
    int64_t n = query_int(query, "n", -1);
    if (n < 0) {
        bool is_open = query_int(query, "open", 1) != 0;
        gate_get(text)->is_open = is_open;
        n = is_open ? INT64_MAX : 0;
    }
    gate_release(text, n);
    free(text);
}

static bool control_name(struct slice name, struct slice spec)
{
    struct behaviour b;
    if (!behaviour_parse(spec, &b))
        return false;
    behaviour_free(&b);
    for (size_t i = 0; i < NAMES; i++) {
        struct named *slot = &up.names[i];
        if (slot->name == NULL)
            slot->name = slice_copy(name);
        if (slice_is(name, slot->name)) {
            free(slot->spec);
            slot->spec = slice_copy(spec);
            return true;
        }
    }
    return false;
}

static void do_control(struct conn *c, const struct request *r)
{
    struct buf out = {0};
    struct behaviour plain = {.after = -1, .cut = -1, .retry_date = INT64_MIN};
    int status = 200;
    struct slice what = slice_from(r->path, strlen("/control/"));
    if (!c->is_control)
        up.open--;
    c->is_control = true;
    if (slice_is(what, "stats")) {
        write_stats(&out);
    } else if (slice_is(what, "log")) {
        journal_write(&journal, (uint64_t)query_int(r->query, "after", 0),
                      query_get(r->query, "run"), &out);
    } else {
        buf_adds(&out, "{}\n");
        if (slice_is(what, "reset"))
            control_reset();
        else if (slice_is(what, "close_idle"))
            close_idle();
        else if (slice_starts(what, "gate/"))
            control_gate(slice_from(what, 5), r->query);
        else if (!slice_starts(what, "name/") || !control_name(slice_from(what, 5), r->body))
            status = 404;
    }
    script_json(&c->script, &plain, status, (struct slice){out.data, out.len});
    buf_free(&out);
}

/* --- the http kind: echo and jobs to be polled ------------------------------------------------ */

static void do_echo(struct conn *c, const struct behaviour *b, const struct request *r)
{
    struct buf out = {0};
    buf_adds(&out, "{\"method\": ");
    json_string(&out, r->method);
    buf_adds(&out, ", \"path\": ");
    json_string(&out, r->path);
    buf_adds(&out, ", \"query\": ");
    json_string(&out, r->query);
    buf_adds(&out, ", \"headers\": {");
    for (size_t i = 0; i < r->header_count; i++) {
        buf_adds(&out, i ? ", " : "");
        json_string(&out, r->headers[i].name);
        buf_adds(&out, ": ");
        json_string(&out, r->headers[i].value);
    }
    buf_adds(&out, "}, \"body\": ");
    json_string(&out, r->body);
    buf_adds(&out, "}\n");
    script_json(&c->script, b, 200, (struct slice){out.data, out.len});
    buf_free(&out);
}

static void job_start(struct conn *c, const struct behaviour *b, const struct request *r)
{
    struct buf out = {0};
    struct job *job = &up.jobs[++up.last_job % JOBS];
    *job = (struct job){.id = up.last_job,
                        .polls_left = query_int(r->query, "polls", 1),
                        .done_us = now_us() + (uint64_t)query_int(r->query, "ms", 0) * 1000,
                        .fails = query_int(r->query, "fail", 0) != 0};
    char *host = header_copy(r, "host");
    buf_addf(
        &out,
        "{\"id\": \"job%llu\", \"status\": \"queued\", \"urls\": {\"get\": \"http://%s/poll/status/job%llu\", "
        "\"cancel\": \"http://%s/poll/cancel/job%llu\"}}\n",
        (unsigned long long)job->id, host ? host : "", (unsigned long long)job->id,
        host ? host : "", (unsigned long long)job->id);
    free(host);
    script_json(&c->script, b, 202, (struct slice){out.data, out.len});
    buf_free(&out);
}

static struct job *job_find(struct slice name)
{
    bool ok = false;
    int64_t id = slice_starts(name, "job") ? slice_int(slice_from(name, 3), &ok) : 0;
    struct job *job = &up.jobs[(uint64_t)id % JOBS];
    return ok && id > 0 && job->id == (uint64_t)id ? job : NULL;
}

static const char *job_poll(struct job *job)
{
    if (job->is_cancelled)
        return "cancelled";
    if (job->polls_left > 0)
        job->polls_left--;
    if (job->polls_left > 0 || now_us() < job->done_us)
        return "running";
    return job->fails ? "failed" : "succeeded";
}

static void do_poll(struct conn *c, const struct behaviour *b, const struct request *r,
                    struct slice what)
{
    struct buf out = {0};
    if (slice_is(what, "start")) {
        job_start(c, b, r);
        return;
    }
    bool is_cancel = slice_starts(what, "cancel/");
    struct job *job =
        job_find(slice_from(what, is_cancel || slice_starts(what, "status/") ? 7 : 0));
    if (job == NULL) {
        script_json(&c->script, b, 404, slice_of("{\"error\": \"no such job\"}\n"));
        return;
    }
    if (is_cancel) {
        up.jobs_cancelled += !job->is_cancelled;
        job->is_cancelled = true;
    }
    buf_addf(&out, "{\"id\": \"job%llu\", \"status\": \"%s\", \"output\": {\"answer\": 42}}\n",
             (unsigned long long)job->id, job_poll(job));
    script_json(&c->script, b, 200, (struct slice){out.data, out.len});
    buf_free(&out);
}

/* --- requests --------------------------------------------------------------------------------- */

static const char *name_spec(const char *name)
{
    for (size_t i = 0; i < NAMES && up.names[i].name != NULL; i++) {
        if (strcmp(up.names[i].name, name) == 0)
            return up.names[i].spec;
    }
    return "ok";
}

/* first=N: the first N requests in its scope get the behaviour, later ones what `then` says. */
static void apply_first(struct behaviour *b, const char *spec, const struct conn *c)
{
    if (b->first < 0)
        return;
    struct buf name = {0};
    buf_addf(&name, "%s|%s|%llu", spec,
             b->per == PER_KEY   ? (c->key ? c->key : "")
             : b->per == PER_RUN ? (c->run ? c->run : "")
                                 : "",
             b->per == PER_CONN ? (unsigned long long)c->id : 0);
    struct counter *seen = counter_get(&journal.firsts, name.data);
    seen->requests++;
    buf_free(&name);
    if ((int64_t)seen->requests <= b->first)
        return;
    struct behaviour then;
    if (!behaviour_parse(slice_of(b->then ? b->then : "ok"), &then)) {
        journal.unknown++;
        return;
    }
    if (b->then == NULL || strcmp(b->then, "ok") == 0 || strcmp(b->then, "echo") == 0) {
        then.tokens = b->tokens;
        then.gap = b->gap;
        then.size = b->size;
    }
    behaviour_free(b);
    *b = then;
}

/* The directive in the message wins over the path; the caller frees. NULL: there is none. */
static char *directive(const struct buf *text)
{
    const char *open = strstr(text->data, "[[b:");
    const char *shut = open ? strstr(open, "]]") : NULL;
    return shut ? slice_copy((struct slice){open + 4, (size_t)(shut - open) - 4}) : NULL;
}

static void do_unknown(struct conn *c, const char *spec)
{
    struct behaviour plain = {.after = -1, .cut = -1, .retry_date = INT64_MIN};
    fprintf(stderr, "upstream: no such behaviour: %s\n", spec);
    journal.unknown++;
    script_json(&c->script, &plain, 418,
                slice_of("{\"error\": {\"message\": \"no such behaviour\"}}"));
}

static bool ends_with(struct slice s, const char *end)
{
    return s.len >= strlen(end) && slice_is(slice_from(s, s.len - strlen(end)), end);
}

static void route(struct conn *c, const struct request *r, struct slice rest, const char *spec,
                  struct chat *chat)
{
    struct behaviour b;
    if (!behaviour_parse(slice_of(spec), &b)) {
        do_unknown(c, spec);
        return;
    }
    apply_first(&b, spec, c);
    struct slice encodings = request_header(r, "accept-encoding");
    bool asks_gzip = encodings.at && memmem(encodings.at, encodings.len, "gzip", 4) != NULL;
    if (ends_with(rest, "/chat/completions"))
        script_chat(&c->script, &b, chat, asks_gzip);
    else if (slice_starts(rest, "/echo"))
        do_echo(c, &b, r);
    else if (slice_starts(rest, "/poll/"))
        do_poll(c, &b, r, slice_from(rest, strlen("/poll/")));
    else
        script_json(&c->script, &b, 404, slice_of("{\"error\": {\"message\": \"no such path\"}}"));
    behaviour_free(&b);
}

static void do_request(struct conn *c, const struct request *r)
{
    struct slice rest = r->path, path_spec = slice_of("ok");
    struct chat chat;
    if (slice_starts(rest, "/b/")) {
        rest = slice_from(rest, 3);
        path_spec = slice_split(&rest, '/');
        rest = (struct slice){rest.at - 1, rest.len + 1}; /* with its slash */
    }
    struct entry *e = journal_begin(&journal, r, path_spec, up.now_us);
    e->conn = c->id;
    e->conn_request = c->requests;
    c->n = e->n;
    c->spec = slice_copy(path_spec);
    c->key = header_copy(r, "idempotency-key");
    c->run = header_copy(r, "sluice-run");
    chat_read(r->body, &chat);
    char *spec = directive(&chat.text);
    if (spec == NULL)
        spec = slice_copy(*c->spec == '@' ? slice_of(name_spec(c->spec + 1)) : path_spec);
    route(c, r, rest, spec, &chat);
    free(e->behaviour);
    e->behaviour = spec;
    e->status = c->script.status;
    e->mark = c->script.mark;
    chat_free(&chat);
}

static void begin_response(struct conn *c, struct request *r)
{
    c->is_busy = true;
    c->said_continue = false;
    c->requests++;
    c->keep_alive = r->keep_alive;
    c->script = (struct script){.cut = -1};
    if (slice_starts(r->path, "/control/"))
        do_control(c, r);
    else
        do_request(c, r);
    size_t bytes = r->bytes;
    buf_free(&r->unchunked);
    buf_consume(&c->in, bytes);
    play(c);
}

/* Takes requests from the input one after the other; a pipelined one waits for the response before
 * it. */
static void read_requests(struct conn *c)
{
    struct request r;
    while (!c->is_dead && !c->is_busy && !c->is_held && c->in.len > 0) {
        int whole = request_parse(&c->in, &r);
        if (whole < 0) {
            fprintf(stderr, "upstream: a bad request: %.60s\n", c->in.data);
            journal.unknown++;
            conn_close(c, false);
            return;
        }
        if (whole == 0) {
            if (r.expects_continue && !c->said_continue) {
                c->said_continue = true;
                journal.continues++;
                (void)!send(c->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25,
                            MSG_NOSIGNAL); /* its loss shows as a hang */
            }
            return;
        }
        begin_response(c, &r);
    }
}

static void on_readable(struct conn *c)
{
    static char scratch[64 << 10]; /* so that an idle connection holds no buffer */
    ssize_t n;
    do {
        n = recv(c->fd, scratch, sizeof scratch, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (n <= 0) {
            if (c->is_busy)
                response_end(c, "closed_by_peer");
            conn_close(c, false);
            return;
        }
        buf_add(&c->in, scratch, (size_t)n);
        if (c->in.len > MAX_REQUEST_BYTES) {
            conn_close(c, true);
            return;
        }
    } while ((size_t)n == sizeof scratch);
    read_requests(c);
}

static void on_conn(struct conn *c, uint32_t events)
{
    if (c->is_dead)
        return;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        on_readable(c);
    if ((events & EPOLLOUT) && !c->is_dead && c->is_busy && c->wants_output) {
        conn_watch(c, false);
        play(c);
        if (!c->is_dead)
            read_requests(c);
    }
}

static void on_timers(void)
{
    uint64_t now = up.now_us = now_us();
    while (up.heap_count > 0 && up.heap[0]->due_us <= now) {
        struct conn *c = up.heap[0];
        timer_stop(c);
        play(c);
        if (!c->is_dead)
            read_requests(c);
    }
}

/* --- start ------------------------------------------------------------------------------------ */

static int bound_socket(uint16_t port, uint16_t *ret_port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr generic;
    socklen_t len = sizeof at;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    memcpy(&generic, &at, sizeof at);
    if (fd < 0 || bind(fd, &generic, sizeof at) != 0)
        die("cannot bind port %u: %s", port, strerror(errno));
    getsockname(fd, &generic, &len);
    memcpy(&at, &generic, sizeof at);
    *ret_port = ntohs(at.sin_port);
    return fd;
}

static uint16_t listen_on(struct listener *l, uint16_t port, enum at_accept does)
{
    uint16_t bound;
    *l = (struct listener){.source = LISTENER, .fd = bound_socket(port, &bound), .does = does};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = l};
    if (listen(l->fd, 4096) != 0 || epoll_ctl(up.epoll, EPOLL_CTL_ADD, l->fd, &event) != 0)
        die("cannot listen: %s", strerror(errno));
    return bound;
}

/* A listener that is never accepted from and whose queue is full: the kernel drops every further
 * SYN. */
static uint16_t blackhole(void)
{
    uint16_t port;
    int fd = bound_socket(0, &port);
    if (listen(fd, 0) != 0)
        die("cannot listen: %s", strerror(errno));
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr generic;
    memcpy(&generic, &at, sizeof at);
    for (int i = 0; i < 4; i++) {
        int filler = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)!connect(filler, &generic,
                       sizeof at); /* some succeed, the rest stay pending: both are wanted */
    }
    return port;
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static void on_stdin(void)
{
    char ignored[256];
    if (read(0, ignored, sizeof ignored) <= 0)
        stopped = 1;
}

static void serve(void)
{
    struct epoll_event events[512];
    while (!stopped) {
        int n = epoll_wait(up.epoll, events, 512, next_timeout_ms());
        up.now_us = now_us();
        for (int i = 0; i < n; i++) {
            enum source *source = events[i].data.ptr;
            if (*source == LISTENER)
                on_accept(events[i].data.ptr);
            else if (*source == STDIN)
                on_stdin();
            else
                on_conn(events[i].data.ptr, events[i].events);
        }
        on_timers();
        reap_dead();
    }
}

int main(int argc, char **argv)
{
    static struct listener listeners[4];
    static enum source stdin_source = STDIN;
    uint16_t port = 0;
    bool watches_stdin = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--port") == 0 && i + 1 < argc) {
            port = (uint16_t)atoi(argv[++i]);
        } else if (strcmp(argv[i], "--stdin") == 0) {
            watches_stdin = true;
        } else {
            puts("usage: upstream [--port N] [--stdin]\nbehaviours:");
            behaviour_help();
            return strcmp(argv[i], "--help") == 0 ? 0 : 2;
        }
    }
    raise_descriptor_limit();
    signal(SIGPIPE, SIG_IGN);
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: epoll_wait must return */
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    up.epoll = epoll_create1(EPOLL_CLOEXEC);
    uint16_t refused;
    bound_socket(0, &refused); /* bound, so that nobody else takes it, and never listening */
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &stdin_source};
    if (watches_stdin && epoll_ctl(up.epoll, EPOLL_CTL_ADD, 0, &event) != 0)
        die("--stdin wants a pipe");
    port = listen_on(&listeners[0], port, SERVE);
    printf(
        "{\"port\": %u, \"hang\": %u, \"reset\": %u, \"close\": %u, \"refused\": %u, \"blackhole\": %u}\n",
        port, listen_on(&listeners[1], 0, ACCEPT_HANG), listen_on(&listeners[2], 0, ACCEPT_RESET),
        listen_on(&listeners[3], 0, ACCEPT_CLOSE), refused, blackhole());
    fflush(stdout);
    serve();
    return 0;
}
