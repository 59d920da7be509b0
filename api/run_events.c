/* GET /v1/runs/ID/events: a page of events as JSON, or a stream that replays and follows (API §3).
 */
#include "api/event_types.h"
#include "api/routes.h"
#include "api/run_stream.h"
#include "base/mem.h"

enum { PAGE_READ_BYTES = 262144 };

struct wanted {
    uint64_t after, limit;
    event_set types;
    bool follow;
};

/* Last-Event-ID, or else `after`. However large: what is beyond a run's end is legal. */
static enum err read_after(struct api_request *r, uint64_t *ret, struct error *e)
{
    struct str header = r->headers.last_event_id, after = query_get(&r->query, "after");
    *ret = 0;
    if (after.at != NULL && !str_to_u64_capped(after, INT64_MAX, ret))
        return error_set(e, ERR_INVALID_QUERY, "\"after\" must be an integer, not below 0");
    if (header.at != NULL && !str_to_u64_capped(header, INT64_MAX, ret))
        return error_set(e, ERR_INVALID_HEADER, "Last-Event-ID must be an integer, not below 0");
    return OK;
}

static enum err read_wanted(struct api_request *r, struct wanted *w, struct error *e)
{
    enum err rc = read_after(r, &w->after, e);
    if (rc == OK)
        rc = query_int(&r->query, "limit", 1, 1000, 100, &w->limit, e);
    if (rc == OK)
        rc = query_bool(&r->query, "follow", r->accepts != ACCEPTS_JSON, &w->follow, e);
    if (rc == OK)
        rc = query_event_types(&r->query, EVENT_SET_RUN, EVENT_SET_ALL, &w->types, e);
    if (rc == OK && r->accepts == ACCEPTS_JSON && w->follow)
        rc = error_set(e, ERR_INVALID_QUERY,
                       "\"follow\": JSON is a page; ask for a stream with Accept");
    if (rc == OK && r->accepts != ACCEPTS_JSON && query_get(&r->query, "limit").at != NULL)
        rc = error_set(e, ERR_INVALID_QUERY, "\"limit\" goes with JSON only");
    return rc;
}

/* --- a page ----------------------------------------------------------------------------------- */

struct page {
    struct api_request *r; /* NULL: the client is gone */
    struct store_events op;
    struct wanted wanted;
    struct buf out;
    uint64_t count, examined;
    bool more;
};

static void destroy(struct page *p)
{
    buf_fini(&p->op.lines);
    buf_fini(&p->out);
    mem_free(p);
}

/* Takes what is wanted of the lines that were read; false once the page is full. */
static bool take_lines(struct page *p)
{
    struct str rest = buf_str(&p->op.lines);
    struct event_line line;
    while (event_next_line(&rest, &line)) {
        enum event_type t;
        if (line.seq <= p->examined)
            continue;
        bool matches = event_type_parse(line.type, &t) && (p->wanted.types & event_set_of(t)) != 0;
        if (p->count == p->wanted.limit) {
            p->more = true;
            return false;
        }
        p->examined = line.seq;
        if (!matches)
            continue;
        if (p->count++ > 0)
            buf_add_char(&p->out, ',');
        buf_add_str(&p->out, line.json);
    }
    return true;
}

static void on_page_read(struct store_op *op);

static void read_more(struct page *p)
{
    p->op.op =
        (struct store_op){.kind = STORE_EVENTS, .loop = p->r->shard->loop, .on_done = on_page_read};
    p->op.tenant = p->r->tenant;
    p->op.id = p->r->run_id;
    p->op.after = p->examined;
    p->op.max_bytes = PAGE_READ_BYTES;
    buf_clear(&p->op.lines);
    store_start(p->r->shard->store, &p->op.op);
}

static void finish(struct page *p)
{
    struct api_request *r = p->r;
    struct api_reply reply;
    r->on_gone = NULL;
    buf_addf(&p->out, "],\"next_after\":%llu,\"more\":%s}", (unsigned long long)p->examined,
             p->more ? "true" : "false");
    reply_init(&reply, 200);
    reply.body = p->out;
    buf_init(&p->out, 0);
    destroy(p);
    api_send(r, &reply);
}

static void on_page_read(struct store_op *op)
{
    struct page *p = CONTAINER_OF(op, struct page, op.op);
    struct api_request *r = p->r;
    if (r == NULL) {
        destroy(p);
    } else if (op->result != STORE_OK) {
        bool absent = op->result == STORE_ABSENT;
        r->on_gone = NULL;
        destroy(p);
        api_fail(r, absent ? ERR_NOT_FOUND : ERR_STORAGE_UNAVAILABLE,
                 absent ? "there is no run with that id" : NULL);
    } else if (take_lines(p) && p->op.lines.len > 0 && p->examined < p->op.committed_seq) {
        read_more(p);
    } else {
        finish(p);
    }
}

static void on_page_gone(struct api_request *r)
{
    struct page *p = r->state;
    query_fini(&r->query);
    p->r = NULL;
}

static void send_page(struct api_request *r, const struct wanted *w)
{
    struct page *p = mem_zalloc(sizeof *p);
    if (p == NULL) {
        api_fail(r, ERR_OVERLOADED, NULL);
        return;
    }
    p->r = r;
    p->wanted = *w;
    p->examined = w->after;
    buf_init(&p->op.lines, SIZE_MAX / 2);
    buf_init(&p->out, SIZE_MAX / 2);
    buf_add_lit(&p->out, "{\"data\":[");
    r->state = p;
    r->on_gone = on_page_gone;
    read_more(p);
}

/* --- either way ------------------------------------------------------------------------------- */

void handle_run_events(struct api_request *r)
{
    struct wanted w;
    struct error error;
    if (!api_read_run_id(r))
        return;
    enum err e = read_wanted(r, &w, &error);
    if (e != OK) {
        api_fail(r, e, error.message);
        return;
    }
    if (r->accepts == ACCEPTS_JSON) {
        send_page(r, &w);
        return;
    }
    if (!streams_admit(r))
        return;
    struct api_reply head;
    struct run_stream_options o = {.id = r->run_id,
                                   .after = w.after,
                                   .types = w.types,
                                   .format = frame_format_of(r->accepts),
                                   .to_the_end = w.follow};
    reply_init(&head, 200);
    run_stream_start(r, &o, &head);
}
