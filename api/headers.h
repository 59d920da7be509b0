#ifndef SLUICE_API_HEADERS_H
#define SLUICE_API_HEADERS_H
/* The request headers that the API knows, and what they mean. Views into the request; any thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum { HEADER_LINES = 4 };

/* A header that is a list may come in several lines, which are one list (RFC 9110, 5.3): those
 * behind the last of these are not looked at. */
struct header_list {
    struct str lines[HEADER_LINES];
};

struct headers {
    struct header_list accept, prefer;
    struct str authorization, api_key, content_type, content_encoding, idempotency_key,
        last_event_id, request_id, traceparent, depth, if_match, if_none_match;
};

/* Notes a header if it is one of these. False: it came twice and may not. */
bool headers_note(struct headers *h, struct str name, struct str value);

/* What an answer may be made of, in the order in which it is preferred where the client does not
 * care. */
enum accepted { ACCEPTS_NOTHING, ACCEPTS_JSON, ACCEPTS_SSE, ACCEPTS_NDJSON };

/* What a route can serve. */
enum offered { OFFERS_JSON, OFFERS_JSON_AND_STREAMS, OFFERS_STREAMS };

/* The best of what is offered (RFC 9110, 12.5.1). Where there is JSON, a stream has to be asked for
 * by its name: a browser's or curl's catch-all, or no header, gets JSON; where there is none, SSE.
 */
enum accepted headers_accept(const struct headers *h, enum offered offered);

/* The seconds of `Prefer: wait=N` (RFC 7240), in ms; 0 where there is none that makes sense. */
uint64_t headers_wait_ms(const struct headers *h);

/* May this body be taken as JSON: application/json, anything ending in +json, or no type at all;
 * and not encoded? */
bool headers_body_is_json(const struct headers *h);
#endif
