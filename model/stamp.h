#ifndef SLUICE_MODEL_STAMP_H
#define SLUICE_MODEL_STAMP_H
/* A moment as JSON: RFC 3339 in quotes, or null for 0, a moment that has not come. Stateless. */
#include "base/clock.h"

static inline void stamp_write(struct buf *b, int64_t wall_ms)
{
    if (wall_ms == 0) {
        buf_add_lit(b, "null");
        return;
    }
    char text[CLOCK_TEXT];
    clock_format(wall_ms, text);
    buf_add_char(b, '"');
    buf_add(b, text, sizeof text);
    buf_add_char(b, '"');
}

/* When something began and when it ended: ,"started_at":...,"finished_at":... */
static inline void stamp_write_span(struct buf *b, int64_t started_ms, int64_t finished_ms)
{
    buf_add_lit(b, ",\"started_at\":");
    stamp_write(b, started_ms);
    buf_add_lit(b, ",\"finished_at\":");
    stamp_write(b, finished_ms);
}
#endif
