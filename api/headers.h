#ifndef SLUICE_API_HEADERS_H
#define SLUICE_API_HEADERS_H
/* The request headers that the API knows, and what they mean. Views into the request; any thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct headers {
    struct str accept, authorization, api_key, content_type, content_encoding, idempotency_key,
        last_event_id, prefer, request_id, traceparent, depth, if_match, if_none_match;
};

/* Notes a header if it is one of these. False: it came twice and may not. */
bool headers_note(struct headers *h, struct str name, struct str value);

/* What an answer may be made of, in the order in which it is preferred where the client does not
 * care. */
enum accepted { ACCEPTS_NOTHING, ACCEPTS_JSON, ACCEPTS_SSE, ACCEPTS_NDJSON };

/* The best of JSON and, where `streams`, the two stream formats (RFC 9110, 12.5.1). No header:
 * JSON. */
enum accepted headers_accept(const struct headers *h, bool streams);

/* The seconds of `Prefer: wait=N` (RFC 7240), in ms; 0 where there is none that makes sense. */
uint64_t headers_wait_ms(const struct headers *h);

/* May this body be taken as JSON: application/json, anything ending in +json, or no type at all;
 * and not encoded? */
bool headers_body_is_json(const struct headers *h);
#endif
