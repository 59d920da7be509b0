#include "api/routes.h"

static const char *const list_query[] = {
    "state",         "agent",          "workflow", "name",   "metadata.",
    "created_after", "created_before", "limit",    "cursor", NULL};
static const char *const events_query[] = {"after", "types", "limit", "follow", NULL};
static const char *const bus_query[] = {"after", "types", "run", "agent", NULL};

/* What is spelled out stands before the patterns that it matches, too: the first one is a path's.
 */
const struct route routes[] = {
    {"POST", "/v1/runs", SCOPE_RUN, true, ANSWERS_STREAM, NULL, handle_runs_create, "Create a run"},
    {"GET", "/v1/runs", SCOPE_READ, false, ANSWERS_JSON, list_query, handle_runs_list,
     "List runs, newest first"},
    {"POST", "/v1/runs/validate", SCOPE_RUN, true, ANSWERS_JSON, NULL, handle_runs_validate,
     "Check what a create would check"},
    {"POST", "/v1/runs/batch", SCOPE_RUN, true, ANSWERS_JSON, NULL, handle_runs_batch,
     "Create many runs, committed together"},
    {"POST", "/v1/runs/cancel", SCOPE_RUN, true, ANSWERS_JSON, NULL, handle_runs_cancel,
     "Cancel runs, by their ids or by a filter"},
    {"GET", "/v1/runs/{id}", SCOPE_READ, false, ANSWERS_JSON, NULL, handle_run_get,
     "A run; Prefer: wait for its end"},
    {"DELETE", "/v1/runs/{id}", SCOPE_RUN, false, ANSWERS_JSON, NULL, handle_run_delete,
     "Remove a finished run"},
    {"GET", "/v1/runs/{id}/output", SCOPE_READ, false, ANSWERS_JSON, NULL, handle_run_output,
     "The output alone"},
    {"POST", "/v1/runs/{id}/cancel", SCOPE_RUN, true, ANSWERS_JSON, NULL, handle_run_cancel,
     "Cancel a run"},
    {"POST", "/v1/runs/{id}/retry", SCOPE_RUN, false, ANSWERS_STREAM, NULL, handle_run_retry,
     "Create a run from one that did not succeed, with the results that it has"},
    {"GET", "/v1/runs/{id}/events", SCOPE_READ, false, ANSWERS_STREAM, events_query,
     handle_run_events, "The run's events: a page, or a stream that follows it"},
    {"GET", "/v1/runs/{id}/tasks", SCOPE_READ, false, ANSWERS_JSON, NULL, handle_run_tasks,
     "The task tree"},
    {"POST", "/v1/runs/{id}/tasks/{path}/cancel", SCOPE_RUN, true, ANSWERS_JSON, NULL,
     handle_task_cancel, "Cancel one task"},
    {"GET", "/v1/runs/{id}/tasks/{path}", SCOPE_READ, false, ANSWERS_JSON, NULL, handle_run_task,
     "One task; Prefer: wait for its end"},
    {"GET", "/v1/agents", SCOPE_READ, false, ANSWERS_JSON, NULL, handle_agents_list, "List agents"},
    {"GET", "/v1/agents/{name}", SCOPE_READ, false, ANSWERS_JSON, NULL, handle_agent_get,
     "An agent"},
    {"PUT", "/v1/agents/{name}", SCOPE_ADMIN, true, ANSWERS_JSON, NULL, handle_agent_put,
     "Create or replace an agent; If-Match, If-None-Match: *"},
    {"DELETE", "/v1/agents/{name}", SCOPE_ADMIN, false, ANSWERS_JSON, NULL, handle_agent_delete,
     "Remove an agent; If-Match"},
    {"POST", "/v1/agents/{name}/runs", SCOPE_RUN, true, ANSWERS_STREAM, NULL,
     handle_agent_runs_create, "Create a run of this agent"},
    {"POST", "/v1/agents/{name}/run", SCOPE_RUN, true, ANSWERS_STREAM, NULL, handle_agent_run,
     "Create a run of this agent and wait for it"},
    {"GET", "/v1/workflows", SCOPE_READ, false, ANSWERS_JSON, NULL, handle_workflows_list,
     "List workflows"},
    {"GET", "/v1/workflows/{name}", SCOPE_READ, false, ANSWERS_JSON, NULL, handle_workflow_get,
     "A workflow"},
    {"PUT", "/v1/workflows/{name}", SCOPE_ADMIN, true, ANSWERS_JSON, NULL, handle_workflow_put,
     "Create or replace a workflow; If-Match, If-None-Match: *"},
    {"DELETE", "/v1/workflows/{name}", SCOPE_ADMIN, false, ANSWERS_JSON, NULL,
     handle_workflow_delete, "Remove a workflow; If-Match"},
    {"POST", "/v1/workflows/{name}/runs", SCOPE_RUN, true, ANSWERS_STREAM, NULL,
     handle_workflow_runs_create, "Create a run of this workflow"},
    {"GET", "/v1/providers", SCOPE_READ, false, ANSWERS_JSON, NULL, handle_providers_list,
     "List providers"},
    {"GET", "/v1/providers/{name}", SCOPE_READ, false, ANSWERS_JSON, NULL, handle_provider_get,
     "A provider: breaker, slots, limits, latency"},
    {"POST", "/v1/providers/{name}/breaker/reset", SCOPE_ADMIN, true, ANSWERS_JSON, NULL,
     handle_provider_reset, "Close a provider's breaker"},
    {"GET", "/v1/circuits", SCOPE_READ, false, ANSWERS_JSON, NULL, handle_circuits_list,
     "List the circuits that tasks name"},
    {"GET", "/v1/circuits/{name}", SCOPE_READ, false, ANSWERS_JSON, NULL, handle_circuit_get,
     "A circuit: state, numbers, counts"},
    {"POST", "/v1/circuits/{name}/reset", SCOPE_ADMIN, true, ANSWERS_JSON, NULL,
     handle_circuit_reset, "Close a circuit"},
    {"POST", "/v1/backup", SCOPE_ADMIN, true, ANSWERS_JSON, NULL, handle_backup,
     "Copy the store to a new file on the gateway's machine"},
    {"GET", "/v1/events", SCOPE_READ, false, ANSWERS_EVENTS, bus_query, handle_events,
     "The events of all runs and circuits, as they are committed"},
    {"GET", "/livez", SCOPE_OPEN, false, ANSWERS_TEXT, NULL, handle_livez,
     "Can the process answer?"},
    {"GET", "/readyz", SCOPE_OPEN, false, ANSWERS_TEXT, NULL, handle_readyz,
     "Should it get new work?"},
    {"GET", "/metrics", SCOPE_READ, false, ANSWERS_TEXT, NULL, handle_metrics,
     "Metrics, in Prometheus' text format"},
    {"GET", "/openapi.json", SCOPE_READ, false, ANSWERS_TEXT, NULL, handle_openapi,
     "This API, as OpenAPI 3.1"},
};

const size_t route_count = sizeof routes / sizeof routes[0];

/* All that is left, but for what the pattern still has behind it. */
static bool take_path(const struct str *pattern, struct str *path, struct api_params *params)
{
    struct str all = *path, rest = *pattern;
    size_t behind = rest.at != NULL ? rest.len + 1 : 0;
    if (all.len <= behind)
        return false;
    params->path = (struct str){all.at, all.len - behind};
    *path = behind > 0 ? (struct str){all.at + all.len - rest.len, rest.len} : STR_NONE;
    return behind == 0 || all.at[all.len - behind] == '/';
}

/* Takes one segment off the front of both; false where they differ. */
static bool match_segment(struct str *pattern, struct str *path, struct api_params *params)
{
    struct str p = str_cut(pattern, '/');
    if (str_eq(p, STR("{path}")))
        return take_path(pattern, path, params);
    struct str s = str_cut(path, '/');
    if (str_eq(p, STR("{id}"))) {
        params->id = s;
        return s.len > 0;
    }
    if (str_eq(p, STR("{name}"))) {
        params->name = s;
        return s.len > 0;
    }
    return str_eq(p, s);
}

static bool match(struct str pattern, struct str path, struct api_params *params)
{
    while (pattern.at != NULL && path.at != NULL) {
        if (!match_segment(&pattern, &path, params))
            return false;
    }
    return pattern.at == NULL && path.at == NULL;
}

static void add_method(char *allow, size_t size, const char *method)
{
    size_t n = strlen(allow);
    str_copy(allow + n, size - n, str_of(n > 0 ? ", " : ""));
    n = strlen(allow);
    str_copy(allow + n, size - n, str_of(method));
}

enum err route_find(struct str method, struct str path, const struct route **ret_route,
                    struct api_params *ret_params, char *ret_allow, size_t allow_size)
{
    struct str wanted = str_eq(method, STR("HEAD")) ? STR("GET") : method;
    struct api_params params = {.path = STR_NONE};
    struct str pattern = STR_NONE; /* the path's */
    ret_allow[0] = '\0';
    for (size_t i = 0; i < route_count; i++) {
        struct str p = str_of(routes[i].path);
        if (pattern.at != NULL ? !str_eq(p, pattern) : !match(p, path, &params))
            continue;
        pattern = p;
        if (str_eq(wanted, str_of(routes[i].method))) {
            *ret_route = &routes[i];
            *ret_params = params;
            return OK;
        }
        add_method(ret_allow, allow_size, routes[i].method);
        if (str_eq(str_of(routes[i].method), STR("GET")))
            add_method(ret_allow, allow_size, "HEAD");
    }
    if (ret_allow[0] == '\0')
        return ERR_NOT_FOUND;
    add_method(ret_allow, allow_size, "OPTIONS");
    return ERR_METHOD_NOT_ALLOWED;
}
