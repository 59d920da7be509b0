#include "model/series.h"

#include "model/state.h"

/* Which label set a family's label is: the index into `sets` below, from 1. */
enum { NO_LABEL, BY_ROUTE, BY_CLASS, BY_STATE, BY_PROVIDER, BY_OUTCOME, BY_DIRECTION };

static const struct metric_family families[SERIES_COUNT] = {
    [SERIES_HTTP_REQUESTS] = {"sluice_http_requests_total",
                              "Requests answered.",
                              METRIC_COUNTER,
                              {BY_ROUTE, BY_CLASS}},
    [SERIES_HTTP_SECONDS] = {"sluice_http_request_seconds",
                             "From a request's last byte to its answer.",
                             METRIC_HISTOGRAM,
                             {NO_LABEL}},
    [SERIES_CONNECTIONS] = {"sluice_connections", "Client connections.", METRIC_GAUGE, {NO_LABEL}},
    [SERIES_STREAMS] = {"sluice_streams", "Open event streams.", METRIC_GAUGE, {NO_LABEL}},
    [SERIES_RUNS_ACCEPTED] = {"sluice_runs_accepted_total",
                              "Runs accepted.",
                              METRIC_COUNTER,
                              {NO_LABEL}},
    [SERIES_RUNS_FINISHED] = {"sluice_runs_finished_total",
                              "Runs ended.",
                              METRIC_COUNTER,
                              {BY_STATE}},
    [SERIES_RUNS_LIVE] = {"sluice_runs_live", "Runs in memory.", METRIC_GAUGE, {NO_LABEL}},
    [SERIES_RUNS_QUEUED] = {"sluice_runs_queued",
                            "Runs that wait in the store for room in memory.",
                            METRIC_GAUGE,
                            {NO_LABEL}},
    [SERIES_RUN_MEMORY] = {"sluice_run_memory_bytes",
                           "Memory of live runs.",
                           METRIC_GAUGE,
                           {NO_LABEL}},
    [SERIES_RUN_SECONDS] = {"sluice_run_seconds",
                            "From a run's creation to its end.",
                            METRIC_HISTOGRAM,
                            {NO_LABEL}},
    [SERIES_EVENTS] = {"sluice_events_total",
                       "Events appended to runs.",
                       METRIC_COUNTER,
                       {NO_LABEL}},
    [SERIES_ATTEMPTS] = {"sluice_attempts_total",
                         "Attempts ended.",
                         METRIC_COUNTER,
                         {BY_PROVIDER, BY_OUTCOME}},
    [SERIES_ATTEMPT_SECONDS] = {"sluice_attempt_seconds",
                                "Length of attempts.",
                                METRIC_HISTOGRAM,
                                {BY_PROVIDER}},
    [SERIES_FIRST_BYTE_SECONDS] = {"sluice_first_byte_seconds",
                                   "From an attempt's start to the answer's first byte.",
                                   METRIC_HISTOGRAM,
                                   {BY_PROVIDER}},
    [SERIES_TOKENS] = {"sluice_tokens_total",
                       "Tokens as providers report them.",
                       METRIC_COUNTER,
                       {BY_PROVIDER, BY_DIRECTION}},
    [SERIES_SLOTS_BORROWED] = {"sluice_provider_slots_borrowed",
                               "Calls under way.",
                               METRIC_GAUGE,
                               {BY_PROVIDER}},
    [SERIES_WAITING] = {"sluice_provider_waiting",
                        "Calls that wait for their turn.",
                        METRIC_GAUGE,
                        {BY_PROVIDER}},
    [SERIES_BREAKER_OPEN] = {"sluice_provider_breaker_open",
                             "1 while the breaker is not closed.",
                             METRIC_GAUGE,
                             {BY_PROVIDER}},
    [SERIES_STORE_AVAILABLE] = {"sluice_store_available",
                                "1 while runs can be stored.",
                                METRIC_GAUGE,
                                {NO_LABEL}},
    [SERIES_BATCHES] = {"sluice_store_batches_total",
                        "Batches of changes handed to the store.",
                        METRIC_COUNTER,
                        {NO_LABEL}},
    [SERIES_SAVE_SECONDS] = {"sluice_store_save_seconds",
                             "From handing over a batch to its commit.",
                             METRIC_HISTOGRAM,
                             {NO_LABEL}},
    [SERIES_WEBHOOKS] = {"sluice_webhooks_total",
                         "Tries to tell a receiver of an event: told, failed, or given up (lost).",
                         METRIC_COUNTER,
                         {BY_OUTCOME}},
    [SERIES_WEBHOOKS_WAITING] = {"sluice_webhooks_waiting",
                                 "Runs of which something is to be told.",
                                 METRIC_GAUGE,
                                 {NO_LABEL}},
    [SERIES_PROCESS_CPU] = {"process_cpu_seconds_total",
                            "CPU time, user and system.",
                            METRIC_COUNTER,
                            {NO_LABEL}},
    [SERIES_PROCESS_MEMORY] = {"process_resident_memory_bytes",
                               "Resident memory.",
                               METRIC_GAUGE,
                               {NO_LABEL}},
    [SERIES_PROCESS_FDS] = {"process_open_fds", "Open file descriptors.", METRIC_GAUGE, {NO_LABEL}},
};

static const struct str classes[] = {{"1xx", 3}, {"2xx", 3}, {"3xx", 3}, {"4xx", 3}, {"5xx", 3}};
static const struct str states[] = {
    {"succeeded", 9}, {"failed", 6}, {"cancelled", 9}, {"timed_out", 9}};
static const struct str outcomes[OUTCOME_COUNT] = {
    {"succeeded", 9}, {"failed", 6}, {"cancelled", 9}, {"lost", 4}};
static const struct str directions[] = {{"input", 5}, {"output", 6}};

size_t series_run_state(int state)
{
    return state >= RUN_SUCCEEDED && state <= RUN_TIMED_OUT ? (size_t)(state - RUN_SUCCEEDED) : 1;
}

enum err series_create(const struct str *routes, size_t route_count, const struct str *providers,
                       size_t provider_count, struct metrics **ret_metrics)
{
    const struct metric_labels sets[] = {
        {"route", routes, route_count},
        {"class", classes, 5},
        {"state", states, 4},
        {"provider", providers, provider_count},
        {"outcome", outcomes, OUTCOME_COUNT},
        {"direction", directions, 2},
    };
    return metrics_create(families, SERIES_COUNT, sets, sizeof sets / sizeof sets[0], ret_metrics);
}

enum err series_name_provider(struct metrics *m, size_t label, struct str name)
{
    return metrics_name(m, BY_PROVIDER, label, name);
}
