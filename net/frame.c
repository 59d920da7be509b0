#include "net/frame.h"

void frame_begin(struct buf *b, enum frame_format f)
{
    if (f == FRAME_SSE)
        buf_add_lit(b, "retry: 2000\n\n");
}

/* What of an SSE frame comes behind the id. */
static void add_rest(struct buf *b, struct str type, struct str json)
{
    buf_add_lit(b, "\nevent: ");
    buf_add_str(b, type);
    buf_add_lit(b, "\ndata: ");
    buf_add_str(b, json);
    buf_add_lit(b, "\n\n");
}

static void add_line(struct buf *b, struct str json)
{
    buf_add_str(b, json);
    buf_add_char(b, '\n');
}

void frame_event(struct buf *b, enum frame_format f, uint64_t seq, struct str type, struct str json)
{
    if (f == FRAME_NDJSON) {
        add_line(b, json);
        return;
    }
    buf_add_lit(b, "id: ");
    buf_add_u64(b, seq);
    add_rest(b, type, json);
}

void frame_named_event(struct buf *b, enum frame_format f, struct str id, struct str type,
                       struct str json)
{
    if (f == FRAME_NDJSON) {
        add_line(b, json);
        return;
    }
    buf_add_lit(b, "id: ");
    buf_add_str(b, id);
    add_rest(b, type, json);
}

void frame_heartbeat(struct buf *b, enum frame_format f)
{
    if (f == FRAME_SSE)
        buf_add_lit(b, ": hb\n\n");
    else
        buf_add_lit(b, "{\"type\":\"heartbeat\"}\n");
}

static void begin_stream_end(struct buf *b, enum frame_format f, const char *reason)
{
    if (f == FRAME_SSE)
        buf_add_lit(b, "event: stream.end\ndata: ");
    buf_addf(b, "{\"type\":\"stream.end\",\"data\":{\"reason\":\"%s\",\"after\":", reason);
}

static void finish_stream_end(struct buf *b, enum frame_format f)
{
    buf_add_lit(b, "}}");
    buf_add_str(b, f == FRAME_SSE ? STR("\n\n") : STR("\n"));
}

void frame_stream_end(struct buf *b, enum frame_format f, const char *reason, uint64_t after)
{
    begin_stream_end(b, f, reason);
    buf_add_u64(b, after);
    finish_stream_end(b, f);
}

void frame_named_stream_end(struct buf *b, enum frame_format f, const char *reason,
                            struct str after)
{
    begin_stream_end(b, f, reason);
    buf_add_char(b, '"');
    buf_add_str(b, after);
    buf_add_char(b, '"');
    finish_stream_end(b, f);
}
