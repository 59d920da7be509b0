#include "api/run_stream.h"

#include "base/mem.h"
#include "runs/ops.h"

struct run_stream {
    struct api_request *r;
    struct follow *follow;
    struct run_stream_options options;
    struct api_reply *head; /* until it goes out: it is large, and streams last */
};

/* --- a creator that went away ----------------------------------------------------------------- */

static void on_cancelled(struct run_stop *s)
{
    mem_free(s); /* it has stopped, had ended, or is not there: nobody is left to be told */
}

void run_cancel_for_gone(struct shard *shard, struct str tenant, const struct id *run)
{
    struct run_stop *s = mem_zalloc(sizeof *s);
    if (s == NULL)
        return;
    s->shard = shard;
    s->tenant = tenant;
    s->id = *run;
    s->reason = (struct reason){.code = REASON_CLIENT_GONE, .since_ms = loop_wall_ms(shard->loop)};
    s->on_done = on_cancelled;
    run_stop_start(s);
}

/* --- the stream ------------------------------------------------------------------------------- */

static void destroy(struct run_stream *s)
{
    follow_close(s->follow);
    if (s->head != NULL)
        buf_fini(&s->head->body);
    mem_free(s->head);
    mem_free(s);
}

static void pull(struct api_request *r, struct buf *out, size_t max_bytes)
{
    struct run_stream *s = r->state;
    follow_pull(s->follow, out, max_bytes);
}

static bool is_over(struct api_request *r)
{
    struct run_stream *s = r->state;
    return follow_is_over(s->follow);
}

static void heartbeat(struct api_request *r, struct buf *out)
{
    struct run_stream *s = r->state;
    frame_heartbeat(out, s->options.format);
}

static void cut(struct api_request *r, struct buf *out, const char *reason)
{
    struct run_stream *s = r->state;
    frame_stream_end(out, s->options.format, reason, s->follow->cursor);
}

static void on_end(struct api_request *r, bool gone)
{
    struct run_stream *s = r->state;
    streams_leave(r);
    if (gone && s->options.cancel_on_gone && !follow_is_over(s->follow))
        run_cancel_for_gone(r->shard, r->tenant, &s->options.id);
    destroy(s);
}

static const struct api_stream sse = {.content_type = "text/event-stream",
                                      .pull = pull,
                                      .is_over = is_over,
                                      .heartbeat = heartbeat,
                                      .cut = cut,
                                      .on_end = on_end};
static const struct api_stream ndjson = {.content_type = "application/x-ndjson",
                                         .pull = pull,
                                         .is_over = is_over,
                                         .heartbeat = heartbeat,
                                         .cut = cut,
                                         .on_end = on_end};

/* --- opening ---------------------------------------------------------------------------------- */

static void on_ready(struct follow *f, void *ctx)
{
    struct run_stream *s = ctx;
    (void)f;
    s->r->transport->wake(s->r);
}

static void on_opened(struct follow *f, void *ctx)
{
    struct run_stream *s = ctx;
    struct api_request *r = s->r;
    r->on_gone = NULL;
    if (f->opened != OK) {
        enum err e = f->opened;
        destroy(s);
        api_fail(r, e, NULL);
        return;
    }
    if (f->is_past_end) {
        struct api_reply empty;
        destroy(s);
        reply_init(&empty, 204);
        api_send(r, &empty);
        return;
    }
    r->state = s;
    struct api_reply head = *s->head;
    mem_free(s->head);
    s->head = NULL;
    streams_begin(r, s->options.format == FRAME_SSE ? &sse : &ndjson, &head);
}

static void on_gone_early(struct api_request *r)
{
    struct run_stream *s = r->state;
    if (s->options.cancel_on_gone)
        run_cancel_for_gone(r->shard, r->tenant, &s->options.id);
    query_fini(&r->query);
    destroy(s);
}

void run_stream_start(struct api_request *r, const struct run_stream_options *options,
                      struct api_reply *head)
{
    struct run_stream *s = mem_zalloc(sizeof *s);
    struct api_reply *own = mem_alloc(sizeof *own);
    struct follow_options o = {.tenant = r->tenant,
                               .id = options->id,
                               .after = options->after,
                               .types = options->types,
                               .format = options->format,
                               .to_the_end = options->to_the_end,
                               .on_opened = on_opened,
                               .on_ready = on_ready,
                               .ctx = s};
    if (s != NULL && own != NULL) {
        *own = *head;
        *s = (struct run_stream){.r = r, .options = *options, .head = own};
    }
    if (s == NULL || own == NULL || follow_open(r->shard, &o, &s->follow) != OK) {
        mem_free(own);
        mem_free(s);
        api_fail(r, ERR_OVERLOADED, NULL);
        return;
    }
    r->state = s;
    r->on_gone = on_gone_early;
}
