/* One request, from the daemon's first word of it to its completion.
 *
 *     on_uri -> on_request (head: look at it) -> (body, piece by piece) -> (all here: the API)
 *                    ^                                                        | at once: queued
 *                    |--- resumed when the answer is ready <-- suspended <----| later
 */
#include <stdio.h>

#include "base/mem.h"
#include "server/edge_internal.h"

enum {
    KEEP_BODY =
        65536 /* a body's memory up to this size is kept for the connection's next request */
};

static void reply(struct api_request *r, struct api_reply *answer);
static void stream(struct api_request *r, const struct api_stream *source, struct api_reply *head);
static void wake(struct api_request *r);

static const struct api_transport transport = {.reply = reply, .stream = stream, .wake = wake};

void exchange_init(struct exchange *x, struct conn *conn)
{
    x->conn = conn;
    list_init(&x->waiting);
    buf_init(&x->body, 0); /* until a request begins */
    stream_init(x);
}

static void forget_body(struct exchange *x)
{
    if (x->body.cap > KEEP_BODY)
        buf_fini(&x->body);
    buf_clear(&x->body);
    x->request.body = STR_NONE;
}

static void forget_request(struct exchange *x)
{
    if (x->response != NULL)
        MHD_destroy_response(x->response);
    x->response = NULL;
    mem_free(x->uri);
    x->uri = NULL;
    list_remove(&x->waiting);
    forget_body(x);
}

/* The client is gone, and the API still has the request: it has to let go. */
static void abandon(struct exchange *x)
{
    void (*on_gone)(struct api_request *) = x->request.on_gone;
    x->request.on_gone = NULL;
    if (x->stream.source != NULL)
        stream_abandon(x);
    else if (x->is_handled && !x->is_answered && on_gone != NULL)
        on_gone(&x->request);
    x->is_answered = true;
}

void exchange_fini(struct exchange *x)
{
    abandon(x);
    forget_request(x);
    stream_fini(x);
    buf_fini(&x->body);
}

/* --- the beginning ---------------------------------------------------------------------------- */

static struct conn *conn_of(struct MHD_Connection *mhd)
{
    return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* The request line is here. Raw, since the daemon decodes what it gives to the handler. */
void *exchange_on_uri(void *edge, const char *uri, struct MHD_Connection *mhd)
{
    struct conn *c = conn_of(mhd);
    (void)edge;
    if (c == NULL)
        return NULL;
    struct exchange *x = &c->exchange;
    x->mhd = mhd;
    x->uri = mem_strdup(str_of(uri));
    x->uri_end = uri + strlen(uri);
    x->head_size = 0;
    x->body_max = c->edge->settings->http.body_bytes;
    x->body.max = x->body_max + 1;
    x->is_active = true;
    x->is_seen = x->is_too_large = x->is_handled = x->is_answered = x->is_gone = x->is_queued =
        false;
    x->request =
        (struct api_request){.api = c->edge->api, .shard = c->edge->shard, .transport = &transport};
    if (c->phase == CONN_IDLE)
        conn_enter(c, CONN_HEAD);
    return x;
}

static void split_uri(struct exchange *x)
{
    struct str rest = str_of(x->uri);
    x->request.path = str_cut(&rest, '?');
    x->request.query_text = rest.at != NULL ? rest : STR("");
}

/* --- answers ---------------------------------------------------------------------------------- */

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
    IGNORE_RESULT(MHD_add_response_header(response, name, value) !=
                  MHD_YES); /* it says no to what is no header */
}

static void add_headers(struct exchange *x, struct MHD_Response *response,
                        const struct api_reply *answer, const char *content_type)
{
    if (content_type != NULL)
        add_header(response, "Content-Type", content_type);
    for (uint32_t i = 0; i < answer->header_count; i++)
        add_header(response, answer->headers[i].name, answer->headers[i].value);
    add_header(response, "X-Request-Id", x->request.request_id);
    if (answer->close || x->conn->edge->is_draining)
        add_header(response, "Connection", "close");
}

static void free_body(void *body)
{
    mem_free(body);
}

/* A HEAD of a stream gets it too: a body of unknown length would end in a stray chunk. */
static struct MHD_Response *empty_response(void)
{
    return MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
}

static struct MHD_Response *response_of(struct buf *body)
{
    size_t len = 0;
    if (body->len == 0) {
        buf_fini(body);
        return empty_response();
    }
    char *own = buf_take(body, &len);
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback(len, own, free_body);
    if (response == NULL)
        mem_free(own);
    return response;
}

/* The answer is ready: the daemon takes it when it asks again, which it does at once unless it is
 * suspended. */
static void set_response(struct exchange *x, struct MHD_Response *response, int status)
{
    x->response = response;
    x->status = status;
    x->is_answered = true;
    access_log(x, status);
    x->request.on_gone = x->request.on_hurry = NULL;
    if (x->is_suspended)
        exchange_resume(x);
}

static void reply(struct api_request *r, struct api_reply *answer)
{
    struct exchange *x = CONTAINER_OF(r, struct exchange, request);
    const char *type = answer->content_type;
    struct MHD_Response *response = response_of(&answer->body);
    if (response != NULL)
        add_headers(x, response, answer, type);
    set_response(x, response, answer->status);
}

static void stream(struct api_request *r, const struct api_stream *source, struct api_reply *head)
{
    struct exchange *x = CONTAINER_OF(r, struct exchange, request);
    int status = head->status;
    buf_fini(&head->body);
    struct MHD_Response *response = r->is_head ? empty_response() : stream_open(x, source);
    if (response != NULL)
        add_headers(x, response, head, source->content_type);
    set_response(x, response, status);
    if (r->is_head)
        source->on_end(r, false); /* takes the head with it */
}

static void wake(struct api_request *r)
{
    stream_wake(CONTAINER_OF(r, struct exchange, request));
}

static enum MHD_Result queue(struct exchange *x)
{
    struct MHD_Response *response = x->response;
    x->response = NULL;
    if (response == NULL)
        return MHD_NO; /* out of memory: closes the connection */
    x->is_queued = true;
    conn_enter(x->conn, x->stream.source != NULL ? CONN_HANDLED : CONN_WRITING);
    enum MHD_Result result = MHD_queue_response(x->mhd, (unsigned)x->status, response);
    MHD_destroy_response(response);
    return result;
}

/* A refusal before the API has seen it. */
static enum MHD_Result refuse(struct exchange *x, const struct problem *problem, bool close)
{
    struct api_reply answer;
    api_name_request(&x->request);
    api_problem_reply(&answer, problem, x->request.request_id, NULL);
    answer.close = close;
    reply(&x->request, &answer);
    return queue(x);
}

/* --- waiting for the answer ------------------------------------------------------------------- */

void exchange_suspend(struct exchange *x)
{
    struct edge *e = x->conn->edge;
    x->is_suspended = true;
    x->waiting_since_ms = loop_now_ms(e->loop);
    MHD_suspend_connection(x->mhd);
}

void exchange_resume(struct exchange *x)
{
    struct conn *c = x->conn;
    if (!x->is_suspended)
        return;
    x->is_suspended = false;
    list_remove(&x->waiting);
    IGNORE_RESULT(conn_watch(c, 0) != OK); /* watching nothing cannot fail */
    MHD_resume_connection(x->mhd);
    edge_run_later(c->edge);
}

static void wait_for_answer(struct exchange *x)
{
    struct edge *e = x->conn->edge;
    exchange_suspend(x);
    list_push_back(&e->waiting, &x->waiting);
    if (!loop_timer_is_armed(&e->sweep))
        loop_timer_start(&e->sweep, loop_now_ms(e->loop) + 250);
}

void exchange_on_client_gone(struct exchange *x)
{
    if (!x->is_suspended)
        return;
    x->is_gone = true;
    abandon(x);
    exchange_resume(x);
}

/* The gateway is about to stop: whoever still waits gets what there is. */
void exchange_hurry(struct exchange *x)
{
    if (x->is_suspended && x->is_handled && !x->is_answered && x->request.on_hurry != NULL)
        x->request.on_hurry(&x->request);
}

/* --- the daemon's handler --------------------------------------------------------------------- */

/* A body that is a little too large is read to its end and refused on a connection that stays; a
 * much larger one is not. */
static bool is_hopeless(const struct exchange *x)
{
    return x->body_expected != UINT64_MAX && x->body_expected > 2 * x->body_max;
}

static enum MHD_Result look_at_head(struct exchange *x, const char *method, const char *version)
{
    struct problem problem;
    x->is_seen = true;
    problem_init(&problem);
    if (x->uri == NULL)
        return MHD_NO;
    x->request.method = str_of(method);
    split_uri(x);
    if (framing_check(x, method, version, &problem) != OK)
        return refuse(x, &problem, true);
    if (is_hopeless(x)) {
        problem_set(&problem, ERR_BODY_TOO_LARGE, "the body is larger than limits.body_bytes");
        return refuse(x, &problem, true);
    }
    x->is_too_large = x->body_expected != UINT64_MAX && x->body_expected > x->body_max;
    x->stream.is_chunked = strcmp(version, "HTTP/1.1") == 0;
    if (x->body_expected > 0)
        conn_enter(x->conn, CONN_BODY);
    return MHD_YES;
}

static enum MHD_Result take_body(struct exchange *x, const char *bytes, size_t *len)
{
    x->body_seen += *len;
    if (x->body_seen > 2 * x->body_max)
        return MHD_NO; /* it was told a length and sends more, or never ends */
    if (!x->is_too_large)
        buf_add(&x->body, bytes, *len);
    if (x->body.len > x->body_max)
        x->is_too_large = true;
    *len = 0;
    return MHD_YES;
}

static enum MHD_Result handle(struct exchange *x)
{
    struct problem problem;
    problem_init(&problem);
    conn_enter(x->conn, CONN_HANDLED);
    if (x->is_too_large) {
        problem_set(&problem, ERR_BODY_TOO_LARGE, "the body is larger than limits.body_bytes");
        return refuse(x, &problem, false);
    }
    if (buf_ok(&x->body) != OK) {
        problem_set(&problem, ERR_OVERLOADED, "out of memory");
        return refuse(x, &problem, false);
    }
    x->request.body = buf_str(&x->body);
    x->is_handled = true;
    api_handle(&x->request);
    forget_body(x); /* its answer may take as long as its run does */
    if (x->is_answered)
        return queue(x);
    wait_for_answer(x);
    return MHD_YES;
}

enum MHD_Result exchange_on_request(void *edge, struct MHD_Connection *mhd, const char *url,
                                    const char *method, const char *version, const char *upload,
                                    size_t *upload_size, void **ctx)
{
    struct exchange *x = *ctx;
    (void)edge, (void)mhd, (void)url;
    if (x == NULL || x->is_gone)
        return MHD_NO;
    if (!x->is_seen)
        return look_at_head(x, method, version);
    if (*upload_size > 0)
        return take_body(x, upload, upload_size);
    if (x->is_queued)
        return MHD_YES;
    return x->is_answered ? queue(x) : handle(x);
}

void exchange_on_completed(void *edge, struct MHD_Connection *mhd, void **ctx,
                           enum MHD_RequestTerminationCode code)
{
    struct exchange *x = *ctx;
    (void)edge, (void)mhd, (void)code;
    if (x == NULL)
        return;
    abandon(x);
    forget_request(x);
    x->is_active = false;
    x->conn->received += x->head_size + x->body_seen;
    if (x->body_expected == UINT64_MAX)
        conn_recount(x->conn);
    x->body_seen = 0;
    IGNORE_RESULT(conn_watch(x->conn, 0) != OK); /* watching nothing cannot fail */
    conn_enter(x->conn, CONN_IDLE);
}
