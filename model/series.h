#ifndef SLUICE_MODEL_SERIES_H
#define SLUICE_MODEL_SERIES_H
/* What the gateway counts: the families of its metrics, and the values that their labels can have.
 *
 * The number of series is fixed when the gateway starts: labels hold only what the configuration
 * and the code name. */
#include "base/metrics.h"

enum series {
    SERIES_HTTP_REQUESTS,
    SERIES_HTTP_SECONDS,
    SERIES_CONNECTIONS,
    SERIES_STREAMS,
    SERIES_RUNS_ACCEPTED,
    SERIES_RUNS_FINISHED,
    SERIES_RUNS_LIVE,
    SERIES_RUNS_QUEUED,
    SERIES_RUN_MEMORY,
    SERIES_RUN_SECONDS,
    SERIES_EVENTS,
    SERIES_ATTEMPTS,
    SERIES_ATTEMPT_SECONDS,
    SERIES_FIRST_BYTE_SECONDS,
    SERIES_TOKENS,
    SERIES_SLOTS_BORROWED,
    SERIES_WAITING,
    SERIES_BREAKER_OPEN,
    SERIES_STORE_AVAILABLE,
    SERIES_BATCHES,
    SERIES_SAVE_SECONDS,
    SERIES_WEBHOOKS,
    SERIES_WEBHOOKS_WAITING,
    SERIES_PROCESS_CPU,
    SERIES_PROCESS_MEMORY,
    SERIES_PROCESS_FDS,
    SERIES_COUNT
};

/* Values of the labels that are not names from the configuration. */
enum outcome { OUTCOME_SUCCEEDED, OUTCOME_FAILED, OUTCOME_CANCELLED, OUTCOME_LOST, OUTCOME_COUNT };
enum direction { DIRECTION_INPUT, DIRECTION_OUTPUT };

/* `routes` and `providers` are the values of their labels. A provider that is NULL is a place for
 * one that comes with a reload: series_name_provider. */
enum err series_create(const struct str *routes, size_t route_count, const struct str *providers,
                       size_t provider_count, struct metrics **ret_metrics) MUST_CHECK;

/* OK; ERR_NOMEM. Any thread. */
enum err series_name_provider(struct metrics *m, size_t label, struct str name) MUST_CHECK;

/* The label of an HTTP status: its class. */
static inline size_t series_class(int status)
{
    return status >= 100 && status < 600 ? (size_t)(status / 100 - 1) : 4;
}
/* The label of an ended run's state. */
size_t series_run_state(int state);
#endif
