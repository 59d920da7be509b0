#ifndef SLUICE_RESILIENCE_RETRY_AFTER_H
#define SLUICE_RESILIENCE_RETRY_AFTER_H
/* When a server wants to be asked again, in the spellings that providers use.
 *
 * Header values in, ms from now out; blanks around a value are ignored. Strict: what is not exactly
 * of the form (a sign, an exponent, a list, a unit too many) is false and means "nothing was said".
 * What is past is 0; fractions of a ms are rounded up; what is beyond RETRY_AFTER_MAX_MS, or no
 * number could hold, is cut to it (a policy's max_hint_ms cuts further). `now_ms` is wall time.
 * Stateless; any thread. */
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum { RETRY_AFTER_MAX_MS = 86400000 };

/* Retry-After: "120", or an HTTP-date (RFC 9110 section 10.2.3). */
bool retry_after_parse(struct str value, int64_t now_ms, uint64_t *ret_ms);

/* retry-after-ms: "1500", "20.5". */
bool retry_after_parse_ms(struct str value, uint64_t *ret_ms);

/* x-ratelimit-reset-*: "1s", "6m0s", "20ms", "1h2m3.5s". Units from the largest to the smallest,
 * each once; only the last number may have a fraction. */
bool retry_after_parse_duration(struct str value, uint64_t *ret_ms);

/* anthropic-ratelimit-*-reset: RFC 3339. */
bool retry_after_parse_date(struct str value, int64_t now_ms, uint64_t *ret_ms);
#endif
