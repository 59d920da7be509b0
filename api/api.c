#include "api/api.h"

#include <stdarg.h>
#include <stdio.h>

#include "api/openapi.h"
#include "api/routes.h"
#include "base/mem.h"

enum err api_init(struct api *api)
{
    atomic_init(&api->streams, 0);
    atomic_init(&api->is_draining, false);
    return openapi_write(&api->openapi);
}

void api_fini(struct api *api)
{
    mem_free((char *)(uintptr_t)api->openapi.at);
}

/* --- answers ---------------------------------------------------------------------------------- */

void reply_init(struct api_reply *reply, int status)
{
    reply->status = status;
    reply->content_type = NULL;
    buf_init(&reply->body, SIZE_MAX / 2);
    reply->header_count = 0;
    reply->close = false;
}

void reply_header(struct api_reply *reply, const char *name, const char *format, ...)
{
    if (reply->header_count == API_MAX_HEADERS)
        return;
    va_list args;
    va_start(args, format);
    reply->headers[reply->header_count].name = name;
    int n = vsnprintf(reply->headers[reply->header_count].value, sizeof reply->headers[0].value,
                      format, args);
    va_end(args);
    if (n >= 0)
        reply->header_count++;
}

void reply_location(struct api_reply *reply, const struct api *api, const struct id *run)
{
    char id[RUN_ID_TEXT];
    run_id_format(run, id);
    reply_header(reply, "Location", "%.*s/v1/runs/%.*s", STR_ARG(api->base_path), RUN_ID_TEXT, id);
}

void reply_waited(struct api_reply *reply, uint64_t wait_ms)
{
    if (wait_ms > 0)
        reply_header(reply, "Preference-Applied", "wait=%llu",
                     (unsigned long long)(wait_ms / 1000));
}

/* Not the loop's time, which stands still within a turn: most answers come within one. */
static uint64_t now_us(const struct api_request *r)
{
    return clock_mono_ns(loop_clock(r->shard->loop)) / 1000;
}

uint64_t api_elapsed_us(const struct api_request *r)
{
    return now_us(r) - r->started_us;
}

void api_count(struct api_request *r, int status)
{
    size_t route = r->route != NULL ? (size_t)(r->route - routes) : route_count;
    shard_count(r->shard, SERIES_HTTP_REQUESTS, route, series_class(status), 1);
    shard_observe_us(r->shard, SERIES_HTTP_SECONDS, 0, api_elapsed_us(r));
}

void api_send(struct api_request *r, struct api_reply *reply)
{
    if (reply->body.failed) {
        buf_fini(&reply->body);
        reply_init(reply, 503);
        reply_header(reply, "Retry-After", "1");
    }
    if (reply->body.len > 0 && reply->content_type == NULL)
        reply->content_type = "application/json";
    api_count(r, reply->status);
    query_fini(&r->query);
    r->transport->reply(r, reply);
}

void api_problem_reply(struct api_reply *reply, const struct problem *p, const char *request_id,
                       const struct id *run)
{
    char id[RUN_ID_TEXT];
    struct str run_id = STR_NONE;
    if (run != NULL) {
        run_id_format(run, id);
        run_id = (struct str){id, sizeof id};
    }
    reply_init(reply, err_status(p->code));
    reply->content_type = "application/problem+json";
    problem_write(&reply->body, p, str_of(request_id), run_id);
    if (p->allow != NULL)
        reply_header(reply, "Allow", "%s", p->allow);
    bool comes_back = reply->status == 429 || reply->status == 503;
    if (comes_back || p->retry_after_s > 0)
        reply_header(reply, "Retry-After", "%u",
                     p->retry_after_s > 0 ? (unsigned)p->retry_after_s : 1);
    if (p->code == ERR_UNAUTHENTICATED)
        reply_header(reply, "WWW-Authenticate", "Bearer");
}

void api_problem(struct api_request *r, const struct problem *problem)
{
    struct api_reply reply;
    api_problem_reply(&reply, problem, r->request_id, NULL);
    api_send(r, &reply);
}

static void set_problem(struct problem *p, enum err code, const char *detail)
{
    problem_init(p);
    p->code = err_status(code) != 0 ? code : ERR_INTERNAL;
    if (detail != NULL)
        str_copy(p->detail, sizeof p->detail, str_of(detail));
}

void api_fail(struct api_request *r, enum err code, const char *detail)
{
    struct problem p;
    set_problem(&p, code, detail);
    api_problem(r, &p);
}

void api_fail_run(struct api_request *r, enum err code, const char *detail, const struct id *run)
{
    struct problem p;
    struct api_reply reply;
    set_problem(&p, code, detail);
    api_problem_reply(&reply, &p, r->request_id, run);
    api_send(r, &reply);
}

/* --- the way in ------------------------------------------------------------------------------- */

static bool is_request_id(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '.' || c == '_' || c == '-';
        if (!fine)
            return false;
    }
    return s.len > 0 && s.len <= API_REQUEST_ID;
}

void api_name_request(struct api_request *r)
{
    if (is_request_id(r->headers.request_id)) {
        str_copy(r->request_id, sizeof r->request_id, r->headers.request_id);
        return;
    }
    struct id id = id_next(&r->shard->ids, loop_wall_ms(r->shard->loop));
    memcpy(r->request_id, "req_", 4);
    id_format(&id, r->request_id + 4);
    r->request_id[4 + ID_TEXT] = '\0';
}

static void answer_options(struct api_request *r, const char *allow)
{
    struct api_reply reply;
    reply_init(&reply, 204);
    reply_header(&reply, "Allow", "%s", allow);
    api_send(r, &reply);
}

/* Finds the route. False: it was answered. */
static bool identify(struct api_request *r)
{
    char allow[96];
    enum err e = route_find(r->method, r->path, &r->route, &r->params, allow, sizeof allow);
    if (e == OK)
        return true;
    if (e == ERR_METHOD_NOT_ALLOWED && str_eq(r->method, STR("OPTIONS"))) {
        answer_options(r, allow);
        return false;
    }
    struct problem p;
    problem_init(&p);
    p.code = e;
    p.allow = e == ERR_METHOD_NOT_ALLOWED ? allow : NULL;
    api_problem(r, &p);
    return false;
}

static bool authenticate(struct api_request *r)
{
    const struct api_key *key;
    enum err e = auth_check(&api_rules(r)->auth, &r->headers, r->route->scope, &key);
    r->owner = key != NULL ? key->tenant : NULL;
    r->tenant = key != NULL ? key->tenant->name : STR("");
    if (e != OK)
        api_fail(r, e, NULL);
    return e == OK;
}

static const struct {
    enum offered offered;
    const char *told; /* to who accepts none of it; NULL: everybody does */
} offers[] = {
    [ANSWERS_JSON] = {OFFERS_JSON, "application/json can be served"},
    [ANSWERS_STREAM] = {OFFERS_JSON_AND_STREAMS, "application/json, text/event-stream and "
                                                 "application/x-ndjson can be served"},
    [ANSWERS_EVENTS] = {OFFERS_STREAMS, "text/event-stream and application/x-ndjson can be served"},
    [ANSWERS_TEXT] = {OFFERS_JSON, NULL},
};

static bool negotiate(struct api_request *r)
{
    r->accepts = headers_accept(&r->headers, offers[r->route->answer].offered);
    const char *told = offers[r->route->answer].told;
    if (r->accepts == ACCEPTS_NOTHING && told != NULL) {
        api_fail(r, ERR_NOT_ACCEPTABLE, told);
        return false;
    }
    if (r->route->takes_body && !headers_body_is_json(&r->headers)) {
        api_fail(r, ERR_UNSUPPORTED_MEDIA_TYPE,
                 "the body must be application/json, without Content-Encoding");
        return false;
    }
    return true;
}

static bool read_query(struct api_request *r)
{
    struct error error;
    enum err e = query_parse(&r->query, r->query_text, r->route->query, &error);
    if (e != OK)
        api_fail(r, e, error.message);
    return e == OK;
}

void api_handle(struct api_request *r)
{
    r->is_head = str_eq(r->method, STR("HEAD"));
    r->query.count = 0;
    r->started_us = now_us(r);
    arena_init(&r->query.arena, 0);
    api_name_request(r);
    if (identify(r) && authenticate(r) && negotiate(r) && read_query(r))
        r->route->handle(r);
}

bool api_read_run_id(struct api_request *r)
{
    if (id_parse(r->params.id, RUN_ID_PREFIX, &r->run_id))
        return true;
    api_fail(r, ERR_NOT_FOUND, "there is no run with that id");
    return false;
}

uint64_t api_wait_ms(const struct api_request *r, uint64_t default_ms)
{
    uint64_t asked_ms = headers_wait_ms(&r->headers);
    uint64_t wait_ms = asked_ms > 0 ? asked_ms : default_ms;
    uint64_t most_ms = api_rules(r)->limits.max_wait_ms;
    return wait_ms < most_ms ? wait_ms : most_ms;
}
