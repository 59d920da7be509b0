#ifndef SLUICE_API_EVENT_TYPES_H
#define SLUICE_API_EVENT_TYPES_H
/* `?types=a,b`: which events are wanted. */
#include "api/query.h"
#include "model/event.h"

/* Those that are named, each one of `known`; `otherwise` where there is no such parameter.
 * ERR_INVALID_QUERY with the reason. */
enum err query_event_types(const struct query *q, event_set known, event_set otherwise,
                           event_set *ret_types, struct error *ret_error) MUST_CHECK;
#endif
