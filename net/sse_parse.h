#ifndef SLUICE_NET_SSE_PARSE_H
#define SLUICE_NET_SSE_PARSE_H
/* An incremental reader of server-sent events (WHATWG HTML, 9.2.6 "Interpreting an event stream").
 *
 * Bytes go in as they come, cut anywhere; each event comes out once, when its blank line has come.
 * Lines end with LF, CR or CRLF; a byte order mark at the start is skipped; comments and unknown
 * fields are passed over; an event without data is none. What is left at the end without its blank
 * line is dropped, as the standard says.
 *
 * Pure data, embedded by its owner. Life: sse_parse_init, sse_parse_feed any number of times,
 * sse_parse_fini. Bound: what is held of one event (data, name, the last id) and the line at hand
 * may take `max_bytes` together; past it feeding fails for good. An event whose data is one line
 * within one chunk is handed on without a copy. */
#include <stdbool.h>

#include "base/buf.h"

struct sse_event {
    struct str type; /* empty: "message" */
    struct str data; /* lines joined by LF */
    struct str id;   /* the last id seen in the stream; may be empty */
};

/* The views are valid during the call. False stops the feeding: the rest of the chunk is dropped.
 */
typedef bool sse_event_fn(void *ctx, const struct sse_event *event);

struct sse_parser {
    sse_event_fn *on_event;
    void *ctx;
    size_t max_bytes;
    struct buf line; /* a line whose end has not come yet */
    struct buf data; /* the event's data, where it could not be left in the chunk */
    struct buf type;
    struct buf id;
    struct str view; /* the event's only data line, still in the chunk */
    bool has_data;
    bool after_cr; /* the last byte was CR: a LF that follows belongs to it */
    bool started;
    bool stopped;
    enum err failed; /* for good */
};

void sse_parse_init(struct sse_parser *p, size_t max_bytes, sse_event_fn *on_event, void *ctx);
void sse_parse_fini(struct sse_parser *p);

/* OK (also when on_event said stop), ERR_LIMIT past max_bytes, ERR_NOMEM. */
enum err sse_parse_feed(struct sse_parser *p, const char *bytes, size_t len) MUST_CHECK;
#endif
