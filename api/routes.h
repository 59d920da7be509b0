#ifndef SLUICE_API_ROUTES_H
#define SLUICE_API_ROUTES_H
/* The routes, in one table: it drives dispatch, 405 with Allow, the query's names, the metrics'
 * labels and the OpenAPI page. */
#include "api/api.h"

enum route_answer {
    ANSWERS_JSON,   /* JSON only */
    ANSWERS_STREAM, /* JSON, SSE or NDJSON, as the client wants */
    ANSWERS_EVENTS, /* SSE or NDJSON */
    ANSWERS_TEXT,   /* whatever the client accepts */
};

struct route {
    const char *method;
    const char *path; /* {id}, {name}: one segment; {path}: one or more */
    enum scope scope;
    bool takes_body; /* JSON */
    enum route_answer answer;
    const char *const *query; /* the names that are allowed; NULL: none */
    void (*handle)(struct api_request *r);
    const char *summary;
};

extern const struct route routes[];
extern const size_t route_count;

/* The route of a request, with its parameters. OK; ERR_NOT_FOUND; ERR_METHOD_NOT_ALLOWED with the
 * methods that are allowed there in `ret_allow` ("GET, HEAD, OPTIONS"). HEAD finds the route of
 * GET; OPTIONS finds no route: ret_allow is all that it wants to know. */
enum err route_find(struct str method, struct str path, const struct route **ret_route,
                    struct api_params *ret_params, char *ret_allow, size_t allow_size) MUST_CHECK;

/* The handlers, each in the file of its feature. */
void handle_runs_create(struct api_request *r);
void handle_runs_validate(struct api_request *r);
void handle_agent_runs_create(struct api_request *r);
void handle_agent_run(struct api_request *r);
void handle_workflow_runs_create(struct api_request *r);
void handle_runs_batch(struct api_request *r);
void handle_runs_cancel(struct api_request *r);
void handle_runs_list(struct api_request *r);
void handle_run_get(struct api_request *r);
void handle_run_output(struct api_request *r);
void handle_run_delete(struct api_request *r);
void handle_run_retry(struct api_request *r);
void handle_run_cancel(struct api_request *r);
void handle_run_events(struct api_request *r);
void handle_events(struct api_request *r);
void handle_run_tasks(struct api_request *r);
void handle_run_task(struct api_request *r);
void handle_task_cancel(struct api_request *r);
void handle_agents_list(struct api_request *r);
void handle_agent_get(struct api_request *r);
void handle_agent_put(struct api_request *r);
void handle_agent_delete(struct api_request *r);
void handle_workflows_list(struct api_request *r);
void handle_workflow_get(struct api_request *r);
void handle_workflow_put(struct api_request *r);
void handle_workflow_delete(struct api_request *r);
void handle_providers_list(struct api_request *r);
void handle_provider_get(struct api_request *r);
void handle_provider_reset(struct api_request *r);
void handle_circuits_list(struct api_request *r);
void handle_circuit_get(struct api_request *r);
void handle_circuit_reset(struct api_request *r);
void handle_backup(struct api_request *r);
void handle_livez(struct api_request *r);
void handle_readyz(struct api_request *r);
void handle_metrics(struct api_request *r);
void handle_openapi(struct api_request *r);
#endif
