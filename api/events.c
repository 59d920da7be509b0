/* GET /v1/events: the bus, everything that happens to a tenant's runs and to the circuits, as a
 * stream that has no end (API §8). */
#include "api/event_types.h"
#include "api/routes.h"
#include "api/streams.h"
#include "base/mem.h"
#include "runs/listen.h"

struct bus_stream {
    struct api_request *r;
    struct listen *listen;
    enum frame_format format;
};

/* --- the query -------------------------------------------------------------------------------- */

/* Deltas are most of all events: whoever wants them says so. */
#define USUAL_TYPES (EVENT_SET_ALL & ~event_set_of(EVENT_OUTPUT_DELTA))

/* Last-Event-ID beats `after`. Without either, from the first event that is kept. */
static enum err read_after(const struct api_request *r, struct listen_options *o, struct error *e)
{
    struct str header = r->headers.last_event_id;
    struct str after = query_get(&r->query, "after");
    o->from_end = header.at == NULL && after.at != NULL && str_eq(after, STR("now"));
    if (after.at != NULL && !o->from_end && !bus_cursor_parse(after, &o->after))
        return error_set(e, ERR_INVALID_QUERY,
                         "\"after\" must be the id of an event of this stream, or now");
    if (header.at != NULL && !bus_cursor_parse(header, &o->after))
        return error_set(e, ERR_INVALID_HEADER,
                         "Last-Event-ID must be the id of an event of this stream");
    return OK;
}

static enum err read_run(const struct query *q, struct listen_options *o, struct error *e)
{
    struct str run = query_get(q, "run");
    o->has_run = run.at != NULL;
    if (o->has_run && !id_parse(run, RUN_ID_PREFIX, &o->run))
        return error_set(e, ERR_INVALID_QUERY, "\"run\" must be the id of a run");
    return OK;
}

static enum err read_options(const struct api_request *r, struct listen_options *o, struct error *e)
{
    o->tenant = r->tenant;
    o->agent = query_get(&r->query, "agent");
    o->format = frame_format_of(r->accepts);
    enum err rc = read_after(r, o, e);
    if (rc == OK)
        rc = read_run(&r->query, o, e);
    return rc == OK ? query_event_types(&r->query, EVENT_SET_ALL, USUAL_TYPES, &o->types, e) : rc;
}

/* --- the stream ------------------------------------------------------------------------------- */

static void destroy(struct bus_stream *s)
{
    listen_close(s->listen);
    mem_free(s);
}

static void pull(struct api_request *r, struct buf *out, size_t max_bytes)
{
    struct bus_stream *s = r->state;
    listen_pull(s->listen, out, max_bytes);
}

static bool is_over(struct api_request *r)
{
    (void)r;
    return false;
}

static void heartbeat(struct api_request *r, struct buf *out)
{
    struct bus_stream *s = r->state;
    frame_heartbeat(out, s->format);
}

static void cut(struct api_request *r, struct buf *out, const char *reason)
{
    struct bus_stream *s = r->state;
    char text[BUS_CURSOR_TEXT];
    size_t n = bus_cursor_format(&s->listen->told, text);
    frame_named_stream_end(out, s->format, reason, (struct str){text, n});
}

static void on_end(struct api_request *r, bool gone)
{
    (void)gone;
    streams_leave(r);
    destroy(r->state);
}

static const struct api_stream sources[] = {
    [FRAME_SSE] = {.content_type = "text/event-stream",
                   .pull = pull,
                   .is_over = is_over,
                   .heartbeat = heartbeat,
                   .cut = cut,
                   .on_end = on_end},
    [FRAME_NDJSON] = {.content_type = "application/x-ndjson",
                      .pull = pull,
                      .is_over = is_over,
                      .heartbeat = heartbeat,
                      .cut = cut,
                      .on_end = on_end},
};

/* --- opening ---------------------------------------------------------------------------------- */

static void on_ready(struct listen *l, void *ctx)
{
    struct bus_stream *s = ctx;
    (void)l;
    s->r->transport->wake(s->r);
}

static void on_opened(struct listen *l, void *ctx)
{
    struct bus_stream *s = ctx;
    struct api_request *r = s->r;
    r->on_gone = NULL;
    if (l->opened != OK) {
        enum err e = l->opened;
        destroy(s);
        api_fail(r, e, NULL);
        return;
    }
    struct api_reply head;
    reply_init(&head, 200);
    streams_begin(r, &sources[s->format], &head);
}

static void on_gone_early(struct api_request *r)
{
    query_fini(&r->query);
    destroy(r->state);
}

static void open_stream(struct api_request *r, struct listen_options *o)
{
    struct bus_stream *s = mem_zalloc(sizeof *s);
    o->on_opened = on_opened;
    o->on_ready = on_ready;
    o->ctx = s;
    if (s == NULL || listen_open(r->shard, o, &s->listen) != OK) {
        mem_free(s);
        api_fail(r, ERR_OVERLOADED, NULL);
        return;
    }
    s->r = r;
    s->format = o->format;
    r->state = s;
    r->on_gone = on_gone_early;
}

void handle_events(struct api_request *r)
{
    struct listen_options o = {.has_run = false};
    struct error error;
    enum err e = read_options(r, &o, &error);
    if (e != OK)
        api_fail(r, e, error.message);
    else if (streams_admit(r))
        open_stream(r, &o);
}
