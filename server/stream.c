/* A streamed answer, written by the edge itself.
 *
 * The daemon sends the head and asks for content: that is the moment at which it is suspended and
 * its socket is ours. From then on, each time the source has something: pull it, frame it as one
 * chunk (RFC 9112, 7.1), send it. When the source is over the daemon is resumed, told that the
 * content has ended, and writes the last chunk.
 *
 *     stream_open -> on_content -> STREAM_OPEN -> pump, pump, ... -> STREAM_DONE -> on_content: end
 *                                     |-> client gone, stalled or cut off -> STREAM_BROKEN
 *                                            -> on_content: error
 */
#include <errno.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "server/edge_internal.h"

enum {
    CHUNK_BYTES = 16384,  /* pulled at once */
    OUT_BYTES = 67108864, /* the largest event is far below it */
    KEEP_BYTES = 4096,    /* memory that an idle stream keeps */
    CHUNK_DIGITS = 8,     /* of its length: "0000ffff\r\n" */
    CHUNK_HEAD = CHUNK_DIGITS + 2,
    LASTS_MS = 2000, /* a stream that is there for so long is worth some calls to make it small */
};

static struct loop *loop_of(const struct exchange *x)
{
    return x->conn->edge->loop;
}

static void on_heartbeat(struct loop_timer *timer);
static void on_stall(struct loop_timer *timer);

void stream_init(struct exchange *x)
{
    struct stream *s = &x->stream;
    s->source = NULL;
    buf_init(&s->out, OUT_BYTES);
    loop_timer_init(&s->heartbeat, loop_of(x), on_heartbeat);
    loop_timer_init(&s->stall, loop_of(x), on_stall);
}

void stream_fini(struct exchange *x)
{
    loop_timer_stop(&x->stream.heartbeat);
    loop_timer_stop(&x->stream.stall);
    buf_fini(&x->stream.out);
}

/* --- the end ---------------------------------------------------------------------------------- */

/* Gives the socket back to the daemon. */
static void leave(struct exchange *x, bool is_broken, bool client_is_gone)
{
    struct stream *s = &x->stream;
    const struct api_stream *source = s->source;
    if (source == NULL)
        return;
    s->source = NULL;
    s->phase = is_broken ? STREAM_BROKEN : STREAM_DONE;
    loop_timer_stop(&s->heartbeat);
    loop_timer_stop(&s->stall);
    buf_fini(&s->out);
    s->sent = 0;
    source->on_end(&x->request, client_is_gone);
    exchange_resume(x);
}

void stream_abandon(struct exchange *x)
{
    leave(x, true, true);
}

/* --- writing ---------------------------------------------------------------------------------- */

/* Frames what stands in `out` from `start` on as one chunk: its head was left room for. */
static void close_chunk(struct exchange *x, size_t start)
{
    static const char digits[] = "0123456789abcdef";
    struct stream *s = &x->stream;
    if (!x->stream.is_chunked || s->out.failed)
        return;
    char *head = s->out.data + start;
    size_t len = s->out.len - start - CHUNK_HEAD;
    for (int i = CHUNK_DIGITS; i-- > 0; len >>= 4)
        head[i] = digits[len & 15];
    memcpy(head + CHUNK_DIGITS, "\r\n", 2);
    buf_add_lit(&s->out, "\r\n");
}

static size_t open_chunk(struct exchange *x)
{
    struct buf *out = &x->stream.out;
    size_t start = out->len;
    if (x->stream.is_chunked && buf_reserve(out, CHUNK_HEAD) != NULL)
        buf_added(out, CHUNK_HEAD);
    return start;
}

/* Takes from the source what it has now. False: nothing. */
static bool fill(struct exchange *x)
{
    struct stream *s = &x->stream;
    size_t start = open_chunk(x);
    size_t before = s->out.len;
    s->source->pull(&x->request, &s->out, before + CHUNK_BYTES);
    if (s->out.len == before && !s->out.failed) {
        s->out.len = start;
        return false;
    }
    close_chunk(x, start);
    return true;
}

enum sent { SENT_ALL, SENT_SOME, SENT_FAILED };

static enum sent send_out(struct exchange *x)
{
    struct stream *s = &x->stream;
    while (s->sent < s->out.len) {
        ssize_t n = send(x->conn->fd, s->out.data + s->sent, s->out.len - s->sent,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? SENT_SOME : SENT_FAILED;
        s->sent += (size_t)n;
        loop_timer_stop(&s->stall);
    }
    buf_clear(&s->out);
    s->sent = 0;
    return SENT_ALL;
}

/* Its client takes nothing more for now. */
static void wait_for_client(struct exchange *x)
{
    struct stream *s = &x->stream;
    if (!loop_timer_is_armed(&s->stall))
        loop_timer_start(&s->stall,
                         loop_now_ms(loop_of(x)) + x->conn->edge->settings->http.write_stall_ms);
    if (conn_watch(x->conn, LOOP_GONE | LOOP_WRITE) != OK)
        leave(x, true, false);
}

/* Not moved with every event: the timer looks when it fires. */
static uint64_t next_heartbeat_ms(const struct exchange *x)
{
    return x->stream.quiet_since_ms + x->conn->edge->settings->http.heartbeat_ms;
}

static uint64_t first_look_ms(const struct exchange *x)
{
    uint64_t lasts_ms = x->stream.quiet_since_ms + LASTS_MS, heartbeat_ms = next_heartbeat_ms(x);
    return lasts_ms < heartbeat_ms ? lasts_ms : heartbeat_ms;
}

/* Its source has nothing more for now. */
static void wait_for_source(struct exchange *x)
{
    struct stream *s = &x->stream;
    if (s->out.cap > KEEP_BYTES)
        buf_fini(&s->out);
    s->quiet_since_ms = loop_now_ms(loop_of(x));
    if (!loop_timer_is_armed(&s->heartbeat))
        loop_timer_start(&s->heartbeat, s->lasts ? next_heartbeat_ms(x) : first_look_ms(x));
    if (conn_watch(x->conn, LOOP_GONE) != OK)
        leave(x, true, false);
}

static void pump(struct exchange *x)
{
    struct stream *s = &x->stream;
    for (;;) {
        if (s->out.failed) {
            leave(x, true, false);
            return;
        }
        switch (send_out(x)) {
        case SENT_SOME: wait_for_client(x); return;
        case SENT_FAILED: leave(x, true, true); return;
        case SENT_ALL: break;
        }
        if (s->is_cut) {
            leave(x, false, false);
            return;
        }
        if (fill(x))
            continue;
        if (s->source->is_over(&x->request))
            leave(x, false, false);
        else
            wait_for_source(x);
        return;
    }
}

void stream_wake(struct exchange *x)
{
    if (x->stream.source != NULL && x->stream.phase == STREAM_OPEN && x->stream.out.len == 0)
        pump(x);
}

void stream_on_io(struct exchange *x, unsigned events)
{
    if (x->stream.phase != STREAM_OPEN)
        return;
    if (events & LOOP_GONE)
        leave(x, true, true);
    else if (events & LOOP_WRITE)
        pump(x);
}

/* The daemon has read the head into the first half of its memory for the connection, and has
 * cleared it since: where a stream lasts, that would be the largest part of what it costs. The head
 * begins where that memory does. */
static void drop_cleared(const struct exchange *x)
{
    char *head = (char *)(uintptr_t)x->request.method.at;
    mem_drop_zeros(head, x->conn->edge->pool_bytes / 2);
}

static void on_heartbeat(struct loop_timer *timer)
{
    struct stream *s = CONTAINER_OF(timer, struct stream, heartbeat);
    struct exchange *x = CONTAINER_OF(s, struct exchange, stream);
    if (!s->lasts)
        drop_cleared(x);
    s->lasts = true;
    if (next_heartbeat_ms(x) > loop_now_ms(loop_of(x))) {
        loop_timer_start(timer, next_heartbeat_ms(x));
    } else if (s->out.len == 0) {
        size_t start = open_chunk(x);
        s->source->heartbeat(&x->request, &s->out);
        close_chunk(x, start);
        pump(x);
    }
}

/* Nothing of what was written has been taken for too long. Not the client's leaving: it may come
 * back. */
static void on_stall(struct loop_timer *timer)
{
    struct stream *s = CONTAINER_OF(timer, struct stream, stall);
    leave(CONTAINER_OF(s, struct exchange, stream), true, false);
}

void stream_cut(struct exchange *x, const char *reason)
{
    struct stream *s = &x->stream;
    if (s->source == NULL || s->is_cut)
        return;
    s->is_cut = true;
    size_t start = open_chunk(x);
    s->source->cut(&x->request, &s->out, reason);
    close_chunk(x, start);
    if (s->phase == STREAM_OPEN)
        pump(x);
}

/* --- the daemon's side ------------------------------------------------------------------------ */

static void on_socket_lent(struct loop_msg *msg)
{
    struct stream *s = CONTAINER_OF(msg, struct stream, lent);
    struct exchange *x = CONTAINER_OF(s, struct exchange, stream);
    s->is_lent = false;
    if (s->source == NULL || s->phase != STREAM_OPEN)
        return;
    if (x->conn->edge->is_draining && !s->is_cut)
        stream_cut(x, "drain");
    else
        pump(x);
}

/* The daemon asks for content: first once the head is out, then again after it was resumed. */
static ssize_t on_content(void *ctx, uint64_t at, char *buffer, size_t size)
{
    struct exchange *x = ctx;
    struct stream *s = &x->stream;
    (void)at, (void)buffer, (void)size;
    switch (s->phase) {
    case STREAM_DONE: return MHD_CONTENT_READER_END_OF_STREAM;
    case STREAM_BROKEN: return MHD_CONTENT_READER_END_WITH_ERROR;
    case STREAM_HEAD:
    case STREAM_OPEN: break;
    }
    s->phase = STREAM_OPEN;
    exchange_suspend(x);
    if (!s->is_lent) {
        s->is_lent = true;
        loop_soon(loop_of(x), &s->lent); /* not from within the daemon */
    }
    return 0;
}

struct MHD_Response *stream_open(struct exchange *x, const struct api_stream *source)
{
    struct stream *s = &x->stream;
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 128, on_content, x, NULL);
    s->source = source;
    s->out.max = x->conn->edge->settings->http.reader_bytes + OUT_BYTES;
    s->phase = STREAM_HEAD;
    s->is_cut = s->lasts = false;
    s->lent.on_arrive = on_socket_lent;
    if (response == NULL)
        leave(x, true, true);
    return response;
}
