#include "tests/support/api_rig.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static void take_reply(struct api_request *request, struct api_reply *reply)
{
    struct asked_api *r = CONTAINER_OF(request, struct asked_api, request);
    ck_assert(request->on_gone == NULL); /* nobody is to be told any more */
    r->answers++;
    r->status = reply->status;
    r->reply = *reply;
    buf_add_str(&r->body, buf_str(&reply->body));
    buf_fini(&r->reply.body);
    r->is_over = true;
}

static void pull(struct asked_api *r)
{
    if (r->is_over)
        return;
    r->stream->pull(&r->request, &r->body, SIZE_MAX);
    if (!r->stream->is_over(&r->request))
        return;
    r->is_over = true;
    r->stream->on_end(&r->request, false);
}

static void take_stream(struct api_request *request, const struct api_stream *stream,
                        struct api_reply *head)
{
    struct asked_api *r = CONTAINER_OF(request, struct asked_api, request);
    ck_assert(request->on_gone == NULL);
    r->answers++;
    r->status = head->status;
    r->reply = *head;
    r->stream = stream;
    pull(r);
}

static void wake(struct api_request *request)
{
    pull(CONTAINER_OF(request, struct asked_api, request));
}

static const struct api_transport transport = {
    .reply = take_reply, .stream = take_stream, .wake = wake};

void api_rig_start(struct api_rig *a, struct rig *rig)
{
    *a = (struct api_rig){
        .rig = rig,
        .api = {.engine = rig->engine, .base_path = STR("")},
        .rules.limits = {.default_wait_ms = 30000, .max_wait_ms = 300000, .streams = 100}};
    for (uint32_t i = 0; i < MAX_LOOPS; i++)
        a->api.rules[i] = &a->rules;
    ck_assert_int_eq(api_init(&a->api), OK);
}

void api_rig_stop(struct api_rig *a)
{
    ck_assert_uint_eq(atomic_load(&a->api.streams), 0);
    api_fini(&a->api);
}

static void read_headers(struct headers *h, const char *lines)
{
    struct str rest = str_of(lines);
    while (rest.at != NULL && rest.len > 0) {
        struct str value = str_cut(&rest, '\n');
        struct str name = str_cut(&value, ':');
        ck_assert(headers_note(h, name, value));
    }
}

void api_ask(struct api_rig *a, uint32_t shard, const char *line, const char *headers,
             const char *body, struct asked_api *ret)
{
    *ret = (struct asked_api){.status = 0};
    buf_init(&ret->body, SIZE_MAX / 2);
    str_copy(ret->path, sizeof ret->path, str_of(line));
    struct str rest = str_of(ret->path);
    struct api_request *r = &ret->request;
    r->api = &a->api;
    r->shard = rig_shard(a->rig, shard);
    r->transport = &transport;
    r->method = str_cut(&rest, ' ');
    r->path = str_cut(&rest, '?');
    r->query_text = rest.at != NULL ? rest : STR("");
    read_headers(&r->headers, headers);
    char *sent = strdup(body != NULL ? body : "");
    ck_assert_ptr_nonnull(sent);
    r->body = str_of(sent);
    api_handle(r);
    r->body = STR_NONE;
    explicit_bzero(sent, strlen(sent)); /* it is there no longer than that */
    free(sent);
}

void api_hang_up(struct asked_api *r)
{
    void (*on_gone)(struct api_request *) = r->request.on_gone;
    r->request.on_gone = NULL;
    if (r->stream != NULL && !r->is_over)
        r->stream->on_end(&r->request, true);
    else if (r->answers == 0 && on_gone != NULL)
        on_gone(&r->request);
    r->is_over = true;
    memset(r->path, 'x', sizeof r->path - 1); /* the request's memory goes */
}

void api_done(struct asked_api *r)
{
    if (!r->is_over)
        api_hang_up(r);
    buf_fini(&r->body);
}

const char *api_header(const struct asked_api *r, const char *name)
{
    for (uint32_t i = 0; i < r->reply.header_count; i++) {
        if (strcmp(r->reply.headers[i].name, name) == 0)
            return r->reply.headers[i].value;
    }
    return NULL;
}
