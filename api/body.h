#ifndef SLUICE_API_BODY_H
#define SLUICE_API_BODY_H
/* A request's JSON body: parsed and checked, or its request answered with what is wrong with it.
 *
 * Uses the shard's tape: what is borrowed of the body's values goes with the next use of that.
 * Strings that had to be unescaped live in the query's arena, with the request. */
#include "api/api.h"
#include "model/check.h"
#include "model/reason.h"

/* Judges the document as a whole and fills `out`, which is the handler's. */
typedef void (*body_check_fn)(struct check *c, struct json root, void *out);

/* False: answered, with invalid_json, body_too_large, what the check has found, or overloaded. */
bool body_read(struct api_request *r, body_check_fn check, void *out);

/* {"reason": "..."} of a cancel, as `ret_reason`'s note; or no body at all. False: answered. */
bool body_read_reason(struct api_request *r, struct reason *ret_reason);
#endif
