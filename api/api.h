#ifndef SLUICE_API_API_H
#define SLUICE_API_API_H
/* The HTTP API without HTTP: requests as plain data come in, replies go out through a transport
 * that knows the sockets.
 *
 * A request is answered exactly once: with a reply (a whole document) or with a stream (pulled by
 * the transport as its client takes it). A handler may answer within api_handle or later, on the
 * same loop. Until it has, the transport tells it when the client goes away; the handler then drops
 * what it holds, and must not answer any more.
 *
 * One `struct api` serves all loops: it is read-only but for what has its own lock, and for the
 * rules, which a loop replaces between two events. A request belongs to its loop. */
#include "api/auth.h"
#include "api/headers.h"
#include "api/query.h"
#include "base/buf.h"
#include "base/metrics.h"
#include "model/problem.h"
#include "runs/engine.h"

struct api_request;
struct api_stream;
struct route;

enum { API_MAX_HEADERS = 8, API_REQUEST_ID = 128, API_PROVIDER_LABELS = 512 };

struct api_reply {
    int status;
    const char *content_type; /* static; NULL where there is no body */
    struct buf body;          /* taken over */
    struct {
        const char *name; /* static */
        char value[256];
    } headers[API_MAX_HEADERS];
    uint32_t header_count;
    bool close; /* the connection cannot be used again */
};

/* The source of a streamed answer. Pulled on the request's loop; the transport frames nothing but
 * its transfer coding. */
struct api_stream {
    const char *content_type; /* static */
    /* Appends what there is, about max_bytes at most. */
    void (*pull)(struct api_request *r, struct buf *out, size_t max_bytes);
    bool (*is_over)(struct api_request *r); /* nothing more will come */
    /* What breaks a silence, and what says that the stream ends before its run, and why ("drain",
     * "slow_reader"). */
    void (*heartbeat)(struct api_request *r, struct buf *out);
    void (*cut)(struct api_request *r, struct buf *out, const char *reason);
    /* The end, however it came; `gone`: the client went away before it was over. The last call for
     * this request. */
    void (*on_end)(struct api_request *r, bool gone);
};

struct api_transport {
    void (*reply)(struct api_request *r, struct api_reply *reply);
    void (*stream)(struct api_request *r, const struct api_stream *stream, struct api_reply *head);
    void (*wake)(struct api_request *r); /* a stream that was pulled dry has more */
};

struct api_limits {
    uint64_t default_wait_ms, max_wait_ms;
    uint32_t streams;
};

/* What a reload replaces, as a whole. Immutable. */
struct api_rules {
    struct auth auth;
    struct api_limits limits;
};

struct api {
    struct engine *engine;
    const struct api_rules *rules[MAX_LOOPS]; /* in force; each belongs to its loop */
    struct str base_path;
    struct metrics *metrics;
    uint32_t provider_labels; /* of the metrics, at most API_PROVIDER_LABELS */
    atomic_uint streams;      /* open ones */
    atomic_bool is_draining;
    struct str openapi; /* the page, made once */
};

/* What the path holds in place of {id}, {name} and {path}. */
struct api_params {
    struct str id, name, path;
};

struct api_request {
    /* set by the transport, in place until the request is answered */
    struct api *api;
    struct shard *shard;
    const struct api_transport *transport;
    struct str method, path, query_text; /* raw: not decoded */
    struct headers headers;
    struct str body; /* during api_handle alone */

    /* set on the way in */
    const struct route *route;
    struct api_params params;
    struct query query;
    struct tenant *owner; /* NULL: no key is needed */
    struct str tenant;    /* its name, which stays when the request has gone */
    char request_id[API_REQUEST_ID + 1];
    bool is_head;
    uint64_t started_us; /* monotonic: it was complete; 0: it never was */
    enum accepted accepts;
    struct id run_id;

    /* the handler's */
    void *state;
    void (*on_gone)(struct api_request *r);
    /* The gateway is about to stop: answer with what there is. NULL where the answer is soon
     * there anyway. */
    void (*on_hurry)(struct api_request *r);
};

enum err api_init(struct api *api) MUST_CHECK; /* after the fields above are set */
void api_fini(struct api *api);

/* The whole request is here. */
void api_handle(struct api_request *r);

/* What holds for this request at this moment: never kept for a later turn of the loop. */
static inline const struct api_rules *api_rules(const struct api_request *r)
{
    return r->api->rules[r->shard->index];
}

/* --- for handlers ----------------------------------------------------------------------------- */

void reply_init(struct api_reply *reply, int status);
void reply_header(struct api_reply *reply, const char *name, const char *format, ...)
    PRINTF_LIKE(3, 4);
void api_send(struct api_request *r, struct api_reply *reply);
void api_count(struct api_request *r,
               int status); /* in the metrics: by api_send, and by who begins a stream */

/* Since the request was complete. */
uint64_t api_elapsed_us(const struct api_request *r);

/* The problem document, with Allow and Retry-After as it says. */
void api_problem(struct api_request *r, const struct problem *problem);
void api_fail(struct api_request *r, enum err code,
              const char *detail); /* NULL: the code's title */
/* A problem about a run. */
void api_fail_run(struct api_request *r, enum err code, const char *detail, const struct id *run);
void api_problem_reply(struct api_reply *reply, const struct problem *problem,
                       const char *request_id, const struct id *run);

/* Gives the request an id: the caller's, if it is one, or a new one. */
void api_name_request(struct api_request *r);

/* The run's id from the path into r->run_id. False: it was answered with 404. */
bool api_read_run_id(struct api_request *r);

/* How long the client wants to wait (Prefer), `default_ms` where it does not say; no longer than
 * the rules allow. 0: it does not wait. */
uint64_t api_wait_ms(const struct api_request *r, uint64_t default_ms);

/* Preference-Applied: it was waited for so long at most. Nothing where it was not waited for. */
void reply_waited(struct api_reply *reply, uint64_t wait_ms);

/* "BASE/v1/runs/ID" as the Location. */
void reply_location(struct api_reply *reply, const struct api *api, const struct id *run);
#endif
