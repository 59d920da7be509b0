#include "net/frame.h"

void frame_begin(struct buf *b, enum frame_format f)
{
    if (f == FRAME_SSE)
        buf_add_lit(b, "retry: 2000\n\n");
}

void frame_event(struct buf *b, enum frame_format f, uint64_t seq, struct str type, struct str json)
{
    if (f == FRAME_NDJSON) {
        buf_add_str(b, json);
        buf_add_char(b, '\n');
        return;
    }
    buf_add_lit(b, "id: ");
    buf_add_u64(b, seq);
    buf_add_lit(b, "\nevent: ");
    buf_add_str(b, type);
    buf_add_lit(b, "\ndata: ");
    buf_add_str(b, json);
    buf_add_lit(b, "\n\n");
}

void frame_heartbeat(struct buf *b, enum frame_format f)
{
    if (f == FRAME_SSE)
        buf_add_lit(b, ": hb\n\n");
    else
        buf_add_lit(b, "{\"type\":\"heartbeat\"}\n");
}

void frame_stream_end(struct buf *b, enum frame_format f, const char *reason, uint64_t after)
{
    if (f == FRAME_SSE)
        buf_add_lit(b, "event: stream.end\ndata: ");
    buf_addf(b, "{\"type\":\"stream.end\",\"data\":{\"reason\":\"%s\",\"after\":%llu}}", reason,
             (unsigned long long)after);
    buf_add_str(b, f == FRAME_SSE ? STR("\n\n") : STR("\n"));
}
