#include "api/streams.h"

bool streams_admit(struct api_request *r)
{
    if (atomic_load_explicit(&r->api->streams, memory_order_relaxed) < api_rules(r)->limits.streams)
        return true;
    api_fail(r, ERR_OVERLOADED, "as many streams are open as may be");
    return false;
}

void streams_begin(struct api_request *r, const struct api_stream *source, struct api_reply *head)
{
    head->status = 200;
    reply_header(head, "Cache-Control", "no-cache, no-transform");
    reply_header(head, "X-Accel-Buffering", "no");
    api_count(r, 200);
    query_fini(&r->query);
    atomic_fetch_add_explicit(&r->api->streams, 1, memory_order_relaxed);
    r->transport->stream(r, source, head);
}

void streams_leave(struct api_request *r)
{
    atomic_fetch_sub_explicit(&r->api->streams, 1, memory_order_relaxed);
}
