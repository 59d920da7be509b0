#ifndef SLUICE_API_STREAMS_H
#define SLUICE_API_STREAMS_H
/* What all streamed answers have in common: how many may be open, and their head. On the request's
 * loop. */
#include "api/api.h"
#include "net/frame.h"

/* Is there room for one more stream? False: it was answered with 503. */
bool streams_admit(struct api_request *r);

/* Answers with a stream, whose head is completed here. `r->state` is the source's; its on_end calls
 * streams_leave. */
void streams_begin(struct api_request *r, const struct api_stream *source, struct api_reply *head);
void streams_leave(struct api_request *r);

static inline enum frame_format frame_format_of(enum accepted a)
{
    return a == ACCEPTS_SSE ? FRAME_SSE : FRAME_NDJSON;
}

#endif
