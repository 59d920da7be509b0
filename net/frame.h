#ifndef SLUICE_NET_FRAME_H
#define SLUICE_NET_FRAME_H
/* Writing events for readers: as server-sent events, or as NDJSON, one event a line (API §3).
 *
 * The JSON of an event is made once and is the same for everybody; a frame only wraps it.
 * Stateless. */
#include "base/buf.h"

enum frame_format { FRAME_SSE, FRAME_NDJSON };

/* What comes before the first event; nothing in NDJSON. */
void frame_begin(struct buf *b, enum frame_format f);

/* `json` is on one line. */
void frame_event(struct buf *b, enum frame_format f, uint64_t seq, struct str type,
                 struct str json);
/* The same of an event whose id is a text. */
void frame_named_event(struct buf *b, enum frame_format f, struct str id, struct str type,
                       struct str json);

/* Breaks a silence. */
void frame_heartbeat(struct buf *b, enum frame_format f);

/* Says that the stream ends before its run, why, and from where to go on. */
void frame_stream_end(struct buf *b, enum frame_format f, const char *reason, uint64_t after);
void frame_named_stream_end(struct buf *b, enum frame_format f, const char *reason,
                            struct str after);
#endif
