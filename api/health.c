/* Is the process alive, should it get work, and what has it counted. */
#include "api/routes.h"

void handle_livez(struct api_request *r)
{
    struct api_reply reply;
    reply_init(&reply, 200);
    buf_add_lit(&reply.body, "{\"status\":\"ok\"}");
    api_send(r, &reply);
}

void handle_readyz(struct api_request *r)
{
    bool draining = atomic_load(&r->api->is_draining);
    bool storage = store_is_available(r->shard->store);
    struct api_reply reply;
    reply_init(&reply, draining || !storage ? 503 : 200);
    if (reply.status == 200) {
        buf_add_lit(&reply.body, "{\"status\":\"ok\"}");
        api_send(r, &reply);
        return;
    }
    reply_header(&reply, "Retry-After", "1");
    buf_add_lit(&reply.body, "{\"status\":\"unavailable\",\"reasons\":[");
    if (draining)
        buf_add_lit(&reply.body, "\"draining\"");
    if (draining && !storage)
        buf_add_char(&reply.body, ',');
    if (!storage)
        buf_add_lit(&reply.body, "\"storage\"");
    buf_add_lit(&reply.body, "]}");
    api_send(r, &reply);
}

void handle_openapi(struct api_request *r)
{
    struct api_reply reply;
    reply_init(&reply, 200);
    reply.content_type = "application/json";
    buf_add_str(&reply.body, r->api->openapi);
    api_send(r, &reply);
}
