#ifndef SLUICE_RESILIENCE_HTTP_DATE_H
#define SLUICE_RESILIENCE_HTTP_DATE_H
/* HTTP-date (RFC 9110 section 5.6.7), in all three forms that a recipient must understand:
 *
 *     Sun, 06 Nov 1994 08:49:37 GMT      IMF-fixdate
 *     Sunday, 06-Nov-94 08:49:37 GMT     RFC 850; the year is at most 50 years ahead of now
 *     Sun Nov  6 08:49:37 1994           asctime
 *
 * Stateless; any thread. */
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* Strict: nothing before or after it, names as written above; false if it is not a date. Which day
 * of the week it claims to be is not checked. `now_ms` and the result are wall time. */
bool http_date_parse(struct str text, int64_t now_ms, int64_t *ret_wall_ms);
#endif
